//! The resources that have a state.

use super::Watched;
use crate::{
    gax::call::Call,
    livestream::LivestreamClient,
    model::{
        Asset, Channel, Clip, DvrSession, Event, ListAssetsRequest, ListChannelsRequest,
        ListClipsRequest, ListDvrSessionsRequest, ListEventsRequest, asset, channel, clip,
        dvr_session, event,
    },
    name::{AssetName, ChannelName, ClipName, DvrSessionName, EventName, LocationName},
    proto::google::rpc::Status,
};

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
    type Parent = LocationName;
    type List = ListChannelsRequest;

    const STATE_FIELDS: &'static [&'static str] = &[
        "name",
        "streaming_state",
        "streaming_error",
        "distributions.key",
        "distributions.state",
        "distributions.error",
    ];
    const RECOVERS: bool = true;

    fn list(client: &LivestreamClient, parent: &LocationName) -> Call<Self::List> {
        client.list_channels(parent)
    }

    fn name_of(resource: &Channel) -> &str {
        &resource.name
    }

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
    type Parent = ChannelName;
    type List = ListEventsRequest;

    const STATE_FIELDS: &'static [&'static str] = &["name", "state", "error"];

    fn list(client: &LivestreamClient, parent: &ChannelName) -> Call<Self::List> {
        client.list_events(parent)
    }

    fn name_of(resource: &Event) -> &str {
        &resource.name
    }

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
    type Parent = ChannelName;
    type List = ListClipsRequest;

    const STATE_FIELDS: &'static [&'static str] = &["name", "state", "error"];

    fn list(client: &LivestreamClient, parent: &ChannelName) -> Call<Self::List> {
        client.list_clips(parent)
    }

    fn name_of(resource: &Clip) -> &str {
        &resource.name
    }

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
    type Parent = ChannelName;
    type List = ListDvrSessionsRequest;

    const STATE_FIELDS: &'static [&'static str] = &["name", "state", "error"];

    fn list(client: &LivestreamClient, parent: &ChannelName) -> Call<Self::List> {
        client.list_dvr_sessions(parent)
    }

    fn name_of(resource: &DvrSession) -> &str {
        &resource.name
    }

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
    type Parent = LocationName;
    type List = ListAssetsRequest;

    const STATE_FIELDS: &'static [&'static str] = &["name", "state", "error"];

    fn list(client: &LivestreamClient, parent: &LocationName) -> Call<Self::List> {
        client.list_assets(parent)
    }

    fn name_of(resource: &Asset) -> &str {
        &resource.name
    }

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
