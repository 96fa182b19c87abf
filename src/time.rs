//! Conversions of times and durations between the standard library's types and the API's.
//!
//! Some values have no equivalent in the other type: a [`SystemTime`] can be after the year 9999,
//! and a message can contain invalid nanoseconds. The conversions return an [`InvalidTime`] for
//! these values. They do not round or panic.
//!
//! The limits are from the protobuf reference of
//! [`Timestamp`](https://protobuf.dev/reference/protobuf/google.protobuf/#timestamp) and
//! [`Duration`](https://protobuf.dev/reference/protobuf/google.protobuf/#duration).
//!
//! # Examples
//! ```
//! use livestream_client::time;
//! use std::time::{Duration, SystemTime};
//!
//! let start = time::timestamp(SystemTime::UNIX_EPOCH + Duration::from_millis(1500))?;
//! assert_eq!((start.seconds, start.nanos), (1, 500_000_000));
//! let retention = time::duration(Duration::from_secs(7200))?;
//! assert_eq!(time::std_duration(&retention)?, Duration::from_secs(7200));
//! # Ok::<(), time::InvalidTime>(())
//! ```

use crate::gax::{error::Error, rpc::InvalidField};
use prost_types::{Duration, Timestamp};
use std::{
    borrow::Cow,
    fmt,
    time::{self, SystemTime, UNIX_EPOCH},
};

/// The start of the year 1, in seconds since the Unix epoch.
const FIRST_SECOND: i64 = -62_135_596_800;
/// The last second of the year 9999, in seconds since the Unix epoch.
const LAST_SECOND: i64 = 253_402_300_799;
/// The maximum length of a duration, in seconds: 10,000 years.
const MAX_SECONDS: i64 = 315_576_000_000;
pub(crate) const NANOS_PER_SECOND: i128 = 1_000_000_000;

/// The error for a time or duration that has no equivalent in the other type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidTime {
    subject: &'static str,
    reason: Cow<'static, str>,
}

impl InvalidTime {
    fn new(subject: &'static str, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { subject, reason: reason.into() }
    }

    /// Why the value is not valid, such as `is before the year 1`.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// The same error for a field of a message.
    pub(crate) fn at(self, field: impl Into<Cow<'static, str>>) -> InvalidField {
        InvalidField::new(field, self.reason)
    }
}

impl fmt::Display for InvalidTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {} {}", self.subject, self.reason)
    }
}

impl std::error::Error for InvalidTime {}

impl From<InvalidTime> for Error {
    fn from(invalid: InvalidTime) -> Self {
        let field = invalid.subject;
        invalid.at(field).into()
    }
}

/// Converts a point in time to a `Timestamp`.
///
/// # Errors
/// Returns an error if the time is before the year 1 or after the year 9999.
pub fn timestamp(time: SystemTime) -> Result<Timestamp, InvalidTime> {
    let nanos = match time.duration_since(UNIX_EPOCH) {
        Ok(after) => after.as_nanos() as i128,
        Err(before) => -(before.duration().as_nanos() as i128),
    };
    let seconds = nanos.div_euclid(NANOS_PER_SECOND);
    // Values that do not fit into an `i64` are out of range, which the check below reports.
    let seconds = seconds.clamp(i64::MIN.into(), i64::MAX.into()) as i64;
    let nanos = nanos.rem_euclid(NANOS_PER_SECOND) as i32;
    let timestamp = Timestamp { seconds, nanos };
    timestamp_nanos(&timestamp)?;
    Ok(timestamp)
}

/// Converts a `Timestamp` to a point in time.
///
/// # Errors
/// Returns an error if the timestamp is before the year 1 or after the year 9999, if its
/// nanoseconds are not between 0 and 999,999,999, or if the operating system cannot represent the
/// time.
pub fn system_time(timestamp: &Timestamp) -> Result<SystemTime, InvalidTime> {
    timestamp_nanos(timestamp)?;
    let whole = time::Duration::from_secs(timestamp.seconds.unsigned_abs());
    let part = time::Duration::from_nanos(timestamp.nanos.unsigned_abs().into());
    let second = match timestamp.seconds {
        0.. => UNIX_EPOCH.checked_add(whole),
        _ => UNIX_EPOCH.checked_sub(whole),
    };
    second
        .and_then(|second| second.checked_add(part))
        .ok_or_else(|| InvalidTime::new("timestamp", "is a time that this system cannot represent"))
}

/// Converts a standard duration to the API's `Duration`.
///
/// # Errors
/// Returns an error if the duration is longer than 10,000 years.
pub fn duration(length: time::Duration) -> Result<Duration, InvalidTime> {
    let seconds = i64::try_from(length.as_secs()).unwrap_or(i64::MAX);
    let duration = Duration { seconds, nanos: length.subsec_nanos() as i32 };
    duration_nanos(&duration)?;
    Ok(duration)
}

/// Converts the API's `Duration` to a standard duration.
///
/// # Errors
/// Returns an error if the duration is negative or longer than 10,000 years, if its nanoseconds are
/// a second or more, or if its seconds and nanoseconds have different signs.
pub fn std_duration(duration: &Duration) -> Result<time::Duration, InvalidTime> {
    if duration_nanos(duration)? < 0 {
        return Err(InvalidTime::new("duration", "must not be negative"));
    }
    Ok(time::Duration::new(duration.seconds.unsigned_abs(), duration.nanos.unsigned_abs()))
}

/// Converts a timestamp to nanoseconds since the Unix epoch, for comparison and subtraction.
pub(crate) fn timestamp_nanos(timestamp: &Timestamp) -> Result<i128, InvalidTime> {
    let &Timestamp { seconds, nanos } = timestamp;
    let invalid = |reason: Cow<'static, str>| Err(InvalidTime::new("timestamp", reason));
    if seconds < FIRST_SECOND {
        return invalid("is before the year 1".into());
    }
    if seconds > LAST_SECOND {
        return invalid("is after the year 9999".into());
    }
    if !(0..=999_999_999).contains(&nanos) {
        let reason = format!("has {nanos} nanos, but must have 0 to 999999999");
        return invalid(reason.into());
    }
    Ok(i128::from(seconds) * NANOS_PER_SECOND + i128::from(nanos))
}

/// Converts a duration, which can be negative, to nanoseconds.
pub(crate) fn duration_nanos(duration: &Duration) -> Result<i128, InvalidTime> {
    let &Duration { seconds, nanos } = duration;
    let invalid = |reason: Cow<'static, str>| Err(InvalidTime::new("duration", reason));
    if !(-MAX_SECONDS..=MAX_SECONDS).contains(&seconds) {
        return invalid("is longer than 10,000 years".into());
    }
    if !(-999_999_999..=999_999_999).contains(&nanos) {
        let reason = format!("has {nanos} nanos, but must have -999999999 to 999999999");
        return invalid(reason.into());
    }
    if i64::from(nanos).signum() * seconds.signum() < 0 {
        let reason = format!("has seconds and nanos of different signs: {seconds} and {nanos}");
        return invalid(reason.into());
    }
    Ok(i128::from(seconds) * NANOS_PER_SECOND + i128::from(nanos))
}
