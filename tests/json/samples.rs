//! The messages of `tests/data/json`, built by hand.

use livestream_client::{
    model::{
        audio_stream::AudioMapping,
        auto_transcription_config::{DisplayTiming, QualityPreset},
        channel::{Output, StreamingState},
        elementary_stream::ElementaryStream as Stream,
        input_attachment::AutomaticFailover,
        input_config::InputSwitchMode,
        log_config::LogSeverity,
        manifest::ManifestType,
        preprocessing_config as treatment,
        srt_push_output_endpoint::PassphraseSource,
        timecode_config::{TimeOffset, TimecodeSource},
        video_stream::{CodecSettings, H264CodecSettings, H265CodecSettings},
        *,
    },
    proto::google::{
        cloud::location::Location,
        longrunning::{Operation, operation},
        rpc::Status,
        r#type::TimeZone,
    },
};
use prost::{Message, Name};
use prost_types::{Any, Duration, Timestamp};
use std::collections::HashMap;
use tonic_types::pb::ErrorInfo;

const LOCATION: &str = "projects/northern-lights/locations/europe-west1";
const CHANNEL: &str = "projects/northern-lights/locations/europe-west1/channels/harbour-live";
const TARGET: &str =
    "projects/481516/locations/europe-west1/channels/harbour-live/dvrSessions/evening";

/// A time on 2 March 2026, UTC.
fn at(hour: i64, minute: i64, second: i64, nanos: i32) -> Option<Timestamp> {
    day(20_514, hour, minute, second, nanos)
}

/// A time on a day, counted from 1 January 1970.
fn day(day: i64, hour: i64, minute: i64, second: i64, nanos: i32) -> Option<Timestamp> {
    Some(Timestamp { seconds: ((day * 24 + hour) * 60 + minute) * 60 + second, nanos })
}

fn lasting(seconds: i64, millis: i32) -> Option<Duration> {
    Some(Duration { seconds, nanos: millis * 1_000_000 })
}

