//! Channels: created, updated, started, stopped and deleted.

use super::{
    clips, defaults, dvr_sessions,
    ids::check_labels,
    mask,
    operations::no_undo,
    paging::{Page, query},
    quotas, references,
    settings::{Latency, Limit},
    state::State,
    status, streaming,
};
use livestream_client::{
    mask::Updatable as _,
    model::{
        Channel, ChannelOperationResponse, CreateChannelRequest, DeleteChannelRequest, DvrSession,
        Event, GetChannelRequest, ListChannelsRequest, ListChannelsResponse, StartChannelRequest,
        StopChannelRequest, UpdateChannelRequest, channel::StreamingState, distribution, event,
    },
    proto::google::longrunning::Operation,
    validation::Validate as _,
};
use tonic::Status;

pub(super) fn create(
    state: &mut State,
    request: &CreateChannelRequest,
) -> Result<Operation, Status> {
    let parent = &request.parent;
    let name = state.new_name::<Channel>(parent, ("channel_id", &request.channel_id))?;
    status::check(&request.violations())?;
    let mut channel = request.channel.clone().unwrap_or_default();
    channel.name.clone_from(&name);
    check_labels("channel.labels", &channel.labels)?;
    references::check_channel(state, &channel)?;
    state.check_limit::<Channel>(parent, Limit::Channels)?;

    channel.active_input.clear();
    channel.streaming_error = None;
    channel.set_streaming_state(StreamingState::Stopped);
    for distribution in &mut channel.distributions {
        distribution.set_state(distribution::State::NotReady);
        distribution.error = None;
    }
    choose_first_input(&mut channel);
    defaults::fill_in(&mut channel);
    let finish = move |state: &mut State| {
        references::check_channel(state, &channel)?;
        Ok(state.insert(channel.clone()))
    };
    let work = state.settings.duration_of(Latency::CreateChannel);
    state.begin::<CreateChannelRequest>(("create", &name), work, finish, no_undo)
}

/// Makes the first input active, unless the active input is still attached.
fn choose_first_input(channel: &mut Channel) {
    let attached = &channel.input_attachments;
    if !attached.iter().any(|attached| attached.key == channel.active_input) {
        channel.active_input = attached.first().map(|first| first.key.clone()).unwrap_or_default();
    }
}

pub(super) fn get(state: &mut State, request: &GetChannelRequest) -> Result<Channel, Status> {
    state.find(&request.name).cloned()
}

pub(super) fn list(
    state: &mut State,
    request: &ListChannelsRequest,
) -> Result<ListChannelsResponse, Status> {
    let Page { items: channels, next_page_token, unreachable } = state.list(&query!(request))?;
    Ok(ListChannelsResponse { channels, next_page_token, unreachable })
}

pub(super) fn update(
    state: &mut State,
    request: &UpdateChannelRequest,
) -> Result<Operation, Status> {
    let from = request.channel.clone().unwrap_or_default();
    let name = from.name.clone();
    let mut changed = state.find::<Channel>(&name)?.clone();
    let chosen = mask::choose(Channel::FIELDS, request.update_mask.as_ref(), &from)?;
    mask::apply(&chosen, &from, &mut changed);
    check(state, &changed)?;

    let target = name.clone();
    let finish = move |state: &mut State| {
        // The channel and the resources that it refers to can have changed in the meantime.
        let mut changed = state.find::<Channel>(&name)?.clone();
        mask::apply(&chosen, &from, &mut changed);
        check(state, &changed)?;
        state.edit::<Channel>(&name, |channel| {
            mask::apply(&chosen, &from, channel);
            choose_first_input(channel);
            defaults::fill_in(channel);
        })?;
        streaming::settle(state, &name);
        state.find::<Channel>(&name).cloned()
    };
    let work = state.settings.duration_of(Latency::UpdateChannel);
    let operation =
        state.begin::<UpdateChannelRequest>(("update", &target), work, finish, no_undo)?;
    dvr_sessions::stop_all(state, &target);
    Ok(operation)
}

