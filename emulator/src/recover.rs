//! Recovery: a state file is replayed, and continued from there.

#[cfg(feature = "visionai")]
use super::visionai;
use super::{
    clock::Clock,
    control_service,
    emulator::{Emulator, Snapshot},
    gate::Gate,
    journal::{self, ClockLine, Journal, Step},
    service,
    state::State,
    status,
};
use std::{
    collections::BTreeMap,
    io, mem,
    path::Path,
    time::{Duration, SystemTime},
};
use tonic::Status;

/// The contents of a state file; see [`Emulator::open_state`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recovered {
    /// The number of requests that were replayed.
    pub requests: u64,
    /// The number of bytes that were cut from a damaged end.
    pub damaged_bytes: u64,
}

/// What a journal leads to.
struct Replayed {
    state: State,
    snapshots: BTreeMap<String, Snapshot>,
    clock: Option<ClockLine>,
    /// The time of the last request.
    last: SystemTime,
    requests: u64,
}

impl Emulator {
    /// Continues from a state file, and keeps every change in it: the requests of clients and of the
    /// control service, the changes by methods of this handle, and the clock. A file that does not
    /// exist is created. A request is answered after all lines that its answer depends on are on the
    /// disk. The methods of this handle do not wait for the disk.
    ///
    /// The file has JSON lines. After a restart, time goes on as if the emulator had never stopped:
    /// with the settings of this emulator, and at its speed. Faults and logged requests are not kept.
    /// The requests that a reset or a return to a snapshot made irrelevant are removed from the file,
    /// now and when the file has grown to twice its size.
    ///
    /// While a file is open, [`Emulator::restore`] and [`Emulator::load_state`] are refused. If the
    /// file cannot be written any more, every change is refused, and methods without a result change
    /// nothing.
    ///
    /// # Errors
    /// If the file is new and the emulator has resources, or if the file cannot be read or written, is
    /// used by another process, is not a state file, has a line that this build does not understand or refuses, or is damaged elsewhere than in its last
    /// line. The file and the present state are unchanged then. A damaged last line is cut.
    pub fn open_state(&self, path: impl AsRef<Path>) -> io::Result<Recovered> {
        let path = path.as_ref();
        self.check_no_file().map_err(|status| io::Error::other(status.message()))?;
        let (found, file) = journal::open(path)?;
        let damaged_bytes = found.damaged;
        let (length, is_shorter) = (found.length(), found.is_compacted);
        let (settings, speed) = (self.state().settings.clone(), self.speed());
        let is_new = found.is_empty();
        if is_new && !self.is_fresh() {
            let reason = "a new state file needs an emulator without resources and snapshots";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
        }
        let replayed = match is_new {
            true => None,
            false => {
                let replayed = self.replay(found);
                Some(replayed.map_err(|status| journal::unusable(status.message().to_owned()))?)
            }
        };
        let mut file = journal::resume(file, path, length, is_shorter)?;
        // No request may be executed before its line has a place.
        let mut journal = self.journal();
        let requests = replayed.map_or(0, |replayed| self.adopt(replayed));
        {
            let mut state = self.state();
            if is_new {
                file.add_begin(state.seed(), state.now());
            }
            if is_new || state.settings != settings {
                state.settings = settings;
                file.add_settings(state.now(), &state.settings);
            }
        }
        if !is_new {
            self.clock().set_speed(speed);
        }
        file.add_clock(self.clock_line());
        *journal = Some(file);
        Ok(Recovered { requests, damaged_bytes })
    }

    /// Replaces the state and the snapshots by those of a journal: the text of a state file. Tests can
    /// begin from it. The clock goes on from the last time in it, or from the present time if that is
    /// later.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` if the text is not a journal, `DATA_LOSS` if a request in it is refused,
    /// `FAILED_PRECONDITION` while a state file is open. The present state is unchanged then.
    pub fn load_state(&self, text: &str) -> Result<Recovered, Status> {
        self.check_no_file()?;
        let found = Journal::read(text.as_bytes()).map_err(journal::unreadable)?;
        if found.is_empty() {
            return Err(status::invalid("journal", "has no lines"));
        }
        let damaged_bytes = found.damaged;
        let replayed = self.replay(found)?;
        let now = self.present();
        let is_paused = self.is_paused();
        let requests = self.adopt(replayed);
        if !is_paused {
            // A clock that stands still is not moved by real time.
            let _ = self.set_time(now);
        }
        Ok(Recovered { requests, damaged_bytes })
    }

    /// Whether a replay of nothing leads to the present state.
    fn is_fresh(&self) -> bool {
        let has_snapshots = !self.snapshots().is_empty();
        !has_snapshots && self.state().is_fresh()
    }

    /// Replays a journal beside the present state, which a journal that is refused must not harm.
    fn replay(&self, journal: Journal) -> Result<Replayed, Status> {
        let (mut clock, mut requests, mut last) = (None, 0, SystemTime::UNIX_EPOCH);
        let settings = self.state().settings.clone();
        let state = State::new(last, settings.clone(), 0);
        let own = Self::from_parts(Clock::new(last, 0), state, Gate::new(0));
        for step in journal.steps() {
            match step {
                Step::Begin { seed, time } => {
                    own.clock().hold(Some(time));
                    last = time;
                    *own.state() = State::new(time, settings.clone(), seed);
                }
                Step::Settings { time, settings } => {
                    last = last.max(time);
                    own.clock().hold(Some(last));
                    own.state().settings = *settings;
                }
                Step::Clock(line) => clock = Some(line),
                Step::Request { time, path, message } => {
                    last = last.max(time);
                    own.clock().hold(Some(last));
                    requests += 1;
                    own.replay_request(&path, &message).map_err(|status| {
                        let reason = format!("request {requests} ({path}): {status}");
                        Status::data_loss(format!("cannot be replayed: {reason}"))
                    })?;
                }
            }
        }
        let snapshots = mem::take(&mut *own.snapshots());
        let mut state = own.state();
        let empty = state.emptied();
        let state = mem::replace(&mut *state, empty);
        Ok(Replayed { state, snapshots, clock, last, requests })
    }

    /// Puts what a journal leads to in the place of the present state.
    fn adopt(&self, replayed: Replayed) -> u64 {
        *self.snapshots() = replayed.snapshots;
        let mut state = self.state();
        *state = replayed.state;
        self.continue_clock(replayed.clock, replayed.last);
        replayed.requests
    }

    fn replay_request(&self, path: &str, message: &[u8]) -> Result<(), Status> {
        if let Some(replayed) = control_service::replay(self, path, message) {
            return replayed;
        }
        let mut state = self.state();
        let replayed = service::replay_livestream(&mut state, path, message)
            .or_else(|| service::replay_operations(&mut state, path, message))
            .or_else(|| service::replay_locations(&mut state, path, message));
        #[cfg(feature = "visionai")]
        let replayed = replayed.or_else(|| visionai::replay(&mut state, path, message));
        replayed.unwrap_or_else(|| Err(status::unimplemented(path)))
    }

    /// Sets the clock to where it would be if it had run on.
    fn continue_clock(&self, line: Option<ClockLine>, last: SystemTime) {
        let mut clock = self.clock();
        let Some(line) = line else { return clock.restart(last) };
        let passed = match SystemTime::now().duration_since(line.real) {
            Ok(passed) if !line.is_paused => passed.saturating_mul(line.speed),
            _ => Duration::ZERO,
        };
        let time = line.time.checked_add(passed).unwrap_or(line.time);
        clock.restart(time.max(last));
        clock.set_speed(line.speed);
        clock.pause(line.is_paused);
    }
}
