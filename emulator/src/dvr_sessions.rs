//! DVR sessions: recordings of given windows of a channel's stream.
//!
//! A session follows its windows by itself: `SCHEDULED` until the first begins, `LIVE` until the
//! last ends, `POST_PROCESSING`, `FINISHED`. Operations step in between: it is `PENDING` until
//! taken up, `UPDATING` while its windows change, `COOLDOWN` after it was cut short, `STOPPING`
//! after its channel was updated, `DELETING` before it is gone. What follows from windows and time
//! alone is [`phase`].

use super::{
    clips, fault, mask,
    paging::query,
    settings::Work,
    world::{Resource as _, World, to_time},
};
use livestream_client::{
    check::{Check as _, Context},
    mask::Changeable as _,
    model::{
        Channel, CreateDvrSessionRequest, DeleteDvrSessionRequest, DvrSession,
        GetDvrSessionRequest, ListDvrSessionsRequest, ListDvrSessionsResponse, TimeInterval,
        UpdateDvrSessionRequest,
        dvr_session::{DvrWindow, State, dvr_window::Kind},
    },
    proto::google::longrunning::Operation,
};
use prost_types::Timestamp;
use std::time::SystemTime;
use tonic::Status;

/// A window of time; without an end it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Window {
    start: SystemTime,
    end: Option<SystemTime>,
}

pub(super) fn create(
    world: &mut World,
    request: &CreateDvrSessionRequest,
) -> Result<Operation, Status> {
    let channel = world.find::<Channel>(&request.parent)?;
    let id = &request.dvr_session_id;
    let name = world.new_name::<DvrSession>(&request.parent, ("dvr_session_id", id))?;
    fault::check(&request.violations())?;
    let mut session = request.dvr_session.clone().unwrap_or_default();
    let oldest = clips::oldest_kept(world, channel)?;
    fault::check(&request.violations_in(Context::new().on(channel)))?;
    check_ends(&session.dvr_windows, world.now())?;
    if windows(&session.dvr_windows, world.now()).iter().any(|window| window.start < oldest) {
        let reason = "a window begins before what the channel still keeps";
        return Err(fault::precondition("CONTENT_NOT_KEPT", &channel.name, reason));
    }

    session.name.clone_from(&name);
    for manifest in &mut session.dvr_manifests {
        let uri = channel.dvr_output_uri(id, &manifest.manifest_key);
        manifest.output_uri = uri.map_err(|violation| fault::invalid_field(&violation))?;
    }
    session.error = None;
    session.set_state(State::Pending);
    let finish = {
        let name = name.clone();
        move |world: &mut World| {
            if world.find::<DvrSession>(&name)?.state() == State::Pending {
                follow(world, &name);
            }
            world.find(&name).cloned()
        }
    };
    let undo = {
        let name = name.clone();
        move |world: &mut World, status: &Status| fail(world, &name, status)
    };
    let work = world.settings.takes(Work::AcceptDvrSession);
    let operation =
        world.begin::<CreateDvrSessionRequest>(("create", &name), work, finish, undo)?;
    world.insert(session);
    Ok(operation)
}

/// The windows in the order of time; a window without a start begins at `default_start`, and windows
/// that overlap are one.
fn windows(windows: &[DvrWindow], default_start: SystemTime) -> Vec<Window> {
    let mut all = intervals(windows)
        .map(|interval| Window {
            start: interval.start_time.map_or(default_start, to_time),
            end: interval.end_time.map(to_time),
        })
        .collect::<Vec<_>>();
    all.sort_by_key(|window| window.start);
    let mut apart: Vec<Window> = Vec::with_capacity(all.len());
    for window in all {
        match apart.last_mut().filter(|last| last.end.is_none_or(|end| end > window.start)) {
            Some(last) => last.end = last.end.zip(window.end).map(|(one, other)| one.max(other)),
            None => apart.push(window),
        }
    }
    apart
}

