//! Random histories of several nodes with clocks: nothing is lost, even with wrong summaries.

use std::collections::BTreeMap;

use crate::common::{Contact, LiveDot, Pair, State, Store, content, content_digest, dots, key_of};
use crate::common::{node_id, parameters, space, version};
use engram_gossip_proto::sim::{Random, Sabotage};
use engram_gossip_proto::{Clocks, Ending, Intake, SessionConfig, ShortNode, VersionRange};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

const NODES: usize = 4;

/// One step of a history.
#[derive(Clone, Debug)]
enum Step {
    Submit {
        node: usize,
        id: u8,
        seed: u8,
    },
    Delete {
        node: usize,
        id: u8,
    },
    /// A whole session, with or without a write during it.
    Meet {
        from: usize,
        to: usize,
        write: Option<(usize, u8)>,
        early: bool,
    },
    /// A session that breaks after some frames.
    Break {
        from: usize,
        to: usize,
        frames: usize,
    },
    /// A session with a small send budget.
    Limited {
        from: usize,
        to: usize,
    },
    /// A node refuses the records of an id from now on, or accepts them again.
    Refuse {
        node: usize,
        id: u8,
    },
    /// The summary of `node` claims all held versions of `of` as handled.
    Garbage {
        node: usize,
        of: usize,
    },
    /// A session whose summaries are changed in transit.
    Sabotage {
        from: usize,
        to: usize,
        how: Sabotage,
        salt: u64,
    },
    /// A node forgets its summary and its bases, and restarts with its held records.
    Restart {
        node: usize,
    },
}

fn step(with_faults: bool) -> impl Strategy<Value = Step> {
    let node = || 0..NODES;
    let pair = || (node(), 1..NODES).prop_map(|(from, by)| (from, (from + by) % NODES));
    let write = proptest::option::of((node(), 0..12u8));
    let faults = if with_faults { 1 } else { 0 };
    prop_oneof![
        6 => (node(), 0..12u8, 0..3u8)
            .prop_map(|(node, id, seed)| Step::Submit { node, id, seed }),
        2 => (node(), 0..12u8).prop_map(|(node, id)| Step::Delete { node, id }),
        5 => (pair(), any::<bool>()).prop_map(|((from, to), early)| {
            Step::Meet { from, to, write: None, early }
        }),
        faults => (pair(), write, any::<bool>()).prop_map(|((from, to), write, early)| {
            Step::Meet { from, to, write, early }
        }),
        faults => (pair(), 0..12usize)
            .prop_map(|((from, to), frames)| Step::Break { from, to, frames }),
        faults => pair().prop_map(|(from, to)| Step::Limited { from, to }),
        faults => (node(), 0..12u8).prop_map(|(node, id)| Step::Refuse { node, id }),
        faults => (node(), node()).prop_map(|(node, of)| Step::Garbage { node, of }),
        2 * faults => (pair(), 0..4usize, any::<u64>()).prop_map(|((from, to), how, salt)| {
            Step::Sabotage { from, to, how: Sabotage::ALL[how], salt }
        }),
        faults => node().prop_map(|node| Step::Restart { node }),
    ]
}

struct Cluster {
    stores: Vec<Store>,
    count: u64,
    /// For each id, the dots that must remain: they were written, and neither superseded by their
    /// own node nor deleted by a node that saw them.
    owed: BTreeMap<String, Vec<LiveDot>>,
    /// Consecutive postponed sessions of each pair.
    postponed: BTreeMap<(usize, usize), u8>,
    sessions: u64,
    bytes: u64,
    differed: u64,
    descents: u64,
    stale: u64,
    records: u64,
    /// Version summaries that were changed in transit.
    sabotaged: u64,
    /// Sessions that a lost frame broke.
    broken: u64,
    rejected: u64,
}

fn id_of(id: u8) -> String {
    format!("pattern_{id}")
}

fn short(node: usize) -> ShortNode {
    *node_id(node as u8).first_chunk().unwrap()
}

impl Cluster {
    fn new() -> Self {
        Self {
            stores: (0..NODES).map(|_| Store::clocked(State::default())).collect(),
            count: 0,
            owed: BTreeMap::new(),
            postponed: BTreeMap::new(),
            sessions: 0,
            bytes: 0,
            differed: 0,
            descents: 0,
            stale: 0,
            records: 0,
            sabotaged: 0,
            broken: 0,
            rejected: 0,
        }
    }

