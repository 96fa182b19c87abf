//! Random messages round-trip through JSON and YAML, and no text makes the reader panic.

use crate::{
    draw::{Draw, check},
    samples,
};
use livestream_client::{
    json::{self, Json},
    model::{
        DvrSession, Event, NormalizedCoordinate, TimeInterval,
        dvr_session::{DvrManifest, DvrWindow, dvr_window},
        event::{
            AdBreakTask, InputSwitchTask, MuteTask, ReturnToProgramTask, SlateTask, Task,
            UnmuteTask,
        },
    },
    proto::google::rpc::Status,
};
use prost::{Message, Name};
use prost_types::{Duration, Timestamp};
use std::{collections::HashMap, fmt::Debug};
use tonic_types::pb::ErrorInfo;

#[test]
fn dvr_sessions_round_trip() {
    check(|draw| check_round_trip(&session(draw)));
}

#[test]
fn events_round_trip() {
    check(|draw| check_round_trip(&event(draw)));
}

/// Not NaN, which does not equal itself.
#[test]
fn floats_round_trip() {
    const EDGES: [f64; 10] = [
        0.0,
        -0.0,
        f64::MIN,
        f64::MAX,
        f64::MIN_POSITIVE,
        f64::INFINITY,
        f64::NEG_INFINITY,
        5e-324,
        9_007_199_254_740_993.0,
        0.1,
    ];
    check(|draw| {
        let x = f64::from_bits(draw.0.u64(..));
        let x = if x.is_finite() { x } else { draw.pick(&EDGES) };
        let y = draw.0.i64(-1_000_000_000..1_000_000_000);
        check_round_trip(&NormalizedCoordinate { x, y: y as f64 });
    });
    for x in EDGES {
        check_round_trip(&NormalizedCoordinate { x, y: -x });
    }
}

#[test]
fn no_timestamp_or_duration_makes_the_json_writer_panic() {
    check(|draw| {
        let (seconds, nanos) = (draw.i64(), draw.i32());
        let time = Timestamp { seconds, nanos };
        if let Ok(text) = json::to_string(&time) {
            assert_eq!(json::from_str(&text), Ok(time));
        }
        let duration = Duration { seconds, nanos };
        if let Ok(text) = json::to_string(&duration) {
            assert_eq!(json::from_str(&text), Ok(duration));
        }
    });
}

/// A text that reads as a time can be written, and reads as the same time again.
#[test]
fn no_text_makes_the_json_reader_panic() {
    check(|draw| {
        for text in [draw.text(0..33), nearly_time(draw), nearly_duration(draw), time_text(draw)] {
            check_text::<Timestamp>(&text);
            check_text::<Duration>(&text);
            check_text::<Event>(&text);
            check_text::<Timestamp>(&format!("{text:?}"));
        }
    });
}

const DIGITS: &str = "0123456789";

fn nearly_time(draw: &mut Draw) -> String {
    format!("\"{}\"", draw.of("0123456789TZ:.+-", 0..41))
}

fn nearly_duration(draw: &mut Draw) -> String {
    let (sign, seconds) = (draw.pick(&["", "-"]), draw.of(DIGITS, 1..21));
    let fraction = draw.option(|draw| format!(".{}", draw.of(DIGITS, 0..13)));
    format!("\"{sign}{seconds}{}s\"", fraction.unwrap_or_default())
}

/// Text in the form of a time, with numbers that can be out of range.
fn time_text(draw: &mut Draw) -> String {
    fn number(draw: &mut Draw, most: u8) -> String {
        format!("{:02}", draw.0.u8(..=most))
    }
    let date = format!("{}-{}-{}", draw.of(DIGITS, 4..5), number(draw, 19), number(draw, 39));
    let time = format!("{}:{}:{}", number(draw, 29), number(draw, 69), number(draw, 69));
    let fraction = draw.option(|draw| format!(".{}", draw.of(DIGITS, 1..13)));
    let zone = draw.option(|draw| {
        let sign = draw.pick(&['+', '-']);
        format!("{sign}{}:{}", number(draw, 29), number(draw, 69))
    });
    let (fraction, zone) = (fraction.unwrap_or_default(), zone.unwrap_or("Z".into()));
    format!("\"{date}T{time}{fraction}{zone}\"")
}

