//! The laws of the replicated state, on the composed store: records, contents, tree, view.
//!
//! Most tests compare the root and the bytes of the visible patterns, bit for bit.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use engram_bridge::ConsolidationCacheSource::Scheduler;
use engram_bridge::replica::{Citations, Submitted};
use engram_bridge::sync::SpaceView;
use engram_bridge::{Space, Store};
use engram_gossip_proto::{Record, Rejection, View};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::common::*;

const NODES: usize = 3;
const IDS: usize = 3;
const CONTENTS: u8 = 4;

/// An operation at a node, or a delivery of one node's state to another.
#[derive(Clone, Debug)]
enum Op {
    Submit { node: usize, id: usize, content: u8 },
    Withdraw { node: usize, id: usize },
    Forget { node: usize, id: usize },
    Resolve { node: usize, id: usize, content: u8 },
    Sync { from: usize, to: usize },
}

fn op() -> impl Strategy<Value = Op> {
    let (node, id, content) = (0..NODES, 0..IDS, 0..CONTENTS);
    prop_oneof![
        6 => (node.clone(), id.clone(), content.clone())
            .prop_map(|(node, id, content)| Op::Submit { node, id, content }),
        1 => (node.clone(), id.clone()).prop_map(|(node, id)| Op::Withdraw { node, id }),
        1 => (node.clone(), id.clone()).prop_map(|(node, id)| Op::Forget { node, id }),
        1 => (node.clone(), id, content)
            .prop_map(|(node, id, content)| Op::Resolve { node, id, content }),
        4 => (node.clone(), node).prop_map(|(from, to)| Op::Sync { from, to }),
    ]
}

fn history() -> impl Strategy<Value = Vec<Op>> {
    vec(op(), 1..40)
}

fn name(id: usize) -> String {
    format!("pattern_{id}")
}

/// Three nodes to operate on.
struct World {
    stores: Vec<Store>,
    spaces: Vec<Arc<Space>>,
}

impl World {
    fn new() -> Self {
        let stores: Vec<_> = (0..NODES as u8).map(|node| store(node + 1, 4)).collect();
        let spaces = stores.iter().map(only_space).collect();
        Self { stores, spaces }
    }

    fn after(history: &[Op]) -> Self {
        let world = Self::new();
        history.iter().for_each(|op| world.happen(op));
        world
    }

    fn happen(&self, op: &Op) {
        match *op {
            Op::Submit { node, id, content } => {
                let patterns = vec![pattern(&name(id), content)];
                let report = self.spaces[node].submit(&snapshot(patterns), Scheduler).unwrap();
                assert_eq!(report.rejected, []);
            }
            Op::Withdraw { node, id } => _ = self.spaces[node].withdraw(&name(id)).unwrap(),
            Op::Forget { node, id } => _ = self.spaces[node].forget(&name(id)).unwrap(),
            Op::Resolve { node, id, content } => {
                let pattern = pattern(&name(id), content);
                self.spaces[node].resolve(&pattern, Citations::AsGiven).unwrap();
            }
            Op::Sync { from, to } => {
                deliver(everything(&self.spaces[from]), &self.spaces[to]);
            }
        }
    }

    fn deltas(&self) -> Vec<Delivery> {
        self.spaces.iter().map(everything).collect()
    }
}

/// A node that has written nothing, after it has received `deltas` in this order.
fn listener(deltas: &[Delivery]) -> Arc<Space> {
    let space = only_space(&store(9, 4));
    for delta in deltas {
        deliver(delta.clone(), &space);
    }
    space
}

