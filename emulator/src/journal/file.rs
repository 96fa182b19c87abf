//! The file of a journal. A thread writes the lines that wait, as one group, and syncs them to the disk
//! before their requests are answered.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
};
use tokio::sync::watch;

/// A file that is shorter is not compacted while it is written.
const MIN_COMPACTED: u64 = 64 * 1024;

/// How many bytes all journals have in common: `{"journal":`.
const HEAD: u64 = 11;

/// What the thread has done so far.
#[derive(Clone, Debug, PartialEq)]
enum Progress {
    /// All lines up to this number are on the disk.
    Written(u64),
    /// A line could not be written, for this reason. No later line is.
    Failed(String),
}

/// Makes the content of a file shorter, if it can be.
pub(super) type Compact = fn(&[u8]) -> Option<String>;

/// An open journal.
#[derive(Debug)]
pub(crate) struct JournalFile {
    lines: mpsc::Sender<Appended>,
    last: u64,
    progress: watch::Receiver<Progress>,
}

#[derive(Debug)]
struct Appended {
    line: String,
    /// Whether the file may become shorter after this line.
    is_cut: bool,
}

/// The end of a journal at some time.
#[derive(Debug)]
pub(crate) struct Place {
    line: u64,
    progress: watch::Receiver<Progress>,
}

impl Place {
    /// Waits until everything before it is on the disk.
    ///
    /// # Errors
    /// Why it cannot be written.
    pub(crate) async fn written(mut self) -> Result<(), String> {
        let is_settled = |progress: &Progress| match progress {
            Progress::Written(last) => *last >= self.line,
            Progress::Failed(_) => true,
        };
        match self.progress.wait_for(is_settled).await.as_deref() {
            Ok(Progress::Failed(reason)) => Err(reason.clone()),
            Ok(Progress::Written(_)) => Ok(()),
            Err(_) => Err("its thread has ended".to_owned()),
        }
    }
}

/// Opens the file, creates it if there is none, and locks it for this process.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).create(true).truncate(false).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("is not a file"));
    }
    file.try_lock().map_err(|_| io::Error::other("another process uses it"))?;
    Ok(file)
}

/// Puts a new file in the place of another one at once, so that neither is ever half there.
fn replace(path: &Path, content: &str) -> io::Result<File> {
    // The file may be a link to another folder.
    let path = fs::canonicalize(path)?;
    let mut new = path.clone().into_os_string();
    new.push(".compacted");
    let new = PathBuf::from(new);
    let mut file = open(&new)?;
    let mut head = Vec::new();
    (&file).take(HEAD).read_to_end(&mut head)?;
    if !content.as_bytes().starts_with(&head) {
        return Err(io::Error::other("is not left over from a crash"));
    }
    let permissions = fs::metadata(&path)?.permissions();
    let written = file
        .set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| file.set_permissions(permissions))
        .and_then(|()| file.write_all(content.as_bytes()))
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&new, &path));
    if let Err(error) = written {
        // Whatever becomes of it, the old file is still there.
        let _ = fs::remove_file(&new);
        return Err(error);
    }
    if let Some(folder) = path.parent() {
        // Not every system can sync a folder. The old file has the same state.
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
    }
    Ok(file)
}

impl JournalFile {
    /// Continues a file after its first `length` bytes, which are compacted before if that
    /// `is_shorter`.
    pub(super) fn start(
        mut file: File,
        path: &Path,
        length: u64,
        compact: Compact,
        is_shorter: bool,
    ) -> io::Result<Self> {
        file.set_len(length)?;
        file.seek(SeekFrom::Start(length))?;
        let mut writer = Writer { file, path: path.to_owned(), compact, length, threshold: 0 };
        match is_shorter {
            true => writer.compact(),
            false => writer.set_threshold(),
        }
        let (lines, waiting) = mpsc::channel();
        let (report, progress) = watch::channel(Progress::Written(0));
        thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || writer.write_all(&waiting, &report))?;
        Ok(Self { lines, last: 0, progress })
    }

    /// Queues a line. The file may become shorter after it if it `is_cut`.
    pub(super) fn append(&mut self, line: String, is_cut: bool) {
        self.last += 1;
        // If the thread has ended, `progress` says why.
        let _ = self.lines.send(Appended { line, is_cut });
    }

    /// The present end.
    pub(crate) fn end(&self) -> Place {
        Place { line: self.last, progress: self.progress.clone() }
    }

    /// Why no line can be written any more.
    pub(crate) fn failure(&self) -> Option<String> {
        match &*self.progress.borrow() {
            Progress::Failed(reason) => Some(reason.clone()),
            Progress::Written(_) if self.progress.has_changed().is_err() => {
                Some("its thread has ended".to_owned())
            }
            Progress::Written(_) => None,
        }
    }
}

struct Writer {
    file: File,
    path: PathBuf,
    compact: Compact,
    length: u64,
    /// The length from which the next compaction is worth its time.
    threshold: u64,
}

impl Writer {
    fn write_all(mut self, waiting: &mpsc::Receiver<Appended>, report: &watch::Sender<Progress>) {
        let mut written = 0;
        while let Ok(first) = waiting.recv() {
            let (mut group, mut has_cut) = (String::new(), false);
            for Appended { line, is_cut } in std::iter::once(first).chain(waiting.try_iter()) {
                group.push_str(&line);
                group.push('\n');
                has_cut |= is_cut;
                written += 1;
            }
            let synced = self.file.write_all(group.as_bytes()).and_then(|()| self.file.sync_data());
            if let Err(error) = synced {
                report.send_replace(Progress::Failed(error.to_string()));
                return;
            }
            self.length += group.len() as u64;
            report.send_replace(Progress::Written(written));
            if has_cut && self.length >= self.threshold {
                self.compact();
            }
        }
    }

    /// Makes the file shorter if it can be. If that fails, the file stays as it is.
    fn compact(&mut self) {
        // Somebody may have removed the file, or put another one in its place.
        let is_own = |content: &Vec<u8>| content.len() as u64 == self.length;
        let content = fs::read(&self.path).ok().filter(is_own);
        if let Some(content) = content.and_then(|content| (self.compact)(&content))
            && let Ok(file) = replace(&self.path, &content)
        {
            self.file = file;
            self.length = content.len() as u64;
        }
        self.set_threshold();
    }

    fn set_threshold(&mut self) {
        self.threshold = MIN_COMPACTED.max(self.length.saturating_mul(2));
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
