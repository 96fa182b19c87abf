//! A client's state at one moment, for a support ticket: gRPC's channelz in small.

use super::{
    attributes::code_name,
    health::{Failure, Streak},
    json,
};
use crate::gax::policy::CallPolicy;
use std::{fmt, net::SocketAddr, time::Duration};
use tokio::time::Instant;
use tonic::Code;

/// The state of a client: its connections, its limits and its last errors.
///
/// `Display` gives lines for a person, [`to_json`](Self::to_json) an object for a program. Neither has a
/// message, a header, a token or a text from the service, so you can attach it to a ticket. It does
/// have the names of methods, the endpoint, and the addresses of the servers.
///
#[doc = include_str!("../../guide/examples/diagnostics.md")]
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Diagnostics {
    /// The origin that the client calls.
    pub endpoint: Option<String>,
    /// The limit on a whole call, unless a method or a call sets its own.
    pub timeout: Duration,
    /// The limit on each attempt, if there is one.
    pub attempt_timeout: Option<Duration>,
    /// The maximum number of attempts of a call; `None` if only the timeout limits them.
    pub max_attempts: Option<u32>,
    /// The retry budget; `None` if it is unlimited.
    pub budget: Option<BudgetDiagnostics>,
    /// The connections; `None` if the client sends its calls to a channel of your own.
    pub pool: Option<PoolDiagnostics>,
    /// The calls that have failed one after the other; `None` if the last call got an answer. An answer
    /// such as NOT_FOUND counts as one. A call that your code dropped counts as failed if it had waited
    /// for at least a second, and the service had answered no call in that time.
    pub outage: Option<Outage>,
    /// The last failed calls, the newest first, at most 16. A call that your code dropped before its end
    /// is one of them, with the code CANCELLED.
    pub last_errors: Vec<LastError>,
}

/// The tokens of a retry budget.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct BudgetDiagnostics {
    /// The tokens that are left. Each retry takes one.
    pub available: f64,
    /// The tokens of a full budget.
    pub capacity: f64,
}

/// The connections of a client, and the calls that wait for one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolDiagnostics {
    /// The connections that take calls or finish them.
    pub connections: Vec<ConnectionDiagnostics>,
    /// The number of connections that are being opened.
    pub opening: usize,
    /// The number of calls that wait for a connection.
    pub waiting: usize,
    /// The maximum number of connections.
    pub max_connections: usize,
}

/// One connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionDiagnostics {
    /// Whether it takes more calls.
    pub state: ConnectionState,
    /// The address at the other end: of the server or of a proxy. `None` if a connector of your own
    /// opened the connection.
    pub peer: Option<SocketAddr>,
    /// The number of calls on it.
    pub streams: usize,
    /// The maximum number of calls on it: the client's limit, or the server's if that is lower.
    pub max_streams: usize,
    /// How long it has been open.
    pub age: Duration,
}

/// Whether a connection takes more calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectionState {
    /// It takes calls.
    Ready,
    /// It does not answer a ping. It takes no calls unless something arrives.
    Suspect,
    /// It takes no more calls, as after a GOAWAY, and finishes those that it has.
    Draining,
}

/// Calls that failed one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outage {
    /// The number of failed calls.
    pub calls: u32,
    /// The time since the first of them began.
    pub lasting: Duration,
}

/// A failed call.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LastError {
    /// The fully qualified method, such as `google.longrunning.Operations/GetOperation`.
    pub method: String,
    /// The code of the error.
    pub code: Code,
    /// The number of attempts.
    pub attempts: u32,
    /// How long the call took.
    pub elapsed: Duration,
    /// The time since the call ended.
    pub age: Duration,
    /// Whether the request can have reached the service, as in the events: `No`, `Unseen`, `Maybe` or
    /// `Answered`.
    pub sent: Option<String>,
    /// Why the client made no further attempt, as in the events: for example `Attempts`.
    pub stop: Option<String>,
}

impl Diagnostics {
    pub(super) fn new(
        endpoint: Option<String>,
        policy: &CallPolicy,
        streak: Option<Streak>,
        last: &[Failure],
        pool: Option<PoolDiagnostics>,
        now: Instant,
    ) -> Self {
        let CallPolicy { timeouts, retry, budget, .. } = policy;
        let limits = budget.available().zip(budget.capacity());
        let outage = streak.map(|streak| Outage {
            calls: streak.calls,
            lasting: now.saturating_duration_since(streak.since),
        });
        Self {
            endpoint,
            timeout: timeouts.total(),
            attempt_timeout: timeouts.attempt(),
            max_attempts: Some(retry.max_attempts()).filter(|attempts| *attempts < u32::MAX),
            budget: limits.map(|(available, capacity)| BudgetDiagnostics { available, capacity }),
            pool,
            outage,
            last_errors: last.iter().map(|failure| LastError::of(failure, now)).collect(),
        }
    }

