//! Histories in which a weaker rule loses a write, revives a write, or causes endless writes.
//! Each test names the weaker rule that its history rules out.

use Step::{Clone, Join, LoseDisk, Remove, Resolve, Restore, Save, SetClock, Submit};
use engram_vclock::generate::{Process, State, Step, WallClock, World};
use engram_vclock::{Changed, Dot, HybridClock, LastWrite, MAX_AHEAD, Siblings, Suppression};

/// The process number of the clone in a world of three nodes.
const CLONE: u8 = 3;

fn run(steps: &[Step]) -> World {
    World::run(3, steps)
}

fn join(from: u8, into: u8) -> Step {
    Join { from, into }
}

/// The steps in which two processes exchange their states.
fn session(a: u8, b: u8) -> [Step; 2] {
    [join(a, b), join(b, a)]
}

/// The steps in which a process loses its disk while its wall clock is far behind.
fn lose_disk_and_clock(process: u8) -> [Step; 2] {
    [SetClock(process, WallClock::Behind), LoseDisk(process)]
}

fn values(process: &Process) -> Vec<u32> {
    process.state.values().copied().collect()
}

/// Settles the world, and returns the values of all replicas in ascending order.
fn settled(mut world: World) -> Vec<u32> {
    world.settle();
    let reissues = world.reissues;
    world.settle();
    assert_eq!(world.reissues, reissues, "reissues never end");
    let mut shown = values(&world.processes[0]);
    assert!(world.processes.iter().all(|process| values(process) == shown));
    shown.sort_unstable();
    shown
}

/// Weaker rule: no write is reissued.
#[test]
fn a_low_write_after_a_lost_disk_survives() {
    let mut steps = vec![Submit(0), join(0, 2)];
    steps.extend(lose_disk_and_clock(0));
    steps.push(Submit(0));
    assert_eq!(settled(run(&steps)), [0, 1]);
}

/// Weaker rule: a node reissues its write only if the foreign version is ahead of its clock.
#[test]
fn the_wall_clock_does_not_judge_a_lost_write() {
    let mut steps = vec![Resolve(0), join(0, 1)];
    steps.extend(lose_disk_and_clock(0));
    steps.extend([Resolve(0), SetClock(0, WallClock::Right), join(1, 0)]);
    assert_eq!(settled(run(&steps)), [0, 1]);
}

/// Weaker rule: a reissued write supersedes the arriving values.
#[test]
fn two_clones_end_with_both_writes() {
    let world = run(&[Clone(0), Resolve(0), Submit(CLONE)]);
    assert_eq!(settled(world), [0, 1]);
}

/// Weaker rule: a version that the process did not mint makes it reissue its writes to all keys.
#[test]
fn clones_that_write_two_keys_end() {
    let node = 0_u8;
    // Each of the two processes has one clock, and writes to the key with its own number.
    let mut processes = [0, 1].map(|key| {
        let (mut keys, mut clock) = ([State::new(), State::new()], HybridClock::new(0));
        let version = clock.next(1 << 20, key as u64);
        keys[key].submit(Dot::new(node, version), 7).expect("a new version");
        (keys, clock, LastWrite { version, value: 7 })
    });
    for (from, into) in [(0, 1), (1, 0), (0, 1), (1, 0)] {
        let sent = processes[from].0.clone();
        let (keys, clock, last_write) = &mut processes[into];
        for (number, key) in keys.iter_mut().enumerate() {
            let last_write = (number == into).then_some(&*last_write);
            assert_eq!(key.join_own(&sent[number], &node, last_write, clock).reissued, None);
        }
    }
    assert_eq!(processes[0].0, processes[1].0);
}

/// Weaker rule: a resumed process reissues its write over the newer one of the same node.
#[test]
fn a_resumed_machine_keeps_the_newer_write() {
    let mut world = run(&[Resolve(0)]);
    let image = world.processes[0].clone();
    [Submit(0)].into_iter().chain(session(0, 1)).for_each(|step| world.take(step));
    world.processes[0] = image;
    world.take(join(1, 0));
    assert_eq!(values(&world.processes[0]), [1, 0], "both writes are live");
    // The next write of the node supersedes them.
    world.take(Submit(0));
    assert_eq!(settled(world), [2]);
}

