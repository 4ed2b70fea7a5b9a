//! Properties of the built-in SWIM, in virtual time on a network with configurable loss.

use std::collections::BTreeMap;
use std::time::Duration;

use engram_gossip_net::{
    Liveness, Member, Membership, MembershipInput, NodeId, Roster, Swim, SwimConfig,
};

const LATENCY: Duration = Duration::from_millis(5);

fn id(n: u8) -> NodeId {
    NodeId::from([n; 32])
}

fn config(incarnation: u64, seed: u64) -> SwimConfig {
    let mut config = SwimConfig::default();
    config.incarnation = Some(incarnation);
    config.seed = Some(seed);
    config
}

/// Running nodes, and packets in flight.
struct World {
    now: Duration,
    roster: Roster,
    nodes: BTreeMap<NodeId, Swim>,
    flying: BTreeMap<(Duration, u64), (NodeId, NodeId, Vec<u8>)>,
    sent: u64,
    bytes: BTreeMap<NodeId, usize>,
    random: fastrand::Rng,
    /// The fraction of lost packets.
    loss: f64,
    /// A node whose packets, sent and received, are all lost.
    deaf: Option<NodeId>,
    changes: Vec<(Duration, NodeId, NodeId, Liveness)>,
}

impl World {
    fn new(nodes: u8, loss: f64) -> Self {
        let member = |n| Member { id: id(n), name: format!("node-{n}"), address: None };
        let mut world = Self {
            now: Duration::ZERO,
            roster: Roster::new((0..nodes).map(member)).unwrap(),
            nodes: BTreeMap::new(),
            flying: BTreeMap::new(),
            sent: 0,
            bytes: BTreeMap::new(),
            random: fastrand::Rng::with_seed(11),
            loss: 0.0,
            deaf: None,
            changes: Vec::new(),
        };
        (0..nodes).for_each(|n| world.start(n, 1));
        world.run(20);
        assert!(world.all_see((0..nodes).map(id), Liveness::Alive), "all nodes have joined");
        world.loss = loss;
        world.changes.clear();
        world
    }

    fn start(&mut self, n: u8, incarnation: u64) {
        let swim = Swim::new(config(incarnation, n.into())).unwrap();
        swim.handle(MembershipInput::Started { us: id(n), roster: &self.roster }, self.now);
        for (other, running) in &self.nodes {
            swim.handle(MembershipInput::Connected(*other), self.now);
            running.handle(MembershipInput::Connected(id(n)), self.now);
        }
        self.nodes.insert(id(n), swim);
    }

    fn is_lost(&mut self, from: NodeId, to: NodeId) -> bool {
        let deaf = self.deaf.is_some_and(|deaf| from == deaf || to == deaf);
        deaf || self.random.f64() < self.loss
    }

    fn run(&mut self, seconds: u64) {
        let end = self.now + Duration::from_secs(seconds);
        loop {
            for (from, node) in &self.nodes {
                while let Some((to, packet)) = node.poll_packet() {
                    self.sent += 1;
                    *self.bytes.entry(*from).or_default() += packet.len();
                    self.flying.insert((self.now + LATENCY, self.sent), (*from, to, packet));
                }
                while let Some((peer, liveness)) = node.poll_change() {
                    self.changes.push((self.now, *from, peer, liveness));
                }
            }
            let timers = self.nodes.values().filter_map(Swim::poll_timeout).min();
            let packets = self.flying.keys().next().map(|(at, _)| *at);
            let Some(next) = timers.into_iter().chain(packets).min().filter(|at| *at <= end) else {
                self.now = end;
                return;
            };
            self.now = self.now.max(next);
            while let Some(entry) = self.flying.first_entry().filter(|e| e.key().0 <= self.now) {
                let (from, to, bytes) = entry.remove();
                if !self.is_lost(from, to)
                    && let Some(node) = self.nodes.get(&to)
                {
                    node.handle(MembershipInput::Packet { from, bytes: &bytes }, self.now);
                }
            }
            for node in self.nodes.values() {
                if node.poll_timeout().is_some_and(|at| at <= self.now) {
                    node.handle(MembershipInput::Timeout, self.now);
                }
            }
        }
    }

    fn all_see(&self, mut whom: impl Iterator<Item = NodeId>, liveness: Liveness) -> bool {
        whom.all(|peer| {
            let others = self.nodes.iter().filter(|(id, _)| **id != peer);
            others.into_iter().all(|(_, node)| {
                let so = node.incarnation(&peer).is_some() && node.liveness(&peer) == liveness;
                if !so {
                    println!("{:?}: {peer} is not {liveness:?} for {node:?}", self.now);
                }
                so
            })
        })
    }
}

