//! A subscriber that keeps the spans and events of this crate, with their parents and their links.

// Each test binary uses a part of this module.
#![allow(dead_code, unreachable_pub)]

pub mod attributes;

use std::{
    collections::BTreeMap,
    fmt::Debug,
    mem,
    sync::{Arc, LazyLock, Mutex, MutexGuard},
    time::Duration,
};
use tokio::{task::yield_now, time::Instant};
use tracing::{
    Dispatch, Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
    subscriber::{self, DefaultGuard, NoSubscriber},
};
use tracing_core::span::Current;

/// As long as there is one subscriber only, tracing decides for all threads by that of the current one. A
/// test without a subscriber would turn off the spans of a test that runs at the same time.
static SECOND: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(NoSubscriber::default()));

const OURS: &str = "livestream_client::";

/// Records all spans and events of this crate, and the spans around them.
#[derive(Clone, Default)]
pub struct Recorder(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    entries: Vec<Entry>,
    /// All spans, also those of other crates. The id of a span is its index plus one.
    spans: Vec<Span>,
    /// The spans that the thread has entered, outermost first.
    entered: Vec<usize>,
}

struct Span {
    metadata: &'static Metadata<'static>,
    parent: Option<usize>,
    fields: Fields,
    handles: usize,
    follows: Vec<usize>,
}

/// An event, or a span at its end.
#[derive(Clone, Debug)]
pub struct Entry {
    pub target: String,
    pub level: Level,
    /// The span's name, or the event's message.
    pub name: String,
    /// The index of the span; `None` for an event.
    pub span: Option<usize>,
    /// The index of the span around it.
    pub parent: Option<usize>,
    /// The name of the span around it.
    pub within: Option<String>,
    /// The spans that the span follows from.
    pub follows: Vec<usize>,
    pub fields: Fields,
}

#[derive(Clone, Debug, Default)]
pub struct Fields(pub BTreeMap<&'static str, String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }
}

impl Fields {
    fn of(record: impl FnOnce(&mut dyn Visit)) -> Self {
        let mut fields = Self::default();
        record(&mut fields);
        fields
    }
}

impl Subscriber for Recorder {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let fields = Fields::of(|fields| attributes.record(fields));
        let mut seen = self.seen();
        let parent = seen.around(attributes.is_contextual(), attributes.parent());
        seen.spans.push(Span {
            metadata: attributes.metadata(),
            parent,
            fields,
            handles: 1,
            follows: Vec::new(),
        });
        Id::from_u64(seen.spans.len() as u64)
    }

    fn current_span(&self) -> Current {
        let seen = self.seen();
        let Some(entered) = seen.entered.last() else { return Current::none() };
        Current::new(Id::from_u64(*entered as u64 + 1), seen.spans[*entered].metadata)
    }

    fn record(&self, id: &Id, values: &Record<'_>) {
        let fields = Fields::of(|fields| values.record(fields));
        self.seen().spans[index(id)].fields.0.extend(fields.0);
    }

    fn record_follows_from(&self, span: &Id, follows: &Id) {
        self.seen().spans[index(span)].follows.push(index(follows));
    }

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::of(|fields| event.record(fields));
        let name = fields.0.remove("message").unwrap_or_default();
        let mut seen = self.seen();
        let within = seen.around(event.is_contextual(), event.parent());
        seen.keep(event.metadata(), name, None, within, fields);
    }

    fn enter(&self, id: &Id) {
        self.seen().entered.push(index(id));
    }

    fn exit(&self, id: &Id) {
        let mut seen = self.seen();
        let last = seen.entered.iter().rposition(|entered| *entered == index(id));
        seen.entered.remove(last.expect("it was entered"));
    }

    fn clone_span(&self, id: &Id) -> Id {
        self.seen().spans[index(id)].handles += 1;
        id.clone()
    }

    fn try_close(&self, id: Id) -> bool {
        let mut seen = self.seen();
        let span = &mut seen.spans[index(&id)];
        span.handles -= 1;
        if span.handles > 0 {
            return false;
        }
        let (metadata, parent) = (span.metadata, span.parent);
        let fields = mem::take(&mut span.fields);
        seen.keep(metadata, metadata.name().to_owned(), Some(index(&id)), parent, fields);
        true
    }
}

fn index(id: &Id) -> usize {
    usize::try_from(id.into_u64() - 1).expect("made of an index")
}

impl Seen {
    /// The span around a new span or event.
    fn around(&self, is_contextual: bool, parent: Option<&Id>) -> Option<usize> {
        if is_contextual { self.entered.last().copied() } else { parent.map(index) }
    }

    fn keep(
        &mut self,
        of: &Metadata<'_>,
        name: String,
        span: Option<usize>,
        parent: Option<usize>,
        fields: Fields,
    ) {
        let Some(target) = of.target().strip_prefix(OURS) else { return };
        let within = parent.map(|parent| self.spans[parent].metadata.name().to_owned());
        let follows = span.map(|span| mem::take(&mut self.spans[span].follows));
        self.entries.push(Entry {
            target: target.to_owned(),
            level: *of.level(),
            name,
            span,
            parent,
            within,
            follows: follows.unwrap_or_default(),
            fields,
        });
    }
}

impl Recorder {
    /// Records this thread. A test runs on it with all its tasks.
    pub fn start() -> (Self, DefaultGuard) {
        LazyLock::force(&SECOND);
        let recorder = Self::default();
        let guard = subscriber::set_default(recorder.clone());
        (recorder, guard)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().expect("no test panics under the lock")
    }

    /// Everything so far, spans in the order of their ends. Forgets it.
    pub fn take(&self) -> Vec<Entry> {
        mem::take(&mut self.seen().entries)
    }

    pub fn all(&self, target: &str, name: &str) -> Vec<Entry> {
        let seen = self.seen();
        let found =
            seen.entries.iter().filter(|entry| entry.target == target && entry.name == name);
        found.cloned().collect()
    }

    /// The one entry of this name.
    #[track_caller]
    pub fn one(&self, target: &str, name: &str) -> Entry {
        let all = self.all(target, name);
        let [one] = &all[..] else { panic!("expected one {name:?} of {target}: {all:?}") };
        one.clone()
    }

    /// The one entry of this name. Waits for other tasks to record it.
    pub async fn wait_for(&self, target: &str, name: &str) -> Entry {
        let begun = Instant::now();
        while self.all(target, name).is_empty() && begun.elapsed() < Duration::from_secs(20) {
            yield_now().await;
        }
        self.one(target, name)
    }
}

impl Entry {
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.0.get(name).map(String::as_str)
    }

    #[track_caller]
    pub fn assert_fields(&self, expected: &[(&str, &str)]) {
        for (name, value) in expected {
            assert_eq!(self.field(name), Some(*value), "{name} of {self:?}");
        }
    }

    /// Asserts that these fields have no value.
    #[track_caller]
    pub fn assert_none(&self, fields: &[&str]) {
        for name in fields {
            assert_eq!(self.field(name), None, "{name} of {self:?}");
        }
    }
}
