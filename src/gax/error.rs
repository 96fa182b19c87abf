//! The error type of this crate.
//!
//! Every call fails with an [`Error`]. It holds the gRPC code and message, the typed details that the
//! service sent, the method and the resource, the number of attempts and their time, and whether the
//! service may have carried out the request.

use super::{
    name::{InvalidName, OperationName},
    rpc::{InvalidField, Method},
};
use std::{borrow::Cow, error::Error as StdError, fmt, sync::Arc, time::Duration};
use tonic::{Code, Status, metadata::MetadataMap};
use tonic_types::{ErrorDetails, StatusExt};

pub(crate) type BoxError = Box<dyn StdError + Send + Sync>;

/// The error of a call, an operation or a wait.
///
/// `Display` says what failed and for which resource, on one line: control characters in the
/// service's message are escaped. [`source`](StdError::source) says why, if the cause is on the way to
/// the service. Neither holds a token, a key or a payload. Clones are cheap.
///
#[doc = include_str!("../guide/examples/error.md")]
#[derive(Clone)]
pub struct Error(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    code: Code,
    message: Cow<'static, str>,
    details: Option<Box<ErrorDetails>>,
    metadata: MetadataMap,
    raw_details: bytes::Bytes,
    subject: Subject,
    field: Option<Cow<'static, str>>,
    operation: Option<OperationName>,
    request_id: Option<String>,
    stats: CallStats,
    /// Whether a later call ends the same, whatever the code says.
    is_permanent: bool,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

/// How a call went, up to its end.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CallStats {
    pub(crate) attempts: u32,
    pub(crate) elapsed: Duration,
    pub(crate) may_have_run: bool,
}

/// The call that failed, or the resource of an operation that failed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Subject {
    pub(crate) method: Option<&'static Method>,
    pub(crate) resource: String,
}

