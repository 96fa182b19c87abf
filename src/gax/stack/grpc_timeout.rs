//! The `grpc-timeout` header
//! ([gRPC over HTTP/2](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md)).

use http::{HeaderMap, HeaderName, HeaderValue};
use std::time::Duration;

pub(crate) const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// The header for a limit, and the time that the header says.
///
/// The value has at most eight digits and a unit. It is rounded down, so that the service never
/// waits longer than the client. From a second up it is in milliseconds: the value is then mostly
/// that of the last call, which HPACK sends as a single byte.
pub(crate) fn encode(limit: Duration) -> (HeaderValue, Duration) {
    const MAX: u64 = 99_999_999;
    let (seconds, nanos) = (limit.as_secs(), u64::from(limit.subsec_nanos()));
    let (value, unit) = match seconds {
        0 => (nanos / 1000, b'u'),
        1..=99_999 => (seconds * 1000 + nanos / 1_000_000, b'm'),
        100_000..=MAX => (seconds, b'S'),
        _ if seconds / 60 <= MAX => (seconds / 60, b'M'),
        _ => ((seconds / 3600).min(MAX), b'H'),
    };
    let mut text = [unit; 9];
    let (mut at, mut rest) = (8, value);
    loop {
        at -= 1;
        text[at] = b'0' + u8::try_from(rest % 10).expect("a digit");
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    let header = HeaderValue::from_bytes(&text[at..]).expect("digits and a letter");
    (header, duration(value, unit).expect("a unit of gRPC"))
}

/// The time that `grpc-timeout` says; `None` if the header is absent or malformed.
pub(crate) fn parse(headers: &HeaderMap) -> Option<Duration> {
    let (unit, digits) = headers.get(GRPC_TIMEOUT)?.as_bytes().split_last()?;
    if digits.is_empty() || digits.len() > 8 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value = digits.iter().fold(0, |value, digit| value * 10 + u64::from(digit - b'0'));
    duration(value, *unit)
}

fn duration(value: u64, unit: u8) -> Option<Duration> {
    Some(match unit {
        b'H' => Duration::from_secs(value * 3600),
        b'M' => Duration::from_secs(value * 60),
        b'S' => Duration::from_secs(value),
        b'm' => Duration::from_millis(value),
        b'u' => Duration::from_micros(value),
        b'n' => Duration::from_nanos(value),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grpc_timeout_is_rounded_down_to_at_most_eight_digits() {
        let encoded = |limit| {
            let (header, said) = encode(limit);
            assert!(said <= limit, "{said:?} of {limit:?}");
            header.to_str().expect("ascii").to_owned()
        };
        assert_eq!(encoded(Duration::ZERO), "0u");
        assert_eq!(encoded(Duration::from_nanos(50_000_999)), "50000u");
        assert_eq!(encoded(Duration::from_nanos(999_999_999)), "999999u");
        assert_eq!(encoded(Duration::from_secs(1)), "1000m");
        assert_eq!(encoded(Duration::from_nanos(59_999_999_999)), "59999m");
        assert_eq!(encoded(Duration::from_secs(99_999)), "99999000m");
        assert_eq!(encoded(Duration::from_secs(100_000)), "100000S");
        assert_eq!(encoded(Duration::from_secs(99_999_999)), "99999999S");
        assert_eq!(encoded(Duration::from_secs(100_000_000)), "1666666M");
        assert_eq!(encoded(Duration::from_secs(10_000_000_000)), "2777777H");
        assert_eq!(encoded(Duration::MAX), "99999999H");
    }

    #[test]
    fn grpc_timeout_is_parsed_and_a_malformed_one_is_not() {
        let parsed = |text: &'static str| {
            parse(&HeaderMap::from_iter([(GRPC_TIMEOUT, HeaderValue::from_static(text))]))
        };
        for (text, seconds) in [("2H", 7200.0), ("3M", 180.0), ("4S", 4.0), ("5m", 0.005)] {
            assert_eq!(parsed(text), Some(Duration::from_secs_f64(seconds)), "{text}");
        }
        assert_eq!(parsed("6u"), Some(Duration::from_micros(6)));
        assert_eq!(parsed("00000007n"), Some(Duration::from_nanos(7)));
        for malformed in ["", "S", "1", "-1S", "+1S", "123456789S", "1s"] {
            assert_eq!(parsed(malformed), None, "{malformed}");
        }
    }
}
