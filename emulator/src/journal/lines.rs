//! The lines of a journal: JSON, one object in each.
//!
//! The first line holds what a replay needs beside the requests. Every other line holds a request, or
//! a change of the clock or of the settings. The times are virtual.

use crate::{
    http::{POOL, from_json},
    settings::Settings,
};
use base64::{Engine as _, prelude::BASE64_STANDARD as BASE64};
use prost_reflect::DynamicMessage;
use prost_types::Timestamp;
use serde_json::{Map, Value, json};
use std::time::{Duration, SystemTime};

const VERSION: u64 = 1;

/// One line.
#[derive(Clone, Debug)]
pub(super) enum Line {
    /// The first line: the seed of the random parts.
    Begin { seed: u64, time: SystemTime },
    /// The settings from this time on.
    Settings { time: SystemTime, settings: Box<Settings> },
    /// How the clock runs from here on.
    Clock(ClockLine),
    /// A request that changed something.
    Request { time: SystemTime, path: String, message: Vec<u8> },
}

/// How virtual time relates to real time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ClockLine {
    pub(crate) time: SystemTime,
    pub(crate) real: SystemTime,
    pub(crate) speed: u32,
    pub(crate) is_paused: bool,
}

impl Line {
    pub(super) fn write(&self) -> String {
        let value = match self {
            Self::Begin { seed, time } => {
                json!({ "journal": VERSION, "seed": seed, "time": text(*time) })
            }
            Self::Settings { time, settings } => {
                json!({ "time": text(*time), "settings": write_settings(settings) })
            }
            Self::Clock(clock) => json!({ "clock": {
                "time": text(clock.time),
                "real": text(clock.real),
                "speed": clock.speed,
                "paused": clock.is_paused,
            }}),
            Self::Request { time, path, message } => {
                let mut line = json!({ "time": text(*time), "method": path });
                match write_request(path, message) {
                    Some(request) => line["request"] = request,
                    // An `Any` of an unknown type has no JSON form.
                    None => line["message"] = Value::from(BASE64.encode(message)),
                }
                line
            }
        };
        value.to_string()
    }

    /// # Errors
    /// Why the text is not a line.
    pub(super) fn read(text: &str) -> Result<Self, NoLine> {
        let value: Value = serde_json::from_str(text).map_err(|_| NoLine::Garbled)?;
        Self::of(&value).map_err(NoLine::Unknown)
    }

    fn of(value: &Value) -> Result<Self, String> {
        if let Some(version) = value.get("journal") {
            if version.as_u64() != Some(VERSION) {
                return Err(format!(
                    "has version {version} of the format, and this build reads version {VERSION}"
                ));
            }
            let begin = || {
                let seed = value.get("seed")?.as_u64()?;
                Some(Self::Begin { seed, time: time(value.get("time")?)? })
            };
            return begin().ok_or_else(|| "has no valid seed and time".to_owned());
        }
        if let Some(settings) = value.get("settings") {
            let settings = || {
                let settings = Box::new(read_settings(settings)?);
                Some(Self::Settings { time: time(value.get("time")?)?, settings })
            };
            return settings()
                .ok_or_else(|| "has settings that this build does not know".to_owned());
        }
        if let Some(clock) = value.get("clock") {
            let clock = read_clock(clock).map(Self::Clock);
            return clock.ok_or_else(|| "has an invalid clock".to_owned());
        }
        let Some(path) = value.get("method").and_then(Value::as_str) else {
            return Err("is neither a request, nor settings, nor a clock".to_owned());
        };
        let input = input(path)
            .ok_or_else(|| format!("has the method {path}, which this build does not know"))?;
        let message = match value.get("message").and_then(Value::as_str) {
            Some(message) => BASE64.decode(message).map_err(|_| "has an invalid message")?,
            None => {
                let request = value.get("request").cloned().unwrap_or_default();
                let request = from_json(&input, request)
                    .map_err(|error| format!("has an invalid request: {}", error.message()))?;
                prost::Message::encode_to_vec(&request)
            }
        };
        let time = value.get("time").and_then(time).ok_or("has no valid time")?;
        Ok(Self::Request { time, path: path.to_owned(), message })
    }
}

/// Why a text is not a line.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum NoLine {
    /// It is no JSON, as after a crash.
    Garbled,
    /// It is JSON that this build does not understand, for this reason.
    Unknown(String),
}

/// Whether bytes are the beginning of a first line, and no more.
pub(super) fn is_cut_begin(bytes: &[u8]) -> bool {
    let begin = format!("{{\"journal\":{VERSION},");
    bytes.starts_with(begin.as_bytes()) && !bytes.ends_with(b"\n")
}

fn text(time: SystemTime) -> String {
    Timestamp::from(time).to_string()
}

fn time(value: &Value) -> Option<SystemTime> {
    value.as_str()?.parse::<Timestamp>().ok()?.try_into().ok()
}

