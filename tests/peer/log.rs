//! A recorder of everything that one thread traces and logs.

use std::{
    cell::RefCell,
    error::Error,
    fmt::{Debug, Display, Write},
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};
use tracing::{
    Dispatch, Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
    subscriber::{self, DefaultGuard, NoSubscriber},
};

/// As long as there is one subscriber only, tracing decides for all threads by that of the current one. A
/// test without a subscriber would turn off the spans of a test that runs at the same time.
static SECOND: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(NoSubscriber::default()));

thread_local! {
    static TEXT: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Records everything that this thread traces and logs.
pub struct Log(DefaultGuard);

impl Log {
    pub fn start() -> Self {
        // This fails if another test of the process has already set the logger.
        let _ = log::set_logger(&Writer);
        log::set_max_level(log::LevelFilter::Trace);
        TEXT.set(Some(String::new()));
        LazyLock::force(&SECOND);
        Self(subscriber::set_default(Writer))
    }

    /// Stops the recording and returns its text.
    pub fn text(self) -> String {
        TEXT.take().expect("it was started on this thread")
    }
}

struct Writer;

/// Writes a line if this thread is recording.
fn write(head: &dyn Display, target: &str, rest: &str) {
    TEXT.with_borrow_mut(|text| {
        if let Some(text) = text {
            writeln!(text, "{head} {target}:{rest}").expect("a string takes all text");
        }
    });
}

/// The fields with their values; an error includes its causes.
#[derive(Default)]
struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {}={value:?}", field.name()).expect("a string takes all text");
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let text = super::chain(value);
        write!(self.0, " {}={text} {value:?}", field.name()).expect("a string takes all text");
    }
}

impl Subscriber for Writer {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        static SPANS: AtomicU64 = AtomicU64::new(1);
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        let metadata = attributes.metadata();
        let text = format!(" span {}{}", metadata.name(), fields.0);
        write(metadata.level(), metadata.target(), &text);
        Id::from_u64(SPANS.fetch_add(1, Ordering::Relaxed))
    }

    fn record(&self, id: &Id, values: &Record<'_>) {
        let mut fields = Fields::default();
        values.record(&mut fields);
        write(&id.into_u64(), "span", &fields.0);
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        write(event.metadata().level(), event.metadata().target(), &fields.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

impl log::Log for Writer {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        write(&record.level(), record.target(), &format!(" {}", record.args()));
    }

    fn flush(&self) {}
}
