//! Many operations, waited for together.
//!
//! Fifty channels started at once are fifty operations; polling each costs fifty requests a tick,
//! and the API counts them (1,200 gets a minute in a region). Here one task lists the location's
//! operations, a page serving hundreds of waiters, and asks singly only for those that the listing
//! did not show. It runs while somebody waits.

use super::{Operation, PollPolicy};
use crate::{
    call::{Call, Core},
    error::Error,
    name::{LocationName, OperationName},
    proto::google::longrunning::{self, GetOperationRequest, ListOperationsRequest},
    rpc::{Page, Paged},
};
use prost::{Message, Name};
use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::{
    runtime::Handle,
    sync::{Notify, oneshot},
    time::{Instant, sleep, sleep_until, timeout_at},
};
use tonic::Code;

/// Waits for many operations of one location with few requests. Clones share the polling.
///
/// ```
/// # async fn example(client: livestream_client::LivestreamClient) -> Result<(), livestream_client::Error> {
/// # let location = livestream_client::name::LocationName::new("p", "us-central1")?;
/// let waits = client.shared_waits(&location);
/// let mut starts = tokio::task::JoinSet::new();
/// for id in 0..50 {
///     let start = client.start_channel(&location.channel(format!("channel-{id}"))?).await?;
///     starts.spawn(waits.wait(start));
/// }
/// while let Some(started) = starts.join_next().await {
///     started.expect("no wait panics")?;
/// }
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct SharedWaits(Arc<Shared>);

struct Shared {
    core: Arc<Core>,
    location: LocationName,
    policy: PollPolicy,
    waiting: Mutex<Waiting>,
    joined: Notify,
}

#[derive(Default)]
struct Waiting {
    /// By the operation's id, which the listing gives: its names may hold the project's number
    /// where ours holds the project's id.
    waiters: HashMap<Box<str>, Waiter>,
    is_polling: bool,
    next_key: u64,
}

struct Waiter {
    key: u64,
    name: OperationName,
    tell: oneshot::Sender<Result<longrunning::Operation, Error>>,
}

/// The most items that a page of the listing may hold: what the service caps pages at is its own.
const PAGE_SIZE: i32 = 500;
/// The most requests in one tick, pages and single gets together.
const MOST_REQUESTS: usize = 100;
/// A page is worth its request if it may serve more waiters than a get: with fewer, gets are used.
const WORTH_A_PAGE: usize = 4;

impl SharedWaits {
    pub(crate) fn new(core: Arc<Core>, location: LocationName) -> Self {
        let (policy, waiting, joined) = (core.poll, Mutex::default(), Notify::new());
        Self(Arc::new(Shared { core, location, policy, waiting, joined }))
    }

    /// Waits until this operation is done, and yields its result. The wait keeps its own limit;
    /// dropping it leaves the operation, and the other waits, as they are.
    ///
    /// # Errors
    /// As [`Operation::wait`].
    pub fn wait<T, M>(
        &self,
        mut operation: Operation<T, M>,
    ) -> impl Future<Output = Result<T, Error>> + Send + use<T, M>
    where
        T: Message + Name + Default + 'static,
        M: Message + Name + Default + 'static,
    {
        let shared = self.0.clone();
        async move {
            if let Some(result) = operation.result()? {
                return Ok(result);
            }
            let limit = operation.policy.limit();
            let joined = Joined::new(&shared, operation.name().clone())?;
            match timeout_at(Instant::now() + limit, joined.settled()).await {
                Ok(state) => operation.state = Some(state.map_err(|e| operation.error(e))?),
                Err(_) => return Err(operation.expired(limit)),
            }
            operation
                .result()?
                .ok_or_else(|| operation.error(Error::unreadable("not done after all")))
        }
    }
}

/// A place among the waiters, given up when it is dropped.
struct Joined<'a> {
    shared: &'a Shared,
    id: Box<str>,
    key: u64,
    settled: oneshot::Receiver<Result<longrunning::Operation, Error>>,
}

impl<'a> Joined<'a> {
    fn new(shared: &'a Arc<Shared>, name: OperationName) -> Result<Self, Error> {
        let runtime = Handle::try_current().map_err(|e| {
            Error::new(Code::FailedPrecondition, "waiting needs a Tokio runtime").with_source(e)
        })?;
        let (tell, settled) = oneshot::channel();
        let id: Box<str> = name.operation().into();
        let mut waiting = shared.waiting();
        waiting.next_key += 1;
        let key = waiting.next_key;
        waiting.waiters.insert(id.clone(), Waiter { key, name, tell });
        if !std::mem::replace(&mut waiting.is_polling, true) {
            runtime.spawn(poll(Polling { shared: shared.clone(), is_over: false }));
        }
        shared.joined.notify_one();
        Ok(Self { shared, id, key, settled })
    }

