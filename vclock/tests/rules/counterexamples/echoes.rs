//! Counterexamples to weaker echo rules.

use super::forbids;
use crate::action::Action::*;
use crate::rules::{Rules, Weaker};
use crate::verdict::Violation;
use crate::world::World;

#[test]
fn a_returned_blend_is_not_written() {
    let written = [Submit(1, 0, 1), Submit(2, 0, 2), OneWay(1, 2, 0), Take(2), ReturnOne(2, 0)];
    forbids(Weaker::EchoWritten, Violation::EchoWritten, &written);
    let endless = [Resolve(0, 1, 2), Submit(1, 1, 0), Take(0)];
    forbids(Weaker::EchoWritten, Violation::EchoEndless, &endless);
}

#[test]
fn a_blend_shown_earlier_is_an_echo() {
    let covered = [
        Submit(0, 0, 2),
        Submit(2, 0, 0),
        Session(0, 2),
        Take(0),
        Submit(0, 0, 1),
        ReturnOne(0, 0),
    ];
    forbids(Weaker::EchoOfCurrentOnly, Violation::EchoWritten, &covered);
    let endless = [Submit(2, 0, 0), Take(2), Submit(0, 0, 2), Submit(2, 0, 1)];
    forbids(Weaker::EchoOfCurrentOnly, Violation::EchoEndless, &endless);
}

#[test]
fn a_forgotten_blend_stays_forgotten() {
    let history = [
        Submit(0, 1, 0),
        OneWay(0, 2, 1),
        Submit(1, 1, 1),
        Session(1, 2),
        Take(2),
        Forget(1, 1),
        Session(1, 2),
        ReturnOne(2, 1),
    ];
    forbids(Weaker::EchoOfCurrentOnly, Violation::ForgottenVisible, &history);
}

#[test]
fn live_content_of_a_peer_is_no_echo() {
    // The engine of node 1 submits the content of node 0, which then withdraws its write.
    let history = [Submit(0, 0, 0), Session(0, 1), Submit(1, 0, 0), Withdraw(0, 0)];
    let shown = |rules| {
        let mut world = World::run(3, rules, &history);
        world.apply(&Session(0, 1));
        world.machines[1].store.records[0].shown()
    };
    assert_eq!(shown(Rules::but(Weaker::EchoOfLive)), None);
    assert_eq!(shown(Rules::ADOPTED), Some(0));
}
