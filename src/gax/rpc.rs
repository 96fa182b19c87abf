//! What each request message knows of its method.
//!
//! A request is enough to send a call: its type says where it goes, whether it may be sent twice,
//! what the answer is, and what must hold before it leaves. All of that stands in the annotations
//! of the service definitions, so `build.rs` writes it: one [`Rpc`] impl per request message, and
//! [`LongRunning`], [`Paged`], [`Filtered`] or [`Ordered`] where the method is such.

use super::name::{InvalidName, ResourceName};
use std::{borrow::Cow, fmt, marker::PhantomData, time::Duration};

/// A request message that is the input of exactly one unary method. Sealed: the methods are those of
/// the services, and there may be more to know of them one day.
pub trait Rpc: sealed::Sealed + prost::Message + Clone + Default + 'static {
    /// The message that the service answers with.
    type Response: prost::Message + Default + 'static;
    /// What kind of method it is, [`UnaryKind`] or [`LongRunningKind`]: decides what a call yields.
    type Kind: 'static;
    /// The method's fixed facts.
    const METHOD: &'static Method;

    /// The field that routes the request, and its value: what `x-goog-request-params` says
    /// ([AIP-4222](https://google.aip.dev/client-libraries/4222)).
    fn route(&self) -> (&'static str, &str);

    /// The id under which the service recognises a repeat of this request, empty while unset;
    /// `None` where the method has no such field ([AIP-155](https://google.aip.dev/155)).
    fn request_id(&self) -> Option<&str> {
        None
    }

    /// The same field, to be set.
    fn request_id_mut(&mut self) -> Option<&mut String> {
        None
    }

    /// Whether every field holds what all documents of the API allow.
    ///
    /// # Errors
    /// The first field that is missing, malformed or out of range.
    fn check(&self) -> Result<(), InvalidField>;
}

pub(crate) mod sealed {
    pub trait Sealed {}
}

/// A request that starts a long-running operation ([AIP-151](https://google.aip.dev/151)).
pub trait LongRunning:
    Rpc<
        Response = crate::proto::google::longrunning::Operation,
        Kind = LongRunningKind<Self::Output, Self::Metadata>,
    >
{
    /// What the operation yields when it succeeds.
    type Output: prost::Message + prost::Name + Default + 'static;
    /// What the operation tells of itself while it runs.
    type Metadata: prost::Message + prost::Name + Default + 'static;
}

/// A request whose answer comes in pages ([AIP-158](https://google.aip.dev/158)).
pub trait Paged: Rpc {
    /// What is listed.
    type Item: prost::Message + Default + 'static;

    /// The most items that a page may hold; 0 leaves it to the service.
    fn page_size_mut(&mut self) -> &mut i32;
    /// Where the listing goes on; empty at its start.
    fn page_token_mut(&mut self) -> &mut String;
    /// Takes an answer apart.
    fn page(response: Self::Response) -> Page<Self::Item>;
}

/// A listing that an expression can narrow ([AIP-160](https://google.aip.dev/160)).
pub trait Filtered: Rpc {
    /// What to list; empty for everything.
    fn filter_mut(&mut self) -> &mut String;
}

/// A listing that can be sorted ([AIP-132](https://google.aip.dev/132#ordering)).
pub trait Ordered: Rpc {
    /// The fields to sort by; empty leaves it to the service.
    fn order_by_mut(&mut self) -> &mut String;
}

/// One page of a listing.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Page<T> {
    /// The items, in the order of the service. An empty page does not end a listing.
    pub items: Vec<T>,
    /// Where the next page starts; empty on the last.
    pub next_page_token: String,
    /// Locations that the service could not reach, so that their items are missing.
    pub unreachable: Vec<String>,
}

/// Marks a method that answers at once.
#[derive(Debug)]
pub enum UnaryKind {}

/// Marks a method that starts an operation yielding `T`, with metadata `M`.
#[derive(Debug)]
pub struct LongRunningKind<T, M>(PhantomData<fn() -> (T, M)>);

/// The fixed facts of one method.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Method {
    path: &'static str,
    service: &'static str,
    name: &'static str,
    idempotency: Idempotency,
    default_timeout: Option<Duration>,
}