fn permutations(deltas: &[Delivery]) -> Vec<Vec<Delivery>> {
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    orders.map(|order| order.map(|at| deltas[at].clone()).to_vec()).to_vec()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// L1, L2, L5: the join is commutative and associative, and every order, with or without
    /// repetitions, gives the same state.
    #[test]
    fn prop_delta_order_and_repetition_do_not_matter(
        history in history(),
        repeats in vec(0..NODES, 0..4),
    ) {
        let deltas = World::after(&history).deltas();
        let expected = fingerprint(&listener(&deltas));
        for mut order in permutations(&deltas) {
            order.extend(repeats.iter().map(|&at| deltas[at].clone()));
            prop_assert_eq!(fingerprint(&listener(&order)), expected.clone());
        }
        // Regrouped: two of the deltas are first joined elsewhere.
        let met = everything(&listener(&deltas[1..]));
        prop_assert_eq!(fingerprint(&listener(&[deltas[0].clone(), met.clone()])), expected.clone());
        prop_assert_eq!(fingerprint(&listener(&[met, deltas[0].clone()])), expected);
    }

    /// L5: joining record by record, in any order, equals joining all at once.
    #[test]
    fn prop_records_are_independent(history in history(), seed in any::<u64>()) {
        let deltas = World::after(&history).deltas();
        let mut pieces: Vec<_> = deltas.iter().flat_map(pieces).collect();
        let mut state = seed;
        for at in (1..pieces.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            pieces.swap(at, (state >> 33) as usize % (at + 1));
        }
        prop_assert_eq!(fingerprint(&listener(&pieces)), fingerprint(&listener(&deltas)));
    }

    /// L3: joining known records changes nothing.
    #[test]
    fn prop_join_is_idempotent(history in history()) {
        let world = World::after(&history);
        for space in &world.spaces {
            let (before, version) = (fingerprint(space), *space.view_version().borrow());
            let receipt = deliver(everything(space), space);
            prop_assert_eq!(receipt.applied, 0);
            prop_assert_eq!(fingerprint(space), before);
            prop_assert_eq!(*space.view_version().borrow(), version);
        }
    }

    /// L4: every operation inflates the state, so joining the state before it into the state after
    /// it changes nothing.
    #[test]
    fn prop_operations_inflate(history in history()) {
        let world = World::new();
        for op in &history {
            let before = world.deltas();
            world.happen(op);
            for (space, before) in world.spaces.iter().zip(before) {
                let after = fingerprint(space);
                prop_assert_eq!(deliver(before, space).applied, 0);
                prop_assert_eq!(fingerprint(space), after);
            }
        }
    }

    /// L6, L7: the context covers every dot; equal contexts mean equal siblings.
    #[test]
    fn prop_equal_contexts_mean_equal_siblings(history in history()) {
        let world = World::new();
        let mut seen = BTreeMap::new();
        for op in &history {
            world.happen(op);
            for space in &world.spaces {
                for (id, record) in records(space) {
                    let context: Vec<_> =
                        record.parts.iter().map(|part| (part.node, part.entry)).collect();
                    for (dot, _) in dots(&record) {
                        let covers = |(node, entry): &([u8; 32], u64)| {
                            *node == dot.node && dot.version <= *entry
                        };
                        prop_assert!(context.iter().any(covers));
                    }
                    let same = seen.entry((id, context)).or_insert_with(|| record.parts.clone());
                    prop_assert_eq!(&*same, &record.parts);
                }
            }
        }
    }

    /// L8: roots are equal if and only if the records are equal.
    #[test]
    fn prop_equal_roots_mean_equal_states(one in history(), other in history()) {
        let worlds = [World::after(&one), World::after(&other)];
        let spaces: Vec<_> = worlds.iter().flat_map(|world| &world.spaces).collect();
        for left in &spaces {
            for right in &spaces {
                prop_assert_eq!(left.root() == right.root(), records(left) == records(right));
            }
        }
    }

    /// L9: the tree built incrementally equals the tree built in one step.
    #[test]
    fn prop_incremental_root_is_the_rebuilt_root(history in history()) {
        for space in &World::after(&history).spaces {
            let rebuilt = listener(&[everything(space)]);
            prop_assert_eq!(fingerprint(&rebuilt), fingerprint(space));
            prop_assert_eq!(rebuilt.summary().count, space.summary().count);
        }
    }

    /// L10: after any history, the immediate repetition of a submission writes nothing.
    #[test]
    fn prop_a_repeated_submission_writes_nothing(history in history()) {
        let world = World::new();
        let mut last: BTreeMap<(usize, usize), u8> = BTreeMap::new();
        for op in &history {
            world.happen(op);
            if let Op::Submit { node, id, content } = *op {
                last.insert((node, id), content);
            }
            for (&(node, id), &content) in &last {
                world.happen(&Op::Submit { node, id, content });
                let before = (fingerprint(&world.spaces[node]), written(&world.stores[node]));
                world.happen(&Op::Submit { node, id, content });
                let after = (fingerprint(&world.spaces[node]), written(&world.stores[node]));
                prop_assert_eq!(after, before);
            }
        }
    }

    /// L12: a node sends exactly the records it holds; nodes that received everything send the
    /// same.
    #[test]
    fn prop_sent_records_equal_held_records(history in history()) {
        for space in &World::after(&history).spaces {
            prop_assert_eq!(records(&listener(&[everything(space)])), records(space));
        }
    }

    /// L13: the live contents are those of the causally maximal operations; the suppressed ones are
    /// those with an odd causal length.
    #[test]
    fn prop_state_matches_the_specification(history in history()) {
        let world = World::new();
        let mut spec = Spec::default();
        for op in &history {
            world.happen(op);
            spec.happen(op);
            for (node, space) in world.spaces.iter().enumerate() {
                prop_assert_eq!(live(space), spec.live(node), "node {} after {:?}", node, op);
                prop_assert_eq!(shown(space), spec.shown(node), "node {} after {:?}", node, op);
            }
        }
    }

    /// Eventually, all nodes show the same patterns, which cite the unique episode of every version
    /// that is not suppressed.
    #[test]
    fn prop_all_nodes_converge_with_all_citations(history in history()) {
        let world = World::after(&history);
        for _ in 0..2 {
            for from in 0..NODES {
                for to in 0..NODES {
                    world.happen(&Op::Sync { from, to });
                }
            }
        }
        let fingerprints = world.spaces.iter().map(|space| fingerprint(space));
        prop_assert_eq!(fingerprints.collect::<BTreeSet<_>>().len(), 1);
        let shown = shown(&world.spaces[0]).into_values().flatten();
        let cited = world.spaces[0].view().patterns;
        let cited: BTreeSet<_> =
            cited.iter().flat_map(|pattern| pattern.source_episodes.clone()).collect();
        for episode in shown {
            prop_assert!(cited.contains(&episode), "{} is lost", episode);
        }
    }
}

