//! The gate: every request of every client passes here before it is served. It logs requests and
//! injects faults.

mod fault;
mod log;

pub(super) use fault::{Effect, FaultTable, Strike};
pub use fault::{Fault, FaultId};
pub use log::LoggedRequest;
pub(super) use log::RequestLog;

use std::{sync::Arc, time::Duration};
use tokio::sync::{Notify, watch};

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
    is_ending: watch::Sender<bool>,
    /// The number of requests in progress.
    open: watch::Sender<usize>,
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

    /// Tells the endless responses that the connection ends as soon as its requests do.
    pub(super) fn end(&self) {
        self.0.is_ending.send_replace(true);
    }

    /// Waits until the connection ends as soon as its requests do: an endless response has to end
    /// itself.
    pub(super) async fn ending(&self) {
        // The sender exists for as long as `self`.
        let _ = self.0.is_ending.subscribe().wait_for(|is_ending| *is_ending).await;
    }

    /// Counts a request until the guard is dropped.
    pub(super) fn begin(&self) -> InProgress {
        self.0.open.send_modify(|open| *open += 1);
        InProgress(self.clone())
    }

    /// Waits until no request was in progress for some time.
    pub(super) async fn idle_for(&self, time: Duration) {
        let mut open = self.0.open.subscribe();
        loop {
            let _ = open.wait_for(|open| *open == 0).await;
            tokio::select! {
                () = tokio::time::sleep(time) => return,
                _ = open.changed() => {}
            }
        }
    }

    pub(super) async fn asked_to_go_away(&self) {
        self.0.go_away.notified().await;
    }

    pub(super) async fn asked_to_close(&self) {
        self.0.close.notified().await;
    }
}

/// A request in progress, up to the end of its response.
#[derive(Debug)]
pub(super) struct InProgress(Connection);

impl Drop for InProgress {
    fn drop(&mut self) {
        self.0.0.open.send_modify(|open| *open -= 1);
    }
}

/// Marks a response in place of which the stream is reset.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reset;

/// Marks a request that arrived as JSON.
#[derive(Clone, Copy, Debug)]
pub(super) struct FromJson;
