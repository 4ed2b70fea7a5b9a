//! The laws of the replicated state, on the store as it is composed: records, contents, tree, view.
//!
//! Everything is compared to the bit: the root, and the bytes of what is visible.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use engram_bridge::{ConsolidationCacheSource::Scheduler, Space, Store, Submitted, refusal};
use engram_gossip_proto::{Body, Delivery, Record, Rejection, View};
use engram_vclock::{MAX_COUNTER, MAX_JUMP};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::common::*;

const NODES: usize = 3;
const IDS: usize = 3;
const CONTENTS: u8 = 4;

/// Something that happens at one of the nodes.
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

/// Three nodes that something happens to.
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
                self.spaces[node].resolve(&pattern(&name(id), content)).unwrap();
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

/// A node that only listens, after it was sent `deltas` in this order.
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

    /// L1, L2, L5: commutative, associative, and any order or repetition gives one state.
    #[test]
    fn prop_any_order_and_repetition_of_deltas_gives_one_state(
        history in history(),
        repeats in vec(0..NODES, 0..4),
    ) {
        let deltas = World::after(&history).deltas();
        let expected = fingerprint(&listener(&deltas));
        for mut order in permutations(&deltas) {
            order.extend(repeats.iter().map(|&at| deltas[at].clone()));
            prop_assert_eq!(fingerprint(&listener(&order)), expected.clone());
        }
        // Regrouped: two of them meet elsewhere first.
        let met = everything(&listener(&deltas[1..]));
        prop_assert_eq!(fingerprint(&listener(&[deltas[0].clone(), met.clone()])), expected.clone());
        prop_assert_eq!(fingerprint(&listener(&[met, deltas[0].clone()])), expected);
    }

    /// L5: pattern by pattern is as good as all at once.
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

    /// L3: what is known changes nothing.
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

    /// L4: every operation inflates; the state before it is news to nobody who has the one after.
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

    /// L6, L7: dots are covered; who has seen the same holds the same.
    #[test]
    fn prop_equal_contexts_mean_equal_siblings(history in history()) {
        let world = World::new();
        let mut seen = BTreeMap::new();
        for op in &history {
            world.happen(op);
            for space in &world.spaces {
                for (id, Record { context, siblings, .. }) in records(space) {
                    for (dot, _) in &siblings {
                        let covered = |(actor, counter): &(_, u64)| {
                            *actor == dot.actor && dot.counter <= *counter
                        };
                        prop_assert!(context.iter().any(covered));
                    }
                    let same = seen.entry((id, format!("{context:?}"))).or_insert_with(|| siblings.clone());
                    prop_assert_eq!(&*same, &siblings);
                }
            }
        }
    }

    /// L8: equal roots if and only if equal records.
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

    /// L9: the tree that grew step by step is the tree that is built at once.
    #[test]
    fn prop_incremental_root_is_the_rebuilt_root(history in history()) {
        for space in &World::after(&history).spaces {
            let rebuilt = listener(&[everything(space)]);
            prop_assert_eq!(fingerprint(&rebuilt), fingerprint(space));
            prop_assert_eq!(rebuilt.summary().count, space.summary().count);
        }
    }

    /// L10: the same submission again is no news, whatever syncs, resolves and deletes lie between.
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
                let before = (fingerprint(&world.spaces[node]), world.stores[node].written());
                world.happen(&Op::Submit { node, id, content });
                let after = (fingerprint(&world.spaces[node]), world.stores[node].written());
                prop_assert_eq!(after, before);
            }
        }
    }

    /// L12: what is sent is what is held; nodes that were sent everything send the same.
    #[test]
    fn prop_what_is_sent_is_what_is_held(history in history()) {
        for space in &World::after(&history).spaces {
            prop_assert_eq!(records(&listener(&[everything(space)])), records(space));
        }
    }

    /// L13: the live contents are those of the causally maximal operations.
    #[test]
    fn prop_the_state_is_that_of_the_specification(history in history()) {
        let world = World::new();
        let mut spec = Spec::default();
        for op in &history {
            world.happen(op);
            spec.happen(op);
            for (node, space) in world.spaces.iter().enumerate() {
                prop_assert_eq!(live(space), spec.live(node), "node {} after {:?}", node, op);
            }
        }
    }

    /// In the end all nodes show the same, and who lost a race is still cited.
    #[test]
    fn prop_all_nodes_converge_and_no_citation_is_lost(history in history()) {
        let world = World::after(&history);
        let cited = |world: &World| -> BTreeSet<String> {
            let patterns = world.spaces.iter().flat_map(|space| everything(space).contents);
            patterns.flat_map(|(_, content)| content.source_episodes).collect()
        };
        for _ in 0..2 {
            for from in 0..NODES {
                for to in 0..NODES {
                    world.happen(&Op::Sync { from, to });
                }
            }
        }
        let shown = fingerprint(&world.spaces[0]);
        prop_assert_eq!(fingerprint(&world.spaces[1]), shown.clone());
        prop_assert_eq!(fingerprint(&world.spaces[2]), shown);
        let patterns = world.spaces[0].view().patterns;
        let visible: BTreeSet<_> =
            patterns.iter().flat_map(|pattern| pattern.source_episodes.clone()).collect();
        prop_assert_eq!(visible, cited(&world));
    }
}

