//! Follows a growing file of snapshots, or a pipe.

use std::fs::{self, File, Metadata};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use engram_bridge::ENGRAM_DIMENSION;
use engram_bridge::snapshot_file::{FileSnapshot, MAX_SNAPSHOT_LINE, SnapshotLines};

use crate::backlog::Backlog;
use crate::notice;
use crate::submit::Submitter;
use engram_bridge::notices::Notice;

/// The pause between two reads of a file that has not grown.
const PAUSE: Duration = Duration::from_millis(200);

/// The time for which the followed name may lack a file during a rotation.
const ROTATION: Duration = Duration::from_secs(5);

/// The pause before a failed snapshot is submitted again.
const RETRY: Duration = Duration::from_secs(1);

/// Submits the contents of a file as one snapshot for each space, and then every appended line. A
/// file that is truncated, or replaced by a new one of the same name, is read from its beginning,
/// after the old one has been read to its end. Truncation is detected only if the file is
/// still shorter than the part already read when it is next checked. The file may be missing for a
/// while. No position is kept across a restart: a node with a store does not write unchanged
/// patterns again.
pub(crate) struct Follow {
    pub(crate) path: PathBuf,
    pub(crate) submitter: Submitter,
    pub(crate) stop: Arc<AtomicBool>,
}

/// The state of a followed file.
struct Following {
    file: Follow,
    lines: SnapshotLines,
    /// The last reported reason why the file cannot be read.
    unreadable: Option<String>,
    /// The time for which the open file's name has been missing.
    missing: Duration,
}

impl Follow {
    /// Follows the file on a separate thread: opening and reading a pipe blocks until its writer acts.
    pub(crate) fn start(self) {
        let lines = SnapshotLines::new(&self.path, ENGRAM_DIMENSION);
        let (unreadable, missing) = (None, Duration::ZERO);
        let following = Following { file: self, lines, unreadable, missing };
        thread::spawn(move || following.run());
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Notes that the current contents of the file have been submitted, or cannot be read.
    fn note_caught_up(&self) {
        self.submitter.report.finish_replay();
    }

    fn report(&self, notice: impl FnOnce(&str) -> Notice) {
        self.submitter.report.notify(notice(&self.path.display().to_string()));
    }
}

impl Following {
    fn run(mut self) {
        while !self.file.is_stopped() {
            let read = Source::open(&self.file.path).and_then(|source| self.read(source));
            if let Err(error) = read {
                self.note_unreadable(&error);
                self.file.note_caught_up();
                thread::sleep(PAUSE);
            }
        }
    }

    /// Reports why the file cannot be read, unless this reason was the last one reported.
    fn note_unreadable(&mut self, error: &io::Error) {
        let reason = error.to_string();
        if self.unreadable.as_ref() != Some(&reason) {
            self.file.report(|file| notice::unreadable(file, &reason));
            self.unreadable = Some(reason);
        }
    }

    /// Records whether the name is missing, and reports it once it has been missing for as long as a
    /// rotation may take. The open file is still read.
    fn note_name(&mut self, named: &io::Result<Metadata>) {
        match named {
            Ok(_) => self.missing = Duration::ZERO,
            Err(error) => {
                self.missing += PAUSE;
                if self.missing >= ROTATION {
                    self.note_unreadable(error);
                }
            }
        }
    }

    /// Continues to read the current line. Returns whether it is complete.
    fn continue_line(&mut self, source: &mut Source, line: &mut Vec<u8>) -> io::Result<bool> {
        let complete = source.read_line(line)?;
        if self.missing.is_zero() && self.unreadable.take().is_some() {
            self.file.report(notice::readable);
        }
        Ok(complete)
    }

