//! The one error type of the crate.
//!
//! Every call fails with an [`Error`]: a gRPC code and message, the typed details that the service
//! sent along, and what the call was about: its method, its resource, how often and how long it
//! was tried, and whether it may have been carried out all the same.

use super::{
    name::{InvalidName, OperationName},
    rpc::{InvalidField, Method},
};
use std::{borrow::Cow, error::Error as StdError, fmt, sync::Arc, time::Duration};
use tonic::{Code, Status, metadata::MetadataMap};
use tonic_types::{ErrorDetails, StatusExt};

pub(crate) type BoxError = Box<dyn StdError + Send + Sync>;

/// What failed, for which resource, and what is known about it.
///
/// `Display` says what failed; [`source`](StdError::source) says why, where something below the
/// service did. Neither ever holds a token, a key or a payload.
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
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

/// How a call went, up to its end.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CallStats {
    pub(crate) attempts: u32,
    pub(crate) elapsed: Duration,
    pub(crate) may_have_run: bool,
}

/// The call that an error is about.
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
            source: None,
        }))
    }

    /// An answer that no service of this API gives.
    pub(crate) fn unreadable(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::Internal, message)
    }

    /// What the service said. `attempts` and the like are the caller's to add.
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

    pub(crate) fn with_stats(self, stats: CallStats) -> Self {
        self.edit(|inner| inner.stats = stats)
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

    /// What the service, or this crate, says of the failure.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The typed details that the service sent along: `ErrorInfo`, `BadRequest`,
    /// `PreconditionFailure`, `QuotaFailure`, `RetryInfo` and the others of
    /// [AIP-193](https://google.aip.dev/193). Empty where it sent none that can be read.
    pub fn details(&self) -> &ErrorDetails {
        static NONE: std::sync::LazyLock<ErrorDetails> =
            std::sync::LazyLock::new(ErrorDetails::new);
        self.0.details.as_deref().unwrap_or(&NONE)
    }

    /// The service's reason in upper snake case, from `ErrorInfo`: steadier than the message.
    pub fn reason(&self) -> Option<&str> {
        self.details().error_info().map(|info| info.reason.as_str())
    }

    /// The response metadata that came with the error.
    pub fn metadata(&self) -> &MetadataMap {
        &self.0.metadata
    }

    /// The method that was called, where there was a call.
    pub fn method(&self) -> Option<&'static Method> {
        self.0.subject.method
    }

    /// The resource that the call was about: a name, or the parent's; empty where there is none.
    pub fn resource(&self) -> &str {
        &self.0.subject.resource
    }

    /// The request field that was refused, where this crate refused one before sending.
    pub fn field(&self) -> Option<&str> {
        self.0.field.as_deref()
    }

    /// The operation that was waited for. After [`Code::DeadlineExceeded`] it goes on, and can be
    /// resumed by this name.
    pub fn operation(&self) -> Option<&OperationName> {
        self.0.operation.as_ref()
    }

    /// The id under which the request was sent. To send the request again under the same id is safe
    /// for 60 minutes: the service carries it out once.
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// How often the request was sent or about to be; 0 where it was refused before that, and 0 for
    /// what an operation failed of and for a wait that met its limit, which are no answers to a
    /// request.
    pub fn attempts(&self) -> u32 {
        self.0.stats.attempts
    }

    /// How long the call took in all.
    pub fn elapsed(&self) -> Duration {
        self.0.stats.elapsed
    }

    /// Whether the service may have carried out the request although no success was seen.
    ///
    /// If so, look at the resource before sending a mutation without `request_id` again.
    ///
    /// It is `false` for what an operation failed of and for a wait that met its limit: there the
    /// request that began the work was accepted, and how far the work got, the resource tells.
    pub fn may_have_run(&self) -> bool {
        self.0.stats.may_have_run
    }

    /// Whether the request was refused by this crate, before anything was sent.
    pub fn is_invalid_request(&self) -> bool {
        self.0.field.is_some()
    }

    /// No such resource.
    pub fn is_not_found(&self) -> bool {
        self.0.code == Code::NotFound
    }

    /// The id is taken.
    pub fn is_already_exists(&self) -> bool {
        self.0.code == Code::AlreadyExists
    }

    /// The resource is in a state that does not allow this, such as a running channel.
    pub fn is_failed_precondition(&self) -> bool {
        self.0.code == Code::FailedPrecondition
    }

    /// The time for the call or the wait ran out.
    pub fn is_deadline_exceeded(&self) -> bool {
        self.0.code == Code::DeadlineExceeded
    }

    /// The service cannot be reached, or says that it cannot serve now.
    pub fn is_unavailable(&self) -> bool {
        self.0.code == Code::Unavailable
    }

    /// A quota or a limit was met.
    pub fn is_resource_exhausted(&self) -> bool {
        self.0.code == Code::ResourceExhausted
    }

    /// It may pass by itself: unavailable, out of time, or over a quota. Says nothing of whether the
    /// request was carried out: see [`may_have_run`](Self::may_have_run).
    pub fn is_transient(&self) -> bool {
        self.is_unavailable() || self.is_deadline_exceeded() || self.is_resource_exhausted()
    }

    /// The call or the operation was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.0.code == Code::Cancelled
    }

    /// No valid credentials.
    pub fn is_unauthenticated(&self) -> bool {
        self.0.code == Code::Unauthenticated
    }

    /// The credentials do not permit this.
    pub fn is_permission_denied(&self) -> bool {
        self.0.code == Code::PermissionDenied
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { code, message, subject, stats, .. } = &*self.0;
        if let Some(method) = subject.method {
            write!(f, "{method}")?;
            if !subject.resource.is_empty() {
                write!(f, " {}", subject.resource)?;
            }
            f.write_str(": ")?;
        }
        write!(f, "{code:?}")?;
        if !message.is_empty() {
            write!(f, ": {message}")?;
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

/// For services that answer with what they were answered: keeps code, message and details.
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
