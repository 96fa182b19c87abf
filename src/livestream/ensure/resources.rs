//! The resources that can be declared, and their requests.

use crate::{
    gax::{
        call::Call,
        descriptor::Described,
        error::Error,
        policy::PollPolicy,
        rpc::{LongRunning, Rpc, UnaryKind},
    },
    livestream::{LivestreamClient, mask::Updatable},
    model::{
        Asset, Channel, Clip, DvrSession, Event, GetAssetRequest, GetChannelRequest,
        GetClipRequest, GetDvrSessionRequest, GetEventRequest, GetInputRequest, Input, asset,
        channel::StreamingState, clip, dvr_session, event,
    },
    name::{
        AssetName, ChannelName, ClipName, DvrSessionName, EventName, InputName, LocationName,
        OperationName, ResourceName,
    },
    proto::google::rpc::Status,
};
use prost_types::FieldMask;
use std::{fmt, pin::Pin, time::SystemTime};
use tonic::Code;

/// The name of a resource that can be declared: an input, a channel, an asset, a DVR session, a clip
/// or an event.
pub trait Declared: ResourceName {
    /// The resource.
    type Resource: Described + Clone + PartialEq + fmt::Debug + Send + Sync + 'static;

    #[doc(hidden)]
    type Get: Rpc<Response = Self::Resource, Kind = UnaryKind>;

    /// The top-level fields that an update can change. If there are none, the API has no update.
    const CHANGEABLE: &'static [&'static str];

    #[doc(hidden)]
    fn location(&self) -> LocationName;
    #[doc(hidden)]
    fn name_mut(resource: &mut Self::Resource) -> &mut String;
    #[doc(hidden)]
    fn phase(resource: &Self::Resource) -> Phase;
    #[doc(hidden)]
    fn get(&self, client: &LivestreamClient) -> Call<Self::Get>;
    #[doc(hidden)]
    fn create(
        &self,
        client: &LivestreamClient,
        resource: Self::Resource,
        policy: PollPolicy,
    ) -> Work<Started<Self::Resource>>;
    #[doc(hidden)]
    fn update(
        &self,
        client: &LivestreamClient,
        resource: Self::Resource,
        mask: FieldMask,
        policy: PollPolicy,
    ) -> Work<Started<Self::Resource>> {
        let _ = (client, resource, mask, policy);
        let error = Error::new(Code::Unimplemented, "the API cannot update the resource");
        Box::pin(std::future::ready(Err(error)))
    }
    /// The next step towards the removal of a resource; `None` if the resource must change first.
    #[doc(hidden)]
    fn remove(
        &self,
        client: &LivestreamClient,
        resource: &Self::Resource,
        policy: PollPolicy,
    ) -> Option<Work<Started<()>>>;
    /// What an update leads to beyond the change of its fields.
    #[doc(hidden)]
    fn effects(
        &self,
        client: &LivestreamClient,
        actual: &Self::Resource,
        updated: &Self::Resource,
    ) -> Work<Effects> {
        let _ = (client, actual, updated);
        Box::pin(std::future::ready(Ok(Effects::default())))
    }
}

/// A call, or a call and the wait after it.
pub type Work<T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send>>;

/// The answer to a request that changes something.
pub enum Started<T> {
    Done(T),
    Operation(OperationName, Work<T>),
}

impl<T> fmt::Debug for Started<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done(_) => f.write_str("Done"),
            Self::Operation(name, _) => f.debug_tuple("Operation").field(name).finish(),
        }
    }
}

/// What an update leads to.
#[derive(Debug, Default)]
pub struct Effects {
    pub(super) ended_sessions: Vec<DvrSessionName>,
    pub(super) refusal: Option<String>,
}

/// Where a resource is in its life.
#[derive(Debug)]
pub enum Phase {
    Settled,
    /// The service works on it.
    Changing,
    /// It is being deleted.
    Leaving,
    Failed(String),
}

impl Phase {
    fn failed(error: Option<&Status>) -> Self {
        let message = error.map(|status| status.message.clone());
        Self::Failed(message.unwrap_or_else(|| "the service gives no reason".to_owned()))
    }
}

pub(super) fn start<R: LongRunning>(call: Call<R>, policy: PollPolicy) -> Work<Started<R::Output>> {
    Box::pin(async move {
        let mut operation = call.await?.poll_policy(policy);
        let name = operation.name().clone();
        Ok(Started::Operation(name, Box::pin(async move { operation.wait().await })))
    })
}

/// A step whose result does not matter.
fn step<R: LongRunning>(call: Call<R>, policy: PollPolicy) -> Work<Started<()>> {
    let started = start(call, policy);
    Box::pin(async move {
        Ok(match started.await? {
            Started::Done(_) => Started::Done(()),
            Started::Operation(name, work) => {
                Started::Operation(name, Box::pin(async move { work.await.map(drop) }))
            }
        })
    })
}