fn input(path: &str) -> Option<prost_reflect::MessageDescriptor> {
    let (service, method) = path.strip_prefix('/')?.split_once('/')?;
    let service = POOL.get_service_by_name(service)?;
    service.methods().find(|own| own.name() == method).map(|own| own.input())
}

fn write_request(path: &str, message: &[u8]) -> Option<Value> {
    serde_json::to_value(DynamicMessage::decode(input(path)?, message).ok()?).ok()
}

fn read_clock(clock: &Value) -> Option<ClockLine> {
    Some(ClockLine {
        time: time(clock.get("time")?)?,
        real: time(clock.get("real")?)?,
        speed: clock.get("speed")?.as_u64()?.try_into().ok()?,
        is_paused: clock.get("paused")?.as_bool()?,
    })
}

fn nanos(length: Duration) -> Value {
    Value::from(u64::try_from(length.as_nanos()).unwrap_or(u64::MAX))
}

fn length(value: &Value) -> Option<Duration> {
    value.as_u64().map(Duration::from_nanos)
}

fn write_settings(settings: &Settings) -> Value {
    let latencies = settings.latencies.iter().map(|(kind, own)| (kind.to_string(), nanos(*own)));
    let limits = settings.limits.iter().map(|(kind, max)| (kind.to_string(), json!(max)));
    let projects = settings.projects.iter().map(|(id, number)| (id.to_owned(), json!(number)));
    json!({
        "latencyNanos": latencies.collect::<Map<_, _>>(),
        "everyLatencyNanos": settings.every_latency.map(nanos),
        "limits": limits.collect::<Map<_, _>>(),
        "encoderDelayNanos": settings.encoder_delay.map(nanos),
        "anyLocation": settings.any_location,
        "projects": projects.collect::<Map<_, _>>(),
        "unreachable": settings.unreachable,
        "emptyPages": settings.empty_pages,
        "sessionNanos": settings.session.map(nanos),
        "assumeVideo": settings.assume_video,
        "requestQuota": settings.request_quota,
    })
}

fn read_settings(value: &Value) -> Option<Settings> {
    let mut settings = Settings {
        every_latency: length(value.get("everyLatencyNanos")?),
        encoder_delay: length(value.get("encoderDelayNanos")?),
        any_location: value.get("anyLocation")?.as_bool()?,
        empty_pages: value.get("emptyPages")?.as_bool()?,
        session: length(value.get("sessionNanos")?),
        assume_video: value.get("assumeVideo")?.as_bool()?,
        request_quota: value.get("requestQuota")?.as_bool()?,
        ..Settings::default()
    };
    for (kind, own) in value.get("latencyNanos")?.as_object()? {
        settings.latencies.insert(kind.parse().ok()?, length(own)?);
    }
    for (kind, max) in value.get("limits")?.as_object()? {
        settings.limits.insert(kind.parse().ok()?, max.as_u64()?.try_into().ok()?);
    }
    for id in value.get("unreachable")?.as_array()? {
        settings.unreachable.insert(id.as_str()?.to_owned());
    }
    for (id, number) in value.get("projects")?.as_object()? {
        settings.projects.insert(id.clone(), number.as_str()?.to_owned());
    }
    Some(settings)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Latency, Limit};
    use livestream_client::{model::StartChannelRequest, rpc::Rpc};
    use prost::Message as _;

    #[test]
    fn a_line_reads_as_it_was_written() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::new(seconds, 7);
        let mut settings = Settings {
            encoder_delay: None,
            any_location: true,
            empty_pages: true,
            assume_video: true,
            request_quota: true,
            ..Settings::default()
        };
        settings.latencies.insert(Latency::CreateInput, Duration::from_millis(1500));
        settings.limits.insert(Limit::Clips, 7);
        settings.projects.insert("p".to_owned(), "123".to_owned());
        settings.unreachable.insert("us-west2".to_owned());
        settings.session = None;
        let request = StartChannelRequest { name: "n".to_owned(), request_id: String::new() };
        let lines = [
            Line::Begin { seed: u64::MAX, time: at(1) },
            Line::Settings { time: at(1), settings: Box::new(settings) },
            Line::Clock(ClockLine { time: at(2), real: at(3), speed: 120, is_paused: true }),
            Line::Request {
                time: at(4),
                path: StartChannelRequest::METHOD.path().to_owned(),
                message: request.encode_to_vec(),
            },
        ];
        for line in lines {
            let text = line.write();
            assert!(!text.contains('\n'));
            let read = Line::read(&text).unwrap_or_else(|error| panic!("{text}: {error:?}"));
            assert_eq!(read.write(), text);
        }
    }

    #[test]
    fn garbled_text_is_told_from_a_line_of_another_build() {
        for text in ["", "{", "{\"clock\": {}"] {
            assert_eq!(Line::read(text).expect_err("no line"), NoLine::Garbled, "{text}");
        }
        for text in ["{}", "1", "{\"journal\":2,\"seed\":0,\"time\":\"2026-01-01T00:00:00Z\"}"] {
            assert!(matches!(Line::read(text), Err(NoLine::Unknown(_))), "{text}");
        }
    }
}
