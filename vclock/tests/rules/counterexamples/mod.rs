//! Short histories that show, for each weaker rule, a broken law or another unwanted effect, which
//! the adopted rules prevent. The weaker rules of sessions are in `session_tests`.

mod accepted;
mod echoes;
mod joins;
mod parts;
mod submissions;
mod suppression;
mod versions;

use crate::action::Action;
use crate::rules::{Rules, Weaker};
use crate::verdict::{Verdict, Violation};
use crate::world::World;

fn judge(rules: Rules, nodes: usize, history: &[Action]) -> Verdict {
    World::run(nodes, rules, history).judge()
}

/// Checks that the weaker rule breaks the law and the adopted rules keep all laws. The check
/// ignores [`Violation::TakenBackLive`] under the adopted rules: after a process resumes from a
/// copy of its memory, or is cloned, a superseded own write may be live again until the node's next
/// write.
fn forbids(weaker: Weaker, violation: Violation, history: &[Action]) {
    forbids_among(3, weaker, violation, history);
}

fn forbids_among(nodes: usize, weaker: Weaker, violation: Violation, history: &[Action]) {
    let found = judge(Rules::but(weaker), nodes, history).violations;
    assert!(
        found.contains(&violation),
        "{weaker:?} should break {violation:?}, but breaks {found:?}"
    );
    let mut adopted = judge(Rules::ADOPTED, nodes, history).violations;
    adopted.remove(&Violation::TakenBackLive);
    assert!(adopted.is_empty(), "the adopted rules break {adopted:?}");
}
