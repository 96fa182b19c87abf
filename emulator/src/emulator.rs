//! The emulator: its clock and its state.

use super::{clock::Clock, state::State};
use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// An emulated Live Stream service. Clones share one state.
#[derive(Clone)]
pub struct Emulator(Arc<Shared>);

struct Shared {
    clock: Mutex<Clock>,
    state: Mutex<State>,
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

    pub(super) fn from_parts(clock: Clock, state: State) -> Self {
        Self(Arc::new(Shared { clock: Mutex::new(clock), state: Mutex::new(state) }))
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

    fn clock(&self) -> MutexGuard<'_, Clock> {
        // A thread that panics cannot leave the clock in a wrong state.
        self.0.clock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn advance_clock(&self, by: Duration) {
        self.clock().advance(by);
    }
}

impl fmt::Debug for Emulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emulator").finish_non_exhaustive()
    }
}