/// One delivery for each record.
fn pieces(delta: &Delivery) -> Vec<Delivery> {
    let pieces = delta.records.iter().map(|record| {
        let named: BTreeSet<_> = dots(record).map(|(_, digest)| digest).collect();
        let contents = delta.contents.iter().filter(|(digest, _)| named.contains(digest));
        Delivery { records: vec![record.clone()], contents: contents.cloned().collect() }
    });
    pieces.collect()
}

/// The number of versions that a node wrote.
fn written(store: &Store) -> u64 {
    store.write_stats().written
}

/// The live contents of each id, each named by the episode that only it cites. A content of several
/// versions is repeated, and ids without a live content are left out.
fn live(space: &Arc<Space>) -> BTreeMap<String, Vec<String>> {
    contents(space, |_, _| true)
}

/// Like [`live`], without the suppressed contents.
fn shown(space: &Arc<Space>) -> BTreeMap<String, Vec<String>> {
    contents(space, |record, digest| {
        let odd = |(suppressed, length): &([u8; 32], u32)| suppressed == digest && length % 2 == 1;
        !record.suppressed.iter().any(odd)
    })
}

fn contents(
    space: &Arc<Space>,
    of: impl Fn(&Record, &[u8; 32]) -> bool,
) -> BTreeMap<String, Vec<String>> {
    let view = SpaceView::pin(space);
    let mut live = BTreeMap::new();
    for (id, record) in records(space) {
        let digests = dots(&record).map(|(_, digest)| digest).filter(|digest| of(&record, digest));
        let contents = digests.map(|digest| view.content(&digest).unwrap());
        let mut contents: Vec<_> =
            contents.map(|content| content.source_episodes[0].clone()).collect();
        contents.sort();
        if !contents.is_empty() {
            live.insert(id, contents);
        }
    }
    live
}

/// The specification: each node knows a set of operations, and each operation lists the operations
/// that it supersedes.
#[derive(Default)]
struct Spec {
    writes: Vec<Write>,
    known: [BTreeSet<usize>; NODES],
    last_submitted: BTreeMap<(usize, usize), Option<u8>>,
}

