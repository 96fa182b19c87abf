//! Times and lengths, between the standard library's types and the API's.
//!
//! Both sides can hold what the other cannot: a [`SystemTime`] knows no year 9999 limit, and a
//! message may carry nanoseconds that are none. Nothing here panics or rounds; what has no
//! counterpart is an [`InvalidTime`] that says why. The limits are those of the protobuf
//! definitions of [`Timestamp`](https://protobuf.dev/reference/protobuf/google.protobuf/#timestamp)
//! and [`Duration`](https://protobuf.dev/reference/protobuf/google.protobuf/#duration).
//!
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

/// The start of the year 1, in seconds from 1970.
const FIRST_SECOND: i64 = -62_135_596_800;
/// The last second of the year 9999.
const LAST_SECOND: i64 = 253_402_300_799;
/// 10,000 years in seconds: the longest duration, either way.
const LONGEST: i64 = 315_576_000_000;
pub(crate) const NANOS_PER_SECOND: i128 = 1_000_000_000;

/// A time or a length that has no counterpart in the other type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidTime {
    subject: &'static str,
    reason: Cow<'static, str>,
}

impl InvalidTime {
    fn new(subject: &'static str, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { subject, reason: reason.into() }
    }

    /// What is wrong, such as `is before the year 1`.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// The same fault, found in a field of a message.
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

/// The API's form of a point in time.
///
/// # Errors
/// Before the year 1 or after the year 9999.
pub fn timestamp(time: SystemTime) -> Result<Timestamp, InvalidTime> {
    let nanos = match time.duration_since(UNIX_EPOCH) {
        Ok(after) => after.as_nanos() as i128,
        Err(before) => -(before.duration().as_nanos() as i128),
    };
    let seconds = nanos.div_euclid(NANOS_PER_SECOND);
    // Out of range either way where it does not fit: the limits below say which.
    let seconds = i64::try_from(seconds).unwrap_or(if nanos < 0 { i64::MIN } else { i64::MAX });
    let nanos = nanos.rem_euclid(NANOS_PER_SECOND) as i32;
    let timestamp = Timestamp { seconds, nanos };
    timestamp_nanos(&timestamp)?;
    Ok(timestamp)
}

/// The point in time that the API gave.
///
/// # Errors
/// Before the year 1 or after the year 9999, nanoseconds outside of 0 to 999,999,999, or a time
/// that this operating system cannot hold.
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
        .ok_or_else(|| InvalidTime::new("timestamp", "is a time that this system cannot hold"))
}

/// The API's form of a length of time.
///
/// # Errors
/// Longer than 10,000 years.
pub fn duration(length: time::Duration) -> Result<Duration, InvalidTime> {
    let seconds = i64::try_from(length.as_secs()).unwrap_or(i64::MAX);
    let duration = Duration { seconds, nanos: length.subsec_nanos() as i32 };
    duration_nanos(&duration)?;
    Ok(duration)
}

/// The length of time that the API gave.
///
/// # Errors
/// Negative, longer than 10,000 years, nanoseconds of a second or more, or of the other sign than
/// the seconds.
pub fn std_duration(duration: &Duration) -> Result<time::Duration, InvalidTime> {
    if duration_nanos(duration)? < 0 {
        return Err(InvalidTime::new("duration", "is negative"));
    }
    Ok(time::Duration::new(duration.seconds.unsigned_abs(), duration.nanos.unsigned_abs()))
}

/// A timestamp as nanoseconds from 1970, to be compared and subtracted.
pub(crate) fn timestamp_nanos(timestamp: &Timestamp) -> Result<i128, InvalidTime> {
    let &Timestamp { seconds, nanos } = timestamp;
    let fault = |reason: Cow<'static, str>| Err(InvalidTime::new("timestamp", reason));
    if seconds < FIRST_SECOND {
        return fault("is before the year 1".into());
    }
    if seconds > LAST_SECOND {
        return fault("is after the year 9999".into());
    }
    if !(0..1_000_000_000).contains(&nanos) {
        return fault(format!("has {nanos} nanos, outside of 0 to 999999999").into());
    }
    Ok(i128::from(seconds) * NANOS_PER_SECOND + i128::from(nanos))
}

/// A duration, which may be negative, as nanoseconds.
pub(crate) fn duration_nanos(duration: &Duration) -> Result<i128, InvalidTime> {
    let &Duration { seconds, nanos } = duration;
    let fault = |reason: Cow<'static, str>| Err(InvalidTime::new("duration", reason));
    if !(-LONGEST..=LONGEST).contains(&seconds) {
        return fault("is longer than 10,000 years".into());
    }
    if !(-999_999_999..=999_999_999).contains(&nanos) {
        return fault(format!("has {nanos} nanos, outside of -999999999 to 999999999").into());
    }
    if i64::from(nanos).signum() * seconds.signum() < 0 {
        return fault(format!("mixes signs: {seconds} seconds and {nanos} nanos").into());
    }
    Ok(i128::from(seconds) * NANOS_PER_SECOND + i128::from(nanos))
}
