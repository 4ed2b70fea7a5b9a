//! The steps of a history, and the fault classes from which random and exhaustive runs draw them.

use crate::machine::Time;
use crate::record::{FIRST_NEW_KEY, STRANGER, SUBMITTED, SUPPRESSION, Subset, Version, WHOLE};
use crate::verdict::Violation;

/// The error of a clock that is far behind.
pub(crate) const BEHIND: Time = -500;
/// The error of a clock that is ahead beyond the bound of V1.
pub(crate) const AHEAD: Time = 500;
/// The error of a clock that is ahead within the bound of V1.
pub(crate) const NEAR: Time = 200;

/// One step of a history. `m`, `i`, `j` are machines, `id` a pattern id, `c` a content; the times
/// are clock errors.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Action {
    /// `(m, id, c)`
    Submit(usize, usize, u8),
    /// `(m, id)`
    Withdraw(usize, usize),
    /// An operator at `m` removes a node's writes: `(m, id, node)`.
    WithdrawOf(usize, usize, usize),
    /// `(m, id)`
    Forget(usize, usize),
    /// `(m, id, c)`
    Resolve(usize, usize, u8),

    /// The engine of `m` receives the visible patterns.
    Take(usize),
    /// Another reader of `m` receives the visible patterns.
    Read(usize),
    /// The engine returns the whole snapshot that it received.
    Return(usize),
    /// The engine returns one of the received patterns in a separate snapshot: `(m, id)`.
    ReturnOne(usize, usize),

    /// A process starts with the intact store.
    Restart(usize, Time),
    /// A process starts with an empty store.
    LoseDisk(usize, Time),
    /// A process starts, finds one record damaged and drops its row: `(m, id, error)`.
    Damage(usize, usize, Time),
    /// Machine 0 is copied, including its memory.
    Save,
    /// Machine 0 starts from the copy of its store.
    Restore(Time),
    /// Machine 0 continues from its copy, with the copied store and memory.
    ResumeMemory,
    /// A second machine continues from a copy of machine 0's store and memory.
    Fork,
    /// A second machine starts with a copy of machine 0's store.
    Clone(Time),
    /// A third machine starts with a copy of machine 0's store.
    CloneAgain(Time),
    /// The last clone is removed.
    StopClone,
    /// `m` starts with an empty store under a new key, which replaces its old one (V11).
    NewKey(usize, Time),
    /// `m` starts under a new key, but keeps its store.
    RenewKey(usize, Time),

    SetClock(usize, Time),
    /// An operator at `m` drops the parts that are implausible by the clock of `m`.
    DropImplausible(usize),
    /// `m` receives a hello with a nonexistent version of its own node.
    Lie(usize, Version),
    /// A member sends `m` a part for an unlisted node: `(m, id)`.
    Forge(usize, usize),
    /// `m` reaches its caps.
    Fill(usize),
    /// V9: `settle_seconds` have passed.
    TimeOut(usize),
    /// All nodes remove the deletion of `id`, which each of them holds (weaker form of V8).
    Reap(usize),

    /// A record is sent, and may arrive late, in parts, repeatedly, or never: `(m, id)`.
    Send(usize, usize),
    Deliver(usize),
    DeliverSome(usize, Subset),
    /// One record sent from `i` to `j` in a session that is then interrupted: `(i, j, id)`.
    OneWay(usize, usize, usize),
    /// Some parts of one record, sent from `i` to `j` in a session that is then interrupted: `(i, j, id, parts)`.
    OneWaySome(usize, usize, usize, Subset),
    Session(usize, usize),
}

use Action::*;

/// Every *submit*, *withdraw*, *forget* and *resolve* of the machines.
pub(crate) fn writes(machines: usize, ids: usize, contents: u8) -> Vec<Action> {
    let mut actions = Vec::new();
    for m in 0..machines {
        for id in 0..ids {
            actions.extend((0..contents).map(|c| Submit(m, id, c)));
            actions.extend([Forget(m, id), Withdraw(m, id)]);
            actions.extend((0..contents).map(|c| Resolve(m, id, c)));
        }
    }
    actions
}

/// The ways in which whole records are sent.
pub(crate) fn travel(machines: usize, ids: usize) -> Vec<Action> {
    let mut actions = Vec::new();
    for i in 0..machines {
        for j in 0..machines {
            if i < j {
                actions.push(Session(i, j));
            }
            if i != j {
                actions.extend((0..ids).map(|id| OneWay(i, j, id)));
            }
        }
        actions.extend((0..ids).map(|id| Send(i, id)));
        actions.push(Deliver(i));
    }
    actions
}