/// One delivery for each record.
fn pieces(delta: &Delivery) -> Vec<Delivery> {
    let pieces = delta.records.iter().map(|record| {
        let named = |digest: &[u8; 32]| {
            record.siblings.iter().any(|(_, body)| *body == Body::Content(*digest))
        };
        let contents = delta.contents.iter().filter(|(digest, _)| named(digest));
        Delivery { records: vec![record.clone()], contents: contents.cloned().collect() }
    });
    pieces.collect()
}

/// Per id the live contents, by a number that only they have, with repeats; empty ids left out.
fn live(space: &Arc<Space>) -> BTreeMap<String, Vec<String>> {
    let view = space.pin();
    let mut live = BTreeMap::new();
    for (id, record) in records(space) {
        let contents = record.siblings.iter().filter_map(|(_, body)| match body {
            Body::Content(digest) => view.content(digest),
            Body::Tombstone { .. } => None,
        });
        let mut contents: Vec<_> =
            contents.map(|content| content.source_episodes[0].clone()).collect();
        contents.sort();
        if !contents.is_empty() {
            live.insert(id, contents);
        }
    }
    live
}

/// The specification: a set of operations at each node, and which of them each one had seen.
#[derive(Default)]
struct Spec {
    writes: Vec<Write>,
    known: [BTreeSet<usize>; NODES],
    last_submitted: BTreeMap<(usize, usize), u8>,
}

struct Write {
    node: usize,
    id: usize,
    content: Option<u8>,
    buried: BTreeSet<u8>,
    /// What it supersedes.
    seen: BTreeSet<usize>,
}

