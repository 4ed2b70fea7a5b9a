//! The accepted cases in which a write is lost: D1 to D6 in the README. If one of these tests fails, a rule has
//! become stronger, and the README is out of date.

use Step::{Clone, Join, LoseDisk, Resolve, Restart, Restore, Save, SetClock, Submit, Write};
use engram_vclock::LastWrite;
use engram_vclock::generate::{Step, WallClock, World};

/// Settles a world of three nodes, and returns the values that all replicas then hold.
fn settled(mut world: World) -> Vec<u32> {
    world.settle();
    let shown = world.processes[0].state.clone();
    assert!(world.processes.iter().all(|process| process.state == shown));
    shown.values().copied().collect()
}

fn join(from: u8, into: u8) -> Step {
    Join { from, into }
}

#[test]
fn d1_unchanged_after_a_restore_then_a_restart() {
    let mut world = World::run(3, &[Submit(0), Save(0), Submit(0), join(0, 1), Restore(0)]);
    world.processes[0].last_write =
        Some(LastWrite { version: world.writes[0].dot.version, value: 0 });
    world.take(Restart(0));
    assert_eq!(settled(world), [1]);
}

#[test]
fn d2_a_low_write_then_a_restart() {
    let lost = [Submit(0), join(0, 2), SetClock(0, WallClock::Behind), LoseDisk(0), Submit(0)];
    for sent in [&[][..], &[join(0, 1)]] {
        let steps = [&lost[..], sent].concat();
        assert_eq!(settled(World::run(3, &steps)), [0, 1]);
        assert_eq!(settled(World::run(3, &[&steps[..], &[Restart(0)]].concat())), [0]);
    }
}

#[test]
fn d3_a_backup_of_a_run_with_the_clock_ahead() {
    let mut steps = vec![SetClock(0, WallClock::Ahead), Submit(0), Save(0), LoseDisk(0)];
    steps.extend([SetClock(0, WallClock::Right), Submit(0), join(0, 1)]);
    assert_eq!(settled(World::run(3, &steps)), [1]);
    steps.push(Restore(0));
    assert_eq!(settled(World::run(3, &steps)), [0]);
}

#[test]
fn d4_clone_covers_write_of_ended_process() {
    let steps = [Clone(0), Submit(0), Submit(3)];
    let mut both = settled(World::run(3, &steps));
    both.sort_unstable();
    assert_eq!(both, [0, 1]);
    let ended = [&steps[..], &[Restart(0)]].concat();
    assert_eq!(settled(World::run(3, &ended)), [1]);
}

#[test]
fn d5_a_write_after_a_loss_and_before_a_sync() {
    let lost = [Submit(0), join(0, 1), LoseDisk(0)];
    let unsynced = [&lost[..], &[Submit(0)]].concat();
    assert_eq!(settled(World::run(3, &unsynced)), [1]);
    assert_eq!(settled(World::run(3, &lost)), [0], "the peers return the lost write");
}

#[test]
fn d6_second_clone_hides_the_write_of_the_first() {
    let first = [Clone(0), Resolve(0), Submit(3), join(3, 1)];
    let mut both = settled(World::run(3, &first));
    both.sort_unstable();
    assert_eq!(both, [0, 1]);
    let second = [&first[..], &[Clone(0), Write(3), join(3, 0)]].concat();
    assert_eq!(settled(World::run(3, &second)), [2]);
}
