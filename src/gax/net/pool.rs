//! The connections to one service, opened as calls need them.
//!
//! One HTTP/2 connection carries about a hundred calls at once and keeps one core busy. A call takes
//! the connection with the fewest calls. The pool opens another connection when the open ones are
//! nearly full. When all are full and the pool may not open more, calls wait in a queue. A connection
//! that takes no more calls (closed, or after a GOAWAY) leaves the pool, and the calls on it go on to
//! their end. A call that such a connection refused was not sent, and goes to another connection.

use super::{
    connection::{Driver, Incoming, Keepalive, Sender, handshake},
    connector::Connector,
};
use crate::gax::{
    body::{AttemptDeadline, RequestBody},
    context::{BoxFuture, CallContext, before_sending, not_sent},
    error::BoxError,
    observe,
    transport_error::TransportError,
};
use bytes::Bytes;
use futures_util::FutureExt;
use http::{Request, Response};
use http_body::{Body as HttpBody, Frame};
use http_body_util::BodyExt;
use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    ptr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};
use tokio::{
    runtime::Handle,
    sync::oneshot,
    time::{Instant, timeout},
};
use tonic::body::Body;
use tower::Service;

/// The limits on a client's connections: 16 connections of 100 calls each, unless set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolLimits {
    connections: usize,
    calls_per_connection: usize,
}

impl PoolLimits {
    /// Sets the maximum number of connections. 0 counts as 1.
    pub fn with_max_connections(mut self, most: usize) -> Self {
        self.connections = most.max(1);
        self
    }

    /// Sets the maximum number of calls on one connection, if the server does not allow fewer. 0 counts
    /// as 1, and more than a million as a million.
    pub fn with_max_calls_per_connection(mut self, most: usize) -> Self {
        self.calls_per_connection = most.clamp(1, 1_000_000);
        self
    }
}

impl Default for PoolLimits {
    fn default() -> Self {
        Self { connections: 16, calls_per_connection: 100 }
    }
}

/// A tower service over a pool of HTTP/2 connections to one endpoint.
#[derive(Clone, Debug)]
pub(crate) struct Connections(Arc<Pool>);

struct Pool {
    connector: Connector,
    limits: PoolLimits,
    keepalive: Option<Keepalive>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    open: Vec<Arc<Slot>>,
    opening: usize,
    waiting: VecDeque<oneshot::Sender<Result<Lease, TransportError>>>,
}

/// A connection in the pool.
#[derive(Debug)]
struct Slot {
    sender: Sender,
    /// The number of calls in progress.
    calls: AtomicUsize,
    capacity: usize,
    since: Instant,
}

/// The number of new connections that a call tries before the retry policy takes over, which waits: a
/// server that closes each connection at once must not be dialled in a loop.
const MAX_CONNECTIONS_TRIED: usize = 3;

/// One call's place on a connection. Dropping it frees the place.
#[derive(Debug)]
pub(super) struct Lease {
    slot: Arc<Slot>,
    pool: Weak<Pool>,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("Pool")
            .field("connector", &self.connector)
            .field("limits", &self.limits)
            .field("open", &state.open.len())
            .field("opening", &state.opening)
            .field("waiting", &state.waiting.len())
            .finish_non_exhaustive()
    }
}

impl Connections {
    pub(crate) fn new(
        connector: Connector,
        limits: PoolLimits,
        keepalive: Option<Keepalive>,
    ) -> Self {
        Self(Arc::new(Pool { connector, limits, keepalive, state: Mutex::default() }))
    }
}

