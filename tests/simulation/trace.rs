//! What happened in a run, in order.

use std::{
    collections::BTreeMap,
    fmt::Write,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::{Instant, advance};

/// The events of a run, with the milliseconds since its beginning.
#[derive(Clone)]
pub(crate) struct Trace(Arc<Mutex<Events>>);

struct Events {
    begun: Instant,
    lines: Vec<(u128, &'static str, String)>,
    violations: Vec<String>,
    faults: BTreeMap<&'static str, usize>,
    /// When the clock jumped, and to which time.
    jumps: Vec<(Instant, Instant)>,
}

impl Trace {
    pub(crate) fn new() -> Self {
        let begun = Instant::now();
        let (lines, violations, jumps) = (Vec::new(), Vec::new(), Vec::new());
        let faults = BTreeMap::new();
        Self(Arc::new(Mutex::new(Events { begun, lines, violations, faults, jumps })))
    }

    fn events(&self) -> MutexGuard<'_, Events> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn log(&self, kind: &'static str, what: impl FnOnce() -> String) {
        let what = what();
        let mut events = self.events();
        let at = events.begun.elapsed().as_millis();
        events.lines.push((at, kind, what));
    }

    /// Records a violation of this invariant unless it holds.
    pub(crate) fn require(
        &self,
        holds: bool,
        invariant: &'static str,
        what: impl FnOnce() -> String,
    ) {
        if !holds {
            let what = what();
            self.log("VIOLATION", || format!("{invariant}: {what}"));
            self.events().violations.push(format!("{invariant}: {what}"));
        }
    }

    /// The clock jumps forward, as for a process that was suspended: no task runs meanwhile.
    pub(crate) async fn jump(&self, by: Duration) {
        self.log("clock", || format!("jumps by {by:?}"));
        self.count_fault("jump of the clock");
        let now = Instant::now();
        self.events().jumps.push((now, now + by));
        advance(by).await;
    }

    /// The first time at which a timer for this time can fire.
    pub(crate) fn reachable(&self, time: Instant) -> Instant {
        let events = self.events();
        let jumps = events.jumps.iter();
        jumps.fold(time, |time, (from, to)| if (*from..*to).contains(&time) { *to } else { time })
    }

    /// How far the clock has jumped since then.
    pub(crate) fn jumped_since(&self, begun: Instant) -> Duration {
        let events = self.events();
        let since = events.jumps.iter().filter(|(from, _)| *from >= begun);
        since.map(|(from, to)| *to - *from).sum()
    }

    /// Whether the clock has jumped within this time.
    pub(crate) fn has_jumped_within(&self, time: Duration) -> bool {
        let now = Instant::now();
        self.events().jumps.iter().any(|(_, to)| now <= *to + time)
    }

    pub(crate) fn violations(&self) -> Vec<String> {
        self.events().violations.clone()
    }

    pub(crate) fn count_fault(&self, fault: &'static str) {
        *self.events().faults.entry(fault).or_default() += 1;
    }

    pub(crate) fn faults(&self) -> BTreeMap<&'static str, usize> {
        self.events().faults.clone()
    }

    /// How many events of this kind there are.
    pub(crate) fn count(&self, kind: &str) -> usize {
        self.events().lines.iter().filter(|(_, found, _)| *found == kind).count()
    }

    /// The same number for the same events, in every process.
    pub(crate) fn hash(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.events().lines.hash(&mut hasher);
        hasher.finish()
    }

    pub(crate) fn text(&self) -> String {
        self.events().lines.iter().fold(String::new(), |mut text, (at, kind, what)| {
            writeln!(text, "{at:>9} ms  {kind:<9}  {what}").expect("a string");
            text
        })
    }
}
