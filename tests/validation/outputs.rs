//! The rules of mux streams, manifests, distributions, sprite sheets and encryption.

use super::{Case, broken, channel::whole, seconds};
use livestream_client::model::{
    Channel, Distribution, ElementaryStream, Encryption, SpriteSheet, TextStream,
    distribution::Endpoint,
    elementary_stream,
    encryption::{
        Aes128Encryption, Clearkey, DrmSystems, EncryptionMode, Fairplay, MpegCommonEncryption,
        SampleAesEncryption, SecretManagerSource, SecretSource, Widevine,
    },
    manifest::ManifestType,
    srt_push_output_endpoint::PassphraseSource,
};

/// The whole channel as HLS with one `ts` stream of the first video and the audio.
fn over_ts() -> Channel {
    let mut channel = whole();
    channel.manifests.truncate(1);
    channel.manifests[0].mux_streams = vec!["video-720p".into()];
    channel.mux_streams.truncate(1);
    channel.mux_streams[0].container = "ts".into();
    channel.mux_streams[0].elementary_streams = vec!["video-720p".into(), "audio".into()];
    channel
}

#[test]
fn mux_streams_hold_only_streams_that_their_container_supports() {
    let streams = |keys: &'static [&str]| {
        move |c: &mut Channel| {
            let keys = keys.iter().map(|key| (*key).to_owned());
            c.mux_streams[0].elementary_streams = keys.collect();
        }
    };
    broken(
        &whole,
        |c| c.mux_streams[2].container = "mp4".into(),
        &[
            "`mux_streams[2].container` is `mp4`, but must be one of `fmp4`, `ts`",
            "`manifests[0].mux_streams[2]` has the container `mp4`, but `video-720p` has `fmp4`",
            "`manifests[1].mux_streams[2]` is `audio`, whose container is `mp4`, but DASH \
             supports only `fmp4`",
        ],
    );
    let single = |count| {
        format!(
            "`mux_streams[0].elementary_streams` has {count} streams, but `fmp4` requires exactly 1"
        )
    };
    broken(&whole, streams(&[]), &[&single(0)]);
    broken(&whole, streams(&["video-720p", "audio"]), &[&single(2)]);
    broken(&whole, streams(&["video-720p", "video-360p", "audio"]), &[&single(3)]);
    broken(
        &whole,
        streams(&["video-1080p"]),
        &["`mux_streams[0].elementary_streams[0]` is `video-1080p`, but the channel has no such \
         elementary stream; it has `video-720p`, `video-360p`, `audio`"],
    );
    let ts = |audio: usize, video: usize| {
        format!(
            "`mux_streams[0].elementary_streams` has {audio} audio and {video} video streams, but \
             `ts` requires exactly 1 audio and at most 1 video stream"
        )
    };
    broken(&over_ts, streams(&["video-720p"]), &[&ts(0, 1)]);
    broken(&over_ts, streams(&["audio", "video-720p", "video-360p"]), &[&ts(1, 2)]);
    broken(&over_ts, streams(&["audio"]), &[]);
    broken(
        &over_ts,
        streams(&["audio", "audio"]),
        &[
            "`mux_streams[0].elementary_streams[1]` is a duplicate: \
             `mux_streams[0].elementary_streams[0]` is also `audio`",
            &ts(2, 0),
        ],
    );
}

#[test]
fn segments_are_2_to_20_seconds_long_and_whole_multiples_of_a_gop() {
    let segments = |span: prost_types::Duration| {
        move |c: &mut Channel| {
            for mux in &mut c.mux_streams {
                mux.segment_settings.as_mut().unwrap().segment_duration = Some(span);
            }
        }
    };
    let at = "`mux_streams[0].segment_settings.segment_duration`";
    let gop = "but must be a multiple of the GOP of `video-720p`, which is 2 s";
    broken(
        &over_ts,
        segments(seconds(1)),
        &[
            &format!("{at} is 1 s, but must be between 2 s and 20 s"),
            &format!("{at} is 1 s, {gop}"),
        ],
    );
    broken(
        &over_ts,
        segments(seconds(22)),
        &[&format!("{at} is 22 s, but must be between 2 s and 20 s")],
    );
    broken(&over_ts, segments(seconds(5)), &[&format!("{at} is 5 s, {gop}")]);
    let odd = prost_types::Duration { seconds: 4, nanos: 1_000_000_000 };
    broken(
        &over_ts,
        segments(odd),
        &[&format!("{at} has 1000000000 nanos, but must have -999999999 to 999999999")],
    );
}