#[test]
fn crash_is_detected_within_the_detection_time() {
    for nodes in [2, 3, 5, 16] {
        let mut world = World::new(nodes, 0.0);
        let crashed = id(nodes - 1);
        world.nodes.remove(&crashed);
        let limit = SwimConfig::default().detection_time(nodes.into());
        world.run(limit.as_secs() + 1);
        assert!(world.all_see([crashed].into_iter(), Liveness::Down), "{nodes} nodes");
        assert!(world.all_see((0..nodes - 1).map(id), Liveness::Alive));
        let suspected = world.changes.iter().any(|(.., liveness)| *liveness == Liveness::Suspect);
        assert!(suspected, "a node is suspected before it is reported as down");
    }
}

#[test]
fn a_member_that_leaves_is_down_at_once() {
    let mut world = World::new(5, 0.0);
    let left = world.nodes.remove(&id(4)).unwrap();
    left.handle(MembershipInput::Leaving, world.now);
    for node in world.nodes.values() {
        node.handle(MembershipInput::Left(id(4)), world.now);
    }
    assert!(world.all_see([id(4)].into_iter(), Liveness::Down));
}

#[test]
fn leave_seen_by_one_node_spreads() {
    let mut world = World::new(16, 0.0);
    world.nodes.remove(&id(15));
    world.nodes[&id(0)].handle(MembershipInput::Left(id(15)), world.now);
    world.run(3);
    assert!(world.all_see([id(15)].into_iter(), Liveness::Down));
}

#[test]
fn restarted_member_has_a_new_incarnation() {
    let mut world = World::new(5, 0.0);
    for (incarnation, downtime) in [(2, 0), (3, 1), (4, 60)] {
        world.nodes.remove(&id(4));
        world.run(downtime);
        world.start(4, incarnation);
        world.run(5);
        assert!(world.all_see([id(4)].into_iter(), Liveness::Alive), "after {downtime} s");
        let seen = world.nodes[&id(0)].incarnation(&id(4));
        assert!(seen >= Some(incarnation) && seen < Some(incarnation + 2), "{seen:?}");
    }
}

#[test]
fn brief_outage_refutes_the_suspicion() {
    let mut world = World::new(5, 0.0);
    world.deaf = Some(id(2));
    world.run(3);
    let suspected = |world: &World| world.changes.iter().any(|c| c.3 == Liveness::Suspect);
    assert!(suspected(&world));
    world.deaf = None;
    world.run(20);
    assert!(world.all_see((0..5).map(id), Liveness::Alive));
    assert!(world.changes.iter().all(|(.., liveness)| *liveness != Liveness::Down));
    assert_eq!(world.nodes[&id(0)].incarnation(&id(2)), Some(1), "the same incarnation");
}

#[test]
fn live_member_called_down_returns() {
    let mut world = World::new(5, 0.0);
    world.deaf = Some(id(2));
    world.run(60);
    let others = |world: &World| world.nodes[&id(0)].liveness(&id(2));
    assert_eq!(others(&world), Liveness::Down);
    world.deaf = None;
    // Reconnect the nodes.
    for n in [0, 1, 3, 4] {
        world.nodes[&id(n)].handle(MembershipInput::Connected(id(2)), world.now);
        world.nodes[&id(2)].handle(MembershipInput::Connected(id(n)), world.now);
    }
    world.run(10);
    assert!(world.all_see((0..5).map(id), Liveness::Alive));
    assert!(
        world.nodes[&id(0)].incarnation(&id(2)) > Some(1),
        "the node started a new incarnation"
    );
}

#[test]
fn ten_percent_loss_leaves_no_live_member_down() {
    let mut world = World::new(10, 0.1);
    world.run(600);
    let downs = world.changes.iter().filter(|(.., liveness)| *liveness == Liveness::Down).count();
    // Very few of the 6,000 probes lead to a false report of a crash, and up to nine nodes record
    // each such report.
    assert!(downs <= 18, "{downs} in ten minutes");
    world.loss = 0.0;
    world.run(120);
    assert!(world.all_see((0..10).map(id), Liveness::Alive));
}

#[test]
fn members_outside_the_roster_are_ignored() {
    let mut world = World::new(3, 0.0);
    let without = Roster::new(world.roster.iter().filter(|m| m.id != id(2)).cloned()).unwrap();
    let a = &world.nodes[&id(0)];
    a.handle(MembershipInput::Roster(&without), world.now);
    assert_eq!(a.incarnation(&id(2)), None);
    world.roster = without;
    world.run(10);
    // The second node has the old roster and still gossips about the third.
    assert_eq!(world.nodes[&id(0)].incarnation(&id(2)), None);
}

