//! The listing that all watches and waits of a parent share.

use super::super::{Condition, States, Watched, absent, states, unreachable};
use crate::{
    gax::{error::Error, policy::PollPolicy, rpc::Page},
    livestream::LivestreamClient,
};
use std::{
    collections::{BTreeMap, HashMap},
    mem,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep, sleep_until},
};
use tokio_stream::StreamExt as _;

pub(super) struct Shared<N: Watched> {
    pub(super) client: LivestreamClient,
    pub(super) parent: N::Parent,
    /// The fields to read; all if there are none.
    pub(super) fields: Vec<String>,
    pub(super) policy: PollPolicy,
    pub(super) ticks: watch::Sender<Tick<N>>,
    /// Notified after each change of `ticks`: tokio's `watch` wakes its receivers in a random order, and
    /// a simulation could not repeat a run.
    changed: Notify,
    is_polling: Mutex<bool>,
    /// Notified when a watch or a wait begins.
    pub(super) joined: Notify,
}

/// The last listing that the service answered.
#[derive(Clone)]
pub(super) struct Tick<N: Watched> {
    /// The time at which the listing began; `None` before the first one.
    begun: Option<Instant>,
    pub(super) listed: Result<Arc<Listed<N>>, Error>,
    /// The error of the last listing, if it failed and is repeated.
    pub(super) last_error: Option<Error>,
}

/// The resources by their names without the project. The service may return the project's number
/// although the caller gave its id.
pub(super) type Listed<N> = BTreeMap<String, Entry<N>>;

#[derive(Clone)]
pub(super) struct Entry<N: Watched> {
    pub(super) resource: N::Resource,
    pub(super) states: States<N>,
    /// The time at which the states were first seen.
    pub(super) since: Instant,
}

/// The maximum number of resources in a page; the service may give fewer.
const PAGE_SIZE: i32 = 500;
/// The maximum number of missing resources that are read in one tick.
const MAX_GETS: usize = 20;
/// The rest after a page: half of the 300 lists a minute that a region allows.
const REST_PER_PAGE: Duration = Duration::from_millis(400);
/// The rest after a get: half of the 1,200 gets a minute that a region allows.
const REST_PER_GET: Duration = Duration::from_millis(100);

fn key(name: &str) -> &str {
    name.split_once("/locations/").map_or(name, |(_, rest)| rest)
}

impl<N: Watched> Shared<N> {
    pub(super) fn new(
        client: LivestreamClient,
        parent: N::Parent,
        fields: Vec<String>,
        policy: PollPolicy,
    ) -> Arc<Self> {
        let tick = Tick { begun: None, listed: Ok(Arc::default()), last_error: None };
        let (ticks, is_polling) = (watch::Sender::new(tick), Mutex::new(false));
        let (changed, joined) = (Notify::new(), Notify::new());
        Arc::new(Self { client, parent, fields, policy, ticks, changed, is_polling, joined })
    }

    /// The resource once it meets the condition. `last` is its last state.
    pub(super) async fn until(
        self: &Arc<Self>,
        name: &N,
        condition: impl Condition<N>,
        last: &mut Option<N::State>,
    ) -> Result<N::Resource, Error> {
        let wanted = condition.describe();
        let (joined, mut ticks) = (Instant::now(), self.ticks.subscribe());
        self.joined.notify_one();
        loop {
            let listed = self.next(&mut ticks, joined).await?;
            let resource = match listed.get(key(name.as_str())) {
                Some(entry) => entry.resource.clone(),
                None => match name.get(&self.client).await {
                    Err(e) if e.is_not_found() => {
                        return Err(absent(name, &wanted, last.is_some()).with_source(e));
                    }
                    Err(e) if e.is_transient() => continue,
                    resource => resource?,
                },
            };
            *last = Some(N::state(&resource));
            if condition.is_met(&resource) {
                return Ok(resource);
            }
            unreachable(name, &condition, &resource)?;
        }
    }

    /// The next listing that began after a time.
    pub(super) async fn next(
        self: &Arc<Self>,
        ticks: &mut watch::Receiver<Tick<N>>,
        after: Instant,
    ) -> Result<Arc<Listed<N>>, Error> {
        loop {
            self.keep_polling();
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            // The sender lives as long as this watch.
            if !ticks.has_changed().unwrap_or(true) {
                changed.await;
            }
            let tick = ticks.borrow_and_update().clone();
            if tick.begun.is_some_and(|begun| begun >= after) {
                return tick.listed;
            }
        }
    }

    /// Changes the tick, and wakes those that wait for it.
    fn change(&self, change: impl FnOnce(&mut Tick<N>)) {
        self.ticks.send_modify(change);
        self.changed.notify_waiters();
    }

    /// Starts the task that polls, unless there is one.
    fn keep_polling(self: &Arc<Self>) {
        if !mem::replace(&mut *self.is_polling(), true) {
            tokio::spawn(Task { shared: self.clone(), is_over: false }.run());
        }
    }