/// Whether a request may be sent again when it is unknown what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Idempotency {
    /// The method changes nothing: the request may always be repeated.
    Safe,
    /// The method changes something, and the request carries a `request_id` by which the service
    /// drops a repeat ([AIP-155](https://google.aip.dev/155)).
    ByRequestId,
    /// The method changes something, and the service cannot recognise a repeat. The request is sent
    /// again only if it certainly never reached the service.
    None,
}

impl Method {
    pub(crate) const fn new(
        path: &'static str,
        service: &'static str,
        name: &'static str,
        idempotency: Idempotency,
        default_timeout: Option<Duration>,
    ) -> Self {
        Self { path, service, name, idempotency, default_timeout }
    }

    /// The HTTP/2 path, such as
    /// `/google.cloud.video.livestream.v1.LivestreamService/GetChannel`.
    pub const fn path(&self) -> &'static str {
        self.path
    }

    /// The service's full name, such as `google.cloud.video.livestream.v1.LivestreamService`.
    pub const fn service(&self) -> &'static str {
        self.service
    }

    /// The method's name, such as `GetChannel`.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Whether its requests may be repeated; [`Idempotency::ByRequestId`] holds while `request_id` is set.
    pub const fn idempotency(&self) -> Idempotency {
        self.idempotency
    }

    /// The limit on a whole call of this method, in place of the client's own; `None` for most
    /// methods. [`Call::timeout`](crate::Call::timeout) changes it.
    pub const fn default_timeout(&self) -> Option<Duration> {
        self.default_timeout
    }
}

impl fmt::Debug for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Method").field(&self.path).field(&self.idempotency).finish()
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// A field of a request, or of a resource, that no document of the API allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidField {
    field: Cow<'static, str>,
    reason: Cow<'static, str>,
}

impl InvalidField {
    pub(crate) fn new(
        field: impl Into<Cow<'static, str>>,
        reason: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { field: field.into(), reason: reason.into() }
    }

    /// The field's path from the message that was looked at, such as `channel.name`.
    pub fn field(&self) -> &str {
        &self.field
    }

    /// What is wrong with it.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl fmt::Display for InvalidField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", self.field, self.reason)
    }
}

impl std::error::Error for InvalidField {}

/// The vocabulary of the generated [`Rpc::check`]s.
pub(crate) mod require {
    use super::{InvalidField, InvalidName, ResourceName};

    pub(crate) fn present(field: &'static str, is_present: bool) -> Result<(), InvalidField> {
        is_present.then_some(()).ok_or_else(|| InvalidField::new(field, "is required"))
    }

    pub(crate) fn name<N: ResourceName>(
        field: &'static str,
        value: &str,
    ) -> Result<(), InvalidField> {
        present(field, !value.is_empty())?;
        N::check(value).map_err(|e: InvalidName| InvalidField::new(field, format!("is {e}")))
    }

    pub(crate) fn id(field: &'static str, value: &str) -> Result<(), InvalidField> {
        present(field, !value.is_empty())?;
        crate::gax::name::check_id(value).map_err(|reason| InvalidField::new(field, reason))
    }

    pub(crate) fn page_size(field: &'static str, value: i32) -> Result<(), InvalidField> {
        match value {
            0.. => Ok(()),
            _ => Err(InvalidField::new(field, format!("is {value}, and cannot be negative"))),
        }
    }

    /// A request id is optional, but one that is set is a UUID other than zero (AIP-155).
    pub(crate) fn request_id(field: &'static str, value: &str) -> Result<(), InvalidField> {
        if value.is_empty() {
            return Ok(());
        }
        match uuid::Uuid::try_parse(value) {
            Ok(id) if !id.is_nil() => Ok(()),
            Ok(_) => Err(InvalidField::new(field, "is the zero UUID, which the service refuses")),
            Err(_) => Err(InvalidField::new(field, format!("is not a UUID: {value:?}"))),
        }
    }
}

/// Stands in `Debug` where a secret would.
pub(crate) struct Redacted(bool);

impl Redacted {
    pub(crate) fn of(secret: &str) -> Self {
        Self(!secret.is_empty())
    }
}

impl fmt::Debug for Redacted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0 { "[redacted]" } else { "\"\"" })
    }
}