struct Write {
    node: usize,
    id: usize,
    content: Option<u8>,
    /// Causal lengths of contents.
    lengths: BTreeMap<u8, u32>,
    /// The operations that it supersedes.
    seen: BTreeSet<usize>,
}

impl Spec {
    fn happen(&mut self, op: &Op) {
        match *op {
            Op::Submit { node, id, content } => {
                let last = self.last_submitted.entry((node, id)).or_default();
                let (before, length) = (*last, self.lengths(node, id).get(&content).copied());
                if length.is_some_and(|length| length % 2 == 1) {
                    self.last_submitted.insert((node, id), None);
                    let other = |write: &Write| {
                        write.node == node && write.content.is_some_and(|other| other != content)
                    };
                    if self.maximal(node, id).any(other) {
                        let seen = self.of_id(node, id, other);
                        self.write(Write { node, id, content: None, lengths: [].into(), seen });
                    }
                } else if before != Some(content) {
                    self.last_submitted.insert((node, id), Some(content));
                    let seen = self.of_id(node, id, |write| write.node == node);
                    self.write(Write {
                        node,
                        id,
                        content: Some(content),
                        lengths: [].into(),
                        seen,
                    });
                }
            }
            Op::Withdraw { node, id } => {
                let own = |write: &Write| write.node == node && write.content.is_some();
                if self.maximal(node, id).any(own) {
                    let seen = self.of_id(node, id, |write| write.node == node);
                    self.write(Write { node, id, content: None, lengths: [].into(), seen });
                }
            }
            Op::Forget { node, id } => {
                let live: BTreeSet<u8> =
                    self.maximal(node, id).filter_map(|write| write.content).collect();
                if !live.is_empty() {
                    let mut lengths = self.lengths(node, id);
                    lengths.retain(|content, _| live.contains(content));
                    live.iter().for_each(|content| {
                        let length = lengths.entry(*content).or_default();
                        *length += 1 + *length % 2;
                    });
                    let seen = self.of_id(node, id, |_| true);
                    self.write(Write { node, id, content: None, lengths, seen });
                }
            }
            Op::Resolve { node, id, content } => {
                let length = self.lengths(node, id).get(&content).copied().unwrap_or(0);
                let lengths = [(content, length + length % 2)].into();
                let seen = self.of_id(node, id, |_| true);
                self.write(Write { node, id, content: Some(content), lengths, seen });
            }
            Op::Sync { from, to } => {
                let known = self.known[from].clone();
                self.known[to].extend(known);
            }
        }
    }

    fn write(&mut self, write: Write) {
        self.known[write.node].insert(self.writes.len());
        self.writes.push(write);
    }

    fn of_id(&self, node: usize, id: usize, which: impl Fn(&Write) -> bool) -> BTreeSet<usize> {
        let known = self.known[node].iter().copied();
        known.filter(|&at| self.writes[at].id == id && which(&self.writes[at])).collect()
    }

    /// The greatest causal length of each content of an id.
    fn lengths(&self, node: usize, id: usize) -> BTreeMap<u8, u32> {
        let mut lengths = BTreeMap::new();
        for at in self.of_id(node, id, |_| true) {
            for (content, length) in &self.writes[at].lengths {
                let greatest: &mut u32 = lengths.entry(*content).or_default();
                *greatest = *length.max(greatest);
            }
        }
        lengths
    }

    /// The known operations on an id that no other known operation supersedes.
    fn maximal(&self, node: usize, id: usize) -> impl Iterator<Item = &Write> {
        let known = self.of_id(node, id, |_| true);
        let seen: BTreeSet<usize> =
            known.iter().flat_map(|&at| self.writes[at].seen.clone()).collect();
        known.into_iter().filter(move |at| !seen.contains(at)).map(|at| &self.writes[at])
    }

    fn live(&self, node: usize) -> BTreeMap<String, Vec<String>> {
        self.contents(node, |_, _| true)
    }

    fn shown(&self, node: usize) -> BTreeMap<String, Vec<String>> {
        self.contents(node, |id, content| {
            self.lengths(node, id).get(&content).is_none_or(|length| length % 2 == 0)
        })
    }