    fn is_polling(&self) -> MutexGuard<'_, bool> {
        self.is_polling.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The task that polls.
struct Task<N: Watched> {
    shared: Arc<Shared<N>>,
    is_over: bool,
}

impl<N: Watched> Task<N> {
    /// Lists while anybody watches or waits.
    async fn run(mut self) {
        let shared = self.shared.clone();
        // States that were seen before a pause of the polling do not count.
        shared.change(|tick| (tick.begun, tick.listed) = (None, Ok(Arc::default())));
        let mut quiet = 0_u32;
        loop {
            {
                // A watch that begins now sees that nobody polls.
                let mut is_polling = shared.is_polling();
                if shared.ticks.receiver_count() == 0 {
                    *is_polling = false;
                    self.is_over = true;
                    return;
                }
            }
            let begun = Instant::now();
            let mut requests = Requests::default();
            let listed = self.list(&mut requests).await;
            let is_final = listed.as_ref().is_err_and(|e| !e.is_transient());
            if is_final {
                *shared.is_polling() = false;
                self.is_over = true;
            }
            let before = shared.ticks.borrow().clone();
            match listed {
                Err(e) if !is_final => {
                    shared.change(|tick| tick.last_error = Some(e));
                }
                listed => {
                    let listed = listed.map(|listed| Arc::new(date(listed, &before, begun)));
                    if is_news(&before, &listed) {
                        quiet = 0;
                    }
                    shared.change(|tick| {
                        *tick = Tick { begun: Some(begun), listed, last_error: None };
                    });
                }
            }
            if is_final {
                return;
            }
            let rested = Instant::now() + requests.rest();
            quiet = quiet.saturating_add(1);
            tokio::select! {
                biased;
                () = sleep(shared.policy.pause(quiet, fastrand::f64())) => {}
                () = shared.joined.notified() => {
                    quiet = 0;
                    // A new wait is served soon, but not at once: others are likely to follow.
                    sleep(shared.policy.pause(1, 0.0)).await;
                }
            }
            sleep_until(rested).await;
        }
    }

    async fn list(&self, requests: &mut Requests) -> Result<HashMap<String, N::Resource>, Error> {
        let Shared { client, parent, fields, ticks, .. } = &*self.shared;
        let listing = N::list(client, parent).page_size(PAGE_SIZE).fields(fields);
        let mut pages = listing.pages().read_ahead(false);
        let mut listed = HashMap::new();
        let mut is_whole = true;
        while let Some(page) = pages.next().await {
            let Page { items, unreachable, .. } = page?;
            requests.pages += 1;
            is_whole &= unreachable.is_empty();
            let named = |item: N::Resource| (key(N::name_of(&item)).to_owned(), item);
            listed.extend(items.into_iter().map(named));
        }
        let before = ticks.borrow().listed.clone();
        for (missing, entry) in before.iter().flat_map(|before| before.iter()) {
            if listed.contains_key(missing) {
                continue;
            }
            let was = entry.resource.clone();
            let Ok(name) = N::name_of(&was).parse::<N>() else { continue };
            let is_deleted = is_whole && requests.gets < MAX_GETS && {
                requests.gets += 1;
                name.get(client).fields(["name"]).await.is_err_and(|e| e.is_not_found())
            };
            if !is_deleted {
                listed.insert(missing.clone(), was);
            }
        }
        Ok(listed)
    }
}

/// The requests of one tick.
#[derive(Default)]
struct Requests {
    pages: u32,
    gets: usize,
}

impl Requests {
    fn rest(&self) -> Duration {
        REST_PER_PAGE * self.pages + REST_PER_GET * u32::try_from(self.gets).unwrap_or(u32::MAX)
    }
}

/// Adds the time at which each state was first seen.
fn date<N: Watched>(
    listed: HashMap<String, N::Resource>,
    before: &Tick<N>,
    begun: Instant,
) -> Listed<N> {
    let dated = listed.into_iter().map(|(key, resource)| {
        let states = states::<N>(&resource);
        let known = before.listed.as_ref().ok().and_then(|before| before.get(&key));
        let known = known.filter(|known| known.states == states);
        let since = known.map_or(begun, |known| known.since);
        (key, Entry { resource, states, since })
    });
    dated.collect()
}

fn is_news<N: Watched>(before: &Tick<N>, listed: &Result<Arc<Listed<N>>, Error>) -> bool {
    let (Ok(before), Ok(listed)) = (&before.listed, listed) else { return true };
    let states = |entry: (&String, &Entry<N>)| (entry.0.clone(), entry.1.states.clone());
    !before.iter().map(states).eq(listed.iter().map(states))
}

impl<N: Watched> Drop for Task<N> {
    fn drop(&mut self) {
        if !self.is_over {
            // The runtime ended under the task: another one must poll.
            *self.shared.is_polling() = false;
            self.shared.change(|_| {});
        }
    }
}
