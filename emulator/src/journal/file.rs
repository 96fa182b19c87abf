//! The file of a journal. A thread writes the lines that wait, as one group, and syncs them to the disk
//! before their requests are answered.

use std::{
    fs::{File, OpenOptions},
    io::{self, Seek as _, SeekFrom, Write as _},
    path::Path,
    sync::mpsc,
    thread,
};
use tokio::sync::watch;

/// What the thread has done so far.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Progress {
    /// All lines up to this number are on the disk.
    Written(u64),
    /// A line could not be written, for this reason. No later line is.
    Failed(String),
}

/// An open journal.
#[derive(Debug)]
pub(crate) struct JournalFile {
    lines: mpsc::Sender<String>,
    last: u64,
    progress: watch::Receiver<Progress>,
}

/// Opens the file, creates it if there is none, and locks it for this process.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).create(true).truncate(false).open(path)?;
    file.try_lock().map_err(|_| io::Error::other("another process uses it"))?;
    Ok(file)
}

impl JournalFile {
    /// Continues a file after its first `length` bytes.
    pub(super) fn start(mut file: File, length: u64) -> io::Result<Self> {
        file.set_len(length)?;
        file.seek(SeekFrom::Start(length))?;
        let (lines, waiting) = mpsc::channel();
        let (report, progress) = watch::channel(Progress::Written(0));
        thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || write_all(file, &waiting, &report))?;
        Ok(Self { lines, last: 0, progress })
    }

    /// Queues a line, and returns its number.
    pub(crate) fn append(&mut self, line: String) -> u64 {
        self.last += 1;
        // If the thread has ended, `progress` says why.
        let _ = self.lines.send(line);
        self.last
    }

    pub(crate) fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.clone()
    }

    /// Why no line can be written any more.
    pub(crate) fn failure(&self) -> Option<String> {
        match &*self.progress.borrow() {
            Progress::Failed(reason) => Some(reason.clone()),
            Progress::Written(_) => None,
        }
    }
}

fn write_all(mut file: File, waiting: &mpsc::Receiver<String>, report: &watch::Sender<Progress>) {
    let mut written = 0;
    while let Ok(first) = waiting.recv() {
        let mut group = String::new();
        for line in std::iter::once(first).chain(waiting.try_iter()) {
            group.push_str(&line);
            group.push('\n');
            written += 1;
        }
        let synced = file.write_all(group.as_bytes()).and_then(|()| file.sync_data());
        if let Err(error) = synced {
            report.send_replace(Progress::Failed(error.to_string()));
            return;
        }
        report.send_replace(Progress::Written(written));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_that_cannot_be_written_says_why() {
        let (lines, _) = mpsc::channel();
        let (report, progress) = watch::channel(Progress::Written(0));
        let file = JournalFile { lines, last: 0, progress };
        assert_eq!(file.failure(), None);
        report.send_replace(Progress::Failed("no space".to_owned()));
        assert_eq!(file.failure().as_deref(), Some("no space"));
    }
}