    fn submit(&mut self, node: usize, id: u8, seed: u8) {
        self.count += 1;
        let content = content(&id_of(id), seed.into());
        let digest = content_digest(&content);
        let owed = self.owed.entry(id_of(id)).or_default();
        owed.retain(|(writer, ..)| *writer != node_id(node as u8));
        owed.push((node_id(node as u8), version(self.count), digest));
        self.stores[node].change().submit(node as u8, self.count, content);
    }

    fn delete(&mut self, node: usize, id: u8) {
        self.count += 1;
        let seen = self.stores[node].state().records.get(&key_of(&id_of(id))).map(dots);
        let seen = seen.unwrap_or_default();
        self.owed.entry(id_of(id)).or_default().retain(|dot| !seen.contains(dot));
        self.stores[node].change().delete(node as u8, self.count, &id_of(id));
    }

    fn session(
        &mut self,
        (from, to): (usize, usize),
        config: SessionConfig,
        tamper: impl FnMut(usize, bool, Vec<u8>) -> Vec<Vec<u8>>,
    ) -> Contact {
        let pair = (from.min(to), from.max(to));
        let postponed = self.postponed.get(&pair).copied().unwrap_or_default();
        let config = SessionConfig { postponed, ..config };
        let spaces = |store: &Store| vec![(space("default"), store.pin())];
        let peer = |peer: usize| Some(node_id(peer as u8));
        let intake = |divisor: u64| match self.sessions / divisor % 3 {
            0 => Intake::AtOnce,
            1 => Intake::ByClocks,
            _ => Intake::Offered,
        };
        let [ours, theirs] = [1, 3].map(intake);
        let configs = (
            SessionConfig { peer: peer(to), intake: ours, ..config.clone() },
            SessionConfig { peer: peer(from), intake: theirs, suspects: vec![], ..config },
        );
        let views = (spaces(&self.stores[from]), spaces(&self.stores[to]));
        let halves = [self.sessions.to_le_bytes(), [2; 8]];
        let contact = Pair::keyed(halves, configs, (parameters(), parameters()), views).run(tamper);
        let again = contact.opener.postponed || contact.acceptor.postponed;
        self.postponed.insert(pair, if again { postponed + 1 } else { 0 });
        let [ours, theirs] = [contact.opener.stats, contact.acceptor.stats];
        self.sessions += 1;
        self.bytes += contact.bytes() as u64;
        self.differed += u64::from(contact.opener.spaces.iter().any(|space| space.differed));
        self.descents += ours.descents.max(theirs.descents);
        self.stale += ours.stale + theirs.stale;
        self.records += ours.records_in + theirs.records_in;
        self.rejected += ours.rejected + theirs.rejected;
        self.broken += u64::from(matches!(contact.opener.result, Ending::Failed(_)));
        contact
    }

    fn meet(&mut self, pair: (usize, usize), early: bool) -> Contact {
        self.session(pair, config(early), |_, _, frame| vec![frame])
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Submit { node, id, seed } => self.submit(node, id, seed),
            Step::Delete { node, id } => self.delete(node, id),
            Step::Meet { from, to, write: None, early } => _ = self.meet((from, to), early),
            Step::Meet { from, to, write: Some((at, id)), early } => {
                let node = if id % 2 == 0 { from } else { to };
                self.count += 1;
                let count = self.count;
                let content = content(&id_of(id), 50 + u32::from(id));
                let dot = (node_id(node as u8), version(count), content_digest(&content));
                let store = self.stores[node].clone();
                let mut written = false;
                self.session((from, to), config(early), |frame, _, bytes| {
                    if frame == at {
                        store.change().submit(node as u8, count, content.clone());
                        written = true;
                    }
                    vec![bytes]
                });
                if written {
                    let owed = self.owed.entry(id_of(id)).or_default();
                    owed.retain(|(writer, ..)| *writer != dot.0);
                    owed.push(dot);
                }
            }
            Step::Break { from, to, frames } => {
                self.session((from, to), config(true), |at, _, frame| {
                    if at < frames { vec![frame] } else { vec![] }
                });
            }
            Step::Limited { from, to } => {
                let config =
                    SessionConfig { send_budget: 1, max_patterns_per_sync: 1, ..config(true) };
                self.session((from, to), config, |_, _, frame| vec![frame]);
            }
            Step::Refuse { node, id } => {
                let mut state = self.stores[node].change();
                if !state.poison.remove(&id_of(id)) {
                    state.poison.insert(id_of(id));
                }
            }
            Step::Garbage { node, of } => {
                self.stores[node].clocks().index.raise(short(of), u64::MAX);
            }
            Step::Sabotage { from, to, how, salt } => {
                let (mut random, mut sabotaged) = (Random::new(salt), 0);
                self.session((from, to), config(true), |_, _, frame| {
                    let changed = how.change(&frame, &mut random);
                    sabotaged += u64::from(changed.is_some());
                    vec![changed.unwrap_or(frame)]
                });
                self.sabotaged += sabotaged;
            }
            Step::Restart { node } => {
                let state = self.stores[node].state();
                self.stores[node] = Store::clocked(state);
                self.stores[node].clocks().index.restart();
            }
        }
    }

    /// Runs enough sessions between every pair, then checks that all stores are equal and hold
    /// every owed dot.
    fn settle(&mut self) {
        self.stores.iter().for_each(|store| store.change().poison.clear());
        for _ in 0..3 {
            for from in 0..NODES {
                for to in 0..from {
                    let sessions = (0..6)
                        .find(|_| self.meet((from, to), true).opener.result == Ending::InSync);
                    assert!(sessions.is_some(), "{from} and {to} never agree");
                }
            }
        }
        let first = self.stores[0].state();
        for store in &self.stores {
            assert!(store.state().is_whole());
            assert_eq!(store.state().records, first.records);
            assert_eq!(store.state().essence(), first.essence());
        }
        for (id, owed) in &self.owed {
            let live = first.records.get(&key_of(id)).map(dots).unwrap_or_default();
            assert!(owed.iter().all(|dot| live.contains(dot)), "{id} lost a dot");
        }
        self.check_summaries();
    }

    /// Checks that no summary entry exceeds the greatest held context entry of its node, and that
    /// the clocks count records above each lower entry.
    fn check_summaries(&self) {
        for store in &self.stores {
            let clocks = store.clocks();
            let greatest = clocks.index.greatest();
            for (node, version) in clocks.index.summary().iter() {
                assert!(version <= greatest.get(&node));
                let above = VersionRange { node, above: version, upper: u64::MAX };
                assert!(version == greatest.get(&node) || clocks.index.count(&above) > 0);
            }
        }
    }
}

