//! The world at a glance, for the page: channels with their timelines, inputs, operations, requests.

use crate::{
    emulator::Emulator,
    gate::{Connection, LoggedRequest},
    pipeline::Feed,
    state::{Resource as _, State},
};
use bytes::Bytes;
use http::{HeaderValue, Response, header};
use http_body::Frame;
use livestream_client::model::{
    Channel, Clip, DvrSession, Event, Input, clip::slice, dvr_session::dvr_window, event::Task,
};
use prost_types::Timestamp;
use serde_json::{Value, json};
use std::{
    convert::Infallible,
    future::pending,
    pin::Pin,
    task::{Context, Poll, ready},
    time::{Duration, SystemTime},
};
use tokio::{sync::mpsc, time::Instant};
use tonic::body::Body;

/// The largest number of channels, inputs, operations and requests on the page.
const MAX_ITEMS: usize = 100;

/// How often the world is compared with what the page shows.
const PERIOD: Duration = Duration::from_millis(500);

/// The world as JSON.
pub(super) fn world(emulator: &Emulator) -> Value {
    let (time, world) = {
        let state = emulator.state();
        (state.now(), resources(&state))
    };
    let gate = emulator.gate();
    let requests: Vec<_> = gate.log.requests().rev().take(MAX_ITEMS).map(request).collect();
    json!({
        "time": text(time),
        "speed": emulator.speed(),
        "paused": emulator.is_paused(),
        "world": world,
        "requests": requests,
    })
}

fn resources(state: &State) -> Value {
    let channels: Vec<_> = Channel::table(state).values().take(MAX_ITEMS).collect();
    let inputs = Input::table(state).values().take(MAX_ITEMS).map(|input| {
        json!({
            "name": input.name,
            "type": input.r#type().as_str_name(),
            "connected": state.feeds.get(&input.name) == Some(&Feed::Connected),
        })
    });
    let operations = state.operations.records.values().filter(|record| record.outcome.is_none());
    let operations = operations.take(MAX_ITEMS).map(|record| {
        json!({
            "verb": record.metadata.verb,
            "target": record.metadata.target,
            "since": record.metadata.create_time.as_ref().map(Timestamp::to_string),
        })
    });
    json!({
        "channels": channels.iter().map(|own| channel(state, own)).collect::<Vec<_>>(),
        "channelCount": Channel::table(state).len(),
        "inputs": inputs.collect::<Vec<_>>(),
        "operations": operations.collect::<Vec<_>>(),
    })
}

fn channel(state: &State, channel: &Channel) -> Value {
    let pipeline = state.pipelines.get(&channel.name);
    let on_air = pipeline.iter().flat_map(|pipeline| pipeline.on_air.iter().rev().take(MAX_ITEMS));
    let on_air = on_air.map(|(start, end)| json!([text(*start), end.map(text)]));
    let events = state.children::<Event>(&channel.name).take(MAX_ITEMS).map(|event| {
        json!({
            "name": event.name,
            "state": event.state().as_str_name(),
            "task": event.task.as_ref().map_or("", task),
            "time": event.execution_time.as_ref().map(Timestamp::to_string),
        })
    });
    let sessions = state.children::<DvrSession>(&channel.name).take(MAX_ITEMS).map(|session| {
        let windows =
            session.dvr_windows.iter().filter_map(|window| match window.kind.as_ref()? {
                dvr_window::Kind::TimeInterval(times) => {
                    let start = times.start_time.or(session.create_time);
                    Some(json!([
                        start.map(|t| t.to_string()),
                        times.end_time.map(|t| t.to_string())
                    ]))
                }
                _ => None,
            });
        json!({
            "name": session.name,
            "state": session.state().as_str_name(),
            "times": windows.collect::<Vec<_>>(),
        })
    });
    let clips = state.children::<Clip>(&channel.name).take(MAX_ITEMS).map(|clip| {
        let slices = clip.slices.iter().filter_map(|part| match part.kind.as_ref()? {
            slice::Kind::TimeSlice(times) => Some(json!([
                times.markin_time.map(|time| time.to_string()),
                times.markout_time.map(|time| time.to_string()),
            ])),
            _ => None,
        });
        json!({
            "name": clip.name,
            "state": clip.state().as_str_name(),
            "times": slices.collect::<Vec<_>>(),
        })
    });
    json!({
        "name": channel.name,
        "state": channel.streaming_state().as_str_name(),
        "activeInput": channel.active_input,
        "error": channel.streaming_error.as_ref().map(|error| &error.message),
        "onAir": on_air.collect::<Vec<_>>(),
        "events": events.collect::<Vec<_>>(),
        "dvrSessions": sessions.collect::<Vec<_>>(),
        "clips": clips.collect::<Vec<_>>(),
    })
}

