//! A running node: obeys commands and signals, and reports events.

use std::future;
use std::path::PathBuf;
use std::time::Duration;

use engram_bridge::{ClusterConfig, Node, SnapshotFile, Space, StateEvent, Warning};
use engram_gossip_net::NodeId;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::control::{COMMANDS, Command};
use crate::episodes::Episodes;
use crate::event::{Event, State};
use crate::network;
use crate::notice::{Kind, Notice};
use crate::replay::Replay;
use crate::report::Report;

/// How often a state is looked at without a reason, since bytes are counted during sessions.
const LOOK: Duration = Duration::from_millis(200);

/// A running node, and where it reports.
pub(crate) struct Host {
    /// The path of the configuration.
    pub(crate) path: PathBuf,
    /// The configuration with which the node started.
    pub(crate) config: ClusterConfig,
    pub(crate) node: Node,
    pub(crate) report: Report,
}

impl Host {
    /// Starts to submit the snapshots of `file`.
    pub(crate) fn replay(&self, file: SnapshotFile, name: String, pause: Duration) {
        let (node, report) = (self.node.clone(), self.report.clone());
        let replay = Replay { file, name, pause, node, report: report.clone() };
        tokio::spawn(async move {
            if let Err(error) = replay.run().await {
                report.say(Event::Failed { command: "replay".into(), reason: error.to_string() });
            }
            report.finish_replay();
        });
    }

    /// Obeys and reports until a command or a signal ends the node.
    pub(crate) async fn serve(&self, mut commands: Option<mpsc::Receiver<Command>>) {
        let (mut network, mut faults) = (self.node.gossip.events(), self.node.store.events());
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut said, mut notices) = (None, Notices::new());
        let mut signal = std::pin::pin!(end_signal());
        let mut reload = std::pin::pin!(reload_signal());
        loop {
            tokio::select! {
                () = &mut signal => break,
                command = next_command(&mut commands) => match command {
                    Command::Quit => break,
                    Command::State => said = None,
                    command => self.obey(command).await,
                },
                () = &mut reload => {
                    self.reload();
                    reload.set(reload_signal());
                }
                Some(event) = network.next() => self.tell(event, &mut notices),
                fault = faults.recv() => self.tell_fault(fault, &mut notices),
                () = self.report.until_changed() => {}
                _ = look.tick() => self.tell_repeats(&mut notices),
            }
            let state = self.state();
            if said.as_ref().is_none_or(|said| self.report.is_worth_a_line(said, &state)) {
                self.report.say(Event::State(state.clone()));
                said = Some(state);
            }
        }
        notices.episodes.finish().into_iter().for_each(|repeats| self.say_repeats(repeats));
    }

    async fn obey(&self, command: Command) {
        match command {
            Command::Quit | Command::State => {}
            Command::Export(path) => self.export(path).await,
            Command::Backup(path) => self.backup(path).await,
            Command::Withdraw(space, id) => {
                let done = |space, pattern, found| Event::Withdrawn { space, pattern, found };
                self.operate("withdraw", (space, id), Space::withdraw, done).await;
            }
            Command::Forget(space, id) => {
                let done = |space, pattern, found| Event::Forgotten { space, pattern, found };
                self.operate("forget", (space, id), Space::forget, done).await;
            }
            Command::DropImplausible => self.drop_implausible().await,
            Command::Resolve(space, version, id) => self.resolve(space, version, id).await,
            Command::WithdrawNode(space, node) => self.withdraw_node(space, node).await,
            Command::Groups => self.groups().await,
            Command::Reload => self.reload(),
            Command::Unknown(command) => {
                let reason = format!("not a command; there are {COMMANDS}");
                self.report.say(Event::Failed { command, reason });
            }
        }
    }

    /// The state of the node. The root covers everything that the other fields report as written.
    fn state(&self) -> State {
        let stats = self.node.gossip.stats();
        let replay_done = self.report.replay_is_done();
        let waiting = self.node.store.waiting_len();
        State {
            node: self.config.node.name.clone(),
            root: self.node.store.root().to_string(),
            patterns: self.node.store.visible_len(),
            waiting,
            sessions: stats.sessions.values().sum(),
            bytes_sent: stats.session_bytes_sent,
            bytes_received: stats.session_bytes_received,
            rejected: self.report.rejected(),
            replay_done,
        }
    }

    fn tell(&self, event: engram_gossip_net::Event, notices: &mut Notices) {
        match network::report(event, |node| self.name(node)) {
            Some(network::Report::Always(event)) => self.report.say(event),
            Some(network::Report::Once(notice)) => self.notify(notice, notices),
            None => {}
        }
    }

    fn tell_fault(&self, fault: Result<StateEvent, RecvError>, notices: &mut Notices) {
        let notice = match fault {
            Ok(event) => Notice::of(&event, |node| self.name(node)),
            Err(RecvError::Lagged(missed)) => Some(Notice::missed(missed)),
            Err(RecvError::Closed) => None,
        };
        if let Some(notice) = notice {
            self.notify(notice, notices);
        }
    }

    /// Reports a notice, if it begins an episode.
    fn notify(&self, notice: Notice, notices: &mut Notices) {
        if notices.episodes.begins(notice.kind(), notices.started.elapsed()) {
            self.report.say(Event::Notice(notice));
        }
    }

    /// Reports the counts that are due, and a clock that went wrong or right.
    fn tell_repeats(&self, notices: &mut Notices) {
        let fault = self.node.store.write_stats().clock_fault;
        if fault.is_some() != notices.clock_is_wrong {
            notices.clock_is_wrong = fault.is_some();
            let warning = fault.map(|fault| Notice::warning(&Warning::ClockFault(fault)));
            self.notify(warning.unwrap_or_else(Notice::clock_recovered), notices);
        }
        let due = notices.episodes.due(notices.started.elapsed());
        due.into_iter().for_each(|repeats| self.say_repeats(repeats));
    }

    fn say_repeats(&self, (kind, count): (Kind, u64)) {
        self.report.say(Event::Repeated { kind, count });
    }

    /// The name of a node for people; its id, if the roster does not list it.
    fn name(&self, node: NodeId) -> String {
        if node == self.node.gossip.node_id() {
            return self.config.node.name.clone();
        }
        let roster = self.node.gossip.roster();
        roster.member(&node).map_or_else(|| node.to_string(), |member| member.name.clone())
    }
}

/// Notices that were reported.
struct Notices {
    episodes: Episodes<Kind>,
    started: Instant,
    clock_is_wrong: bool,
}

impl Notices {
    fn new() -> Self {
        Self { episodes: Episodes::new(), started: Instant::now(), clock_is_wrong: false }
    }
}

/// The next command; it never comes if none are taken.
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
