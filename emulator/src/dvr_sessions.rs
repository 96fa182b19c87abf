//! DVR sessions: recordings of given windows of a channel's stream.
//!
//! A session follows its windows by itself: it is `SCHEDULED` until the first window begins, `LIVE`
//! until the last window ends, then in `POST_PROCESSING`, and `FINISHED`. [`phase`] computes this
//! state from the windows and the time alone. Requests lead to the other states: a session is
//! `PENDING` before the service accepts it, `UPDATING` while its windows change, in `COOLDOWN` after
//! it was cut short, `STOPPING` after its channel was updated, and `DELETING` before it is removed.

use super::{
    clock::to_time,
    ids::check_labels,
    mask,
    paging::{Page, query},
    retention,
    settings::Latency,
    state::{Resource as _, State},
    status,
};
use livestream_client::{
    mask::Updatable as _,
    model::{
        Channel, CreateDvrSessionRequest, DeleteDvrSessionRequest, DvrSession,
        GetDvrSessionRequest, ListDvrSessionsRequest, ListDvrSessionsResponse, TimeInterval,
        UpdateDvrSessionRequest,
        dvr_session::{DvrWindow, State as SessionState, dvr_window::Kind},
    },
    proto::google::longrunning::Operation,
    validation::{Context, Validate as _},
};
use prost_types::Timestamp;
use std::time::SystemTime;
use tonic::Status;

/// A window of time. Without an end it does not end by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Window {
    start: SystemTime,
    end: Option<SystemTime>,
}

pub(super) fn create(
    state: &mut State,
    request: &CreateDvrSessionRequest,
) -> Result<Operation, Status> {
    let channel = state.find::<Channel>(&request.parent)?;
    let id = &request.dvr_session_id;
    let name = state.new_name::<DvrSession>(&request.parent, ("dvr_session_id", id))?;
    status::check(&request.violations())?;
    let mut session = request.dvr_session.clone().unwrap_or_default();
    check_labels("dvr_session.labels", &session.labels)?;
    let starts = intervals(&session.dvr_windows).filter_map(|interval| interval.start_time);
    retention::check_kept(state, channel, starts)?;
    status::check(&request.violations_in(Context::new().on(channel)))?;
    check_ends(&session.dvr_windows, state.now())?;

    session.name.clone_from(&name);
    for manifest in &mut session.dvr_manifests {
        let uri = channel.dvr_output_uri(id, &manifest.manifest_key);
        manifest.output_uri = uri.map_err(|violation| status::invalid_field(&violation))?;
    }
    session.error = None;
    session.set_state(SessionState::Pending);
    let finish = {
        let name = name.clone();
        move |state: &mut State| {
            if state.find::<DvrSession>(&name)?.state() == SessionState::Pending {
                follow(state, &name);
            }
            state.find(&name).cloned()
        }
    };
    let undo = {
        let name = name.clone();
        move |state: &mut State, status: &Status| fail(state, &name, status)
    };
    let work = state.settings.duration_of(Latency::AcceptDvrSession);
    let operation =
        state.begin::<CreateDvrSessionRequest>(("create", &name), work, finish, undo)?;
    state.insert(session);
    Ok(operation)
}

fn intervals(windows: &[DvrWindow]) -> impl Iterator<Item = &TimeInterval> {
    windows.iter().filter_map(|window| match window.kind.as_ref()? {
        Kind::TimeInterval(interval) => Some(interval),
        // The rules refuse other kinds.
        _ => None,
    })
}

/// Whether each window without a start ends after the time at which it begins.
///
/// # Errors
/// `INVALID_ARGUMENT`.
fn check_ends(windows: &[DvrWindow], default_start: SystemTime) -> Result<(), Status> {
    let is_empty = |interval: &TimeInterval| {
        let end = interval.end_time.map(to_time).filter(|_| interval.start_time.is_none());
        end.is_some_and(|end| end <= default_start)
    };
    intervals(windows).position(is_empty).map_or(Ok(()), |at| {
        let field = format!("dvr_session.dvr_windows[{at}].time_interval.end_time");
        let start = Timestamp::from(default_start);
        Err(status::invalid(&field, format!("is not after the start of the window, {start}")))
    })
}

/// The state of a session with these windows at a time, and the end of that state; `None` if it
/// does not end by itself.
fn phase(windows: &[Window], now: SystemTime) -> (SessionState, Option<SystemTime>) {
    let (Some(first), Some(last)) = (windows.first(), windows.last()) else {
        return (SessionState::PostProcessing, None);
    };
    if first.start > now {
        (SessionState::Scheduled, Some(first.start))
    } else if last.end.is_none_or(|end| end > now) {
        (SessionState::Live, last.end)
    } else {
        (SessionState::PostProcessing, None)
    }
}