fn at_once<T: Send + 'static>(work: Work<T>) -> Work<Started<T>> {
    Box::pin(async move { work.await.map(Started::Done) })
}

impl Declared for InputName {
    type Resource = Input;
    type Get = GetInputRequest;

    const CHANGEABLE: &'static [&'static str] = Input::FIELDS;

    fn location(&self) -> LocationName {
        self.parent()
    }

    fn name_mut(resource: &mut Input) -> &mut String {
        &mut resource.name
    }

    fn phase(_: &Input) -> Phase {
        Phase::Settled
    }

    fn get(&self, client: &LivestreamClient) -> Call<Self::Get> {
        client.get_input(self)
    }

    fn create(
        &self,
        client: &LivestreamClient,
        resource: Input,
        policy: PollPolicy,
    ) -> Work<Started<Input>> {
        start(client.create_input(&self.parent(), resource, self.id()), policy)
    }

    fn update(
        &self,
        client: &LivestreamClient,
        resource: Input,
        mask: FieldMask,
        policy: PollPolicy,
    ) -> Work<Started<Input>> {
        start(client.update_input(resource, mask), policy)
    }

    fn remove(
        &self,
        client: &LivestreamClient,
        _: &Input,
        policy: PollPolicy,
    ) -> Option<Work<Started<()>>> {
        Some(step(client.delete_input(self), policy))
    }
}

impl Declared for ChannelName {
    type Resource = Channel;
    type Get = GetChannelRequest;

    const CHANGEABLE: &'static [&'static str] = Channel::FIELDS;

    fn location(&self) -> LocationName {
        self.parent()
    }

    fn name_mut(resource: &mut Channel) -> &mut String {
        &mut resource.name
    }

    fn phase(_: &Channel) -> Phase {
        Phase::Settled
    }

    fn get(&self, client: &LivestreamClient) -> Call<Self::Get> {
        client.get_channel(self)
    }

    fn create(
        &self,
        client: &LivestreamClient,
        resource: Channel,
        policy: PollPolicy,
    ) -> Work<Started<Channel>> {
        start(client.create_channel(&self.parent(), resource, self.id()), policy)
    }

    fn update(
        &self,
        client: &LivestreamClient,
        resource: Channel,
        mask: FieldMask,
        policy: PollPolicy,
    ) -> Work<Started<Channel>> {
        start(client.update_channel(resource, mask), policy)
    }

    /// Stops the channel first. Its events are deleted with it.
    fn remove(
        &self,
        client: &LivestreamClient,
        resource: &Channel,
        policy: PollPolicy,
    ) -> Option<Work<Started<()>>> {
        match resource.streaming_state() {
            StreamingState::Stopped => Some(step(client.delete_channel(self).force(true), policy)),
            StreamingState::Starting | StreamingState::Stopping | StreamingState::Unspecified => {
                None
            }
            StreamingState::Streaming
            | StreamingState::AwaitingInput
            | StreamingState::StreamingError
            | StreamingState::StreamingNoInput => Some(step(client.stop_channel(self), policy)),
        }
    }

    fn effects(&self, client: &LivestreamClient, _: &Channel, _: &Channel) -> Work<Effects> {
        use dvr_session::State as S;
        let sessions = client.list_dvr_sessions(self).items();
        Box::pin(async move {
            let ended = sessions.collect().await?.into_iter().filter(|session| {
                let state = session.state();
                matches!(state, S::Pending | S::Updating | S::Scheduled | S::Live | S::Cooldown)
            });
            let ended = ended.map(|session| session.name.parse()).collect::<Result<_, _>>();
            Ok(Effects { ended_sessions: ended?, refusal: None })
        })
    }
}

impl Declared for AssetName {
    type Resource = Asset;
    type Get = GetAssetRequest;

    const CHANGEABLE: &'static [&'static str] = &[];

    fn location(&self) -> LocationName {
        self.parent()
    }

    fn name_mut(resource: &mut Asset) -> &mut String {
        &mut resource.name
    }

    fn phase(resource: &Asset) -> Phase {
        match resource.state() {
            asset::State::Creating => Phase::Changing,
            asset::State::Deleting => Phase::Leaving,
            asset::State::Error => Phase::failed(resource.error.as_ref()),
            asset::State::Active | asset::State::Unspecified => Phase::Settled,
        }
    }

    fn get(&self, client: &LivestreamClient) -> Call<Self::Get> {
        client.get_asset(self)
    }

    fn create(
        &self,
        client: &LivestreamClient,
        resource: Asset,
        policy: PollPolicy,
    ) -> Work<Started<Asset>> {
        start(client.create_asset(&self.parent(), resource, self.id()), policy)
    }

    fn remove(
        &self,
        client: &LivestreamClient,
        _: &Asset,
        policy: PollPolicy,
    ) -> Option<Work<Started<()>>> {
        Some(step(client.delete_asset(self), policy))
    }
}