#[test]
fn segments_at_their_limits_are_valid() {
    let segments = |seconds, nanos| {
        move |c: &mut Channel| {
            let span = prost_types::Duration { seconds, nanos };
            c.mux_streams[0].segment_settings.as_mut().unwrap().segment_duration = Some(span);
        }
    };
    let at = "`mux_streams[0].segment_settings.segment_duration`";
    for (seconds, nanos) in [(2, 0), (20, 0), (6, 1_000_000), (5, 999_000_000)] {
        broken(&over_ts, segments(seconds, nanos), &[]);
    }
    for (seconds, nanos, length) in [(6, 1_000_001, "6.001000001"), (5, 998_999_999, "5.998999999")]
    {
        broken(
            &over_ts,
            segments(seconds, nanos),
            &[&format!(
                "{at} is {length} s, but must be a multiple of the GOP of `video-720p`, which is 2 s"
            )],
        );
    }
    broken(&over_ts, segments(0, 0), &[&format!("{at} is 0 s, but must be between 2 s and 20 s")]);
}

#[test]
fn a_text_stream_counts_towards_the_streams_of_fmp4() {
    let with_text = |c: &mut Channel, keys: &[&str]| {
        let text = TextStream { codec: "webvtt".into(), ..Default::default() };
        c.elementary_streams.push(ElementaryStream {
            key: "text".into(),
            elementary_stream: Some(elementary_stream::ElementaryStream::TextStream(text)),
        });
        c.mux_streams[0].elementary_streams = keys.iter().map(|key| (*key).to_owned()).collect();
    };
    broken(&whole, |c| with_text(c, &["text"]), &[]);
    broken(
        &whole,
        |c| with_text(c, &["video-720p", "text"]),
        &["`mux_streams[0].elementary_streams` has 2 streams, but `fmp4` requires exactly 1"],
    );
}

#[test]
fn keys_have_at_most_63_characters() {
    let key = |length| {
        move |c: &mut Channel| {
            let key = "k".repeat(length);
            c.sprite_sheets.clear();
            c.distribution_streams[0].key.clone_from(&key);
            c.distributions[0].distribution_stream = key;
        }
    };
    broken(&whole, key(63), &[]);
    broken(
        &whole,
        key(64),
        &["`distribution_streams[0].key` has 64 characters, but at most 63 are allowed"],
    );
}

/// The API's reference gives a default of 6 s and requires neither the settings nor the duration.
#[test]
fn segment_settings_are_optional_and_default_to_6_seconds() {
    broken(
        &whole,
        |c| c.mux_streams[1].segment_settings.as_mut().unwrap().segment_duration = None,
        &[],
    );
    broken(&whole, |c| c.mux_streams[1].segment_settings = None, &[]);
    let longer = |c: &mut Channel| {
        for mux in &mut c.mux_streams {
            mux.segment_settings.as_mut().unwrap().segment_duration = Some(seconds(8));
        }
        c.mux_streams[2].segment_settings = None;
    };
    broken(
        &whole,
        longer,
        &[
            "`manifests[0].mux_streams[2]` has segments of 6 s, but `video-720p` has segments of \
             8 s",
            "`manifests[1].mux_streams[2]` has segments of 6 s, but `video-720p` has segments of \
             8 s",
        ],
    );
}

