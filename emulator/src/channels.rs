//! Channels: made, changed, started, stopped and deleted.

use super::{
    dvr_sessions, fault,
    mask::{self, Field},
    operations::nothing,
    paging::query,
    settings::{Limit, Work},
    streaming,
    world::{World, location_of},
};
use livestream_client::{
    model::{
        Asset, Channel, ChannelOperationResponse, Clip, CreateChannelRequest, DeleteChannelRequest,
        DvrSession, Event, GetChannelRequest, Input, ListChannelsRequest, ListChannelsResponse,
        StartChannelRequest, StopChannelRequest, UpdateChannelRequest, channel::StreamingState,
        distribution, event,
    },
    proto::google::longrunning::Operation,
};
use std::collections::HashSet;
use tonic::Status;

const UPDATABLE: &[Field<Channel>] = mask::fields!(
    Channel: input_attachments, input_config, output, elementary_streams, mux_streams, manifests,
    sprite_sheets, log_config, timecode_config, encryptions, retention_config,
);

pub(super) fn create(
    world: &mut World,
    request: &CreateChannelRequest,
) -> Result<Operation, Status> {
    let parent = &request.parent;
    let name = world.new_name::<Channel>(parent, ("channel_id", &request.channel_id))?;
    let mut channel = request.channel.clone().unwrap_or_default();
    channel.name.clone_from(&name);
    check(world, &channel)?;
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
        check(world, &channel)?;
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

/// Whether the parts of a channel fit each other and what they refer to exists.
fn check(world: &World, channel: &Channel) -> Result<(), Status> {
    let output = channel.output.as_ref().map_or("", |output| &output.uri);
    if !output.starts_with("gs://") {
        return Err(fault::invalid("channel.output.uri", "must be a Cloud Storage URI, gs://…"));
    }
    let attachments = &channel.input_attachments;
    let inputs = unique("channel.input_attachments.key", attachments.iter().map(|a| &a.key))?;
    for attachment in attachments {
        if location_of(&attachment.input) != location_of(&channel.name) {
            let reason = format!("'{}' is no input of the channel's location", attachment.input);
            return Err(fault::invalid("channel.input_attachments.input", reason));
        }
        world.find::<Input>(&attachment.input)?;
        let backups =
            attachment.automatic_failover.iter().flat_map(|failover| &failover.input_keys);
        known("channel.input_attachments.automatic_failover.input_keys", backups, &inputs)?;
    }
    let encodings = channel.elementary_streams.iter().map(|stream| &stream.key);
    let encodings = unique("channel.elementary_streams.key", encodings)?;
    let ids = unique("channel.encryptions.id", channel.encryptions.iter().map(|e| &e.id))?;
    let muxes = unique("channel.mux_streams.key", channel.mux_streams.iter().map(|m| &m.key))?;
    for mux in &channel.mux_streams {
        known("channel.mux_streams.elementary_streams", &mux.elementary_streams, &encodings)?;
        let encryption = (!mux.encryption_id.is_empty()).then_some(&mux.encryption_id);
        known("channel.mux_streams.encryption_id", encryption, &ids)?;
    }
    let keyed = channel.manifests.iter().map(|m| &m.key).filter(|key| !key.is_empty());
    unique("channel.manifests.key", keyed)?;
    let files: Vec<_> = channel.manifests.iter().map(file_name).collect();
    unique("channel.manifests.file_name", &files)?;
    for manifest in &channel.manifests {
        known("channel.manifests.mux_streams", &manifest.mux_streams, &muxes)?;
    }
    let streams = channel.distribution_streams.iter().map(|stream| &stream.key);
    let streams = unique("channel.distribution_streams.key", streams)?;
    unique("channel.distributions.key", channel.distributions.iter().map(|d| &d.key))?;
    for distribution in &channel.distributions {
        let stream = [&distribution.distribution_stream];
        known("channel.distributions.distribution_stream", stream, &streams)?;
    }
    channel.static_overlays.iter().try_for_each(|o| world.find::<Asset>(&o.asset).map(drop))
}

/// The set of some keys.
fn unique<'a>(
    field: &str,
    keys: impl IntoIterator<Item = &'a String>,
) -> Result<HashSet<&'a String>, Status> {
    let mut seen = HashSet::new();
    for key in keys {
        if key.is_empty() {
            return Err(fault::invalid(field, "is required"));
        }
        if !seen.insert(key) {
            return Err(fault::invalid(field, format!("'{key}' is there twice")));
        }
    }
    Ok(seen)
}

fn known<'a>(
    field: &str,
    keys: impl IntoIterator<Item = &'a String>,
    among: &HashSet<&String>,
) -> Result<(), Status> {
    let stray = keys.into_iter().find(|key| !among.contains(key));
    stray.map_or(Ok(()), |key| Err(fault::invalid(field, format!("nothing has the key '{key}'"))))
}

/// The file that a manifest is written to.
pub(super) fn file_name(manifest: &livestream_client::model::Manifest) -> String {
    use livestream_client::model::manifest::ManifestType;
    match (&*manifest.file_name, manifest.r#type()) {
        ("", ManifestType::Dash) => "manifest.mpd".to_owned(),
        ("", _) => "manifest.m3u8".to_owned(),
        (name, _) => name.to_owned(),
    }
}

/// The file of the one manifest that a clip or a DVR session is made from.
pub(super) fn manifest_file(
    channel: &Channel,
    field: &str,
    keys: &[&str],
) -> Result<String, Status> {
    let [key] = keys else {
        return Err(fault::invalid(field, "must hold exactly one manifest"));
    };
    let named = channel.manifests.iter().find(|m| !key.is_empty() && m.key == *key);
    let refuse = || {
        let reason = format!("no manifest of the channel has the key '{key}'");
        fault::invalid(&format!("{field}.manifest_key"), reason)
    };
    named.map(file_name).ok_or_else(refuse)
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
    let chosen = mask::choose(UPDATABLE, request.update_mask.as_ref(), &from)?;
    mask::apply(&chosen, &from, &mut changed);
    check(world, &changed)?;

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
