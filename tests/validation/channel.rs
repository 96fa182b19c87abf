//! The rules of a whole channel, and ladders, which build valid channels.

use super::{broken, seconds};
use livestream_client::{
    ladder::{Ladder, Rendition},
    model::{
        AudioStream, Channel, Distribution, DistributionStream, Encryption, InputAttachment,
        NormalizedCoordinate, NormalizedResolution, RetentionConfig, RtmpPushOutputEndpoint,
        SpriteSheet, SrtPushOutputEndpoint, StaticOverlay, TimecodeConfig, VideoStream,
        distribution::Endpoint,
        elementary_stream::ElementaryStream as Track,
        encryption::{
            Aes128Encryption, Clearkey, DrmSystems, EncryptionMode, SecretManagerSource,
            SecretSource,
        },
        input_attachment::AutomaticFailover,
        manifest::ManifestType,
        srt_push_output_endpoint::PassphraseSource,
        timecode_config::TimeOffset,
        video_stream::{
            CodecSettings, H264CodecSettings, H265CodecSettings, h264_codec_settings,
            h265_codec_settings,
        },
    },
    name::InputName,
    validation::Validate,
};
use std::time::Duration;

/// A channel with at least one of every element; video at 0 and 1, audio at 2.
pub(crate) fn whole() -> Channel {
    let input = |id| InputName::new("p", "us-central1", id).unwrap();
    let rungs = [
        Rendition::new(1280, 720, 30.0, 3_000_000),
        Rendition::new(640, 360, 30.0, 800_000).h265(),
    ];
    let mut channel = Ladder::of(rungs)
        .channel("gs://bucket/news/")
        .input("studio", &input("studio"))
        .backup("backup", &input("backup"))
        .retention(Duration::from_secs(3600))
        .build()
        .unwrap();
    channel.name = "projects/p/locations/us-central1/channels/news".into();
    channel.encryptions = vec![Encryption {
        id: "aes".into(),
        secret_source: Some(SecretSource::SecretManagerKeySource(SecretManagerSource {
            secret_version: "projects/p/secrets/key/versions/1".into(),
        })),
        drm_systems: Some(DrmSystems { clearkey: Some(Clearkey {}), ..Default::default() }),
        encryption_mode: Some(EncryptionMode::Aes128(Aes128Encryption {})),
    }];
    let stream = |container: &str| DistributionStream {
        key: container.into(),
        container: container.into(),
        elementary_streams: vec!["video-720p".into(), "audio".into()],
    };
    channel.distribution_streams = vec![stream("ts"), stream("flv")];
    let srt = SrtPushOutputEndpoint {
        uri: "srt://example.com:4201".into(),
        passphrase_source: Some(PassphraseSource::PassphraseSecretVersion(
            "projects/p/secrets/phrase/versions/1".into(),
        )),
    };
    let rtmp = RtmpPushOutputEndpoint {
        uri: "rtmp://example.com/app".into(),
        stream_key: "secret".into(),
    };
    let push = |key: &str, stream: &str, endpoint| Distribution {
        key: key.into(),
        distribution_stream: stream.into(),
        endpoint: Some(endpoint),
        ..Default::default()
    };
    channel.distributions = vec![
        push("partner", "ts", Endpoint::SrtPush(srt)),
        push("social", "flv", Endpoint::RtmpPush(rtmp)),
    ];
    channel.sprite_sheets = vec![SpriteSheet {
        file_prefix: "thumbs".into(),
        sprite_width_pixels: 64,
        sprite_height_pixels: 36,
        ..Default::default()
    }];
    channel.static_overlays = vec![StaticOverlay {
        asset: "projects/p/locations/us-central1/assets/logo".into(),
        resolution: Some(NormalizedResolution { w: 0.1, h: 0.0 }),
        position: Some(NormalizedCoordinate { x: 0.9, y: 1.0 }),
        opacity: 0.5,
    }];
    channel.timecode_config = Some(TimecodeConfig {
        time_offset: Some(TimeOffset::UtcOffset(seconds(-5 * 3600))),
        ..Default::default()
    });
    channel
}

#[test]
fn a_channel_has_an_output_in_cloud_storage_and_a_channel_name() {
    let uri = |channel: &mut Channel, uri: &str| {
        channel.output.as_mut().unwrap().uri = uri.into();
    };
    broken(&whole, |c| c.output = None, &["`output.uri` is required"]);
    broken(&whole, |c| uri(c, ""), &["`output.uri` is required"]);
    for wrong in ["https://bucket/news", "gs://", "gs:///news", "bucket/news"] {
        let text = format!(
            "`output.uri` is `{wrong}`, but must be a Cloud Storage folder such as \
             `gs://my-bucket/folder`"
        );
        broken(&whole, |c| uri(c, wrong), &[&text]);
    }
    broken(
        &whole,
        |c| c.name = "channels/c".into(),
        &["`name` is not a channel name \
         (`projects/{project}/locations/{location}/channels/{channel}`): \"channels/c\": expected \
         `projects`, found \"channels\""],
    );
}

