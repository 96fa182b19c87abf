//! An attempt that failed below the gRPC status: its code, and whether the request was sent.
//!
//! Codes alone do not say whether a request was sent: a dropped connection, a GOAWAY and a reset
//! stream arrive as Unknown, Internal or Cancelled, depending on the library that wraps them. The
//! chain of sources says it.

use crate::gax::{
    error::{BoxError, CallStats, Error},
    planted::planted,
    policy::Sent,
};
use std::{error::Error as StdError, fmt, io, sync::Arc, time::Duration};
use tonic::{Code, Status};

/// A failure of this client or of the network, as opposed to a status from the service.
///
/// Its source is a [`Status`] of the same code, because tonic's stubs search the chain for one.
#[derive(Clone, Debug)]
pub(crate) struct TransportError {
    status: Status,
    source: Option<Arc<dyn StdError + Send + Sync>>,
    pub(crate) sent: Sent,
    /// Whether another attempt would end the same.
    pub(crate) is_permanent: bool,
    pub(crate) stats: CallStats,
}

impl TransportError {
    pub(crate) fn new(code: Code, sent: Sent, message: impl Into<String>) -> Self {
        let status = Status::new(code, message);
        Self { status, source: None, sent, is_permanent: false, stats: CallStats::default() }
    }

    pub(crate) fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        let source: Arc<dyn StdError + Send + Sync> = source.into().into();
        self.status.set_source(source.clone());
        self.source = Some(source);
        self
    }

    /// Says that another attempt would end the same.
    pub(crate) fn permanent(mut self) -> Self {
        self.is_permanent = true;
        self
    }

    /// The failure came after the response headers. They prove that the server saw the request, whatever
    /// a later frame claims.
    pub(crate) fn after_headers(mut self) -> Self {
        planted!("trusts a refusal after the headers", return self);
        if matches!(self.sent, Sent::No | Sent::Unseen) {
            self.sent = Sent::Maybe;
        }
        self
    }

    /// The time for one attempt, or for the call, ran out; the request may be on its way.
    pub(crate) fn timed_out(limit: Duration) -> Self {
        // The rest of a call's time is a number with nanoseconds.
        let millis = u64::try_from(limit.as_micros().div_ceil(1000)).unwrap_or(u64::MAX);
        let message = format!("no answer within {:?}", Duration::from_millis(millis));
        Self::new(Code::DeadlineExceeded, Sent::Maybe, message)
    }

    /// Any error from below, classified by its chain of sources.
    pub(crate) fn from_error(error: BoxError) -> Self {
        let error = match error.downcast::<Self>() {
            Ok(known) => return *known,
            Err(error) => error,
        };
        let Found { code, sent, is_permanent } = classify(&*error);
        let message = match sent {
            Sent::No | Sent::Unseen => "the request could not be sent",
            _ if code == Code::DeadlineExceeded => "time ran out",
            _ => "the connection failed before the answer came",
        };
        let error = Self::new(code, sent, message).with_source(error);
        if is_permanent { error.permanent() } else { error }
    }

    pub(crate) fn code(&self) -> Code {
        self.status.code()
    }

    pub(crate) fn message(&self) -> &str {
        self.status.message()
    }

    /// The error of the call, without its method and resource.
    pub(crate) fn into_error(self) -> Error {
        let error = Error::new(self.code(), self.status.message().to_owned());
        let error = error.with_stats(self.stats);
        let error = if self.is_permanent { error.permanent() } else { error };
        match self.source {
            Some(source) => error.with_shared_source(source),
            None => error,
        }
    }
}

impl From<TransportError> for Status {
    fn from(error: TransportError) -> Self {
        error.status
    }
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.status.code(), self.status.message())
    }
}

impl StdError for TransportError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.status)
    }
}

/// What a chain of sources says of an attempt.
struct Found {
    code: Code,
    sent: Sent,
    is_permanent: bool,
}

impl Found {
    fn new(code: Code, sent: Sent) -> Self {
        Self { code, sent, is_permanent: false }
    }
}