fn check_round_trip<T>(message: &T)
where
    T: Message + Name + Default + Clone + PartialEq + Debug,
{
    assert_eq!(&json::from_str::<T>(&json::to_string(message).unwrap()).unwrap(), message);
    let value = json::to_value(message).unwrap();
    assert_eq!(&json::from_value::<T>(value).unwrap(), message);
    let yaml = yaml_serde::to_string(&Json(message.clone())).unwrap();
    assert_eq!(&yaml_serde::from_str::<Json<T>>(&yaml).unwrap().0, message, "{}", yaml);
}

fn check_text<T>(text: &str)
where
    T: Message + Name + Default + PartialEq + Debug,
{
    if let Ok(message) = json::from_str::<T>(text) {
        let written = json::to_string(&message).unwrap();
        assert_eq!(json::from_str::<T>(&written), Ok(message));
    }
}

fn session(draw: &mut Draw) -> DvrSession {
    DvrSession {
        name: text(draw),
        create_time: draw.option(time),
        update_time: draw.option(time),
        labels: labels(draw, 5),
        state: draw.i32(),
        error: draw.option(status),
        dvr_manifests: draw
            .list(0..3, |draw| DvrManifest { manifest_key: text(draw), output_uri: text(draw) }),
        dvr_windows: draw.list(0..4, |draw| DvrWindow {
            kind: draw.option(|draw| {
                let (start_time, end_time) = (draw.option(time), draw.option(time));
                dvr_window::Kind::TimeInterval(TimeInterval { start_time, end_time })
            }),
        }),
    }
}

fn event(draw: &mut Draw) -> Event {
    Event {
        name: text(draw),
        labels: labels(draw, 5),
        task: draw.option(task),
        execute_now: draw.bool(),
        execution_time: draw.option(time),
        state: draw.0.i32(0..8),
        error: draw.option(status),
        ..Default::default()
    }
}

fn task(draw: &mut Draw) -> Task {
    match draw.0.u8(..6) {
        0 => Task::InputSwitch(InputSwitchTask { input_key: text(draw) }),
        1 => Task::AdBreak(AdBreakTask { duration: draw.option(duration) }),
        2 => Task::ReturnToProgram(ReturnToProgramTask {}),
        3 => Task::Slate(SlateTask { duration: draw.option(duration), asset: text(draw) }),
        4 => Task::Mute(MuteTask { duration: draw.option(duration) }),
        _ => Task::Unmute(UnmuteTask {}),
    }
}

fn text(draw: &mut Draw) -> String {
    draw.text(0..33)
}

/// Every time that has a JSON form: years 1 to 9999.
fn time(draw: &mut Draw) -> Timestamp {
    let seconds = draw.0.i64(-62_135_596_800..253_402_300_800);
    Timestamp { seconds, nanos: nanos(draw) }
}

fn duration(draw: &mut Draw) -> Duration {
    let (seconds, nanos) = (draw.0.i64(0..=315_576_000_000), nanos(draw));
    let sign = draw.pick(&[-1, 1]);
    Duration { seconds: seconds * i64::from(sign), nanos: nanos * sign }
}

/// Whole seconds, milliseconds, microseconds and nanoseconds, which are written differently.
fn nanos(draw: &mut Draw) -> i32 {
    let step = draw.pick(&[1, 1_000, 1_000_000, 1_000_000_000]);
    draw.0.i32(0..1_000_000_000) / step * step
}

fn status(draw: &mut Draw) -> Status {
    // At most one entry: the bytes of an `Any` are compared as they are, and map order varies.
    let info = |draw: &mut Draw| {
        let (reason, domain, metadata) = (text(draw), text(draw), labels(draw, 1));
        samples::error_info(&ErrorInfo { reason, domain, metadata })
    };
    Status { code: draw.i32(), message: text(draw), details: draw.list(0..3, info) }
}

fn labels(draw: &mut Draw, most: usize) -> HashMap<String, String> {
    draw.list(0..most + 1, |draw| (text(draw), text(draw)))
}
