//! Carries out what the rules of the pool say: leases, connections and timers.

use super::{
    PoolLimits,
    drive::{Drive, Event, Slot},
    state::{Action, ConnectionId, State},
};
use crate::gax::{
    context::before_sending,
    error::BoxError,
    net::{
        connection::handshake,
        connector::Connector,
        dial::Dialled,
        liveness::{Keepalive, SILENCE},
    },
    observe,
    planted::planted,
    transport_error::TransportError,
};
use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU32, Ordering},
    },
};
use tokio::{
    runtime::Handle,
    sync::{Notify, oneshot},
    task::AbortHandle,
    time::{Instant, sleep_until, timeout},
};

/// The keepalive interval doubles at most this often: two hours and more.
const MAX_DOUBLINGS: u32 = 10;

/// The state of the pool, and what it has started.
pub(super) struct Pool {
    pub(super) shared: Arc<Shared>,
    inner: Mutex<Inner>,
    /// Wakes the timer's task when an earlier timer is set, or when the pool is gone.
    timer_set: Arc<Notify>,
}

/// What the tasks of the pool need without keeping the pool.
pub(super) struct Shared {
    pub(super) connector: Connector,
    keepalive: Option<Keepalive>,
    /// How often the keepalive interval has doubled.
    doublings: AtomicU32,
}

pub(super) struct Inner {
    pub(super) state: State<Arc<Slot>, Waiter>,
    openings: BTreeMap<ConnectionId, AbortHandle>,
    /// Connections that have left the pool and finish their calls.
    pub(super) leaving: Vec<Weak<Slot>>,
    /// The time that the timer's task waits for, if it runs.
    timer: Option<Instant>,
}

type Waiter = oneshot::Sender<Result<Lease, TransportError>>;

/// One call's place on a connection. Dropping it frees the place.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) slot: Arc<Slot>,
    pub(super) id: ConnectionId,
    pool: Weak<Pool>,
    pub(super) sent: Option<SentRequest>,
    pub(super) is_answered: bool,
}

/// A request that was handed to a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct SentRequest {
    pub(super) at: Instant,
    pub(super) deadline: Option<Instant>,
    /// The reads of the connection until then.
    pub(super) reads: u64,
    /// The number of its HTTP/2 stream.
    pub(super) stream: u32,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (open, opening, waiting) = self.inner().state.numbers();
        f.debug_struct("Pool")
            .field("connector", &self.shared.connector)
            .field("open", &open)
            .field("opening", &opening)
            .field("waiting", &waiting)
            .finish_non_exhaustive()
    }
}

impl Pool {
    pub(super) fn new(
        connector: Connector,
        limits: PoolLimits,
        keepalive: Option<Keepalive>,
    ) -> Self {
        let state = State::new(limits, fastrand::Rng::new());
        let inner = Inner { state, openings: BTreeMap::new(), leaving: Vec::new(), timer: None };
        let shared = Shared { connector, keepalive, doublings: AtomicU32::new(0) };
        Self { shared: Arc::new(shared), inner: Mutex::new(inner), timer_set: Arc::default() }
    }

    pub(super) fn inner(&self) -> MutexGuard<'_, Inner> {
        // No critical section panics, so the state is always consistent.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a change, and does what follows from it.
    pub(super) fn update<T>(
        self: &Arc<Self>,
        change: impl FnOnce(&mut State<Arc<Slot>, Waiter>, Instant) -> T,
    ) -> T {
        self.change(Instant::now(), |state, now| (change(state, now), true))
    }

    /// Like [`update`](Self::update), for each call. The change tells whether the next timer may be
    /// earlier now although no action follows.
    fn change<T>(
        self: &Arc<Self>,
        now: Instant,
        change: impl FnOnce(&mut State<Arc<Slot>, Waiter>, Instant) -> (T, bool),
    ) -> T {
        let (output, is_earlier, actions) = {
            let mut inner = self.inner();
            let (output, is_earlier) = change(&mut inner.state, now);
            (output, is_earlier, inner.state.take_actions())
        };
        if is_earlier || !actions.is_empty() {
            actions.into_iter().for_each(|action| self.perform(action));
            self.set_timer(now);
        }
        output
    }

    fn perform(self: &Arc<Self>, action: Action<Arc<Slot>, Waiter>) {
        match action {
            Action::Open(id) => self.open(id),
            Action::Abort(id) => {
                if let Some(opening) = self.inner().openings.remove(&id) {
                    opening.abort();
                }
            }
            // A waiter that has given up drops its place, which frees it.
            Action::Serve(waiter, id, slot) => drop(waiter.send(Ok(self.lease_on(slot, id)))),
            Action::Fail(waiter, error) => drop(waiter.send(Err(error))),
            Action::Probe(slot) => slot.doubt(),
            Action::Drop(slot) => {
                let leaving = &mut self.inner().leaving;
                leaving.retain(|slot| slot.strong_count() > 0);
                leaving.push(Arc::downgrade(&slot));
            }
        }
    }

