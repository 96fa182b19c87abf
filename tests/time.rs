//! Timestamps and durations round-trip, and values out of range are errors with a reason. DVR
//! windows, clip slices and DVR output URIs are built from them.

#![allow(clippy::unwrap_used)]

mod draw;

use draw::check;
use livestream_client::{
    model::{
        Channel, Clip, DvrSession, Manifest, TimeInterval,
        channel::Output,
        clip::{Slice, TimeSlice, slice},
        dvr_session::{DvrWindow, dvr_window},
        manifest::ManifestType,
    },
    time,
};
use prost_types::{Duration as ProtoDuration, Timestamp};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const FIRST: i64 = -62_135_596_800;
const LAST: i64 = 253_402_300_799;

fn stamp(seconds: i64, nanos: i32) -> Timestamp {
    Timestamp { seconds, nanos }
}

fn length(seconds: i64, nanos: i32) -> ProtoDuration {
    ProtoDuration { seconds, nanos }
}

#[test]
fn timestamps_before_1970_count_nanos_forwards() {
    let before = UNIX_EPOCH - Duration::from_millis(1);
    assert_eq!(time::timestamp(before), Ok(stamp(-1, 999_000_000)));
    assert_eq!(time::system_time(&stamp(-1, 999_000_000)), Ok(before));
    assert_eq!(time::timestamp(UNIX_EPOCH - Duration::from_secs(1)), Ok(stamp(-1, 0)));
    assert_eq!(time::timestamp(UNIX_EPOCH), Ok(stamp(0, 0)));
}

#[test]
fn timestamps_range_from_year_1_to_9999() {
    let first = UNIX_EPOCH - Duration::from_secs(FIRST.unsigned_abs());
    let last = UNIX_EPOCH + Duration::new(LAST.unsigned_abs(), 999_999_999);
    assert_eq!(time::timestamp(first), Ok(stamp(FIRST, 0)));
    assert_eq!(time::system_time(&stamp(FIRST, 0)), Ok(first));
    assert_eq!(time::timestamp(last), Ok(stamp(LAST, 999_999_999)));
    assert_eq!(time::system_time(&stamp(LAST, 999_999_999)), Ok(last));

    let text = |time| time::timestamp(time).unwrap_err().to_string();
    assert_eq!(text(first - Duration::from_nanos(1)), "the timestamp is before the year 1");
    assert_eq!(text(last + Duration::from_nanos(1)), "the timestamp is after the year 9999");
    let far = UNIX_EPOCH + Duration::from_secs(i64::MAX.unsigned_abs() / 2);
    assert_eq!(text(far), "the timestamp is after the year 9999");
}

#[test]
fn an_invalid_timestamp_is_refused_with_a_reason() {
    let text = |seconds, nanos| time::system_time(&stamp(seconds, nanos)).unwrap_err().to_string();
    assert_eq!(text(FIRST - 1, 0), "the timestamp is before the year 1");
    assert_eq!(text(i64::MIN, i32::MIN), "the timestamp is before the year 1");
    assert_eq!(text(LAST + 1, 0), "the timestamp is after the year 9999");
    assert_eq!(text(i64::MAX, i32::MAX), "the timestamp is after the year 9999");
    for nanos in [-1, 1_000_000_000, i32::MIN] {
        let expected = format!("the timestamp has {nanos} nanos, but must have 0 to 999999999");
        assert_eq!(text(0, nanos), expected);
    }
}

#[test]
fn an_invalid_duration_is_refused_with_a_reason() {
    let text =
        |seconds, nanos| time::std_duration(&length(seconds, nanos)).unwrap_err().to_string();
    assert_eq!(text(-1, 0), "the duration must not be negative");
    assert_eq!(text(0, -1), "the duration must not be negative");
    assert_eq!(text(315_576_000_001, 0), "the duration is longer than 10,000 years");
    assert_eq!(text(i64::MIN, 0), "the duration is longer than 10,000 years");
    assert_eq!(text(1, -1), "the duration has seconds and nanos of different signs: 1 and -1");
    assert_eq!(text(-1, 1), "the duration has seconds and nanos of different signs: -1 and 1");
    let outside = "nanos, but must have -999999999 to 999999999";
    assert_eq!(text(0, 1_000_000_000), format!("the duration has 1000000000 {outside}"));
    assert_eq!(text(0, i32::MIN), format!("the duration has {} {outside}", i32::MIN));

    let longest = length(315_576_000_000, 999_999_999);
    let same = Duration::new(315_576_000_000, 999_999_999);
    assert_eq!(time::std_duration(&longest), Ok(same));
    assert_eq!(time::duration(same), Ok(longest));
    let too_long = time::duration(Duration::MAX).unwrap_err();
    assert_eq!(too_long.reason(), "is longer than 10,000 years");
    let error = livestream_client::Error::from(too_long);
    assert_eq!(error.field(), Some("duration"));
    assert_eq!(error.message(), "`duration` is longer than 10,000 years");
}