/// The first link of the chain that says something decides.
fn classify(error: &(dyn StdError + 'static)) -> Found {
    let mut link = Some(error);
    while let Some(error) = link {
        if let Some(known) = error.downcast_ref::<TransportError>() {
            let TransportError { sent, is_permanent, .. } = *known;
            return Found { code: known.code(), sent, is_permanent };
        }
        if let Some(h2) = error.downcast_ref::<h2::Error>() {
            return classify_h2(h2);
        }
        if let Some(io) = error.downcast_ref::<io::Error>()
            && let Some(known) = classify_io(io)
        {
            return known;
        }
        if let Some(status) = error.downcast_ref::<Status>()
            && status.source().is_none()
        {
            return Found::new(status.code(), Sent::Maybe);
        }
        if error.is::<tokio::time::error::Elapsed>() {
            return Found::new(Code::DeadlineExceeded, Sent::Maybe);
        }
        link = beneath(error);
    }
    Found::new(Code::Unknown, Sent::Maybe)
}

/// The `source` of an I/O error leaves out the error that it wraps.
fn beneath<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}

/// As gRPC maps HTTP/2 error codes; but a lost stream counts as UNAVAILABLE.
fn classify_h2(error: &h2::Error) -> Found {
    if error.is_go_away() && error.is_remote() {
        // Only streams that the GOAWAY excludes end with it; the others go on.
        return Found::new(Code::Unavailable, Sent::Unseen);
    }
    match error.reason() {
        Some(h2::Reason::REFUSED_STREAM) => Found::new(Code::Unavailable, Sent::Unseen),
        // Made by this side, it is not the server's quota.
        Some(h2::Reason::ENHANCE_YOUR_CALM) if error.is_remote() => {
            Found::new(Code::ResourceExhausted, Sent::Maybe)
        }
        Some(h2::Reason::INADEQUATE_SECURITY) => Found::new(Code::PermissionDenied, Sent::Maybe),
        _ => Found::new(Code::Unavailable, Sent::Maybe),
    }
}

fn classify_io(error: &io::Error) -> Option<Found> {
    match error.kind() {
        io::ErrorKind::ConnectionRefused
        | io::ErrorKind::AddrNotAvailable
        | io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable => Some(Found::new(Code::Unavailable, Sent::No)),
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::NotConnected
        | io::ErrorKind::UnexpectedEof => Some(Found::new(Code::Unavailable, Sent::Maybe)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_source_chain_tells_whether_a_request_was_sent() {
        let wrapped =
            |inner: BoxError| TransportError::from_error(Box::new(io::Error::other(inner)));
        let refused = wrapped(Box::new(io::Error::from(io::ErrorKind::ConnectionRefused)));
        assert_eq!((refused.code(), refused.sent), (Code::Unavailable, Sent::No));

        let reset = wrapped(Box::new(h2::Error::from(h2::Reason::REFUSED_STREAM)));
        assert_eq!((reset.code(), reset.sent), (Code::Unavailable, Sent::Unseen));

        let local = wrapped(Box::new(h2::Error::from(h2::Reason::ENHANCE_YOUR_CALM)));
        assert_eq!((local.code(), local.sent), (Code::Unavailable, Sent::Maybe), "not a quota");

        let odd = wrapped("odd".into());
        assert_eq!((odd.code(), odd.sent), (Code::Unknown, Sent::Maybe));

        let untrusted = TransportError::new(Code::Unavailable, Sent::No, "untrusted").permanent();
        assert!(wrapped(Box::new(untrusted)).is_permanent);
    }

    #[test]
    fn the_message_tells_how_far_the_request_came() {
        let message = |error: BoxError| TransportError::from_error(error).message().to_owned();
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        assert_eq!(message(Box::new(refused)), "the request could not be sent");
        let unseen = h2::Error::from(h2::Reason::REFUSED_STREAM);
        assert_eq!(message(Box::new(unseen)), "the request could not be sent");
        let late = Status::deadline_exceeded("");
        assert_eq!(message(Box::new(late)), "time ran out");
        let broken = io::Error::from(io::ErrorKind::BrokenPipe);
        assert_eq!(message(Box::new(broken)), "the connection failed before the answer came");
        let error = TransportError::new(Code::Unavailable, Sent::No, "no route");
        assert_eq!(error.to_string(), "Unavailable: no route");
    }

    #[test]
    fn a_tonic_stub_finds_the_code() {
        let error = TransportError::timed_out(Duration::from_secs(1));
        let status = Status::from_error(Box::new(error));
        assert_eq!(status.code(), Code::DeadlineExceeded);
    }
}
