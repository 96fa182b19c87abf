//! One request, from its message to its response.
//!
//! A typed call frames its message once and decodes the collected response in place. tonic's streaming
//! codec would copy both. The policy is below, in the [stack](super::stack).

use super::{
    body::RequestBody,
    context::CallContext,
    descriptor::header,
    error::{CallStats, Error},
    observe::{Began, Observer},
    policy::{CallPolicy, PollPolicy, RetryPolicy, Timeouts},
    rpc::{Idempotency, InvalidField, Read, Rpc, UnaryKind},
    stack::{Stack, collect::ResponseBody},
    transport_error::TransportError,
};
use bytes::{BufMut, Bytes, BytesMut};
use http::{
    HeaderMap, HeaderName, HeaderValue, Request, Response, Uri,
    header::{CONTENT_TYPE, TE},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use prost::Message;
use std::{fmt, pin::Pin, sync::Arc, time::Duration};
use tokio::time::Instant;
use tonic::{Code, Status};
use tower::Service;

/// The parts that all calls of a client share.
#[derive(Debug)]
pub struct Core {
    pub(crate) stack: Stack,
    pub(crate) policy: CallPolicy,
    pub(crate) fills_request_ids: bool,
    pub(crate) poll: PollPolicy,
    pub(crate) observer: Arc<Observer>,
}

/// A call that is ready to be sent. Awaiting it sends it.
///
/// The client fills in the `request_id` of a mutation when it creates the call. So you can read the id
/// from [`request`](Self::request) before anything is sent, and the service recognises a clone of the
/// call as a repeat. [`Builder::without_request_ids`](crate::Builder::without_request_ids) turns this
/// off.
///
#[doc = include_str!("../guide/examples/call.md")]
#[must_use = "a call does nothing until it is awaited"]
pub struct Call<R> {
    core: Arc<Core>,
    request: R,
    options: Options,
}

#[derive(Clone, Debug)]
struct Options {
    timeouts: Timeouts,
    retry: RetryPolicy,
    /// The headers, or the selected field that the response does not have.
    headers: Result<HeaderMap, Box<InvalidField>>,
}

impl<R: Rpc> Call<R> {
    pub(crate) fn new(core: Arc<Core>, mut request: R) -> Self {
        if core.fills_request_ids
            && let Some(id) = request.request_id_mut()
            && id.is_empty()
        {
            *id = uuid::Uuid::new_v4().to_string();
        }
        let CallPolicy { mut timeouts, retry, .. } = core.policy;
        if let Some(total) = R::METHOD.default_timeout() {
            timeouts = timeouts.with_total(total);
        }
        let options = Options { timeouts, retry, headers: Ok(HeaderMap::new()) };
        Self { core, request, options }
    }

    /// The request message.
    pub fn request(&self) -> &R {
        &self.request
    }

    /// Edits the request message.
    pub fn with(mut self, edit: impl FnOnce(&mut R)) -> Self {
        edit(&mut self.request);
        self
    }

    /// Limits the whole call: connecting, every attempt and every wait between attempts. Unless set,
    /// it is the [method's](crate::rpc::Method::default_timeout) or the client's, which is 60 s by
    /// default.
    pub fn timeout(mut self, total: Duration) -> Self {
        self.options.timeouts = self.options.timeouts.with_total(total);
        self
    }

    /// Limits each attempt. An attempt never gets more than the time that the call has left.
    pub fn attempt_timeout(mut self, limit: Duration) -> Self {
        self.options.timeouts = self.options.timeouts.with_attempt(limit);
        self
    }

    /// Sets the maximum number of attempts and the waits between them.
    pub fn retry(mut self, retry: RetryPolicy) -> Self {
        self.options.retry = retry;
        self
    }

    /// Adds a header, such as `x-goog-user-project` to bill another project for this call. The content
    /// type, the routing, the timeout and the token cannot be replaced.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        if let Ok(headers) = &mut self.options.headers {
            headers.insert(name, value);
        }
        self
    }

    /// Sets the `request_id`, a UUID. The service carries out repeats with the same id within 60
    /// minutes once ([AIP-155](https://google.aip.dev/155)). This has no effect if the method has no
    /// such field. With an empty id, the call is sent again only if it certainly never reached the
    /// service.
    pub fn request_id(mut self, id: impl Into<String>) -> Self {
        if let Some(field) = self.request.request_id_mut() {
            *field = id.into();
        }
        self
    }

    /// Sends the request, and yields the response message.
    pub(crate) fn respond(self) -> impl Future<Output = Result<R::Response, Error>> {
        self.send_then(|_, response, _| Ok(response))
    }

    /// Sends the request and reads the response. An error of either names the method and the resource.
    fn send_then<T>(
        self,
        read: impl FnOnce(&Arc<Core>, R::Response, Began) -> Result<T, Error>,
    ) -> impl Future<Output = Result<T, Error>> {
        async move {
            exchange(&self.core, &self.request, &self.options, read).await.map_err(|e| {
                let e = e.with_subject(R::METHOD, &self.request.subject());
                match self.request.request_id() {
                    Some(id) if !id.is_empty() => e.with_request_id(id),
                    _ => e,
                }
            })
        }
    }
}

