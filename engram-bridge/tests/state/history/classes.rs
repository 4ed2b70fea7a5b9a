//! Classes of histories, by their possible faults.

use super::step::Clock::{Ahead, Behind, Near, Right};
use super::step::Step;

/// The number of values of each pattern that a random history uses.
pub(super) const SPOKEN: u8 = 3;

/// A class of histories, with the faults that may occur in them.
pub(crate) struct Class {
    pub(crate) name: &'static str,
    /// Returns the faults that may occur in a cluster of this number of nodes.
    pub(crate) faults: fn(usize) -> Vec<Step>,
}

impl Class {
    const fn new(name: &'static str, faults: fn(usize) -> Vec<Step>) -> Self {
        Self { name, faults }
    }
}

/// All classes.
pub(crate) const CLASSES: [Class; 22] = [
    Class::new("no fault", |_| Vec::new()),
    Class::new("restart", |nodes| (0..nodes).map(|node| Step::Restart(node, Right)).collect()),
    Class::new("clock steps", |_| {
        vec![
            Step::Restart(0, Right),
            Step::Restart(0, Behind),
            Step::Set(0, Behind),
            Step::Set(0, Right),
            Step::Set(0, Near),
            Step::Set(1, Near),
            Step::Set(1, Right),
        ]
    }),
    Class::new("lost disk", |_| {
        first_contact(&[
            Step::LoseDisk(0, Right),
            Step::LoseDisk(1, Right),
            Step::Restart(0, Right),
        ])
    }),
    Class::new("lost disk, clock behind", |_| first_contact(&lost_behind())),
    Class::new("lost disk, clock ahead", |_| first_contact(&lost_ahead())),
    Class::new("older copy", |_| vec![Step::Save, Step::Restore(Right), Step::Restart(0, Right)]),
    Class::new("older copy, clock behind", |_| older_behind()),
    Class::new("damaged row", |_| damaged()),
    Class::new("damaged row, clock behind", |_| {
        let behind = [
            Step::Damage(0, 0, Behind),
            Step::Damage(1, 0, Behind),
            Step::Set(0, Right),
            Step::Set(1, Right),
        ];
        [damaged(), behind.to_vec()].concat()
    }),
    Class::new("resumed machine", |_| vec![Step::Save, Step::ResumeMachine]),
    Class::new("resumed machine, clock behind", |_| resumed_behind()),
    Class::new("cloned disk", |nodes| clones(nodes, &[Step::CloneDisk(Right)])),
    Class::new("cloned machine", |nodes| clones(nodes, &[Step::CloneMachine])),
    Class::new("several clones", |nodes| {
        clones(nodes, &[Step::CloneDisk(Right), Step::CloneMachine, Step::CloneDisk(Behind)])
    }),
    Class::new("forgotten often", |nodes| {
        let forget = |node| {
            let submits = (0..SPOKEN).map(move |value| Step::Submit(node, 0, value));
            submits.chain([Step::Forget(node, 0), Step::Forget(node, 0), Step::Resolve(node, 0, 0)])
        };
        let lost = [Step::LoseDisk(0, Right), Step::TimeOut(0)];
        (0..nodes).flat_map(forget).chain(lost).collect()
    }),
    Class::new("first contact", |_| {
        first_contact(&[Step::LoseDisk(0, Behind), Step::Restart(0, Behind), Step::Set(0, Right)])
    }),
    Class::new("implausible versions", |_| {
        vec![
            Step::Set(0, Near),
            Step::Set(0, Ahead),
            Step::Set(0, Behind),
            Step::Set(0, Right),
            Step::Set(1, Ahead),
            Step::Set(1, Right),
            Step::Restart(0, Right),
        ]
    }),
    Class::new("lying greetings", |_| {
        let lies = [Step::Lie(0), Step::Lie(1), Step::LoseDisk(0, Behind), Step::Set(0, Right)];
        first_contact(&lies)
    }),
    Class::new("full disk", |nodes| {
        let full = |node| [Step::Fill(node), Step::Free(node), Step::Restart(node, Right)];
        (0..nodes).flat_map(full).collect()
    }),
    Class::new("evictions", |nodes| {
        let evicted = |node| {
            let withdrawn = Step::WithdrawNode((node + 1) % nodes, node);
            [Step::Evict(node), Step::Return(node), withdrawn, Step::Restart(node, Right)]
        };
        (0..nodes).flat_map(evicted).collect()
    }),
    Class::new("everything", |nodes| {
        let all = [
            lost_behind(),
            lost_ahead(),
            older_behind(),
            damaged(),
            resumed_behind(),
            vec![Step::Lie(0), Step::Fill(1), Step::Free(1), Step::Evict(2), Step::Return(2)],
            vec![Step::WithdrawNode(1, 2)],
        ];
        let clones = clones(nodes, &[Step::CloneDisk(Right), Step::CloneMachine]);
        first_contact(&[all.concat(), clones].concat())
    }),
];

fn lost_behind() -> Vec<Step> {
    vec![
        Step::LoseDisk(0, Behind),
        Step::LoseDisk(0, Right),
        Step::Set(0, Right),
        Step::Restart(0, Right),
    ]
}

fn lost_ahead() -> Vec<Step> {
    vec![
        Step::LoseDisk(0, Near),
        Step::LoseDisk(0, Ahead),
        Step::LoseDisk(0, Right),
        Step::Set(0, Right),
        Step::Save,
        Step::Restore(Right),
    ]
}

fn older_behind() -> Vec<Step> {
    vec![Step::Save, Step::Restore(Right), Step::Restore(Behind), Step::Set(0, Right)]
}

fn damaged() -> Vec<Step> {
    vec![
        Step::Damage(0, 0, Right),
        Step::Damage(0, 1, Right),
        Step::Damage(1, 0, Right),
        Step::Restart(0, Right),
    ]
}

fn resumed_behind() -> Vec<Step> {
    vec![Step::Save, Step::ResumeMachine, Step::Set(0, Behind), Step::Set(0, Right)]
}

/// Clones of node 0, their writes and their sessions.
fn clones(nodes: usize, ways: &[Step]) -> Vec<Step> {
    let mut steps = [ways, &[Step::StopClone]].concat();
    for clone in nodes..nodes + 2 {
        steps.extend((0..SPOKEN).map(|value| Step::Submit(clone, 0, value)));
        steps.extend((1..nodes).map(|node| Step::Session(clone, node)));
        steps.push(Step::TimeOut(clone));
    }
    steps
}

/// The faults, and steps that end the resulting waits for a first contact.
fn first_contact(faults: &[Step]) -> Vec<Step> {
    let ends = [Step::TimeOut(0), Step::TimeOut(0), Step::TimeOut(0), Step::TimeOut(1)];
    [faults, &ends].concat()
}
