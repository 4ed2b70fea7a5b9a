//! The mutants of sessions.

use super::table::{Edit, Mutant, Suite};

const SESSION: Suite = Suite { package: "engram-gossip-proto", features: "sim", test: "it" };

const CLOCKS: &str = "gossip-proto/src/message/clocks.rs";
const DELTA: &str = "gossip-proto/src/session/delta.rs";
const GREETING: &str = "gossip-proto/src/session/greeting.rs";
const INDEX: &str = "gossip-proto/src/clocks/index.rs";
const PIECES: &str = "gossip-proto/src/session/pieces.rs";
const RECEIVE: &str = "gossip-proto/src/session/receive.rs";
const RECONCILE: &str = "gossip-proto/src/session/reconcile.rs";
const SPACE: &str = "gossip-proto/src/session/delta/space.rs";
const STREAM: &str = "gossip-proto/src/session/stream.rs";
const TRANSFER: &str = "gossip-proto/src/session/transfer.rs";
const UNOFFERED: &str = "gossip-proto/src/session/delta/unoffered.rs";

const FULL: &str = "refusals::a_full_side_sends_and_gets_nothing";
const REFUSED: &str = "refusals::a_refused_record_comes_once_a_session";

/// Mutants that each break a rule of the session.
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
            from: "if self.refused.contains(wanted.space_index, wanted.key) {",
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
        name: "session: records are pushed to a side that asks for listings",
        edits: &[Edit { file: TRANSFER, from: "self.unasked = u64::MAX;", to: "" }],
        suite: &SESSION,
        killers: &["refusals::a_record_refused_lately_is_not_sent"],
    },
    Mutant {
        name: "session: a refusal keeps an own record back",
        edits: &[Edit { file: RECONCILE, from: "self.offer(at, ours);", to: "" }],
        suite: &SESSION,
        killers: &["refusals::a_refusal_keeps_no_own_record_back"],
    },
    Mutant {
        name: "session: summaries beyond the cap are sent",
        edits: &[Edit {
            file: DELTA,
            from: " || self.entries[0] + ours.len() > MAX_SUMMARIES",
            to: "",
        }],
        suite: &SESSION,
        killers: &["clock_limits::beyond_max_summaries_trees_are_compared"],
    },
    Mutant {
        name: "session: an answer to ranges is not checked",
        edits: &[Edit { file: SPACE, from: "answer.check(&offer)?;", to: "" }],
        suite: &SESSION,
        killers: &["misbehaviour::clocks::an_answer_has_one_bit_for_each_range"],
    },
    Mutant {
        name: "session: a range that is not taken counts as sent",
        edits: &[Edit {
            file: SPACE,
            from: "self.left_out |= untaken.left > 0 || untaken.came > 0;",
            to: "",
        }],
        suite: &SESSION,
        killers: &["clock_limits::a_range_that_is_not_taken_is_left_out"],
    },
    Mutant {
        name: "session: many records above a summary are sent",
        edits: &[Edit { file: STREAM, from: "if count > MAX_NEWS {", to: "if false {" }],
        suite: &SESSION,
        killers: &["clock_limits::up_to_max_news_are_sent_above_a_summary"],
    },
    Mutant {
        name: "session: a summary claims versions that are not held",
        edits: &[Edit {
            file: INDEX,
            from: "version.min(node.limit()).max(node.handled)",
            to: "version.max(node.handled)",
        }],
        suite: &SESSION,
        killers: &["index::no_summary_exceeds_what_is_held"],
    },
    Mutant {
        name: "session: a summary repeats a node of its base",
        edits: &[Edit {
            file: CLOCKS,
            from: "if self.others.iter().any(|(node, _)| known.get(node) > 0) {",
            to: "if false {",
        }],
        suite: &SESSION,
        killers: &["misbehaviour::clocks::a_summary_repeats_no_node_of_its_base"],
    },
    Mutant {
        name: "session: a summary is raised above a declared version",
        edits: &[Edit {
            file: RECONCILE,
            from: "clocks.raise(*node, *upper)",
            to: "clocks.raise(*node, u64::MAX.max(*upper))",
        }],
        suite: &SESSION,
        killers: &["misbehaviour::clocks::a_record_above_the_declared_version_is_taken"],
    },
    Mutant {
        name: "session: the bytes ahead are not limited",
        edits: &[Edit {
            file: RECEIVE,
            from: "if self.carried.bytes > MAX_AHEAD {",
            to: "if false {",
        }],
        suite: &SESSION,
        killers: &["opaque::a_receiver_limits_the_bytes_ahead"],
    },
    Mutant {
        name: "session: the contents ahead are not limited",
        edits: &[Edit {
            file: RECEIVE,
            from: "if self.carried.contents.len() + contents.len() > MAX_NODE_DOTS {",
            to: "if false {",
        }],
        suite: &SESSION,
        killers: &["misbehaviour::contents::contents_ahead_of_their_part_are_limited"],
    },
    Mutant {
        name: "session: unrequested records are stored",
        edits: &[Edit {
            file: RECEIVE,
            from: "is_requested(arrived) || told(arrived)",
            to: "is_requested(arrived) || told(arrived) || true",
        }],
        suite: &SESSION,
        killers: &["misbehaviour::unrequested_records_are_counted_and_dropped"],
    },
    Mutant {
        name: "session: a lack of budget counts as unsendable",
        edits: &[Edit {
            file: PIECES,
            from: "false => Err(Omitted::KeptBack),",
            to: "false => Err(Omitted::Unsendable(DecodeError::Invalid(\"a content\"))),",
        }],
        suite: &SESSION,
        killers: &["opaque::content_over_the_receive_budget_waits"],
    },
    Mutant {
        name: "session: a range that was already handled is taken",
        edits: &[Edit { file: SPACE, from: "if handled.get(node) >= *upper {", to: "if false {" }],
        suite: &SESSION,
        killers: &["schedule::no_record_arrives_twice"],
    },
    Mutant {
        name: "session: a whole summary is requested again",
        edits: &[Edit { file: SPACE, from: "self.asked = true;", to: "" }],
        suite: &SESSION,
        killers: &["misbehaviour::clocks::a_whole_summary_is_requested_once"],
    },
    Mutant {
        name: "session: an older record is named at length",
        edits: &[Edit {
            file: RECONCILE,
            from: "order: Order::PeerIsNewer",
            to: "order: Order::Unknown",
        }],
        suite: &SESSION,
        killers: &["convergence::the_older_side_requests_briefly"],
    },
    Mutant {
        name: "session: unoffered records are not announced",
        edits: &[Edit { file: UNOFFERED, from: "view.expect_unoffered(&Unoffered::Any);", to: "" }],
        suite: &SESSION,
        killers: &["offers::a_session_announces_unoffered_records"],
    },
];