/// Weaker rule: a process reissues the live writes of earlier processes.
#[test]
fn a_restored_backup_reissues_nothing() {
    let mut steps = vec![Submit(0), Save(0), Submit(0), join(0, 2)];
    steps.extend([SetClock(0, WallClock::Behind), Restore(0)]);
    steps.extend([Resolve(1), join(0, 2), join(2, 1), Restore(0), join(2, 0)]);
    let world = run(&steps);
    assert_eq!(world.reissues, 0);
    assert_eq!(settled(world), [1, 2]);
}

/// Weaker rule: the version of the reissue is taken from the clock, not from the arriving entry.
#[test]
fn a_reissue_covers_no_unseen_write() {
    let mut world = run(&[Resolve(0)]);
    let image = world.processes[0].clone();
    [Resolve(0), join(0, 1), Submit(0), join(0, 2)].into_iter().for_each(|step| world.take(step));
    world.processes[0] = image;
    world.take(join(1, 0));
    assert_eq!(world.reissues, 1);
    // So far, only node 2 holds write 2.
    assert!(settled(world).contains(&2));
}

/// Weaker rule: an unchanged submission does not claim the confirmed write for this process.
#[test]
fn a_confirmed_write_is_issued_again() {
    let mut world = run(&[Submit(0), Save(0), Submit(0), join(0, 1), Restore(0)]);
    // The engine submits the first value again: it is live, so nothing is written.
    let confirmed = LastWrite { version: world.writes[0].dot.version, value: 0 };
    world.processes[0].last_write = Some(confirmed);
    world.take(join(1, 0));
    assert_eq!(values(&world.processes[0]), [1, 0]);
}

/// Weaker rule: a removal that saw the write counts as a loss of the write.
#[test]
fn seen_and_removed_write_stays_removed() {
    let world = run(&[Submit(0), join(0, 1), Remove(1), join(1, 0)]);
    assert_eq!(world.reissues, 0);
    assert!(settled(world).is_empty());
}

/// Weaker rule: versions are counters, so a resumed process mints them again.
#[test]
fn a_resumed_machine_mints_other_versions() {
    let mut world = run(&[]);
    let image = world.processes[0].clone();
    [Resolve(0), join(0, 1)].into_iter().for_each(|step| world.take(step));
    world.processes[0] = image;
    [Resolve(1), Submit(0)].into_iter().for_each(|step| world.take(step));
    assert_ne!(world.writes[0].dot, world.writes[2].dot);
    assert_eq!(settled(world), [1, 2]);
}

/// Weaker rule: at the limit, the reissue drops the lowest own value.
#[test]
fn many_clones_end_at_the_limit() {
    let node = 0_u8;
    let state = |version| {
        let mut state: State = Siblings::new();
        state.submit(Dot::new(node, version), version as u32).expect("a new version");
        state
    };
    // Twenty processes of one node, each with its own write.
    let mut processes: Vec<_> = (1..=20_u64)
        .map(|version| (state(version), Some(LastWrite { version, value: version as u32 })))
        .collect();
    let mut given_up = 0;
    for round in 0..3 {
        let mut reissues = 0;
        for from in 0..processes.len() {
            let sent = processes[from].0.clone();
            for (state, last_write) in &mut processes {
                let mut clock = HybridClock::new(0);
                let outcome = state.join_own(&sent, &node, last_write.as_ref(), &mut clock);
                reissues += usize::from(outcome.reissued.is_some());
                given_up += usize::from(outcome.given_up.is_some());
                *last_write = outcome
                    .reissued
                    .or_else(|| last_write.take().filter(|_| outcome.given_up.is_none()));
            }
        }
        assert!(round < 2 || reissues == 0, "reissues never end");
    }
    assert!(given_up > 0);
    assert!(processes.iter().all(|(state, _)| *state == processes[0].0));
    assert_eq!(processes[0].0.len(), 16);
}

/// Weaker rule: a node accepts every own version that a peer reports.
#[test]
fn a_lie_about_an_own_version_is_refused() {
    let now = 1_800_000_000_000_000_000;
    let mut clock = HybridClock::new(now);
    let lie = now + MAX_AHEAD + 1;
    assert!(clock.observe(lie, now).is_err());
    assert!(clock.next(now, 0) <= now, "peers accept the next version");
}

