//! What can be known of a running node, for metrics, for health and for people.

mod agreed;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::{Duration, Instant};

use engram_gossip_net::{Event, Gossip, NodeId, PeerStatus, SessionReport};
use engram_gossip_proto::SpaceId;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};

use crate::node::metrics::{self, PeerReading, Reading, SpaceReading};
use crate::{Opening, Space, Store, Timestamp};
use agreed::Agreed;
pub use agreed::Divergence;

/// Watches a node: counts what its sessions bring, remembers when and in which state its peers
/// were last equal with it, and reads everything else when asked.
///
/// It belongs to one node; nothing is shared by a process. Cheap to clone. Watching ends with the
/// last clone, or with the node.
#[derive(Clone, Debug)]
pub struct Telemetry {
    watch: Arc<Watch>,
}

#[derive(Debug)]
struct Watch {
    name: String,
    store: Arc<Store>,
    gossip: Gossip,
    since: Instant,
    session_seconds: Histogram,
    /// Held for moments only.
    seen: Mutex<Seen>,
}

/// What sessions have left.
#[derive(Debug, Default)]
struct Seen {
    totals: Totals,
    /// Whether any session ever found this node and a peer equal.
    joined: bool,
    agreed: BTreeMap<NodeId, Agreed>,
}

/// Sums over all sessions with a result.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    pub(crate) record_bytes: u64,
    pub(crate) sent: u64,
    pub(crate) applied: u64,
    pub(crate) stale: u64,
    pub(crate) rejected: u64,
    pub(crate) unasked: u64,
}

impl Telemetry {
    /// Watches the node called `name` from now on. `gossip` must have been bound to `store`.
    ///
    /// # Panics
    /// If called outside of a tokio runtime.
    pub fn new(name: impl Into<String>, store: Arc<Store>, gossip: Gossip) -> Self {
        let mut events = gossip.events();
        let watch = Arc::new(Watch {
            name: name.into(),
            store,
            gossip,
            since: Instant::now(),
            // From 1 ms to 16 s and a bit: a session on one machine, and one on a bad line.
            session_seconds: Histogram::new(exponential_buckets(0.001, 2.0, 15)),
            seen: Mutex::default(),
        });
        // The task must not keep the node alive, so it holds on to nothing between two events.
        let weak: Weak<Watch> = Arc::downgrade(&watch);
        tokio::spawn(async move {
            while let Some(event) = events.next().await {
                let Some(watch) = weak.upgrade() else { return };
                watch.note(event);
            }
        });
        Self { watch }
    }

    /// What people call the node.
    pub fn name(&self) -> &str {
        &self.watch.name
    }

    /// The node's state.
    pub fn store(&self) -> &Arc<Store> {
        &self.watch.store
    }

    /// The node's network.
    pub fn gossip(&self) -> &Gossip {
        &self.watch.gossip
    }

    /// How long the node has been watched.
    pub fn uptime(&self) -> Duration {
        self.watch.since.elapsed()
    }

    /// Why the node is not ready to serve what the cluster knows; `None` if it is.
    ///
    /// It is ready once it was equal with one of its peers, or if it has none. A node that was
    /// ready stays so: a peer that is gone makes it stale, not wrong.
    pub fn unready(&self) -> Option<&'static str> {
        let alone = self.gossip().peers().is_empty();
        let joined = self.watch.seen().joined;
        (!alone && !joined).then_some("this node was not yet equal with any of its peers")
    }

    /// How `space` differs from what it was when `peer` was last equal with this node.
    ///
    /// That is what the peer is known to lack. What it has written itself since then is not known
    /// here before the next session. Steps: O(d log n) for d differences; all of n for a peer that
    /// never was equal.
    pub fn divergence(&self, peer: &NodeId, space: &Space) -> Divergence {
        let agreed = |seen: &Seen| seen.agreed.get(peer)?.of(space.id()).cloned();
        let since = agreed(&self.watch.seen());
        Divergence::between(&space.tree(), since.as_ref())
    }

    /// Every number of [`METRICS`](crate::METRICS) in the text format that Prometheus scrapes, of
    /// the type [`METRICS_CONTENT_TYPE`](crate::METRICS_CONTENT_TYPE).
    pub fn prometheus(&self) -> String {
        metrics::encode(self.reading())
    }

    fn reading(&self) -> Reading {
        let store = self.store();
        let peers = self.gossip().peers();
        let totals = self.watch.seen().totals;
        Reading {
            net: self.gossip().stats(),
            totals,
            session_seconds: self.watch.session_seconds.clone(),
            peers: peers.into_iter().map(|status| self.read_peer(status)).collect(),
            spaces: store.iter().map(|space| read_space(space)).collect(),
            strategy: store.parameters().strategy.to_string(),
            writes: store.write_stats(),
            doubted: matches!(store.opening(), Opening::Doubted { .. }),
            now: Timestamp::now().as_nanoseconds() as f64 / 1e9,
        }
    }

    fn read_peer(&self, status: PeerStatus) -> PeerReading {
        let peer = status.member.id;
        let slots = |space: &Arc<Space>| self.divergence(&peer, space).slots().len();
        PeerReading {
            lag: self.lag(&status),
            divergent_slots: self.store().iter().map(slots).sum(),
            held_up: self.store().iter().map(|space| space.held_up_by(&peer)).sum(),
            status,
        }
    }

    /// The time since the roots were last equal with a peer's, or since the start.
    pub(crate) fn lag(&self, status: &PeerStatus) -> Duration {
        status.equal_ago.unwrap_or_else(|| self.uptime())
    }
}

fn read_space(space: &Space) -> SpaceReading {
    SpaceReading {
        name: space.id().to_string(),
        records: space.summary().count,
        visible: space.visible_len(),
        conflicting: space.conflicting_len(),
        reaped: space.reaped_deletions(),
    }
}

impl Watch {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().expect("no code panics while it holds this lock")
    }

    fn note(&self, event: Event) {
        match event {
            Event::Session(session) => self.note_session(&session),
            Event::RosterChanged { .. } => {
                let roster = self.gossip.roster();
                self.seen().agreed.retain(|peer, _| roster.contains(peer));
            }
            _ => {}
        }
    }

    fn note_session(&self, session: &SessionReport) {
        self.session_seconds.observe(session.elapsed.as_secs_f64());
        let spaces = session.outcome.spaces.iter().filter(|_| session.is_equal());
        let trees: Vec<_> = spaces
            .filter_map(|agreed| {
                let tree = self.store.space(&agreed.space)?.tree();
                // What was written meanwhile is not agreed; the next session will tell.
                (<[u8; 32]>::from(tree.root()) == agreed.ours)
                    .then(|| (SpaceId::clone(&agreed.space), tree))
            })
            .collect();
        let mut seen = self.seen();
        seen.totals.add(session);
        if session.is_equal() {
            seen.joined = true;
            seen.agreed.entry(session.peer).or_default().note(trees);
        }
    }
}

impl Totals {
    fn add(&mut self, session: &SessionReport) {
        let stats = &session.outcome.stats;
        self.record_bytes += stats.record_bytes;
        self.sent += stats.records_out;
        self.applied += stats.applied;
        self.stale += stats.stale;
        self.rejected += stats.rejected;
        self.unasked += stats.unasked;
    }
}
