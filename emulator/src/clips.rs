//! Clips: copies of past parts of a channel's stream.

use super::{
    fault,
    operations::nothing,
    paging::query,
    settings::{Limit, Work},
    world::{Resource as _, World, to_time},
};
use livestream_client::{
    check::{Check as _, Context},
    model::{
        Channel, Clip, CreateClipRequest, DeleteClipRequest, GetClipRequest, ListClipsRequest,
        ListClipsResponse, Manifest,
        clip::{OutputType, Slice, State, slice::Kind},
    },
    proto::google::longrunning::Operation,
};
use std::time::{Duration, SystemTime};
use tonic::Status;

pub(super) fn create(world: &mut World, request: &CreateClipRequest) -> Result<Operation, Status> {
    let channel = world.find::<Channel>(&request.parent)?;
    let name = world.new_name::<Clip>(&request.parent, ("clip_id", &request.clip_id))?;
    let now = Context::new().at(world.now());
    fault::check(&request.violations_in(now))?;
    let mut clip = request.clip.clone().unwrap_or_default();
    let oldest = oldest_kept(world, channel)?;
    check_kept(&clip.slices, oldest, &channel.name)?;
    fault::check(&request.violations_in(now.on(channel)))?;

    clip.name.clone_from(&name);
    let output = match clip.output_uri.trim_end_matches('/') {
        "" => format!("{}/clips/{}", output_folder(channel), request.clip_id),
        chosen => chosen.to_owned(),
    };
    for clipped in &mut clip.clip_manifests {
        let source = channel.manifests.iter().find(|own| own.key == clipped.manifest_key);
        let file = source.map_or("", Manifest::output_file_name);
        clipped.output_uri = format!("{output}/{file}");
    }
    clip.output_uri = output;
    if clip.output_type() == OutputType::Unspecified {
        clip.set_output_type(OutputType::Manifest);
    }
    clip.start_time = None;
    clip.error = None;
    clip.set_state(State::Pending);
    make_room(world, &request.parent);

    let (accept, copy) =
        (world.settings.takes(Work::AcceptClip), world.settings.takes(Work::CopyClip));
    let finish = {
        let name = name.clone();
        move |world: &mut World| finish(world, &name)
    };
    let undo = {
        let name = name.clone();
        move |world: &mut World, status: &Status| fail(world, &name, status)
    };
    let operation =
        world.begin::<CreateClipRequest>(("create", &name), accept + copy, finish, undo)?;
    world.insert(clip);
    let time = world.after(accept);
    world.plan(&name.clone(), time, move |world| {
        let now = world.now().into();
        // A clip that was deleted meanwhile is not taken up.
        let _ = world.edit::<Clip>(&name, |clip| {
            clip.set_state(State::Creating);
            clip.start_time = Some(now);
        });
    });
    Ok(operation)
}

/// The folder that a channel writes to, without a slash at the end.
pub(super) fn output_folder(channel: &Channel) -> &str {
    channel.output.as_ref().map_or("", |output| output.uri.trim_end_matches('/'))
}

/// The time of the oldest content that a channel still keeps.
///
/// # Errors
/// `FAILED_PRECONDITION` where it keeps none.
pub(super) fn oldest_kept(world: &World, channel: &Channel) -> Result<SystemTime, Status> {
    let kept = channel.retention_config.and_then(|config| config.retention_window_duration);
    let kept = kept.and_then(|kept| Duration::try_from(kept).ok()).unwrap_or_default();
    if kept.is_zero() {
        let reason = "has no `retention_config`, so that no past content is kept";
        return Err(fault::precondition("NO_RETENTION", &channel.name, reason));
    }
    Ok(world.now().checked_sub(kept).unwrap_or(SystemTime::UNIX_EPOCH))
}

/// Whether a channel still keeps the content of all slices.
///
/// # Errors
/// `FAILED_PRECONDITION`.
fn check_kept(slices: &[Slice], oldest: SystemTime, channel: &str) -> Result<(), Status> {
    let starts = slices.iter().filter_map(|slice| match slice.kind? {
        Kind::TimeSlice(times) => times.markin_time.map(to_time),
    });
    if starts.min().is_some_and(|first| first < oldest) {
        let reason = "the content is older than the channel keeps it";
        return Err(fault::precondition("CONTENT_NOT_KEPT", channel, reason));
    }
    Ok(())
}

/// The newest clips are kept: as many as there may be, with the one to come.
fn make_room(world: &mut World, channel: &str) {
    let most = world.settings.most(Limit::Clips);
    let mut clips: Vec<_> = world
        .children::<Clip>(channel)
        .map(|clip| (clip.create_time().map(to_time), clip.name.clone()))
        .collect();
    clips.sort();
    let surplus = (clips.len() + 1).saturating_sub(most);
    for (_, oldest) in clips.into_iter().take(surplus) {
        world.remove::<Clip>(&oldest);
    }
}

fn finish(world: &mut World, name: &str) -> Result<Clip, Status> {
    if world.find::<Clip>(name)?.slices.is_empty() {
        return Err(fault::precondition("NO_CONTENT", name, "has no slices"));
    }
    let channel = name.split("/clips/").next().unwrap_or_default();
    if !world.pipelines.get(channel).is_some_and(|pipeline| pipeline.has_streamed) {
        let reason = "has never streamed, so that there is nothing to cut";
        return Err(fault::precondition("NO_CONTENT", channel, reason));
    }
    world.unplan(name);
    world.edit::<Clip>(name, |clip| clip.set_state(State::Succeeded))
}

/// Marks a clip that could not be made.
pub(super) fn fail(world: &mut World, name: &str, status: &Status) {
    world.unplan(name);
    // Nobody to tell where the clip is gone.
    let _ = world.edit::<Clip>(name, |clip| {
        clip.set_state(State::Failed);
        clip.error = Some(fault::to_message(status));
    });
}

pub(super) fn get(world: &mut World, request: &GetClipRequest) -> Result<Clip, Status> {
    world.find(&request.name).cloned()
}

pub(super) fn list(
    world: &mut World,
    request: &ListClipsRequest,
) -> Result<ListClipsResponse, Status> {
    world.find::<Channel>(&request.parent)?;
    let (clips, next_page_token) = world.list(&query!(request))?;
    Ok(ListClipsResponse { clips, next_page_token, unreachable: Vec::new() })
}

pub(super) fn delete(world: &mut World, request: &DeleteClipRequest) -> Result<Operation, Status> {
    world.find::<Clip>(&request.name)?;
    let name = request.name.clone();
    let finish = move |world: &mut World| {
        world.remove::<Clip>(&name);
        Ok(())
    };
    let work = world.settings.takes(Work::DeleteClip);
    world.begin::<DeleteClipRequest>(("delete", &request.name), work, finish, nothing)
}