/// The ways in which parts of records are sent: one node's part alone, all parts but one node's,
/// the suppression alone, or all parts but the suppression.
fn travel_in_parts(machines: usize, ids: usize) -> Vec<Action> {
    let nodes = (0..machines).chain(FIRST_NEW_KEY..STRANGER);
    let single = nodes.flat_map(|node| [1 << node, WHOLE & !(1 << node)]);
    let subsets: Vec<Subset> = single.chain([SUPPRESSION, !SUPPRESSION]).collect();
    let mut actions = Vec::new();
    for subset in subsets {
        for i in 0..machines {
            actions.push(DeliverSome(i, subset));
            for j in (0..machines).filter(|j| *j != i) {
                actions.extend((0..ids).map(|id| OneWaySome(i, j, id, subset)));
            }
        }
    }
    actions
}

/// Actions that involve a running clone.
fn clone_at_work(clone: usize) -> Vec<Action> {
    let mut actions: Vec<_> = (0..SUBMITTED).map(|c| Submit(clone, 0, c)).collect();
    actions.extend([StopClone, Session(clone, 1), Session(clone, 2)]);
    actions
}

/// A fault class, and the violations that are accepted in it: D1 to D4, and a superseded or
/// withdrawn own write that is live again.
pub(crate) struct Class {
    pub(crate) name: &'static str,
    pub(crate) accepted: &'static [Violation],
}

const fn class(name: &'static str, accepted: &'static [Violation]) -> Class {
    Class { name, accepted }
}

/// D1: a submission is "unchanged" because of a stale own write, and a restart or a second loss
/// follows before the sync.
const D1: &[Violation] = &[Violation::Lost, Violation::TakenBackLive];
/// D2 and D3: state is lost while the clock is behind the clock of an earlier process, and a restart, a restored backup
/// or another loss follows before the node syncs with a peer that knows its older versions. D4: the later of two
/// clones' writes covers the other.
const D2_TO_D4: &[Violation] =
    &[Violation::Lost, Violation::DroppedThenDestroyed, Violation::TakenBackLive];
/// A node that lost a row or its disk, or continues from an older memory, does not remember a
/// withdrawal: only a *forget* survives these faults.
const LIVE_AGAIN: &[Violation] = &[Violation::TakenBackLive];

/// The fault classes, in the order of the tables.
pub(crate) const CLASSES: [Class; 28] = [
    class("none", &[]),
    class("parts", &[]),
    class("restarts", &[]),
    class("clocks", &[]),
    class("clocks-near", &[]),
    class("lost", LIVE_AGAIN),
    class("damaged", LIVE_AGAIN),
    class("echo", &[]),
    class("caps", &[]),
    class("lies", &[]),
    class("drops", &[]),
    class("forgets", &[]),
    class("keys", &[]),
    class("keys-parts", D2_TO_D4),
    class("keys-lost", D1),
    class("backup", D1),
    class("memory", LIVE_AGAIN),
    class("memory-behind", D2_TO_D4),
    class("first-contact", D2_TO_D4),
    class("lost-behind", D2_TO_D4),
    class("lost-ahead", D2_TO_D4),
    class("damaged-behind", D2_TO_D4),
    class("backup-behind", D2_TO_D4),
    class("clocks-lost", D2_TO_D4),
    class("clone", D2_TO_D4),
    class("clones", D2_TO_D4),
    class("fork", D2_TO_D4),
    class("keys-clone", D2_TO_D4),
];