fn intervals(windows: &[DvrWindow]) -> impl Iterator<Item = &TimeInterval> {
    windows.iter().filter_map(|window| match window.kind.as_ref()? {
        Kind::TimeInterval(interval) => Some(interval),
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
        Err(fault::invalid(&field, format!("is not after the start of the window, {start}")))
    })
}

/// What a session does at a time, and until when (for ever, without): nothing but its windows
/// decides.
fn phase(windows: &[Window], now: SystemTime) -> (State, Option<SystemTime>) {
    let (Some(first), Some(last)) = (windows.first(), windows.last()) else {
        return (State::PostProcessing, None);
    };
    if first.start > now {
        (State::Scheduled, Some(first.start))
    } else if last.end.is_none_or(|end| end > now) {
        (State::Live, last.end)
    } else {
        (State::PostProcessing, None)
    }
}

/// The windows of a stored session.
fn windows_of(session: &DvrSession) -> Vec<Window> {
    let created = session.create_time().map_or(SystemTime::UNIX_EPOCH, to_time);
    windows(&session.dvr_windows, created)
}

/// Has a session do what its windows say, from now on.
fn follow(world: &mut World, name: &str) {
    let Ok(session) = world.find::<DvrSession>(name) else { return };
    match phase(&windows_of(session), world.now()) {
        (State::PostProcessing, _) => post_process(world, name),
        (state, until) => {
            enter(world, name, state);
            match until {
                Some(until) => plan(world, name, until, follow),
                None => world.unplan(name),
            }
        }
    }
}

fn post_process(world: &mut World, name: &str) {
    pass_through(world, name, State::PostProcessing, Work::PostProcessDvrSession, |world, name| {
        world.unplan(name);
        enter(world, name, State::Finished);
    });
}

/// Puts a session into a state for as long as some work takes.
fn pass_through(
    world: &mut World,
    name: &str,
    state: State,
    work: Work,
    then: fn(&mut World, &str),
) {
    enter(world, name, state);
    let until = world.after(world.settings.takes(work));
    plan(world, name, until, then);
}

fn plan(world: &mut World, name: &str, time: SystemTime, next: fn(&mut World, &str)) {
    let session = name.to_owned();
    world.plan(name, time, move |world| next(world, &session));
}

fn enter(world: &mut World, name: &str, state: State) {
    // Nothing to do for a session that is gone.
    let _ = world.edit::<DvrSession>(name, |session| session.set_state(state));
}

/// The channel of these sessions is being updated: they end.
pub(super) fn stop_all(world: &mut World, channel: &str) {
    for name in world.child_names::<DvrSession>(channel) {
        let Ok(session) = world.find::<DvrSession>(&name) else { continue };
        let ends = match session.state() {
            State::Pending | State::Updating | State::Scheduled | State::Live | State::Cooldown => {
                true
            }
            State::Stopping | State::PostProcessing | State::Finished => false,
            State::Failed | State::Deleting | State::Unspecified => false,
        };
        if !ends {
            continue;
        }
        let has_begun = windows_of(session).first().is_some_and(|first| first.start <= world.now());
        let then = if has_begun { post_process } else { fail_unrecorded };
        pass_through(world, &name, State::Stopping, Work::StopDvrSession, then);
    }
}

fn fail_unrecorded(world: &mut World, name: &str) {
    let reason = "its channel was updated before anything was recorded";
    fail(world, name, &fault::precondition("CHANNEL_UPDATED", name, reason));
}

/// Marks a session that went wrong.
pub(super) fn fail(world: &mut World, name: &str, status: &Status) {
    world.unplan(name);
    // Nobody to tell where the session is gone.
    let _ = world.edit::<DvrSession>(name, |session| {
        session.set_state(State::Failed);
        session.error = Some(fault::to_message(status));
    });
}

