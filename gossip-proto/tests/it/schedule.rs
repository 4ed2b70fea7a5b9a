//! The shipped scheduler in virtual time, with its default settings unless a test changes some.
//!
//! `cargo xtask mutants` plants mistakes in the scheduler; these tests detect all of them but one,
//! which `refusals.rs` detects.

pub(crate) mod replica;

use std::time::Duration;

use engram_gossip_proto::schedule::Agreement;
use engram_gossip_proto::sim::{Cut, Direction, Latency, Link, Startup, World, WorldConfig};
use replica::Replica;

const SECOND: Duration = Duration::from_secs(1);
const LAN: Latency = Latency { least: Duration::from_millis(1), spread: Duration::ZERO };
const WAN: Latency =
    Latency { least: Duration::from_millis(75), spread: Duration::from_millis(10) };

/// The result of a run; an error describes the failure.
type Verdict = Result<(), String>;

fn config(seed: u64, latency: Latency, loss: f64) -> WorldConfig {
    let link = Link { latency, loss, duplication: 0.0 };
    WorldConfig::fair(seed, link)
}

fn world(config: WorldConfig, nodes: usize) -> World<Replica> {
    let mut world = World::new(config, (0..nodes).map(Replica::new).collect());
    world.run_until(SECOND * 3);
    world
}

fn run_for(world: &mut World<Replica>, time: Duration) {
    let until = world.now() + time;
    world.run_until(until);
}

fn submit(world: &mut World<Replica>, node: usize, id: &str) {
    world.host_mut(node).submit(id);
    world.touch(node);
}

/// Runs the world until all nodes agree. Returns the time that this took, if they agree within
/// `time_limit`.
fn until_agreed(world: &mut World<Replica>, time_limit: Duration) -> Option<Duration> {
    let begun = world.now();
    world.run_until_agreed(begun + time_limit).map(|at| at - begun)
}

fn within(what: &str, took: Option<Duration>, limit: Duration) -> Verdict {
    match took {
        Some(took) if took <= limit => Ok(()),
        took => Err(format!("{what} took {took:?}, not at most {limit:?}")),
    }
}

/// The time that one pattern takes from the first node to all other running nodes, while `dead`
/// nodes do not answer; `None` if it takes more than ten minutes.
fn news(config: WorldConfig, nodes: usize, dead: usize) -> Option<Duration> {
    let mut world = world(config, nodes);
    (0..dead).for_each(|n| world.crash((n + 1) * nodes / (dead + 1)));
    submit(&mut world, 0, "news");
    until_agreed(&mut world, SECOND * 600)
}

/// Checks that the longest of a few runs takes at most `limit`; `cargo xtask sim` runs a hundred.
fn news_arrives(
    nodes: usize,
    dead: usize,
    latency: Latency,
    loss: f64,
    limit: Duration,
) -> Verdict {
    for seed in 0..4 {
        within("one pattern", news(config(seed, latency, loss), nodes, dead), limit)?;
    }
    Ok(())
}

#[test]
fn news_crosses_a_lan_in_a_second() -> Verdict {
    news_arrives(100, 0, LAN, 0.0, SECOND)
}

#[test]
fn news_crosses_a_wan_in_three_seconds() -> Verdict {
    news_arrives(100, 0, WAN, 0.02, SECOND * 3)
}

#[test]
fn loss_and_dead_nodes_cost_seconds() -> Verdict {
    news_arrives(100, 10, LAN, 0.2, SECOND * 10)
}

/// With the timer alone, every node syncs with every other node.
#[test]
fn every_pair_meets_by_the_timer() -> Verdict {
    let mut config = config(1, LAN, 0.0);
    let schedule = &mut config.schedule;
    (schedule.interval, schedule.fanout, schedule.advert_fanout) = (SECOND * 3, 3, 0);
    schedule.advert_interval = SECOND * 3600;
    let mut world = world(config, 8);
    run_for(&mut world, SECOND * 30);
    for (a, b) in (0..8).flat_map(|a| (0..8).map(move |b| (a, b))).filter(|(a, b)| a != b) {
        if world.agreement_of(a, b) != Some(Agreement::InStep) {
            return Err(format!("n{a} and n{b} never met"));
        }
    }
    Ok(())
}

