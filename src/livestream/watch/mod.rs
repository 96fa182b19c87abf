//! Streams of state changes, and waits for a state.
//!
//! The API does not send notifications, so the client polls the resource. The interval is short
//! after a change and grows while the state stays the same. A wait ends early if the resource can
//! no longer reach the state because it failed, reached a final state, or was deleted.

mod condition;
mod many;
mod resources;

pub use condition::Condition;
pub use many::{Changes, WatchEvent, Watches};

use super::LivestreamClient;
use crate::{
    gax::{
        call::Call,
        context::require_runtime,
        error::Error,
        policy::PollPolicy,
        poll::Poller,
        rpc::{Paged, Read, Rpc, UnaryKind},
        transport_error::TransportError,
    },
    name::ResourceName,
};
use futures_core::Stream;
use futures_util::stream;
use std::fmt;
use tokio::time::timeout;
use tonic::Code;

/// The name of a resource whose state can be watched.
pub trait Watched: ResourceName {
    /// The resource.
    type Resource: Clone + fmt::Debug + Send + Sync + 'static;
    /// The states of the resource.
    type State: Copy + Eq + fmt::Debug + Send + Sync + Condition<Self> + 'static;
    /// The name of the parent, whose listing contains the resource.
    type Parent: ResourceName;
    #[doc(hidden)]
    type Get: Rpc<Response = Self::Resource, Kind = UnaryKind> + Read;
    #[doc(hidden)]
    type List: Paged<Item = Self::Resource> + Read;

    /// The fields that contain the name, the state and the reason for it.
    #[doc(hidden)]
    const STATE_FIELDS: &'static [&'static str];

    #[doc(hidden)]
    fn get(&self, client: &LivestreamClient) -> Call<Self::Get>;

    #[doc(hidden)]
    fn list(client: &LivestreamClient, parent: &Self::Parent) -> Call<Self::List>;

    #[doc(hidden)]
    fn name_of(resource: &Self::Resource) -> &str;

    /// Returns the state of a resource. A state that this version does not know is unspecified.
    fn state(resource: &Self::Resource) -> Self::State;

    /// Returns why the state of a resource does not change any more without a request, or `None` if
    /// it can change.
    ///
    /// The reason is the error message of a resource that failed, or that the state is final.
    fn terminal_reason(resource: &Self::Resource) -> Option<String>;

    /// Whether a resource can recover by itself from each state that has a terminal reason.
    #[doc(hidden)]
    const RECOVERS: bool = false;

    /// Returns the states of a resource's parts as numbers.
    ///
    /// A change of one of these counts as a change of the resource.
    fn part_states(_: &Self::Resource) -> Vec<i32> {
        vec![]
    }
}

impl LivestreamClient {
    /// Watches a resource: returns a stream of the resource as it is now, and then after each
    /// change of its state.
    ///
    /// For a channel, a change of the state of a distribution also counts as a change.
    ///
    /// The stream ends only after an error, such as `NOT_FOUND` when the resource is deleted. The
    /// intervals between polls follow the client's [`PollPolicy`] and begin anew after each change.
    /// The stream continues while the service is unavailable, but ends if the service's certificate is
    /// not trusted. It does not contain a state that begins and ends between two polls.
    ///
    /// # Examples
    /// ```
    /// # async fn example(client: livestream_client::LivestreamClient) -> Result<(), livestream_client::Error> {
    /// # let channel = livestream_client::name::ChannelName::new("p", "us-central1", "c")?;
    /// use tokio_stream::StreamExt;
    ///
    /// let mut changes = client.watch(&channel);
    /// while let Some(channel) = changes.next().await {
    ///     println!("{:?}", channel?.streaming_state());
    /// }
    /// # Ok(()) }
    /// ```
    pub fn watch<N: Watched>(
        &self,
        name: &N,
    ) -> impl Stream<Item = Result<N::Resource, Error>> + Send + Unpin + use<N> {
        self.watch_with(name, self.core.poll)
    }

    /// Like [`watch`](Self::watch), with the intervals of this policy. The policy's limit has no
    /// effect.
    pub fn watch_with<N: Watched>(
        &self,
        name: &N,
        policy: PollPolicy,
    ) -> impl Stream<Item = Result<N::Resource, Error>> + Send + Unpin + use<N> {
        Box::pin(stream::try_unfold(Watch::new(self, name, policy), |mut watch| async move {
            let resource = watch.change().await?;
            Ok(Some((resource, watch)))
        }))
    }

    /// Waits until a resource meets a condition, and returns the resource. The condition is a state,
    /// an array of states, or a closure that gets the resource.
    ///
    /// A wait for a state ends if the resource fails. A wait with a closure does not end if a channel is
    /// in `STREAMING_ERROR`, because the channel can recover from this state.
    ///
    /// The wait continues while the service is unavailable, but not if its certificate is not trusted.
    ///
    /// # Errors
    /// - `FAILED_PRECONDITION` if the resource fails or reaches another final state first. The
    ///   message contains the resource's own error message, if there is one.
    /// - `NOT_FOUND` if the resource does not exist or is deleted.
    /// - `DEADLINE_EXCEEDED` at the limit of the client's [`PollPolicy`], which is 30 minutes by
    ///   default.
    /// - The other errors of a call that reads the resource.
    ///
    /// # Examples
    /// ```
    /// # async fn example(client: livestream_client::LivestreamClient) -> Result<(), livestream_client::Error> {
    /// # let channel = livestream_client::name::ChannelName::new("p", "us-central1", "c")?;
    /// use livestream_client::model::{Channel, channel::StreamingState};
    ///
    /// let on_air = client.wait_until(&channel, StreamingState::Streaming).await?;
    ///
    /// let is_backup = |channel: &Channel| channel.active_input == "backup";
    /// let switched = client.wait_until(&channel, is_backup).await?;
    /// # Ok(()) }
    /// ```
    pub async fn wait_until<N: Watched>(
        &self,
        name: &N,
        condition: impl Condition<N>,
    ) -> Result<N::Resource, Error> {
        self.wait_until_with(name, condition, self.core.poll).await
    }

