//! Runs a node until a request or a signal stops it.

#[cfg(unix)]
use std::fs::File;
#[cfg(not(unix))]
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Args;
use engram_bridge::telemetry::Telemetry;
use engram_bridge::{ENGRAM_DIMENSION, Node, http};
use tokio::sync::mpsc;

use crate::Failure;
use crate::control;
#[cfg(not(unix))]
use crate::control::Asked;
use crate::event::{Event, Reader};
use crate::follow::Follow;
use crate::host::Host;
#[cfg(unix)]
use crate::keeper::Keeper;
use crate::notice;
use crate::replay::{self, Replay};
use crate::report::Report;
use crate::signals::Signals;
use crate::source::Source;
use crate::submit::Submitter;

/// Runs a node: gossips, and submits consolidation snapshots from a file.
#[derive(Args)]
pub(crate) struct Run {
    #[command(flatten)]
    source: Source,
    /// Consolidation snapshots, as JSON lines. Without this option, the node submits nothing when it starts.
    #[arg(long, value_name = "FILE")]
    snapshots: Option<PathBuf>,
    /// The pause between two runs in --snapshots, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 300, conflicts_with = "follow")]
    replay_every: u64,
    /// Submits the latest pattern of each id in --snapshots, and then each line that is appended.
    /// The file may be rotated, may be missing for a while, and may be a named pipe.
    #[arg(long, requires = "snapshots")]
    follow: bool,
    /// Reports events as JSON, one object per line, on standard output.
    #[arg(long)]
    events: bool,
    /// Reports each session, and the state after it.
    #[arg(long)]
    sessions: bool,
    /// Accepts requests on standard input, one JSON object per line, as `engram-node ctl` sends
    /// them: {"command":"export","path":"/tmp/patterns.jsonl"}. The end of the input stops the
    /// node.
    #[arg(long)]
    control: bool,
}

/// The minimum number of open files that a node without peers needs.
#[cfg(unix)]
const FILES: usize = 32;

/// The maximum number of queued requests.
const REQUESTS: usize = 16;

impl Run {
    pub(crate) fn run(self) -> Result<(), Failure> {
        #[cfg(unix)]
        check_file_limit()?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let done = runtime.block_on(self.serve());
        // A thread that waits for a pipe or a terminal must not delay the exit.
        runtime.shutdown_background();
        done
    }

    async fn serve(self) -> Result<(), Failure> {
        // Must come first: a signal during the start must not end the process.
        let signals = Signals::listen()?;
        let config = self.source.load()?;
        let reader = if self.events { Reader::Program } else { Reader::Person };
        let report = Report::new(&config.node.name, reader, self.sessions);
        let replay = match &self.snapshots {
            Some(path) if !self.follow => replay::open(path, ENGRAM_DIMENSION, &report)?,
            _ => None,
        };
        if config.key_is_exposed() {
            report.notify(notice::key_exposed(&config.tls.key));
        }
        if let Some(folder) = config.store.path.as_ref().filter(|_| config.store_is_exposed()) {
            report.notify(notice::store_exposed(folder));
        }
        // Listen for HTTP requests before the node opens its store and connects to peers.
        let listening = match config.http {
            Some(http) => Some(http::Listening::on(http.listen).await?),
            None => None,
        };
        let node = Node::start(&config)?;
        report.say(&Event::opened(node.store.recovery(), &node.store.unhosted()));
        let (store, gossip) = (Arc::clone(&node.store), node.gossip.clone());
        let telemetry = Telemetry::new(config.node.name.clone(), store, gossip);
        let http = listening.map(|listening| listening.serve(&telemetry));
        let (sender, requests) = mpsc::channel(REQUESTS);
        let keeper = config
            .store
            .path
            .as_ref()
            .map(|folder| Keeper::start(folder, sender.clone(), report.clone()));
        report.say(&Event::Listening {
            node_id: node.gossip.node_id().to_string(),
            version: env!("CARGO_PKG_VERSION"),
            address: node.gossip.local_addr(),
            page: http.as_ref().map(|http| format!("http://{}/", http.local_addr())),
            socket: keeper
                .as_ref()
                .and_then(Keeper::path)
                .map(|socket| socket.display().to_string()),
        });
        if self.control {
            control::listen(sender);
        }
        let host = Arc::new(Host::new(self.source.clone(), config, node, telemetry, report));
        let following = Arc::new(AtomicBool::new(false));
        self.feed(&host, replay, &following);
        let reason = host.serve(signals, requests).await;
        host.report.say(&Event::Stopping { reason });
        following.store(true, Ordering::Relaxed);
        drop(http);
        // Close the socket before the store: as soon as the store is closed, another process may
        // use the folder and create its own socket.
        let answers = match keeper {
            Some(keeper) => keeper.close().await,
            None => None,
        };
        let closed = host.node.stop().await;
        host.note_end(&closed);
        if let Some(answers) = answers {
            answers.finish().await;
        }
        host.report.finish(&Event::Stopped {});
        Ok(closed?)
    }

    /// Starts to submit the node's own snapshots.
    fn feed(
        &self,
        host: &Host,
        replay: Option<engram_bridge::snapshot_file::SnapshotFile>,
        stop: &Arc<AtomicBool>,
    ) {
        let report = host.report.clone();
        let Some(path) = &self.snapshots else { return report.finish_replay() };
        let name = path.display().to_string();
        let submitter = Submitter { name, node: host.node.clone(), report: report.clone() };
        let stop = Arc::clone(stop);
        if self.follow {
            return Follow { path: path.clone(), submitter, stop }.start();
        }
        let Some(file) = replay else { return report.finish_replay() };
        let pause = Duration::from_millis(self.replay_every);
        Replay { file, pause, submitter, stop }.start();
    }
}

/// Returns an error if the process cannot open [`FILES`] files: the runtime itself would panic.
#[cfg(unix)]
fn check_file_limit() -> Result<(), Failure> {
    let open = |_| File::open("/dev/null");
    (0..FILES).map(open).collect::<Result<Vec<_>, _>>().map(drop).map_err(|error| {
        format!("cannot open {FILES} files: {error}; raise the limit (ulimit -n, LimitNOFILE)")
            .into()
    })
}

/// A stub for systems without Unix sockets.
#[cfg(not(unix))]
struct Keeper;

#[cfg(not(unix))]
struct LastAnswers;

#[cfg(not(unix))]
impl Keeper {
    fn start(_: &Path, _: mpsc::Sender<Asked>, _: Report) -> Self {
        Self
    }

    fn path(&self) -> Option<&Path> {
        None
    }

    async fn close(self) -> Option<LastAnswers> {
        None
    }
}

#[cfg(not(unix))]
impl LastAnswers {
    async fn finish(self) {}
}