/// A node that syncs with many peers concurrently receives each record about once.
#[test]
fn no_record_arrives_twice() -> Verdict {
    const PEERS: usize = 4;
    let mut config = config(1, WAN, 0.0);
    config.schedule.outbound_sessions = PEERS;
    let mut world = world(config, 1 + PEERS);
    let everyone: Vec<usize> = (0..=PEERS).collect();
    let apart = |from: &[usize], to: &[usize]| {
        let (from, to) = (from.to_vec(), to.to_vec());
        Cut { from, to, direction: Direction::BothWays, flapping: None }
    };
    world.cut(apart(&[0], &everyone[1..]));
    (0..3_000).for_each(|n| world.host_mut(1).submit(&format!("pattern_{n}")));
    world.touch(1);
    run_for(&mut world, SECOND * 20);
    // Each peer has a record of its own, so that no two roots are equal.
    world.cut(apart(&everyone, &everyone));
    (1..=PEERS).for_each(|node| submit(&mut world, node, &format!("own_{node}")));
    run_for(&mut world, SECOND);
    world.heal();
    let before = world.tally().clone();
    (1..=PEERS).for_each(|peer| world.request(0, peer));
    within("the empty node", until_agreed(&mut world, SECOND * 60), SECOND * 30)?;
    let tally = world.tally();
    let wasted = tally.wasted_bytes - before.wasted_bytes;
    let sent = (tally.record_bytes - before.record_bytes) / 2;
    match wasted * 5 <= sent {
        true => Ok(()),
        false => Err(format!("{wasted} of {sent} bytes of records were already known")),
    }
}

/// Sessions with a peer that refuses a record become rarer.
#[test]
fn refused_record_is_retried_ever_less() -> Verdict {
    let mut world = world(config(1, LAN, 0.0), 2);
    world.host_mut(1).refuse("poison");
    submit(&mut world, 0, "poison");
    run_for(&mut world, SECOND * 300);
    let (sessions, stalls) = (world.tally().sessions, world.tally().stalls);
    match sessions <= 40 && stalls <= 2 {
        true => Ok(()),
        false => Err(format!("{sessions} sessions and {stalls} stalls in five minutes")),
    }
}

/// A pair that differs by a refused record compares trees less and less often, but new records
/// still travel immediately.
#[test]
fn a_refused_record_delays_no_news() -> Verdict {
    let mut world = world(config(1, LAN, 0.0), 2);
    world.host_mut(1).refuse("poison");
    submit(&mut world, 0, "poison");
    for writer in [0, 1, 0, 1] {
        run_for(&mut world, SECOND * 300);
        let id = format!("news_at_{:?}", world.now());
        submit(&mut world, writer, &id);
        run_for(&mut world, SECOND);
        if !world.host(1 - writer).holds(&id) {
            return Err(format!("{id}, written by n{writer}, did not arrive within a second"));
        }
    }
    Ok(())
}

/// Records that a peer refuses are not sent again with each record that it accepts.
#[test]
fn refused_records_are_not_resent() -> Verdict {
    const REFUSED: u64 = 50;
    let mut world = world(config(1, LAN, 0.0), 2);
    for n in 0..REFUSED {
        let id = format!("poison_{n}");
        world.host_mut(1).refuse(&id);
        world.host_mut(0).submit(&id);
    }
    world.touch(0);
    for n in 0..150 {
        submit(&mut world, 0, &format!("news_{n}"));
        run_for(&mut world, SECOND * 2);
    }
    run_for(&mut world, SECOND * 60);
    let rejected = world.tally().rejected;
    match world.host(1).holds("news_149") && rejected <= REFUSED * 4 {
        true => Ok(()),
        false => Err(format!("{rejected} refusals of {REFUSED} records in six minutes")),
    }
}

/// A node that refuses records receives each of them at most twice in two minutes from each peer,
/// although new records appear on all nodes each second. It receives them soon after it accepts
/// them again.
#[test]
fn refused_records_wait_for_their_time() -> Verdict {
    const REFUSED: u64 = 50;
    const PEERS: usize = 2;
    let mut world = world(config(1, LAN, 0.0), 1 + PEERS);
    for n in 0..REFUSED {
        let id = format!("refused_{n}");
        world.host_mut(0).refuse(&id);
        world.host_mut(1).submit(&id);
    }
    world.touch(1);
    let before = world.tally().clone();
    for n in 0..120 {
        let id = |node: usize| format!("news_{node}_{n}");
        (0..=PEERS).for_each(|node| submit(&mut world, node, &id(node)));
        run_for(&mut world, SECOND);
        for (node, writer) in (0..=PEERS).flat_map(|a| (0..=PEERS).map(move |b| (a, b))) {
            if !world.host(node).holds(&id(writer)) {
                return Err(format!("{} is not on n{node} after a second", id(writer)));
            }
        }
    }
    let rejected = world.tally().rejected - before.rejected;
    if rejected > REFUSED * PEERS as u64 * 2 {
        return Err(format!("{rejected} refusals of {REFUSED} records in two minutes"));
    }
    world.host_mut(0).refuse_nothing();
    world.touch(0);
    within("the refused records", until_agreed(&mut world, SECOND * 600), SECOND * 180)
}

