//! The connections to one service, opened as calls need them.
//!
//! One HTTP/2 connection carries about a hundred calls at once and keeps one core busy. A call takes
//! the connection with the fewest calls on it; as they fill up, another is opened; when all are full
//! and no more may be opened, calls wait their turn. A connection that takes no more calls (GOAWAY,
//! closed) leaves the pool, while the calls on it go on to their end. A call that was turned away by
//! such a connection has not been sent, and goes to another.

use super::{
    BoxFuture, CallContext, Connector, Fault, before_sending,
    http2::{Driver, Incoming, KeepAlive, Sender, handshake, needs_runtime},
};
use crate::error::BoxError;
use http::{Request, Response};
use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak, atomic::Ordering},
    task::{Context, Poll},
    time::Instant,
};
use tokio::{sync::oneshot, time::timeout};
use tonic::body::Body;
use tower::Service;

/// How many connections a client opens, and what each carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolLimits {
    /// The most connections at once; 0 counts as 1.
    pub max_connections: usize,
    /// The most calls on one connection, if the server does not allow fewer; 0 counts as 1.
    pub max_calls_per_connection: usize,
}

impl Default for PoolLimits {
    /// 16 connections of 100 calls each.
    fn default() -> Self {
        Self { max_connections: 16, max_calls_per_connection: 100 }
    }
}

/// A tower service over a pool of HTTP/2 connections to one endpoint.
#[derive(Clone, Debug)]
pub struct Connections(Arc<Pool>);

struct Pool {
    connector: Connector,
    limits: PoolLimits,
    keep_alive: Option<KeepAlive>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    open: Vec<Arc<Slot>>,
    opening: usize,
    waiting: VecDeque<oneshot::Sender<Result<Lease, Fault>>>,
}

/// A connection in the pool.
#[derive(Debug)]
struct Slot {
    sender: Sender,
    capacity: usize,
    opened: Instant,
}

/// One call's place on a connection, free again when it is dropped.
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
        keep_alive: Option<KeepAlive>,
    ) -> Self {
        Self(Arc::new(Pool { connector, limits, keep_alive, state: Mutex::default() }))
    }
}

impl Service<Request<Body>> for Connections {
    type Response = Response<Incoming>;
    type Error = BoxError;
    type Future = BoxFuture<Self::Response, BoxError>;

    /// Always ready: calls wait for a connection within their own time.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let pool = self.0.clone();
        Box::pin(async move {
            let deadline = CallContext::deadline_of(&request);
            let mut turned_away = None;
            loop {
                let place = before_sending(deadline, "a connection", pool.acquire());
                let lease = place.await?;
                let slot = lease.slot.clone();
                match slot.sender.send(request, lease).await {
                    Ok(answer) => return answer,
                    Err(unsent) => request = unsent,
                }
                pool.retire(&slot);
                // A server that turns a new connection away too is left to the retry policy, which
                // waits: it must not be dialled in a loop.
                if slot.opened > *turned_away.get_or_insert_with(Instant::now) {
                    return Err(pool.connector.unreachable("connections close at once:").into());
                }
            }
        })
    }
}

impl Pool {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in a critical section panics; the state is whole either way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn acquire(self: &Arc<Self>) -> Result<Lease, Fault> {
        let receiver = {
            let mut state = self.state();
            if let Some(lease) = self.lease(&state) {
                // Growing ahead of need is a favour to later calls: this one has its place.
                let _ = self.grow(&mut state);
                return Ok(lease);
            }
            let (sender, receiver) = oneshot::channel();
            state.waiting.push_back(sender);
            if let Err(fault) = self.grow(&mut state) {
                state.waiting.pop_back();
                return Err(fault);
            }
            receiver
        };
        receiver.await.unwrap_or_else(|_| Err(self.connector.unreachable("gave up connecting to")))
    }

    /// A place on the open connection with the fewest calls, if one has room.
    fn lease(self: &Arc<Self>, state: &State) -> Option<Lease> {
        let slot =
            state.open.iter().filter(|slot| slot.has_room()).min_by_key(|slot| slot.calls())?;
        slot.sender.in_flight().fetch_add(1, Ordering::Relaxed);
        Some(Lease { slot: slot.clone(), pool: Arc::downgrade(self) })
    }

