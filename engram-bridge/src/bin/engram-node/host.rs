//! A running node: executes requests, handles signals, and reports events.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use engram_bridge::Node;
use engram_bridge::config::ClusterConfig;
use engram_bridge::durable::StorageError;
use engram_bridge::spaces::StateEvent;
use engram_bridge::telemetry::{Telemetry, Warning};
use engram_gossip_net::{Agreement, NodeId};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{MissedTickBehavior, interval};

use crate::control::Asked;
use crate::event::{Event, State};
use crate::network;
use crate::report::Report;
use crate::signals::Signals;
use crate::source::Source;
use engram_bridge::notices::{Notice, is_explained};

/// The interval at which the state is polled, since no event reports the records that arrive during a
/// session.
const LOOK: Duration = Duration::from_millis(200);

/// A running node and its report.
pub(crate) struct Host {
    /// Where the configuration is read from.
    pub(crate) source: Source,
    /// The configuration with which the node started.
    pub(crate) config: ClusterConfig,
    /// The most recently read configuration.
    pub(crate) present: Mutex<ClusterConfig>,
    pub(crate) node: Node,
    pub(crate) telemetry: Telemetry,
    pub(crate) report: Report,
    /// Notified when a request stops the node.
    pub(crate) stop: Notify,
    /// The outcome of the stop: an error if something was not stored; `None` until the node has stopped.
    ended: watch::Sender<Option<Result<(), String>>>,
    told: Mutex<Told>,
}

/// Lasting states that have already been reported.
#[derive(Default)]
struct Told {
    clock_is_wrong: bool,
    /// The code of the last report about the certificate, and the uptime at that report.
    certificate: Option<(&'static str, Duration)>,
    /// Peers that share no space with this node.
    strangers: BTreeSet<NodeId>,
}

/// The time between two reports about a certificate that expires soon or has expired.
const DAY: Duration = Duration::from_secs(86_400);

impl Host {
    pub(crate) fn new(
        source: Source,
        config: ClusterConfig,
        node: Node,
        telemetry: Telemetry,
        report: Report,
    ) -> Self {
        let present = Mutex::new(config.clone());
        let (stop, told) = (Notify::new(), Mutex::default());
        let ended = watch::Sender::new(None);
        Self { source, config, present, node, telemetry, report, stop, ended, told }
    }

    /// Executes requests and reports events until a request or a signal stops the node. Returns the
    /// reason.
    pub(crate) async fn serve(
        self: &Arc<Self>,
        mut signals: Signals,
        mut requests: mpsc::Receiver<Asked>,
    ) -> &'static str {
        let (mut network, mut faults) = (self.node.gossip.events(), self.node.store.events());
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The store may have refused writes before anyone subscribed.
        if let Some(failure) = self.node.store.write_stats().storage_failure {
            self.report.notify(Notice::storage(Some(&failure)));
        }
        let mut said = None;
        loop {
            tokio::select! {
                () = signals.end.recv() => return "a signal",
                () = self.stop.notified() => return "a request",
                Some(asked) = requests.recv() => self.clone().start(asked),
                () = signals.reload.recv() => match self.reload() {
                    Ok(event) => self.report.say(&event),
                    Err(reason) => {
                        self.report.say(&Event::Failed { command: "reload".to_owned(), reason });
                    }
                },
                Some(event) = network.next() => self.tell(event),
                fault = faults.recv() => self.tell_fault(fault),
                () = self.report.until_changed() => {}
                _ = look.tick() => self.look(),
            }
            let state = self.state();
            if said.as_ref().is_none_or(|said| self.report.is_worth_a_line(said, &state)) {
                self.report.say(&Event::State(state.clone()));
                said = Some(state);
            }
        }
    }

    /// Executes a request concurrently, since a backup takes a while.
    fn start(self: Arc<Self>, Asked { request, answer }: Asked) {
        tokio::spawn(async move {
            // The client may have left.
            _ = answer.send(self.obey(request).await);
        });
    }

    /// Stops the node. Returns once everything is stored, and the store's folder and the ports are
    /// free.
    pub(crate) async fn end(&self) -> Result<(), String> {
        let mut ended = self.ended.subscribe();
        self.stop.notify_one();
        // The sender lives as long as this host.
        let outcome = ended.wait_for(Option::is_some).await;
        outcome.ok().and_then(|outcome| outcome.clone()).unwrap_or(Ok(()))
    }

    /// Notes that the node has stopped.
    pub(crate) fn note_end(&self, closed: &Result<(), StorageError>) {
        let outcome = closed.clone().map_err(|error| {
            let error =
                error.with_outcome("what was stored before is kept, the rest is not stored");
            format!("the node stopped, but {error}")
        });
        self.ended.send_replace(Some(outcome));
    }

    /// The state of the node. Reads the root after `waiting` and `replay_done`, so that it covers
    /// everything that these report as written.
    pub(crate) fn state(&self) -> State {
        let stats = self.node.gossip.stats();
        let replay_done = self.report.replay_is_done();
        let waiting = self.node.store.waiting_len();
        State {
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

    fn tell(&self, event: engram_gossip_net::Event) {
        if is_explained(&event, &self.node.store) {
            return;
        }
        match network::report(event, |node| self.name(node)) {
            Some(network::Report::Always(event)) => self.report.say(&event),
            Some(network::Report::Once(notice)) => self.report.notify(notice),
            None => {}
        }
    }

    fn tell_fault(&self, fault: Result<StateEvent, RecvError>) {
        let notice = match fault {
            Ok(event) => Some(Notice::of_state(&event, |node| self.name(node))),
            Err(RecvError::Lagged(missed)) => Some(Notice::missed(missed)),
            Err(RecvError::Closed) => None,
        };
        if let Some(notice) = notice {
            self.report.notify(notice);
        }
    }

    /// Reports the faults and the counts of repeats that are due, the start and the end of a clock fault, and peers
    /// that share no space with this node. Also reports a certificate that expires soon or has expired: once a day, and
    /// as soon as it has expired.
    fn look(&self) {
        let fault = self.node.store.write_stats().clock_fault;
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.clock_is_wrong != fault.is_some() {
            told.clock_is_wrong = fault.is_some();
            let warning = fault.map(|fault| Notice::warning(&Warning::ClockFault(fault)));
            self.report.notify(warning.unwrap_or_else(Notice::clock_recovered));
        }
        let uptime = self.telemetry.uptime();
        match self.telemetry.certificate_warning() {
            None => told.certificate = None,
            Some(warning) => {
                let code = warning.code();
                let is_news = |(said, at)| said != code || at + DAY <= uptime;
                if told.certificate.is_none_or(is_news) {
                    told.certificate = Some((code, uptime));
                    self.report.say(&Event::Notice(Notice::warning(&warning)));
                }
            }
        }
        let strangers = self.strangers();
        for peer in strangers.difference(&told.strangers) {
            self.report.notify(Notice::no_common_space(self.name(*peer)));
        }
        told.strangers = strangers;
        self.report.tell_repeats();
    }

    fn strangers(&self) -> BTreeSet<NodeId> {
        let peers = self.node.gossip.peers().into_iter();
        let strangers = peers.filter(|peer| peer.agreement == Agreement::NoCommonSpace);
        strangers.map(|peer| peer.member.id).collect()
    }

    /// The display name of a node; its id if the roster does not list it.
    fn name(&self, node: NodeId) -> String {
        if node == self.node.gossip.node_id() {
            return self.config.node.name.clone();
        }
        let roster = self.node.gossip.roster();
        roster.member(&node).map_or_else(|| node.to_string(), |member| member.name.clone())
    }
}