impl Spec {
    fn happen(&mut self, op: &Op) {
        match *op {
            Op::Submit { node, id, content } => {
                if self.last_submitted.insert((node, id), content) == Some(content) {
                    return;
                }
                let buried = self.maximal(node, id).any(|write| write.buried.contains(&content));
                if !buried {
                    let seen = self.of_id(node, id, |write| write.node == node);
                    self.write(Write { node, id, content: Some(content), buried: [].into(), seen });
                }
            }
            Op::Withdraw { node, id } => {
                let own = |write: &Write| write.node == node && write.content.is_some();
                if self.maximal(node, id).any(own) {
                    let seen = self.of_id(node, id, |write| write.node == node);
                    self.write(Write { node, id, content: None, buried: [].into(), seen });
                }
            }
            Op::Forget { node, id } => {
                let live: BTreeSet<u8> =
                    self.maximal(node, id).filter_map(|write| write.content).collect();
                if !live.is_empty() {
                    let before = self.maximal(node, id).flat_map(|write| write.buried.clone());
                    let buried = before.chain(live.iter().copied()).collect();
                    let seen = self.of_id(node, id, |_| true);
                    self.write(Write { node, id, content: None, buried, seen });
                }
            }
            Op::Resolve { node, id, content } => {
                let seen = self.of_id(node, id, |_| true);
                self.write(Write { node, id, content: Some(content), buried: [].into(), seen });
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

    /// What is known of an id and seen by nothing else that is known.
    fn maximal(&self, node: usize, id: usize) -> impl Iterator<Item = &Write> {
        let known = self.of_id(node, id, |_| true);
        let seen: BTreeSet<usize> =
            known.iter().flat_map(|&at| self.writes[at].seen.clone()).collect();
        known.into_iter().filter(move |at| !seen.contains(at)).map(|at| &self.writes[at])
    }

    fn live(&self, node: usize) -> BTreeMap<String, Vec<String>> {
        let ids = (0..IDS).map(|id| {
            let contents = self.maximal(node, id).filter_map(|write| write.content);
            let mut contents: Vec<_> =
                contents.map(|content| format!("episode-{content}")).collect();
            contents.sort();
            (name(id), contents)
        });
        ids.filter(|(_, contents)| !contents.is_empty()).collect()
    }
}

/// The task's hardest case: three nodes, equally sure, all six orders, the same bytes.
#[test]
fn three_equally_sure_nodes_merge_to_the_same_bytes_in_all_six_orders() {
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
    use engram_bridge::{Environment, StoreConfig, Timestamp};
    let mut config = StoreConfig::new([9; 32].into(), [space()]);
    config.dimension = 4;
    if strategy == "weighted" {
        config.strategy = Arc::new(engram_conflict::ConfidenceWeighted::new());
    }
    Store::new(config, Environment::new(|| Timestamp::EPOCH, || 1))
}

#[test]
fn a_thousand_repeated_snapshots_leave_roots_and_counters_unchanged() {
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
        nodes.map(|(store, space)| (fingerprint(space), store.written(), space.summary())).collect()
    };
    let before = state(&world);
    assert_eq!(before[0].0, before[1].0);
    (0..1_000).for_each(|_| round(&world));
    assert_eq!(state(&world), before);
}

#[test]
fn alternating_contents_write_one_version_for_each_change() {
    let world = World::new();
    for turn in 0..100_u8 {
        let content = turn / 2 % 2;
        world.happen(&Op::Submit { node: 0, id: 0, content });
        world.happen(&Op::Sync { from: 0, to: 1 });
        assert_eq!(world.stores[0].written(), u64::from(turn / 2) + 1);
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
fn what_was_forgotten_stays_so_even_if_it_is_found_again() {
    let world = World::new();
    world.happen(&Op::Submit { node: 0, id: 0, content: 1 });
    world.happen(&Op::Sync { from: 0, to: 1 });
    world.happen(&Op::Forget { node: 1, id: 0 });
    world.happen(&Op::Sync { from: 1, to: 2 });
    let found = world.spaces[2].submit_pattern(&pattern("pattern_0", 1)).unwrap();
    assert_eq!(found, Submitted::Buried);
    let found = world.spaces[2].submit_pattern(&pattern("pattern_0", 2)).unwrap();
    assert_eq!(found, Submitted::Written);
    world.happen(&Op::Sync { from: 2, to: 0 });
    assert_eq!(live(&world.spaces[0])["pattern_0"], ["episode-2"]);
}

#[test]
fn the_view_handed_back_writes_nothing() {
    let world = World::new();
    world.happen(&Op::Submit { node: 0, id: 0, content: 0 });
    world.happen(&Op::Submit { node: 1, id: 0, content: 3 });
    world.happen(&Op::Submit { node: 0, id: 1, content: 1 });
    world.happen(&Op::Submit { node: 1, id: 2, content: 1 });
    world.happen(&Op::Sync { from: 0, to: 1 });
    let before = fingerprint(&world.spaces[1]);
    let echo = snapshot(world.spaces[1].view().patterns);
    let report = world.spaces[1].submit(&echo, Scheduler).unwrap();
    // One merged of two, one received, one its own.
    assert_eq!((report.written, report.echoed, report.unchanged), (0, 2, 1));
    assert_eq!(fingerprint(&world.spaces[1]), before);
    // An equal pattern that the engine made by itself is an observation of its own.
    let found = world.spaces[1].submit_pattern(&pattern("pattern_1", 1)).unwrap();
    assert_eq!(found, Submitted::Written);
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
fn an_own_write_that_was_never_made_begins_a_new_life() {
    let first = store(1, 4);
    only_space(&first).submit_pattern(&pattern("pattern_0", 1)).unwrap();
    let delta = everything(&only_space(&first));

    // The same node and the same life again, as if an old state had come back.
    let second = store(1, 4);
    let space = only_space(&second);
    deliver(delta, &space);
    assert_eq!((second.incarnations_rolled(), second.written()), (1, 0));
    space.submit_pattern(&pattern("pattern_0", 2)).unwrap();
    assert_eq!(live(&space)["pattern_0"], ["episode-2"]);
}

/// What a node sends that has written `counter` things, the last of them under `id`.
fn written_as(counter: u64, id: &str) -> Delivery {
    let source = only_space(&store(1, 4));
    source.submit_pattern(&pattern(id, 1)).unwrap();
    let mut delivery = everything(&source);
    let record = &mut delivery.records[0];
    record.siblings[0].0.counter = counter;
    record.context[0].1 = counter;
    delivery
}

#[test]
fn a_leap_of_a_counter_is_judged_by_all_that_the_node_has_seen() {
    let space = only_space(&store(2, 4));
    let receipt = space.pin().apply(written_as(MAX_JUMP + 1, "p"));
    assert_eq!(receipt.rejected, [("p".to_owned(), Rejection::OverLimit)]);
    deliver(written_as(MAX_JUMP, "p"), &space);
    // Counters are node-wide: on a record that is new here they begin wherever the node stands.
    deliver(written_as(2 * MAX_JUMP, "q"), &space);
    let receipt = space.pin().apply(written_as(3 * MAX_JUMP + 1, "p"));
    assert_eq!(receipt.rejected, [("p".to_owned(), Rejection::OverLimit)]);
    assert_eq!(live(&space).len(), 2);
}

#[test]
fn a_counter_above_its_cap_is_refused_with_what_to_do() {
    let space = only_space(&store(2, 4));
    let receipt = space.pin().apply(written_as(MAX_COUNTER + 1, "p"));
    let [(id, reason)] = &receipt.rejected[..] else { panic!("{:?}", receipt.rejected) };
    assert_eq!((id.as_str(), live(&space).len()), ("p", 0));
    assert!(refusal(*reason).contains("see whether a node runs twice"), "{reason:?}");
}

#[test]
fn a_dot_that_names_another_content_than_it_did_is_refused_with_what_to_do() {
    let space = only_space(&store(2, 4));
    deliver(written_as(1, "p"), &space);
    let before = fingerprint(&space);
    // A forged write: the dot is known, what it names is not what it named.
    let other = only_space(&store(1, 4));
    other.submit_pattern(&pattern("p", 2)).unwrap();
    let receipt = space.pin().apply(everything(&other));
    assert_eq!(receipt.rejected, [("p".to_owned(), Rejection::InvalidRecord)]);
    assert!(refusal(Rejection::InvalidRecord).contains("a write has two contents"));
    assert_eq!(fingerprint(&space), before);
}

#[test]
fn what_is_refused_raises_no_clock() {
    let space = only_space(&store(2, 4));
    let mut stripped = written_as(MAX_JUMP, "p");
    stripped.contents.clear();
    let receipt = space.pin().apply(stripped);
    assert_eq!(receipt.rejected, [("p".to_owned(), Rejection::MissingContent)]);
    let receipt = space.pin().apply(written_as(MAX_JUMP + 1, "p"));
    assert_eq!(receipt.rejected, [("p".to_owned(), Rejection::OverLimit)]);
}

#[test]
fn duplicates_in_a_snapshot_are_refused_and_the_first_is_kept() {
    let space = only_space(&store(1, 4));
    let report = space
        .submit(&snapshot(vec![pattern("p", 1), pattern("q", 1), pattern("p", 2)]), Scheduler)
        .unwrap();
    assert_eq!((report.written, report.rejected.len()), (2, 1));
    assert_eq!((report.rejected[0].index, report.rejected[0].id.as_str()), (2, "p"));
    assert!(report.rejected[0].reason.to_string().contains("first copy was kept"));
    assert_eq!(live(&space)["p"], ["episode-1"]);
}

#[test]
fn a_bad_pattern_costs_only_itself() {
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
    let wide =
        "its embedding has 5 dimensions, this cluster's have 4; embed it with the cluster's model";
    assert_eq!(told, [(0, nan.to_owned()), (2, wide.to_owned())]);
}

#[test]
fn a_delivery_is_refused_record_by_record() {
    let source = only_space(&store(1, 4));
    for id in ["wrong", "missing", "good", "stolen"] {
        source.submit_pattern(&pattern(id, 1)).unwrap();
    }
    let mut delivery = everything(&source);
    delivery.records.sort_by(|a, b| a.id.cmp(&b.id));
    for (_, content) in &mut delivery.contents {
        match content.id.as_str() {
            "wrong" => content.strength += 1.0,
            "stolen" => content.id = "good".to_owned(),
            _ => {}
        }
    }
    delivery.contents.retain(|(_, content)| content.id != "missing");
    let space = only_space(&store(2, 4));
    let receipt = space.pin().apply(delivery);
    assert_eq!((receipt.applied, receipt.stale), (1, 0));
    let expected = [
        ("missing", Rejection::MissingContent),
        ("stolen", Rejection::WrongDigest),
        ("wrong", Rejection::WrongDigest),
    ];
    assert_eq!(receipt.rejected, expected.map(|(id, why)| (id.to_owned(), why)));
    assert_eq!(live(&space).into_keys().collect::<Vec<_>>(), ["good"]);
}

#[test]
fn a_record_that_comes_twice_in_a_delivery_is_joined_twice() {
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
