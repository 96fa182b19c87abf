//! The connections to one service, opened as calls need them.
//!
//! One HTTP/2 connection carries about a hundred calls at once and keeps one core busy. A call takes
//! the connection with the fewest calls. The pool opens another connection when the open ones are
//! nearly full. When all are full and the pool may not open more, calls wait in a queue. A connection
//! that takes no more calls (closed, or after a GOAWAY) leaves the pool, and the calls on it go on to
//! their end. A call that such a connection refused was not sent, and goes to another connection.
//!
//! `state` has the rules, without tasks and clocks; `driver` carries them out; `drive` moves one
//! connection.

mod activity;
mod drive;
mod driver;
#[cfg(test)]
mod exhaustive_tests;
mod limits;
#[cfg(test)]
mod opening_tests;
mod queue;
#[cfg(test)]
mod random_tests;
mod reconnect;
mod snapshot;
mod state;
#[cfg(test)]
mod state_tests;

pub use limits::PoolLimits;

use self::driver::{Lease, Pool, SentRequest};
use super::{
    connection::{Incoming, Taken},
    connector::Connector,
    liveness::{Keepalive, SILENCE},
};
use crate::gax::{
    body::{AttemptDeadline, RequestBody},
    context::{BoxFuture, CallContext, not_sent},
    error::BoxError,
    observe::{diagnostics::PoolDiagnostics, sent_to},
    policy::Sent,
    transport_error::TransportError,
};
use bytes::Bytes;
use futures_util::future::{Either, select};
use http::{Request, Response};
use http_body::{Body as HttpBody, Frame};
use http_body_util::BodyExt;
use std::{
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
};
use tokio::time::{Instant, sleep};
use tonic::{Code, body::Body};
use tower::Service;

/// A tower service over a pool of HTTP/2 connections to one endpoint.
#[derive(Clone, Debug)]
pub(crate) struct Connections(Arc<Pool>);

/// The number of new connections that a call tries before the retry policy takes over, which waits: a
/// server that closes each connection at once must not be dialled in a loop.
const MAX_CONNECTIONS_TRIED: usize = 3;

impl Connections {
    pub(crate) fn new(
        connector: Connector,
        limits: PoolLimits,
        keepalive: Option<Keepalive>,
    ) -> Self {
        Self(Arc::new(Pool::new(connector, limits, keepalive)))
    }

    /// The state of the pool now, for as long as there is a pool.
    pub(crate) fn diagnostics(&self) -> impl Fn() -> PoolDiagnostics + Send + Sync + use<> {
        let pool = Arc::downgrade(&self.0);
        move || pool.upgrade().map(|pool| pool.diagnostics()).unwrap_or_default()
    }

    /// Opens a connection, if none has room, and waits until the server's settings have arrived.
    pub(crate) async fn connect(&self, deadline: Instant) -> Result<(), TransportError> {
        match self.0.lease(Instant::now(), false) {
            Some(_) => Ok(()),
            None => self.0.wait_for_lease(Some(deadline), false).await.map(drop),
        }
    }

    /// Sends a request on the connection with the fewest calls.
    pub(super) fn send(
        self,
        mut request: Request<RequestBody>,
    ) -> impl Future<Output = Result<Response<LeasedBody>, BoxError>> {
        async move {
            let pool = &self.0;
            let deadline = request.attempt_deadline();
            let is_repeatable = request.body().is_repeatable();
            let begun = Instant::now();
            let (mut now, mut tried) = (begun, 0);
            let (mut lease, response) = loop {
                let mut lease = match pool.lease(now, is_repeatable) {
                    Some(lease) => lease,
                    None => {
                        // Boxed, because it is rare and large.
                        let lease = Box::pin(pool.wait_for_lease(deadline, is_repeatable)).await?;
                        now = Instant::now();
                        lease
                    }
                };
                if deadline.is_some_and(|deadline| now >= deadline) {
                    return Err(not_sent("before the request was sent").into());
                }
                sent_to(request.extensions(), lease.slot.peer());
                let traffic = lease.slot.sender().traffic();
                let reads = traffic.reads();
                match lease.slot.sender().send(request) {
                    Ok(Taken { stream, response }) => {
                        lease.sent = Some(SentRequest { at: now, deadline, reads, stream });
                        break (lease, response);
                    }
                    Err(unsent) => request = unsent,
                }
                let error = pool.shared.closes_at_once();
                // Older connections may all have ended unnoticed, as when the server restarts.
                tried += usize::from(lease.slot.since() >= begun);
                if tried == MAX_CONNECTIONS_TRIED {
                    return Err(error.into());
                }
                pool.update(|state, now| state.ended(now, lease.id, error));
                now = Instant::now();
            };
            let response = match unless(lost(&lease, is_repeatable), response).await {
                Ok(response) => response,
                Err(lost) => Err(lost.into_error(lease.is_unwritten()).into()),
            };
            lease.is_answered = response.is_ok();
            Ok(response?.map(|body| LeasedBody { body, _lease: lease }))
        }
    }
}

