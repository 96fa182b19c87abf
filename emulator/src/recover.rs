//! Recovery: a state file is replayed, and continued from there.

#[cfg(feature = "visionai")]
use super::visionai;
use super::{
    control_service,
    emulator::Emulator,
    journal::{self, ClockLine, Journal, Step},
    service,
    state::State,
    status,
};
use std::{
    io,
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

impl Emulator {
    /// Continues from a state file, and keeps every change in it: the requests of clients and of the
    /// control service, and the clock. A file that does not exist is created. A request is answered
    /// after its line is on the disk. Changes by methods of this handle are not kept.
    ///
    /// The file has JSON lines. After a restart, time goes on as if the emulator had never stopped:
    /// with the settings of this emulator, and at its speed. Faults and logged requests are not kept.
    ///
    /// # Errors
    /// If the file cannot be read or written, is used by another process, or is damaged elsewhere than
    /// at its end. A damaged end is cut.
    pub fn open_state(&self, path: impl AsRef<Path>) -> io::Result<Recovered> {
        let (found, file) = journal::open(path.as_ref())?;
        let (length, damaged_bytes) = (found.length(), found.damaged);
        let (settings, speed) = (self.state().settings.clone(), self.speed());
        let is_new = found.is_empty();
        let requests = match is_new {
            true => 0,
            false => {
                let requests = self.replay(found);
                requests.map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e.to_string()))?
            }
        };
        let mut file = journal::resume(file, length)?;
        {
            let mut state = self.state();
            if is_new {
                file.append(journal::begin_line(state.seed(), state.now()));
            }
            if is_new || state.settings != settings {
                state.settings = settings;
                file.append(journal::settings_line(&state.settings));
            }
        }
        if !is_new {
            self.set_speed(speed);
        }
        file.append(journal::clock_line(self.clock_line()));
        *self.journal() = Some(file);
        Ok(Recovered { requests, damaged_bytes })
    }

    /// Replaces the state by that of a journal: the text of a state file. Tests can begin from it.
    /// The clock goes on from the last time in it, or from the present time if that is later.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` if the text is not a journal, `DATA_LOSS` if a request in it is refused.
    pub fn load_state(&self, text: &str) -> Result<Recovered, Status> {
        let found = Journal::read(text.as_bytes()).map_err(journal::unreadable)?;
        if found.is_empty() {
            return Err(status::invalid("journal", "has no lines"));
        }
        let damaged_bytes = found.damaged;
        let now = self.present();
        let is_paused = self.is_paused();
        let requests = self.replay(found)?;
        if !is_paused {
            // A clock that stands still is not moved by real time.
            let _ = self.set_time(now);
        }
        Ok(Recovered { requests, damaged_bytes })
    }

    /// Replays a journal in place of the present state.
    fn replay(&self, journal: Journal) -> Result<u64, Status> {
        let mut clock: Option<ClockLine> = None;
        let (mut requests, mut last) = (0, SystemTime::UNIX_EPOCH);
        for step in journal.steps() {
            match step {
                Step::Begin { seed, time } => {
                    self.clock().hold(Some(time));
                    last = time;
                    let mut state = self.state();
                    let settings = state.settings.clone();
                    *state = State::new(time, settings, seed);
                }
                Step::Settings(settings) => self.state().settings = *settings,
                Step::Clock(line) => clock = Some(line),
                Step::Request { time, path, message } => {
                    last = last.max(time);
                    self.clock().hold(Some(last));
                    requests += 1;
                    self.replay_request(&path, &message).map_err(|status| {
                        self.clock().hold(None);
                        Status::data_loss(format!("request {requests} ({path}): {status}"))
                    })?;
                }
            }
        }
        self.continue_clock(clock, last);
        Ok(requests)
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
        clock.hold(None);
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
