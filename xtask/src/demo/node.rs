//! The processes of a demo, controlled through their handles, never by name.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::Sender;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::event::Event;

/// The time for a node to end by itself before it is killed.
const GRACE: Duration = Duration::from_secs(3);

/// A running node process.
pub(crate) struct Node {
    name: String,
    child: Child,
    input: Option<ChildStdin>,
    log: PathBuf,
}

impl Node {
    /// Starts `command`; its events go to `events` under the node's `number`, its log to the file `log`.
    pub(crate) fn start(
        name: &str,
        number: usize,
        mut command: Command,
        log: PathBuf,
        events: Sender<(usize, Event)>,
    ) -> Result<Self> {
        let file =
            File::create(&log).with_context(|| format!("{}: cannot be created", log.display()))?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(file);
        leave_terminal_signals_to_us(&mut command);
        let mut child = command.spawn().with_context(|| format!("cannot start {name}"))?;
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().expect("the output is piped"));
        thread::spawn(move || {
            let spoken =
                output.lines().map_while(Result::ok).filter_map(|line| Event::parse(&line));
            for event in spoken.chain([Event::Ended]) {
                // If the receiver is gone, the demo is over.
                if events.send((number, event)).is_err() {
                    break;
                }
            }
        });
        Ok(Self { name: name.to_owned(), child, input, log })
    }

    /// Writes one command to the node's standard input.
    pub(crate) fn tell(&mut self, command: &str) -> Result<()> {
        let input = self.input.as_mut().expect("the input is open until the node is stopped");
        writeln!(input, "{command}")
            .with_context(|| format!("{} no longer reads its input", self.name))
    }

    /// The last lines of the node's log, which explain its end.
    pub(crate) fn last_words(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = log.lines().filter(|line| !line.trim().is_empty()).collect();
        lines[lines.len().saturating_sub(5)..].join("\n")
    }
}

/// Ends all its nodes together when dropped, and kills those that do not end by themselves in time.
pub(crate) struct Nodes(pub(crate) Vec<Node>);

impl Drop for Nodes {
    fn drop(&mut self) {
        // A node ends when its input is closed, so it also ends if this process is killed.
        for node in &mut self.0 {
            node.input = None;
        }
        let deadline = Instant::now() + GRACE;
        for node in &mut self.0 {
            while matches!(node.child.try_wait(), Ok(None)) && Instant::now() < deadline {
                thread::sleep(Duration::from_millis(5));
            }
            // An error here means that the process has already ended.
            let _ = node.child.kill();
            let _ = node.child.wait();
        }
    }
}

/// Puts the process into a separate group. Ctrl-C reaches every process of the terminal's foreground group, but the
/// demo shuts the nodes down itself.
fn leave_terminal_signals_to_us(command: &mut Command) {
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    #[cfg(not(unix))]
    let _ = command;
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::scratch::Scratch;
    use std::sync::mpsc;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn node_exchanges_lines_and_ends_with_its_input() {
        let scratch = Scratch::new().unwrap();
        let (sender, events) = mpsc::channel();
        let script = r#"echo '{"event":"listening"}'; echo noise >&2; read line; echo "{\"event\":\"$line\"}"; cat"#;
        let log = scratch.path().join("log");
        let mut node = Node::start("n", 7, shell(script), log, sender).unwrap();
        assert_eq!(events.recv().unwrap(), (7, Event::Listening { page: None }));
        node.tell("exported").unwrap();
        assert_eq!(events.recv().unwrap(), (7, Event::Exported));
        assert_eq!(node.last_words(), "noise");
        drop(Nodes(vec![node]));
        assert_eq!(events.recv().unwrap(), (7, Event::Ended));
    }
}
