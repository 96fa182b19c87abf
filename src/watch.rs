//! Watching a resource change state.
//!
//! The API tells nobody of a change, so watching is polling: often while the state changes, less and
//! less while it stays. A wait for a state ends early where that state can no longer come: the
//! resource failed, or is gone.

use crate::{
    call::Call,
    error::Error,
    livestream::LivestreamClient,
    model::{Asset, Channel, Clip, DvrSession, Event, asset, channel, clip, dvr_session, event},
    name::{AssetName, ChannelName, ClipName, DvrSessionName, EventName, ResourceName},
    policy::Backoff,
    rpc::Rpc,
};
use futures_core::Stream;
use futures_util::stream;
use std::{fmt, mem, time::Duration};
use tokio::time::sleep;
use tonic::Code;

/// A name whose resource has a state to watch.
pub trait Watched: ResourceName {
    /// The resource.
    type Resource: Clone + fmt::Debug + Send + 'static;
    /// Its states.
    type State: Copy + Eq + fmt::Debug + Send + 'static;
    #[doc(hidden)]
    type Get: Rpc<Response = Self::Resource, Kind = crate::rpc::UnaryKind>;

    #[doc(hidden)]
    fn get(&self, client: &LivestreamClient) -> Call<Self::Get>;

    /// The resource's state; unspecified where a newer service names one that this crate does not
    /// know.
    fn state(resource: &Self::Resource) -> Self::State;

    /// Whether the resource has failed in this state, and what it says of the reason.
    fn failure(resource: &Self::Resource) -> Option<String>;
}

/// How often a watch looks, and how long a wait for a state may take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WatchPolicy {
    backoff: Backoff,
    limit: Duration,
}

impl WatchPolicy {
    /// Looks again after pauses that grow as `backoff` says while nothing changes, and start anew
    /// with each change. A wait gives up after `limit`.
    pub const fn new(backoff: Backoff, limit: Duration) -> Self {
        Self { backoff, limit }
    }
}

impl Default for WatchPolicy {
    /// Pauses from 1 s, growing by 1.5 to 30 s, and a limit of 30 minutes.
    fn default() -> Self {
        let backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30), 1.5);
        Self::new(backoff, Duration::from_secs(30 * 60))
    }
}

impl LivestreamClient {
    /// The resource each time its state has changed: as it is now, then after every change. The
    /// stream ends with an error, such as NOT_FOUND once the resource is deleted; it never ends
    /// otherwise.
    ///
    /// States that come and go between two looks are not seen.
    ///
    /// ```
    /// # async fn example(client: livestream_client::LivestreamClient) -> Result<(), livestream_client::Error> {
    /// # let channel = livestream_client::name::ChannelName::new("p", "us-central1", "c")?;
    /// use std::pin::pin;
    /// use tokio_stream::StreamExt;
    ///
    /// let mut changes = pin!(client.watch(&channel));
    /// while let Some(channel) = changes.next().await {
    ///     println!("{:?}", channel?.streaming_state());
    /// }
    /// # Ok(()) }
    /// ```
    pub fn watch<N: Watched>(
        &self,
        name: &N,
    ) -> impl Stream<Item = Result<N::Resource, Error>> + Send + use<N> {
        self.watch_with(name, WatchPolicy::default())
    }

    /// [`watch`](Self::watch) with pauses of your own.
    pub fn watch_with<N: Watched>(
        &self,
        name: &N,
        policy: WatchPolicy,
    ) -> impl Stream<Item = Result<N::Resource, Error>> + Send + use<N> {
        stream::try_unfold(Watch::new(self, name, policy), |mut watch| async move {
            let resource = watch.change().await?;
            Ok(Some((resource, watch)))
        })
    }

    /// Waits until the resource is in this state, and yields it as it then is.
    ///
    /// ```
    /// # async fn example(client: livestream_client::LivestreamClient) -> Result<(), livestream_client::Error> {
    /// # let channel = livestream_client::name::ChannelName::new("p", "us-central1", "c")?;
    /// use livestream_client::model::channel::StreamingState;
    ///
    /// let on_air = client.wait_until(&channel, StreamingState::Streaming).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// FAILED_PRECONDITION, with the resource's own words, if it fails first; NOT_FOUND if it is
    /// gone; DEADLINE_EXCEEDED after 30 minutes; and as any call. A service that cannot be reached
    /// for a while does not end the wait.
    pub async fn wait_until<N: Watched>(
        &self,
        name: &N,
        state: N::State,
    ) -> Result<N::Resource, Error> {
        self.wait_until_with(name, state, WatchPolicy::default()).await
    }

