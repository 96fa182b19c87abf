//! The journal: every request that changed something, in a file of JSON lines.
//!
//! The emulated world depends on its requests, its settings and its seed alone, so that a replay leads
//! to the same state. A request is answered after its line is on the disk.

mod file;
mod lines;

pub(super) use file::{JournalFile, Progress};
pub(super) use lines::ClockLine;

use super::{settings::Settings, status};
use lines::Line;
use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::Path,
    time::SystemTime,
};
use tonic::Status;

/// The control method that removes everything: a replay can begin there.
const RESET: &str = "/livestream.emulator.v1.Control/Reset";

/// What a journal holds.
#[derive(Debug, Default)]
pub(super) struct Journal {
    lines: Vec<Line>,
    /// The length of the lines, in bytes.
    length: u64,
    /// The number of bytes after them that are no lines.
    pub(super) damaged: u64,
}

/// A step of a replay.
#[derive(Debug)]
pub(super) enum Step {
    Begin { seed: u64, time: SystemTime },
    Settings(Box<Settings>),
    Clock(ClockLine),
    Request { time: SystemTime, path: String, message: Vec<u8> },
}

impl Journal {
    /// Reads a journal. Only its end may be damaged: a process can be killed while it writes.
    ///
    /// # Errors
    /// The number of the first line that is damaged although others follow.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, usize> {
        let mut journal = Self::default();
        let mut first_bad = None;
        for (at, text) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
            let whole = text.strip_suffix(b"\n").and_then(|text| std::str::from_utf8(text).ok());
            let line = whole.and_then(Line::read).filter(|line| {
                // The first line, and no other.
                matches!(line, Line::Begin { .. }) == journal.lines.is_empty()
            });
            match (line, first_bad) {
                (Some(_), Some(bad)) => return Err(bad),
                (Some(line), None) => {
                    journal.lines.push(line);
                    journal.length += text.len() as u64;
                }
                (None, _) => {
                    first_bad = first_bad.or(Some(at + 1));
                    journal.damaged += text.len() as u64;
                }
            }
        }
        Ok(journal)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Drops the requests up to the last one that removed everything, unless there is a snapshot,
    /// which outlives it. Returns whether there were any.
    fn compact(&mut self) -> bool {
        let is = |line: &Line, name: &str| matches!(line, Line::Request { path, .. } if path.ends_with(name));
        if self.lines.iter().any(|line| is(line, "/CreateSnapshot")) {
            return false;
        }
        let Some(last) = self.lines.iter().rposition(|line| is(line, RESET)) else { return false };
        let mut at = 0;
        self.lines.retain(|line| {
            at += 1;
            at > last + 1 || !matches!(line, Line::Request { .. })
        });
        true
    }

    /// The steps of a replay, in order.
    pub(super) fn steps(self) -> impl Iterator<Item = Step> {
        self.lines.into_iter().map(|line| match line {
            Line::Begin { seed, time } => Step::Begin { seed, time },
            Line::Settings(settings) => Step::Settings(settings),
            Line::Clock(clock) => Step::Clock(clock),
            Line::Request { time, path, message } => Step::Request { time, path, message },
        })
    }
}

/// Opens a journal: its content, and the file to continue. It is compacted first.
///
/// # Errors
/// If the file cannot be read or written, or if it is damaged elsewhere than at its end.
pub(super) fn open(path: &Path) -> io::Result<(Journal, File)> {
    let mut file = file::open(path)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let mut journal = Journal::read(&bytes).map_err(|line| {
        let reason = format!("line {line} is damaged, and is not the last one");
        io::Error::new(io::ErrorKind::InvalidData, reason)
    })?;
    if journal.compact() {
        // A new file takes the place of the old one at once, so that neither is ever half there.
        let new = path.with_extension("compacted");
        let texts = journal.lines.iter().map(|line| line.write() + "\n");
        let text = texts.collect::<String>();
        fs::write(&new, &text)?;
        File::open(&new)?.sync_all()?;
        fs::rename(&new, path)?;
        journal.length = text.len() as u64;
        file = file::open(path)?;
    }
    Ok((journal, file))
}

/// Continues the file of a journal, without its damaged end.
pub(super) fn resume(file: File, length: u64) -> io::Result<JournalFile> {
    JournalFile::start(file, length)
}

impl Journal {
    pub(super) fn length(&self) -> u64 {
        self.length
    }
}

/// The line of the start of a journal.
pub(super) fn begin_line(seed: u64, time: SystemTime) -> String {
    Line::Begin { seed, time }.write()
}

/// The line of settings.
pub(super) fn settings_line(settings: &Settings) -> String {
    Line::Settings(Box::new(settings.clone())).write()
}

/// The line of a clock.
pub(super) fn clock_line(clock: ClockLine) -> String {
    Line::Clock(clock).write()
}

/// The line of a request.
pub(super) fn request_line(time: SystemTime, path: &str, message: Vec<u8>) -> String {
    Line::Request { time, path: path.to_owned(), message }.write()
}

/// The answer to a request whose line cannot be written.
pub(super) fn unwritable(reason: &str) -> Status {
    Status::unavailable(format!("the state file cannot be written: {reason}"))
}

/// The answer to a journal that is not one.
pub(super) fn unreadable(line: usize) -> Status {
    status::invalid("journal", format!("line {line} is damaged, and is not the last one"))
}
