//! The gate: every request of every client passes here before it is served. It logs requests and
//! injects faults.

mod fault;
mod log;

pub(super) use fault::{Effect, FaultTable, Strike};
pub use fault::{Fault, FaultId};
pub use log::LoggedRequest;
pub(super) use log::RequestLog;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use tokio::sync::Notify;

/// The faults in force, and the last requests.
pub(super) struct Gate {
    pub(super) faults: FaultTable,
    pub(super) log: RequestLog,
    /// Gets a line for each request that has ended.
    pub(super) sink: Option<Sink>,
}

/// Gets lines of text.
pub(super) type Sink = Arc<dyn Fn(&str) + Send + Sync>;

impl Gate {
    pub(super) fn new(seed: u64) -> Self {
        Self { faults: FaultTable::new(seed), log: RequestLog::default(), sink: None }
    }
}

/// The connection that a request arrived on, among the extensions of the request.
#[derive(Clone, Debug, Default)]
pub(super) struct Connection(Arc<Signals>);

#[derive(Debug, Default)]
struct Signals {
    go_away: Notify,
    close: Notify,
    is_ending: AtomicBool,
}

impl Connection {
    /// Lets the connection end after the requests that are open.
    pub(super) fn go_away(&self) {
        self.0.go_away.notify_one();
    }

    /// Closes the connection at once.
    pub(super) fn close(&self) {
        self.0.close.notify_one();
    }

    /// Marks that the connection ends as soon as its requests do.
    pub(super) fn end(&self) {
        self.0.is_ending.store(true, Ordering::Relaxed);
    }

    /// Whether the connection ends as soon as its requests do: an endless one has to end itself.
    #[cfg(feature = "http")]
    pub(super) fn is_ending(&self) -> bool {
        self.0.is_ending.load(Ordering::Relaxed)
    }

    pub(super) async fn asked_to_go_away(&self) {
        self.0.go_away.notified().await;
    }

    pub(super) async fn asked_to_close(&self) {
        self.0.close.notified().await;
    }
}

/// Marks a response in place of which the stream is reset.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reset;

/// Marks a request that arrived as JSON.
#[derive(Clone, Copy, Debug)]
pub(super) struct FromJson;
