//! Events: tasks that a running channel executes, now or at a set time.
//!
//! An event is `PENDING`, then `SCHEDULED`, `RUNNING` from its execution time, and finally
//! `SUCCEEDED`, `STOPPED` or `FAILED`. It is removed seven days after its end.

use super::{
    clock::{self, to_time},
    ids::check_labels,
    paging::{Page, query},
    references,
    settings::Latency,
    state::State,
    status, streaming,
};
use livestream_client::{
    model::{
        Channel, CreateEventRequest, DeleteEventRequest, Event, GetEventRequest, ListEventsRequest,
        ListEventsResponse, encryption, encryption_update,
        event::{State as EventState, Task},
    },
    validation::{Context, Validate as _},
};
use std::time::{Duration, SystemTime};
use tonic::Status;

/// How long an event is kept after its end.
const LIFETIME: Duration = Duration::from_secs(7 * 24 * 60 * 60);

pub(super) fn create(state: &mut State, request: &CreateEventRequest) -> Result<Event, Status> {
    let channel = state.find::<Channel>(&request.parent)?;
    if !streaming::is_running(channel) {
        let current = channel.streaming_state().as_str_name();
        return Err(status::wrong_state(&channel.name, current, "a started channel"));
    }
    let mut request = request.clone();
    if let Some(event) = &mut request.event {
        // Output only. The rules allow any execution time in an event that has been created.
        event.create_time = None;
    }
    let context = Context::new().on(channel).at(state.now());
    status::check(&request.violations_in(context))?;
    let mut event = request.event.unwrap_or_default();
    check_labels("event.labels", &event.labels)?;
    check_task(state, &request.parent, event.task.as_ref())?;
    event.execution_time = Some(execution_time(state, &event).into());
    event.name = state.new_name::<Event>(&request.parent, ("event_id", &request.event_id))?;
    event.error = None;
    event.set_state(EventState::Pending);

    let name = event.name.clone();
    let time = state.after(state.settings.duration_of(Latency::ScheduleEvent));
    state.set_next(&event.name, time, move |state| schedule(state, &name));
    Ok(state.insert(event))
}

/// Whether a channel can execute a task: it is a known one, and the asset that it shows exists.
fn check_task(state: &State, channel: &str, task: Option<&Task>) -> Result<(), Status> {
    match task {
        Some(Task::Slate(task)) => {
            references::check_asset(state, "event.slate.asset", &task.asset, channel)
        }
        Some(Task::UpdateEncryptions(task)) => {
            let mut updates = task.encryptions.iter().enumerate();
            updates.try_for_each(|(at, update)| match &update.secret_source {
                Some(encryption_update::SecretSource::SecretManagerKeySource(_)) | None => Ok(()),
                Some(_) => {
                    let field = format!("event.update_encryptions.encryptions[{at}].secret_source");
                    Err(status::unknown_variant(&field))
                }
            })
        }
        Some(
            Task::InputSwitch(_)
            | Task::AdBreak(_)
            | Task::ReturnToProgram(_)
            | Task::Mute(_)
            | Task::Unmute(_),
        )
        | None => Ok(()),
        Some(_) => Err(status::unknown_variant("event.task")),
    }
}

/// When an event runs: at its own time, or as soon as it can be scheduled.
fn execution_time(state: &State, event: &Event) -> SystemTime {
    match event.execution_time {
        // The rules refuse an execution time beside `execute_now`.
        Some(time) => to_time(time),
        None => {
            let delay = state.settings.duration_of(Latency::ScheduleEvent).saturating_mul(2);
            clock::after(state.now(), delay)
        }
    }
}

fn schedule(state: &mut State, name: &str) {
    let Ok(event) = state.edit::<Event>(name, |event| event.set_state(EventState::Scheduled))
    else {
        return;
    };
    let time = event.execution_time.map_or(state.now(), to_time);
    let name = name.to_owned();
    state.set_next(&event.name, time, move |state| run(state, &name));
}

fn run(state: &mut State, name: &str) {
    let started = state.edit::<Event>(name, |event| event.set_state(EventState::Running));
    let Ok(event) = started else { return };
    let instant = Some(state.settings.duration_of(Latency::RunEvent));
    match execute(state, &event) {
        Err(status) => fail(state, name, &status),
        Ok(()) => {
            let length = match &event.task {
                Some(Task::AdBreak(_) | Task::Slate(_) | Task::Mute(_)) => duration(&event),
                _ => instant,
            };
            let Some(length) = length else { return state.clear_next(name) };
            let name = name.to_owned();
            state.set_next(&event.name, state.after(length), move |state| {
                end(state, &name, EventState::Succeeded);
            });
        }
    }
}