impl<R: Clone> Clone for Call<R> {
    fn clone(&self) -> Self {
        let (core, request, options) =
            (self.core.clone(), self.request.clone(), self.options.clone());
        Self { core, request, options }
    }
}

impl<R: fmt::Debug> fmt::Debug for Call<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("request", &self.request).finish_non_exhaustive()
    }
}

impl<R: Read> Call<R> {
    /// Reads only these fields of the resource, or of each item of a listing. The other fields of the
    /// response are unset. No path means all fields.
    ///
    /// The service gets the paths in `x-goog-fieldmask`, a
    /// [system parameter](https://cloud.google.com/apis/docs/system-parameters) of Google's APIs. A
    /// service that does not know it sends all fields. A path goes through messages and lists. The
    /// call fails with INVALID_ARGUMENT before it is sent if the response has no such field.
    ///
    #[doc = include_str!("../guide/examples/fields.md")]
    pub fn fields(mut self, paths: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        const FIELD_MASK: HeaderName = HeaderName::from_static("x-goog-fieldmask");
        self.options.headers = self.options.headers.and_then(|mut headers| {
            headers.remove(FIELD_MASK);
            headers.extend(header::<R>(paths)?.map(|header| (FIELD_MASK, header)));
            Ok(headers)
        });
        self
    }
}

impl<R: Callable> Call<R> {
    /// Sends the request. Awaiting the call does the same; this is the future for `tokio::spawn`,
    /// `JoinSet` and `buffer_unordered`, which take no [`IntoFuture`].
    ///
    #[doc = include_str!("../guide/examples/send.md")]
    pub fn send(self) -> CallFuture<R> {
        Box::pin(self.send_then(R::Kind::finish))
    }
}

impl<R: Callable> IntoFuture for Call<R> {
    type Output = Result<R::Answer, Error>;
    type IntoFuture = CallFuture<R>;

    fn into_future(self) -> Self::IntoFuture {
        self.send()
    }
}

/// The future of a call.
pub type CallFuture<R> =
    Pin<Box<dyn Future<Output = Result<<R as Callable>::Answer, Error>> + Send>>;

/// A request whose call can be awaited: every request.
///
/// A generic function needs this bound instead of a bound on the kind of the method.
pub trait Callable: Rpc<Kind = Self::AnswerKind> {
    /// The output of the call: an [`Operation`](crate::Operation) for a method that starts one, the
    /// response itself for any other.
    type Answer;
    #[doc(hidden)]
    type AnswerKind: CallKind<Self::Response, Output = Self::Answer>;
}

impl<R> Callable for R
where
    R: Rpc,
    R::Kind: CallKind<R::Response>,
{
    type Answer = <R::Kind as CallKind<R::Response>>::Output;
    type AnswerKind = R::Kind;
}

/// The output of a call: an [`Operation`](crate::Operation) for a method that starts one, the
/// response itself for any other.
///
/// This trait is sealed: the kinds are [`UnaryKind`] and [`LongRunningKind`](crate::rpc::LongRunningKind).
pub trait CallKind<Response>: sealed::Sealed {
    /// The output of awaiting the call.
    type Output;

    #[doc(hidden)]
    fn finish(core: &Arc<Core>, response: Response, began: Began) -> Result<Self::Output, Error>;
}

mod sealed {
    use crate::gax::rpc::{LongRunningKind, UnaryKind};

    pub trait Sealed {}

    impl Sealed for UnaryKind {}

    impl<T, M> Sealed for LongRunningKind<T, M> {}
}

impl<T> CallKind<T> for UnaryKind {
    type Output = T;

    fn finish(_: &Arc<Core>, response: T, _: Began) -> Result<T, Error> {
        Ok(response)
    }
}

