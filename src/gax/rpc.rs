//! The facts of a method, attached to its request message.
//!
//! A request is all that a call needs: its type says which path it goes to, whether it may be sent
//! twice, which message the service answers with, and which fields are required. The annotations of
//! the service definitions state all of this, so `build.rs` generates it: one [`Rpc`] impl for each
//! request message, and [`LongRunning`], [`Paged`], [`Filtered`] or [`Ordered`] if the method has
//! that form.

pub use super::descriptor::Described;
use super::name::{InvalidName, ResourceName};
use std::{borrow::Cow, fmt, marker::PhantomData, time::Duration};

/// A request message that is the input of exactly one unary method.
///
/// This trait is sealed: it is implemented for the methods of the services, and may get more items.
pub trait Rpc: sealed::Sealed + prost::Message + Clone + Default + 'static {
    /// The message that the service answers with.
    type Response: Described + 'static;
    /// The kind of the method, [`UnaryKind`] or [`LongRunningKind`]: it decides the output of a call.
    type Kind: 'static;
    /// The method's fixed facts.
    const METHOD: &'static Method;
    /// The field of the response that holds the items, if the response is a page of a listing.
    #[doc(hidden)]
    const ITEMS: Option<&'static str>;

    /// The field that routes the request, and its value: the content of `x-goog-request-params`
    /// ([AIP-4222](https://google.aip.dev/client-libraries/4222)).
    fn route(&self) -> (&'static str, &str);

    /// The name of the resource that the request is for. For a creation, it is the name of the new
    /// resource.
    fn subject(&self) -> Cow<'_, str> {
        self.route().1.into()
    }

    /// The id by which the service recognises a repeat of this request, empty while unset; `None` if
    /// the method has no such field ([AIP-155](https://google.aip.dev/155)).
    fn request_id(&self) -> Option<&str> {
        None
    }

    /// The same field, for writing.
    fn request_id_mut(&mut self) -> Option<&mut String> {
        None
    }

    /// Checks that the required fields are set and well-formed.
    ///
    /// # Errors
    /// The first field that is missing, malformed or out of range.
    fn check(&self) -> Result<(), InvalidField>;
}

pub(crate) mod sealed {
    pub trait Sealed {}
}

/// A request that changes nothing: a get or a listing.
pub trait Read: Rpc {}

/// A request that starts a long-running operation ([AIP-151](https://google.aip.dev/151)).
pub trait LongRunning:
    Rpc<
        Response = crate::proto::google::longrunning::Operation,
        Kind = LongRunningKind<Self::Output, Self::Metadata>,
    >
{
    /// The result of the operation when it succeeds.
    type Output: Payload;
    /// The metadata of the operation while it runs.
    type Metadata: Payload + Described;
}

/// A message that a service packs into an [`Any`](prost_types::Any): the result of an operation, or
/// its metadata.
///
/// It stands for the four bounds that a function over any operation needs:
///
#[doc = include_str!("../guide/examples/payload.md")]
pub trait Payload: prost::Message + prost::Name + Default + 'static {}

impl<T: prost::Message + prost::Name + Default + 'static> Payload for T {}

/// A request whose response is a page of a listing ([AIP-158](https://google.aip.dev/158)).
pub trait Paged: Rpc {
    /// The type of the listed items.
    type Item: prost::Message + Default + 'static;

    /// The maximum number of items in a page; 0 leaves the choice to the service.
    fn page_size_mut(&mut self) -> &mut i32;
    /// The token of the page to read; empty for the first page.
    fn page_token_mut(&mut self) -> &mut String;
    /// Converts a response to a page.
    fn page(response: Self::Response) -> Page<Self::Item>;
}

/// A listing that can be filtered ([AIP-160](https://google.aip.dev/160)).
pub trait Filtered: Rpc {
    /// The filter expression; empty to list everything.
    fn filter_mut(&mut self) -> &mut String;
}

/// A listing that can be sorted ([AIP-132](https://google.aip.dev/132#ordering)).
pub trait Ordered: Rpc {
    /// The fields to sort by; empty leaves the order to the service.
    fn order_by_mut(&mut self) -> &mut String;
}

/// One page of a listing.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Page<T> {
    /// The items, in the service's order. An empty page does not end a listing.
    pub items: Vec<T>,
    /// The token of the next page; empty on the last page.
    pub next_page_token: String,
    /// The locations that the service could not reach. Their items are missing.
    pub unreachable: Vec<String>,
}

/// Marks a method whose response is its result.
#[derive(Debug)]
pub enum UnaryKind {}

/// Marks a method that starts an operation with a result `T` and metadata `M`.
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
    /// `/google.longrunning.Operations/GetOperation`.
    pub const fn path(&self) -> &'static str {
        self.path
    }

    /// The service's full name, such as `google.longrunning.Operations`.
    pub const fn service(&self) -> &'static str {
        self.service
    }

    /// The method's name, such as `GetOperation`.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Whether its requests may be repeated. [`Idempotency::ByRequestId`] requires that the request's
    /// `request_id` is set.
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

/// A field of a request or of a resource whose value the API's documents do not allow.
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

    /// The path of the field from the message that was checked, such as `book.name`.
    pub fn field(&self) -> &str {
        &self.field
    }

    /// Why the value is refused.
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

/// The checks from which each generated [`Rpc::check`] is made.
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

    /// A request id is optional. If it is set, it must be a UUID other than zero (AIP-155).
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

/// Replaces a secret in `Debug`.
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

/// Shows the type of an `Any`, but not its bytes: the message in it may hold a secret.
pub(crate) struct Packed<'a>(pub(crate) &'a prost_types::Any);

impl fmt::Debug for Packed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Any")
            .field("type_url", &self.0.type_url)
            .field("value", &format_args!("[redacted]"))
            .finish()
    }
}