    fn contents(
        &self,
        node: usize,
        of: impl Fn(usize, u8) -> bool,
    ) -> BTreeMap<String, Vec<String>> {
        let ids = (0..IDS).map(|id| {
            let contents = self.maximal(node, id).filter_map(|write| write.content);
            let contents = contents.filter(|content| of(id, *content));
            let mut contents: Vec<_> =
                contents.map(|content| format!("episode-{content}")).collect();
            contents.sort();
            (name(id), contents)
        });
        ids.filter(|(_, contents)| !contents.is_empty()).collect()
    }
}

/// The hardest case: the versions of three nodes have equal confidence. All six orders give the
/// same bytes.
#[test]
fn equal_confidences_merge_alike_in_six_orders() {
    for strategy in ["voting", "weighted"] {
        let deltas: Vec<_> = (0..3_u8)
            .map(|node| {
                let space = only_space(&store(node + 1, 4));
                let mut own = (*pattern("pattern_0", node * 3)).clone();
                own.schema_confidence = engram_bridge::Confidence::HIGH;
                space.submit_pattern(&Arc::new(own)).unwrap();
                everything(&space)
            })
            .collect();
        let merged: BTreeSet<_> = permutations(&deltas)
            .iter()
            .map(|order| {
                let space = only_space(&with_strategy(strategy));
                order.iter().for_each(|delta| _ = deliver(delta.clone(), &space));
                fingerprint(&space)
            })
            .collect();
        assert_eq!(merged.len(), 1, "{strategy}");
    }
}

fn with_strategy(strategy: &str) -> Store {
    let (mut config, environment) = parts(9, 4);
    if strategy == "weighted" {
        config.strategy = Arc::new(engram_conflict::pattern::ConfidenceWeighted::new());
    }
    Store::new(config, environment)
}

#[test]
fn repeated_snapshots_write_nothing() {
    let world = World::new();
    let own = |node: u8| snapshot((0..8).map(|id| pattern(&name(id), node)).collect());
    let round = |world: &World| {
        for (node, space) in world.spaces.iter().enumerate() {
            space.submit(&own(node as u8), Scheduler).unwrap();
            world.happen(&Op::Sync { from: node, to: (node + 1) % NODES });
        }
    };
    (0..3).for_each(|_| round(&world));
    let state = |world: &World| -> Vec<_> {
        let nodes = world.stores.iter().zip(&world.spaces);
        nodes.map(|(store, space)| (fingerprint(space), written(store), space.summary())).collect()
    };
    let before = state(&world);
    assert_eq!(before[0].0, before[1].0);
    (0..1_000).for_each(|_| round(&world));
    assert_eq!(state(&world), before);
}

#[test]
fn alternating_contents_write_once_per_change() {
    let world = World::new();
    for turn in 0..100_u8 {
        let content = turn / 2 % 2;
        world.happen(&Op::Submit { node: 0, id: 0, content });
        world.happen(&Op::Sync { from: 0, to: 1 });
        assert_eq!(written(&world.stores[0]), u64::from(turn / 2) + 1);
    }
    assert_eq!(live(&world.spaces[1])["pattern_0"].len(), 1);
}

#[test]
fn absence_removes_nothing() {
    let world = World::new();
    world.happen(&Op::Submit { node: 0, id: 0, content: 1 });
    let before = fingerprint(&world.spaces[0]);
    let report = world.spaces[0].submit(&snapshot(vec![]), Scheduler).unwrap();
    assert!(!report.view_changed);
    assert_eq!(fingerprint(&world.spaces[0]), before);
}

#[test]
fn a_submission_never_hides_a_peers_version() {
    let world = World::new();
    world.happen(&Op::Submit { node: 0, id: 0, content: 1 });
    world.happen(&Op::Sync { from: 0, to: 1 });
    world.happen(&Op::Submit { node: 1, id: 0, content: 2 });
    world.happen(&Op::Sync { from: 1, to: 0 });
    assert_eq!(live(&world.spaces[0])["pattern_0"], ["episode-1", "episode-2"]);
}