#[test]
fn keys_have_1_to_63_characters_and_begin_and_end_with_a_letter_or_digit() {
    let long = "k".repeat(64);
    let faults = [
        ("", "is required".to_owned()),
        (&*long, "has 64 characters, but at most 63 are allowed".to_owned()),
        ("a b", "is `a b`, but must contain only letters, digits, `-` and `_`".to_owned()),
        ("-a", "is `-a`, but must begin and end with a letter or a digit".to_owned()),
        ("a_", "is `a_`, but must begin and end with a letter or a digit".to_owned()),
    ];
    for (key, reason) in &faults {
        let expect = |path: &str, edit: fn(&mut Channel, String)| {
            let text = format!("`{path}` {reason}");
            broken(&whole, |c| edit(c, (*key).to_owned()), &[&text]);
        };
        expect("input_attachments[2].key", |c, key| {
            let input = c.input_attachments[0].input.clone();
            c.input_attachments.push(InputAttachment { key, input, ..Default::default() });
        });
        expect("elementary_streams[3].key", |c, key| {
            let mut track = c.elementary_streams[2].clone();
            track.key = key;
            c.elementary_streams.push(track);
        });
        expect("mux_streams[3].key", |c, key| {
            let mut mux = c.mux_streams[2].clone();
            mux.key = key;
            c.mux_streams.push(mux);
        });
        expect("distribution_streams[2].key", |c, key| {
            let mut stream = c.distribution_streams[0].clone();
            stream.key = key;
            c.distribution_streams.push(stream);
        });
        expect("distributions[0].key", |c, key| c.distributions[0].key = key);
        expect("encryptions[0].id", |c, key| c.encryptions[0].id = key);
    }
}

#[test]
fn duplicate_keys_are_refused() {
    broken(
        &whole,
        |c| c.input_attachments[1].key = "studio".into(),
        &[
            "`input_attachments[1].key` is a duplicate: `input_attachments[0].key` is also \
             `studio`",
            "`input_attachments[0].automatic_failover.input_keys[0]` is `backup`, but the channel \
             has no such input attachment; it has `studio`, `studio`",
        ],
    );
    fn double<T: Clone>(items: &mut Vec<T>) {
        items.push(items[0].clone());
    }
    broken(
        &whole,
        |c| double(&mut c.elementary_streams),
        &["`elementary_streams[3].key` is a duplicate: `elementary_streams[0].key` is also \
             `video-720p`"],
    );
    broken(
        &whole,
        |c| double(&mut c.mux_streams),
        &["`mux_streams[3].key` is a duplicate: `mux_streams[0].key` is also `video-720p`"],
    );
    broken(
        &whole,
        |c| double(&mut c.manifests),
        &[
            "`manifests[2].key` is a duplicate: `manifests[0].key` is also `hls`",
            "`manifests[2].file_name` is a duplicate: `manifests[0].file_name` is also `main.m3u8`",
        ],
    );
    broken(
        &whole,
        |c| double(&mut c.distribution_streams),
        &["`distribution_streams[2].key` is a duplicate: `distribution_streams[0].key` is also \
         `ts`"],
    );
    broken(
        &whole,
        |c| double(&mut c.distributions),
        &["`distributions[2].key` is a duplicate: `distributions[0].key` is also `partner`"],
    );
    broken(
        &whole,
        |c| double(&mut c.sprite_sheets),
        &["`sprite_sheets[1].file_prefix` is a duplicate: `sprite_sheets[0].file_prefix` is \
             also `thumbs`"],
    );
    broken(
        &whole,
        |c| double(&mut c.encryptions),
        &["`encryptions[1].id` is a duplicate: `encryptions[0].id` is also `aes`"],
    );
    broken(
        &whole,
        |c| c.manifests.iter_mut().for_each(|m| m.file_name = "main".into()),
        &["`manifests[1].file_name` is a duplicate: `manifests[0].file_name` is also `main`"],
    );
}

#[test]
fn a_manifest_without_file_name_takes_the_default_of_its_type() {
    broken(
        &whole,
        |c| {
            c.manifests[0].file_name = String::new();
            c.manifests[1].file_name = "manifest.m3u8".into();
        },
        &["`manifests[1].file_name` is a duplicate: `manifests[0].file_name` is also \
         `manifest.m3u8`"],
    );
}

