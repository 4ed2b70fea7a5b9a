//! The mutants of sessions, detected by pairs of stores.

use super::table::{Edit, Mutant, Suite};

const SESSION: Suite = Suite { package: "engram-gossip-proto", features: "sim", test: "it" };

const GREETING: &str = "gossip-proto/src/session/greeting.rs";
const RECONCILE: &str = "gossip-proto/src/session/reconcile.rs";
const TRANSFER: &str = "gossip-proto/src/session/transfer.rs";

const FULL: &str = "refusals::a_full_side_sends_and_gets_nothing";
const REFUSED: &str = "refusals::a_refused_record_comes_once_a_session";

/// Mutants that each remove a rule about records that a side does not take.
pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "session: a full side is sent records by clocks",
        edits: &[Edit { file: GREETING, from: "self.deltas.keep_back();", to: "" }],
        suite: &SESSION,
        killers: &[FULL],
    },
    Mutant {
        name: "session: a full side is sent records by descent",
        edits: &[Edit { file: GREETING, from: "self.transfer.keep_back();", to: "" }],
        suite: &SESSION,
        killers: &[FULL],
    },
    Mutant {
        name: "session: a full side requests records",
        edits: &[Edit { file: RECONCILE, from: "if !view.accepts_records() {", to: "if false {" }],
        suite: &SESSION,
        killers: &[FULL],
    },
    Mutant {
        name: "session: a refused record is requested again",
        edits: &[Edit {
            file: TRANSFER,
            from: "if self.refused.contains(space_index, key) {",
            to: "if false {",
        }],
        suite: &SESSION,
        killers: &[REFUSED],
    },
    Mutant {
        name: "session: a refused record is pushed again",
        edits: &[Edit {
            file: TRANSFER,
            from: "self.sent.insert(queued.space_index, &queued.key);",
            to: "",
        }],
        suite: &SESSION,
        killers: &[REFUSED],
    },
];