pub(super) fn update(
    world: &mut World,
    request: &UpdateDvrSessionRequest,
) -> Result<Operation, Status> {
    let from = request.dvr_session.clone().unwrap_or_default();
    let name = from.name.clone();
    let session = world.find::<DvrSession>(&name)?;
    if request.update_mask.as_ref().is_none_or(|mask| mask.paths.is_empty()) {
        return Err(fault::invalid("update_mask", "is required"));
    }
    let chosen = mask::choose(DvrSession::CHANGEABLE, request.update_mask.as_ref(), &from)?;
    let mut changed = session.clone();
    mask::apply(&chosen, &from, &mut changed);
    fault::check_in("dvr_session", &changed.violations())?;
    let created = session.create_time().map_or(world.now(), to_time);
    check_ends(&changed.dvr_windows, created)?;
    let new = windows_of(&changed);
    let was = session.state();
    match was {
        State::Scheduled => {}
        State::Live => check_keeps_recording(&name, &windows_of(session), &new, world.now())?,
        other => return Err(fault::wrong_state(&name, other.as_str_name(), "SCHEDULED or LIVE")),
    }

    let finish = {
        let name = name.clone();
        move |world: &mut World| {
            match world.find::<DvrSession>(&name)?.state() {
                State::Updating => {}
                // An update of the channel came in between.
                other => return Err(fault::wrong_state(&name, other.as_str_name(), "UPDATING")),
            }
            world.edit::<DvrSession>(&name, |session| mask::apply(&chosen, &from, session))?;
            go_on(world, &name, was);
            world.find(&name).cloned()
        }
    };
    let undo = {
        let name = name.clone();
        // A session that is not updated goes on as before.
        move |world: &mut World, _: &Status| {
            if world.find::<DvrSession>(&name).is_ok_and(|s| s.state() == State::Updating) {
                follow(world, &name);
            }
        }
    };
    let work = world.settings.takes(Work::UpdateDvrSession);
    let operation =
        world.begin::<UpdateDvrSessionRequest>(("update", &name), work, finish, undo)?;
    world.unplan(&name);
    enter(world, &name, State::Updating);
    Ok(operation)
}

/// A recording that was cut short pauses before its manifest is made anew.
fn go_on(world: &mut World, name: &str, was: State) {
    let Ok(session) = world.find::<DvrSession>(name) else { return };
    let (next, _) = phase(&windows_of(session), world.now());
    if was == State::Live && next == State::PostProcessing {
        pass_through(world, name, State::Cooldown, Work::CoolDvrSession, post_process);
    } else {
        follow(world, name);
    }
}

/// What is recorded already stays, unless the recording as a whole is to end in the past.
fn check_keeps_recording(
    name: &str,
    old: &[Window],
    new: &[Window],
    now: SystemTime,
) -> Result<(), Status> {
    let begun = |windows: &[Window]| -> Vec<Window> {
        windows.iter().filter(|window| window.start <= now).copied().collect()
    };
    let (old, begun_new) = (begun(old), begun(new));
    let cuts_short = new.last().is_some_and(|last| last.end.is_some_and(|end| end <= now));
    let keeps = if cuts_short {
        // Fewer windows, or the last one shorter; nothing that was not recorded before.
        begun_new.len() <= old.len()
            && begun_new.iter().zip(&old).all(|(new, old)| {
                let is_within = old.end.is_none_or(|old| new.end.is_some_and(|new| new <= old));
                new.start == old.start && is_within
            })
    } else {
        let recorded = |window: &Window| (window.start, window.end.filter(|end| *end <= now));
        begun_new.iter().map(recorded).eq(old.iter().map(recorded))
    };
    if keeps {
        return Ok(());
    }
    let reason = "is LIVE, and the update could overwrite its manifest";
    Err(fault::precondition("WRONG_STATE", name, reason))
}