#[test]
fn input_attachments_name_an_input_and_at_most_one_backup() {
    broken(
        &whole,
        |c| c.input_attachments[0].input = String::new(),
        &["`input_attachments[0].input` is required"],
    );
    broken(
        &whole,
        |c| c.input_attachments[1].input = "studio".into(),
        &["`input_attachments[1].input` is not an input name \
         (`projects/{project}/locations/{location}/inputs/{input}`): \"studio\": expected \
         `projects`, found \"studio\""],
    );
    let failover = |keys: &[&str]| {
        let input_keys = keys.iter().map(|key| (*key).to_owned()).collect();
        Some(AutomaticFailover { input_keys })
    };
    broken(
        &whole,
        |c| c.input_attachments[0].automatic_failover = failover(&["backup", "spare"]),
        &[
            "`input_attachments[0].automatic_failover.input_keys` has 2 backup inputs, but at \
             most 1 is allowed",
            "`input_attachments[0].automatic_failover.input_keys[1]` is `spare`, but the channel \
             has no such input attachment; it has `studio`, `backup`",
        ],
    );
}

#[test]
fn static_overlays_lie_within_the_picture() {
    fn overlay(channel: &mut Channel) -> &mut StaticOverlay {
        &mut channel.static_overlays[0]
    }
    broken(
        &whole,
        |c| overlay(c).asset = String::new(),
        &["`static_overlays[0].asset` is required"],
    );
    broken(
        &whole,
        |c| overlay(c).opacity = 1.5,
        &["`static_overlays[0].opacity` is 1.5, but must be between 0 and 1"],
    );
    broken(
        &whole,
        |c| overlay(c).opacity = f64::NAN,
        &["`static_overlays[0].opacity` is NaN, but must be between 0 and 1"],
    );
    let size = NormalizedResolution { w: 1.1, h: -0.1 };
    broken(
        &whole,
        |c| overlay(c).resolution = Some(size),
        &[
            "`static_overlays[0].resolution.w` is 1.1, but must be between 0 and 1",
            "`static_overlays[0].resolution.h` is -0.1, but must be between 0 and 1",
        ],
    );
    let place = NormalizedCoordinate { x: 2.0, y: -1.0 };
    broken(
        &whole,
        |c| overlay(c).position = Some(place),
        &[
            "`static_overlays[0].position.x` is 2, but must be between 0 and 1",
            "`static_overlays[0].position.y` is -1, but must be between 0 and 1",
        ],
    );
}

#[test]
fn the_utc_offset_is_in_whole_seconds_up_to_18_hours() {
    let offset = |seconds, nanos| TimecodeConfig {
        time_offset: Some(TimeOffset::UtcOffset(prost_types::Duration { seconds, nanos })),
        ..Default::default()
    };
    broken(
        &whole,
        |c| c.timecode_config = Some(offset(64_801, 0)),
        &["`timecode_config.utc_offset` is 64801 s, but must be between -64800 s and 64800 s"],
    );
    broken(
        &whole,
        |c| c.timecode_config = Some(offset(-1, -5)),
        &["`timecode_config.utc_offset` must be a whole number of seconds"],
    );
    broken(
        &whole,
        |c| c.timecode_config = Some(offset(1, -5)),
        &[
            "`timecode_config.utc_offset` has seconds and nanos of different signs: 1 and -5",
            "`timecode_config.utc_offset` must be a whole number of seconds",
        ],
    );
}

#[test]
fn the_retention_window_is_not_negative() {
    let retention = RetentionConfig { retention_window_duration: Some(seconds(-1)) };
    broken(
        &whole,
        |c| c.retention_config = Some(retention),
        &["`retention_config.retention_window_duration` must not be negative"],
    );
}