#[test]
fn future_incarnations_kill_no_member() {
    let mut world = World::new(4, 0.0);
    // The fourth node gossips that the third is down, first in an unknown incarnation and then in a
    // known one.
    let mut packet = [&1_u64.to_le_bytes()[..], &[0; 2], &1_u64.to_le_bytes(), &[8]].concat();
    packet.extend_from_slice(&1_u16.to_be_bytes());
    packet.extend_from_slice(id(2).as_bytes());
    for (life, is_possible) in [(u64::MAX, false), (1, true)] {
        let mut packet = packet.clone();
        packet.extend_from_slice(&life.to_le_bytes());
        packet.extend_from_slice(&[0, 0, 2]);
        let input = MembershipInput::Packet { from: id(3), bytes: &packet };
        world.nodes[&id(0)].handle(input, world.now);
        let down = world.nodes[&id(0)].liveness(&id(2)) == Liveness::Down;
        assert_eq!(down, is_possible);
    }
    // The third node receives the report, and starts a new incarnation.
    world.run(10);
    assert!(world.all_see((0..4).map(id), Liveness::Alive));
}

#[test]
fn past_clock_ahead_excludes_no_member() {
    const AHEAD: u64 = 1 << 40;
    let mut world = World::new(4, 0.0);
    // The node ran with a clock far ahead, and restarts with a correct one.
    for incarnation in [AHEAD, 7, 3] {
        world.nodes.remove(&id(2));
        world.run(30);
        world.start(2, incarnation);
        world.run(10);
        assert!(world.all_see((0..4).map(id), Liveness::Alive), "after {incarnation}");
        assert!(world.nodes[&id(0)].incarnation(&id(2)) >= Some(AHEAD));
    }
}

#[test]
fn no_member_uses_up_the_incarnations_of_another() {
    let world = World::new(3, 0.0);
    // The third node gossips that the first is down, in the second-greatest possible incarnation.
    let mut packet = [&1_u64.to_le_bytes()[..], &[0; 2], &1_u64.to_le_bytes(), &[8]].concat();
    packet.extend_from_slice(&1_u16.to_be_bytes());
    packet.extend_from_slice(id(0).as_bytes());
    packet.extend_from_slice(&(u64::MAX - 1).to_le_bytes());
    packet.extend_from_slice(&[0, 0, 2]);
    let us = &world.nodes[&id(0)];
    us.handle(MembershipInput::Packet { from: id(2), bytes: &packet }, world.now);
    while let Some((_, sent)) = us.poll_packet() {
        assert!(sent.starts_with(&1_u64.to_le_bytes()), "the node keeps its incarnation");
    }
}

#[test]
fn damaged_packets_are_ignored() {
    let mut world = World::new(3, 0.0);
    let mut random = fastrand::Rng::with_seed(5);
    for _ in 0..10_000 {
        let len = random.usize(..200);
        let bytes: Vec<u8> = (0..len).map(|_| random.u8(..)).collect();
        // The packet starts with a plausible incarnation of the sender, which the receiver trusts.
        let bytes = [&1_u64.to_le_bytes()[..], &bytes].concat();
        let input = MembershipInput::Packet { from: id(1), bytes: &bytes };
        world.nodes[&id(0)].handle(input, world.now);
    }
    world.run(60);
    assert!(world.all_see((0..3).map(id), Liveness::Alive));
}

#[test]
fn idle_member_sends_little() {
    for nodes in [3, 20, 50] {
        let mut world = World::new(nodes, 0.0);
        world.run(60);
        world.bytes.clear();
        world.run(60);
        let most = world.bytes.values().max().unwrap() / 60;
        assert!(most <= 60, "{nodes} nodes: {most} B/s of membership");
    }
}

#[test]
fn invalid_settings_are_named() {
    let mut config = SwimConfig::default();
    config.probe_interval = config.probe_timeout;
    let error = Swim::new(config).unwrap_err();
    assert!(error.to_string().starts_with("probe_interval is 300ms, but must be at least three"));
}

#[test]
fn intervals_that_never_end_overflow_nothing() {
    let mut config = config(1, 1);
    (config.probe_interval, config.suspicion) = (Duration::MAX, Duration::MAX);
    assert_eq!(config.detection_time(100), Duration::MAX);
    let swim = Swim::new(config).unwrap();
    let member = Member { id: id(1), name: "node-1".into(), address: None };
    let roster = Roster::new([member]).unwrap();
    let now = Duration::from_secs(1);
    swim.handle(MembershipInput::Connected(id(1)), now);
    swim.handle(MembershipInput::Started { us: id(0), roster: &roster }, now);
    assert_eq!(swim.poll_timeout(), Some(Duration::MAX));
}