#[test]
fn manifests_have_a_type_and_list_streams_of_one_kind() {
    broken(&whole, |c| c.manifests[0].r#type = 0, &["`manifests[0].type` is required"]);
    broken(
        &whole,
        |c| c.manifests[0].mux_streams.clear(),
        &["`manifests[0].mux_streams` is required"],
    );
    broken(
        &whole,
        |c| c.manifests[0].mux_streams[1] = "audio".into(),
        &["`manifests[0].mux_streams[2]` is a duplicate: `manifests[0].mux_streams[1]` is also \
         `audio`"],
    );
    broken(
        &whole,
        |c| c.manifests[1].mux_streams[2] = "sound".into(),
        &["`manifests[1].mux_streams[2]` is `sound`, but the channel has no such mux stream; it \
             has `video-720p`, `video-360p`, `audio`"],
    );
    broken(
        &whole,
        |c| c.manifests[1].mux_streams[2] = String::new(),
        &["`manifests[1].mux_streams[2]` is required"],
    );
    broken(
        &whole,
        |c| c.mux_streams[2].container = "ts".into(),
        &[
            "`manifests[0].mux_streams[2]` has the container `ts`, but `video-720p` has `fmp4`",
            "`manifests[1].mux_streams[2]` is `audio`, whose container is `ts`, but DASH supports \
             only `fmp4`",
        ],
    );
    let longer = |c: &mut Channel| {
        c.mux_streams[2].segment_settings.as_mut().unwrap().segment_duration = Some(seconds(8));
    };
    broken(
        &whole,
        longer,
        &[
            "`manifests[0].mux_streams[2]` has segments of 8 s, but `video-720p` has segments of \
             6 s",
            "`manifests[1].mux_streams[2]` has segments of 8 s, but `video-720p` has segments of \
             6 s",
        ],
    );
}

#[test]
fn manifests_have_at_least_3_segments_and_no_negative_keep_duration() {
    broken(
        &whole,
        |c| c.manifests[0].max_segment_count = 2,
        &["`manifests[0].max_segment_count` is 2, but must be at least 3"],
    );
    broken(
        &whole,
        |c| c.manifests[1].segment_keep_duration = Some(seconds(-1)),
        &["`manifests[1].segment_keep_duration` must not be negative"],
    );
}

#[test]
fn a_manifest_of_3_segments_that_are_not_kept_is_valid() {
    broken(&whole, |c| c.manifests[0].max_segment_count = 3, &[]);
    broken(&whole, |c| c.manifests[1].segment_keep_duration = Some(seconds(0)), &[]);
}

#[test]
fn distribution_streams_hold_one_audio_and_at_most_one_video_stream() {
    let at = "`distribution_streams[1]";
    broken(
        &whole,
        |c| c.distribution_streams[1].container = String::new(),
        &[&format!("{at}.container` is required")],
    );
    broken(
        &whole,
        |c| {
            c.distributions.truncate(1);
            c.distribution_streams[1].container = "fmp4".into();
        },
        &[&format!("{at}.container` is `fmp4`, but must be one of `ts`, `flv`")],
    );
    let streams = |keys: &'static [&str]| {
        move |c: &mut Channel| {
            let keys = keys.iter().map(|key| (*key).to_owned());
            c.distribution_streams[1].elementary_streams = keys.collect();
        }
    };
    let count = |audio: usize, video: usize| {
        format!(
            "{at}.elementary_streams` has {audio} audio and {video} video streams, but a \
             distribution stream requires exactly 1 audio and at most 1 video stream"
        )
    };
    broken(&whole, streams(&[]), &[&count(0, 0)]);
    broken(&whole, streams(&["video-720p"]), &[&count(0, 1)]);
    broken(&whole, streams(&["audio", "video-720p", "video-360p"]), &[&count(1, 2)]);
    broken(
        &whole,
        streams(&["audio", "picture"]),
        &[&format!(
            "{at}.elementary_streams[1]` is `picture`, but the channel has no such elementary \
             stream; it has `video-720p`, `video-360p`, `audio`"
        )],
    );
}