/// Peers that crash during their sessions do not keep permits.
#[test]
fn permits_come_back() -> Verdict {
    let mut config = config(1, LAN, 0.0);
    config.schedule.interval = SECOND * 3;
    let mut world = world(config, 8);
    (4..8).for_each(|node| world.crash(node));
    run_for(&mut world, SECOND * 120);
    submit(&mut world, 0, "news");
    within("a change after failed sessions", until_agreed(&mut world, SECOND * 60), SECOND * 2)
}

/// If the session that fetches a root fails, the root is fetched from another peer.
#[test]
fn a_failed_fetch_is_repeated_elsewhere() -> Verdict {
    for seed in 0..20 {
        let mut config = config(seed, WAN, 0.0);
        (config.schedule.interval, config.schedule.advert_interval) = (SECOND * 3600, SECOND * 60);
        let mut world = world(config, 12);
        submit(&mut world, 0, "news");
        while !(1..12).any(|node| world.host(node).holds("news")) {
            run_for(&mut world, Duration::from_millis(5));
        }
        // Other nodes are in a session with node 0, or are about to open one.
        world.crash(0);
        within("news of a node that died", until_agreed(&mut world, SECOND * 90), SECOND * 15)?;
    }
    Ok(())
}

/// Records that a budget leaves out follow immediately.
#[test]
fn records_over_the_budget_follow_at_once() -> Verdict {
    let mut config = config(1, LAN, 0.0);
    (config.session.send_budget, config.session.max_patterns_per_sync) = (1, 10);
    config.schedule.advert_interval = SECOND * 60;
    let mut world = world(config, 2);
    (0..1_000).for_each(|n| world.host_mut(0).submit(&format!("pattern_{n}")));
    world.touch(0);
    within("a thousand patterns", until_agreed(&mut world, SECOND * 600), SECOND * 15)
}

/// The first `living` of `nodes` nodes run, and the others are silent. The first node connects to
/// the last running one within `start`, and again soon after each return of that node.
fn silent_members_cost_little(nodes: usize, living: usize, start: Duration) -> Verdict {
    let config = WorldConfig { startup: Startup::Apart, ..config(nodes as u64, LAN, 0.0) };
    let mut world = World::new(config, (0..nodes).map(Replica::new).collect());
    (living..nodes).for_each(|node| world.crash(node));
    let peer = living - 1;
    within("the first meeting", until_met(&mut world, peer), start)?;
    for absence in [5, 100] {
        // Long enough that the silent nodes are dialled several times.
        run_for(&mut world, SECOND * 30);
        let host = world.host(peer).clone();
        world.crash(peer);
        run_for(&mut world, SECOND * absence);
        world.restart(peer, host);
        within("the next meeting", until_met(&mut world, peer), SECOND * 2)?;
    }
    Ok(())
}

#[test]
fn silent_members_delay_no_start_and_no_return() -> Verdict {
    silent_members_cost_little(500, 100, SECOND * 5)
}

#[test]
fn one_living_member_of_401_is_found() -> Verdict {
    // Two nodes run: the living member, and the node that must find it.
    silent_members_cost_little(402, 2, SECOND * 30)
}

/// Runs the world until the first node and `peer` are connected, and returns the time that this
/// took; `None` if it takes more than a minute.
fn until_met(world: &mut World<Replica>, peer: usize) -> Option<Duration> {
    let begun = world.now();
    while !world.are_connected(0, peer) {
        run_for(world, Duration::from_millis(10));
        if world.now() > begun + SECOND * 60 {
            return None;
        }
    }
    Some(world.now() - begun)
}

