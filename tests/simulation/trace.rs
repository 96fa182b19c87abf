//! What happened in a run, in order.

use std::{
    fmt::Write,
    sync::{Arc, Mutex},
};
use tokio::time::Instant;

/// The events of a run, with the milliseconds since its beginning.
#[derive(Clone)]
pub(crate) struct Trace(Arc<Mutex<Events>>);

#[derive(Default)]
struct Events {
    begun: Option<Instant>,
    lines: Vec<(u128, &'static str, String)>,
    violations: Vec<String>,
}

impl Trace {
    pub(crate) fn new() -> Self {
        Self(Arc::default())
    }

    pub(crate) fn log(&self, kind: &'static str, what: impl FnOnce() -> String) {
        let mut events = self.0.lock().expect("no test panics under the lock");
        let now = Instant::now();
        let begun = *events.begun.get_or_insert(now);
        events.lines.push(((now - begun).as_millis(), kind, what()));
    }

    /// Records a violation unless the invariant holds.
    pub(crate) fn require(&self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            let what = what();
            self.log("VIOLATION", || what.clone());
            self.0.lock().expect("no test panics under the lock").violations.push(what);
        }
    }

    pub(crate) fn violations(&self) -> Vec<String> {
        self.0.lock().expect("no test panics under the lock").violations.clone()
    }

    /// How many events of this kind there are.
    pub(crate) fn count(&self, kind: &str) -> usize {
        let events = self.0.lock().expect("no test panics under the lock");
        events.lines.iter().filter(|(_, found, _)| *found == kind).count()
    }

    pub(crate) fn text(&self) -> String {
        let events = self.0.lock().expect("no test panics under the lock");
        events.lines.iter().fold(String::new(), |mut text, (at, kind, what)| {
            writeln!(text, "{at:>9} ms  {kind:<9}  {what}").expect("a string");
            text
        })
    }
}
