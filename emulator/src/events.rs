//! Events: tasks that a running channel carries out, now or at a set time.
//!
//! An event is `PENDING`, then `SCHEDULED`, then `RUNNING` from its execution time on, and ends as
//! `SUCCEEDED`, `STOPPED` or `FAILED`. Seven days later it is gone.

use super::{
    fault,
    paging::query,
    settings::Work,
    streaming,
    world::{World, to_time},
};
use livestream_client::{
    check::{Check as _, Context},
    model::{
        Asset, Channel, CreateEventRequest, DeleteEventRequest, Event, GetEventRequest,
        ListEventsRequest, ListEventsResponse, encryption, encryption_update,
        event::{State, Task},
    },
};
use std::time::{Duration, SystemTime};
use tonic::Status;

/// How long an event is kept once it is over.
const LIFETIME: Duration = Duration::from_secs(7 * 24 * 60 * 60);

pub(super) fn create(world: &mut World, request: &CreateEventRequest) -> Result<Event, Status> {
    let channel = world.find::<Channel>(&request.parent)?;
    if !streaming::is_running(channel) {
        let state = channel.streaming_state().as_str_name();
        return Err(fault::wrong_state(&channel.name, state, "a started channel"));
    }
    let mut request = request.clone();
    if let Some(event) = &mut request.event {
        // Output only, and the rules let a stored event have any execution time.
        event.create_time = None;
    }
    let context = Context::new().on(channel).at(world.now());
    fault::check(&request.violations_in(context))?;
    let mut event = request.event.unwrap_or_default();
    check_asset(world, event.task.as_ref())?;
    event.execution_time = Some(execution_time(world, &event).into());
    event.name = world.new_name::<Event>(&request.parent, ("event_id", &request.event_id))?;
    event.error = None;
    event.set_state(State::Pending);

    let name = event.name.clone();
    let time = world.after(world.settings.takes(Work::ScheduleEvent));
    world.plan(&event.name, time, move |world| schedule(world, &name));
    Ok(world.insert(event))
}

/// Whether the asset that a task shows exists.
fn check_asset(world: &World, task: Option<&Task>) -> Result<(), Status> {
    match task {
        Some(Task::Slate(task)) => world.find::<Asset>(&task.asset).map(drop),
        _ => Ok(()),
    }
}

/// When an event is to run: at its own time, or as soon as it can be.
fn execution_time(world: &World, event: &Event) -> SystemTime {
    match event.execution_time {
        Some(time) if !event.execute_now => to_time(time),
        _ => world.after(2 * world.settings.takes(Work::ScheduleEvent)),
    }
}

fn schedule(world: &mut World, name: &str) {
    let Ok(event) = world.edit::<Event>(name, |event| event.set_state(State::Scheduled)) else {
        return;
    };
    let time = event.execution_time.map_or(world.now(), to_time);
    let name = name.to_owned();
    world.plan(&event.name, time, move |world| run(world, &name));
}

fn run(world: &mut World, name: &str) {
    let started = world.edit::<Event>(name, |event| event.set_state(State::Running));
    let Ok(event) = started else { return };
    let instant = Some(world.settings.takes(Work::RunEvent));
    match carry_out(world, &event) {
        Err(status) => fail(world, name, &status),
        Ok(()) => {
            let length = match &event.task {
                Some(Task::AdBreak(_) | Task::Slate(_) | Task::Mute(_)) => duration(&event),
                _ => instant,
            };
            let Some(length) = length else { return world.unplan(name) };
            let name = name.to_owned();
            world.plan(&event.name, world.after(length), move |world| {
                end(world, &name, State::Succeeded);
            });
        }
    }
}

/// How long the task of an event is to last, where it says so.
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