#[test]
fn valid_timestamps_round_trip() {
    check(|draw| {
        let timestamp = stamp(draw.0.i64(FIRST..=LAST), draw.0.i32(0..1_000_000_000));
        let time = time::system_time(&timestamp).unwrap();
        assert_eq!(time::timestamp(time).unwrap(), timestamp);
    });
}

#[test]
fn valid_durations_round_trip() {
    check(|draw| {
        let duration = length(draw.0.i64(0..=315_576_000_000), draw.0.i32(0..1_000_000_000));
        let std = time::std_duration(&duration).unwrap();
        assert_eq!(time::duration(std).unwrap(), duration);
    });
}

#[test]
fn a_duration_of_zero_is_valid() {
    assert_eq!(time::std_duration(&length(0, 0)), Ok(Duration::ZERO));
    assert_eq!(time::duration(Duration::ZERO), Ok(length(0, 0)));
}

#[test]
fn no_timestamp_panics_or_changes_its_value() {
    check(|draw| {
        let timestamp = stamp(draw.i64(), draw.i32());
        if let Ok(time) = time::system_time(&timestamp) {
            assert_eq!(time::timestamp(time).unwrap(), timestamp);
        }
    });
}

#[test]
fn no_duration_panics_or_changes_its_value() {
    check(|draw| {
        let duration = length(draw.i64(), draw.i32());
        if let Ok(std) = time::std_duration(&duration) {
            assert_eq!(time::duration(std).unwrap(), duration);
        }
    });
}

#[test]
fn every_duration_converts_or_is_an_error() {
    check(|draw| {
        // About half of the values are in range.
        let most = if draw.bool() { u64::MAX } else { 315_576_000_001 };
        let (seconds, nanos) = (draw.0.u64(..=most), draw.0.u32(..1_000_000_000));
        let std = Duration::new(seconds, nanos);
        match time::duration(std) {
            Ok(duration) => assert_eq!(time::std_duration(&duration).unwrap(), std),
            Err(_) => assert!(seconds > 315_576_000_000),
        }
    });
}

#[test]
fn dvr_windows_hold_their_ends() {
    check(|draw| {
        let (start, seconds) = (draw.0.i64(FIRST..LAST), draw.0.i64(1..1_000_000));
        let end = (start + seconds).min(LAST);
        let time = |seconds| time::system_time(&stamp(seconds, 0)).unwrap();
        let window = DvrWindow::between(time(start)..time(end)).unwrap();
        assert_eq!(window, interval(Some(stamp(start, 0)), Some(stamp(end, 0))));
        assert!(DvrWindow::between(time(end)..time(start)).is_err());
    });
}