/// The actions of a fault class, in addition to writes and the sending of records.
pub(crate) fn faults(class: &str, machines: usize) -> Vec<Action> {
    let clone = machines;
    match class {
        "none" => vec![],
        "parts" => travel_in_parts(machines, 2),
        "restarts" => (0..machines).map(|m| Restart(m, 0)).collect(),
        "clocks" => [
            vec![Restart(0, 0), Restart(0, BEHIND), SetClock(0, BEHIND)],
            vec![SetClock(0, 0), SetClock(0, NEAR), SetClock(0, AHEAD)],
            vec![SetClock(1, AHEAD), SetClock(1, 0)],
        ]
        .concat(),
        "clocks-near" => [
            vec![SetClock(0, NEAR), SetClock(0, BEHIND), SetClock(0, 0)],
            vec![SetClock(1, NEAR), SetClock(1, 0), Restart(0, 0)],
        ]
        .concat(),
        "clocks-lost" => [
            vec![LoseDisk(0, AHEAD), LoseDisk(0, 0), SetClock(0, AHEAD), SetClock(0, 0)],
            vec![SetClock(1, AHEAD), SetClock(1, 0), Restart(0, 0)],
        ]
        .concat(),
        "lost" => vec![LoseDisk(0, 0), LoseDisk(1, 0), Restart(0, 0)],
        "lost-behind" => {
            vec![LoseDisk(0, BEHIND), LoseDisk(0, 0), SetClock(0, 0), Restart(0, 0)]
        }
        "lost-ahead" => {
            vec![LoseDisk(0, NEAR), LoseDisk(0, 0), SetClock(0, 0), Save, Restore(0)]
        }
        "first-contact" => {
            vec![LoseDisk(0, BEHIND), Restart(0, BEHIND), SetClock(0, 0), LoseDisk(1, 0)]
        }
        "damaged" => vec![Damage(0, 0, 0), Damage(0, 1, 0), Damage(1, 0, 0), Restart(0, 0)],
        "damaged-behind" => [
            vec![Damage(0, 0, 0), Damage(0, 0, BEHIND), Damage(1, 0, BEHIND)],
            vec![SetClock(0, 0), SetClock(1, 0)],
        ]
        .concat(),
        "backup" => vec![Save, Restore(0), Restart(0, 0)],
        "backup-behind" => vec![Save, Restore(0), Restore(BEHIND), SetClock(0, 0)],
        "memory" => vec![Save, ResumeMemory],
        "memory-behind" => vec![Save, ResumeMemory, SetClock(0, BEHIND), SetClock(0, 0)],
        "clone" => [vec![Clone(0)], clone_at_work(clone)].concat(),
        "fork" => [vec![Fork], clone_at_work(clone)].concat(),
        "clones" => [
            vec![Clone(0), CloneAgain(0), Session(clone, clone + 1)],
            clone_at_work(clone),
            clone_at_work(clone + 1),
        ]
        .concat(),
        "keys" => [
            vec![NewKey(0, 0), NewKey(1, 0), RenewKey(0, 0), RenewKey(1, 0), Restart(0, 0)],
            (0..machines).flat_map(|m| (0..2).map(move |node| WithdrawOf(m, 0, node))).collect(),
        ]
        .concat(),
        "keys-clone" => [vec![RenewKey(0, 0), NewKey(0, 0)], faults("clone", machines)].concat(),
        "keys-lost" => vec![
            NewKey(0, 0),
            RenewKey(0, 0),
            LoseDisk(0, 0),
            Save,
            Restore(0),
            WithdrawOf(1, 0, 0),
            Restart(0, 0),
        ],
        "keys-parts" => [
            vec![NewKey(0, 0), RenewKey(0, 0), NewKey(0, BEHIND), WithdrawOf(1, 0, 0)],
            travel_in_parts(machines, 1),
        ]
        .concat(),
        "caps" => {
            let each = |m| [Fill(m), Forge(m, 0), Forge(m, 1), LoseDisk(0, 0), NewKey(1, 0)];
            (0..machines).flat_map(each).collect()
        }
        "echo" => {
            let each = |m| [Take(m), Return(m), ReturnOne(m, 0), ReturnOne(m, 1), Read(m)];
            (0..machines).flat_map(each).chain([Restart(0, 0)]).collect()
        }
        "drops" => {
            let each = |m| [SetClock(m, AHEAD), SetClock(m, 0), DropImplausible(m)];
            (0..2).flat_map(each).chain([DropImplausible(2)]).collect()
        }
        "lies" => vec![Lie(0, 1 << 30), Lie(1, 1 << 30)],
        "forgets" => {
            let submits = (0..machines).flat_map(|m| (0..SUBMITTED).map(move |c| Submit(m, 0, c)));
            let others = (0..machines).flat_map(|m| [Forget(m, 0), Forget(m, 0), Resolve(m, 0, 0)]);
            submits.chain(others).chain([LoseDisk(0, 0)]).collect()
        }
        _ => panic!("unknown fault class {class}"),
    }
}
