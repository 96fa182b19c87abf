//! Many operations, waited for together.
//!
//! Fifty channels started at once are fifty operations; polling each costs fifty requests a tick,
//! and the API counts them (1,200 gets and 300 lists a minute in a region). Here one task looks at
//! all of them: it lists the location's operations, a page serving hundreds of waiters, and asks
//! singly for those that the listing did not show. It runs while somebody waits.
//!
//! A listing also holds what was done in the last thirty days, in an order that nobody documents.
//! So a tick reads on only as long as pages show what is waited for, remembers where that begins,
//! keeps some of its requests for single gets, longest unheard first, and rests in proportion to
//! what it cost. However long the history is, every waiter is heard.

mod listing;

use self::listing::Listing;
use crate::gax::operation::{Operation, PollPolicy};
use crate::{
    gax::{
        call::{Call, Core},
        error::Error,
        name::OperationName,
    },
    name::LocationName,
    proto::google::longrunning::{self, GetOperationRequest},
};
use prost::{Message, Name};
use std::{
    borrow::Borrow,
    collections::HashMap,
    fmt,
    hash::{Hash, Hasher},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{Notify, oneshot},
    task::yield_now,
    time::{Instant, sleep, sleep_until, timeout},
};

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
    waiting: Mutex<Waiting>,
    /// Rung when somebody joins, and when the last one leaves.
    bell: Notify,
}

#[derive(Default)]
struct Waiting {
    operations: HashMap<Key, Awaited>,
    is_polling: bool,
    /// Why the last request could not be answered, if it could not.
    lapse: Option<String>,
}

/// An operation's name, compared by what stands behind its project: the service may say the
/// project's number where we say its id.
struct Key(OperationName);

struct Awaited {
    /// The tick that last heard of it.
    heard: u64,
    waiters: Vec<oneshot::Sender<Settled>>,
}

type Settled = Result<longrunning::Operation, Error>;

/// The most requests in one tick, pages and single gets together.
const MOST_REQUESTS: usize = 100;
/// The rest that a get is followed by, so that one client uses no more than half of what a region
/// allows a minute: 1,200 gets.
const REST_PER_GET: Duration = Duration::from_millis(100);

impl SharedWaits {
    pub(crate) fn new(core: Arc<Core>, location: LocationName) -> Self {
        let (waiting, bell) = (Mutex::default(), Notify::new());
        Self(Arc::new(Shared { core, location, waiting, bell }))
    }

    /// Waits until this operation is done, and yields its result. The wait keeps its own limit;
    /// dropping it leaves the operation, and the other waits, as they are.
    ///
    /// An operation may be waited for more than once, and may be of another location: it is then
    /// asked for singly.
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
            match timeout(limit, settled(&shared, operation.name())).await {
                Ok(state) => operation.state = Some(state.map_err(|e| operation.error(e))?),
                Err(_) => {
                    operation.lapse = shared.waiting().lapse.clone();
                    return Err(operation.expired(limit));
                }
            }
            let not_done = || operation.error(Error::unreadable("it is not done after all"));
            operation.result()?.ok_or_else(not_done)
        }
    }
}

/// The operation once it is done.
async fn settled(shared: &Arc<Shared>, name: &OperationName) -> Settled {
    loop {
        let mut joined = Joined::new(shared, name);
        if let Ok(settled) = (&mut joined.settled).await {
            return settled;
        }
        // The runtime that polled is gone; ours takes over.
        yield_now().await;
    }
}

/// A place among the waiters, given up when it is dropped.
struct Joined<'a> {
    shared: &'a Shared,
    name: &'a OperationName,
    settled: oneshot::Receiver<Settled>,
}

impl<'a> Joined<'a> {
    fn new(shared: &'a Arc<Shared>, name: &'a OperationName) -> Self {
        let (tell, settled) = oneshot::channel();
        let is_polling = {
            let mut waiting = shared.waiting();
            let awaited = waiting.operations.entry(Key(name.clone()));
            awaited
                .or_insert(Awaited { heard: 0, waiters: Vec::with_capacity(1) })
                .waiters
                .push(tell);
            std::mem::replace(&mut waiting.is_polling, true)
        };
        shared.bell.notify_one();
        // Not under the lock: a runtime that is shutting down drops the task at once.
        if !is_polling {
            tokio::spawn(Poller::new(shared.clone()).run());
        }
        Self { shared, name, settled }
    }
}