fn config(early: bool) -> SessionConfig {
    let suspects = if early { vec![space("default")] } else { vec![] };
    SessionConfig { suspects, ..SessionConfig::default() }
}

/// Measures and bounds the cost of random histories with and without faults. `SEEDS` sets the
/// number of histories.
#[test]
fn the_cost_of_faults() {
    let seeds = std::env::var("SEEDS").map_or(20, |seeds| seeds.parse().unwrap());
    for with_faults in [false, true] {
        let mut runner = TestRunner::deterministic();
        let history = proptest::collection::vec(step(with_faults), 40..80);
        let (mut sessions, mut bytes, mut differed, mut descents) = (0, 0, 0, 0);
        let (mut records, mut stale) = (0, 0);
        let mut faults = [("sabotage", 0), ("broken sessions", 0), ("refusals", 0)];
        for _ in 0..seeds {
            let steps = history.new_tree(&mut runner).unwrap().current();
            let mut cluster = Cluster::new();
            steps.iter().for_each(|step| cluster.take(step));
            cluster.settle();
            sessions += cluster.sessions;
            bytes += cluster.bytes;
            differed += cluster.differed;
            descents += cluster.descents;
            records += cluster.records;
            stale += cluster.stale;
            let occurred = [cluster.sabotaged, cluster.broken, cluster.rejected];
            faults.iter_mut().zip(occurred).for_each(|((_, count), more)| *count += more);
        }
        eprintln!(
            "{} faults, {seeds} histories: {sessions} sessions, {differed} with a difference, \
             {descents} descents, {records} records, {stale} of them known, {bytes} bytes; \
             {faults:?}",
            if with_faults { "with" } else { "without" },
        );
        let cap = if with_faults { differed / 2 } else { 0 };
        for (name, count) in faults {
            assert_eq!(count > 0, with_faults, "{name}: {count}");
        }
        assert_eq!(descents > 0, with_faults);
        assert!(descents <= cap, "{descents} descents in {differed} sessions with a difference");
        assert!(stale * 2 <= records, "{stale} of {records} records were redundant");
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 160,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Without faults, no trees are compared.
    #[test]
    fn prop_clocks_alone_suffice(steps in proptest::collection::vec(step(false), 1..60)) {
        let mut cluster = Cluster::new();
        steps.iter().for_each(|step| cluster.take(step));
        cluster.settle();
        prop_assert_eq!(cluster.descents, 0);
    }

    /// Broken sessions, budgets, refusals, concurrent writes, restarts and wrong summaries cost
    /// only bytes.
    #[test]
    fn prop_faults_lose_nothing(steps in proptest::collection::vec(step(true), 1..80)) {
        let mut cluster = Cluster::new();
        steps.iter().for_each(|step| cluster.take(step));
        cluster.settle();
    }
}