    /// Reads an open file until it is truncated or replaced, or a pipe until its
    /// writer closes it.
    fn read(&mut self, mut source: Source) -> io::Result<()> {
        self.missing = Duration::ZERO;
        let mut line = self.catch_up(&mut source)?;
        while !self.file.is_stopped() {
            if line.last() == Some(&b'\n') || self.continue_line(&mut source, &mut line)? {
                self.submit(&line);
                line.clear();
                continue;
            }
            self.file.note_caught_up();
            let named = fs::metadata(&self.file.path);
            self.note_name(&named);
            if source.is_over(named.ok().as_ref())? {
                // Read lines written before the rotation was detected.
                let known = line.len();
                if self.continue_line(&mut source, &mut line)? || line.len() > known {
                    continue;
                }
                // The writer may have left its last line without a line ending.
                self.submit(&line);
                return Ok(());
            }
            thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// Submits the contents that the file had when it was opened. Returns an unfinished last line.
    fn catch_up(&mut self, source: &mut Source) -> io::Result<Vec<u8>> {
        let (mut backlog, mut line) = (Backlog::default(), Vec::new());
        while source.is_old()? && self.continue_line(source, &mut line)? {
            if self.file.is_stopped() {
                return Ok(Vec::new());
            }
            if let Some(read) = self.read_line(&line) {
                let space = self.file.submitter.node.store.space(&read.space);
                backlog
                    .add(read, |pattern| Some(space.as_ref()?.check(pattern).err()?.to_string()));
            }
            line.clear();
        }
        backlog.snapshots().for_each(|snapshot| self.file.submit_until_taken(&snapshot));
        Ok(line)
    }

    fn submit(&mut self, line: &[u8]) {
        let read = self.read_line(line);
        read.into_iter().for_each(|snapshot| self.file.submit_until_taken(&snapshot));
    }

    fn read_line(&mut self, line: &[u8]) -> Option<FileSnapshot> {
        self.lines.read(line).unwrap_or_else(|rejected| {
            self.file.submitter.reject(rejected);
            None
        })
    }
}

impl Follow {
    /// Submits a snapshot, and tries again until the store accepts it or the node stops, since the
    /// disk may be full only for a while.
    fn submit_until_taken(&self, snapshot: &FileSnapshot) {
        while self.submitter.submit(snapshot).is_err() && !self.is_stopped() {
            thread::sleep(RETRY);
        }
    }
}

/// An open file or pipe.
struct Source {
    file: BufReader<File>,
    opened: Metadata,
}

impl Source {
    fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let opened = file.metadata()?;
        Ok(Self { file: BufReader::new(file), opened })
    }

    /// Whether the next line began before the file was opened.
    fn is_old(&mut self) -> io::Result<bool> {
        Ok(!is_pipe(&self.opened) && self.file.stream_position()? < self.opened.len())
    }

    /// Continues to read the current line. Returns whether it is complete.
    fn read_line(&mut self, line: &mut Vec<u8>) -> io::Result<bool> {
        let most = MAX_SNAPSHOT_LINE + 1;
        let room = most.saturating_sub(line.len()) as u64;
        self.file.by_ref().take(room).read_until(b'\n', line)?;
        if line.len() == most && line.last() != Some(&b'\n') {
            // The part read so far suffices to reject the line as too long.
            self.file.skip_until(b'\n')?;
            return Ok(true);
        }
        Ok(line.last() == Some(&b'\n'))
    }

    /// Whether this file, which was read to its end, is finished: a closed pipe, or a file that was
    /// truncated or replaced. `named` is the file that now has its name.
    fn is_over(&mut self, named: Option<&Metadata>) -> io::Result<bool> {
        if is_pipe(&self.opened) {
            return Ok(true);
        }
        let read = self.file.stream_position()?;
        if self.file.get_ref().metadata()?.len() < read {
            return Ok(true);
        }
        // If no file has the name, a rotation may be in progress.
        Ok(named.is_some_and(|named| !is_same(named, &self.opened)))
    }
}

#[cfg(unix)]
fn is_pipe(file: &Metadata) -> bool {
    std::os::unix::fs::FileTypeExt::is_fifo(&file.file_type())
}

#[cfg(unix)]
fn is_same(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

#[cfg(not(unix))]
fn is_pipe(_: &Metadata) -> bool {
    false
}

#[cfg(not(unix))]
fn is_same(one: &Metadata, other: &Metadata) -> bool {
    one.created().ok() == other.created().ok()
}
