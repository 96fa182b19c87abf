//! Streams of state changes, and waits for a state.
//!
//! The API does not send notifications, so the client polls the resource. The interval is short
//! after a change and grows while the state stays the same. A wait ends early if the resource can
//! no longer reach the state because it failed, reached a final state, or was deleted.

use super::LivestreamClient;
use crate::{
    gax::{
        call::Call,
        context::require_runtime,
        error::Error,
        policy::PollPolicy,
        poll::Poller,
        rpc::{Rpc, UnaryKind},
        transport_error::TransportError,
    },
    model::{Asset, Channel, Clip, DvrSession, Event, asset, channel, clip, dvr_session, event},
    name::{AssetName, ChannelName, ClipName, DvrSessionName, EventName, ResourceName},
    proto::google::rpc::Status,
};
use futures_core::Stream;
use futures_util::stream;
use std::fmt;
use tokio::time::timeout;
use tonic::Code;

/// The name of a resource whose state can be watched.
pub trait Watched: ResourceName {
    /// The resource.
    type Resource: Clone + fmt::Debug + Send + 'static;
    /// The states of the resource.
    type State: Copy + Eq + fmt::Debug + Send + 'static;
    #[doc(hidden)]
    type Get: Rpc<Response = Self::Resource, Kind = UnaryKind>;

    #[doc(hidden)]
    fn get(&self, client: &LivestreamClient) -> Call<Self::Get>;

    /// Returns the state of a resource. A state that this version does not know is unspecified.
    fn state(resource: &Self::Resource) -> Self::State;

    /// Returns why the state of a resource does not change any more without a request, or `None` if
    /// it can change.
    ///
    /// The reason is the error message of a resource that failed, or that the state is final.
    fn terminal_reason(resource: &Self::Resource) -> Option<String>;