impl Connections {
    /// Sends a request on the connection with the fewest calls.
    pub(super) fn send(
        self,
        mut request: Request<RequestBody>,
    ) -> impl Future<Output = Result<Response<LeasedBody>, BoxError>> {
        async move {
            let pool = &self.0;
            let deadline = request.attempt_deadline();
            let (begun, mut tried) = (Instant::now(), 0);
            let (lease, response) = loop {
                let lease = match pool.acquire() {
                    Ok(lease) => lease,
                    Err(turn) => before_sending(deadline, "a connection", turn).await?,
                };
                if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                    return Err(not_sent("before the request was sent").into());
                }
                match lease.slot.sender.send(request) {
                    Ok(response) => break (lease, response),
                    Err(unsent) => request = unsent,
                }
                pool.retire(&lease.slot);
                // Older connections may all have ended unnoticed, as when the server restarts.
                tried += usize::from(lease.slot.since >= begun);
                if tried == MAX_CONNECTIONS_TRIED {
                    return Err(pool.connector.unreachable("connections close at once:").into());
                }
            };
            let response = response.await?;
            Ok(response.map(|body| LeasedBody { body, _lease: lease }))
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

impl Pool {
    fn state(&self) -> MutexGuard<'_, State> {
        // No critical section panics, so the state is always consistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a place on a connection, or a future that waits for one.
    fn acquire(
        self: &Arc<Self>,
    ) -> Result<Lease, impl Future<Output = Result<Lease, TransportError>> + use<'_>> {
        let (place, openings) = {
            let mut state = self.state();
            let mut place = self.lease(&state).ok_or(());
            if place.is_err() {
                // Otherwise a full connection that got a GOAWAY would stay until it is empty.
                state.open.retain(|slot| slot.sender.is_open());
                place = self.lease(&state).ok_or(());
            }
            let place = place.map_err(|()| {
                let (sender, receiver) = oneshot::channel();
                // Waiters that have given up need no connection.
                state.waiting.retain(|waiter| !waiter.is_closed());
                state.waiting.push_back(sender);
                receiver
            });
            (place, self.grow(&mut state))
        };
        openings.into_iter().for_each(Opening::spawn);
        place.map_err(|turn| {
            turn.map(|served| {
                served.unwrap_or_else(|_| Err(self.connector.unreachable("gave up connecting to")))
            })
        })
    }

    /// A place on the open connection with the fewest calls, if one has room.
    fn lease(self: &Arc<Self>, state: &State) -> Option<Lease> {
        let slot =
            state.open.iter().filter(|slot| slot.has_room()).min_by_key(|slot| slot.in_flight())?;
        slot.calls.fetch_add(1, Ordering::Relaxed);
        Some(Lease { slot: slot.clone(), pool: Arc::downgrade(self) })
    }

    /// Returns the connections to open: as many as the waiters need, or one if the open ones are nearly
    /// full. The caller spawns them without the lock, because a runtime that shuts down drops a task at
    /// once.
    #[must_use]
    fn grow(self: &Arc<Self>, state: &mut State) -> Vec<Opening> {
        let calls: usize = state.open.iter().map(|slot| slot.in_flight()).sum();
        let places: usize = state.open.iter().map(|slot| slot.capacity).sum();
        let is_nearly_full = places > 0 && calls * 10 > places * 9 && state.opening == 0;
        // The next connection probably allows as many streams as the open ones.
        let each = state.open.iter().map(|slot| slot.capacity).max();
        let each = each.unwrap_or(self.limits.calls_per_connection);
        let short = state.waiting.len().div_ceil(each).saturating_sub(state.opening);
        let most = self.limits.connections;
        let allowed = most.saturating_sub(state.open.len() + state.opening);
        let wanted = short.max(usize::from(is_nearly_full)).min(allowed);
        state.opening += wanted;
        (0..wanted).map(|_| Opening { pool: self.clone(), outcome: None }).collect()
    }

    /// Gives free places to the waiters, in their order.
    fn serve_waiting(self: &Arc<Self>, state: &mut State) {
        while !state.waiting.is_empty() {
            let Some(lease) = self.lease(state) else { return };
            let Some(waiter) = state.waiting.pop_front() else { return };
            if let Err(Ok(unwanted)) = waiter.send(Ok(lease)) {
                // The waiter is gone. The lease's own drop would lock the pool again.
                unwanted.release();
            }
        }
    }

    /// Removes a connection that takes no more calls.
    fn retire(self: &Arc<Self>, gone: &Slot) {
        let openings = {
            let mut state = self.state();
            state.open.retain(|slot| !ptr::eq(&**slot, gone));
            self.grow(&mut state)
        };
        openings.into_iter().for_each(Opening::spawn);
    }
}

impl Slot {
    fn in_flight(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    fn has_room(&self) -> bool {
        self.in_flight() < self.capacity
    }
}

impl Lease {
    /// Frees the place without locking the pool: the caller holds the lock.
    fn release(mut self) {
        self.pool = Weak::new();
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let pool = self.pool.upgrade();
        let mut state = pool.as_ref().map(|pool| pool.state());
        self.slot.calls.fetch_sub(1, Ordering::Relaxed);
        if let (Some(pool), Some(state)) = (&pool, &mut state) {
            pool.serve_waiting(state);
        }
    }
}

/// A connection that is being opened. Its drop reports the outcome to the pool.
struct Opening {
    pool: Arc<Pool>,
    outcome: Option<Result<Arc<Slot>, TransportError>>,
}

impl Opening {
    fn spawn(self) {
        // Without a runtime, `self` is dropped, which ends the waits.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(self.run());
        }
    }

