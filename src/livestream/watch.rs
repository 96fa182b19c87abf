//! Watching a resource change state.
//!
//! The API tells nobody of a change, so watching is polling: often while the state changes, less and
//! less while it stays. A wait for a state ends early where that state will not come any more: the
//! resource failed, is over, or is gone.

use super::LivestreamClient;
use crate::{
    gax::{
        call::Call,
        error::Error,
        policy::PollPolicy,
        poll::Poller,
        rpc::{Rpc, UnaryKind},
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

/// A name whose resource has a state to watch.
pub trait Watched: ResourceName {
    /// The resource.
    type Resource: Clone + fmt::Debug + Send + 'static;
    /// Its states.
    type State: Copy + Eq + fmt::Debug + Send + 'static;
    #[doc(hidden)]
    type Get: Rpc<Response = Self::Resource, Kind = UnaryKind>;

    #[doc(hidden)]
    fn get(&self, client: &LivestreamClient) -> Call<Self::Get>;

    /// The resource's state; unspecified where a newer service names one that this crate does not
    /// know.
    fn state(resource: &Self::Resource) -> Self::State;

    /// Why the resource will not go to another state by itself: it failed, in its own words, or is
    /// over. `None` while it may.
    fn stuck(resource: &Self::Resource) -> Option<String>;

    /// The states of the resource's parts, as numbers: where one changes, a watch tells of it too.
    fn parts(_: &Self::Resource) -> Vec<i32> {
        Vec::new()
    }
}

impl LivestreamClient {
    /// The resource each time its state has changed: as it is now, then after every change. For a
    /// channel, a change of one of its distributions counts too.
    ///
    /// The stream ends with an error, such as NOT_FOUND once the resource is deleted; it never ends
    /// otherwise. It looks less often the longer nothing changes, as the client's [`PollPolicy`]
    /// says, and waits for a service that cannot be reached. States that come and go between two
    /// looks are not seen.
    ///
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

    /// [`watch`](Self::watch) with pauses of your own; the policy's limit has no effect.
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
    /// FAILED_PRECONDITION, with the resource's own words, if it fails first, or is over;
    /// NOT_FOUND if it is gone; DEADLINE_EXCEEDED at the limit of the client's [`PollPolicy`], 30
    /// minutes unless set; and as any call. A service that cannot be reached for a while does not
    /// end the wait.
    pub async fn wait_until<N: Watched>(
        &self,
        name: &N,
        state: N::State,
    ) -> Result<N::Resource, Error> {
        self.wait_until_with(name, state, self.core.poll).await
    }

    /// [`wait_until`](Self::wait_until) with pauses and a limit of your own.
    ///
    /// # Errors
    /// As [`wait_until`](Self::wait_until).
    pub async fn wait_until_with<N: Watched>(
        &self,
        name: &N,
        state: N::State,
        policy: PollPolicy,
    ) -> Result<N::Resource, Error> {
        let mut watch = Watch::new(self, name, policy);
        let reached = timeout(policy.limit(), watch.until(state)).await;
        reached.unwrap_or_else(|_| {
            let still = watch.last.as_ref();
            let still = still.map_or("unknown".to_owned(), |(state, _)| format!("still {state:?}"));
            let message =
                format!("waiting for {state:?}, but it is {still} after {:?}", policy.limit());
            let error = watch.error(Code::DeadlineExceeded, message);
            Err(match watch.poller.last_poll_error() {
                Some(why) => error.with_source(why),
                None => error,
            })
        })
    }
}

struct Watch<N: Watched> {
    client: LivestreamClient,
    name: N,
    poller: Poller,
    /// The state that was last seen, and those of the parts.
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
                    let what = if self.last.is_some() { "it is gone" } else { "there is none" };
                    let message = format!("waiting for {state:?}, but {what}");
                    return Err(self.error(Code::NotFound, message).with_source(e));
                }
                looked => looked?,
            };
            if N::state(&resource) == state {
                return Ok(resource);
            }
            if let Some(reason) = N::stuck(&resource) {
                let found = N::state(&resource);
                let message = format!("waiting for {state:?}, but it is {found:?}: {reason}");
                return Err(self.error(Code::FailedPrecondition, message));
            }
        }
    }

    /// The resource as it is at its next change; the first look counts as one.
    async fn change(&mut self) -> Result<N::Resource, Error> {
        self.poller.restart();
        loop {
            self.poller.pause(|_, _| {}).await;
            let polled = self.name.get(&self.client).await;
            let Some(resource) = self.poller.answered(polled).transpose()? else { continue };
            let now = (N::state(&resource), N::parts(&resource));
            if self.last.as_ref() != Some(&now) {
                self.last = Some(now);
                return Ok(resource);
            }
        }
    }

    fn error(&self, code: Code, message: String) -> Error {
        Error::new(code, message).with_subject(N::Get::METHOD, self.name.as_str())
    }
}

/// What a resource's own status says.
fn words(error: Option<&Status>) -> String {
    error.map_or_else(|| "it does not say why".to_owned(), |status| status.message.clone())
}

/// Why a resource stays as it is where nothing failed.
fn over() -> String {
    "it is over, and will not change any more".to_owned()
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

    fn stuck(resource: &Channel) -> Option<String> {
        let failed = resource.streaming_state() == channel::StreamingState::StreamingError;
        failed.then(|| words(resource.streaming_error.as_ref()))
    }

    fn parts(resource: &Channel) -> Vec<i32> {
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

    fn stuck(resource: &Event) -> Option<String> {
        match resource.state() {
            event::State::Failed => Some(words(resource.error.as_ref())),
            event::State::Succeeded | event::State::Stopped => Some(over()),
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

    fn stuck(resource: &Clip) -> Option<String> {
        match resource.state() {
            clip::State::Failed => Some(words(resource.error.as_ref())),
            clip::State::Succeeded => Some(over()),
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

    fn stuck(resource: &DvrSession) -> Option<String> {
        match resource.state() {
            dvr_session::State::Failed => Some(words(resource.error.as_ref())),
            dvr_session::State::Finished => Some(over()),
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

    fn stuck(resource: &Asset) -> Option<String> {
        (resource.state() == asset::State::Error).then(|| words(resource.error.as_ref()))
    }
}