pub(super) fn delete(
    world: &mut World,
    request: &DeleteDvrSessionRequest,
) -> Result<Operation, Status> {
    let name = request.name.clone();
    let was = world.find::<DvrSession>(&name)?.clone();
    let finish = {
        let name = name.clone();
        move |world: &mut World| {
            world.remove::<DvrSession>(&name);
            Ok(())
        }
    };
    let undo = move |world: &mut World, _: &Status| match was.state() {
        // What is over stays as it was; anything else goes on.
        state @ (State::Finished | State::Failed) => enter(world, &was.name, state),
        State::Stopping | State::Cooldown | State::PostProcessing => post_process(world, &was.name),
        _ => follow(world, &was.name),
    };
    let work = world.settings.takes(Work::DeleteDvrSession);
    let operation =
        world.begin::<DeleteDvrSessionRequest>(("delete", &name), work, finish, undo)?;
    world.unplan(&name);
    enter(world, &name, State::Deleting);
    Ok(operation)
}

pub(super) fn get(world: &mut World, request: &GetDvrSessionRequest) -> Result<DvrSession, Status> {
    world.find(&request.name).cloned()
}

pub(super) fn list(
    world: &mut World,
    request: &ListDvrSessionsRequest,
) -> Result<ListDvrSessionsResponse, Status> {
    world.find::<Channel>(&request.parent)?;
    let (dvr_sessions, next_page_token) = world.list(&query!(request))?;
    Ok(ListDvrSessionsResponse { dvr_sessions, next_page_token, unreachable: Vec::new() })
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
    fn windows_and_time_decide_the_phase() {
        let windows = [window(10, 20), window(30, 40)];
        assert_eq!(phase(&windows, at(9)), (State::Scheduled, Some(at(10))));
        assert_eq!(phase(&windows, at(10)), (State::Live, Some(at(40))));
        assert_eq!(phase(&windows, at(25)), (State::Live, Some(at(40))));
        assert_eq!(phase(&windows, at(40)), (State::PostProcessing, None));
        let open = [Window { start: at(10), end: None }];
        assert_eq!(phase(&open, at(99)), (State::Live, None));
    }

    #[test]
    fn windows_are_put_in_order_and_overlapping_ones_are_joined() {
        let interval = |start: Option<u64>, end: Option<u64>| DvrWindow {
            kind: Some(Kind::TimeInterval(TimeInterval {
                start_time: start.map(|start| at(start).into()),
                end_time: end.map(|end| at(end).into()),
            })),
        };
        let given = [
            interval(Some(50), Some(60)),
            interval(Some(10), Some(20)),
            interval(Some(20), Some(30)),
            interval(Some(55), Some(58)),
            interval(None, Some(9)),
        ];
        let expected = [window(5, 9), window(10, 20), window(20, 30), window(50, 60)];
        assert_eq!(windows(&given, at(5)), expected);
        let open = [interval(Some(10), None), interval(Some(50), Some(60))];
        assert_eq!(windows(&open, at(5)), [Window { start: at(10), end: None }]);
    }

    #[test]
    fn a_live_recording_may_end_later_or_in_the_past_but_not_change_what_it_holds() {
        let old = [window(10, 20), window(30, 60)];
        let allowed: &[&[Window]] = &[
            &[window(10, 20), window(30, 90)],
            &[window(10, 20), window(30, 51)],
            &[window(10, 20), window(30, 60), window(70, 80)],
            &[window(10, 20), window(30, 45)],
            &[window(10, 20)],
            &[window(10, 15)],
        ];
        let refused: &[&[Window]] = &[
            &[window(10, 21), window(30, 60)],
            &[window(11, 20), window(30, 60)],
            &[window(30, 60)],
            &[window(10, 20), window(25, 45)],
            &[window(5, 15)],
            &[window(10, 25)],
            &[window(60, 90)],
        ];
        for new in allowed {
            assert!(check_keeps_recording("s", &old, new, at(50)).is_ok(), "{new:?}");
        }
        for new in refused {
            assert!(check_keeps_recording("s", &old, new, at(50)).is_err(), "{new:?}");
        }
    }
}
