//! The journal: every request that changed something, in a file of JSON lines.
//!
//! The emulated world depends on its requests, its settings and its seed alone, so that a replay leads
//! to the same state. A request is answered after its line is on the disk.

mod compact;
mod file;
mod lines;

pub(super) use file::{JournalFile, Place};
pub(super) use lines::ClockLine;

use super::{settings::Settings, status};
use lines::{Line, NoLine, is_cut_begin};
use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
    time::SystemTime,
};
use tonic::Status;

/// What a journal holds.
#[derive(Debug, Default)]
pub(super) struct Journal {
    lines: Vec<Line>,
    /// The length of the lines, in bytes.
    length: u64,
    /// The number of bytes after them that are no lines.
    pub(super) damaged: u64,
    /// Whether the file has many lines that are not needed.
    pub(super) is_compacted: bool,
}

/// A step of a replay.
#[derive(Debug)]
pub(super) enum Step {
    Begin { seed: u64, time: SystemTime },
    Settings { time: SystemTime, settings: Box<Settings> },
    Clock(ClockLine),
    Request { time: SystemTime, path: String, message: Vec<u8> },
}

impl Journal {
    /// Reads a journal. Only its last line may be damaged: a process can be killed while it writes.
    ///
    /// # Errors
    /// Why the bytes are not a journal.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, String> {
        let mut journal = Self::default();
        let mut texts = bytes.split_inclusive(|byte| *byte == b'\n').enumerate().peekable();
        while let Some((at, text)) = texts.next() {
            let whole = text.strip_suffix(b"\n").and_then(|text| std::str::from_utf8(text).ok());
            let line = whole.map_or(Err(NoLine::Garbled), Line::read);
            let is_last = texts.peek().is_none();
            let number = at + 1;
            match line {
                Ok(Line::Begin { .. }) if at > 0 => {
                    return Err(format!("line {number} begins another state file"));
                }
                Ok(line) if at > 0 || matches!(line, Line::Begin { .. }) => {
                    journal.lines.push(line);
                    journal.length += text.len() as u64;
                }
                // Without a complete first line, only its beginning shows that this is a journal.
                Err(NoLine::Garbled) if is_last && (at > 0 || is_cut_begin(text)) => {
                    journal.damaged = text.len() as u64;
                }
                Err(NoLine::Garbled) if at > 0 => {
                    return Err(format!("line {number} is damaged, and is not the last one"));
                }
                Err(NoLine::Unknown(reason)) if at > 0 => {
                    return Err(format!("line {number} {reason}"));
                }
                Err(NoLine::Unknown(reason)) => {
                    return Err(format!("is not a state file of this build: line 1 {reason}"));
                }
                Ok(_) | Err(NoLine::Garbled) => {
                    return Err("is not a state file, or its first line is damaged".to_owned());
                }
            }
        }
        Ok(journal)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The length of the lines, in bytes.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// The steps of a replay, in order.
    pub(super) fn steps(self) -> impl Iterator<Item = Step> {
        self.lines.into_iter().map(|line| match line {
            Line::Begin { seed, time } => Step::Begin { seed, time },
            Line::Settings { time, settings } => Step::Settings { time, settings },
            Line::Clock(clock) => Step::Clock(clock),
            Line::Request { time, path, message } => Step::Request { time, path, message },
        })
    }
}

/// Continues the file of a journal that was replayed: without its damaged end, and without what a
/// replay does not need.
pub(super) fn resume(
    file: File,
    path: &Path,
    length: u64,
    is_shorter: bool,
) -> io::Result<JournalFile> {
    JournalFile::start(file, path, length, compacted, is_shorter)
}

/// The content of a file without the lines that a replay does not need; `None` if there are few.
fn compacted(bytes: &[u8]) -> Option<String> {
    let mut lines = Journal::read(bytes).ok()?.lines;
    let is_shorter = compact::compact(&mut lines);
    is_shorter.then(|| lines.iter().map(|line| line.write() + "\n").collect())
}

/// Opens a journal: what a replay needs of its content, and the file to continue. The file is not
/// changed yet.
///
/// # Errors
/// If the file cannot be read or written, or if it is not a journal.
pub(super) fn open(path: &Path) -> io::Result<(Journal, File)> {
    let mut file = file::open(path)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let mut journal = Journal::read(&bytes).map_err(unusable)?;
    journal.is_compacted = compact::compact(&mut journal.lines);
    Ok((journal, file))
}

/// The error for a file that is not a journal, or not one that can be replayed.
pub(super) fn unusable(reason: String) -> io::Error {
    let advice = "the file is unchanged; use another file, or remove it to begin without a state";
    io::Error::new(io::ErrorKind::InvalidData, format!("{reason} ({advice})"))
}

impl JournalFile {
    /// Adds the start of a journal.
    pub(super) fn add_begin(&mut self, seed: u64, time: SystemTime) {
        self.append(Line::Begin { seed, time }.write(), false);
    }

    /// Adds the settings from a time on.
    pub(super) fn add_settings(&mut self, time: SystemTime, settings: &Settings) {
        let settings = Box::new(settings.clone());
        self.append(Line::Settings { time, settings }.write(), false);
    }

    /// Adds a clock.
    pub(super) fn add_clock(&mut self, clock: ClockLine) {
        self.append(Line::Clock(clock).write(), false);
    }

    /// Adds a request.
    pub(super) fn add_request(&mut self, time: SystemTime, path: &str, message: Vec<u8>) {
        let is_cut = compact::is_cut(path);
        self.append(Line::Request { time, path: path.to_owned(), message }.write(), is_cut);
    }
}

/// The answer to a request whose line cannot be written.
pub(super) fn unwritable(reason: &str) -> Status {
    Status::unavailable(format!("the state file cannot be written: {reason}"))
}

/// The answer to a journal that is not one.
pub(super) fn unreadable(reason: String) -> Status {
    status::invalid("journal", reason)
}
