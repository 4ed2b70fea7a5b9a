//! An output that never blocks the node.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

/// The maximum number of lines that wait for a slow reader; further ones are dropped and counted.
pub(crate) const QUEUE: usize = 4_096;

/// The longest time that the program waits for a slow reader before it ends.
const TIME_LIMIT: Duration = Duration::from_secs(1);

/// Writes lines on a separate thread. A slow or absent reader loses lines, and never blocks the
/// node.
pub(crate) struct Output {
    lines: SyncSender<Item>,
    lost: AtomicU64,
}

enum Item {
    Line(String),
    /// Signals that all earlier items are written.
    Flush(SyncSender<()>),
}

impl Output {
    pub(crate) fn to(write: impl Write + Send + 'static) -> Self {
        let (lines, items) = sync_channel(QUEUE);
        thread::spawn(move || drain(write, &items));
        Self { lines, lost: AtomicU64::new(0) }
    }

    /// Queues a line. `lost` formats the line that reports the number of lines lost before it.
    pub(crate) fn line(&self, line: String, lost: impl FnOnce(u64) -> String) {
        let missing = self.lost.swap(0, Ordering::Relaxed);
        if missing > 0 && self.lines.try_send(Item::Line(lost(missing))).is_err() {
            self.lost.fetch_add(missing + 1, Ordering::Relaxed);
            return;
        }
        if self.lines.try_send(Item::Line(line)).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until all queued lines are written, for at most a second. Does not wait if the queue
    /// is full.
    pub(crate) fn flush(&self) {
        let (done, written) = sync_channel(1);
        if self.lines.try_send(Item::Flush(done)).is_ok() {
            _ = written.recv_timeout(TIME_LIMIT);
        }
    }
}

fn drain(mut write: impl Write, items: &Receiver<Item>) {
    for item in items {
        match item {
            // An error means that there is no reader: drop the line.
            Item::Line(line) => _ = writeln!(write, "{line}").and_then(|()| write.flush()),
            Item::Flush(done) => _ = done.try_send(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, BufRead as _, BufReader};

    use super::*;

    #[test]
    fn slow_reader_learns_how_many_lines_it_lost() {
        let (reader, writer) = io::pipe().unwrap();
        let output = Output::to(writer);
        let line = "x".repeat(1_000);
        // Far more than the pipe and the queue hold.
        for _ in 0..3 * QUEUE {
            output.line(line.clone(), |lost| format!("lost {lost}"));
        }
        assert!(output.lost.load(Ordering::Relaxed) > 0);
        let reading = thread::spawn(move || {
            let (mut read, mut lost) = (0, 0);
            for line in BufReader::new(reader).lines().map(Result::unwrap) {
                match line.strip_prefix("lost ") {
                    Some(count) => lost += count.parse::<usize>().unwrap(),
                    None if line == "end" => break,
                    None => read += 1,
                }
            }
            (read, lost)
        });
        while !reading.is_finished() {
            output.line("end".to_owned(), |lost| format!("lost {lost}"));
            thread::yield_now();
        }
        let (read, lost) = reading.join().unwrap();
        assert!(lost > 0 && read + lost >= 3 * QUEUE, "{read} {lost}");
    }

    #[test]
    fn closed_pipe_loses_only_the_lines() {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let output = Output::to(writer);
        output.line("one".to_owned(), |_| String::new());
        output.flush();
    }
}