    /// Opens another connection if those waiting need one, or if the open ones are nearly full.
    fn grow(self: &Arc<Self>, state: &mut State) -> Result<(), Fault> {
        let per_connection = self.limits.max_calls_per_connection.max(1);
        let calls: usize = state.open.iter().map(|slot| slot.calls()).sum();
        let places: usize = state.open.iter().map(|slot| slot.capacity).sum();
        let is_nearly_full = places > 0 && calls * 10 > places * 9 && state.opening == 0;
        let is_short = state.waiting.len() > state.opening * per_connection;
        let may_grow = state.open.len() + state.opening < self.limits.max_connections.max(1);
        if !may_grow || !(is_nearly_full || is_short) {
            return Ok(());
        }
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| needs_runtime())?;
        state.opening += 1;
        let opening = Opening { pool: self.clone(), outcome: None };
        runtime.spawn(opening.run());
        Ok(())
    }

    /// Connects, within the connector's limit.
    async fn open(&self) -> Result<(Sender, Driver), Fault> {
        let limit = self.connector.limit();
        let opened = timeout(limit, async {
            let io = self.connector.connect().await?;
            let failed = |e| self.connector.unreachable("no HTTP/2 with").with_source(e);
            handshake(io).await.map_err(failed)
        });
        let too_late = || self.connector.unreachable(&format!("no connection within {limit:?} to"));
        opened.await.unwrap_or_else(|_| Err(too_late()))
    }

    /// Hands free places to those who wait, in their order.
    fn serve_waiting(self: &Arc<Self>, state: &mut State) {
        while !state.waiting.is_empty() {
            let Some(lease) = self.lease(state) else { return };
            let Some(waiter) = state.waiting.pop_front() else { return };
            if let Err(Ok(unwanted)) = waiter.send(Ok(lease)) {
                // The waiter is gone. Freed by hand: the lease's own drop would lock again.
                unwanted.release();
            }
        }
    }

    /// Takes a connection out that accepts no more calls.
    fn retire(self: &Arc<Self>, gone: &Arc<Slot>) {
        let mut state = self.state();
        state.open.retain(|slot| !Arc::ptr_eq(slot, gone));
        if !state.waiting.is_empty() {
            // Without a runtime there is nobody to wait.
            let _ = self.grow(&mut state);
        }
    }
}

impl Slot {
    fn calls(&self) -> usize {
        self.sender.in_flight().load(Ordering::Relaxed)
    }

    fn has_room(&self) -> bool {
        self.calls() < self.capacity
    }
}

impl Lease {
    /// Frees the place without locking the pool, which the caller has done.
    fn release(mut self) {
        self.pool = Weak::new();
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let pool = self.pool.upgrade();
        let mut state = pool.as_ref().map(|pool| pool.state());
        self.slot.sender.in_flight().fetch_sub(1, Ordering::Relaxed);
        if let (Some(pool), Some(state)) = (&pool, &mut state) {
            pool.serve_waiting(state);
        }
    }
}

/// A connection being opened; settles with the pool however it ends.
struct Opening {
    pool: Arc<Pool>,
    outcome: Option<Result<Arc<Slot>, Fault>>,
}

impl Opening {
    async fn run(mut self) {
        let (sender, driver) = match self.pool.open().await {
            Ok(parts) => parts,
            Err(fault) => {
                self.outcome = Some(Err(fault));
                return;
            }
        };
        let (limits, keep_alive) = (self.pool.limits, self.pool.keep_alive);
        let capacity = sender.max_streams().clamp(1, limits.max_calls_per_connection.max(1));
        let slot = Arc::new(Slot { sender, capacity, opened: Instant::now() });
        // The connection ends with the client: what drives it must not keep the pool alive.
        let (pool, watched) = (Arc::downgrade(&self.pool), Arc::downgrade(&slot));
        self.outcome = Some(Ok(slot));
        drop(self);

        driver.run(keep_alive).await;
        if let (Some(pool), Some(slot)) = (pool.upgrade(), watched.upgrade()) {
            pool.retire(&slot);
        }
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        let pool = &self.pool;
        let mut state = pool.state();
        state.opening -= 1;
        match self.outcome.take() {
            Some(Ok(slot)) => {
                state.open.push(slot);
                pool.serve_waiting(&mut state);
            }
            // Those who wait may still get a place on another connection.
            Some(Err(_)) | None if !state.open.is_empty() || state.opening > 0 => {}
            Some(Err(fault)) => {
                for waiter in state.waiting.drain(..) {
                    let _ = waiter.send(Err(fault.again()));
                }
            }
            // The runtime ended under the task.
            None => state.waiting.clear(),
        }
    }
}
