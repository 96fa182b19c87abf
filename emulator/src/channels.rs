//! Channels: made, changed, started, stopped and deleted.

use super::{
    dvr_sessions, fault, mask,
    operations::nothing,
    paging::query,
    settings::{Limit, Work},
    streaming,
    world::{World, location_of},
};
use livestream_client::{
    check::Check as _,
    mask::Changeable as _,
    model::{
        Asset, Channel, ChannelOperationResponse, Clip, CreateChannelRequest, DeleteChannelRequest,
        DvrSession, Event, GetChannelRequest, Input, ListChannelsRequest, ListChannelsResponse,
        StartChannelRequest, StopChannelRequest, UpdateChannelRequest, channel::StreamingState,
        distribution, event,
    },
    proto::google::longrunning::Operation,
};
use tonic::Status;

pub(super) fn create(
    world: &mut World,
    request: &CreateChannelRequest,
) -> Result<Operation, Status> {
    let parent = &request.parent;
    let name = world.new_name::<Channel>(parent, ("channel_id", &request.channel_id))?;
    fault::check(&request.violations())?;
    let mut channel = request.channel.clone().unwrap_or_default();
    channel.name.clone_from(&name);
    check_references(world, &channel)?;
    world.check_limit::<Channel>(parent, Limit::Channels)?;

    channel.active_input.clear();
    channel.streaming_error = None;
    channel.set_streaming_state(StreamingState::Stopped);
    for distribution in &mut channel.distributions {
        distribution.set_state(distribution::State::NotReady);
        distribution.error = None;
    }
    choose_first_input(&mut channel);
    let finish = move |world: &mut World| {
        check_references(world, &channel)?;
        Ok(world.insert(channel))
    };
    let work = world.settings.takes(Work::CreateChannel);
    world.begin::<CreateChannelRequest>(("create", &name), work, finish, nothing)
}

/// Keeps the active input where it is still attached; otherwise the first one is.
fn choose_first_input(channel: &mut Channel) {
    let attached = &channel.input_attachments;
    if !attached.iter().any(|attached| attached.key == channel.active_input) {
        channel.active_input = attached.first().map(|first| first.key.clone()).unwrap_or_default();
    }
}

/// Whether the inputs and assets that a channel refers to exist, the inputs in its location.
fn check_references(world: &World, channel: &Channel) -> Result<(), Status> {
    for (at, attachment) in channel.input_attachments.iter().enumerate() {
        if location_of(&attachment.input) != location_of(&channel.name) {
            let field = format!("channel.input_attachments[{at}].input");
            let reason = format!("is '{}', in another location", attachment.input);
            return Err(fault::invalid(&field, reason));
        }
        world.find::<Input>(&attachment.input)?;
    }
    channel.static_overlays.iter().try_for_each(|o| world.find::<Asset>(&o.asset).map(drop))
}

pub(super) fn get(world: &mut World, request: &GetChannelRequest) -> Result<Channel, Status> {
    world.find(&request.name).cloned()
}

pub(super) fn list(
    world: &mut World,
    request: &ListChannelsRequest,
) -> Result<ListChannelsResponse, Status> {
    let (channels, next_page_token) = world.list(&query!(request))?;
    Ok(ListChannelsResponse { channels, next_page_token, unreachable: Vec::new() })
}

pub(super) fn update(
    world: &mut World,
    request: &UpdateChannelRequest,
) -> Result<Operation, Status> {
    let from = request.channel.clone().unwrap_or_default();
    let name = from.name.clone();
    let mut changed = world.find::<Channel>(&name)?.clone();
    let chosen = mask::choose(Channel::CHANGEABLE, request.update_mask.as_ref(), &from)?;
    mask::apply(&chosen, &from, &mut changed);
    fault::check_in("channel", &changed.violations())?;
    check_references(world, &changed)?;

    let target = name.clone();
    let finish = move |world: &mut World| {
        world.edit::<Channel>(&name, |channel| {
            mask::apply(&chosen, &from, channel);
            choose_first_input(channel);
        })?;
        streaming::settle(world, &name);
        world.find::<Channel>(&name).cloned()
    };
    let work = world.settings.takes(Work::UpdateChannel);
    let operation =
        world.begin::<UpdateChannelRequest>(("update", &target), work, finish, nothing)?;
    dvr_sessions::stop_all(world, &target);
    Ok(operation)
}