/// The windows of a stored session.
fn windows_of(session: &DvrSession) -> Vec<Window> {
    session.recorded_times().into_iter().map(|(start, end)| Window { start, end }).collect()
}

/// Puts a session in the state of its windows, now and at each change.
fn follow(state: &mut State, name: &str) {
    let Ok(session) = state.find::<DvrSession>(name) else { return };
    match phase(&windows_of(session), state.now()) {
        (SessionState::PostProcessing, _) => post_process(state, name),
        (next, until) => {
            enter(state, name, next);
            match until {
                Some(until) => plan(state, name, until, follow),
                None => state.clear_next(name),
            }
        }
    }
}

fn post_process(state: &mut State, name: &str) {
    pass_through(
        state,
        name,
        SessionState::PostProcessing,
        Latency::PostProcessDvrSession,
        |state, name| match check_video(state, name) {
            Ok(()) => {
                state.clear_next(name);
                enter(state, name, SessionState::Finished);
            }
            Err(status) => fail(state, name, &status),
        },
    );
}

/// Whether there is video in any window of a session.
fn check_video(state: &State, name: &str) -> Result<(), Status> {
    let session = state.find::<DvrSession>(name)?;
    let channel = state.find::<Channel>(name.split("/dvrSessions/").next().unwrap_or_default())?;
    let mut checked = windows_of(session).into_iter().map(|window| {
        retention::check_video(state, channel, window.start, window.end.unwrap_or(state.now()))
    });
    let first = checked.next().unwrap_or(Ok(()));
    checked.fold(first, |found, next| found.or(next))
}

/// Puts a session in a state for the duration of some work.
fn pass_through(
    state: &mut State,
    name: &str,
    through: SessionState,
    work: Latency,
    then: fn(&mut State, &str),
) {
    enter(state, name, through);
    let until = state.after(state.settings.duration_of(work));
    plan(state, name, until, then);
}

fn plan(state: &mut State, name: &str, time: SystemTime, next: fn(&mut State, &str)) {
    let session = name.to_owned();
    state.set_next(name, time, move |state| next(state, &session));
}

fn enter(state: &mut State, name: &str, next: SessionState) {
    // The session may have been deleted.
    let _ = state.edit::<DvrSession>(name, |session| {
        session.set_state(next);
        // The error is set only in `FAILED`.
        session.error = None;
    });
}

/// Stops the sessions of a channel that is being updated.
pub(super) fn stop_all(state: &mut State, channel: &str) {
    for name in state.child_names::<DvrSession>(channel) {
        let Ok(session) = state.find::<DvrSession>(&name) else { continue };
        // Any other session has ended, or ends already.
        let goes_on = matches!(
            session.state(),
            SessionState::Pending
                | SessionState::Updating
                | SessionState::Scheduled
                | SessionState::Live
                | SessionState::Cooldown
        );
        if !goes_on {
            continue;
        }
        let has_begun = windows_of(session).first().is_some_and(|first| first.start <= state.now());
        let then = if has_begun { post_process } else { fail_unrecorded };
        pass_through(state, &name, SessionState::Stopping, Latency::StopDvrSession, then);
    }
}

fn fail_unrecorded(state: &mut State, name: &str) {
    let reason = "its channel was updated before anything was recorded";
    fail(state, name, &status::precondition("CHANNEL_UPDATED", name, reason));
}

/// Puts a session in `FAILED`.
pub(super) fn fail(state: &mut State, name: &str, status: &Status) {
    state.clear_next(name);
    // The session may have been deleted.
    let _ = state.edit::<DvrSession>(name, |session| {
        session.set_state(SessionState::Failed);
        session.error = Some(status::to_message(status));
    });
}