    /// The same as a JSON object. Durations are numbers of seconds.
    pub fn to_json(&self) -> String {
        json::object(|o| {
            o.text("client", env!("CARGO_PKG_NAME"));
            o.text("version", env!("CARGO_PKG_VERSION"));
            o.some("endpoint", self.endpoint.as_deref(), json::text);
            o.seconds("timeout", self.timeout);
            o.some("attempt_timeout", self.attempt_timeout, json::seconds);
            o.some("max_attempts", self.max_attempts, |n| n.to_string());
            o.some("budget", self.budget, |budget| {
                json::object(|o| {
                    o.number("available", budget.available);
                    o.number("capacity", budget.capacity);
                })
            });
            o.some("pool", self.pool.as_ref(), PoolDiagnostics::to_json);
            o.some("outage", self.outage, |outage| {
                json::object(|o| {
                    o.number("calls", outage.calls);
                    o.seconds("lasting", outage.lasting);
                })
            });
            o.array("last_errors", self.last_errors.iter().map(LastError::to_json));
        })
    }
}

impl PoolDiagnostics {
    fn to_json(&self) -> String {
        json::object(|o| {
            let connections = self.connections.iter().map(ConnectionDiagnostics::to_json);
            o.array("connections", connections);
            o.number("opening", self.opening);
            o.number("waiting", self.waiting);
            o.number("max_connections", self.max_connections);
        })
    }
}

impl ConnectionDiagnostics {
    fn to_json(&self) -> String {
        json::object(|o| {
            o.text("state", &self.state.to_string());
            o.some("peer", self.peer, |peer| json::text(&peer.to_string()));
            o.number("streams", self.streams);
            o.number("max_streams", self.max_streams);
            o.seconds("age", self.age);
        })
    }
}

impl LastError {
    fn of(failure: &Failure, now: Instant) -> Self {
        Self {
            method: failure.method.clone(),
            code: failure.code,
            attempts: failure.attempts,
            elapsed: failure.ended.saturating_duration_since(failure.begun.at),
            age: now.saturating_duration_since(failure.ended),
            sent: failure.sent.map(|sent| format!("{sent:?}")),
            stop: failure.stop.map(|stop| format!("{stop:?}")),
        }
    }

    fn to_json(&self) -> String {
        json::object(|o| {
            o.text("method", &self.method);
            o.text("code", code_name(self.code));
            o.number("attempts", self.attempts);
            o.seconds("elapsed", self.elapsed);
            o.seconds("age", self.age);
            o.some("sent", self.sent.as_deref(), json::text);
            o.some("stop", self.stop.as_deref(), json::text);
        })
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, version) = (env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
        writeln!(f, "{name} {version}, {}", self.endpoint.as_deref().unwrap_or("no endpoint"))?;
        write!(f, "timeouts: {:?} for a call", self.timeout)?;
        if let Some(limit) = self.attempt_timeout {
            write!(f, ", {limit:?} for an attempt")?;
        }
        match self.max_attempts {
            Some(attempts) => writeln!(f, ", at most {attempts} attempts")?,
            None => writeln!(f)?,
        }
        match self.budget {
            Some(BudgetDiagnostics { available, capacity }) => {
                writeln!(f, "retry budget: {available:.1} of {capacity:.0} tokens")?;
            }
            None => writeln!(f, "retry budget: unlimited")?,
        }
        if let Some(pool) = &self.pool {
            pool.fmt(f)?;
        }
        if let Some(Outage { calls, lasting }) = self.outage {
            writeln!(f, "no answer: {calls} failed calls in {:.1} s", lasting.as_secs_f64())?;
        }
        if self.last_errors.is_empty() {
            return writeln!(f, "last errors: none");
        }
        writeln!(f, "last errors:")?;
        self.last_errors.iter().try_for_each(|error| writeln!(f, "  {error}"))
    }
}