/// For layers of a user's own.
impl Service<Request<Body>> for Connections {
    type Response = Response<LeasedBody>;
    type Error = BoxError;
    type Future = BoxFuture<Self::Response, BoxError>;

    /// Always ready: calls wait for a connection within their own time.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let connections = self.clone();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let body = match head.extensions.get::<CallContext>().copied() {
                Some(context) => RequestBody::Message(body.collect().await?.to_bytes(), context),
                None => RequestBody::Stream(body),
            };
            connections.send(Request::from_parts(head, body)).await
        })
    }
}

/// A response body. It holds the call's place in the pool until it is dropped.
#[derive(Debug)]
pub(crate) struct LeasedBody {
    body: Incoming,
    _lease: Lease,
}

impl HttpBody for LeasedBody {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}

/// Why there is no point in waiting for a response.
enum Lost {
    /// The connection does not acknowledge a ping.
    Silent,
    /// The server allows no streams, and the request has none.
    Closed,
    /// The runtime that drives the connection stands still.
    Undriven,
}

impl Lost {
    /// `is_unwritten`: whether h2 had all of the request when the response was dropped.
    fn into_error(self, is_unwritten: bool) -> TransportError {
        let message = match self {
            Self::Silent => "the connection went silent before the answer came",
            Self::Closed => "the server allows no more streams on the connection",
            Self::Undriven => "the runtime that drives the connection stands still",
        };
        let sent = if is_unwritten { Sent::Unseen } else { Sent::Maybe };
        TransportError::new(Code::Unavailable, sent, message)
    }
}

/// Waits for a response unless it is lost. Then the response is dropped when this returns, and what
/// h2 has not taken by then of the request, it never sends.
async fn unless<R>(
    lost: impl Future<Output = Lost>,
    response: impl Future<Output = R>,
) -> Result<R, Lost> {
    match select(pin!(response), pin!(lost)).await {
        Either::Left((response, _)) => Ok(response),
        Either::Right((lost, _)) => Err(lost),
    }
}

/// Returns once there is no point in waiting for the response.
fn lost(lease: &Lease, is_repeatable: bool) -> impl Future<Output = Lost> {
    if lease.slot.is_on_another_runtime() {
        return Either::Left(Box::pin(undriven(lease, is_repeatable)));
    }
    Either::Right(troubled(lease, is_repeatable))
}

/// Returns once the connection does not acknowledge a ping, if the request may be sent elsewhere, or
/// once the server allows no streams and the request has none.
async fn troubled(lease: &Lease, is_repeatable: bool) -> Lost {
    loop {
        let trouble = lease.slot.trouble();
        if lease.slot.is_closed() && lease.is_unwritten() {
            return Lost::Closed;
        }
        if lease.slot.is_silent() && is_repeatable {
            return Lost::Silent;
        }
        trouble.await;
    }
}

/// Like [`troubled`], or once it is clear that nobody drives the connection.
async fn undriven(lease: &Lease, is_repeatable: bool) -> Lost {
    sleep(SILENCE).await;
    if lease.is_unwritten() {
        return Lost::Undriven;
    }
    troubled(lease, is_repeatable).await
}