fn interval(start_time: Option<Timestamp>, end_time: Option<Timestamp>) -> DvrWindow {
    let interval = TimeInterval { start_time, end_time };
    DvrWindow { kind: Some(dvr_window::Kind::TimeInterval(interval)) }
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

#[test]
fn dvr_windows_are_built_from_ranges_and_from_now() {
    let [five, nine] = [Some(stamp(5, 0)), Some(stamp(9, 0))];
    assert_eq!(DvrWindow::between(at(5)..at(9)), Ok(interval(five, nine)));
    assert_eq!(DvrWindow::between(at(5)..), Ok(interval(five, None)));
    assert_eq!(DvrWindow::between(..=at(9)), Ok(interval(None, nine)));
    assert_eq!(DvrWindow::last(Duration::from_secs(4), at(9)), Ok(interval(five, nine)));
    assert_eq!(DvrWindow::next(Duration::from_secs(4), at(5)), Ok(interval(five, nine)));
}

#[test]
fn an_invalid_dvr_window_is_refused_with_its_field() {
    let text = |window: Result<DvrWindow, livestream_client::rpc::InvalidField>| {
        window.unwrap_err().to_string()
    };
    let empty = "`time_interval.end_time` must be after the start";
    assert_eq!(text(DvrWindow::between(at(5)..at(5))), empty);
    assert_eq!(text(DvrWindow::between(at(9)..at(5))), empty);
    assert_eq!(text(DvrWindow::last(Duration::ZERO, at(5))), empty);
    assert_eq!(text(DvrWindow::next(Duration::ZERO, at(5))), empty);
    assert_eq!(
        text(DvrWindow::last(Duration::MAX, at(5))),
        "`time_interval.start_time` is a time that this system cannot represent"
    );
    assert_eq!(
        text(DvrWindow::next(Duration::MAX, at(5))),
        "`time_interval.end_time` is a time that this system cannot represent"
    );
    let long = Duration::from_secs(LAST.unsigned_abs() + 1);
    assert_eq!(
        text(DvrWindow::next(long, UNIX_EPOCH)),
        "`time_interval.end_time` is after the year 9999"
    );
}

#[test]
fn clip_slices_are_built_from_ranges_and_from_now() {
    let slice = TimeSlice { markin_time: Some(stamp(5, 0)), markout_time: Some(stamp(9, 0)) };
    let slice = Slice { kind: Some(slice::Kind::TimeSlice(slice)) };
    assert_eq!(Slice::between(at(5)..at(9)).as_ref(), Ok(&slice));
    assert_eq!(Slice::last(Duration::from_secs(4), at(9)).as_ref(), Ok(&slice));
    let text = Slice::last(Duration::ZERO, at(9)).unwrap_err().to_string();
    assert_eq!(text, "`time_slice.markout_time` must be after the start");
    let text = Slice::last(Duration::MAX, at(9)).unwrap_err().to_string();
    assert_eq!(text, "`time_slice.markin_time` is a time that this system cannot represent");

    let clip = Clip::of_manifest("hls", "gs://bucket/clip", [slice]);
    assert_eq!(clip.clip_manifests[0].manifest_key, "hls");
    assert_eq!((&*clip.output_uri, clip.slices), ("gs://bucket/clip", vec![slice]));
}

fn channel(uri: &str) -> Channel {
    let manifest = |key: &str, file_name: &str, kind: ManifestType| Manifest {
        key: key.into(),
        file_name: file_name.into(),
        r#type: kind.into(),
        ..Default::default()
    };
    Channel {
        output: Some(Output { uri: uri.into() }),
        manifests: vec![
            manifest("main", "main.m3u8", ManifestType::Hls),
            manifest("hls", "", ManifestType::Hls),
            manifest("dash", "", ManifestType::Dash),
            manifest("", "keyless.m3u8", ManifestType::Hls),
        ],
        ..Default::default()
    }
}

#[test]
fn the_dvr_output_uri_matches_the_services() {
    for uri in ["gs://my-bucket/outputs", "gs://my-bucket/outputs/"] {
        let uri = |key| channel(uri).dvr_output_uri("my-dvr-session", key).unwrap();
        assert_eq!(uri("main"), "gs://my-bucket/outputs/dvr/my-dvr-session/main.m3u8");
        assert_eq!(uri("hls"), "gs://my-bucket/outputs/dvr/my-dvr-session/manifest.m3u8");
        assert_eq!(uri("dash"), "gs://my-bucket/outputs/dvr/my-dvr-session/manifest.mpd");
    }
    let mut session = DvrSession::of_manifest("main", []);
    session.name = "projects/p/locations/l/channels/c/dvrSessions/evening".into();
    let uri = session.output_uri_on(&channel("gs://my-bucket")).unwrap();
    assert_eq!(uri, "gs://my-bucket/dvr/evening/main.m3u8");
}

#[test]
fn an_impossible_dvr_output_uri_is_refused_with_its_field() {
    let text = |result: Result<String, livestream_client::rpc::InvalidField>| {
        result.unwrap_err().to_string()
    };
    let channel = channel("gs://my-bucket/");
    assert_eq!(
        text(channel.dvr_output_uri("s", "aac")),
        "`manifests` has no manifest with the key `aac`"
    );
    assert_eq!(
        text(channel.dvr_output_uri("s", "")),
        "`manifests` has no manifest with the key ``"
    );
    assert_eq!(text(Channel::default().dvr_output_uri("s", "hls")), "`output.uri` is required");
    let mut session = DvrSession::of_manifest("main", []);
    assert!(
        text(session.output_uri_on(&channel)).starts_with("`name` is not a DVR session name (")
    );
    session.name = "projects/p/locations/l/channels/c/dvrSessions/evening".into();
    session.dvr_manifests.clear();
    assert_eq!(text(session.output_uri_on(&channel)), "`dvr_manifests` is required");
}
