//! The defaults of a channel: what the service fills in, and that it keeps what a client sets.

mod support;

use livestream_client::model::{
    self, Asset, AudioStream, Channel, ElementaryStream, InputConfig, MuxStream, SegmentSettings,
    StaticOverlay, VideoStream,
    asset::{ImageAsset, Resource},
    elementary_stream::ElementaryStream as Track,
    input_config::InputSwitchMode,
    manifest::ManifestType,
    video_stream::{
        CodecSettings, H264CodecSettings, H265CodecSettings, h264_codec_settings,
        h265_codec_settings,
    },
};
use prost_types::Duration as Length;
use std::time::Duration;
use support::{LOCATION, Service, channel, manifest};

fn seconds(seconds: i64) -> Length {
    Length { seconds, nanos: 0 }
}

fn stream(key: &str, track: Track) -> ElementaryStream {
    ElementaryStream { key: key.to_owned(), elementary_stream: Some(track) }
}

fn video(settings: CodecSettings) -> Track {
    Track::VideoStream(VideoStream { codec_settings: Some(settings) })
}

fn h264() -> H264CodecSettings {
    H264CodecSettings {
        width_pixels: 1280,
        height_pixels: 720,
        bitrate_bps: 3_000_000,
        frame_rate: 30.0,
        ..Default::default()
    }
}

fn h265() -> H265CodecSettings {
    H265CodecSettings {
        width_pixels: 1280,
        height_pixels: 720,
        bitrate_bps: 3_000_000,
        frame_rate: 30.0,
        ..Default::default()
    }
}

fn sound() -> AudioStream {
    AudioStream { bitrate_bps: 128_000, ..Default::default() }
}

/// A channel with these tracks, each in a mux stream of its own.
fn with_tracks(tracks: Vec<Track>) -> Channel {
    let keys: Vec<_> = (0..tracks.len()).map(|n| format!("track{n}")).collect();
    let mut manifest = manifest("main", ManifestType::Hls);
    manifest.mux_streams.clone_from(&keys);
    let mux = |key: &String| MuxStream {
        key: key.clone(),
        elementary_streams: vec![key.clone()],
        ..Default::default()
    };
    Channel {
        mux_streams: keys.iter().map(mux).collect(),
        elementary_streams: keys.iter().zip(tracks).map(|(key, own)| stream(key, own)).collect(),
        manifests: vec![manifest],
        ..channel()
    }
}

/// The channel as the service returns it.
async fn created(service: &mut Service, channel: Channel) -> Channel {
    service.create_channel("news", channel).await.expect("valid");
    service.emulator.advance(Duration::from_secs(10));
    service.channel().await
}

fn tracks(channel: Channel) -> Vec<Track> {
    channel.elementary_streams.into_iter().filter_map(|own| own.elementary_stream).collect()
}

#[tokio::test]
async fn unset_fields_of_video_and_audio_streams_get_their_defaults() {
    let given = vec![
        video(CodecSettings::H264(h264())),
        video(CodecSettings::H265(h265())),
        Track::AudioStream(sound()),
        Track::AudioStream(mono()),
    ];
    let mut service = Service::new();
    let channel = created(&mut service, with_tracks(given)).await;
    let expected = [
        video(CodecSettings::H264(H264CodecSettings {
            gop_mode: Some(h264_codec_settings::GopMode::GopDuration(seconds(2))),
            entropy_coder: "cabac".to_owned(),
            profile: "main".to_owned(),
            ..h264()
        })),
        video(CodecSettings::H265(H265CodecSettings {
            gop_mode: Some(h265_codec_settings::GopMode::GopDuration(seconds(2))),
            ..h265()
        })),
        Track::AudioStream(AudioStream {
            codec: "aac".to_owned(),
            channel_count: 2,
            channel_layout: vec!["fl".to_owned(), "fr".to_owned()],
            sample_rate_hertz: 48_000,
            ..sound()
        }),
        Track::AudioStream(AudioStream {
            codec: "aac".to_owned(),
            sample_rate_hertz: 48_000,
            ..mono()
        }),
    ];
    assert_eq!(tracks(channel), expected);
}

/// The layout of one channel has no default.
fn mono() -> AudioStream {
    AudioStream { channel_count: 1, channel_layout: vec!["fc".to_owned()], ..sound() }
}

#[tokio::test]
async fn set_fields_of_video_and_audio_streams_are_kept() {
    let given = vec![
        video(CodecSettings::H264(H264CodecSettings {
            gop_mode: Some(h264_codec_settings::GopMode::GopFrameCount(60)),
            entropy_coder: "cavlc".to_owned(),
            profile: "baseline".to_owned(),
            ..h264()
        })),
        video(CodecSettings::H265(H265CodecSettings {
            gop_mode: Some(h265_codec_settings::GopMode::GopFrameCount(60)),
            ..h265()
        })),
        Track::AudioStream(AudioStream {
            codec: "aac".to_owned(),
            channel_count: 2,
            channel_layout: vec!["fr".to_owned(), "fl".to_owned()],
            sample_rate_hertz: 44_100,
            ..sound()
        }),
        // The settings of a stream that is passed on are those of the input.
        Track::AudioStream(AudioStream { transmux: true, ..Default::default() }),
    ];
    let mut service = Service::new();
    let channel = created(&mut service, with_tracks(given.clone())).await;
    assert_eq!(tracks(channel), given);
}

#[tokio::test]
async fn unset_fields_of_manifests_mux_streams_overlays_and_the_input_config_get_their_defaults() {
    let asset = format!("{LOCATION}/assets/logo");
    for set in [false, true] {
        let mut service = Service::new();
        let uri = "gs://bucket/logo.jpg".to_owned();
        let request = model::CreateAssetRequest {
            parent: LOCATION.to_owned(),
            asset_id: "logo".to_owned(),
            asset: Some(Asset {
                resource: Some(Resource::Image(ImageAsset { uri })),
                ..Default::default()
            }),
            ..Default::default()
        };
        service.live.create_asset(request).await.expect("valid");
        service.emulator.advance(Duration::from_secs(60));

        let overlay = StaticOverlay { asset: asset.clone(), ..Default::default() };
        let mut given = Channel { static_overlays: vec![overlay], ..channel() };
        if set {
            given.static_overlays[0].opacity = 0.5;
            given.manifests[0].max_segment_count = 9;
            given.manifests[0].segment_keep_duration = Some(seconds(120));
            given.mux_streams[0].container = "ts".to_owned();
            given.mux_streams[0].segment_settings =
                Some(SegmentSettings { segment_duration: Some(seconds(4)) });
            let input_switch_mode = InputSwitchMode::Manual.into();
            given.input_config = Some(InputConfig { input_switch_mode });
        }
        let channel = created(&mut service, given).await;
        let (manifest, mux) = (&channel.manifests[0], &channel.mux_streams[0]);
        let found = (
            channel.static_overlays[0].opacity,
            (manifest.max_segment_count, manifest.segment_keep_duration),
            (&*mux.container, mux.segment_settings.and_then(|own| own.segment_duration)),
            channel.input_config.map(|config| config.input_switch_mode()),
        );
        let expected = if set {
            let mode = InputSwitchMode::Manual;
            (0.5, (9, Some(seconds(120))), ("ts", Some(seconds(4))), Some(mode))
        } else {
            let mode = InputSwitchMode::FailoverPreferPrimary;
            (1.0, (5, Some(seconds(60))), ("fmp4", Some(seconds(6))), Some(mode))
        };
        assert_eq!(found, expected);
    }
}