#[test]
fn distributions_push_a_stream_that_fits_their_protocol() {
    fn push(channel: &mut Channel, at: usize) -> &mut Distribution {
        &mut channel.distributions[at]
    }
    broken(
        &whole,
        |c| push(c, 0).distribution_stream = String::new(),
        &["`distributions[0].distribution_stream` is required"],
    );
    broken(
        &whole,
        |c| push(c, 0).distribution_stream = "moon".into(),
        &["`distributions[0].distribution_stream` is `moon`, but the channel has no such \
         distribution stream; it has `ts`, `flv`"],
    );
    broken(
        &whole,
        |c| push(c, 0).distribution_stream = "flv".into(),
        &["`distributions[0].distribution_stream` is `flv`, whose container is `flv`, but the \
             endpoint requires `ts`"],
    );
    broken(
        &whole,
        |c| push(c, 1).distribution_stream = "ts".into(),
        &["`distributions[1].distribution_stream` is `ts`, whose container is `ts`, but the \
             endpoint requires `flv`"],
    );
    broken(
        &whole,
        |c| push(c, 0).endpoint = None,
        &["`distributions[0].endpoint` is required: `srt_push` or `rtmp_push`"],
    );
    broken(
        &whole,
        |c| push(c, 0).endpoint = Some(Endpoint::SrtPush(Default::default())),
        &["`distributions[0].srt_push.uri` is required"],
    );
    broken(
        &whole,
        |c| push(c, 1).endpoint = Some(Endpoint::RtmpPush(Default::default())),
        &[
            "`distributions[1].rtmp_push.uri` is required",
            "`distributions[1].rtmp_push.stream_key` is required",
        ],
    );
    let phrase = |c: &mut Channel| {
        let Some(Endpoint::SrtPush(srt)) = &mut push(c, 0).endpoint else { panic!("SRT") };
        srt.passphrase_source = Some(PassphraseSource::PassphraseSecretVersion("open".into()));
    };
    broken(
        &whole,
        phrase,
        &["`distributions[0].srt_push.passphrase_secret_version` is not a secret version name \
             (`projects/{project}/secrets/{secret}/versions/{version}`): \"open\": expected \
             `projects`, found \"open\""],
    );
}

#[test]
fn sprite_sheets_are_within_limits() {
    let cases: [Case<SpriteSheet>; 11] = [
        (|s| s.format = "png".into(), "format` is `png`, but must be one of `jpeg`"),
        (|s| s.file_prefix = String::new(), "file_prefix` is required"),
        (|s| s.sprite_width_pixels = 0, "sprite_width_pixels` is required"),
        (|s| s.sprite_width_pixels = 63, "sprite_width_pixels` is 63, but must be even"),
        (|s| s.sprite_height_pixels = -2, "sprite_height_pixels` is -2, but must not be negative"),
        (|s| s.sprite_height_pixels = 35, "sprite_height_pixels` is 35, but must be even"),
        (|s| s.column_count = 11, "column_count` is 11, but must be between 1 and 10"),
        (|s| s.row_count = -1, "row_count` is -1, but must be between 1 and 10"),
        (|s| s.quality = 101, "quality` is 101, but must be between 1 and 100"),
        (|s| s.interval = Some(seconds(0)), "interval` is 0 s, but must be between 1 s and 3600 s"),
        (
            |s| s.interval = Some(seconds(3601)),
            "interval` is 3601 s, but must be between 1 s and 3600 s",
        ),
    ];
    for (edit, text) in cases {
        let text = format!("`sprite_sheets[0].{text}");
        broken(&whole, |c| edit(&mut c.sprite_sheets[0]), &[&text]);
    }
}