impl Error {
    pub(crate) fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Arc::new(Inner {
            code,
            message: message.into(),
            details: None,
            metadata: MetadataMap::new(),
            raw_details: bytes::Bytes::new(),
            subject: Subject::default(),
            field: None,
            operation: None,
            request_id: None,
            stats: CallStats::default(),
            is_permanent: false,
            source: None,
        }))
    }

    /// A response that does not conform to the API.
    pub(crate) fn unreadable(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::Internal, message)
    }

    /// The error that the service sent. The caller adds the attempts and the subject.
    pub(crate) fn from_status(status: Status) -> Self {
        Self::new(status.code(), status.message().to_owned()).edit(|inner| {
            if !status.details().is_empty() {
                inner.details = Some(Box::new(status.get_error_details()));
                inner.raw_details = bytes::Bytes::copy_from_slice(status.details());
            }
            inner.metadata = status.metadata().clone();
        })
    }

    fn edit(mut self, edit: impl FnOnce(&mut Inner)) -> Self {
        edit(Arc::make_mut(&mut self.0));
        self
    }

    pub(crate) fn with_source(self, source: impl Into<BoxError>) -> Self {
        self.with_shared_source(source.into().into())
    }

    pub(crate) fn with_shared_source(self, source: Arc<dyn StdError + Send + Sync>) -> Self {
        self.edit(|inner| inner.source = Some(source))
    }

    pub(crate) fn with_subject(self, method: &'static Method, resource: &str) -> Self {
        let subject = Subject { method: Some(method), resource: resource.to_owned() };
        self.edit(|inner| inner.subject = subject)
    }

    /// Names the resource that a failed operation works on.
    pub(crate) fn with_resource(self, resource: &str) -> Self {
        self.edit(|inner| resource.clone_into(&mut inner.subject.resource))
    }

    pub(crate) fn with_stats(self, stats: CallStats) -> Self {
        self.edit(|inner| inner.stats = stats)
    }

    /// Says that a later call ends the same.
    pub(crate) fn permanent(self) -> Self {
        self.edit(|inner| inner.is_permanent = true)
    }

    pub(crate) fn with_request_id(self, id: &str) -> Self {
        self.edit(|inner| inner.request_id = Some(id.to_owned()))
    }

    pub(crate) fn with_operation(self, name: OperationName) -> Self {
        self.edit(|inner| inner.operation = Some(name))
    }

    fn with_field(self, field: String) -> Self {
        self.edit(|inner| inner.field = Some(field.into()))
    }

    /// The gRPC code ([`google.rpc.Code`](https://grpc.io/docs/guides/status-codes/)).
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// The message from the service, or from this crate.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The typed details that the service sent: `ErrorInfo`, `BadRequest`,
    /// `PreconditionFailure`, `QuotaFailure`, `RetryInfo` and the others of
    /// [AIP-193](https://google.aip.dev/193). Empty if it sent none that can be decoded.
    pub fn details(&self) -> &ErrorDetails {
        static NONE: std::sync::LazyLock<ErrorDetails> =
            std::sync::LazyLock::new(ErrorDetails::new);
        self.0.details.as_deref().unwrap_or(&NONE)
    }

    /// The service's reason in upper snake case, from `ErrorInfo`. It is more stable than the message.
    pub fn reason(&self) -> Option<&str> {
        self.details().error_info().map(|info| info.reason.as_str())
    }

    /// The response metadata that came with the error.
    pub fn metadata(&self) -> &MetadataMap {
        &self.0.metadata
    }

    /// The method that was called, if there was a call.
    pub fn method(&self) -> Option<&'static Method> {
        self.0.subject.method
    }

    /// The name of the resource that the call was for: for a creation the name of the new resource, for
    /// a listing the name of the parent. Empty if there is none.
    ///
    /// If an operation failed, or a wait for it reached its limit, it is the resource that the metadata
    /// of the operation names as its target. It is empty if the client has not read the metadata, or if
    /// the operation was resumed by the type of its result.
    pub fn resource(&self) -> &str {
        &self.0.subject.resource
    }

    /// The request field that this crate refused before sending, if it refused one.
    pub fn field(&self) -> Option<&str> {
        self.0.field.as_deref()
    }

    /// The operation that was waited for. After [`Code::DeadlineExceeded`] the operation goes on, and
    /// you can resume the wait by this name.
    pub fn operation(&self) -> Option<&OperationName> {
        self.0.operation.as_ref()
    }

    /// The `request_id` of the request. You can safely send the request again with the same id for 60
    /// minutes: the service carries it out once.
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// The number of attempts. It is 0 if this crate refused the request, for the error of an
    /// operation, and for a wait that reached its limit.
    pub fn attempts(&self) -> u32 {
        self.0.stats.attempts
    }

    /// How long the call took, with all attempts and pauses. It is 0 where [`attempts`](Self::attempts)
    /// is 0.
    pub fn elapsed(&self) -> Duration {
        self.0.stats.elapsed
    }

    /// Whether the service may have carried out the request although the call failed.
    ///
    /// If so, read the resource before you send a mutation without `request_id` again.
    ///
    /// It is `false` for the error of an operation and for a wait that reached its limit: the request
    /// that started the operation was accepted, and the state of the resource shows the progress.
    pub fn may_have_run(&self) -> bool {
        self.0.stats.may_have_run
    }

    /// Whether this crate refused the request before anything was sent.
    pub fn is_invalid_request(&self) -> bool {
        self.0.field.is_some()
    }

    /// Whether the resource does not exist.
    pub fn is_not_found(&self) -> bool {
        self.0.code == Code::NotFound
    }

    /// Whether the id is already in use.
    pub fn is_already_exists(&self) -> bool {
        self.0.code == Code::AlreadyExists
    }

    /// Whether the state of the resource does not allow the call.
    pub fn is_failed_precondition(&self) -> bool {
        self.0.code == Code::FailedPrecondition
    }

    /// Whether the time for the call or the wait ran out.
    pub fn is_deadline_exceeded(&self) -> bool {
        self.0.code == Code::DeadlineExceeded
    }

    /// Whether the service cannot be reached, or says that it cannot serve now.
    pub fn is_unavailable(&self) -> bool {
        self.0.code == Code::Unavailable
    }

    /// Whether a quota or a limit was reached.
    pub fn is_resource_exhausted(&self) -> bool {
        self.0.code == Code::ResourceExhausted
    }

    /// Whether the same call may succeed later: the service is unavailable, time ran out, or a quota was
    /// reached. It is `false` if the service cannot be reached because its certificate is not trusted,
    /// or because it does not speak HTTP/2. Whether the request was carried out is another question:
    /// see [`may_have_run`](Self::may_have_run).
    pub fn is_transient(&self) -> bool {
        !self.0.is_permanent
            && (self.is_unavailable()
                || self.is_deadline_exceeded()
                || self.is_resource_exhausted())
    }

    /// Whether the call or the operation was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.0.code == Code::Cancelled
    }

    /// Whether there are no valid credentials.
    pub fn is_unauthenticated(&self) -> bool {
        self.0.code == Code::Unauthenticated
    }

    /// Whether the credentials do not permit the call.
    pub fn is_permission_denied(&self) -> bool {
        self.0.code == Code::PermissionDenied
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { code, message, subject, stats, .. } = &*self.0;
        let resource = Printable(&subject.resource);
        match subject.method {
            Some(method) if subject.resource.is_empty() => write!(f, "{method}: ")?,
            Some(method) => write!(f, "{method} {resource}: ")?,
            None if subject.resource.is_empty() => {}
            None => write!(f, "{resource}: ")?,
        }
        write!(f, "{code:?}")?;
        if !message.is_empty() {
            write!(f, ": {}", Printable(message))?;
        }
        if stats.attempts > 1 {
            let seconds = stats.elapsed.as_secs_f64();
            write!(f, " ({} attempts in {seconds:.1} s)", stats.attempts)?;
        }
        if self.0.stats.may_have_run {
            f.write_str(" (it may have been carried out)")?;
        }
        if let Some(operation) = &self.0.operation {
            write!(f, " [{operation}]")?;
        }
        Ok(())
    }
}

