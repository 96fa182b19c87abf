//! Faults of the service: what happens to requests by method, resource, count or rate.
//!
//! They are injected behind the connection, so that they hit clients in every language. The layer
//! [`Faults`](crate::Faults) injects faults into one client instead.

use crate::projects::Projects;
use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    time::Duration,
};
use tonic::Status;

/// A fault for the requests that match it. [`Emulator::inject`](crate::Emulator::inject) adds it.
///
/// A fault without conditions matches every request, until it is removed.
///
/// ```
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), livestream_client::Error> {
/// use livestream_client::name::LocationName;
/// use livestream_emulator::{Emulator, Fault};
/// use tonic::Status;
///
/// let emulator = Emulator::new();
/// let client = emulator.client();
/// let location = LocationName::new("my-project", "us-central1")?;
///
/// emulator.inject(Fault::status(Status::unavailable("down")).on_method("ListChannels").times(2));
/// client.list_inputs(&location).await?;
/// client.list_channels(&location).await?;
/// assert_eq!(emulator.requests().len(), 4);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use = "it does nothing until it is injected"]
pub struct Fault {
    pub(crate) effect: Effect,
    pub(crate) method: String,
    pub(crate) resource: String,
    pub(crate) skip: u64,
    pub(crate) times: Option<u64>,
    pub(crate) rate: f64,
}

/// What a fault does.
#[derive(Clone, Debug)]
pub(crate) enum Effect {
    Status(Status),
    Delay(Duration),
    AnswerLost,
    StreamReset,
    GoAway,
    ConnectionDropped,
    Silence,
}

impl Fault {
    fn new(effect: Effect) -> Self {
        let (method, resource) = (String::new(), String::new());
        Self { effect, method, resource, skip: 0, times: None, rate: 1.0 }
    }

    /// Refuses a request with a status and its details. The request is not executed.
    pub fn status(status: Status) -> Self {
        Self::new(Effect::Status(status))
    }

    /// Delays a request in real time. It is executed after that.
    pub fn delay(by: Duration) -> Self {
        Self::new(Effect::Delay(by))
    }

    /// Executes a request, and closes its connection before the response is sent.
    pub fn answer_lost() -> Self {
        Self::new(Effect::AnswerLost)
    }

    /// Resets the stream of a request, which is not executed. HTTP/1.1 has no streams, so its
    /// connection is closed.
    pub fn stream_reset() -> Self {
        Self::new(Effect::StreamReset)
    }

    /// Sends GOAWAY on the connection of a request, and executes the request.
    pub fn go_away() -> Self {
        Self::new(Effect::GoAway)
    }

    /// Closes the connection of a request, which is not executed.
    pub fn connection_dropped() -> Self {
        Self::new(Effect::ConnectionDropped)
    }

    /// Never answers a request, which is not executed. Only its deadline ends it.
    pub fn silence() -> Self {
        Self::new(Effect::Silence)
    }

    /// Matches only requests of one method, by its name such as `CreateChannel`, or its full path.
    pub fn on_method(mut self, method: impl Into<String>) -> Self {
        self.method = method.into();
        self
    }

    /// Matches only requests for one resource, or for resources below it: the name or the parent in
    /// the request.
    pub fn on_resource(mut self, name: impl Into<String>) -> Self {
        self.resource = name.into();
        self
    }

    /// Lets a number of matching requests pass first.
    pub fn after(mut self, requests: u64) -> Self {
        self.skip = requests;
        self
    }

    /// Ends after a number of requests.
    pub fn times(mut self, requests: u64) -> Self {
        self.times = Some(requests);
        self
    }

    /// Hits a part of the matching requests: from 0 for none to 1 for all. The emulator's seed
    /// decides which ones.
    pub fn rate(mut self, rate: f64) -> Self {
        self.rate = if rate.is_nan() { 0.0 } else { rate.clamp(0.0, 1.0) };
        self
    }

    fn matches(&self, path: &str, resource: &str, projects: &Projects) -> bool {
        let name = path.rsplit('/').next().unwrap_or_default();
        let is_method = [path, path.trim_start_matches('/'), name].contains(&&*self.method);
        let own = projects.with_id(&self.resource);
        let own = own.as_ref().unwrap_or(&self.resource);
        let is_below = || resource.strip_prefix(&**own).is_some_and(|r| r.starts_with('/'));
        (self.method.is_empty() || is_method) && (own.is_empty() || resource == own || is_below())
    }
}

/// Identifies an injected fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FaultId(pub(crate) u64);

/// The faults in force.
#[derive(Debug, Default)]
pub(crate) struct FaultTable {
    seed: u64,
    drawn: u64,
    last: u64,
    rules: Vec<(FaultId, Fault)>,
}

/// The faults that hit one request.
#[derive(Debug, Default)]
pub(crate) struct Strike {
    pub(crate) delay: Duration,
    pub(crate) effect: Option<Effect>,
}

impl FaultTable {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    pub(crate) fn add(&mut self, fault: Fault) -> FaultId {
        self.last += 1;
        let id = FaultId(self.last);
        self.rules.push((id, fault));
        id
    }

    pub(crate) fn remove(&mut self, id: FaultId) -> bool {
        let before = self.rules.len();
        self.rules.retain(|(own, _)| *own != id);
        self.rules.len() < before
    }

    pub(crate) fn clear(&mut self) {
        self.rules.clear();
    }

    #[cfg(any(test, feature = "http"))]
    pub(crate) fn rules(&self) -> &[(FaultId, Fault)] {
        &self.rules
    }

    /// The faults that hit the next request: all delays, and the first other fault.
    pub(crate) fn strike(&mut self, path: &str, resource: &str, projects: &Projects) -> Strike {
        let by_id = projects.with_id(resource);
        let resource = by_id.as_deref().unwrap_or(resource);
        let mut strike = Strike::default();
        let (seed, drawn) = (self.seed, &mut self.drawn);
        for (_, fault) in &mut self.rules {
            let is_delay = matches!(fault.effect, Effect::Delay(_));
            if (!is_delay && strike.effect.is_some()) || !fault.matches(path, resource, projects) {
                continue;
            }
            if fault.skip > 0 {
                fault.skip -= 1;
                continue;
            }
            if chance(seed, drawn) >= fault.rate {
                continue;
            }
            if let Some(times) = &mut fault.times {
                match times.checked_sub(1) {
                    Some(left) => *times = left,
                    None => continue,
                }
            }
            match &fault.effect {
                Effect::Delay(by) => strike.delay = strike.delay.saturating_add(*by),
                effect => strike.effect = Some(effect.clone()),
            }
        }
        self.rules.retain(|(_, fault)| fault.times != Some(0));
        strike
    }
}

/// The next number of the seed: at least 0, and less than 1.
fn chance(seed: u64, drawn: &mut u64) -> f64 {
    *drawn += 1;
    let mut hasher = DefaultHasher::new();
    ("faults", seed, *drawn).hash(&mut hasher);
    (hasher.finish() >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const CREATE: &str = "/google.cloud.video.livestream.v1.LivestreamService/CreateChannel";
    const LOCATION: &str = "projects/p/locations/l";

    fn hits(table: &mut FaultTable, path: &str, resource: &str) -> bool {
        table.strike(path, resource, &Projects::default()).effect.is_some()
    }

    #[test]
    fn a_fault_matches_by_method_and_resource() {
        let fault = Fault::silence().on_method("CreateChannel").on_resource(LOCATION);
        let mut table = FaultTable::new(0);
        let id = table.add(fault);
        assert!(hits(&mut table, CREATE, LOCATION));
        assert!(hits(&mut table, CREATE, "projects/p/locations/l/channels/c"));
        assert!(!hits(&mut table, CREATE, "projects/p/locations/l2"));
        assert!(!hits(&mut table, &format!("{CREATE}s"), LOCATION));
        assert!(table.remove(id) && !table.remove(id));
        assert!(!hits(&mut table, CREATE, LOCATION));
    }

    #[test]
    fn a_fault_ends_after_its_count_and_begins_after_its_skip() {
        let mut table = FaultTable::new(0);
        table.add(Fault::silence().after(1).times(2));
        let struck: Vec<_> = (0..5).map(|_| hits(&mut table, CREATE, "")).collect();
        assert_eq!(struck, [false, true, true, false, false]);
        assert!(table.rules().is_empty());
    }

    #[test]
    fn a_rate_hits_its_part_of_the_requests_and_one_seed_always_the_same() {
        let run = |seed| {
            let mut table = FaultTable::new(seed);
            table.add(Fault::silence().rate(0.25));
            (0..10_000).map(|_| hits(&mut table, CREATE, "")).collect::<Vec<_>>()
        };
        let count = run(1).iter().filter(|hit| **hit).count();
        assert!((2300..2700).contains(&count), "{count}");
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
    }

    #[test]
    fn delays_add_up_and_another_fault_follows_them() {
        let mut table = FaultTable::new(0);
        table.add(Fault::delay(Duration::from_secs(1)));
        table.add(Fault::go_away());
        table.add(Fault::silence());
        table.add(Fault::delay(Duration::from_secs(2)));
        let strike = table.strike(CREATE, "", &Projects::default());
        assert_eq!(strike.delay, Duration::from_secs(3));
        assert!(matches!(strike.effect, Some(Effect::GoAway)));
    }
}