#[test]
fn a_forgotten_content_stays_forgotten() {
    let world = World::new();
    world.happen(&Op::Submit { node: 0, id: 0, content: 1 });
    world.happen(&Op::Sync { from: 0, to: 1 });
    world.happen(&Op::Forget { node: 1, id: 0 });
    world.happen(&Op::Sync { from: 1, to: 2 });
    let found = world.spaces[2].submit_pattern(&pattern("pattern_0", 1)).unwrap();
    assert_eq!(found, Submitted::Suppressed);
    let found = world.spaces[2].submit_pattern(&pattern("pattern_0", 2)).unwrap();
    assert_eq!(found, Submitted::Written);
    world.happen(&Op::Sync { from: 2, to: 0 });
    assert_eq!(live(&world.spaces[0])["pattern_0"], ["episode-2"]);
}

#[test]
fn a_resolution_releases_a_forgotten_content() {
    let world = World::new();
    world.happen(&Op::Submit { node: 0, id: 0, content: 1 });
    world.happen(&Op::Forget { node: 0, id: 0 });
    world.happen(&Op::Sync { from: 0, to: 1 });
    world.happen(&Op::Resolve { node: 1, id: 0, content: 1 });
    world.happen(&Op::Sync { from: 1, to: 0 });
    assert_eq!(shown(&world.spaces[0])["pattern_0"], ["episode-1"]);
}

#[test]
fn a_resolution_cites_all_that_it_replaces() {
    let world = World::new();
    world.happen(&Op::Submit { node: 0, id: 0, content: 1 });
    world.happen(&Op::Submit { node: 1, id: 0, content: 2 });
    world.happen(&Op::Sync { from: 0, to: 1 });
    let chosen = pattern("pattern_0", 1);
    world.spaces[1].resolve(&chosen, Citations::Union).unwrap();
    let shown = world.spaces[1].view().patterns;
    assert_eq!(shown[0].source_episodes, ["episode-1", "episode-2", "shared"]);
}

#[test]
fn a_blend_handed_back_is_an_echo() {
    let world = World::new();
    world.happen(&Op::Submit { node: 0, id: 0, content: 0 });
    world.happen(&Op::Submit { node: 1, id: 0, content: 3 });
    world.happen(&Op::Submit { node: 0, id: 1, content: 1 });
    world.happen(&Op::Submit { node: 1, id: 2, content: 1 });
    world.happen(&Op::Sync { from: 0, to: 1 });
    let view = snapshot(world.spaces[1].hand_out().patterns);
    let report = world.spaces[1].submit(&view, Scheduler).unwrap();
    // The blend of two versions is an echo, this node now also writes the peer's version, and this
    // node's own version is unchanged.
    assert_eq!((report.echoed, report.written, report.unchanged), (1, 1, 1));
    assert_eq!(live(&world.spaces[1])["pattern_1"], ["episode-1", "episode-1"]);
    // An older blend is also an echo.
    world.happen(&Op::Submit { node: 0, id: 0, content: 2 });
    world.happen(&Op::Sync { from: 0, to: 1 });
    world.spaces[1].hand_out();
    assert_eq!(world.spaces[1].submit(&view, Scheduler).unwrap().echoed, 1);
}

#[test]
fn a_single_version_is_shared_and_not_copied() {
    let space = only_space(&store(1, 4));
    let mut own = (*pattern("pattern_0", 1)).clone();
    own.source_episodes.sort();
    let own = Arc::new(own);
    space.submit_pattern(&own).unwrap();
    assert!(Arc::ptr_eq(&space.view().patterns[0], &own));
}

#[test]
fn a_dot_with_two_contents_keeps_both() {
    let spaces = [1, 2].map(|content| {
        let source = only_space(&store(1, 4));
        source.submit_pattern(&pattern("p", content)).unwrap();
        let mut delivery = everything(&source);
        let part = &mut delivery.records[0].parts[0];
        (part.entry, part.dots[0].0) = (7, 7);
        delivery
    });
    let [one, other] = [[0, 1], [1, 0]].map(|order| {
        let store = store(2, 4);
        let space = only_space(&store);
        order.iter().for_each(|at| _ = deliver(spaces[*at].clone(), &space));
        assert_eq!(live(&space)["p"], ["episode-1", "episode-2"]);
        assert_eq!(store.write_stats().clashes, 1);
        fingerprint(&space)
    });
    assert_eq!(one, other);
}

