//! Runs a node until it is told to end.

use std::future;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use clap::Args;
use engram_bridge::{
    ClusterConfig, ENGRAM_DIMENSION, Node, SnapshotFile, Space, Telemetry, http, refusal,
};
use engram_gossip_net::{self as net, NodeId};
use engram_gossip_proto::Event as Noticed;
use tokio::sync::{Notify, mpsc};
use tokio::time::{MissedTickBehavior, interval};

use crate::Failure;
use crate::control::{self, Command};
use crate::event::{Event, Reader, Session, State};
use crate::replay::{self, Replay};

/// How often a state is looked at without a reason, since bytes are counted during sessions.
const LOOK: Duration = Duration::from_millis(200);

/// What to do when a peer and this node stay different. The one that refuses names each record and
/// the reason; the other one is told only this.
const STALLED: &str = "one of the two refuses what the other one brings, and says there what and why. If \
                       this node was away, or was set back, for longer than deletions are kept, start \
                       it with an empty store";

/// Runs a node: gossips, and replays its consolidation snapshots from a file.
#[derive(Args)]
pub(crate) struct Run {
    /// The configuration, cluster.toml.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Consolidation snapshots, as JSON lines. Without them the node starts empty.
    #[arg(long, value_name = "FILE")]
    snapshots: Option<PathBuf>,
    /// The pause between two snapshots, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 300)]
    replay_every: u64,
    /// Says what happens as JSON, one object a line, on the standard output.
    #[arg(long)]
    events: bool,
    /// Takes commands on the standard input, one a line: `export PATH`, `backup PATH`,
    /// `withdraw SPACE ID`, `forget SPACE ID`, `resolve SPACE VERSION ID`, `reload`, `state`, `quit`.
    /// The end of the input ends the node.
    #[arg(long)]
    control: bool,
}

impl Run {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let config = ClusterConfig::load_with(&self.config, std::env::vars())?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(self.serve(config))
    }

    async fn serve(self, config: ClusterConfig) -> Result<(), Failure> {
        let reader = if self.events { Reader::Program } else { Reader::Person };
        let report = Report::new(reader);
        let replay = match &self.snapshots {
            Some(path) => replay::open(path, ENGRAM_DIMENSION, &report)?.map(|file| (path, file)),
            None => None,
        };
        let node = Node::start(&config)?;
        if config.store.path.is_some() {
            let found = node.store.opening().to_string();
            report.say(Event::Opened { node: config.node.name.clone(), found });
        }
        let http = Self::answer_http(&config, &node).await?;
        report.say(Event::Listening {
            node: config.node.name.clone(),
            node_id: node.gossip.node_id().to_string(),
            address: node.gossip.local_addr(),
            page: http.as_ref().map(|http| format!("http://{}/", http.local_addr())),
        });
        let path = self.config.clone();
        let host = Host { path, config, node, report };
        match replay {
            Some((path, file)) => {
                let pause = Duration::from_millis(self.replay_every);
                host.replay(file, path.display().to_string(), pause);
            }
            None => host.report.replay_done(),
        }
        let commands = self.control.then(control::listen);
        host.serve(commands).await;
        drop(http);
        host.node.gossip.shutdown().await;
        Ok(host.node.store.close()?)
    }

    /// Health, metrics and the status page, if the configuration has an `[http]`.
    async fn answer_http(
        config: &ClusterConfig,
        node: &Node,
    ) -> Result<Option<http::Server>, Failure> {
        let Some(http) = config.http else { return Ok(None) };
        let (store, gossip) = (Arc::clone(&node.store), node.gossip.clone());
        let telemetry = Telemetry::new(config.node.name.clone(), store, gossip);
        Ok(Some(http::Server::start(http.listen, &telemetry).await?))
    }
}

/// Where everything that happens is reported. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Report {
    reader: Reader,
    shared: Arc<Shared>,
}

struct Shared {
    rejected: AtomicU64,
    replay_done: AtomicBool,
    changed: Notify,
}

impl Report {
    fn new(reader: Reader) -> Self {
        let shared = Shared {
            rejected: AtomicU64::new(0),
            replay_done: AtomicBool::new(false),
            changed: Notify::new(),
        };
        Self { reader, shared: Arc::new(shared) }
    }

    pub(crate) fn say(&self, event: Event) {
        event.print(self.reader);
    }

    /// Whether `now` is worth a line: to a program, whenever anything was counted; to a person, only if
    /// there are other patterns.
    fn is_news(&self, said: &State, now: &State) -> bool {
        match self.reader {
            Reader::Program => now != said,
            Reader::Person => (&now.root, now.patterns) != (&said.root, said.patterns),
        }
    }

    /// Counts what was left out, and says it.
    pub(crate) fn reject(&self, event: Event) {
        self.shared.rejected.fetch_add(1, Ordering::Relaxed);
        self.say(event);
    }

    /// The state may have changed.
    pub(crate) fn changed(&self) {
        self.shared.changed.notify_one();
    }

    fn replay_done(&self) {
        self.shared.replay_done.store(true, Ordering::Relaxed);
        self.changed();
    }
}

/// A running node, and whom it reports to.
pub(crate) struct Host {
    /// Where the configuration is, and what it said when the node started.
    pub(crate) path: PathBuf,
    pub(crate) config: ClusterConfig,
    pub(crate) node: Node,
    pub(crate) report: Report,
}

