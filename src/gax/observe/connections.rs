//! The reasons for which connections end.

use crate::gax::error::BoxError;
use h2::Reason;
use std::{error::Error as StdError, io};

/// Why a connection ended, in the words of
/// [gRFC A94](https://github.com/grpc/proposal/blob/master/A94-subchannel-otel-metrics.md).
///
/// `refusal` says why it takes no more calls: `None` once the client itself has given it up.
pub(super) fn disconnect_error(
    ended: &Result<(), BoxError>,
    refusal: Option<&h2::Error>,
) -> &'static str {
    match (ended, refusal) {
        (_, Some(refusal)) if is_goaway(refusal) => goaway(refusal.reason()),
        (Ok(()), None) => SHUTDOWN,
        (Ok(()), Some(_)) => UNKNOWN,
        (Err(error), _) => of_error(&**error),
    }
}

/// The client needs the connection no more.
pub(super) const SHUTDOWN: &str = "subchannel shutdown";
const UNKNOWN: &str = "unknown";

/// Whether the server sent a GOAWAY.
pub(super) fn is_goaway(error: &h2::Error) -> bool {
    error.is_go_away() && error.is_remote()
}

/// The codes of RFC 9113, section 7. A server may send others, and their number is not limited.
pub(super) fn goaway(reason: Option<Reason>) -> &'static str {
    match reason {
        Some(Reason::NO_ERROR) => "GOAWAY NO_ERROR",
        Some(Reason::PROTOCOL_ERROR) => "GOAWAY PROTOCOL_ERROR",
        Some(Reason::INTERNAL_ERROR) => "GOAWAY INTERNAL_ERROR",
        Some(Reason::FLOW_CONTROL_ERROR) => "GOAWAY FLOW_CONTROL_ERROR",
        Some(Reason::SETTINGS_TIMEOUT) => "GOAWAY SETTINGS_TIMEOUT",
        Some(Reason::STREAM_CLOSED) => "GOAWAY STREAM_CLOSED",
        Some(Reason::FRAME_SIZE_ERROR) => "GOAWAY FRAME_SIZE_ERROR",
        Some(Reason::REFUSED_STREAM) => "GOAWAY REFUSED_STREAM",
        Some(Reason::CANCEL) => "GOAWAY CANCEL",
        Some(Reason::COMPRESSION_ERROR) => "GOAWAY COMPRESSION_ERROR",
        Some(Reason::CONNECT_ERROR) => "GOAWAY CONNECT_ERROR",
        Some(Reason::ENHANCE_YOUR_CALM) => "GOAWAY ENHANCE_YOUR_CALM",
        Some(Reason::INADEQUATE_SECURITY) => "GOAWAY INADEQUATE_SECURITY",
        Some(Reason::HTTP_1_1_REQUIRED) => "GOAWAY HTTP_1_1_REQUIRED",
        _ => UNKNOWN,
    }
}

fn of_error(error: &(dyn StdError + 'static)) -> &'static str {
    if let Some(h2) = error.downcast_ref::<h2::Error>() {
        return match h2.get_io() {
            Some(io) => of_io(io),
            None if is_goaway(h2) => goaway(h2.reason()),
            None => UNKNOWN,
        };
    }
    // The only error that a connection makes itself is a ping without an answer.
    error.downcast_ref::<io::Error>().map_or(TIMED_OUT, of_io)
}

const TIMED_OUT: &str = "connection timed out";

fn of_io(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::ConnectionReset => "connection reset",
        io::ErrorKind::TimedOut => TIMED_OUT,
        io::ErrorKind::ConnectionAborted => "connection aborted",
        _ => "socket error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(error: impl Into<BoxError>) -> &'static str {
        disconnect_error(&Err(error.into()), None)
    }

    #[test]
    fn disconnect_errors_are_those_of_grpc() {
        assert_eq!(disconnect_error(&Ok(()), None), "subchannel shutdown");
        assert_eq!(ended("a ping went unanswered"), "connection timed out");
        for (kind, expected) in [
            (io::ErrorKind::ConnectionReset, "connection reset"),
            (io::ErrorKind::ConnectionAborted, "connection aborted"),
            (io::ErrorKind::TimedOut, "connection timed out"),
            (io::ErrorKind::BrokenPipe, "socket error"),
        ] {
            assert_eq!(ended(io::Error::from(kind)), expected);
        }
        assert_eq!(ended(h2::Error::from(Reason::PROTOCOL_ERROR)), "unknown");
    }

    #[test]
    fn goaway_codes_are_a_closed_list() {
        let codes = (0..100).map(|code| goaway(Some(Reason::from(code))));
        let codes = codes.collect::<std::collections::BTreeSet<_>>();
        assert_eq!(codes.len(), 14 + 1, "{codes:?}");
        assert!(codes.contains("GOAWAY ENHANCE_YOUR_CALM"));
    }
}
