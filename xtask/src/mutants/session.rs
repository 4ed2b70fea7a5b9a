//! The mutants of sessions, detected by pairs of stores.

use super::table::{Edit, Mutant, Suite};

const SESSION: Suite = Suite { package: "engram-gossip-proto", features: "sim", test: "it" };

const GREETING: &str = "gossip-proto/src/session/greeting.rs";
const RECONCILE: &str = "gossip-proto/src/session/reconcile.rs";
const DELTA: &str = "gossip-proto/src/session/delta.rs";
const STREAM: &str = "gossip-proto/src/session/stream.rs";
const TRANSFER: &str = "gossip-proto/src/session/transfer.rs";

const FULL: &str = "refusals::a_full_side_sends_and_gets_nothing";
const REFUSED: &str = "refusals::a_refused_record_comes_once_a_session";

/// Mutants that each remove a rule about records, or parts of them, that a side does not take.
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
    Mutant {
        name: "session: a part whose versions were removed is not sent",
        edits: &[Edit {
            file: STREAM,
            from: "!part.dots.is_empty() && part.entry",
            to: "part.entry",
        }],
        suite: &SESSION,
        killers: &["clocks::deletions_travel_by_clocks"],
    },
    Mutant {
        name: "session: a part that the peer handled is sent",
        edits: &[Edit {
            file: STREAM,
            from: "!part.dots.is_empty() && part.entry",
            to: "part.entry < 1 && part.entry",
        }],
        suite: &SESSION,
        killers: &["clocks::parts_that_the_peer_handled_are_not_sent"],
    },
    Mutant {
        name: "session: a range that another session has brought is taken",
        edits: &[Edit { file: DELTA, from: "accepts && lacks && space", to: "accepts && space" }],
        suite: &SESSION,
        killers: &["schedule::no_record_arrives_twice"],
    },
];