impl Host {
    /// Starts to submit the snapshots of `file`.
    fn replay(&self, file: SnapshotFile, name: String, pause: Duration) {
        let (node, report) = (self.node.clone(), self.report.clone());
        let replay = Replay { file, name, pause, node, report: report.clone() };
        tokio::spawn(async move {
            if let Err(error) = replay.run().await {
                report.say(Event::Failed { command: "replay".into(), reason: error.to_string() });
            }
            report.replay_done();
        });
    }

    /// Reports until the node is told to end.
    async fn serve(&self, mut commands: Option<mpsc::Receiver<Command>>) {
        let mut events = self.node.gossip.events();
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut said = None;
        let mut signal = std::pin::pin!(end_signal());
        let mut reload = std::pin::pin!(reload_signal());
        loop {
            tokio::select! {
                () = &mut signal => return,
                command = next_command(&mut commands) => match command {
                    Command::Quit => return,
                    Command::State => said = None,
                    Command::Export(path) => self.export(path).await,
                    Command::Backup(path) => self.backup(path).await,
                    Command::Withdraw(space, id) => self.remove(&space, id, Space::withdraw).await,
                    Command::Forget(space, id) => self.remove(&space, id, Space::forget).await,
                    Command::Resolve(space, version, id) => {
                        self.resolve(&space, version, id).await;
                    }
                    Command::Reload => self.reload(),
                    Command::Unknown(command) => {
                        let reason = "not a command; there are export PATH, backup PATH, \
                                      withdraw SPACE ID, forget SPACE ID, resolve SPACE VERSION ID, \
                                      reload, state, quit";
                        let reason = reason.to_owned();
                        self.report.say(Event::Failed { command, reason });
                    }
                },
                () = &mut reload => {
                    self.reload();
                    reload.set(reload_signal());
                }
                Some(event) = events.next() => self.tell(event),
                () = self.report.shared.changed.notified() => {}
                _ = look.tick() => {}
            }
            let state = self.state();
            if said.as_ref().is_none_or(|said| self.report.is_news(said, &state)) {
                self.report.say(Event::State(state.clone()));
                said = Some(state);
            }
        }
    }

    fn state(&self) -> State {
        let stats = self.node.gossip.stats();
        let shared = &self.report.shared;
        State {
            node: self.config.node.name.clone(),
            root: self.node.store.root().to_string(),
            patterns: self.node.store.visible_len(),
            sessions: stats.sessions.values().sum(),
            bytes_sent: stats.session_bytes_sent,
            bytes_received: stats.session_bytes_received,
            rejected: shared.rejected.load(Ordering::Relaxed),
            replay_done: shared.replay_done.load(Ordering::Relaxed),
        }
    }

    fn tell(&self, event: net::Event) {
        let roster = self.node.gossip.roster();
        let name = |peer: NodeId| match roster.iter().find(|member| member.id == peer) {
            Some(member) => member.name.clone(),
            None => peer.to_string(),
        };
        let (peer, reason) = match event {
            net::Event::Session(session) => {
                return self.report.say(Event::Session(Session {
                    peer: name(session.peer),
                    result: session.reason().to_owned(),
                    sent: session.bytes_sent,
                    received: session.bytes_received,
                    records_in: session.outcome.stats.records_in,
                    records_out: session.outcome.stats.records_out,
                }));
            }
            net::Event::SessionFailed { peer, cause } => {
                (name(peer), format!("the session failed: {cause}"))
            }
            net::Event::Unreachable { peer, cause, retry_in } => {
                (name(peer), format!("not reached: {cause}; tried again in {retry_in:.1?}"))
            }
            net::Event::Noticed { peer, what: Noticed::Rejected { space, id, reason } } => (
                name(peer),
                format!("its pattern {id} of {space} was refused: {}", refusal(reason)),
            ),
            net::Event::Refused { address, cause } => (address.to_string(), cause.to_string()),
            net::Event::Disconnected { peer, reason } => (name(peer), reason),
            net::Event::Connected { peer } => (name(peer), "connected".to_owned()),
            net::Event::Member { peer, liveness, incarnation } => {
                let liveness = format!("{liveness:?}").to_lowercase();
                let peer = name(peer);
                return self.report.say(Event::Member { peer, liveness, incarnation });
            }
            net::Event::Stalled { peer, sessions } => {
                (name(peer), format!("{sessions} sessions in a row made no progress: {STALLED}"))
            }
            _ => return,
        };
        self.report.say(Event::Peer { peer, reason });
    }
}

/// The next command; for ever, if none are taken.
async fn next_command(commands: &mut Option<mpsc::Receiver<Command>>) -> Command {
    match commands {
        Some(commands) => commands.recv().await.unwrap_or(Command::Quit),
        None => future::pending().await,
    }
}

/// The next request to read the configuration again: on Unix a hang-up.
async fn reload_signal() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut hang_up) = signal(SignalKind::hangup())
            && hang_up.recv().await.is_some()
        {
            return;
        }
    }
    future::pending::<()>().await;
}

/// The first signal to end: Ctrl-C, or on Unix a polite kill.
async fn end_signal() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => return,
                _ = terminate.recv() => return,
            }
        }
    }
    // Without a handler the system's own takes over, which ends the process, too.
    if tokio::signal::ctrl_c().await.is_err() {
        future::pending::<()>().await;
    }
}
