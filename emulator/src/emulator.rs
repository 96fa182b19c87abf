//! The emulator: its clock and its state.

#[cfg(feature = "http")]
use super::journal::JournalFile;
use super::{
    clock::Clock,
    gate::{Gate, LoggedRequest, Strike},
    projects::Projects,
    state::State,
};
#[cfg(feature = "http")]
use std::collections::BTreeMap;
use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};
use tonic::Code;

/// An emulated Live Stream service. Clones share one state.
#[derive(Clone)]
pub struct Emulator(Arc<Shared>);

struct Shared {
    clock: Mutex<Clock>,
    state: Mutex<State>,
    /// Locked before the state, and for as long as a request is executed: the order of its lines is
    /// the order of the requests.
    #[cfg(feature = "http")]
    journal: Mutex<Option<JournalFile>>,
    gate: Mutex<Gate>,
    /// The snapshots that the control service keeps, by id.
    #[cfg(feature = "http")]
    snapshots: Mutex<BTreeMap<String, Snapshot>>,
}

impl Emulator {
    /// How many times faster than real time virtual time runs, unless [`Builder::speed`] is set: an
    /// input is created in 1.5 s, a channel is started in 5 s.
    ///
    /// A higher speed would break the promises that the service makes in real time: it remembers a
    /// `request_id` for an hour, which is 30 s at this speed.
    ///
    /// [`Builder::speed`]: crate::Builder::speed
    pub const DEFAULT_SPEED: u32 = 120;

    pub(super) fn from_parts(clock: Clock, state: State, gate: Gate) -> Self {
        Self(Arc::new(Shared {
            clock: Mutex::new(clock),
            state: Mutex::new(state),
            #[cfg(feature = "http")]
            journal: Mutex::default(),
            gate: Mutex::new(gate),
            #[cfg(feature = "http")]
            snapshots: Mutex::default(),
        }))
    }

    /// The state as it is now: every timer that is due has fired.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        // The clock is read under the lock of the state, so that requests are served in the order
        // of their times.
        let now = self.clock().now();
        state.advance_to(now);
        state
    }

    /// The projects with a number.
    pub(super) fn projects(&self) -> Projects {
        let state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.settings.projects.clone()
    }

    pub(super) fn clock(&self) -> MutexGuard<'_, Clock> {
        // A thread that panics cannot leave the clock in a wrong state.
        self.0.clock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time of the clock. The changes that are due may not have been made.
    pub(super) fn present(&self) -> SystemTime {
        self.clock().now()
    }

    pub(super) fn gate(&self) -> MutexGuard<'_, Gate> {
        // No code that holds the lock leaves the gate in a wrong state.
        self.0.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(feature = "http")]
    pub(super) fn journal(&self) -> MutexGuard<'_, Option<JournalFile>> {
        self.0.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(feature = "http")]
    pub(super) fn snapshots(&self) -> MutexGuard<'_, BTreeMap<String, Snapshot>> {
        self.0.snapshots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn log(&self, request: LoggedRequest) -> u64 {
        self.gate().log.add(request)
    }

    pub(super) fn log_end(&self, number: u64, code: Code, message: &str) {
        let mut gate = self.gate();
        gate.log.end(number, code, message.to_owned());
        let Some(sink) = gate.sink.clone() else { return };
        let line = gate.log.line(number);
        drop(gate);
        if let Some(line) = line {
            sink(&line);
        }
    }

    /// The faults that hit a request.
    pub(super) fn strike(&self, path: &str, resource: &str) -> Strike {
        let projects = self.projects();
        self.gate().faults.strike(path, resource, &projects)
    }
}

impl fmt::Debug for Emulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emulator").finish_non_exhaustive()
    }
}

/// Holds the clock at the present time.
#[cfg(feature = "http")]
pub(super) struct Held<'a>(&'a Emulator, SystemTime);

#[cfg(feature = "http")]
impl<'a> Held<'a> {
    pub(super) fn new(emulator: &'a Emulator) -> Self {
        let now = emulator.present();
        emulator.clock().hold(Some(now));
        Self(emulator, now)
    }

    pub(super) fn time(&self) -> SystemTime {
        self.1
    }
}

#[cfg(feature = "http")]
impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.clock().hold(None);
    }
}

/// A copy of the state of an emulator; see [`Emulator::snapshot`].
#[derive(Clone)]
pub struct Snapshot(Box<State>);

impl Snapshot {
    pub(super) fn new(state: State) -> Self {
        Self(Box::new(state))
    }

    pub(super) fn state(&self) -> State {
        (*self.0).clone()
    }

    /// The virtual time at which it was made.
    pub fn time(&self) -> SystemTime {
        self.0.now()
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").finish_non_exhaustive()
    }
}