#[test]
fn a_part_with_a_missing_content_is_left_out() {
    let spaces = [1, 2].map(|node| only_space(&store(node, 4)));
    spaces[0].submit_pattern(&pattern("p", 1)).unwrap();
    spaces[1].submit_pattern(&pattern("p", 2)).unwrap();
    deliver(everything(&spaces[1]), &spaces[0]);
    let mut both = everything(&spaces[0]);
    both.contents.retain(|(_, content)| content.source_episodes[0] == "episode-2");
    let space = only_space(&store(3, 4));
    let receipt = SpaceView::pin(&space).apply(both);
    assert_eq!(receipt.rejected, [("p".to_owned(), Rejection::MissingContent)]);
    assert_eq!((receipt.applied, live(&space)["p"].as_slice()), (1, &["episode-2".to_owned()][..]));
}

#[test]
fn first_of_duplicate_patterns_is_kept() {
    let space = only_space(&store(1, 4));
    let report = space
        .submit(&snapshot(vec![pattern("p", 1), pattern("q", 1), pattern("p", 2)]), Scheduler)
        .unwrap();
    assert_eq!((report.written, report.rejected.len()), (2, 1));
    assert_eq!((report.rejected[0].index, report.rejected[0].id.as_str()), (2, "p"));
    assert!(report.rejected[0].reason.to_string().contains("earlier copy was kept"));
    assert_eq!(live(&space)["p"], ["episode-1"]);
}

#[test]
fn bad_pattern_is_refused_alone() {
    let mut bad = (*pattern("bad", 1)).clone();
    bad.embedding = Arc::from([0.0, f32::NAN, 0.0, 0.0]);
    let mut wide = (*pattern("wide", 1)).clone();
    wide.embedding = Arc::from([0.0; 5]);
    let space = only_space(&store(1, 4));
    let patterns = vec![bad.into(), pattern("good", 1), wide.into()];
    let report = space.submit(&snapshot(patterns), Scheduler).unwrap();
    assert_eq!((report.taken(), space.visible_len()), (1, 1));
    let told: Vec<_> = report.rejected.iter().map(|it| (it.index, it.reason.to_string())).collect();
    let nan = "number 1 of its embedding is NaN; consolidate its episodes again";
    let wide = "its embedding has 5 dimensions, but this cluster uses 4; embed it with the cluster's model";
    assert_eq!(told, [(0, nan.to_owned()), (2, wide.to_owned())]);
}

#[test]
fn a_delivery_is_refused_record_by_record() {
    let source = only_space(&store(1, 4));
    for id in ["damaged", "missing", "good", "stolen"] {
        source.submit_pattern(&pattern(id, 1)).unwrap();
    }
    let mut delivery = everything(&source);
    delivery.records.sort_by(|a, b| a.id.cmp(&b.id));
    let space = only_space(&store(2, 4));
    let mut view = SpaceView::pin(&space);
    for (digest, content) in &mut delivery.contents {
        match content.id.as_str() {
            "damaged" => content.strength += 1.0,
            "stolen" => content.id = "good".to_owned(),
            _ => {}
        }
        *digest = view.digest(content);
    }
    delivery.contents.retain(|(_, content)| content.id != "missing");
    let receipt = view.apply(delivery);
    assert_eq!((receipt.applied, receipt.stale), (1, 0));
    let refused = ["damaged", "missing", "stolen"];
    assert_eq!(receipt.rejected, refused.map(|id| (id.to_owned(), Rejection::MissingContent)));
    assert_eq!(live(&space).into_keys().collect::<Vec<_>>(), ["good"]);
}

#[test]
fn repeated_record_of_a_delivery_joins_twice() {
    let spaces = [1, 2].map(|node| only_space(&store(node, 4)));
    spaces[0].submit_pattern(&pattern("p", 1)).unwrap();
    spaces[1].submit_pattern(&pattern("p", 2)).unwrap();
    let mut both = everything(&spaces[0]);
    let other = everything(&spaces[1]);
    both.records.extend(other.records);
    both.contents.extend(other.contents);
    let space = only_space(&store(3, 4));
    assert_eq!(deliver(both, &space).applied, 2);
    assert_eq!(live(&space)["p"], ["episode-1", "episode-2"]);
}