pub(super) fn update(
    state: &mut State,
    request: &UpdateDvrSessionRequest,
) -> Result<Operation, Status> {
    let from = request.dvr_session.clone().unwrap_or_default();
    let name = from.name.clone();
    let session = state.find::<DvrSession>(&name)?;
    if request.update_mask.as_ref().is_none_or(|mask| mask.paths.is_empty()) {
        return Err(status::invalid("update_mask", "is required"));
    }
    let chosen = mask::choose(DvrSession::FIELDS, request.update_mask.as_ref(), &from)?;
    let mut changed = session.clone();
    mask::apply(&chosen, &from, &mut changed);
    status::check_in("dvr_session", &changed.violations())?;
    let created = session.create_time().map_or(state.now(), to_time);
    check_ends(&changed.dvr_windows, created)?;
    if let Some(reason) = session.update_refusal(&changed.dvr_windows, state.now()) {
        return Err(status::precondition("WRONG_STATE", &name, reason));
    }
    let was = session.state();

    let finish = {
        let name = name.clone();
        move |state: &mut State| {
            match state.find::<DvrSession>(&name)?.state() {
                SessionState::Updating => {}
                // An update of the channel stopped the session.
                other => return Err(status::wrong_state(&name, other.as_str_name(), "UPDATING")),
            }
            state.edit::<DvrSession>(&name, |session| mask::apply(&chosen, &from, session))?;
            resume(state, &name, was);
            state.find(&name).cloned()
        }
    };
    let undo = {
        let name = name.clone();
        // A session that is not updated continues as before.
        move |state: &mut State, _: &Status| {
            if state.find::<DvrSession>(&name).is_ok_and(|s| s.state() == SessionState::Updating) {
                follow(state, &name);
            }
        }
    };
    let work = state.settings.duration_of(Latency::UpdateDvrSession);
    let operation =
        state.begin::<UpdateDvrSessionRequest>(("update", &name), work, finish, undo)?;
    state.clear_next(&name);
    enter(state, &name, SessionState::Updating);
    Ok(operation)
}

/// Continues an updated session. If it was cut short, it pauses before its new manifest is made.
fn resume(state: &mut State, name: &str, was: SessionState) {
    let Ok(session) = state.find::<DvrSession>(name) else { return };
    let (next, _) = phase(&windows_of(session), state.now());
    if was == SessionState::Live && next == SessionState::PostProcessing {
        pass_through(state, name, SessionState::Cooldown, Latency::CoolDvrSession, post_process);
    } else {
        follow(state, name);
    }
}

pub(super) fn delete(
    state: &mut State,
    request: &DeleteDvrSessionRequest,
) -> Result<Operation, Status> {
    let name = request.name.clone();
    let was = state.find::<DvrSession>(&name)?.clone();
    let finish = {
        let name = name.clone();
        move |state: &mut State| {
            state.remove::<DvrSession>(&name);
            Ok(())
        }
    };
    let undo = move |state: &mut State, _: &Status| match was.state() {
        // A session that has ended stays as it was. Any other continues.
        over @ (SessionState::Finished | SessionState::Failed) => {
            // The session exists: only this operation could have removed it.
            let _ = state.edit::<DvrSession>(&was.name, |session| {
                session.set_state(over);
                session.error.clone_from(&was.error);
            });
        }
        SessionState::Stopping | SessionState::Cooldown | SessionState::PostProcessing => {
            post_process(state, &was.name)
        }
        _ => follow(state, &was.name),
    };
    let work = state.settings.duration_of(Latency::DeleteDvrSession);
    let operation =
        state.begin::<DeleteDvrSessionRequest>(("delete", &name), work, finish, undo)?;
    state.clear_next(&name);
    enter(state, &name, SessionState::Deleting);
    Ok(operation)
}

pub(super) fn get(state: &mut State, request: &GetDvrSessionRequest) -> Result<DvrSession, Status> {
    state.find(&request.name).cloned()
}

pub(super) fn list(
    state: &mut State,
    request: &ListDvrSessionsRequest,
) -> Result<ListDvrSessionsResponse, Status> {
    state.find::<Channel>(&request.parent)?;
    let Page { items: dvr_sessions, next_page_token, unreachable } =
        state.list(&query!(request))?;
    Ok(ListDvrSessionsResponse { dvr_sessions, next_page_token, unreachable })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn window(start: u64, end: u64) -> Window {
        Window { start: at(start), end: Some(at(end)) }
    }

    #[test]
    fn phase_of_a_dvr_session_depends_on_its_windows_and_the_time() {
        let windows = [window(10, 20), window(30, 40)];
        assert_eq!(phase(&windows, at(9)), (SessionState::Scheduled, Some(at(10))));
        assert_eq!(phase(&windows, at(10)), (SessionState::Live, Some(at(40))));
        assert_eq!(phase(&windows, at(25)), (SessionState::Live, Some(at(40))));
        assert_eq!(phase(&windows, at(40)), (SessionState::PostProcessing, None));
        let open = [Window { start: at(10), end: None }];
        assert_eq!(phase(&open, at(99)), (SessionState::Live, None));
    }
}