impl Declared for DvrSessionName {
    type Resource = DvrSession;
    type Get = GetDvrSessionRequest;

    const CHANGEABLE: &'static [&'static str] = DvrSession::FIELDS;

    fn location(&self) -> LocationName {
        self.parent().parent()
    }

    fn name_mut(resource: &mut DvrSession) -> &mut String {
        &mut resource.name
    }

    fn phase(resource: &DvrSession) -> Phase {
        use dvr_session::State as S;
        match resource.state() {
            S::Pending | S::Updating => Phase::Changing,
            S::Deleting => Phase::Leaving,
            S::Failed => Phase::failed(resource.error.as_ref()),
            S::Scheduled
            | S::Live
            | S::Cooldown
            | S::Stopping
            | S::PostProcessing
            | S::Finished
            | S::Unspecified => Phase::Settled,
        }
    }

    fn get(&self, client: &LivestreamClient) -> Call<Self::Get> {
        client.get_dvr_session(self)
    }

    fn create(
        &self,
        client: &LivestreamClient,
        resource: DvrSession,
        policy: PollPolicy,
    ) -> Work<Started<DvrSession>> {
        start(client.create_dvr_session(&self.parent(), resource, self.id()), policy)
    }

    fn update(
        &self,
        client: &LivestreamClient,
        resource: DvrSession,
        mask: FieldMask,
        policy: PollPolicy,
    ) -> Work<Started<DvrSession>> {
        start(client.update_dvr_session(resource, mask), policy)
    }

    fn remove(
        &self,
        client: &LivestreamClient,
        _: &DvrSession,
        policy: PollPolicy,
    ) -> Option<Work<Started<()>>> {
        Some(step(client.delete_dvr_session(self), policy))
    }

    fn effects(
        &self,
        _: &LivestreamClient,
        actual: &DvrSession,
        updated: &DvrSession,
    ) -> Work<Effects> {
        let refusal = match Self::phase(actual) {
            // The declaration waits for the end of the change.
            Phase::Changing => None,
            _ => actual.update_refusal(&updated.dvr_windows, SystemTime::now()),
        };
        let refusal = refusal.map(|reason| format!("the session {reason}"));
        Box::pin(std::future::ready(Ok(Effects { ended_sessions: Vec::new(), refusal })))
    }
}

impl Declared for ClipName {
    type Resource = Clip;
    type Get = GetClipRequest;

    const CHANGEABLE: &'static [&'static str] = &[];

    fn location(&self) -> LocationName {
        self.parent().parent()
    }

    fn name_mut(resource: &mut Clip) -> &mut String {
        &mut resource.name
    }

    fn phase(resource: &Clip) -> Phase {
        match resource.state() {
            clip::State::Pending | clip::State::Creating => Phase::Changing,
            clip::State::Failed => Phase::failed(resource.error.as_ref()),
            clip::State::Succeeded | clip::State::Unspecified => Phase::Settled,
        }
    }

    fn get(&self, client: &LivestreamClient) -> Call<Self::Get> {
        client.get_clip(self)
    }

    fn create(
        &self,
        client: &LivestreamClient,
        resource: Clip,
        policy: PollPolicy,
    ) -> Work<Started<Clip>> {
        start(client.create_clip(&self.parent(), resource, self.id()), policy)
    }

    fn remove(
        &self,
        client: &LivestreamClient,
        _: &Clip,
        policy: PollPolicy,
    ) -> Option<Work<Started<()>>> {
        Some(step(client.delete_clip(self), policy))
    }
}

impl Declared for EventName {
    type Resource = Event;
    type Get = GetEventRequest;

    const CHANGEABLE: &'static [&'static str] = &[];

    fn location(&self) -> LocationName {
        self.parent().parent()
    }

    fn name_mut(resource: &mut Event) -> &mut String {
        &mut resource.name
    }

    fn phase(resource: &Event) -> Phase {
        match resource.state() {
            event::State::Failed => Phase::failed(resource.error.as_ref()),
            _ => Phase::Settled,
        }
    }

    fn get(&self, client: &LivestreamClient) -> Call<Self::Get> {
        client.get_event(self)
    }

    fn create(
        &self,
        client: &LivestreamClient,
        resource: Event,
        _: PollPolicy,
    ) -> Work<Started<Event>> {
        at_once(client.create_event(&self.parent(), resource, self.id()).into_future())
    }

    fn remove(
        &self,
        client: &LivestreamClient,
        _: &Event,
        _: PollPolicy,
    ) -> Option<Work<Started<()>>> {
        Some(at_once(client.delete_event(self).into_future()))
    }
}