#[test]
fn ladders_build_valid_channels() {
    for ladder in [Ladder::sd(), Ladder::hd(), Ladder::uhd(), Ladder::uhd().frame_rate(59.94)] {
        let channel = ladder.channel("gs://bucket/").build().unwrap();
        assert_eq!(channel.violations(), []);
    }
    let channel = Ladder::hd().channel("gs://bucket/").retention(Duration::from_secs(60)).build();
    let channel = channel.unwrap();
    let keys = channel.elementary_streams.iter().map(|track| &*track.key).collect::<Vec<_>>();
    assert_eq!(keys, ["video-1080p", "video-720p", "video-480p", "video-360p", "audio"]);
    for (mux, key) in channel.mux_streams.iter().zip(&keys) {
        assert_eq!((&*mux.key, &mux.elementary_streams), (*key, &vec![(*key).to_owned()]));
    }
    for (manifest, kind) in channel.manifests.iter().zip([ManifestType::Hls, ManifestType::Dash]) {
        assert_eq!(manifest.r#type(), kind);
        assert_eq!(manifest.mux_streams, keys);
    }
    assert_eq!(channel.retention_config.unwrap().retention_window_duration, Some(seconds(60)));
}

#[test]
fn a_ladder_sets_size_gop_segments_and_audio_channels() {
    let gop = || seconds(2);
    let h264 = H264CodecSettings {
        width_pixels: 1280,
        height_pixels: 720,
        frame_rate: 30.0,
        bitrate_bps: 3_000_000,
        gop_mode: Some(h264_codec_settings::GopMode::GopDuration(gop())),
        ..Default::default()
    };
    let h265 = H265CodecSettings {
        width_pixels: 1280,
        height_pixels: 720,
        frame_rate: 30.0,
        bitrate_bps: 3_000_000,
        gop_mode: Some(h265_codec_settings::GopMode::GopDuration(gop())),
        ..Default::default()
    };
    let rendition = || Rendition::new(1280, 720, 30.0, 3_000_000);
    for (rendition, settings) in
        [(rendition(), CodecSettings::H264(h264)), (rendition().h265(), CodecSettings::H265(h265))]
    {
        let channel = Ladder::of([rendition]).channel("gs://b/").build().unwrap();
        let [video, audio] = &*channel.elementary_streams else { panic!("two streams") };
        let codec_settings = Some(settings);
        assert_eq!(
            video.elementary_stream,
            Some(Track::VideoStream(VideoStream { codec_settings }))
        );
        let stereo = AudioStream { bitrate_bps: 128_000, channel_count: 2, ..Default::default() };
        assert_eq!(audio.elementary_stream, Some(Track::AudioStream(stereo)));
        for mux in &channel.mux_streams {
            let segments = mux.segment_settings.and_then(|settings| settings.segment_duration);
            assert_eq!((&*mux.container, segments), ("fmp4", Some(seconds(6))));
        }
    }
}

#[test]
fn ladder_renditions_of_equal_height_are_keyed_by_bit_rate() {
    let rung = |bitrate| Rendition::new(1280, 720, 30.0, bitrate);
    let channel = Ladder::of([rung(3_000_000), rung(1_500_000)]).channel("gs://b/").build();
    let channel = channel.unwrap();
    assert_eq!(channel.mux_streams[0].key, "video-720p-3000k");
    assert_eq!(channel.mux_streams[1].key, "video-720p-1500k");
}

#[test]
fn a_ladder_can_have_several_audio_streams_and_a_single_manifest() {
    let stereo = AudioStream { bitrate_bps: 96_000, ..Default::default() };
    let ladder = Ladder::sd().audio([("english", stereo.clone()), ("french", stereo)]);
    let builder = ladder.channel("gs://bucket/").manifests([ManifestType::Hls]);
    let channel = builder.gop(Duration::from_secs(4)).segments(Duration::from_secs(8)).build();
    let channel = channel.unwrap();
    assert!(matches!(channel.elementary_streams[3].elementary_stream, Some(Track::AudioStream(_))));
    assert_eq!(channel.elementary_streams[3].key, "french");
    assert_eq!(channel.manifests.len(), 1);
}

#[test]
fn an_invalid_ladder_is_refused_with_every_violation() {
    let builder = Ladder::of([Rendition::new(1281, 720, 30.0, 16_000_000)]).channel("");
    let violations = builder.segments(Duration::from_secs(5)).build().unwrap_err();
    assert_eq!(
        violations.to_string(),
        "`output.uri` is required; `elementary_streams[0].video_stream.h264.width_pixels` is \
         1281, but must be even; `elementary_streams[0].video_stream.h264.bitrate_bps` is \
         16000000, but must be at most 15000000 for a height up to 1080p; \
         `mux_streams[0].segment_settings.segment_duration` is 5 s, but must be a multiple of the \
         GOP of `video-720p`, which is 2 s"
    );
    let fields = violations.iter().map(|violation| violation.field()).collect::<Vec<_>>();
    assert_eq!((fields.len(), fields[0]), (4, "output.uri"));
    let error = livestream_client::Error::from(violations);
    assert_eq!(error.field(), Some("output.uri"));
    assert!(error.message().ends_with("the GOP of `video-720p`, which is 2 s"));

    let forever = Ladder::sd().channel("gs://b/").retention(Duration::MAX).build().unwrap_err();
    let text = "`retention_config.retention_window_duration` is longer than 10,000 years";
    assert_eq!(forever.to_string(), text);
}