    /// A place on a connection, if one is free.
    pub(super) fn lease(self: &Arc<Self>, now: Instant, is_repeatable: bool) -> Option<Lease> {
        let place = self.change(now, |state, now| (state.acquire(now, is_repeatable), false));
        place.map(|(id, slot)| self.lease_on(slot, id))
    }

    /// A place on a connection, waited for until the deadline.
    pub(super) async fn wait_for_lease(
        self: &Arc<Self>,
        deadline: Option<Instant>,
        is_repeatable: bool,
    ) -> Result<Lease, TransportError> {
        let (sender, receiver) = oneshot::channel();
        let waiter = self.update(|state, now| state.wait(now, is_repeatable, sender));
        let _waiting = Waiting { pool: self, waiter };
        before_sending(deadline, "a connection", async {
            let gave_up = |_| Err(self.shared.connector.unreachable("gave up connecting to"));
            receiver.await.unwrap_or_else(gave_up)
        })
        .await
    }

    fn lease_on(self: &Arc<Self>, slot: Arc<Slot>, id: ConnectionId) -> Lease {
        slot.begin_call();
        Lease { slot, id, pool: Arc::downgrade(self), sent: None, is_answered: false }
    }
}

/// A call in the queue. Dropping it takes the call out.
struct Waiting<'a> {
    pool: &'a Arc<Pool>,
    waiter: Option<u64>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(waiter) = self.waiter {
            drop(self.pool.inner().state.give_up(waiter));
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let inner = self.inner.get_mut().unwrap_or_else(PoisonError::into_inner);
        inner.openings.values().for_each(AbortHandle::abort);
        self.timer_set.notify_one();
    }
}

impl Lease {
    /// Whether h2 still has all of the request.
    pub(super) fn is_unwritten(&self) -> bool {
        self.sent.is_some_and(|sent| self.slot.sender().traffic().opened() < sent.stream)
    }

    /// Whether nothing has arrived on the connection since the request was sent, although an answer
    /// was due.
    fn is_silent(&self) -> bool {
        let Some(sent) = self.sent.filter(|_| !self.is_answered) else { return false };
        let now = Instant::now();
        let is_due = sent.deadline.is_some_and(|deadline| now >= deadline)
            || now.duration_since(sent.at) >= SILENCE;
        is_due && self.slot.sender().traffic().reads() == sent.reads
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        planted!("leaks leases" if !self.is_answered, return);
        self.slot.end_call(self.is_answered);
        let Some(pool) = self.pool.upgrade() else { return };
        let is_silent = self.is_silent();
        pool.change(Instant::now(), |state, now| {
            if is_silent {
                state.suspect(now, self.id);
            }
            ((), state.release(now, self.id, self.is_answered) || is_silent)
        });
    }
}
impl Pool {
    /// Opens a connection in a task of its own, which then drives it.
    fn open(self: &Arc<Self>, id: ConnectionId) {
        let member = Member { pool: Arc::downgrade(self), id };
        let run = run(self.shared.clone(), member);
        // Without a runtime, `run` is dropped, which ends the waits.
        if let Ok(runtime) = Handle::try_current() {
            let task = runtime.spawn(run);
            if !task.is_finished() {
                self.inner().openings.insert(id, task.abort_handle());
            }
        }
    }

    /// Makes sure that a task waits for the next timer.
    fn set_timer(self: &Arc<Self>, now: Instant) {
        let is_new = {
            let mut inner = self.inner();
            let next = inner.state.next_timer(now);
            let Some(next) = next.filter(|next| inner.timer.is_none_or(|set| *next < set)) else {
                return;
            };
            inner.timer.replace(next).is_none()
        };
        if !is_new {
            return self.timer_set.notify_one();
        }
        let timer = TimerTask { pool: Arc::downgrade(self) };
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(timer.run(self.timer_set.clone()));
        }
    }
}

/// The task that waits for the pool's timers. Dropping it, also with its runtime, lets another begin.
struct TimerTask {
    pool: Weak<Pool>,
}

impl TimerTask {
    async fn run(mut self, changed: Arc<Notify>) {
        loop {
            let Some(next) = self.pool.upgrade().and_then(|pool| pool.inner().timer) else {
                return;
            };
            tokio::select! {
                biased;
                () = sleep_until(next) => {}
                () = changed.notified() => continue,
            }
            let Some(pool) = self.pool.upgrade() else { return };
            pool.update(State::timer);
            let now = Instant::now();
            let mut inner = pool.inner();
            inner.timer = inner.state.next_timer(now);
            if inner.timer.is_none() {
                // From here on, another task may begin.
                self.pool = Weak::new();
                return;
            }
        }
    }
}

impl Drop for TimerTask {
    fn drop(&mut self) {
        if let Some(pool) = self.pool.upgrade() {
            pool.inner().timer = None;
        }
    }
}

