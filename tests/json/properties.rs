//! Whatever a message holds, its JSON and YAML mean the same message; and no text makes the reader
//! panic.

use crate::samples;
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
use proptest::{collection, option, prelude::*};
use prost::{Message, Name};
use prost_types::{Duration, Timestamp};
use std::{collections::HashMap, fmt::Debug};
use tonic_types::pb::ErrorInfo;

proptest! {
    #[test]
    fn dvr_sessions_survive(session in session()) {
        check_survival(&session)?;
    }

    #[test]
    fn events_survive(event in event()) {
        check_survival(&event)?;
    }

    /// Of floating point numbers, only those that equal themselves can be compared.
    #[test]
    fn numbers_survive(x in any::<f64>(), y in -1_000_000_000..1_000_000_000_i64) {
        check_survival(&NormalizedCoordinate { x, y: y as f64 })?;
    }

    #[test]
    fn no_time_makes_the_writer_panic(seconds: i64, nanos: i32) {
        let time = Timestamp { seconds, nanos };
        if let Ok(text) = json::to_string(&time) {
            prop_assert_eq!(json::from_str(&text), Ok(time));
        }
        let duration = Duration { seconds, nanos };
        if let Ok(text) = json::to_string(&duration) {
            prop_assert_eq!(json::from_str(&text), Ok(duration));
        }
    }

    /// What reads as a time can be written, and then reads as the same time.
    #[test]
    fn no_text_makes_the_reader_panic(
        text in "\\PC*|\"[0-9TZ:.+-]{0,40}\"|\"-?[0-9]{1,20}(\\.[0-9]{0,12})?s\"\
            |\"[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{1,12})?(Z|[+-][0-2][0-9]:[0-6][0-9])\"",
    ) {
        check_text::<Timestamp>(&text)?;
        check_text::<Duration>(&text)?;
        check_text::<Event>(&text)?;
        check_text::<Timestamp>(&format!("{text:?}"))?;
    }
}

fn check_survival<T>(message: &T) -> Result<(), TestCaseError>
where
    T: Message + Name + Default + Clone + PartialEq + Debug,
{
    prop_assert_eq!(&json::from_str::<T>(&json::to_string(message).unwrap()).unwrap(), message);
    let value = json::to_value(message).unwrap();
    prop_assert_eq!(&json::from_value::<T>(value).unwrap(), message);
    let yaml = yaml_serde::to_string(&Json(message.clone())).unwrap();
    prop_assert_eq!(&yaml_serde::from_str::<Json<T>>(&yaml).unwrap().0, message, "{}", yaml);
    Ok(())
}

fn check_text<T>(text: &str) -> Result<(), TestCaseError>
where
    T: Message + Name + Default + PartialEq + Debug,
{
    if let Ok(message) = json::from_str::<T>(text) {
        let written = json::to_string(&message).unwrap();
        prop_assert_eq!(json::from_str::<T>(&written), Ok(message));
    }
    Ok(())
}

fn session() -> impl Strategy<Value = DvrSession> {
    let manifest = (any::<String>(), any::<String>())
        .prop_map(|(manifest_key, output_uri)| DvrManifest { manifest_key, output_uri });
    let interval = (option::of(time()), option::of(time())).prop_map(|(start_time, end_time)| {
        dvr_window::Kind::TimeInterval(TimeInterval { start_time, end_time })
    });
    let window = option::of(interval).prop_map(|kind| DvrWindow { kind });
    (
        any::<String>(),
        option::of(time()),
        option::of(time()),
        labels(5),
        any::<i32>(),
        option::of(status()),
        collection::vec(manifest, 0..3),
        collection::vec(window, 0..4),
    )
        .prop_map(
            |(name, create_time, update_time, labels, state, error, dvr_manifests, dvr_windows)| {
                DvrSession {
                    name,
                    create_time,
                    update_time,
                    labels,
                    state,
                    error,
                    dvr_manifests,
                    dvr_windows,
                }
            },
        )
}

fn event() -> impl Strategy<Value = Event> {
    let slate = (option::of(duration()), any::<String>());
    let task = prop_oneof![
        any::<String>().prop_map(|input_key| Task::InputSwitch(InputSwitchTask { input_key })),
        option::of(duration()).prop_map(|duration| Task::AdBreak(AdBreakTask { duration })),
        Just(Task::ReturnToProgram(ReturnToProgramTask {})),
        slate.prop_map(|(duration, asset)| Task::Slate(SlateTask { duration, asset })),
        option::of(duration()).prop_map(|duration| Task::Mute(MuteTask { duration })),
        Just(Task::Unmute(UnmuteTask {})),
    ];
    (
        any::<String>(),
        labels(5),
        option::of(task),
        any::<bool>(),
        option::of(time()),
        0..8_i32,
        option::of(status()),
    )
        .prop_map(|(name, labels, task, execute_now, execution_time, state, error)| Event {
            name,
            labels,
            task,
            execute_now,
            execution_time,
            state,
            error,
            ..Default::default()
        })
}

/// Every time that has a JSON form: years 1 to 9999.
fn time() -> impl Strategy<Value = Timestamp> {
    (-62_135_596_800..253_402_300_800_i64, nanos())
        .prop_map(|(seconds, nanos)| Timestamp { seconds, nanos })
}

fn duration() -> impl Strategy<Value = Duration> {
    (0..=315_576_000_000_i64, nanos(), any::<bool>()).prop_map(|(seconds, nanos, is_negative)| {
        let sign = if is_negative { -1 } else { 1 };
        Duration { seconds: seconds * i64::from(sign), nanos: nanos * sign }
    })
}

/// Whole seconds, milliseconds, microseconds and nanoseconds, which are written differently.
fn nanos() -> impl Strategy<Value = i32> {
    (0..1_000_000_000_i32, prop_oneof![Just(1), Just(1_000), Just(1_000_000), Just(1_000_000_000)])
        .prop_map(|(nanos, step)| nanos / step * step)
}

fn status() -> impl Strategy<Value = Status> {
    // One entry at most: the bytes inside of an `Any` are compared as they are.
    let info =
        (any::<String>(), any::<String>(), labels(1)).prop_map(|(reason, domain, metadata)| {
            samples::error_info(&ErrorInfo { reason, domain, metadata })
        });
    (any::<i32>(), any::<String>(), collection::vec(info, 0..3))
        .prop_map(|(code, message, details)| Status { code, message, details })
}

fn labels(most: usize) -> impl Strategy<Value = HashMap<String, String>> {
    collection::hash_map(any::<String>(), any::<String>(), 0..=most)
}