    /// Like [`wait_until`](Self::wait_until), with the intervals and the limit of this policy.
    ///
    /// # Errors
    /// Returns the same errors as [`wait_until`](Self::wait_until).
    pub async fn wait_until_with<N: Watched>(
        &self,
        name: &N,
        condition: impl Condition<N>,
        policy: PollPolicy,
    ) -> Result<N::Resource, Error> {
        require_runtime().map_err(TransportError::into_error)?;
        let mut watch = Watch::new(self, name, policy);
        let wanted = condition.describe();
        let reached = timeout(policy.limit(), watch.until(condition)).await;
        reached.unwrap_or_else(|_| {
            let last = match &watch.last {
                Some((state, _)) => format!("still {state:?}"),
                None => "unknown".to_owned(),
            };
            let message = format!(
                "the wait for {wanted} ended after {:?}, and the state is {last}",
                policy.limit()
            );
            let error = error(name, Code::DeadlineExceeded, message);
            Err(match watch.poller.last_poll_error() {
                Some(source) => error.with_source(source),
                None => error,
            })
        })
    }
}

struct Watch<N: Watched> {
    client: LivestreamClient,
    name: N,
    poller: Poller,
    /// The last state that was read, and the states of the parts.
    last: Option<States<N>>,
}

impl<N: Watched> Watch<N> {
    fn new(client: &LivestreamClient, name: &N, policy: PollPolicy) -> Self {
        let (client, name, poller) = (client.clone(), name.clone(), Poller::new(policy));
        Self { client, name, poller, last: None }
    }

    async fn until(&mut self, condition: impl Condition<N>) -> Result<N::Resource, Error> {
        let wanted = condition.describe();
        // A state changes only if a poll shows a change. Any other property can change at any time.
        let mut polled = self.change().await;
        loop {
            let resource = match polled {
                Err(e) if e.is_not_found() => {
                    return Err(absent(&self.name, &wanted, self.last.is_some()).with_source(e));
                }
                polled => polled?,
            };
            if condition.is_met(&resource) {
                return Ok(resource);
            }
            unreachable(&self.name, &condition, &resource)?;
            polled = match condition.is_state() {
                true => self.change().await,
                false => self.poll().await,
            };
        }
    }

    /// Polls until the resource changes, and returns it. The first poll counts as a change.
    async fn change(&mut self) -> Result<N::Resource, Error> {
        self.poller.restart();
        loop {
            let before = self.last.clone();
            let resource = self.poll().await?;
            if self.last != before {
                return Ok(resource);
            }
        }
    }

    /// Polls until the service answers, and returns the resource.
    async fn poll(&mut self) -> Result<N::Resource, Error> {
        loop {
            self.poller.pause(|_, _| {}).await;
            let polled = self.name.get(&self.client).await;
            let Some(resource) = self.poller.answered(polled).transpose()? else { continue };
            let states = states::<N>(&resource);
            if self.last.as_ref() != Some(&states) {
                self.poller.restart();
                self.last = Some(states);
            }
            return Ok(resource);
        }
    }
}

/// The states by which a change is noticed.
type States<N> = (<N as Watched>::State, Vec<i32>);

fn states<N: Watched>(resource: &N::Resource) -> States<N> {
    (N::state(resource), N::part_states(resource))
}

fn error<N: Watched>(name: &N, code: Code, message: String) -> Error {
    Error::new(code, message).with_subject(N::Get::METHOD, name.as_str())
}

/// The error of a wait for a resource that does not exist.
fn absent<N: Watched>(name: &N, wanted: &str, was_there: bool) -> Error {
    let cause = if was_there { "the resource was deleted" } else { "the resource does not exist" };
    error(name, Code::NotFound, format!("cannot reach {wanted}: {cause}"))
}

/// Whether a resource can still meet the condition.
///
/// # Errors
/// `FAILED_PRECONDITION` if its state is final. If the resource can recover, the failure ends only a wait
/// for a state: a closure may wait for the recovery.
fn unreachable<N: Watched>(
    name: &N,
    condition: &impl Condition<N>,
    resource: &N::Resource,
) -> Result<(), Error> {
    if N::RECOVERS && !condition.is_state() {
        return Ok(());
    }
    let Some(reason) = N::terminal_reason(resource) else { return Ok(()) };
    let (wanted, state) = (condition.describe(), N::state(resource));
    let message = format!("cannot reach {wanted}: the state is {state:?}: {reason}");
    Err(error(name, Code::FailedPrecondition, message))
}