/// Whether a channel is valid, and what it refers to exists.
fn check(state: &State, channel: &Channel) -> Result<(), Status> {
    status::check_in("channel", &channel.violations())?;
    check_labels("channel.labels", &channel.labels)?;
    references::check_channel(state, channel)
}

pub(super) fn delete(
    state: &mut State,
    request: &DeleteChannelRequest,
) -> Result<Operation, Status> {
    let name = request.name.clone();
    check_state(state, &name, "STOPPED", |c| c.streaming_state() == StreamingState::Stopped)?;
    if !request.force && state.children::<Event>(&name).next().is_some() {
        let reason = "has events: delete them first, or set `force`";
        return Err(status::precondition("RESOURCE_HAS_CHILDREN", &name, reason));
    }
    let finish = move |state: &mut State| {
        remove_all::<Event>(state, &name);
        clips::remove_all(state, &name);
        remove_all::<DvrSession>(state, &name);
        state.remove::<Channel>(&name);
        state.pipelines.remove(&name);
        state.feeds.remove(&name);
        Ok(())
    };
    let work = state.settings.duration_of(Latency::DeleteChannel);
    state.begin::<DeleteChannelRequest>(("delete", &request.name), work, finish, no_undo)
}

fn remove_all<T: super::state::Resource>(state: &mut State, channel: &str) {
    for child in state.child_names::<T>(channel) {
        state.remove::<T>(&child);
    }
}

pub(super) fn start(state: &mut State, request: &StartChannelRequest) -> Result<Operation, Status> {
    let name = request.name.clone();
    check_state(state, &name, "STOPPED", |c| c.streaming_state() == StreamingState::Stopped)?;
    quotas::check_running(state, &name)?;
    let finish = {
        let name = name.clone();
        move |state: &mut State| {
            streaming::await_input(state, &name);
            streaming::begin_session(state, &name);
            Ok(ChannelOperationResponse {})
        }
    };
    let undo = move |state: &mut State, _: &Status| streaming::release(state, &name);
    let work = state.settings.duration_of(Latency::StartChannel);
    let operation =
        state.begin::<StartChannelRequest>(("start", &request.name), work, finish, undo)?;
    streaming::enter(state, &request.name, StreamingState::Starting);
    Ok(operation)
}

pub(super) fn stop(state: &mut State, request: &StopChannelRequest) -> Result<Operation, Status> {
    let name = request.name.clone();
    check_state(state, &name, "a running channel", streaming::is_running)?;
    let finish = {
        let name = name.clone();
        move |state: &mut State| {
            stop_events(state, &name);
            streaming::release(state, &name);
            Ok(ChannelOperationResponse {})
        }
    };
    // If the channel is not stopped after all, it waits for its encoder again.
    let undo = move |state: &mut State, _: &Status| streaming::await_input(state, &name);
    let work = state.settings.duration_of(Latency::StopChannel);
    let operation =
        state.begin::<StopChannelRequest>(("stop", &request.name), work, finish, undo)?;
    state.clear_next(&request.name);
    streaming::enter(state, &request.name, StreamingState::Stopping);
    Ok(operation)
}

/// Stops the running events of a channel.
fn stop_events(state: &mut State, channel: &str) {
    for name in state.child_names::<Event>(channel) {
        let is_running = |event: &Event| event.state() == event::State::Running;
        if state.find::<Event>(&name).is_ok_and(is_running) {
            super::events::end(state, &name, event::State::Stopped);
        }
    }
}

fn check_state(
    state: &State,
    name: &str,
    needed: &str,
    is_fit: impl FnOnce(&Channel) -> bool,
) -> Result<(), Status> {
    let channel = state.find::<Channel>(name)?;
    if is_fit(channel) {
        return Ok(());
    }
    Err(status::wrong_state(name, channel.streaming_state().as_str_name(), needed))
}