#[test]
fn encryptions_have_a_key_a_mode_and_matching_drm_systems() {
    fn encryption(channel: &mut Channel) -> &mut Encryption {
        &mut channel.encryptions[0]
    }
    let at = "`encryptions[0]";
    broken(
        &whole,
        |c| encryption(c).secret_source = None,
        &[&format!("{at}.secret_source` is required: `secret_manager_key_source`")],
    );
    broken(
        &whole,
        |c| encryption(c).encryption_mode = None,
        &[&format!("{at}.encryption_mode` is required: `aes128`, `sample_aes` or `mpeg_cenc`")],
    );
    let none = format!("{at}.drm_systems` is required: enable at least one DRM system");
    broken(&whole, |c| encryption(c).drm_systems = None, &[&none]);
    broken(&whole, |c| encryption(c).drm_systems = Some(DrmSystems::default()), &[&none]);

    let secret = |c: &mut Channel| {
        let source = SecretManagerSource { secret_version: "projects/p/secrets/key".into() };
        encryption(c).secret_source = Some(SecretSource::SecretManagerKeySource(source));
    };
    broken(
        &whole,
        secret,
        &[&format!(
            "{at}.secret_manager_key_source.secret_version` is not a secret version name \
             (`projects/{{project}}/secrets/{{secret}}/versions/{{version}}`): \
             \"projects/p/secrets/key\": `versions` is missing"
        )],
    );

    let cenc =
        |scheme: &str| EncryptionMode::MpegCenc(MpegCommonEncryption { scheme: scheme.into() });
    broken(
        &whole,
        |c| encryption(c).encryption_mode = Some(cenc("")),
        &[&format!("{at}.mpeg_cenc.scheme` is required")],
    );
    broken(
        &whole,
        |c| encryption(c).encryption_mode = Some(cenc("aes")),
        &[&format!("{at}.mpeg_cenc.scheme` is `aes`, but must be one of `cenc`, `cbcs`")],
    );

    let all = DrmSystems {
        widevine: Some(Widevine {}),
        fairplay: Some(Fairplay {}),
        clearkey: Some(Clearkey {}),
        ..Default::default()
    };
    let refused = |system: &str, allowed: &str| {
        format!(
            "{at}.drm_systems.{system}` is not supported in this encryption mode, which supports \
             {allowed}"
        )
    };
    let aes = "`clearkey`";
    let sample = "`clearkey`, `fairplay`";
    let ctr = "`widevine`, `playready`, `clearkey`";
    let cases = [
        (
            EncryptionMode::Aes128(Aes128Encryption {}),
            vec![refused("widevine", aes), refused("fairplay", aes)],
        ),
        (EncryptionMode::SampleAes(SampleAesEncryption {}), vec![refused("widevine", sample)]),
        (cenc("cenc"), vec![refused("fairplay", ctr)]),
        (cenc("cbcs"), vec![]),
    ];
    for (mode, expected) in cases {
        let edit = |c: &mut Channel| {
            encryption(c).drm_systems = Some(all);
            encryption(c).encryption_mode = Some(mode);
        };
        broken(&whole, edit, &expected.iter().map(|text| &**text).collect::<Vec<_>>());
    }
}

#[test]
fn the_encryption_mode_fits_the_container_and_the_manifest() {
    broken(
        &over_ts,
        |c| c.mux_streams[0].encryption_id = "drm".into(),
        &["`mux_streams[0].encryption_id` is `drm`, but the channel has no such encryption; it \
         has `aes`"],
    );
    broken(&over_ts, |c| c.mux_streams[0].encryption_id = "aes".into(), &[]);
    broken(
        &whole,
        |c| c.mux_streams[2].encryption_id = "aes".into(),
        &[
            "`mux_streams[2].encryption_id` is `aes`, which encrypts `ts` streams, but the \
             container is `fmp4`",
            "`manifests[1].mux_streams[2]` is `audio`, whose encryption works only with HLS",
        ],
    );
    let common = |systems: DrmSystems| {
        move |c: &mut Channel| {
            c.encryptions[0].drm_systems = Some(systems);
            c.encryptions[0].encryption_mode =
                Some(EncryptionMode::MpegCenc(MpegCommonEncryption { scheme: "cbcs".into() }));
            c.mux_streams[2].encryption_id = "aes".into();
        }
    };
    let clear = DrmSystems { clearkey: Some(Clearkey {}), ..Default::default() };
    broken(
        &whole,
        common(clear),
        &["`manifests[0].mux_streams[2]` is `audio`, whose ClearKey encryption works only with \
             DASH"],
    );
    let fair = DrmSystems { fairplay: Some(Fairplay {}), ..Default::default() };
    broken(
        &whole,
        common(fair),
        &["`manifests[1].mux_streams[2]` is `audio`, whose FairPlay encryption works only with \
             HLS"],
    );
    // Each player finds a system that it supports.
    let widevine = Some(Widevine {});
    broken(&whole, common(DrmSystems { widevine, ..fair }), &[]);
    broken(&whole, common(DrmSystems { widevine, ..clear }), &[]);
    broken(&whole, common(DrmSystems { fairplay: fair.fairplay, ..clear }), &[]);
    let alone = |c: &mut Channel| {
        common(fair)(c);
        c.manifests.retain(|manifest| manifest.r#type() == ManifestType::Hls);
    };
    broken(&whole, alone, &[]);
}