impl fmt::Display for PoolDiagnostics {
    /// One line for the pool, and one for each connection.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { connections, opening, waiting, max_connections } = self;
        writeln!(
            f,
            "connections: {} of at most {max_connections}, {opening} opening, {waiting} calls waiting",
            connections.len()
        )?;
        connections.iter().try_for_each(|connection| writeln!(f, "  {connection}"))
    }
}

impl fmt::Display for ConnectionDiagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { state, peer, streams, max_streams, age } = self;
        write!(
            f,
            "{state}, {streams} of {max_streams} calls, open for {:.1} s",
            age.as_secs_f64()
        )?;
        peer.map_or(Ok(()), |peer| write!(f, ", peer {peer}"))
    }
}

impl fmt::Display for ConnectionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ready => "ready",
            Self::Suspect => "suspect",
            Self::Draining => "draining",
        })
    }
}

impl fmt::Display for LastError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (age, elapsed) = (self.age.as_secs_f64(), self.elapsed.as_secs_f64());
        write!(f, "{age:.1} s ago: {} {}, ", self.method, code_name(self.code))?;
        write!(f, "attempts: {}, elapsed: {elapsed:.1} s", self.attempts)?;
        if let Some(sent) = &self.sent {
            write!(f, ", sent: {sent}")?;
        }
        if let Some(stop) = &self.stop {
            write!(f, ", stop: {stop}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gax::{observe::health::Health, policy::Sent};
    use std::net::Ipv6Addr;

    fn diagnostics() -> Diagnostics {
        let second = Duration::from_secs(1);
        let ready = ConnectionDiagnostics {
            state: ConnectionState::Ready,
            peer: Some((Ipv6Addr::LOCALHOST, 443).into()),
            streams: 12,
            max_streams: 100,
            age: 90 * second,
        };
        let draining = ConnectionDiagnostics {
            state: ConnectionState::Draining,
            peer: None,
            streams: 1,
            ..ready.clone()
        };
        let pool = PoolDiagnostics {
            connections: vec![ready, draining],
            opening: 1,
            waiting: 7,
            max_connections: 16,
        };
        let (health, begun) = (Health::default(), Instant::now());
        let last = Failure {
            method: "google.longrunning.Operations/GetOperation".into(),
            code: Code::Unavailable,
            attempts: 5,
            begun: health.begin(begun),
            ended: begun + 12 * second,
            sent: Some(Sent::Maybe),
            stop: None,
        };
        for _ in 0..2 {
            health.failed(last.clone());
        }
        let now = begun + 15 * second;
        let endpoint = Some("https://service.test".into());
        Diagnostics::new(endpoint, &CallPolicy::new(), health.streak(), &[last], Some(pool), now)
    }

    #[test]
    fn diagnostics_as_text_have_a_line_for_each_connection_and_error() {
        let lines = [
            concat!(
                env!("CARGO_PKG_NAME"),
                " ",
                env!("CARGO_PKG_VERSION"),
                ", https://service.test"
            ),
            "timeouts: 60s for a call",
            "retry budget: 100.0 of 100 tokens",
            "connections: 2 of at most 16, 1 opening, 7 calls waiting",
            "  ready, 12 of 100 calls, open for 90.0 s, peer [::1]:443",
            "  draining, 1 of 100 calls, open for 90.0 s",
            "no answer: 2 failed calls in 15.0 s",
            "last errors:",
            "  3.0 s ago: google.longrunning.Operations/GetOperation UNAVAILABLE, attempts: 5, \
             elapsed: 12.0 s, sent: Maybe",
        ];
        let text = diagnostics().to_string();
        assert_eq!(text.lines().collect::<Vec<_>>(), lines);
    }

    #[test]
    fn diagnostics_as_json_hold_the_same_facts() {
        let json = diagnostics().to_json();
        let json: serde_json::Value = serde_json::from_str(&json).expect("it is JSON");
        assert_eq!(json["endpoint"], "https://service.test");
        assert_eq!(json["timeout"], 60.0);
        assert_eq!(json["attempt_timeout"], serde_json::Value::Null);
        assert_eq!(json["budget"]["available"], 100.0);
        assert_eq!(json["pool"]["waiting"], 7);
        assert_eq!(json["pool"]["connections"][0]["peer"], "[::1]:443");
        assert_eq!(json["pool"]["connections"][1]["state"], "draining");
        assert_eq!(json["outage"]["calls"], 2);
        assert_eq!(json["last_errors"][0]["code"], "UNAVAILABLE");
        assert_eq!(json["last_errors"][0]["age"], 3.0);
    }
}