    async fn settled(mut self) -> Result<longrunning::Operation, Error> {
        let lost = |_| {
            let message = "the wait ended early: another took over the operation, or the runtime \
                           that polled for it is gone";
            Error::new(Code::Cancelled, message)
        };
        (&mut self.settled).await.map_err(lost)?
    }
}

impl Drop for Joined<'_> {
    fn drop(&mut self) {
        let mut waiting = self.shared.waiting();
        if waiting.waiters.get(&self.id).is_some_and(|waiter| waiter.key == self.key) {
            waiting.waiters.remove(&self.id);
        }
    }
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nobody waits; if so, whoever comes next starts a new task.
    fn is_idle(&self) -> bool {
        let mut waiting = self.waiting();
        waiting.is_polling = !waiting.waiters.is_empty();
        !waiting.is_polling
    }

    /// Tells the waiter of an operation that is done.
    fn settle(&self, state: longrunning::Operation) {
        let id = state.name.rsplit('/').next().unwrap_or_default();
        let waiter = if state.done { self.waiting().waiters.remove(id) } else { None };
        if let Some(waiter) = waiter {
            // A waiter that is gone needs no answer.
            let _ = waiter.tell.send(Ok(state));
        }
    }

    fn fail(&self, id: &str, error: Error) {
        if let Some(waiter) = self.waiting().waiters.remove(id) {
            let _ = waiter.tell.send(Err(error));
        }
    }
}

/// The polling task's hold on what it polls for.
struct Polling {
    shared: Arc<Shared>,
    is_over: bool,
}

impl Drop for Polling {
    fn drop(&mut self) {
        if !self.is_over {
            // The runtime ended under the task: whoever waits on another one must be told.
            let mut waiting = self.shared.waiting();
            waiting.is_polling = false;
            waiting.waiters.clear();
        }
    }
}

/// Ticks while anybody waits.
async fn poll(mut polling: Polling) {
    let shared = polling.shared.clone();
    let mut ticks = 0;
    loop {
        tick(&shared).await;
        ticks += 1;
        if shared.is_idle() {
            polling.is_over = true;
            return;
        }
        let pause = shared.policy.pause(ticks, fastrand::f64());
        tokio::select! {
            () = sleep(pause) => {}
            // Who joins is polled for soon, but not at once: others are likely to follow.
            () = shared.joined.notified() => {
                ticks = 0;
                sleep_until(Instant::now() + shared.policy.pause(1, 0.0)).await;
            }
        }
    }
}

/// One look at all operations that are waited for.
async fn tick(shared: &Shared) {
    let mut unseen: HashMap<Box<str>, OperationName> = shared
        .waiting()
        .waiters
        .iter()
        .map(|(id, waiter)| (id.clone(), waiter.name.clone()))
        .collect();
    let mut requests = 0;
    let mut token = String::new();
    while unseen.len() >= WORTH_A_PAGE && requests < MOST_REQUESTS {
        requests += 1;
        let Ok(page) = list(shared, &token).await else { break };
        for state in page.items {
            unseen.remove(state.name.rsplit('/').next().unwrap_or_default());
            shared.settle(state);
        }
        // A token that stays the same would list for ever.
        if page.next_page_token.is_empty() || page.next_page_token == token {
            break;
        }
        token = page.next_page_token;
    }
    for (id, name) in unseen.into_iter().take(MOST_REQUESTS.saturating_sub(requests)) {
        let request = GetOperationRequest { name: String::from(&name) };
        match Call::new(shared.core.clone(), request).send().await {
            Ok(state) => shared.settle(state),
            Err(e) if e.is_transient() => {}
            Err(e) => shared.fail(&id, e),
        }
    }
}

async fn list(shared: &Shared, token: &str) -> Result<Page<longrunning::Operation>, Error> {
    let request = ListOperationsRequest {
        name: String::from(&shared.location),
        page_size: PAGE_SIZE,
        page_token: token.to_owned(),
        ..ListOperationsRequest::default()
    };
    Ok(ListOperationsRequest::page(Call::new(shared.core.clone(), request).send().await?))
}

impl fmt::Debug for SharedWaits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedWaits")
            .field("location", &self.0.location)
            .field("waiting", &self.0.waiting().waiters.len())
            .finish_non_exhaustive()
    }
}