    async fn run(mut self) {
        let keepalive = self.pool.keepalive;
        match self.pool.open().await {
            Err(error) => {
                observe::unopened(self.pool.connector.server(), error.message());
                self.outcome = Some(Err(error));
            }
            Ok((slot, driver)) => {
                let open = Open { pool: Arc::downgrade(&self.pool), slot: Arc::downgrade(&slot) };
                let observed = observe::Connection::opened(self.pool.connector.server());
                self.outcome = Some(Ok(slot));
                // From here on only the pool keeps the connection, so that it closes with the pool.
                drop(self);
                let driving = driver.run(keepalive, || open.is_awaited());
                observed.over(driving, || open.refusal()).await;
                drop(open);
            }
        }
    }
}

impl Pool {
    async fn open(&self) -> Result<(Arc<Slot>, Driver), TransportError> {
        let limit = self.connector.limit();
        let opened = timeout(limit, async {
            let io = self.connector.connect().await?;
            let failed = |e| self.connector.unreachable("no HTTP/2 with").with_source(e);
            handshake(io).await.map_err(failed)
        });
        let late = |_| self.connector.unreachable(&format!("no connection within {limit:?} to"));
        let (sender, driver) = opened.await.map_err(late)??;
        let most = self.limits.calls_per_connection;
        let capacity = sender.max_streams().clamp(1, most);
        let calls = AtomicUsize::new(0);
        Ok((Arc::new(Slot { sender, calls, capacity, since: Instant::now() }), driver))
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        let openings = {
            let mut state = self.pool.state();
            state.opening -= 1;
            match self.outcome.take() {
                Some(Ok(slot)) => {
                    state.open.push(slot);
                    self.pool.serve_waiting(&mut state);
                    self.pool.grow(&mut state)
                }
                // The waiters may still get a place on another connection.
                Some(Err(_)) | None if !state.open.is_empty() || state.opening > 0 => Vec::new(),
                Some(Err(error)) => {
                    for waiter in state.waiting.drain(..) {
                        let _ = waiter.send(Err(error.clone()));
                    }
                    Vec::new()
                }
                // The runtime ended while the task was running.
                None => {
                    state.waiting.clear();
                    Vec::new()
                }
            }
        };
        openings.into_iter().for_each(Self::spawn);
    }
}

/// A connection that is being driven. It leaves the pool when that ends, also with its runtime.
struct Open {
    pool: Weak<Pool>,
    slot: Weak<Slot>,
}

impl Open {
    fn is_awaited(&self) -> bool {
        self.slot.upgrade().is_some_and(|slot| slot.in_flight() > 0)
    }

    fn refusal(&self) -> Option<h2::Error> {
        self.slot.upgrade()?.sender.refusal()
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if let (Some(pool), Some(slot)) = (self.pool.upgrade(), self.slot.upgrade()) {
            pool.retire(&slot);
        }
    }
}