/// Telemetry reports the call as over when its response has been read: only then it is a success.
async fn exchange<R: Rpc, T>(
    core: &Arc<Core>,
    request: &R,
    options: &Options,
    read: impl FnOnce(&Arc<Core>, R::Response, Began) -> Result<T, Error>,
) -> Result<T, Error> {
    request.check()?;
    let begun = Instant::now();
    let observed = core.observer.begin(begun);
    let mut wrapped = wrap(request, options)?;
    let began = core.observer.tell(&mut wrapped, request);
    let duration = core.observer.time(wrapped.uri());
    let (data, stats) = match success(core.stack.clone().call(wrapped).await) {
        Ok(success) => success,
        Err(e) => {
            duration.ended(e.code());
            return Err(e);
        }
    };
    match decode(data).and_then(|response| read(core, response, began.clone())) {
        Ok(output) => {
            duration.ended(Code::Ok);
            core.observer.answered();
            Ok(output)
        }
        Err(e) => {
            began.unreadable();
            duration.unreadable();
            core.observer.unreadable(R::METHOD.path(), stats.attempts, observed);
            let may_have_run = R::METHOD.idempotency() != Idempotency::Safe;
            Err(e.with_stats(CallStats { elapsed: begun.elapsed(), may_have_run, ..stats }))
        }
    }
}

/// Returns the frame of a response whose status is OK. Any other outcome is an error.
fn success<B>(
    answer: Result<Response<ResponseBody<B>>, TransportError>,
) -> Result<(Bytes, CallStats), Error> {
    let (head, body) = answer.map_err(TransportError::into_error)?.into_parts();
    let ResponseBody::Collected { data, trailers, code } = body else {
        return Err(Error::unreadable("the response was not collected"));
    };
    // A success at the first attempt has no statistics.
    let first = CallStats { attempts: 1, ..CallStats::default() };
    let stats = head.extensions.get().copied().unwrap_or(first);
    if code == Code::Ok {
        return Ok((data, stats));
    }
    let status = trailers.as_ref().and_then(Status::from_header_map);
    let status = status.or_else(|| Status::from_header_map(&head.headers));
    let error = Error::from_status(status.unwrap_or_else(|| Status::new(code, "")));
    Err(error.with_stats(stats))
}

/// The request on its way down: framed, routed, and with its options.
fn wrap<R: Rpc>(request: &R, options: &Options) -> Result<Request<RequestBody>, InvalidField> {
    let Options { timeouts, retry, ref headers } = *options;
    let mut headers = headers.clone().map_err(|unknown| *unknown)?;
    let idempotency = match R::METHOD.idempotency() {
        Idempotency::ByRequestId if request.request_id().is_none_or(str::is_empty) => {
            Idempotency::None
        }
        idempotency => idempotency,
    };
    headers.reserve(HEADERS);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(TE, HeaderValue::from_static("trailers"));
    headers.insert(HeaderName::from_static("x-goog-request-params"), routing(request));
    let context = CallContext { idempotency, timeouts, retry, deadline: None };
    let mut wrapped = Request::new(RequestBody::Message(frame(request), context));
    *wrapped.method_mut() = http::Method::POST;
    *wrapped.version_mut() = http::Version::HTTP_2;
    *wrapped.uri_mut() = Uri::from_static(R::METHOD.path());
    *wrapped.headers_mut() = headers;
    Ok(wrapped)
}

/// The approximate number of headers of a call after all layers.
const HEADERS: usize = 10;

/// The gRPC frame: no compression, the length, the message.
fn frame(message: &impl Message) -> Bytes {
    let length = message.encoded_len();
    let mut frame = BytesMut::with_capacity(length + 5);
    frame.put_u8(0);
    frame.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    message.encode(&mut frame).expect("the buffer grows as needed");
    frame.freeze()
}

/// `key=value`, with all but RFC 3986's unreserved characters encoded, as AIP-4222 requires.
fn routing(request: &impl Rpc) -> HeaderValue {
    const RESERVED: &AsciiSet =
        &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    let (key, value) = request.route();
    // About one character in ten of a name is a slash, which takes three.
    let mut encoded = String::with_capacity(key.len() + value.len() * 3 / 2 + 1);
    encoded.push_str(key);
    encoded.push('=');
    encoded.extend(percent_encode(value.as_bytes(), RESERVED));
    HeaderValue::try_from(encoded).expect("percent-encoding leaves ASCII")
}

/// Decodes the single frame of a response in place.
fn decode<M: Message + Default>(data: Bytes) -> Result<M, Error> {
    let Some((prefix, _)) = data.split_at_checked(5) else {
        return Err(Error::unreadable("the service answered OK without a message"));
    };
    if prefix[0] != 0 {
        return Err(Error::unreadable("the answer is compressed, which was not asked for"));
    }
    let length = u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]) as usize;
    if data.len() != length + 5 {
        return Err(Error::unreadable("the answer is not one whole message"));
    }
    M::decode(&data[5..])
        .map_err(|e| Error::unreadable("the answer cannot be decoded").with_source(e))
}