fn labels(of: &[(&str, &str)]) -> HashMap<String, String> {
    of.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn texts(of: &[&str]) -> Vec<String> {
    of.iter().map(|&text| text.to_owned()).collect()
}

fn status(code: i32, message: &str) -> Option<Status> {
    Some(Status { code, message: message.into(), details: vec![] })
}

fn any<T: Name>(message: &T) -> Any {
    Any::from_msg(message).unwrap()
}

pub fn error_info(info: &ErrorInfo) -> Any {
    Any { type_url: "type.googleapis.com/google.rpc.ErrorInfo".into(), value: info.encode_to_vec() }
}

pub fn input() -> Input {
    Input {
        name: format!("{LOCATION}/inputs/harbour-camera"),
        create_time: at(7, 15, 4, 120_583_000),
        update_time: at(7, 18, 31, 0),
        labels: labels(&[("site", "harbour"), ("crew", "2")]),
        r#type: input::Type::SrtPush.into(),
        tier: input::Tier::UhdH265.into(),
        uri: "srt://203.0.113.7:4201?streamid=4f0e9f1c".into(),
        preprocessing_config: Some(PreprocessingConfig {
            audio: Some(treatment::Audio { lufs: -16.5 }),
            crop: Some(treatment::Crop { top_pixels: 8, bottom_pixels: 8, ..Default::default() }),
            pad: Some(treatment::Pad { left_pixels: 120, right_pixels: 120, ..Default::default() }),
        }),
        security_rules: Some(input::SecurityRule {
            ip_ranges: texts(&["198.51.100.0/24", "192.0.2.44/32"]),
        }),
        input_stream_property: Some(InputStreamProperty {
            last_establish_time: at(7, 30, 0, 1),
            video_streams: vec![VideoStreamProperty {
                index: 1,
                video_format: Some(VideoFormat {
                    codec: "hevc".into(),
                    width_pixels: 3840,
                    height_pixels: 2160,
                    frame_rate: 59.94,
                }),
            }],
            audio_streams: vec![AudioStreamProperty {
                index: 0,
                audio_format: Some(AudioFormat {
                    codec: "aac".into(),
                    channel_count: 2,
                    channel_layout: texts(&["FL", "FR"]),
                }),
            }],
        }),
    }
}

pub fn channel() -> Channel {
    Channel {
        name: CHANNEL.into(),
        create_time: at(8, 0, 0, 0),
        update_time: at(9, 41, 12, 500_000_000),
        labels: labels(&[("show", "harbour"), ("season", "spring")]),
        input_attachments: vec![
            InputAttachment {
                key: "main".into(),
                input: format!("{LOCATION}/inputs/harbour-camera"),
                automatic_failover: Some(AutomaticFailover { input_keys: texts(&["backup"]) }),
            },
            InputAttachment {
                key: "backup".into(),
                input: format!("{LOCATION}/inputs/harbour-spare"),
                automatic_failover: None,
            },
        ],
        active_input: "main".into(),
        output: Some(Output { uri: "gs://northern-lights-live/harbour".into() }),
        elementary_streams: vec![
            elementary("hd", Stream::VideoStream(hd())),
            elementary("uhd", Stream::VideoStream(uhd())),
            elementary("stereo", Stream::AudioStream(stereo())),
            elementary("captions", Stream::TextStream(captions())),
        ],
        mux_streams: vec![mux("hd", "studio-keys"), mux("stereo", "")],
        manifests: vec![
            Manifest {
                file_name: "main.m3u8".into(),
                r#type: ManifestType::Hls.into(),
                mux_streams: texts(&["hd-mux", "stereo-mux"]),
                max_segment_count: 5,
                segment_keep_duration: lasting(3600, 0),
                use_timecode_as_timeline: true,
                key: "hls".into(),
            },
            Manifest {
                file_name: "main.mpd".into(),
                r#type: ManifestType::Dash.into(),
                mux_streams: texts(&["hd-mux", "stereo-mux"]),
                key: "dash".into(),
                ..Default::default()
            },
        ],
        distribution_streams: vec![DistributionStream {
            key: "feed".into(),
            container: "ts".into(),
            elementary_streams: texts(&["hd", "stereo"]),
        }],
        distributions: vec![partner(), archive()],
        sprite_sheets: vec![SpriteSheet {
            format: "jpeg".into(),
            file_prefix: "preview-".into(),
            sprite_width_pixels: 160,
            sprite_height_pixels: 90,
            column_count: 10,
            row_count: 10,
            interval: lasting(1, 500),
            quality: 80,
        }],
        streaming_state: StreamingState::StreamingError.into(),
        streaming_error: Some(not_writable()),
        log_config: Some(LogConfig { log_severity: LogSeverity::Off.into() }),
        timecode_config: Some(TimecodeConfig {
            source: TimecodeSource::EmbeddedTimecode.into(),
            time_offset: Some(TimeOffset::TimeZone(TimeZone {
                id: "Europe/Oslo".into(),
                version: String::new(),
            })),
        }),
        encryptions: vec![studio_keys()],
        input_config: Some(InputConfig { input_switch_mode: InputSwitchMode::Manual.into() }),
        retention_config: Some(RetentionConfig { retention_window_duration: lasting(86_400, 0) }),
        static_overlays: vec![StaticOverlay {
            asset: format!("{LOCATION}/assets/logo"),
            resolution: Some(NormalizedResolution { w: 0.15, h: 0.0 }),
            position: Some(NormalizedCoordinate { x: 0.8, y: 0.05 }),
            opacity: 0.7,
        }],
        auto_transcription_config: Some(AutoTranscriptionConfig {
            display_timing: DisplayTiming::Sync.into(),
            quality_preset: QualityPreset::ImprovedQuality.into(),
        }),
    }
}

fn elementary(key: &str, stream: Stream) -> ElementaryStream {
    ElementaryStream { key: key.into(), elementary_stream: Some(stream) }
}

fn hd() -> VideoStream {
    let h264 = H264CodecSettings {
        width_pixels: 1920,
        height_pixels: 1080,
        frame_rate: 29.97,
        bitrate_bps: 6_000_000,
        allow_open_gop: true,
        gop_mode: lasting(2, 0).map(video_stream::h264_codec_settings::GopMode::GopDuration),
        vbv_size_bits: 6_000_000,
        entropy_coder: "cabac".into(),
        b_pyramid: true,
        b_frame_count: 2,
        aq_strength: 0.8,
        profile: "high".into(),
        ..Default::default()
    };
    VideoStream { codec_settings: Some(CodecSettings::H264(h264)) }
}

fn uhd() -> VideoStream {
    let h265 = H265CodecSettings {
        frame_rate: 50.0,
        bitrate_bps: 14_000_000,
        gop_mode: Some(video_stream::h265_codec_settings::GopMode::GopFrameCount(100)),
        ..Default::default()
    };
    VideoStream { codec_settings: Some(CodecSettings::H265(h265)) }
}

fn stereo() -> AudioStream {
    AudioStream {
        codec: "aac".into(),
        bitrate_bps: 160_000,
        channel_count: 2,
        channel_layout: texts(&["FL", "FR"]),
        mapping: vec![AudioMapping {
            input_key: "main".into(),
            input_track: 1,
            input_channel: 0,
            output_channel: 1,
            gain_db: -3.5,
        }],
        sample_rate_hertz: 48_000,
        ..Default::default()
    }
}

fn captions() -> TextStream {
    TextStream {
        codec: "webvtt".into(),
        language_code: "nb-NO".into(),
        display_name: "Norsk".into(),
        ..Default::default()
    }
}

fn mux(stream: &str, encryption: &str) -> MuxStream {
    MuxStream {
        key: format!("{stream}-mux"),
        container: "fmp4".into(),
        elementary_streams: texts(&[stream]),
        segment_settings: Some(SegmentSettings { segment_duration: lasting(2, 0) }),
        encryption_id: encryption.into(),
    }
}

fn partner() -> Distribution {
    Distribution {
        key: "partner".into(),
        distribution_stream: "feed".into(),
        state: distribution::State::Error.into(),
        error: status(14, "the endpoint refuses connections"),
        endpoint: Some(distribution::Endpoint::RtmpPush(RtmpPushOutputEndpoint {
            uri: "rtmp://partner.example/live".into(),
            stream_key: "k-7141".into(),
        })),
    }
}

fn archive() -> Distribution {
    Distribution {
        key: "archive".into(),
        distribution_stream: "feed".into(),
        state: distribution::State::Distributing.into(),
        error: None,
        endpoint: Some(distribution::Endpoint::SrtPush(SrtPushOutputEndpoint {
            uri: "srt://archive.example:9000".into(),
            passphrase_source: Some(PassphraseSource::PassphraseSecretVersion(
                "projects/northern-lights/secrets/srt/versions/3".into(),
            )),
        })),
    }
}

fn not_writable() -> Status {
    let info = ErrorInfo {
        reason: "BUCKET_NOT_WRITABLE".into(),
        domain: "livestream.googleapis.com".into(),
        metadata: labels(&[("bucket", "northern-lights-live")]),
    };
    Status {
        code: 7,
        message: "the bucket cannot be written to".into(),
        details: vec![error_info(&info), any(&Duration { seconds: 30, nanos: 0 })],
    }
}

fn studio_keys() -> Encryption {
    Encryption {
        id: "studio-keys".into(),
        secret_source: Some(encryption::SecretSource::SecretManagerKeySource(
            encryption::SecretManagerSource {
                secret_version: "projects/northern-lights/secrets/drm/versions/1".into(),
            },
        )),
        drm_systems: Some(encryption::DrmSystems {
            widevine: Some(encryption::Widevine {}),
            playready: Some(encryption::Playready {}),
            ..Default::default()
        }),
        encryption_mode: Some(encryption::EncryptionMode::MpegCenc(
            encryption::MpegCommonEncryption { scheme: "cbcs".into() },
        )),
    }
}

pub fn event() -> Event {
    Event {
        name: format!("{CHANNEL}/events/half-time"),
        create_time: at(10, 0, 0, 0),
        update_time: at(10, 0, 1, 0),
        labels: labels(&[("sponsor", "ferry-line")]),
        task: Some(event::Task::AdBreak(event::AdBreakTask { duration: lasting(90, 250) })),
        execute_now: false,
        execution_time: at(10, 45, 0, 0),
        state: event::State::Failed.into(),
        error: status(9, "the channel was not streaming"),
    }
}

pub fn event_now() -> Event {
    Event {
        name: format!("{CHANNEL}/events/back"),
        task: Some(event::Task::ReturnToProgram(event::ReturnToProgramTask {})),
        execute_now: true,
        state: event::State::Succeeded.into(),
        ..Default::default()
    }
}

pub fn clip() -> Clip {
    let slice = |from, to| clip::Slice {
        kind: Some(clip::slice::Kind::TimeSlice(clip::TimeSlice {
            markin_time: from,
            markout_time: to,
        })),
    };
    Clip {
        name: format!("{CHANNEL}/clips/arrival"),
        create_time: at(11, 0, 0, 0),
        start_time: at(11, 0, 2, 0),
        update_time: at(11, 0, 40, 0),
        labels: labels(&[("desk", "news")]),
        state: clip::State::Succeeded.into(),
        output_uri: "gs://northern-lights-clips/arrival".into(),
        error: None,
        slices: vec![
            slice(at(10, 10, 0, 0), at(10, 12, 30, 400_000_000)),
            slice(at(10, 20, 0, 0), at(10, 21, 0, 0)),
        ],
        clip_manifests: vec![clip::ClipManifest {
            manifest_key: "hls".into(),
            output_uri: "gs://northern-lights-clips/arrival/main.m3u8".into(),
        }],
        output_type: clip::OutputType::Manifest.into(),
    }
}

pub fn dvr_session() -> DvrSession {
    DvrSession {
        name: format!("{CHANNEL}/dvrSessions/evening"),
        create_time: at(16, 0, 0, 0),
        update_time: at(16, 5, 0, 42_000_000),
        labels: labels(&[("rights", "europe")]),
        state: dvr_session::State::Failed.into(),
        error: status(3, "no part of the window is retained"),
        dvr_manifests: vec![dvr_session::DvrManifest {
            manifest_key: "hls".into(),
            output_uri: "gs://northern-lights-live/harbour/dvr/evening/main.m3u8".into(),
        }],
        dvr_windows: vec![window(at(17, 0, 0, 0), at(19, 0, 0, 0)), window(at(20, 0, 0, 0), None)],
    }
}

fn window(start_time: Option<Timestamp>, end_time: Option<Timestamp>) -> dvr_session::DvrWindow {
    let interval = TimeInterval { start_time, end_time };
    dvr_session::DvrWindow { kind: Some(dvr_session::dvr_window::Kind::TimeInterval(interval)) }
}

pub fn asset() -> Asset {
    Asset {
        name: format!("{LOCATION}/assets/slate"),
        create_time: day(20_495, 12, 0, 0, 0),
        update_time: day(20_495, 12, 1, 9, 0),
        labels: labels(&[("kind", "slate")]),
        crc32c: "yZRlqg==".into(),
        state: asset::State::Error.into(),
        error: status(5, "there is no such object"),
        resource: Some(asset::Resource::Video(asset::VideoAsset {
            uri: "gs://northern-lights-assets/slate.mp4".into(),
        })),
    }
}

pub fn pool() -> Pool {
    Pool {
        name: format!("{LOCATION}/pools/default"),
        create_time: day(20_473, 6, 30, 0, 0),
        update_time: day(20_474, 6, 30, 0, 0),
        labels: labels(&[("team", "network")]),
        network_config: Some(pool::NetworkConfig {
            peered_network: "projects/481516/global/networks/studio".into(),
        }),
    }
}

pub fn operation_metadata() -> OperationMetadata {
    OperationMetadata {
        create_time: at(15, 59, 58, 1_000),
        end_time: at(16, 0, 0, 0),
        target: TARGET.into(),
        verb: "create".into(),
        requested_cancellation: true,
        api_version: "v1".into(),
    }
}

pub fn operation_done() -> Operation {
    let metadata = OperationMetadata {
        create_time: at(15, 59, 58, 0),
        requested_cancellation: false,
        ..operation_metadata()
    };
    let session = DvrSession {
        name: format!("{CHANNEL}/dvrSessions/evening"),
        state: dvr_session::State::Scheduled.into(),
        dvr_manifests: vec![dvr_session::DvrManifest {
            manifest_key: "hls".into(),
            output_uri: String::new(),
        }],
        dvr_windows: vec![window(at(17, 0, 0, 0), None)],
        ..Default::default()
    };
    Operation {
        name: operation("1772467198000-64c0d1f3a8e5b-0d9b6a1c-5f27e3b4"),
        metadata: Some(any(&metadata)),
        done: true,
        result: Some(operation::Result::Response(any(&session))),
    }
}

pub fn operation_deleted() -> Operation {
    Operation {
        name: operation("1772470798000-64c0df5c1b2a7-77aa01f2-90c4d8e6"),
        metadata: None,
        done: true,
        result: Some(operation::Result::Response(any(&()))),
    }
}

pub fn operation_failed() -> Operation {
    let metadata = OperationMetadata {
        target: "projects/481516/locations/europe-west1/channels/harbour-live".into(),
        verb: "start".into(),
        requested_cancellation: true,
        ..Default::default()
    };
    Operation {
        name: operation("1772474398000-64c0ecc48d1f3-1b35c2aa-08f6e97d"),
        metadata: Some(any(&metadata)),
        done: true,
        result: status(1, "cancelled on request").map(operation::Result::Error),
    }
}

fn operation(id: &str) -> String {
    format!("projects/481516/locations/europe-west1/operations/operation-{id}")
}

pub fn location() -> Location {
    Location {
        name: LOCATION.into(),
        location_id: "europe-west1".into(),
        display_name: "Belgium".into(),
        labels: labels(&[("cloud.googleapis.com/region", "europe-west1")]),
        metadata: None,
    }
}
