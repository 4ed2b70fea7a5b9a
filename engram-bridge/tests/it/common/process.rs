//! Real processes of `engram-node`, on loopback, each with its own folder.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use engram_bridge::ENGRAM_DIMENSION;
use serde_json::{Value, json};

/// A wait that takes this long fails the test.
pub(crate) const DEADLINE: Duration = Duration::from_secs(120);

/// Runs `engram-node` to its end.
pub(crate) fn engram_node(arguments: &[&str], folder: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_engram-node"));
    command.args(arguments).current_dir(folder).output().unwrap()
}

/// Runs `engram-node`, which must succeed. Returns its standard output.
pub(crate) fn succeeds(arguments: &[&str], folder: &Path) -> String {
    let output = engram_node(arguments, folder);
    let (said, complained) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{arguments:?}: {said}{complained}");
    said
}

/// Runs `engram-node`, which must fail. Returns its standard error.
pub(crate) fn fails(arguments: &[&str], folder: &Path) -> String {
    let output = engram_node(arguments, folder);
    assert!(!output.status.success(), "{arguments:?}: {}", text(&output.stdout));
    text(&output.stderr)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The names in a folder, sorted.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = entries.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    names
}

/// A running node. Dropping it kills the process.
pub(crate) struct Process {
    child: Child,
    events: Receiver<Value>,
    /// The events that [`until`](Self::until) has received.
    pub(crate) seen: Vec<Value>,
}

impl Process {
    /// Starts `engram-node run --events` with these arguments in a folder.
    pub(crate) fn start(arguments: &[&str], folder: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_engram-node"));
        command.args(["run", "--events"]).args(arguments).current_dir(folder);
        Self::spawn(command)
    }

    /// Starts a command that writes events to its standard output.
    pub(crate) fn spawn(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (sender, events) = channel();
        thread::spawn(move || {
            let events = lines.map_while(Result::ok).filter_map(|l| serde_json::from_str(&l).ok());
            for event in events {
                if sender.send(event).is_err() {
                    return;
                }
            }
        });
        Self { child, events, seen: Vec::new() }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for an event with this code for which `fits` is true.
    pub(crate) fn until(&mut self, code: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let left = DEADLINE.saturating_sub(begun.elapsed());
            let event = self.events.recv_timeout(left).unwrap_or_else(|error| {
                panic!("no event {code} ({error}) after {:#?}", self.seen);
            });
            self.seen.push(event.clone());
            if event["event"] == code && fits(&event) {
                return event;
            }
        }
    }

    /// Waits for an event with this code.
    pub(crate) fn event(&mut self, code: &str) -> Value {
        self.until(code, |_| true)
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for the end of the process. Returns whether it ended successfully.
    pub(crate) fn ends(&mut self) -> bool {
        self.child.wait().unwrap().success()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// Creates the folders of `n` nodes with `engram-node init`, and gives the nodes free ports.
pub(crate) fn init(folder: &Path, n: usize) -> Vec<PathBuf> {
    succeeds(&["init", "--nodes", &n.to_string(), "--out", "cluster"], folder);
    let sockets: Vec<_> = (0..n).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
    let node = |at: usize| folder.join("cluster").join(format!("node-{}", letter(at)));
    let folders: Vec<_> = (0..n).map(node).collect();
    for node in &folders {
        let path = node.join("cluster.toml");
        let mut text = fs::read_to_string(&path).unwrap();
        for (at, socket) in sockets.iter().enumerate() {
            let port = socket.local_addr().unwrap().port();
            text = text.replace(&format!("127.0.0.1:{}", 7_701 + at), &format!("127.0.0.1:{port}"));
            text = text.replace(&format!("127.0.0.1:{}", 7_801 + at), "127.0.0.1:0");
        }
        fs::write(path, text).unwrap();
    }
    folders
}

fn letter(at: usize) -> char {
    char::from(b'a' + u8::try_from(at).unwrap())
}

/// A line of a snapshot file with one pattern for each id.
pub(crate) fn line(run: usize, ids: &[&str]) -> String {
    let embedding = STANDARD.encode(0.5_f32.to_le_bytes().repeat(ENGRAM_DIMENSION));
    let patterns = ids.iter().map(|id| {
        json!({
            "id": id, "source_episodes": [format!("{id} {run}")], "strength": 0.5,
            "schema_confidence": 0.5, "last_consolidated": "2026-01-01T00:00:00.000000000Z",
            "embedding_b64": embedding,
        })
    });
    json!({ "snapshot": run, "patterns": patterns.collect::<Vec<_>>() }).to_string() + "\n"
}