fn task(task: &Task) -> &'static str {
    match task {
        Task::InputSwitch(_) => "input switch",
        Task::AdBreak(_) => "ad break",
        Task::ReturnToProgram(_) => "return to program",
        Task::Slate(_) => "slate",
        Task::Mute(_) => "mute",
        Task::Unmute(_) => "unmute",
        Task::UpdateEncryptions(_) => "update encryptions",
        _ => "other",
    }
}

fn request(request: &LoggedRequest) -> Value {
    json!({
        "number": request.number(),
        "time": text(request.time()),
        "method": request.method(),
        "resource": request.resource(),
        "json": request.is_json(),
        "code": request.code().map(|code| format!("{code:?}")),
        "message": request.error_message(),
    })
}

fn text(time: SystemTime) -> String {
    Timestamp::from(time).to_string()
}

/// The time and the speed of the clock, and when they were read.
struct Reading {
    after: Instant,
    time: SystemTime,
    before: Instant,
    speed: u32,
}

impl Reading {
    fn new(emulator: &Emulator) -> Self {
        let after = Instant::now();
        let time = emulator.present();
        let speed = if emulator.is_paused() { 0 } else { emulator.speed() };
        Self { after, time, before: Instant::now(), speed }
    }

    /// Whether the clock has run on by itself since an earlier reading.
    fn follows(&self, earlier: &Self) -> bool {
        let least =
            self.after.saturating_duration_since(earlier.before).saturating_mul(earlier.speed);
        let most =
            self.before.saturating_duration_since(earlier.after).saturating_mul(earlier.speed);
        let passed = self.time.duration_since(earlier.time);
        passed.is_ok_and(|passed| least <= passed && passed <= most)
    }
}

/// The world as server-sent events: one at once, one after each change, and one when the clock jumps,
/// stops or gets another speed.
pub(super) fn stream(emulator: &Emulator, connection: Option<Connection>) -> Response<Body> {
    let (sender, events) = mpsc::channel(1);
    let emulator = emulator.clone();
    tokio::spawn(async move {
        let mut last = None;
        loop {
            let clock = Reading::new(&emulator);
            let now = world(&emulator);
            // The time alone is not a change: the page has a clock of its own.
            let shown =
                json!([now["world"], now["requests"], now["paused"], now["speed"]]).to_string();
            let is_shown =
                last.as_ref().is_some_and(|(last, then)| *last == shown && clock.follows(then));
            if !is_shown {
                last = Some((shown, clock));
                if sender.send(Bytes::from(format!("data: {now}\n\n"))).await.is_err() {
                    return;
                }
            }
            let ending = async {
                match &connection {
                    Some(connection) => connection.ending().await,
                    None => pending().await,
                }
            };
            tokio::select! {
                () = tokio::time::sleep(PERIOD) => {}
                () = sender.closed() => return,
                () = ending => return,
            }
        }
    });
    let mut response = Response::new(Body::new(Events(events)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A body of events.
struct Events(mpsc::Receiver<Bytes>);

impl http_body::Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let event = ready!(self.0.poll_recv(cx));
        Poll::Ready(event.map(|event| Ok(Frame::data(event))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use livestream_client::model::event;

    #[test]
    fn each_task_of_an_event_has_a_name() {
        let tasks = [
            (Task::InputSwitch(event::InputSwitchTask::default()), "input switch"),
            (Task::AdBreak(event::AdBreakTask::default()), "ad break"),
            (Task::ReturnToProgram(event::ReturnToProgramTask {}), "return to program"),
            (Task::Slate(event::SlateTask::default()), "slate"),
            (Task::Mute(event::MuteTask::default()), "mute"),
            (Task::Unmute(event::UnmuteTask {}), "unmute"),
            (
                Task::UpdateEncryptions(event::UpdateEncryptionsTask::default()),
                "update encryptions",
            ),
        ];
        for (own, name) in tasks {
            assert_eq!(task(&own), name);
        }
    }
}
