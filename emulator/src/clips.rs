//! Clips: copies of past parts of a channel's stream.

use super::{
    clock::to_time,
    ids::check_labels,
    operations::no_undo,
    paging::{Page, query},
    retention,
    settings::{Latency, Limit},
    state::State,
    status,
};
use livestream_client::{
    model::{
        Channel, Clip, CreateClipRequest, DeleteClipRequest, GetClipRequest, ListClipsRequest,
        ListClipsResponse, Manifest,
        clip::{OutputType, State as ClipState, slice::Kind},
    },
    proto::google::longrunning::Operation,
    validation::{Context, Validate as _},
};
use tonic::Status;

pub(super) fn create(state: &mut State, request: &CreateClipRequest) -> Result<Operation, Status> {
    let channel = state.find::<Channel>(&request.parent)?;
    let name = state.new_name::<Clip>(&request.parent, ("clip_id", &request.clip_id))?;
    let now = Context::new().at(state.now());
    status::check(&request.violations_in(now))?;
    let mut clip = request.clip.clone().unwrap_or_default();
    check_labels("clip.labels", &clip.labels)?;
    let starts = clip.slices.iter().filter_map(|slice| match slice.kind? {
        Kind::TimeSlice(times) => times.markin_time,
        // The rules refuse other kinds.
        _ => None,
    });
    retention::check_kept(state, channel, starts)?;
    status::check(&request.violations_in(now.on(channel)))?;

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
    clip.set_state(ClipState::Pending);
    make_room(state, &request.parent);

    let (accept, copy) = (
        state.settings.duration_of(Latency::AcceptClip),
        state.settings.duration_of(Latency::CopyClip),
    );
    let finish = {
        let name = name.clone();
        move |state: &mut State| finish(state, &name)
    };
    let undo = {
        let name = name.clone();
        move |state: &mut State, status: &Status| fail(state, &name, status)
    };
    let operation = state.begin::<CreateClipRequest>(
        ("create", &name),
        accept.saturating_add(copy),
        finish,
        undo,
    )?;
    let created = state.insert(clip);
    state.clip_order.push(&request.parent, &created.name);
    let time = state.after(accept);
    state.set_next(&name.clone(), time, move |state| {
        let now = state.now().into();
        // The clip may have been deleted.
        let _ = state.edit::<Clip>(&name, |clip| {
            clip.set_state(ClipState::Creating);
            clip.start_time = Some(now);
        });
    });
    Ok(operation)
}

/// The folder that a channel writes to, without a slash at the end.
fn output_folder(channel: &Channel) -> &str {
    channel.output.as_ref().map_or("", |output| output.uri.trim_end_matches('/'))
}

/// Removes the oldest clips, so that there is room for a new one.
fn make_room(state: &mut State, channel: &str) {
    let max = state.settings.max(Limit::Clips);
    while state.clip_order.count(channel) >= max {
        let Some(oldest) = state.clip_order.oldest(channel) else { return };
        remove(state, &oldest);
    }
}

fn remove(state: &mut State, name: &str) {
    state.clip_order.remove(channel_of(name), name);
    state.remove::<Clip>(name);
}

/// Removes all clips of a channel.
pub(super) fn remove_all(state: &mut State, channel: &str) {
    for clip in state.child_names::<Clip>(channel) {
        remove(state, &clip);
    }
}

fn channel_of(clip: &str) -> &str {
    clip.split("/clips/").next().unwrap_or_default()
}

fn finish(state: &mut State, name: &str) -> Result<Clip, Status> {
    if state.find::<Clip>(name)?.slices.is_empty() {
        return Err(status::precondition("NO_CONTENT", name, "has no slices"));
    }
    let channel = state.find::<Channel>(channel_of(name))?;
    for slice in &state.find::<Clip>(name)?.slices {
        let Some(Kind::TimeSlice(times)) = slice.kind else { continue };
        let (Some(from), Some(to)) = (times.markin_time, times.markout_time) else { continue };
        retention::check_video(state, channel, to_time(from), to_time(to))?;
    }
    state.clear_next(name);
    state.edit::<Clip>(name, |clip| clip.set_state(ClipState::Succeeded))
}

/// Puts a clip in `FAILED`.
pub(super) fn fail(state: &mut State, name: &str, status: &Status) {
    state.clear_next(name);
    // The clip may have been deleted.
    let _ = state.edit::<Clip>(name, |clip| {
        clip.set_state(ClipState::Failed);
        clip.error = Some(status::to_message(status));
    });
}

pub(super) fn get(state: &mut State, request: &GetClipRequest) -> Result<Clip, Status> {
    state.find(&request.name).cloned()
}

pub(super) fn list(
    state: &mut State,
    request: &ListClipsRequest,
) -> Result<ListClipsResponse, Status> {
    state.find::<Channel>(&request.parent)?;
    let Page { items: clips, next_page_token, unreachable } = state.list(&query!(request))?;
    Ok(ListClipsResponse { clips, next_page_token, unreachable })
}

pub(super) fn delete(state: &mut State, request: &DeleteClipRequest) -> Result<Operation, Status> {
    state.find::<Clip>(&request.name)?;
    let name = request.name.clone();
    let finish = move |state: &mut State| {
        remove(state, &name);
        Ok(())
    };
    let work = state.settings.duration_of(Latency::DeleteClip);
    state.begin::<DeleteClipRequest>(("delete", &request.name), work, finish, no_undo)
}
