//! What went wrong with an attempt below the gRPC status: the code it means, and whether the
//! request can have reached the service.
//!
//! Codes alone do not tell: a dropped connection, a GOAWAY and a reset stream come as Unknown,
//! Internal or Cancelled, depending on who wraps them. The source chain tells.

use super::{
    error::{BoxError, Error},
    policy::Delivery,
};
use std::{error::Error as StdError, fmt, io, time::Duration};
use tonic::Code;

/// A failure with a code, found or made by this crate.
///
/// A tonic stub finds the code too: the source chain ends in a [`tonic::Status`].
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) code: Code,
    pub(crate) delivery: Delivery,
    pub(crate) message: String,
    pub(crate) course: Course,
    cause: Cause,
}

/// How a call went up to its end.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Course {
    pub(crate) attempts: u32,
    pub(crate) elapsed: Duration,
    pub(crate) may_have_run: bool,
}

/// Stands between a fault and what caused it, so that tonic's stubs meet a `Status` on their way.
#[derive(Debug)]
struct Cause {
    status: tonic::Status,
    source: Option<BoxError>,
}

impl Fault {
    pub(crate) fn new(code: Code, delivery: Delivery, message: impl Into<String>) -> Self {
        let message = message.into();
        let cause = Cause { status: tonic::Status::new(code, message.clone()), source: None };
        Self { code, delivery, message, course: Course::default(), cause }
    }

    pub(crate) fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.cause.source = Some(source.into());
        self
    }

    /// The time for one attempt, or for the call, ran out; the request may be on its way.
    pub(crate) fn timed_out(limit: Duration) -> Self {
        // What is left of a call's time is odd to the nanosecond.
        let millis = u64::try_from(limit.as_micros().div_ceil(1000)).unwrap_or(u64::MAX);
        let message = format!("no answer within {:?}", Duration::from_millis(millis));
        Self::new(Code::DeadlineExceeded, Delivery::Unknown, message)
    }

    /// For a request that did not leave, and would not at another attempt.
    pub(crate) fn made_final(mut self) -> Self {
        self.delivery = Delivery::NeverFinal;
        self
    }

    /// The same fault for another call that it ends.
    pub(crate) fn again(&self) -> Self {
        let copy = Self::new(self.code, self.delivery, self.message.clone());
        match &self.cause.source {
            Some(source) => copy.with_source(chain(&**source)),
            None => copy,
        }
    }

    /// Any error from below, read by its source chain.
    pub(crate) fn from_error(error: BoxError) -> Self {
        let error = match error.downcast::<Self>() {
            Ok(fault) => return *fault,
            Err(error) => error,
        };
        let (code, delivery) = classify(&*error);
        Self::new(code, delivery, describe(code, delivery)).with_source(error)
    }

    /// The error of the call, without its method and resource.
    pub(crate) fn into_error(self) -> Error {
        let Course { attempts, elapsed, may_have_run } = self.course;
        let error =
            Error::new(self.code, self.message).with_course(attempts, elapsed, may_have_run);
        match self.cause.source {
            Some(source) => error.with_source(source),
            None => error,
        }
    }
}

/// An error and its causes as one line.
fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut line = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        line = format!("{line}: {cause}");
        next = cause.source();
    }
    line
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.code, self.message)
    }
}

impl StdError for Fault {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.cause.status)
    }
}

fn describe(code: Code, delivery: Delivery) -> String {
    let what = match delivery {
        Delivery::Never | Delivery::NeverFinal => "the request could not be sent",
        Delivery::Unknown | Delivery::Answered if code == Code::DeadlineExceeded => "time ran out",
        Delivery::Unknown | Delivery::Answered => "the connection failed before the answer came",
    };
    what.to_owned()
}

/// The first link of the chain that tells decides.
fn classify(error: &(dyn StdError + 'static)) -> (Code, Delivery) {
    let mut link = Some(error);
    while let Some(error) = link {
        if let Some(fault) = error.downcast_ref::<Fault>() {
            return (fault.code, fault.delivery);
        }
        if let Some(h2) = error.downcast_ref::<h2::Error>() {
            return classify_h2(h2);
        }
        if let Some(io) = error.downcast_ref::<io::Error>()
            && let Some(known) = classify_io(io)
        {
            return known;
        }
        if let Some(status) = error.downcast_ref::<tonic::Status>()
            && status.source().is_none()
        {
            return (status.code(), Delivery::Unknown);
        }
        if error.is::<tokio::time::error::Elapsed>() {
            return (Code::DeadlineExceeded, Delivery::Unknown);
        }
        link = beneath(error);
    }
    (Code::Unknown, Delivery::Unknown)
}

/// An I/O error's `source` leaves out the very error that it wraps.
fn beneath<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}

/// As gRPC maps HTTP/2 error codes; but a lost stream counts as UNAVAILABLE.
fn classify_h2(error: &h2::Error) -> (Code, Delivery) {
    if error.is_go_away() && error.is_remote() {
        // Only streams that the GOAWAY leaves out end in it; the others go on.
        return (Code::Unavailable, Delivery::Never);
    }
    match error.reason() {
        Some(h2::Reason::REFUSED_STREAM) => (Code::Unavailable, Delivery::Never),
        Some(h2::Reason::ENHANCE_YOUR_CALM) => (Code::ResourceExhausted, Delivery::Unknown),
        Some(h2::Reason::INADEQUATE_SECURITY) => (Code::PermissionDenied, Delivery::Unknown),
        _ => (Code::Unavailable, Delivery::Unknown),
    }
}

fn classify_io(error: &io::Error) -> Option<(Code, Delivery)> {
    match error.kind() {
        io::ErrorKind::ConnectionRefused
        | io::ErrorKind::AddrNotAvailable
        | io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable => Some((Code::Unavailable, Delivery::Never)),
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::NotConnected
        | io::ErrorKind::UnexpectedEof => Some((Code::Unavailable, Delivery::Unknown)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chain_tells_what_the_wrapper_hides() {
        let wrapped = |inner: BoxError| Fault::from_error(Box::new(io::Error::other(inner)));
        let refused = wrapped(Box::new(io::Error::from(io::ErrorKind::ConnectionRefused)));
        assert_eq!((refused.code, refused.delivery), (Code::Unavailable, Delivery::Never));

        let reset = wrapped(Box::new(h2::Error::from(h2::Reason::REFUSED_STREAM)));
        assert_eq!((reset.code, reset.delivery), (Code::Unavailable, Delivery::Never));

        let odd = wrapped("odd".into());
        assert_eq!((odd.code, odd.delivery), (Code::Unknown, Delivery::Unknown));
    }

    #[test]
    fn a_tonic_stub_finds_the_code() {
        let fault = Fault::timed_out(Duration::from_secs(1));
        let status = tonic::Status::from_error(Box::new(fault));
        assert_eq!(status.code(), Code::DeadlineExceeded);
    }
}