impl Drop for Joined<'_> {
    fn drop(&mut self) {
        self.settled.close();
        let mut waiting = self.shared.waiting();
        let key = behind_project(self.name.as_str());
        if let Some(awaited) = waiting.operations.get_mut(key) {
            awaited.waiters.retain(|waiter| !waiter.is_closed());
            if awaited.waiters.is_empty() {
                waiting.operations.remove(key);
            }
        }
        if waiting.operations.is_empty() {
            self.shared.bell.notify_one();
        }
    }
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether somebody waits; if not, whoever comes next starts a new task.
    fn goes_on(&self) -> bool {
        let mut waiting = self.waiting();
        waiting.is_polling = !waiting.operations.is_empty();
        waiting.is_polling
    }

    fn is_deserted(&self) -> bool {
        self.waiting().operations.is_empty()
    }

    /// How many operations this tick has not heard of.
    fn unheard(&self, tick: u64) -> usize {
        self.waiting().operations.values().filter(|awaited| awaited.heard < tick).count()
    }

    /// Takes note of what the service says of an operation; whether this tick waited for that.
    fn hear(&self, name: &str, state: longrunning::Operation, tick: u64) -> bool {
        let key = behind_project(name);
        let mut waiting = self.waiting();
        waiting.lapse = None;
        let Some(awaited) = waiting.operations.get_mut(key) else { return false };
        let is_news = std::mem::replace(&mut awaited.heard, tick) < tick;
        if state.done
            && let Some(awaited) = waiting.operations.remove(key)
        {
            for waiter in awaited.waiters {
                // A waiter that is gone needs no answer.
                let _ = waiter.send(Ok(state.clone()));
            }
        }
        is_news
    }

    /// Remembers that an operation was asked for in vain, and why.
    fn put_off(&self, name: &OperationName, tick: u64, why: &Error) {
        let mut waiting = self.waiting();
        waiting.lapse = Some(why.to_string());
        if let Some(awaited) = waiting.operations.get_mut(behind_project(name.as_str())) {
            awaited.heard = tick;
        }
    }

    /// Tells one waiter of an operation that asking for it failed for good. Errors cannot be
    /// copied: the next waiter gets its own in the next tick.
    fn fail(&self, name: &OperationName, error: Error) {
        let key = behind_project(name.as_str());
        let mut waiting = self.waiting();
        let Some(awaited) = waiting.operations.get_mut(key) else { return };
        if let Some(waiter) = awaited.waiters.pop() {
            let _ = waiter.send(Err(error));
        }
        if awaited.waiters.is_empty() {
            waiting.operations.remove(key);
        }
    }
}

/// The task that polls.
struct Poller {
    shared: Arc<Shared>,
    policy: PollPolicy,
    listing: Listing,
    tick: u64,
    is_over: bool,
}

impl Poller {
    fn new(shared: Arc<Shared>) -> Self {
        let (policy, listing) = (shared.core.poll, Listing::default());
        Self { shared, policy, listing, tick: 0, is_over: false }
    }

    /// Ticks while anybody waits.
    async fn run(mut self) {
        let mut quiet = 0_u32;
        while self.shared.goes_on() {
            let rest = self.look().await;
            let rested = Instant::now() + rest;
            quiet = quiet.saturating_add(1);
            tokio::select! {
                () = sleep(self.policy.pause(quiet, fastrand::f64())) => {}
                () = self.shared.bell.notified() => quiet = 0,
            }
            if self.shared.is_deserted() {
                continue;
            }
            if quiet == 0 {
                // Who joins is polled for soon, but not at once: others are likely to follow.
                sleep(self.policy.pause(1, 0.0)).await;
            }
            sleep_until(rested).await;
        }
        self.is_over = true;
    }

    /// One look at all operations that are waited for; returns how long to rest for that.
    async fn look(&mut self) -> Duration {
        self.tick += 1;
        let (pages, rest) = self.listing.read(&self.shared, self.tick).await;
        let mut gets = 0;
        for name in self.longest_unheard(MOST_REQUESTS - pages) {
            gets += 1;
            let request = GetOperationRequest { name: String::from(&name) };
            match Call::new(self.shared.core.clone(), request).send().await {
                Ok(state) => drop(self.shared.hear(name.as_str(), state, self.tick)),
                // The service is out: the others would wait in vain too. This one goes last next time,
                // as it may be the only one that the service cannot tell of.
                Err(e) if e.is_transient() => {
                    self.shared.put_off(&name, self.tick, &e);
                    break;
                }
                Err(e) => self.shared.fail(&name, e),
            }
        }
        rest + REST_PER_GET * gets
    }

    fn longest_unheard(&self, most: usize) -> Vec<OperationName> {
        let waiting = self.shared.waiting();
        let unheard = waiting.operations.iter().filter(|(_, awaited)| awaited.heard < self.tick);
        let mut unheard: Vec<_> = unheard.map(|(key, awaited)| (awaited.heard, &key.0)).collect();
        unheard.sort_by_key(|(heard, _)| *heard);
        unheard.into_iter().take(most).map(|(_, name)| name.clone()).collect()
    }
}

impl Drop for Poller {
    fn drop(&mut self) {
        if !self.is_over {
            // The runtime ended under the task: whoever waits on another one must know.
            let mut waiting = self.shared.waiting();
            waiting.is_polling = false;
            waiting.operations.clear();
        }
    }
}

/// What names of one operation have in common, whether they say the project's id or its number.
fn behind_project(name: &str) -> &str {
    name.split_once("/locations/").map_or(name, |(_, rest)| rest)
}

impl Borrow<str> for Key {
    fn borrow(&self) -> &str {
        behind_project(self.0.as_str())
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        let (own, other): (&str, &str) = (self.borrow(), other.borrow());
        own == other
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let text: &str = self.borrow();
        text.hash(state);
    }
}

impl fmt::Debug for SharedWaits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedWaits")
            .field("location", &self.0.location)
            .field("waiting", &self.0.waiting().operations.len())
            .finish_non_exhaustive()
    }
}
