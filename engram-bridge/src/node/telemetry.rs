//! Observes a running node, for metrics, health checks and operators (feature `metrics`).

mod agreed;
mod recent;
mod warning;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::{Duration, Instant, SystemTime};

use engram_gossip_net::{Event, Gossip, NodeId, PeerStatus, SessionReport};
use engram_gossip_proto::SpaceId;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use tokio::sync::broadcast::error::RecvError;

use crate::durable::recovery::Recovery;
use crate::node::metrics::{self, PeerReading, Reading, SpaceReading, Totals};
use crate::replica::caps::Cap;
use crate::spaces::space::Space;
use crate::spaces::stats::WriteStats;
use crate::spaces::store::Store;
use agreed::Agreed;
pub use agreed::Divergence;
use recent::Recent;
pub use warning::{EXPIRY_NOTICE, Unready, Warning};

/// Watches a node: counts the results of its sessions, remembers recent faults and, for each peer,
/// the state in which the two were last equal, and reads everything else on demand.
///
/// Belongs to one node and uses no global state. Cheap to clone. It stops watching when its last
/// clone is dropped or the node stops.
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
    compare_seconds: Histogram,
    /// The lock is held only briefly.
    seen: Mutex<Seen>,
}

/// The results of sessions, and the recent faults.
#[derive(Debug, Default)]
struct Seen {
    totals: Totals,
    /// Whether any session found this node and a peer equal.
    joined: bool,
    agreed: BTreeMap<NodeId, Agreed>,
    faults: Faults,
}

/// Faults of the last hour.
#[derive(Debug, Default)]
struct Faults {
    reissued: Recent,
    implausible: Recent,
    members_ahead: Recent,
    over_cap: [Recent; Cap::ALL.len()],
}

