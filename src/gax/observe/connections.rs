//! The reasons for which connections end.

use crate::gax::error::BoxError;
use h2::Reason;
use std::{error::Error as StdError, io};

/// Why a connection ended, in the words of
/// [gRFC A94](https://github.com/grpc/proposal/blob/master/A94-subchannel-otel-metrics.md). A GOAWAY is
/// the reason, whatever error followed it.
///
/// `refused` is what [`refused`] said when the connection began to take no more calls, if it did. It does
/// not if the client gave it up.
pub(super) fn disconnect_error(
    refused: Option<Option<&'static str>>,
    ended: &Result<(), BoxError>,
) -> &'static str {
    match (refused, ended) {
        (Some(Some(goaway)), _) => goaway,
        (_, Err(error)) => of_error(&**error),
        (Some(None), Ok(())) => UNKNOWN,
        (None, Ok(())) => SHUTDOWN,
    }
}

/// The client needs the connection no more.
pub(super) const SHUTDOWN: &str = "subchannel shutdown";
const UNKNOWN: &str = "unknown";
const TIMED_OUT: &str = "connection timed out";

/// The server's GOAWAY, if there was one.
pub(super) fn refused(error: &h2::Error) -> Option<&'static str> {
    (error.is_go_away() && error.is_remote()).then(|| goaway(error.reason()))
}

/// The codes of RFC 9113, section 7. A server may send others, and their number is not limited.
fn goaway(reason: Option<Reason>) -> &'static str {
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
            None => refused(h2).unwrap_or(UNKNOWN),
        };
    }
    error.downcast_ref::<io::Error>().map_or(UNKNOWN, of_io)
}

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
        disconnect_error(None, &Err(error.into()))
    }

    #[test]
    fn disconnect_errors_are_those_of_grpc() {
        assert_eq!(disconnect_error(None, &Ok(())), "subchannel shutdown");
        assert_eq!(disconnect_error(Some(None), &Ok(())), "unknown", "the server closed it");
        let goaway = Some(Some("GOAWAY NO_ERROR"));
        let broken = Err(io::Error::from(io::ErrorKind::BrokenPipe).into());
        assert_eq!(disconnect_error(goaway, &broken), "GOAWAY NO_ERROR");
        assert_eq!(ended("an error of some other kind"), "unknown");
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