    /// [`wait_until`](Self::wait_until) with pauses and a limit of your own.
    ///
    /// # Errors
    /// As [`wait_until`](Self::wait_until).
    pub async fn wait_until_with<N: Watched>(
        &self,
        name: &N,
        state: N::State,
        policy: WatchPolicy,
    ) -> Result<N::Resource, Error> {
        let mut watch = Watch::new(self, name, policy);
        let reached = tokio::time::timeout(policy.limit, async {
            loop {
                let resource = watch.change().await?;
                if N::state(&resource) == state {
                    return Ok(resource);
                }
                if let Some(reason) = N::failure(&resource) {
                    let found = N::state(&resource);
                    let message = format!("waiting for {state:?}, but it is {found:?}: {reason}");
                    return Err(watch.error(Code::FailedPrecondition, message));
                }
            }
        });
        let reached = reached.await;
        reached.unwrap_or_else(|_| {
            let message = format!(
                "waiting for {state:?}, but it is still {:?} after {:?}",
                watch.last, policy.limit
            );
            Err(watch.error(Code::DeadlineExceeded, message))
        })
    }
}

struct Watch<N: Watched> {
    client: LivestreamClient,
    name: N,
    policy: WatchPolicy,
    last: Option<N::State>,
    has_looked: bool,
}

impl<N: Watched> Watch<N> {
    fn new(client: &LivestreamClient, name: &N, policy: WatchPolicy) -> Self {
        Self { client: client.clone(), name: name.clone(), policy, last: None, has_looked: false }
    }

    /// The resource as it is at its next change; the first look counts as one.
    async fn change(&mut self) -> Result<N::Resource, Error> {
        let mut quiet = 0;
        loop {
            if mem::replace(&mut self.has_looked, true) {
                quiet += 1;
                let ceiling = self.policy.backoff.ceiling(quiet);
                sleep(ceiling.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
            }
            match self.name.get(&self.client).await {
                Ok(resource) if self.last != Some(N::state(&resource)) => {
                    self.last = Some(N::state(&resource));
                    return Ok(resource);
                }
                Err(e) if !e.is_transient() => return Err(e),
                Ok(_) | Err(_) => {}
            }
        }
    }

    fn error(&self, code: Code, message: String) -> Error {
        Error::new(code, message).with_subject(N::Get::METHOD, self.name.as_str())
    }
}

/// What a resource's own status says.
fn words(error: Option<&crate::proto::google::rpc::Status>) -> String {
    error.map_or_else(|| "it does not say why".to_owned(), |status| status.message.clone())
}

impl Watched for ChannelName {
    type Resource = Channel;
    type State = channel::StreamingState;
    type Get = crate::model::GetChannelRequest;

    fn get(&self, client: &LivestreamClient) -> Call<Self::Get> {
        client.call(Self::Get { name: self.into() })
    }

    fn state(resource: &Channel) -> Self::State {
        resource.streaming_state()
    }

    fn failure(resource: &Channel) -> Option<String> {
        let failed = resource.streaming_state() == channel::StreamingState::StreamingError;
        failed.then(|| words(resource.streaming_error.as_ref()))
    }
}

impl Watched for EventName {
    type Resource = Event;
    type State = event::State;
    type Get = crate::model::GetEventRequest;

    fn get(&self, client: &LivestreamClient) -> Call<Self::Get> {
        client.call(Self::Get { name: self.into() })
    }

    fn state(resource: &Event) -> Self::State {
        resource.state()
    }

    fn failure(resource: &Event) -> Option<String> {
        (resource.state() == event::State::Failed).then(|| words(resource.error.as_ref()))
    }
}

impl Watched for ClipName {
    type Resource = Clip;
    type State = clip::State;
    type Get = crate::model::GetClipRequest;

    fn get(&self, client: &LivestreamClient) -> Call<Self::Get> {
        client.call(Self::Get { name: self.into() })
    }

    fn state(resource: &Clip) -> Self::State {
        resource.state()
    }

    fn failure(resource: &Clip) -> Option<String> {
        (resource.state() == clip::State::Failed).then(|| words(resource.error.as_ref()))
    }
}

impl Watched for DvrSessionName {
    type Resource = DvrSession;
    type State = dvr_session::State;
    type Get = crate::model::GetDvrSessionRequest;

    fn get(&self, client: &LivestreamClient) -> Call<Self::Get> {
        client.call(Self::Get { name: self.into() })
    }

    fn state(resource: &DvrSession) -> Self::State {
        resource.state()
    }

    fn failure(resource: &DvrSession) -> Option<String> {
        (resource.state() == dvr_session::State::Failed).then(|| words(resource.error.as_ref()))
    }
}

impl Watched for AssetName {
    type Resource = Asset;
    type State = asset::State;
    type Get = crate::model::GetAssetRequest;

    fn get(&self, client: &LivestreamClient) -> Call<Self::Get> {
        client.call(Self::Get { name: self.into() })
    }

    fn state(resource: &Asset) -> Self::State {
        resource.state()
    }

    fn failure(resource: &Asset) -> Option<String> {
        (resource.state() == asset::State::Error).then(|| words(resource.error.as_ref()))
    }
}