impl Telemetry {
    /// Watches the node called `name` from now on. `gossip` must be bound to `store`.
    ///
    /// # Panics
    /// If called outside a tokio runtime.
    pub fn new(name: impl Into<String>, store: Arc<Store>, gossip: Gossip) -> Self {
        let (mut events, mut faults) = (gossip.events(), store.events());
        let watch = Arc::new(Watch {
            name: name.into(),
            store,
            gossip,
            since: Instant::now(),
            // From 1 ms to about 16 s: from a session on one machine to one over a bad link.
            session_seconds: Histogram::new(exponential_buckets(0.001, 2.0, 15)),
            compare_seconds: Histogram::new(exponential_buckets(0.000_1, 2.0, 15)),
            seen: Mutex::default(),
        });
        // The task must not keep the node alive, so it holds no strong reference between events.
        let weak: Weak<Watch> = Arc::downgrade(&watch);
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    event = events.next() => match (event, weak.upgrade()) {
                        (Some(event), Some(watch)) => watch.note(event),
                        _ => return,
                    },
                    // The counters show the faults even if some events were missed.
                    fault = faults.recv() => match (fault, weak.upgrade()) {
                        (Ok(_) | Err(RecvError::Lagged(_)), Some(watch)) => watch.note_faults(),
                        _ => return,
                    },
                }
            }
        });
        Self { watch }
    }

    /// The display name of the node.
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

    /// The time since [`new`](Self::new) was called.
    pub fn uptime(&self) -> Duration {
        self.watch.since.elapsed()
    }

    /// The reason why the node is not ready to serve the cluster's state; `None` if it is ready.
    ///
    /// A node with peers is ready while it can store changes, is connected to a peer, and has been
    /// equal to one since it started. A node without peers is ready while it can store changes.
    pub fn unready(&self) -> Option<Unready> {
        if let Some(failure) = self.store().write_stats().storage_failure {
            return Some(Unready::Storage(failure));
        }
        let peers = self.gossip().peers();
        let joined = peers.is_empty() || self.watch.seen().joined;
        Unready::of_connections(&peers).or_else(|| (!joined).then_some(Unready::NeverEqual))
    }

    /// The states that need an operator's attention, critical ones first.
    pub fn warnings(&self) -> Vec<Warning> {
        let (stats, caps, now) =
            (self.store().write_stats(), self.store().cap_usage(), self.uptime());
        let members = self.gossip().peers().len() as u64;
        let mut seen = self.watch.seen();
        let faults = &mut seen.faults;
        faults.observe(&stats, now);
        let caps = caps.into_iter().zip(&faults.over_cap);
        let (over, under): (Vec<_>, Vec<_>) = caps.partition(|(_, refused)| refused.rise(now) > 0);
        let near = under.into_iter().filter(|(usage, _)| usage.is_near());
        let (writes, parts) = (faults.reissued.rise(now), faults.implausible.rise(now));
        let by_most = 2 * stats.implausible_members > members;
        let ahead = faults.members_ahead.rise(now);
        let mut warnings = Vec::new();
        warnings.extend(stats.storage_failure.map(Warning::StorageFailure));
        warnings.extend(over.into_iter().map(|(usage, _)| Warning::OverCap(usage)));
        warnings.extend(self.certificate_warning());
        warnings.extend((writes > 0).then_some(Warning::Reissued { writes }));
        warnings.extend(stats.clock_fault.map(Warning::ClockFault));
        warnings.extend(self.store_warning());
        warnings.extend((parts > 0).then_some(Warning::Implausible { parts, by_most }));
        warnings.extend((ahead > 0).then_some(Warning::ClockAhead { members: ahead }));
        warnings.extend(near.map(|(usage, _)| Warning::NearCap(usage)));
        warnings.sort_by_key(|warning| !warning.is_critical());
        warnings
    }

    /// The warning about the store, if it was damaged when the node started.
    fn store_warning(&self) -> Option<Warning> {
        let found = self.store().recovery();
        matches!(found, Recovery::Repaired { .. } | Recovery::SetAside { .. })
            .then(|| Warning::StoreDamaged(found.clone()))
    }

    /// The warning about the certificate, if it has expired or expires within [`EXPIRY_NOTICE`] by
    /// the store's clock.
    pub fn certificate_warning(&self) -> Option<Warning> {
        let validity = self.gossip().certificate_validity();
        match validity.left(self.now()) {
            None => Some(Warning::CertificateExpired { since: validity.until }),
            Some(left) if left <= EXPIRY_NOTICE => {
                let days = left.as_secs() / 86_400;
                Some(Warning::CertificateExpires { at: validity.until, days })
            }
            Some(_) => None,
        }
    }

    /// The current time by the store's clock.
    pub(crate) fn now(&self) -> SystemTime {
        let now = u64::try_from(self.store().now().as_nanoseconds()).unwrap_or(0);
        SystemTime::UNIX_EPOCH + Duration::from_nanos(now)
    }

    /// The changes to `space` since `peer` was last known to be equal to this node; the whole space if
    /// it never was.
    ///
    /// The peer may lack these changes. Its own changes since then are unknown here until the next
    /// session. Takes O(d log n) time for d differences, and O(n) for a peer that was never equal.
    pub fn divergence(&self, peer: &NodeId, space: &Space) -> Divergence {
        let agreed = |seen: &Seen| seen.agreed.get(peer)?.of(space.id()).cloned();
        let since = agreed(&self.watch.seen());
        Divergence::between(&space.tree(), since.as_ref())
    }

    /// All [`METRICS`](crate::metrics::METRICS) in the text format that Prometheus scrapes, with
    /// the content type [`METRICS_CONTENT_TYPE`](crate::metrics::METRICS_CONTENT_TYPE).
    pub fn prometheus(&self) -> String {
        metrics::encode(self.reading())
    }

    fn reading(&self) -> Reading {
        let store = self.store();
        let (peers, writes) = (self.gossip().peers(), store.write_stats());
        let (totals, recent_reissues) = {
            let (mut seen, now) = (self.watch.seen(), self.uptime());
            seen.faults.observe(&writes, now);
            (seen.totals, seen.faults.reissued.rise(now))
        };
        Reading {
            net: self.gossip().stats(),
            totals,
            session_seconds: self.watch.session_seconds.clone(),
            compare_seconds: self.watch.compare_seconds.clone(),
            peers: peers.into_iter().map(|status| self.read_peer(status)).collect(),
            spaces: store.iter().map(|space| read_space(&space)).collect(),
            strategy: store.strategy(),
            writes,
            recent_reissues,
            caps: store.cap_usage(),
            repaired_rows: match store.recovery() {
                Recovery::Repaired { rows, .. } => *rows,
                _ => 0,
            },
            set_aside: matches!(store.recovery(), Recovery::SetAside { .. }),
            certificate_until: seconds(self.gossip().certificate_validity().until),
            ready: self.unready().is_none(),
            now: seconds(self.now()),
        }
    }

    fn read_peer(&self, status: PeerStatus) -> PeerReading {
        let divergences = self.divergences(&status);
        let divergent_slots = divergences.iter().map(|divergence| divergence.slots().len()).sum();
        PeerReading { lag: self.lag(&status), divergent_slots, status }
    }

    /// The [divergence](Self::divergence) from the peer in each space; empty if the peer is in step.
    pub(crate) fn divergences(&self, status: &PeerStatus) -> Vec<Divergence> {
        if status.is_in_step() {
            return Vec::new();
        }
        let peer = status.member.id;
        self.store().iter().map(|space| self.divergence(&peer, &space)).collect()
    }

    /// The time since the roots were last known to be equal to a peer's; the uptime if they never were.
    pub(crate) fn lag(&self, status: &PeerStatus) -> Duration {
        status.equal_ago.unwrap_or_else(|| self.uptime())
    }
}

/// Converts a time to seconds since the Unix epoch.
fn seconds(time: SystemTime) -> f64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

fn read_space(space: &Space) -> SpaceReading {
    SpaceReading {
        name: space.id().to_string(),
        stats: space.stats(),
        waiting: space.waiting_len(),
        across_ids: space.across_ids_stats().unwrap_or_default(),
        refused: space.refused_len(),
        conflicts_met: space.conflicts_met(),
        runs: space.run_stats(),
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

    fn note_faults(&self) {
        let (stats, now) = (self.store.write_stats(), self.since.elapsed());
        self.seen().faults.observe(&stats, now);
    }

    fn note_session(&self, session: &SessionReport) {
        self.session_seconds.observe(session.elapsed.as_secs_f64());
        let stats = &session.outcome.stats;
        if session.is_equal() && stats.records_in + stats.records_out == 0 {
            self.compare_seconds.observe(session.elapsed.as_secs_f64());
        }
        let spaces = session.outcome.spaces.iter().filter(|_| session.is_equal());
        let trees: Vec<_> = spaces
            .filter_map(|agreed| {
                let tree = self.store.space(&agreed.space)?.tree();
                // If the tree has changed since the session, it is not the agreed one. The next
                // session compares the two nodes again.
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

impl Faults {
    fn observe(&mut self, stats: &WriteStats, now: Duration) {
        self.reissued.observe(stats.reissued, now);
        self.implausible.observe(stats.implausible, now);
        self.members_ahead.observe(stats.members_ahead, now);
        for (cap, recent) in Cap::ALL.iter().zip(&mut self.over_cap) {
            recent.observe(stats.over_cap.get(cap).copied().unwrap_or(0), now);
        }
    }
}