/// The duration of an event, if its task has one.
fn duration(event: &Event) -> Option<Duration> {
    to_duration(match event.task.as_ref()? {
        Task::AdBreak(task) => task.duration,
        Task::Slate(task) => task.duration,
        Task::Mute(task) => task.duration,
        _ => None,
    })
}

fn to_duration(duration: Option<prost_types::Duration>) -> Option<Duration> {
    Duration::try_from(duration?).ok()
}

/// Executes the task of an event on its channel.
fn execute(state: &mut State, event: &Event) -> Result<(), Status> {
    let channel_name = event.name.split("/events/").next().unwrap_or_default();
    let channel = state.find::<Channel>(channel_name)?.clone();
    if !streaming::is_running(&channel) {
        let current = channel.streaming_state().as_str_name();
        return Err(status::wrong_state(channel_name, current, "a started channel"));
    }
    status::check_in("event", &event.violations_on(&channel))?;
    check_task(state, channel_name, event.task.as_ref())?;
    let pipeline = state.pipelines.entry(channel_name.to_owned()).or_default();
    match &event.task {
        Some(Task::InputSwitch(switch)) => {
            pipeline.is_switched = true;
            state.edit::<Channel>(channel_name, |channel| {
                channel.active_input.clone_from(&switch.input_key);
            })?;
            streaming::settle(state, channel_name);
        }
        Some(Task::ReturnToProgram(_)) => {
            for other in state.child_names::<Event>(channel_name) {
                let has_length = |other: &Event| {
                    other.state() == EventState::Running && duration(other).is_some()
                };
                if state.find(&other).is_ok_and(has_length) {
                    end(state, &other, EventState::Stopped);
                }
            }
        }
        Some(Task::Mute(_)) => pipeline.muted_by = Some(event.name.clone()),
        Some(Task::Unmute(_)) => {
            let Some(mute) = pipeline.muted_by.take() else {
                return Err(status::precondition("NOT_MUTED", channel_name, "is not muted"));
            };
            let had_length = state.find::<Event>(&mute).is_ok_and(|mute| duration(mute).is_some());
            end(state, &mute, if had_length { EventState::Stopped } else { EventState::Succeeded });
        }
        Some(Task::UpdateEncryptions(task)) => {
            state.edit::<Channel>(channel_name, |channel| {
                for update in &task.encryptions {
                    let meant = channel.encryptions.iter_mut().filter(|own| own.id == update.id);
                    meant.for_each(|own| own.secret_source = source(update.secret_source.as_ref()));
                }
            })?;
        }
        // Ad breaks and slates change nothing here. Unknown tasks were refused above.
        Some(_) | None => {}
    }
    Ok(())
}

fn source(new: Option<&encryption_update::SecretSource>) -> Option<encryption::SecretSource> {
    match new? {
        encryption_update::SecretSource::SecretManagerKeySource(source) => {
            Some(encryption::SecretSource::SecretManagerKeySource(source.clone()))
        }
        // `check_task` refuses other sources.
        _ => None,
    }
}

/// Ends an event.
pub(super) fn end(state: &mut State, name: &str, outcome: EventState) {
    if state.edit::<Event>(name, |event| event.set_state(outcome)).is_err() {
        return;
    }
    unmute(state, name);
    let event = name.to_owned();
    state.set_next(name, state.after(LIFETIME), move |state| state.remove::<Event>(&event));
}

/// Ends the muting of a channel by an event.
fn unmute(state: &mut State, name: &str) {
    let channel = name.split("/events/").next().unwrap_or_default();
    if let Some(pipeline) = state.pipelines.get_mut(channel) {
        pipeline.muted_by.take_if(|mute| mute == name);
    }
}

/// Ends an event with an error.
pub(super) fn fail(state: &mut State, name: &str, status: &Status) {
    end(state, name, EventState::Failed);
    // The event may have been deleted.
    let _ = state.edit::<Event>(name, |event| event.error = Some(status::to_message(status)));
}

/// Whether an event has ended.
pub(super) fn has_ended(event: &Event) -> bool {
    matches!(event.state(), EventState::Succeeded | EventState::Failed | EventState::Stopped)
}

pub(super) fn get(state: &mut State, request: &GetEventRequest) -> Result<Event, Status> {
    state.find(&request.name).cloned()
}

pub(super) fn list(
    state: &mut State,
    request: &ListEventsRequest,
) -> Result<ListEventsResponse, Status> {
    state.find::<Channel>(&request.parent)?;
    let Page { items: events, next_page_token, unreachable } = state.list(&query!(request))?;
    Ok(ListEventsResponse { events, next_page_token, unreachable })
}

pub(super) fn delete(state: &mut State, request: &DeleteEventRequest) -> Result<(), Status> {
    state.find::<Event>(&request.name)?;
    unmute(state, &request.name);
    state.remove::<Event>(&request.name);
    Ok(())
}
