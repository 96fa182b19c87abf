//! The changes of many resources as a stream.

use super::{
    super::{States, Watched},
    poll::{Shared, Tick},
};
use crate::{
    gax::{context::require_runtime, error::Error, transport_error::TransportError},
    model::{Channel, channel::StreamingState},
    name::ChannelName,
};
use futures_core::Stream;
use futures_util::stream;
use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    pin::Pin,
    sync::Arc,
    task::{self, Poll},
    time::Duration,
};
use tokio::{sync::watch, time::Instant};

/// A change that a [`Changes`] stream has seen.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum WatchEvent<N: Watched> {
    /// The resource as it is now: at the beginning, and after a change of its state.
    Changed(N::Resource),
    /// The resource does not exist any more.
    Deleted(N),
}

/// The changes of many resources, as a [`Stream`]. [`Watches::changes`](crate::Watches::changes) creates it.
#[must_use = "a stream does nothing until it is polled"]
pub struct Changes<N: Watched> {
    shared: Arc<Shared<N>>,
    stream: Pin<Box<dyn Stream<Item = Result<WatchEvent<N>, Error>> + Send>>,
}

impl<N: Watched> Changes<N> {
    pub(super) fn new(shared: Arc<Shared<N>>) -> Self {
        let ticks = shared.ticks.subscribe();
        let known = ticks.borrow().listed.clone().unwrap_or_default();
        let known = known.iter().filter_map(|(key, entry)| {
            let name = N::name_of(&entry.resource).parse().ok()?;
            Some((key.clone(), Seen { name, states: None }))
        });
        let unseen = Unseen {
            shared: shared.clone(),
            joined: Instant::now(),
            ticks,
            seen: known.collect(),
            queue: VecDeque::new(),
        };
        shared.joined.notify_one();
        let stream = stream::try_unfold(unseen, |mut unseen| async move {
            Ok(Some((unseen.next().await?, unseen)))
        });
        Self { shared, stream: Box::pin(stream) }
    }
}

impl Changes<ChannelName> {
    /// Returns the channels that run and have had no input for at least this long, as seen by the
    /// watch: those in `AWAITING_INPUT` and `STREAMING_NO_INPUT`. Nothing is sent, and nothing is
    /// stopped.
    ///
    /// The time counts from the first poll that saw the state. So it is at most the age of the watch.
    ///
    /// # Examples
    /// ```
    /// # use livestream_client::{Changes, name::ChannelName};
    /// # fn example(changes: Changes<ChannelName>) {
    /// use std::time::Duration;
    ///
    /// for channel in changes.without_input(Duration::from_secs(3600)) {
    ///     println!("{} has cost money for an hour without a feed", channel.name);
    /// }
    /// # }
    /// ```
    pub fn without_input(&self, at_least: Duration) -> Vec<Channel> {
        let tick = self.shared.ticks.borrow();
        let listed = tick.listed.iter().flat_map(|listed| listed.values());
        let waiting = listed.filter(|entry| {
            use StreamingState as S;
            matches!(entry.states.0, S::AwaitingInput | S::StreamingNoInput)
                && entry.since.elapsed() >= at_least
        });
        waiting.map(|entry| entry.resource.clone()).collect()
    }
}

impl<N: Watched> Stream for Changes<N> {
    type Item = Result<WatchEvent<N>, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Option<Self::Item>> {
        self.stream.as_mut().poll_next(cx)
    }
}

/// What a stream of changes has not yielded yet.
struct Unseen<N: Watched> {
    shared: Arc<Shared<N>>,
    joined: Instant,
    ticks: watch::Receiver<Tick<N>>,
    seen: BTreeMap<String, Seen<N>>,
    queue: VecDeque<WatchEvent<N>>,
}

struct Seen<N: Watched> {
    name: N,
    /// The states that the stream has yielded last, if any.
    states: Option<States<N>>,
}

impl<N: Watched> Unseen<N> {
    async fn next(&mut self) -> Result<WatchEvent<N>, Error> {
        require_runtime().map_err(TransportError::into_error)?;
        loop {
            if let Some(event) = self.queue.pop_front() {
                return Ok(event);
            }
            let listed = self.shared.next(&mut self.ticks, self.joined).await?;
            let queue = &mut self.queue;
            self.seen.retain(|key, seen| {
                let is_there = listed.contains_key(key);
                if !is_there {
                    queue.push_back(WatchEvent::Deleted(seen.name.clone()));
                }
                is_there
            });
            for (key, entry) in &*listed {
                let states = Some(entry.states.clone());
                if self.seen.get(key).is_some_and(|seen| seen.states == states) {
                    continue;
                }
                let name = N::name_of(&entry.resource).parse()?;
                self.seen.insert(key.clone(), Seen { name, states });
                queue.push_back(WatchEvent::Changed(entry.resource.clone()));
            }
        }
    }
}

impl<N: Watched> fmt::Debug for Changes<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Changes").field("parent", &self.shared.parent).finish_non_exhaustive()
    }
}