/// What the task of an event does to its channel as it begins.
fn carry_out(world: &mut World, event: &Event) -> Result<(), Status> {
    let channel_name = event.name.split("/events/").next().unwrap_or_default();
    let channel = world.find::<Channel>(channel_name)?.clone();
    if !streaming::is_running(&channel) {
        let state = channel.streaming_state().as_str_name();
        return Err(fault::wrong_state(channel_name, state, "a started channel"));
    }
    fault::check_in("event", &event.violations_on(&channel))?;
    check_asset(world, event.task.as_ref())?;
    let pipeline = world.pipelines.entry(channel_name.to_owned()).or_default();
    match &event.task {
        Some(Task::InputSwitch(switch)) => {
            pipeline.is_switched = true;
            world.edit::<Channel>(channel_name, |channel| {
                channel.active_input.clone_from(&switch.input_key);
            })?;
            streaming::settle(world, channel_name);
        }
        Some(Task::ReturnToProgram(_)) => {
            for other in world.child_names::<Event>(channel_name) {
                let has_length =
                    |other: &Event| other.state() == State::Running && duration(other).is_some();
                if world.find(&other).is_ok_and(has_length) {
                    end(world, &other, State::Stopped);
                }
            }
        }
        Some(Task::Mute(_)) => pipeline.muted_by = Some(event.name.clone()),
        Some(Task::Unmute(_)) => {
            let Some(mute) = pipeline.muted_by.take() else {
                return Err(fault::precondition("NOT_MUTED", channel_name, "is not muted"));
            };
            let had_length = world.find::<Event>(&mute).is_ok_and(|mute| duration(mute).is_some());
            end(world, &mute, if had_length { State::Stopped } else { State::Succeeded });
        }
        Some(Task::UpdateEncryptions(task)) => {
            world.edit::<Channel>(channel_name, |channel| {
                for update in &task.encryptions {
                    let meant = channel.encryptions.iter_mut().filter(|own| own.id == update.id);
                    meant.for_each(|own| own.secret_source = source(update.secret_source.as_ref()));
                }
            })?;
        }
        Some(Task::AdBreak(_) | Task::Slate(_)) | None => {}
    }
    Ok(())
}

fn source(new: Option<&encryption_update::SecretSource>) -> Option<encryption::SecretSource> {
    new.map(|encryption_update::SecretSource::SecretManagerKeySource(source)| {
        encryption::SecretSource::SecretManagerKeySource(source.clone())
    })
}

/// Ends an event for good.
pub(super) fn end(world: &mut World, name: &str, state: State) {
    if world.edit::<Event>(name, |event| event.set_state(state)).is_err() {
        return;
    }
    unmute(world, name);
    let event = name.to_owned();
    world.plan(name, world.after(LIFETIME), move |world| world.remove::<Event>(&event));
}

/// An event that silenced its channel does so no more.
fn unmute(world: &mut World, name: &str) {
    let channel = name.split("/events/").next().unwrap_or_default();
    if let Some(pipeline) = world.pipelines.get_mut(channel) {
        pipeline.muted_by.take_if(|mute| mute == name);
    }
}

/// Ends an event that could not be carried out.
pub(super) fn fail(world: &mut World, name: &str, status: &Status) {
    end(world, name, State::Failed);
    // Nobody to tell where the event is gone.
    let _ = world.edit::<Event>(name, |event| event.error = Some(fault::to_message(status)));
}

/// Whether an event is over.
pub(super) fn is_over(event: &Event) -> bool {
    matches!(event.state(), State::Succeeded | State::Failed | State::Stopped)
}

pub(super) fn get(world: &mut World, request: &GetEventRequest) -> Result<Event, Status> {
    world.find(&request.name).cloned()
}

pub(super) fn list(
    world: &mut World,
    request: &ListEventsRequest,
) -> Result<ListEventsResponse, Status> {
    world.find::<Channel>(&request.parent)?;
    let (events, next_page_token) = world.list(&query!(request))?;
    Ok(ListEventsResponse { events, next_page_token, unreachable: Vec::new() })
}

pub(super) fn delete(world: &mut World, request: &DeleteEventRequest) -> Result<(), Status> {
    world.find::<Event>(&request.name)?;
    unmute(world, &request.name);
    world.remove::<Event>(&request.name);
    Ok(())
}