    /// Returns the states of a resource's parts as numbers.
    ///
    /// A change of one of these counts as a change of the resource.
    fn part_states(_: &Self::Resource) -> Vec<i32> {
        Vec::new()
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

    /// Waits until a resource reaches a state, and returns the resource.
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
    /// use livestream_client::model::channel::StreamingState;
    ///
    /// let on_air = client.wait_until(&channel, StreamingState::Streaming).await?;
    /// # Ok(()) }
    /// ```
    pub async fn wait_until<N: Watched>(
        &self,
        name: &N,
        state: N::State,
    ) -> Result<N::Resource, Error> {
        self.wait_until_with(name, state, self.core.poll).await
    }

    /// Like [`wait_until`](Self::wait_until), with the intervals and the limit of this policy.
    ///
    /// # Errors
    /// Returns the same errors as [`wait_until`](Self::wait_until).
    pub async fn wait_until_with<N: Watched>(
        &self,
        name: &N,
        state: N::State,
        policy: PollPolicy,
    ) -> Result<N::Resource, Error> {
        require_runtime().map_err(TransportError::into_error)?;
        let mut watch = Watch::new(self, name, policy);
        let reached = timeout(policy.limit(), watch.until(state)).await;
        reached.unwrap_or_else(|_| {
            let last = match &watch.last {
                Some((state, _)) => format!("still {state:?}"),
                None => "unknown".to_owned(),
            };
            let message = format!(
                "the wait for {state:?} ended after {:?}, and the state is {last}",
                policy.limit()
            );
            let error = watch.error(Code::DeadlineExceeded, message);
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
    last: Option<(N::State, Vec<i32>)>,
}

impl<N: Watched> Watch<N> {
    fn new(client: &LivestreamClient, name: &N, policy: PollPolicy) -> Self {
        let (client, name, poller) = (client.clone(), name.clone(), Poller::new(policy));
        Self { client, name, poller, last: None }
    }

    async fn until(&mut self, state: N::State) -> Result<N::Resource, Error> {
        loop {
            let resource = match self.change().await {
                Err(e) if e.is_not_found() => {
                    let cause = match self.last {
                        Some(_) => "the resource was deleted",
                        None => "the resource does not exist",
                    };
                    let message = format!("cannot reach {state:?}: {cause}");
                    return Err(self.error(Code::NotFound, message).with_source(e));
                }
                changed => changed?,
            };
            let current = N::state(&resource);
            if current == state {
                return Ok(resource);
            }
            if let Some(reason) = N::terminal_reason(&resource) {
                let message = format!("cannot reach {state:?}: the state is {current:?}: {reason}");
                return Err(self.error(Code::FailedPrecondition, message));
            }
        }
    }

    /// Polls until the resource changes, and returns it. The first poll counts as a change.
    async fn change(&mut self) -> Result<N::Resource, Error> {
        self.poller.restart();
        loop {
            self.poller.pause(|_, _| {}).await;
            let polled = self.name.get(&self.client).await;
            let Some(resource) = self.poller.answered(polled).transpose()? else { continue };
            let states = (N::state(&resource), N::part_states(&resource));
            if self.last.as_ref() != Some(&states) {
                self.last = Some(states);
                return Ok(resource);
            }
        }
    }

    fn error(&self, code: Code, message: String) -> Error {
        Error::new(code, message).with_subject(N::Get::METHOD, self.name.as_str())
    }
}

/// The error message in a resource that failed.
fn failure(error: Option<&Status>) -> String {
    error.map_or_else(|| "the service gives no reason".to_owned(), |status| status.message.clone())
}

/// The reason for a final state that is not a failure.
fn finished() -> String {
    "this state is final".to_owned()
}

impl Watched for ChannelName {
    type Resource = Channel;
    type State = channel::StreamingState;
    type Get = crate::model::GetChannelRequest;

    fn get(&self, client: &LivestreamClient) -> Call<Self::Get> {
        client.get_channel(self)
    }

    fn state(resource: &Channel) -> Self::State {
        resource.streaming_state()
    }

    fn terminal_reason(resource: &Channel) -> Option<String> {
        let failed = resource.streaming_state() == channel::StreamingState::StreamingError;
        failed.then(|| failure(resource.streaming_error.as_ref()))
    }

    fn part_states(resource: &Channel) -> Vec<i32> {
        resource.distributions.iter().map(|distribution| distribution.state).collect()
    }
}

impl Watched for EventName {
    type Resource = Event;
    type State = event::State;
    type Get = crate::model::GetEventRequest;

    fn get(&self, client: &LivestreamClient) -> Call<Self::Get> {
        client.get_event(self)
    }

    fn state(resource: &Event) -> Self::State {
        resource.state()
    }

    fn terminal_reason(resource: &Event) -> Option<String> {
        match resource.state() {
            event::State::Failed => Some(failure(resource.error.as_ref())),
            event::State::Succeeded | event::State::Stopped => Some(finished()),
            _ => None,
        }
    }
}

impl Watched for ClipName {
    type Resource = Clip;
    type State = clip::State;
    type Get = crate::model::GetClipRequest;

    fn get(&self, client: &LivestreamClient) -> Call<Self::Get> {
        client.get_clip(self)
    }

    fn state(resource: &Clip) -> Self::State {
        resource.state()
    }

    fn terminal_reason(resource: &Clip) -> Option<String> {
        match resource.state() {
            clip::State::Failed => Some(failure(resource.error.as_ref())),
            clip::State::Succeeded => Some(finished()),
            _ => None,
        }
    }
}

impl Watched for DvrSessionName {
    type Resource = DvrSession;
    type State = dvr_session::State;
    type Get = crate::model::GetDvrSessionRequest;

    fn get(&self, client: &LivestreamClient) -> Call<Self::Get> {
        client.get_dvr_session(self)
    }

    fn state(resource: &DvrSession) -> Self::State {
        resource.state()
    }

    fn terminal_reason(resource: &DvrSession) -> Option<String> {
        match resource.state() {
            dvr_session::State::Failed => Some(failure(resource.error.as_ref())),
            dvr_session::State::Finished => Some(finished()),
            _ => None,
        }
    }
}

impl Watched for AssetName {
    type Resource = Asset;
    type State = asset::State;
    type Get = crate::model::GetAssetRequest;

    fn get(&self, client: &LivestreamClient) -> Call<Self::Get> {
        client.get_asset(self)
    }

    fn state(resource: &Asset) -> Self::State {
        resource.state()
    }

    fn terminal_reason(resource: &Asset) -> Option<String> {
        (resource.state() == asset::State::Error).then(|| failure(resource.error.as_ref()))
    }
}
