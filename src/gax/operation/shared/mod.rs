//! Many operations, waited for together.
//!
//! Fifty channels started at once are fifty operations. Polling each costs fifty requests a tick, and
//! the API counts them (1,200 requests for operations and 300 lists a minute in a region). Here one task
//! polls for all of them: it lists the location's operations, a page serving hundreds of waiters, and
//! gets those that the listing did not show. The task runs while anybody waits. It runs on the runtime
//! of one of the waiters. If that runtime ends, or if nobody drives it for a while, another waiter's
//! runtime takes over.
//!
//! A listing also holds the operations of the last thirty days, in an order that is not documented.
//! So a tick reads pages only as long as they show operations that are waited for, remembers where
//! those begin, keeps some of its requests for single gets, longest unheard first, and rests in
//! proportion to its cost. However long the history is, every operation is heard of.

mod listing;
mod waiters;

use self::{
    listing::{Listing, MAX_REQUESTS},
    waiters::{Outcome, PARKED, Waiters},
};
use super::{Operation, state::Started};
use crate::{
    gax::{
        call::{Call, Core},
        context::require_runtime,
        error::Error,
        name::{OperationName, ResourceName},
        observe::Wait,
        policy::PollPolicy,
        rpc::Payload,
    },
    proto::google::longrunning::GetOperationRequest,
};
use std::{fmt, sync::Arc, time::Duration};
use tokio::{
    task::yield_now,
    time::{Instant, sleep, sleep_until, timeout},
};

/// Waits for many operations of one location with few requests. Clones share the polling.
///
#[doc = include_str!("../../../guide/examples/shared_waits.md")]
#[derive(Clone)]
pub struct SharedWaits(Arc<Shared>);

struct Shared {
    core: Arc<Core>,
    location: String,
    waiters: Waiters,
}

/// The rest after a get, so that one client uses at most half of the 1,200 requests for operations a
/// minute that a region allows.
const REST_PER_GET: Duration = Duration::from_millis(100);

impl SharedWaits {
    pub(crate) fn new(core: Arc<Core>, location: &impl ResourceName) -> Self {
        let (location, waiters) = (location.as_str().to_owned(), Waiters::default());
        Self(Arc::new(Shared { core, location, waiters }))
    }

    /// Waits until this operation is done, and yields its result. The wait keeps its own limit.
    /// Dropping it leaves the operation, and the other waits, as they are.
    ///
    /// An operation may be waited for more than once, and may be of another location: it is then
    /// polled by a get of its own.
    ///
    /// # Errors
    /// As [`Operation::wait`].
    pub fn wait<T, M>(
        &self,
        mut operation: Operation<T, M>,
    ) -> impl Future<Output = Result<T, Error>> + Send + use<T, M>
    where
        T: Payload,
        M: Payload,
    {
        let shared = self.0.clone();
        async move {
            if let Some(result) = operation.result()? {
                return Ok(result);
            }
            require_runtime().map_err(|e| operation.error(e.into_error()))?;
            let wait = Wait::begin(&operation.name, &mut operation.began);
            let waited = wait.over(async {
                let limit = operation.policy.limit();
                let outcome = outcome(&shared, operation.name(), operation.request);
                match timeout(limit, outcome).await {
                    Ok(state) => operation.end(state.map_err(|e| operation.error(e))?),
                    Err(_) => return Err(operation.expired(shared.waiters.last_poll_error())),
                }
                let not_done = || operation.error(Error::unreadable("the operation is not done"));
                operation.result()?.ok_or_else(not_done)
            });
            waited.await.inspect_err(|e| wait.failed(e.code()))
        }
    }
}

/// The operation once it is done.
async fn outcome(shared: &Arc<Shared>, name: &OperationName, request: Option<Started>) -> Outcome {
    // Not under the lock: a runtime that is shutting down drops the task at once.
    let start = |number| drop(tokio::spawn(Task::new(shared.clone(), number).run()));
    loop {
        let (mut joined, new) = shared.waiters.join(name, request);
        new.into_iter().for_each(start);
        loop {
            match timeout(PARKED, &mut joined.outcome).await {
                Ok(Ok(outcome)) => return outcome,
                Ok(Err(_)) => break,
                // The runtime that polls may be parked.
                Err(_) => shared.waiters.take_over().into_iter().for_each(start),
            }
        }
        // The runtime that polled has ended; this one takes over.
        yield_now().await;
    }
}

/// The task that polls.
struct Task {
    shared: Arc<Shared>,
    number: u64,
    policy: PollPolicy,
    listing: Listing,
    tick: u64,
    is_over: bool,
}

impl Task {
    fn new(shared: Arc<Shared>, number: u64) -> Self {
        let policy = shared.core.poll;
        let listing = Listing::new(shared.core.clone(), shared.location.clone());
        Self { shared, number, policy, listing, tick: 0, is_over: false }
    }

    /// Ticks while anybody waits, and shows that the runtime is being driven.
    async fn run(mut self) {
        let (shared, number) = (self.shared.clone(), self.number);
        let show = async {
            loop {
                sleep(PARKED / 4).await;
                shared.waiters.show(number);
            }
        };
        tokio::select! {
            biased;
            () = self.tick_while_awaited() => {}
            () = show => {}
        }
        self.is_over = true;
    }

    async fn tick_while_awaited(&mut self) {
        let mut quiet = 0_u32;
        while self.shared.waiters.keep_polling(self.number) {
            let rested = Instant::now() + self.tick().await;
            quiet = quiet.saturating_add(1);
            tokio::select! {
                biased;
                () = self.shared.waiters.wake.notified() => quiet = 0,
                () = sleep(self.policy.pause(quiet, fastrand::f64())) => {}
            }
            if self.shared.waiters.is_empty() {
                continue;
            }
            if quiet == 0 {
                // A new waiter is served soon, but not at once: others are likely to follow.
                sleep(self.policy.pause(1, 0.0)).await;
            }
            sleep_until(rested).await;
        }
    }

    /// Polls all operations that are waited for once. Returns how long to rest after that.
    async fn tick(&mut self) -> Duration {
        self.tick += 1;
        let waiters = &self.shared.waiters;
        let (pages, rest) = self.listing.read(waiters, self.tick).await;
        let mut gets = 0;
        for name in waiters.longest_unheard(self.tick, MAX_REQUESTS - pages) {
            gets += 1;
            let request = GetOperationRequest { name: String::from(&name) };
            match Call::new(self.shared.core.clone(), request).respond().await {
                Ok(state) => drop(waiters.hear(name.as_str(), state, self.tick, true)),
                // The service is down for the others too. This one goes last in the next tick,
                // because it may be the only one that the service cannot tell of.
                Err(e) if e.is_transient() => {
                    waiters.postpone(&name, self.tick, e);
                    break;
                }
                Err(e) => waiters.fail(&name, e),
            }
        }
        rest + REST_PER_GET * gets
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        if !self.is_over {
            // The runtime ended under the task: those who wait on another one must know.
            self.shared.waiters.abandon(self.number);
        }
    }
}

impl fmt::Debug for SharedWaits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedWaits")
            .field("location", &self.0.location)
            .field("waiting", &self.0.waiters.len())
            .finish_non_exhaustive()
    }
}
