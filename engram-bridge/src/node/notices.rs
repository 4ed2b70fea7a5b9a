//! Events of a node as text for a log (feature `metrics`): with the names of the nodes, the cause and, for most faults,
//! the next step. Repeats are counted.

mod episodes;
mod kind;
mod level;
mod notice;
mod repeats;
mod states;

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use engram_gossip_net::{Event, Events, Gossip, NodeId};
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

pub use self::kind::Kind;
pub use self::level::Level;
pub use self::notice::Notice;
pub use self::repeats::{Due, Repeated, Repeats};
use crate::node::printable::is_control;
use crate::node::telemetry::Telemetry;
use crate::spaces::event::StateEvent;
use crate::spaces::store::Store;

/// The interval at which due lines are collected.
const LOOK: Duration = Duration::from_secs(1);

/// The notices of a node, for the log of its host, such as refusals, failed sessions, faults of clocks and disks, and
/// changes in the state of peers. A successful session produces no notice. [`next`](Self::next) returns the first notice
/// of a kind and each new fault in full, and [repeats](Repeats) as counts.
pub struct Notices {
    name: String,
    /// Weak, so that the notices do not keep the store alive.
    store: Weak<Store>,
    gossip: Gossip,
    state: broadcast::Receiver<StateEvent>,
    network: Events,
    repeats: Repeats,
    started: Instant,
    look: Interval,
    ready: VecDeque<LogLine>,
    ended: bool,
}

/// A line of a log. It prints without control characters: ids and names from peers must not control a terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogLine {
    /// The severity of the line.
    pub level: Level,
    /// The text of the line.
    pub text: String,
}

impl Notices {
    /// Subscribes to the events of the node that `telemetry` watches.
    ///
    /// # Panics
    /// If called outside a tokio runtime.
    pub fn new(telemetry: &Telemetry) -> Self {
        let (store, gossip) = (telemetry.store(), telemetry.gossip().clone());
        let (state, network) = (store.events(), gossip.events());
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut notices = Self {
            name: telemetry.name().to_owned(),
            store: Arc::downgrade(store),
            gossip,
            state,
            network,
            repeats: Repeats::new(),
            started: Instant::now(),
            look,
            ready: VecDeque::new(),
            ended: false,
        };
        // The store may have refused writes before this subscription.
        if let Some(failure) = store.write_stats().storage_failure {
            notices.notify(Notice::storage(Some(&failure)));
        }
        notices
    }

    /// Waits for the next line; `None` once the node has stopped.
    ///
    /// This method is cancel safe.
    pub async fn next(&mut self) -> Option<LogLine> {
        loop {
            if let Some(line) = self.ready.pop_front() {
                return Some(line);
            }
            if self.ended {
                return None;
            }
            tokio::select! {
                event = self.network.next() => match event {
                    Some(event) => self.on_network(&event),
                    None => self.end(),
                },
                event = self.state.recv() => self.on_state(event),
                _ = self.look.tick() => {
                    let due = self.repeats.due(self.started.elapsed());
                    self.ready.extend(due.into_iter().map(LogLine::from));
                }
            }
        }
    }

    fn on_network(&mut self, event: &Event) {
        let notice = match event {
            Event::Member { peer, liveness, .. } => {
                let reason = format!("it is {}", format!("{liveness:?}").to_lowercase());
                Some(
                    Notice::peer("member", Level::Info, self.name(*peer), reason.clone())
                        .caused_by(reason),
                )
            }
            Event::NoCommonSpace { peer } => Some(Notice::no_common_space(self.name(*peer))),
            event if self.store.upgrade().is_some_and(|store| is_explained(event, &store)) => None,
            event => Notice::of_network(event, |node| self.name(node)),
        };
        notice.into_iter().for_each(|notice| self.notify(notice));
    }

    fn on_state(&mut self, event: Result<StateEvent, RecvError>) {
        let notice = match event {
            Ok(event) => Notice::of_state(&event, |node| self.name(node)),
            Err(RecvError::Lagged(missed)) => Notice::missed(missed),
            Err(RecvError::Closed) => return self.end(),
        };
        self.notify(notice);
    }

    fn notify(&mut self, notice: Notice) {
        if self.repeats.begins(&notice, self.started.elapsed()) {
            self.ready.push_back(notice.into());
        }
    }

    fn end(&mut self) {
        self.ended = true;
        while let Ok(event) = self.state.try_recv() {
            self.notify(Notice::of_state(&event, |node| self.name(node)));
        }
        let due = self.repeats.finish();
        self.ready.extend(due.into_iter().map(LogLine::from));
    }

    /// The display name of this node or of a member; the id of any other node.
    fn name(&self, node: NodeId) -> String {
        if node == self.gossip.node_id() {
            return self.name.clone();
        }
        let roster = self.gossip.roster();
        roster.member(&node).map_or_else(|| node.to_string(), |member| member.name.clone())
    }
}

impl fmt::Debug for Notices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notices").field("name", &self.name).finish_non_exhaustive()
    }
}

impl From<Notice> for LogLine {
    fn from(notice: Notice) -> Self {
        Self { level: notice.level(), text: notice.to_string() }
    }
}

impl From<Due> for LogLine {
    fn from(due: Due) -> Self {
        match due {
            Due::Fault(notice) => notice.into(),
            Due::Repeated(repeated) => Self { level: repeated.level(), text: repeated.to_string() },
        }
    }
}

impl fmt::Display for LogLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable(&self.text))
    }
}

/// Whether a network event is explained by a storage failure of this node, which has its own event: sessions make no
/// progress while a node accepts no records.
pub fn is_explained(event: &Event, store: &Store) -> bool {
    matches!(event, Event::Stalled { .. }) && store.write_stats().storage_failure.is_some()
}

/// Escapes all characters of a text that control a terminal or the direction of text.
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_control(c) { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    shown
}

/// Escapes all characters of a JSON text that control a terminal or the direction of text. The result denotes the same
/// value.
pub fn printable_json(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    for c in json.chars() {
        // In strings, JSON itself escapes characters below U+0020; elsewhere they are only white space.
        if c >= ' ' && is_control(c) {
            shown += &format!("\\u{:04x}", u32::from(c));
        } else {
            shown.push(c);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use engram_gossip_proto::SpaceId;

    use super::*;
    use crate::durable::storage::{MemoryStateStore, StorageError};
    use crate::replica::environment::Environment;
    use crate::spaces::store::StoreConfig;

    #[test]
    fn a_storage_failure_explains_a_stall() {
        let disk = MemoryStateStore::new();
        let config = StoreConfig::new([1; 32].into(), [SpaceId::new("default").unwrap()]);
        let store = Store::open(config, Environment::system(), Arc::new(disk.clone())).unwrap();
        let peer = [2; 32].into();
        let stalled = Event::Stalled { peer, sessions: 5, not_accepted: true };
        assert!(!is_explained(&stalled, &store));
        let (place, reason) = ("memory".to_owned(), "simulated failure".to_owned());
        disk.fail(Some(StorageError::Full { place, reason }));
        assert!(store.close().is_err());
        assert!(is_explained(&stalled, &store));
        assert!(!is_explained(&Event::Connected { peer }, &store));
    }
}