/// Weaker rule: an implausible version makes a node refuse the whole state.
#[test]
fn an_implausible_part_is_refused_alone() {
    let far = SetClock(1, WallClock::FarAhead);
    let world = run(&[Submit(2), join(2, 1), far, Submit(1), join(1, 0)]);
    assert_eq!(values(&world.processes[0]), [0]);
    assert_eq!(settled(world), [0, 1]);
}

/// Weaker rule: if the wall clock is far ahead, the next version is the greatest own version known,
/// plus 1.
#[test]
fn wild_wall_clock_yields_to_the_told_clock() {
    let now = 1_800_000_000_000_000_000;
    let mut clock = HybridClock::new(now);
    clock.recall(now - 5);
    clock.hear(now + 4096);
    assert_eq!(clock.next(now + 3 * MAX_AHEAD, 0) >> 10, (now + 4096) >> 10);
}

/// One key with suppression, composed as in an application.
#[derive(Default, Clone)]
struct Key {
    siblings: Siblings<&'static str, u8>,
    suppression: Suppression<&'static str>,
}

impl Key {
    fn submit(&mut self, node: u8, version: u64, value: &'static str) {
        self.siblings.submit(Dot::new(node, version), value).expect("a new version");
    }

    fn forget(&mut self, node: u8, version: u64) {
        for value in self.siblings.values() {
            let _ = self.suppression.suppress(*value);
        }
        self.siblings.remove(Dot::new(node, version)).expect("a new version");
    }

    fn resolve(&mut self, node: u8, version: u64, value: &'static str) {
        let _ = self.suppression.release(&value);
        self.siblings.resolve(Dot::new(node, version), value).expect("a new version");
    }

    fn join(&mut self, other: &Self) {
        self.siblings.join(&other.siblings);
        self.suppression.join(&other.suppression);
    }

    fn visible(&self) -> Vec<&'static str> {
        let values = self.siblings.values().copied();
        values.filter(|value| !self.suppression.is_suppressed(value)).collect()
    }
}

/// Weaker rule: the suppressed digests are part of the removal's dot, or of the node's own write.
#[test]
fn later_writes_do_not_undo_a_suppression() {
    // The node that has forgotten the value writes another one.
    let (mut one, mut two) = (Key::default(), Key::default());
    one.submit(1, 1, "c");
    two.submit(2, 1, "c");
    two.forget(2, 2);
    two.submit(2, 3, "a");
    one.join(&two);
    assert_eq!(one.visible(), ["a"]);

    // The node resolves the key to another value while a peer holds the forgotten one.
    let (mut zero, mut two) = (Key::default(), Key::default());
    zero.submit(0, 1, "a");
    two.submit(2, 1, "a");
    zero.forget(0, 2);
    zero.resolve(0, 3, "b");
    zero.join(&two);
    assert_eq!(zero.visible(), ["b"]);

    // The node withdraws its value, and a peer holds the forgotten one.
    let (mut one, mut two) = (Key::default(), Key::default());
    one.submit(1, 1, "b");
    one.forget(1, 2);
    one.siblings.withdraw(Dot::new(1, 3)).expect("a new version");
    two.submit(2, 1, "b");
    two.join(&one);
    assert_eq!(two.visible(), [""; 0]);
}

/// Weaker rule: a node's own writes contain the suppressed digests.
#[test]
fn a_lost_disk_does_not_undo_a_suppression() {
    let mut node = Key::default();
    node.submit(0, 1, "a");
    node.forget(0, 2);
    let mut peer = node.clone();
    node = Key::default();
    node.submit(0, 3, "a");
    peer.join(&node);
    assert_eq!(peer.visible(), [""; 0]);
}

/// Weaker rule: a resolve does not release the digest of the value that it writes.
#[test]
fn a_resolve_releases_what_it_chooses() {
    let mut key = Key::default();
    key.submit(0, 1, "a");
    key.forget(0, 2);
    key.submit(1, 1, "a");
    key.resolve(0, 3, "a");
    assert_eq!(key.visible(), ["a"]);
    assert_eq!(key.suppression.release(&"a"), Changed::Already);
}
