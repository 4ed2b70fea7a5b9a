//! The mutants of the scheduler and of its claiming view.

use super::table::{Edit, Mutant, Suite};

const SCHEDULE: Suite = Suite { package: "engram-gossip-proto", features: "sim", test: "it" };

const ADVERTS: &str = "gossip-proto/src/schedule/adverts.rs";
const CLAIMING: &str = "gossip-proto/src/schedule/claiming_view.rs";
const DIALS: &str = "gossip-proto/src/schedule/dials.rs";
const ENDING: &str = "gossip-proto/src/schedule/ending.rs";
const IN_FLIGHT: &str = "gossip-proto/src/schedule/in_flight.rs";
const PERMITS: &str = "gossip-proto/src/schedule/permits.rs";
const SESSIONS: &str = "gossip-proto/src/schedule/sessions.rs";
const TRIGGER: &str = "gossip-proto/src/schedule/trigger.rs";

/// Mutants that each break a rule of the scheduler.
pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "schedule: no advert",
        edits: &[Edit {
            file: ADVERTS,
            from: "self.has_second_wave = !self.has_second_wave;",
            to: "if now > Duration::ZERO { return; }
        self.has_second_wave = !self.has_second_wave;",
        }],
        suite: &SCHEDULE,
        killers: &["schedule::news_crosses_a_lan_in_a_second"],
    },
    Mutant {
        name: "schedule: no rotation",
        edits: &[Edit {
            file: SESSIONS,
            from: "self.timer_turns.next(1, &eligible, &mut self.random).pop()",
            to: "eligible.first().copied()",
        }],
        suite: &SCHEDULE,
        killers: &["schedule::every_pair_meets_by_the_timer"],
    },
    Mutant {
        name: "schedule: no claims",
        edits: &[
            Edit {
                file: SESSIONS,
                from: "self.claims.claim(session, space, *key, now)",
                to: "self.claims.claim(session, space, *key, now) || true",
            },
            Edit {
                file: SESSIONS,
                from: "self.claims.claim_range(session, space, range, now)",
                to: "self.claims.claim_range(session, space, range, now) || true",
            },
        ],
        suite: &SCHEDULE,
        killers: &["schedule::no_record_arrives_twice"],
    },
    Mutant {
        name: "schedule: no offers",
        edits: &[Edit {
            file: SESSIONS,
            from: "true => self.claims.intake(),",
            to: "true => Intake::AtOnce,",
        }],
        suite: &SCHEDULE,
        killers: &["schedule::writers_on_a_bad_network_repeat_little"],
    },
    Mutant {
        name: "schedule: refused records are requested again",
        edits: &[Edit {
            file: SESSIONS,
            from: "self.refusals.contains(peer, space, *key, now)",
            to: "self.refusals.contains(peer, space, *key, now) && false",
        }],
        suite: &SCHEDULE,
        killers: &[
            "schedule::refused_records_are_not_resent",
            "schedule::refused_records_wait_for_their_time",
        ],
    },
    Mutant {
        name: "schedule: refused records are sent without a request",
        edits: &[Edit {
            file: SESSIONS,
            from: "self.refusals.has_any(peer, now) =>",
            to: "self.refusals.has_any(peer, now) && false =>",
        }],
        suite: &SCHEDULE,
        killers: &["schedule::refused_records_wait_for_their_time"],
    },
    Mutant {
        name: "schedule: no back-off",
        edits: &[Edit {
            file: ENDING,
            from: "found.trigger.end(worth, call, now);",
            to: "found.trigger.end(Worth::Progress, call, now);",
        }],
        suite: &SCHEDULE,
        killers: &["schedule::refused_record_is_retried_ever_less"],
    },
    Mutant {
        name: "schedule: news waits for the back-off",
        edits: &[Edit {
            file: TRIGGER,
            from: "if call == Call::Advert { self.idle_streak }",
            to: "if call != Call::Rest { self.idle_streak }",
        }],
        suite: &SCHEDULE,
        killers: &["schedule::a_refused_record_delays_no_news"],
    },
    Mutant {
        name: "schedule: permit leak",
        edits: &[Edit {
            file: ENDING,
            from: "            self.release_opened(session, peer, now);",
            to: "            if !matches!(end, SessionEnd::Failed) {
                self.release_opened(session, peer, now);
            }",
        }],
        suite: &SCHEDULE,
        killers: &["schedule::permits_come_back"],
    },
    Mutant {
        name: "schedule: stale in-flight root",
        edits: &[
            Edit { file: PERMITS, from: "self.in_flight.end(peer);", to: "" },
            Edit {
                file: IN_FLIGHT,
                from: "(now + COVER_TIMEOUT, roots)",
                to: "(now + COVER_TIMEOUT * 1_000, roots)",
            },
        ],
        suite: &SCHEDULE,
        killers: &["schedule::a_failed_fetch_is_repeated_elsewhere"],
    },
    Mutant {
        name: "schedule: skipped follow-up",
        edits: &[Edit {
            file: ENDING,
            from: "outcome.result == Ending::BudgetSpent || outcome.postponed",
            to: "outcome.result == Ending::BudgetSpent && false",
        }],
        suite: &SCHEDULE,
        killers: &["schedule::records_over_the_budget_follow_at_once"],
    },
    Mutant {
        name: "schedule: every refusal is remembered",
        edits: &[Edit {
            file: CLAIMING,
            from: "filter(|(_, why)| why.is_final())",
            to: "filter(|_| true)",
        }],
        suite: &SCHEDULE,
        killers: &["refusals::only_final_refusals_are_remembered"],
    },
    Mutant {
        name: "schedule: unfair dials",
        edits: &[
            Edit {
                file: DIALS,
                from: "found.is_lost(now) {
            DialClass::Lost",
                to: "found.is_lost(now) && false {
            DialClass::Lost",
            },
            Edit {
                file: DIALS,
                from: "found.backoff.failures() > 0 {
            DialClass::Unreachable",
                to: "found.backoff.failures() > 0 && false {
            DialClass::Unreachable",
            },
            Edit { file: DIALS, from: "self.dials.permit_time();", to: "timeout;" },
        ],
        suite: &SCHEDULE,
        killers: &[
            "schedule::silent_members_delay_no_start_and_no_return",
            "schedule::one_living_member_of_401_is_found",
        ],
    },
];
