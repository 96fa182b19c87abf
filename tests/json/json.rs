//! The API's JSON form: documents in the shapes of the REST reference round-trip in JSON, YAML and
//! TOML, and errors name line and path.

#![allow(clippy::unwrap_used)]

mod depth;
#[path = "../draw/mod.rs"]
mod draw;
mod files;
mod properties;
mod samples;

use livestream_client::{
    json::{self, Json, Reader},
    model::{
        Channel, DvrSession, NormalizedCoordinate, PreviewInputResponse, RetentionConfig,
        channel::StreamingState,
    },
    proto::google::rpc::Status,
};
use prost::{Message, Name};
use prost_types::{Any, Duration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::fmt::Debug;

macro_rules! samples {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            check_sample(
                include_str!(concat!("../data/json/", stringify!($name), ".json")),
                &samples::$name(),
            );
        })*
    };
}

samples! {
    input channel event event_now clip dvr_session asset pool location
    operation_metadata operation_done operation_deleted operation_failed
}

/// Checks that the document reads as the message, that the message is written as the document, and
/// the same in YAML and TOML.
fn check_sample<T>(text: &str, message: &T)
where
    T: Message + Name + Default + Clone + PartialEq + Debug,
{
    let document: Value = serde_json::from_str(text).unwrap();
    assert_eq!(&json::from_str::<T>(text).unwrap(), message);
    assert_eq!(&json::from_value::<T>(document.clone()).unwrap(), message);
    assert_eq!(json::to_value(message).unwrap(), document);
    let texts = [json::to_string(message).unwrap(), json::to_string_pretty(message).unwrap()];
    for text in texts {
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), document);
    }

    let yaml = yaml_serde::to_string(&Json(message.clone())).unwrap();
    let read: T = json::read(yaml_serde::Deserializer::from_str(&yaml)).unwrap();
    assert_eq!(&read, message, "{yaml}");
    let toml = toml::to_string(&Json(message.clone())).unwrap();
    assert_eq!(&toml::from_str::<Json<T>>(&toml).unwrap().0, message, "{toml}");
}

#[test]
fn the_example_channel_file_round_trips() {
    let text = include_str!("../../examples/channel_from_file/channel.yaml");
    let channel: Channel = json::read(yaml_serde::Deserializer::from_str(text)).unwrap();
    let document: Value = yaml_serde::from_str(text).unwrap();
    assert_eq!(json::to_value(&channel).unwrap(), document);
}

#[test]
fn a_channel_is_read_from_hand_written_yaml() {
    let channel: Channel = json::read(yaml_serde::Deserializer::from_str(
        "
# Plain scalars: a number, a boolean, a time and a word that YAML 1.1 took for a boolean.
labels: {season: 2, live: true, version: 1.10}
create_time: 2026-03-02T08:00:00Z
output:
  uri: gs://northern-lights-live/harbour
logConfig: {logSeverity: OFF}
retentionConfig: {retentionWindowDuration: 86400s}
staticOverlays:
  - position: {x: 1, y: .5}
muxStreams: null
",
    ))
    .unwrap();
    assert_eq!(
        json::to_value(&channel).unwrap(),
        json!({
            "labels": {"season": "2", "live": "true", "version": "1.10"},
            "createTime": "2026-03-02T08:00:00Z",
            "output": {"uri": "gs://northern-lights-live/harbour"},
            "logConfig": {"logSeverity": "OFF"},
            "retentionConfig": {"retentionWindowDuration": "86400s"},
            "staticOverlays": [{"position": {"x": 1, "y": 0.5}}],
        })
    );
}

#[test]
fn json_and_yaml_output_is_deterministic() {
    let labels = (0..100).map(|i| (format!("label-{i}"), String::new())).collect();
    let channel = Channel { labels, name: "n".into(), ..Default::default() };
    let again: Channel = json::from_str(&json::to_string(&channel).unwrap()).unwrap();
    assert_eq!(json::to_string(&again).unwrap(), json::to_string(&channel).unwrap());
    assert_eq!(
        yaml_serde::to_string(&Json(again)).unwrap(),
        yaml_serde::to_string(&Json(channel)).unwrap()
    );
}