/// A connection's membership in the pool. Its drop ends it, also with its runtime.
struct Member {
    pool: Weak<Pool>,
    id: ConnectionId,
}

impl Member {
    fn update<T>(&self, change: impl FnOnce(&mut State<Arc<Slot>, Waiter>, Instant) -> T) {
        if let Some(pool) = self.pool.upgrade() {
            pool.update(change);
        }
    }

    fn suspect(&self) {
        self.update(|state, now| state.suspect(now, self.id));
    }

    fn leave(&self, shared: &Shared) {
        let error = shared.closes_at_once();
        self.update(|state, now| state.ended(now, self.id, error));
    }

    /// The opening is over: nothing can abort it any more.
    fn settle(&self) {
        if let Some(pool) = self.pool.upgrade() {
            pool.inner().openings.remove(&self.id);
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.settle();
        if let Some(pool) = self.pool.upgrade() {
            let error = pool.shared.connector.unreachable("gave up connecting to");
            pool.update(|state, _| state.abandoned(self.id, &error));
        }
    }
}

/// Opens a connection, and drives it to its end.
async fn run(shared: Arc<Shared>, member: Member) {
    let server = shared.connector.server();
    let drive = open(&shared, &member).await;
    member.settle();
    let error = match drive {
        Ok(drive) => {
            let observed = observe::Connection::opened_to(server, drive.peer());
            let ended = follow(drive, &shared, &member, &observed).await;
            observed.closed(ended);
            shared.closes_at_once()
        }
        Err(error) => {
            observe::unopened(server, error.message());
            error
        }
    };
    member.update(|state, now| state.ended(now, member.id, error));
}

/// Opens a connection, until the server's settings have arrived.
async fn open(shared: &Shared, member: &Member) -> Result<Drive, TransportError> {
    let limit = shared.connector.limit();
    let failed = |e| shared.connector.unreachable("no HTTP/2 with").with_source(e);
    let opening = async {
        let Dialled { io, peer } = shared.connector.connect().await?;
        let (sender, driver) = handshake(io).await.map_err(failed)?;
        let (slot, mut drive) = Drive::new(sender, driver, peer, shared.keepalive());
        member.update(|state, _| state.writable(member.id, slot));
        loop {
            match drive.next().await {
                // A server that allows no streams yet may allow them soon.
                Event::Streams(0) => {
                    member.update(|state, now| state.allows(now, member.id, 0));
                    drive.tell_limit();
                }
                Event::Heard => {}
                Event::Streams(streams) => {
                    drive.tell_limit();
                    member.update(|state, now| state.opened(now, member.id, streams));
                    return Ok(drive);
                }
                Event::Silent => member.suspect(),
                Event::Refused(e) => return Err(failed(e.into())),
                Event::Doubtful => return Err(failed("it is silent".into())),
                Event::Ended(ended) => {
                    let closed = || "closed by the server".into();
                    return Err(failed(ended.err().unwrap_or_else(closed)));
                }
            }
        }
    };
    let late = |_| shared.connector.unreachable(&format!("no connection within {limit:?} to"));
    timeout(limit, opening).await.map_err(late)?
}

/// Tells the pool what happens to a connection, until it is closed.
async fn follow(
    mut drive: Drive,
    shared: &Shared,
    member: &Member,
    observed: &observe::Connection,
) -> Result<(), BoxError> {
    loop {
        match drive.next().await {
            Event::Streams(streams) => {
                member.update(|state, now| state.allows(now, member.id, streams));
                drive.tell_limit();
            }
            Event::Refused(refusal) => {
                observed.refused(&refusal);
                shared.heed(&refusal);
                member.leave(shared);
            }
            Event::Doubtful => member.leave(shared),
            Event::Silent => member.suspect(),
            Event::Heard => member.update(|state, now| state.heard(now, member.id)),
            Event::Ended(ended) => return ended,
        }
    }
}

impl Shared {
    /// The keepalive, as far as the server has accepted its interval so far.
    fn keepalive(&self) -> Option<Keepalive> {
        let doubled = 1 << self.doublings.load(Ordering::Relaxed);
        self.keepalive.map(|given| Keepalive { interval: given.interval * doubled, ..given })
    }

    /// A server that has counted too many pings gets half as many from now on
    /// ([gRFC A8](https://github.com/grpc/proposal/blob/master/A8-client-side-keepalive.md)).
    fn heed(&self, refusal: &h2::Error) {
        let is_calm_down = refusal.reason() == Some(h2::Reason::ENHANCE_YOUR_CALM);
        if is_calm_down && refusal.is_go_away() && refusal.is_remote() {
            let raise = |doublings: u32| Some((doublings + 1).min(MAX_DOUBLINGS));
            let _ = self.doublings.fetch_update(Ordering::Relaxed, Ordering::Relaxed, raise);
        }
    }

    pub(super) fn closes_at_once(&self) -> TransportError {
        self.connector.unreachable("connections close at once:")
    }
}