pub(super) fn delete(
    world: &mut World,
    request: &DeleteChannelRequest,
) -> Result<Operation, Status> {
    let name = request.name.clone();
    check_state(world, &name, "STOPPED", |c| c.streaming_state() == StreamingState::Stopped)?;
    if !request.force && world.children::<Event>(&name).next().is_some() {
        let reason = "still has events: delete them first, or set `force`";
        return Err(fault::precondition("RESOURCE_HAS_CHILDREN", &name, reason));
    }
    let finish = move |world: &mut World| {
        remove_all::<Event>(world, &name);
        remove_all::<Clip>(world, &name);
        remove_all::<DvrSession>(world, &name);
        world.remove::<Channel>(&name);
        world.pipelines.remove(&name);
        world.feeds.remove(&name);
        Ok(())
    };
    let work = world.settings.takes(Work::DeleteChannel);
    world.begin::<DeleteChannelRequest>(("delete", &request.name), work, finish, nothing)
}

fn remove_all<T: super::world::Resource>(world: &mut World, channel: &str) {
    for child in world.child_names::<T>(channel) {
        world.remove::<T>(&child);
    }
}

pub(super) fn start(world: &mut World, request: &StartChannelRequest) -> Result<Operation, Status> {
    let name = request.name.clone();
    check_state(world, &name, "STOPPED", |c| c.streaming_state() == StreamingState::Stopped)?;
    let finish = {
        let name = name.clone();
        move |world: &mut World| {
            streaming::await_input(world, &name);
            Ok(ChannelOperationResponse {})
        }
    };
    let undo = move |world: &mut World, _: &Status| streaming::release(world, &name);
    let work = world.settings.takes(Work::StartChannel);
    let operation =
        world.begin::<StartChannelRequest>(("start", &request.name), work, finish, undo)?;
    streaming::enter(world, &request.name, StreamingState::Starting);
    Ok(operation)
}

pub(super) fn stop(world: &mut World, request: &StopChannelRequest) -> Result<Operation, Status> {
    let name = request.name.clone();
    check_state(world, &name, "a running channel", streaming::is_running)?;
    let finish = {
        let name = name.clone();
        move |world: &mut World| {
            stop_events(world, &name);
            streaming::release(world, &name);
            Ok(ChannelOperationResponse {})
        }
    };
    // A channel that is not stopped after all goes on where it can: with waiting for its encoder.
    let undo = move |world: &mut World, _: &Status| streaming::await_input(world, &name);
    let work = world.settings.takes(Work::StopChannel);
    let operation =
        world.begin::<StopChannelRequest>(("stop", &request.name), work, finish, undo)?;
    world.unplan(&request.name);
    streaming::enter(world, &request.name, StreamingState::Stopping);
    Ok(operation)
}

/// What runs on a channel ends with it.
fn stop_events(world: &mut World, channel: &str) {
    for name in world.child_names::<Event>(channel) {
        let is_running = |event: &Event| event.state() == event::State::Running;
        if world.find::<Event>(&name).is_ok_and(is_running) {
            super::events::end(world, &name, event::State::Stopped);
        }
    }
}

fn check_state(
    world: &World,
    name: &str,
    needed: &str,
    is_fit: impl FnOnce(&Channel) -> bool,
) -> Result<(), Status> {
    let channel = world.find::<Channel>(name)?;
    if is_fit(channel) {
        return Ok(());
    }
    Err(fault::wrong_state(name, channel.streaming_state().as_str_name(), needed))
}