#[test]
fn a_json_error_names_line_and_path() {
    let video = |h264: &str| {
        format!(
            "{{\n  \"elementaryStreams\": [\n    {{}},\n    {{\"videoStream\": {{\"h264\": {{\n      {h264}\n    }}}}}}\n  ]\n}}"
        )
    };
    let cases: &[(&str, &str, &str, (usize, usize))] = &[
        (
            &video(r#""bitrate": 3000000"#),
            "elementaryStreams[1].videoStream.h264",
            "unrecognized field name 'bitrate'",
            (5, 15),
        ),
        (
            &video(r#""bitrateBps": "3 Mbit/s""#),
            "elementaryStreams[1].videoStream.h264.bitrateBps",
            "invalid digit found in string",
            (5, 30),
        ),
        (
            &video(r#""gopDuration": "2s", "gopFrameCount": 60"#),
            "elementaryStreams[1].videoStream.h264",
            "multiple fields provided for oneof 'gop_mode'",
            (6, 5),
        ),
        (
            "{\"manifests\": [{\n\"type\": \"HSL\"}]}",
            "manifests[0].type",
            "unrecognized enum value 'HSL'",
            (2, 13),
        ),
        (
            r#"{"streamingState": 4294967296}"#,
            "streamingState",
            "out of range integral type conversion attempted",
            (1, 29),
        ),
        (
            r#"{"labels": {"season": 2}}"#,
            "labels.season",
            "invalid type: integer `2`, expected a string",
            (1, 23),
        ),
        (
            r#"{"createTime": "2026-02-30T00:00:00Z"}"#,
            "createTime",
            "failed to parse RFC-3339 formatted timestamp",
            (1, 37),
        ),
        (
            r#"{"createTime": "0000-01-01T00:00:00Z"}"#,
            "createTime",
            "timestamp out of range",
            (1, 37),
        ),
        (
            r#"{"retentionConfig": {"retentionWindowDuration": "1 day"}}"#,
            "retentionConfig.retentionWindowDuration",
            "failed to parse duration",
            (1, 55),
        ),
        (
            r#"{"streamingError": {"details": [{"@type": "type.example/no.Such"}]}}"#,
            "streamingError.details[0]",
            "message 'no.Such' not found",
            (1, 65),
        ),
        ("{\n  \"name\": \"a\",\n}", "", "trailing comma", (3, 1)),
        ("{\"manifests\": [{\"key\" 7}]}", "manifests[0]", "expected `:`", (1, 23)),
        ("{} {}", "", "trailing characters", (1, 4)),
        ("", "", "EOF while parsing a value", (1, 0)),
        ("[]", "", "invalid type: sequence, expected a map", (1, 0)),
    ];
    for (text, path, reason, (line, column)) in cases {
        let error = json::from_str::<Channel>(text).unwrap_err();
        let reason = format!("{reason} at line {line} column {column}");
        assert_eq!((error.path(), error.reason()), (*path, &*reason), "{text}");
        assert_eq!(error.position(), Some((*line, *column)), "{text}");
        let field = in_snake_case(path);
        let place = if field.is_empty() { field } else { format!("{field}: ") };
        assert_eq!(error.to_string(), format!("Channel cannot be read: {place}{reason}"));
    }
}

fn in_snake_case(path: &str) -> String {
    let letters = path.chars().map(|c| match c {
        'A'..='Z' => format!("_{}", c.to_ascii_lowercase()),
        _ => c.to_string(),
    });
    letters.collect()
}

#[test]
fn a_yaml_or_toml_error_names_the_path_once() {
    let yaml = "manifests:\n- key: hls\n- type: HSL\n";
    let error = json::read::<Channel, _>(yaml_serde::Deserializer::from_str(yaml)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "Channel cannot be read: manifests[1].type: unrecognized enum value 'HSL' at line 3 column 9"
    );
    assert_eq!((error.path(), error.position()), ("manifests[1].type", None));

    let error = json::from_value::<Channel>(json!({"output": {"url": "gs://b"}})).unwrap_err();
    assert_eq!(error.to_string(), "Channel cannot be read: output: unrecognized field name 'url'");

    let toml = toml::Deserializer::parse("[[manifests]]\ntype = 'HSL'\n").unwrap();
    let error = json::read::<Channel, _>(toml).unwrap_err();
    assert_eq!(error.path(), "manifests[0].type");
    assert!(error.reason().ends_with("unrecognized enum value 'HSL'"), "{error}");
}

#[test]
fn a_json_error_converts_to_invalid_argument() {
    let text = r#"{"manifests": [{"type": "HSL"}]}"#;
    let error: livestream_client::Error = json::from_str::<Channel>(text).unwrap_err().into();
    assert_eq!(error.field(), Some("manifests[0].type"));
    assert_eq!(
        error.to_string(),
        "InvalidArgument: `manifests[0].type` cannot be read: \
         unrecognized enum value 'HSL' at line 1 column 29"
    );
    let error: livestream_client::Error = json::from_str::<Channel>("[").unwrap_err().into();
    assert_eq!(error.field(), Some("Channel"));
}

#[test]
fn a_json_error_names_its_field_as_a_violation_does() {
    for (text, field) in [
        (
            r#"{"elementaryStreams": [{"videoStream": {"h264": {"bitrateBps": "x"}}}]}"#,
            "elementary_streams[0].video_stream.h264.bitrate_bps",
        ),
        (r#"{"mux_streams": [{}, {"segmentSettings": 7}]}"#, "mux_streams[1].segment_settings"),
        (r#"{"labels": {"showName": 7}}"#, "labels.showName"),
    ] {
        let error: livestream_client::Error = json::from_str::<Channel>(text).unwrap_err().into();
        assert_eq!(error.field(), Some(field), "{text}");
    }
}

#[test]
fn unknown_fields_and_enum_values_are_skipped_on_request() {
    let text = r#"{
        "name": "n", "hologramConfig": {"depth": [3]}, "streamingState": "HOVERING",
        "manifests": [{"key": "hls", "latency": "low"}], "logConfig": {"logSeverity": "DEBUG"}
    }"#;
    assert_eq!(json::from_str::<Channel>(text).unwrap_err().path(), "");
    let channel: Channel = Reader::new().ignore_unknown().read_str(text).unwrap();
    assert_eq!(
        json::to_value(&channel).unwrap(),
        json!({
            "name": "n",
            "manifests": [{"key": "hls"}],
            "logConfig": {"logSeverity": "DEBUG"},
        })
    );
    let error = Reader::new().ignore_unknown().read_str::<Channel>(r#"{"name": 1}"#).unwrap_err();
    assert_eq!(error.path(), "name");
}

#[test]
fn an_enum_is_read_by_name_or_number_and_an_unknown_value_is_kept() {
    let state = |value: Value| {
        let channel: Channel = json::from_value(json!({"streamingState": value})).unwrap();
        (channel.streaming_state, json::to_value(&channel).unwrap())
    };
    let streaming = StreamingState::Streaming.into();
    assert_eq!(state(json!("STREAMING")), (streaming, json!({"streamingState": "STREAMING"})));
    assert_eq!(state(json!(1)), (streaming, json!({"streamingState": "STREAMING"})));
    assert_eq!(state(json!(77)), (77, json!({"streamingState": 77})));
    assert_eq!(state(json!(-1)), (-1, json!({"streamingState": -1})));
    assert_eq!(state(json!("STREAMING_STATE_UNSPECIFIED")), (0, json!({})));
    assert_eq!(state(json!(null)), (0, json!({})));
}

#[test]
fn a_timestamp_without_json_form_is_refused_with_its_path() {
    let odd = "nanos are out of range or have the wrong sign";
    let cases = [
        (253_402_300_799, 999_999_999, None),
        (253_402_300_800, 0, Some("timestamp out of range")),
        (253_402_300_799, 1_000_000_000, Some(odd)),
        (-62_135_596_800, 0, None),
        (-62_135_596_801, 0, Some("timestamp out of range")),
        (0, -1, Some(odd)),
        (i64::MAX, i32::MAX, Some(odd)),
        (i64::MIN, i32::MIN, Some(odd)),
        (i64::MIN, 0, Some("timestamp out of range")),
    ];
    for (seconds, nanos, refused) in cases {
        let mut session = samples::dvr_session();
        let time = Some(Timestamp { seconds, nanos });
        let window = livestream_client::model::dvr_session::dvr_window::Kind::TimeInterval(
            livestream_client::model::TimeInterval { end_time: time, ..Default::default() },
        );
        session.dvr_windows[1].kind = Some(window);
        match (json::to_string(&session), refused) {
            (Ok(text), None) => assert_eq!(json::from_str::<DvrSession>(&text), Ok(session)),
            (Err(error), Some(reason)) => assert_eq!(
                error.to_string(),
                format!(
                    "DvrSession cannot be written: dvr_windows[1].time_interval.end_time: {reason}"
                )
            ),
            (result, _) => panic!("{seconds} s and {nanos} ns: {result:?}"),
        }
    }
}

#[test]
fn a_duration_without_json_form_is_refused_with_its_path() {
    let odd = "nanos are out of range or have the wrong sign";
    let cases = [
        (315_576_000_000, 999_999_999, Ok("315576000000.999999999s")),
        (315_576_000_001, 0, Err("duration out of range")),
        (-315_576_000_000, -999_999_999, Ok("-315576000000.999999999s")),
        (0, -500_000_000, Ok("-0.500s")),
        (1, -1, Err(odd)),
        (-1, 1, Err(odd)),
        (0, 1_000_000_000, Err(odd)),
        (i64::MIN, i32::MIN, Err(odd)),
        (i64::MAX, 0, Err("duration out of range")),
    ];
    for (seconds, nanos, expected) in cases {
        let config =
            RetentionConfig { retention_window_duration: Some(Duration { seconds, nanos }) };
        match (json::to_value(&config), expected) {
            (Ok(value), Ok(text)) => {
                assert_eq!(value, json!({"retentionWindowDuration": text}));
                assert_eq!(json::from_value(value), Ok(config));
            }
            (Err(error), Err(reason)) => assert_eq!(
                error.to_string(),
                format!("RetentionConfig cannot be written: retention_window_duration: {reason}")
            ),
            (result, _) => panic!("{seconds} s and {nanos} ns: {result:?}"),
        }
    }
}

#[test]
fn nan_and_infinity_are_json_strings() {
    let odd = NormalizedCoordinate { x: f64::NAN, y: f64::NEG_INFINITY };
    assert_eq!(json::to_value(&odd).unwrap(), json!({"x": "NaN", "y": "-Infinity"}));
    let read: NormalizedCoordinate = json::from_str(r#"{"x": "NaN", "y": "-Infinity"}"#).unwrap();
    assert!(read.x.is_nan() && read.y == f64::NEG_INFINITY);
}

#[test]
fn whole_floats_are_written_without_a_fraction() {
    let written = |x, y| json::to_string(&NormalizedCoordinate { x, y }).unwrap();
    assert_eq!(written(60.0, 59.94), r#"{"x":60,"y":59.94}"#);
    assert_eq!(written(-3.0, 1e300), r#"{"x":-3,"y":1e+300}"#);
    assert_eq!(written(9_007_199_254_740_992.0, 1e16), r#"{"x":9007199254740992,"y":1e+16}"#);
}

#[test]
fn an_any_of_an_unknown_type_is_refused_with_its_path() {
    let stranger = Any { type_url: "type.example/no.Such".into(), value: vec![8, 1] };
    let truncated = Any {
        type_url: "type.googleapis.com/google.cloud.video.livestream.v1.Channel".into(),
        value: vec![10, 9],
    };
    let nameless = Any { type_url: "nameless".into(), value: vec![] };
    let error = |detail| {
        let status = Status { code: 7, message: String::new(), details: vec![detail] };
        let channel = Channel { streaming_error: Some(status), ..Default::default() };
        json::to_string(&channel).unwrap_err()
    };
    assert_eq!(
        error(stranger).to_string(),
        "Channel cannot be written: streaming_error.details[0]: message 'no.Such' not found"
    );
    assert_eq!(error(truncated).path(), "streamingError.details[0]");
    assert_eq!(error(nameless).path(), "streamingError.details[0]");
}

#[test]
fn secrets_are_written_to_json_in_full() {
    let preview = PreviewInputResponse {
        uri: "https://preview.example".into(),
        bearer_token: "t0k3n".into(),
    };
    assert!(!format!("{preview:?}").contains("t0k3n"));
    assert_eq!(
        json::to_value(&preview).unwrap(),
        json!({"uri": "https://preview.example", "bearerToken": "t0k3n"})
    );
}

#[test]
fn a_message_can_be_a_field_of_a_serde_struct() {
    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct Configuration {
        project: String,
        #[serde(with = "livestream_client::json")]
        channel: Channel,
        sessions: Vec<Json<DvrSession>>,
    }
    let configuration = Configuration {
        project: "northern-lights".into(),
        channel: samples::channel(),
        sessions: vec![Json(samples::dvr_session())],
    };
    let text = yaml_serde::to_string(&configuration).unwrap();
    assert_eq!(yaml_serde::from_str::<Configuration>(&text).unwrap(), configuration);

    let error = yaml_serde::from_str::<Configuration>("channel: {output: {url: gs://b}}\n");
    assert_eq!(
        error.unwrap_err().to_string(),
        "channel.output: unrecognized field name 'url' at line 1 column 19"
    );
}

#[test]
fn a_message_of_another_api_is_refused() {
    #[derive(Clone, PartialEq, Message)]
    struct Stranger {}
    impl Name for Stranger {
        const NAME: &'static str = "Stranger";
        const PACKAGE: &'static str = "example";
    }
    let reason = "example.Stranger is not a message of this API";
    let written = json::to_string(&Stranger {}).unwrap_err();
    assert_eq!(written.to_string(), format!("Stranger cannot be written: {reason}"));
    assert_eq!(json::from_value::<Stranger>(json!({})).unwrap_err().reason(), reason);
}
