//! The log of requests, for tests that check what a program sent.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use std::{collections::VecDeque, time::SystemTime};
use tonic::Code;

/// How many requests the log keeps.
const MAX_REQUESTS: usize = 1000;

/// How long a message may be that the log keeps, in bytes.
const MAX_MESSAGE: usize = 64 * 1024;

/// The headers whose values never enter the log.
const SECRETS: [&str; 4] = ["authorization", "cookie", "x-goog-api-key", "proxy-authorization"];

/// A request that the emulator received; see [`Emulator::requests`](crate::Emulator::requests).
#[derive(Clone, Debug)]
pub struct LoggedRequest {
    pub(crate) number: u64,
    pub(crate) time: SystemTime,
    pub(crate) path: String,
    pub(crate) resource: String,
    pub(crate) headers: HeaderMap,
    pub(crate) is_json: bool,
    pub(crate) message: Option<Bytes>,
    pub(crate) outcome: Option<(Code, String)>,
    /// The method and the status of HTTP, if no method of a service has the path.
    pub(crate) unserved: Option<(http::Method, http::StatusCode)>,
}

impl LoggedRequest {
    /// The number of the request, from 1.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The virtual time at which it arrived.
    pub fn time(&self) -> SystemTime {
        self.time
    }

    /// The gRPC path of its method; the path of HTTP if there is no such method.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The name of its method, such as `CreateChannel`; the method of HTTP if there is no such method.
    pub fn method(&self) -> &str {
        match &self.unserved {
            Some((method, _)) => method.as_str(),
            None => self.path.rsplit('/').next().unwrap_or_default(),
        }
    }

    /// The name or the parent in the request; the path of HTTP if there is no such method.
    pub fn resource(&self) -> &str {
        &self.resource
    }

    /// Its headers. Values of credentials are replaced.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Whether it arrived as JSON.
    pub fn is_json(&self) -> bool {
        self.is_json
    }

    /// The request message as protobuf; `None` if it was compressed or longer than 64 KiB.
    pub fn message(&self) -> Option<&[u8]> {
        self.message.as_deref()
    }

    /// The code of the response; `None` if there is no response, or not yet.
    pub fn code(&self) -> Option<Code> {
        self.outcome.as_ref().map(|(code, _)| *code)
    }

    /// The message of the error, empty without one.
    pub fn error_message(&self) -> &str {
        self.outcome.as_ref().map_or("", |(_, message)| message)
    }
}

/// The last requests.
#[derive(Debug, Default)]
pub(crate) struct RequestLog {
    requests: VecDeque<LoggedRequest>,
    last: u64,
}

impl RequestLog {
    /// Adds a request, and returns its number.
    pub(crate) fn add(&mut self, mut request: LoggedRequest) -> u64 {
        self.last += 1;
        request.number = self.last;
        for (name, value) in request.headers.iter_mut() {
            if SECRETS.contains(&name.as_str()) {
                *value = HeaderValue::from_static("[redacted]");
            }
        }
        request.message = request.message.filter(|message| message.len() <= MAX_MESSAGE);
        if self.requests.len() == MAX_REQUESTS {
            self.requests.pop_front();
        }
        self.requests.push_back(request);
        self.last
    }

    /// Adds what became of a request.
    pub(crate) fn end(&mut self, number: u64, code: Code, message: String) {
        let Some(first) = self.requests.front().map(|first| first.number) else { return };
        let at = number.checked_sub(first).and_then(|at| usize::try_from(at).ok());
        if let Some(request) = at.and_then(|at| self.requests.get_mut(at)) {
            request.outcome = Some((code, message));
        }
    }

    /// A line on a request, for people.
    pub(crate) fn line(&self, number: u64) -> Option<String> {
        let request = self.requests.iter().rev().find(|request| request.number == number)?;
        let form = if request.is_json { "JSON" } else { "gRPC" };
        let (method, resource) = (request.method(), &request.resource);
        let status = request.unserved.as_ref().map(|(_, status)| format!("{} ", status.as_u16()));
        let status = status.unwrap_or_default();
        let outcome = match &request.outcome {
            Some((code, message)) if message.is_empty() => format!("{code:?}"),
            Some((code, message)) => format!("{code:?}: {message}"),
            None => "no response".to_owned(),
        };
        Some(printable(&format!("{form} {method} {resource} {status}{outcome}")))
    }

    pub(crate) fn requests(&self) -> impl DoubleEndedIterator<Item = &LoggedRequest> {
        self.requests.iter()
    }

    pub(crate) fn clear(&mut self) {
        self.requests.clear();
    }
}

/// A text in one line, without control characters: a name or a message can come from a client.
fn printable(text: &str) -> String {
    let escaped = |c: char| match c.is_control() {
        true => c.escape_default().to_string(),
        false => c.to_string(),
    };
    text.chars().map(escaped).collect()
}