/// A text of someone else's, with control characters as escapes such as `\n` and `\u{1b}`: it forges no
/// line of a log, and moves no cursor of a terminal. Characters that change the direction of the text
/// or end a line count as such.
struct Printable<'a>(&'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_control = |c: char| {
            let is_format = matches!(c, '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}');
            c.is_control() || is_format || matches!(c, '\u{2066}'..='\u{2069}' | '\u{61c}')
        };
        for part in self.0.split_inclusive(is_control) {
            let last = part.chars().next_back().filter(|c| is_control(*c));
            f.write_str(&part[..part.len() - last.map_or(0, char::len_utf8)])?;
            if let Some(control) = last {
                write!(f, "{}", control.escape_default())?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        f.debug_struct("Error")
            .field("code", &inner.code)
            .field("message", &inner.message)
            .field("method", &inner.subject.method)
            .field("resource", &inner.subject.resource)
            .field("reason", &self.reason())
            .field("field", &inner.field)
            .field("operation", &inner.operation)
            .field("request_id", &inner.request_id)
            .field("attempts", &inner.stats.attempts)
            .field("elapsed", &inner.stats.elapsed)
            .field("may_have_run", &inner.stats.may_have_run)
            .field("source", &inner.source)
            .finish_non_exhaustive()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

impl From<InvalidField> for Error {
    fn from(invalid: InvalidField) -> Self {
        let field = invalid.field().to_owned();
        Self::new(Code::InvalidArgument, invalid.to_string()).with_field(field)
    }
}

impl From<InvalidName> for Error {
    fn from(invalid: InvalidName) -> Self {
        Self::new(Code::InvalidArgument, invalid.to_string()).with_field("name".to_owned())
    }
}

/// For a service that passes an error on: keeps the code, the message and the details.
impl From<Error> for Status {
    fn from(error: Error) -> Self {
        let inner = Arc::unwrap_or_clone(error.0);
        Self::with_details_and_metadata(
            inner.code,
            inner.message,
            inner.raw_details,
            inner.metadata,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_predicate_is_true_for_its_code_only() {
        type Predicate = fn(&Error) -> bool;
        let predicates: [(Code, Predicate); 9] = [
            (Code::NotFound, Error::is_not_found),
            (Code::AlreadyExists, Error::is_already_exists),
            (Code::FailedPrecondition, Error::is_failed_precondition),
            (Code::DeadlineExceeded, Error::is_deadline_exceeded),
            (Code::Unavailable, Error::is_unavailable),
            (Code::ResourceExhausted, Error::is_resource_exhausted),
            (Code::Cancelled, Error::is_cancelled),
            (Code::Unauthenticated, Error::is_unauthenticated),
            (Code::PermissionDenied, Error::is_permission_denied),
        ];
        for code in (0..=16).map(Code::from_i32) {
            let error = Error::from_status(Status::new(code, ""));
            let found = predicates.iter().filter(|(_, is)| is(&error)).map(|(code, _)| *code);
            let expected = predicates.iter().map(|(code, _)| *code).filter(|known| *known == code);
            assert_eq!(found.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
        }
    }

    #[test]
    fn display_tells_the_attempts_if_there_were_several() {
        let told = |attempts| {
            let elapsed = Duration::from_millis(2500);
            let stats = CallStats { attempts, elapsed, ..CallStats::default() };
            Error::from_status(Status::unavailable("out")).with_stats(stats).to_string()
        };
        assert_eq!(told(0), "Unavailable: out");
        assert_eq!(told(1), "Unavailable: out");
        assert_eq!(told(2), "Unavailable: out (2 attempts in 2.5 s)");
    }

    #[test]
    fn the_metadata_of_a_status_is_that_of_the_error() {
        let mut status = Status::aborted("");
        status.metadata_mut().insert("x-debug", "7".parse().expect("ASCII"));
        let error = Error::from_status(status);
        assert_eq!(error.metadata().get("x-debug").expect("kept"), "7");
    }

    #[test]
    fn display_escapes_control_characters_of_the_server() {
        let message = "no\r\nFATAL: forged\u{1b}[2J\u{202e}tail\u{2028}é \"quoted\"\t";
        let error = Error::from_status(Status::not_found(message));
        let told = error.to_string();
        assert_eq!(
            told,
            "NotFound: no\\r\\nFATAL: forged\\u{1b}[2J\\u{202e}tail\\u{2028}é \"quoted\"\\t"
        );
        assert_eq!(error.message(), message, "the message itself is as it was sent");
    }
}