/// Nodes that all write once a second lag by at most five seconds, and send few redundant records.
#[test]
fn steady_writes_keep_up() -> Verdict {
    let (nodes, seconds) = (20, 5);
    let mut world = world(config(1, LAN, 0.0), nodes);
    let begun = world.now();
    let mut unseen: Vec<(Duration, usize, u64)> = Vec::new();
    for n in 0..seconds as usize * nodes {
        let (node, version) = (n % nodes, (n / nodes) as u64 + 1);
        submit(&mut world, node, &format!("pattern_{node}"));
        unseen.push((world.now(), node, version));
        world.run_until(begun + SECOND * (n as u32 + 1) / nodes as u32);
        if node == 0 {
            unseen.retain(|(_, node, version)| {
                let id = format!("pattern_{node}");
                (0..nodes).any(|other| !world.host(other).knows(&id, *node, *version))
            });
        }
        if let Some((at, node, version)) = unseen.first()
            && world.now() > *at + SECOND * 5
        {
            return Err(format!("version {version} of n{node} is not everywhere after 5 s"));
        }
    }
    let (wasted, sent) = (world.tally().wasted_bytes, world.tally().record_bytes / 2);
    match wasted * 5 <= sent {
        true => Ok(()),
        false => Err(format!("{wasted} of {sent} bytes of records were already known")),
    }
}

/// Nodes that all write at the same time on a bad network send few redundant records.
#[test]
fn writers_on_a_bad_network_repeat_little() -> Verdict {
    let (mut wasted, mut sent) = (0, 0);
    for seed in 0..3 {
        let mut world = world(config(seed, LAN, 0.2), 100);
        (0..10).for_each(|n| world.crash((n + 1) * 100 / 11));
        (0..100).for_each(|node| submit(&mut world, node, &format!("pattern_{node}")));
        within("a hundred patterns", until_agreed(&mut world, SECOND * 60), SECOND * 10)?;
        wasted += world.tally().wasted_bytes;
        sent += world.tally().record_bytes / 2;
    }
    match wasted * 5 <= sent {
        true => Ok(()),
        false => Err(format!("{wasted} of {sent} bytes of records were known already")),
    }
}

/// A partition into two halves heals without a burst of traffic.
#[test]
fn a_partition_heals_without_a_storm() -> Verdict {
    const PATTERNS: u64 = 100;
    let nodes = 100;
    let mut world = world(config(1, LAN, 0.0), nodes);
    let (from, to) = ((0..nodes / 2).collect(), (nodes / 2..nodes).collect());
    world.cut(Cut { from, to, direction: Direction::BothWays, flapping: None });
    for writer in [0, nodes / 2] {
        let id = |n: u64| format!("pattern_{writer}_{n}");
        (0..PATTERNS).for_each(|n| world.host_mut(writer).submit(&id(n)));
        world.touch(writer);
    }
    run_for(&mut world, SECOND * 600);
    if world.agreeing() != nodes / 2 {
        return Err(format!("{} nodes agree, instead of half of them", world.agreeing()));
    }
    world.heal();
    world.reset_peaks();
    let before = world.tally().clone();
    within("the healing", until_agreed(&mut world, SECOND * 300), SECOND * 75)?;
    let tally = world.tally();
    let bytes = tally.bytes() - before.bytes();
    // Every node lacks the writes of the other half.
    let records = (tally.record_bytes - before.record_bytes) / 2;
    let came = tally.records - before.records;
    let difference = records * PATTERNS * nodes as u64 / came.max(1);
    match tally.most_at_one_node <= 8 && bytes * 2 <= difference * 3 {
        true => Ok(()),
        false => Err(format!(
            "up to {} sessions at a time at one node, {bytes} bytes for a difference of {difference} bytes",
            tally.most_at_one_node
        )),
    }
}

/// A node that refuses every record of a writer does not receive them again with each new record of
/// another writer.
#[test]
fn a_refused_writer_is_not_repeated() -> Verdict {
    const REFUSED: u64 = 50;
    let mut world = world(config(1, LAN, 0.0), 3);
    for n in 0..REFUSED {
        let id = format!("refused_{n}");
        world.host_mut(0).refuse(&id);
        world.host_mut(2).submit(&id);
    }
    world.touch(2);
    for n in 0..120 {
        submit(&mut world, 1, &format!("news_{n}"));
        run_for(&mut world, SECOND);
    }
    let rejected = world.tally().rejected;
    match world.host(0).holds("news_119") && rejected <= REFUSED * 2 * 2 {
        true => Ok(()),
        false => Err(format!("{rejected} refusals of {REFUSED} records in two minutes")),
    }
}
