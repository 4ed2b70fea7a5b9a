//! The type of a mutant, and the mutants of the replicated state, each with the tests that must detect it.

/// A deliberate mistake.
#[derive(Debug)]
pub(super) struct Mutant {
    pub(super) name: &'static str,
    pub(super) edits: &'static [Edit],
    pub(super) suite: &'static Suite,
    /// The tests, all of which must fail.
    pub(super) killers: &'static [&'static str],
}

/// The replacement of a text that occurs once in its file.
#[derive(Debug)]
pub(super) struct Edit {
    pub(super) file: &'static str,
    pub(super) from: &'static str,
    pub(super) to: &'static str,
}

/// An integration test target, with the features that it needs.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Suite {
    pub(super) package: &'static str,
    pub(super) features: &'static str,
    pub(super) test: &'static str,
}

const STATE: Suite = Suite { package: "engram-bridge", features: "files", test: "state" };

const OWN: &str = "vclock/src/siblings/own.rs";
const SIBLINGS_JOIN: &str = "vclock/src/siblings/join.rs";
const HYBRID: &str = "vclock/src/hybrid.rs";
const WIRE_RECORD: &str = "gossip-proto/src/record.rs";
const STREAM: &str = "gossip-proto/src/session/stream.rs";
const RECONCILE: &str = "gossip-proto/src/session/reconcile.rs";
const JOIN: &str = "engram-bridge/src/replica/join.rs";
const OPERATIONS: &str = "engram-bridge/src/replica/operations.rs";
const WRITE: &str = "engram-bridge/src/spaces/space/write.rs";
const SHARED: &str = "engram-bridge/src/spaces/shared.rs";
const ISSUER: &str = "engram-bridge/src/replica/issuer.rs";
const SPACE_STATE: &str = "engram-bridge/src/replica/state.rs";
const CONTACT: &str = "engram-bridge/src/replica/state/contact.rs";
const WAITING: &str = "engram-bridge/src/replica/operations/waiting.rs";
const RESTORE: &str = "engram-bridge/src/durable/restore.rs";
const ADMISSION: &str = "engram-bridge/src/sync/admission.rs";

/// Mutants that each weaken a rule of the replicated state.
pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "reissue: none",
        edits: &[Edit {
            file: OWN,
            from: "last_write.filter(|last_write| self.holds_write(node, last_write))",
            to: "last_write.filter(|_| false)",
        }],
        suite: &STATE,
        killers: &[
            "counterexamples::reissue::a_write_below_an_unseen_one_is_written_again",
            "counterexamples::submissions::an_unchanged_write_is_claimed",
        ],
    },
    Mutant {
        name: "reissue: writes of earlier processes",
        edits: &[Edit {
            file: JOIN,
            from: "let (node, last_write) = (*issuer.node(), change.last_write);",
            to: "let held = before.of_node(issuer.node()).last();
                 let held = held.map(|(version, value)| engram_vclock::LastWrite { version, value });
                 let (node, last_write) = (*issuer.node(), change.last_write.or(held));",
        }],
        suite: &STATE,
        killers: &["counterexamples::reissue::writes_of_earlier_processes_stay_superseded"],
    },
    Mutant {
        name: "reissue: only above the clock",
        edits: &[Edit {
            file: JOIN,
            from: "let (node, last_write) = (*issuer.node(), change.last_write);",
            to: "let (node, now) = (*issuer.node(), issuer.next_dot().version);
                 let last_write = change.last_write.filter(|_| arrived.siblings.context().get(&node) > now);",
        }],
        suite: &STATE,
        killers: &["counterexamples::reissue::the_clock_does_not_judge_a_reissue"],
    },
    Mutant {
        name: "reissue: far above the arriving entry",
        edits: &[Edit {
            file: OWN,
            from: "arriving.saturating_add(1)",
            to: "arriving.saturating_add(1 << 50)",
        }],
        suite: &STATE,
        killers: &["counterexamples::reissue::a_reissue_covers_no_unseen_write"],
    },
    Mutant {
        name: "reissue: supersedes arriving writes",
        edits: &[Edit {
            file: OWN,
            from: "Some(last_write.value.clone()), |_| false)",
            to: "Some(last_write.value.clone()), |older| older.node == *node)",
        }],
        suite: &STATE,
        killers: &["counterexamples::reissue::reissue_keeps_arriving_writes"],
    },
    Mutant {
        name: "reissue: the oldest gives way at the cap",
        edits: &[Edit {
            file: OWN,
            from: "Err(_) => outcome.given_up = Some(lost),",
            to: "Err(_) => {
                     self.live.remove(self.live.partition_point(|(held, _)| held.node < *node));
                     let dot = Dot::new(node.clone(), last_write.version);
                     _ = self.supersede(dot, Some(last_write.value.clone()), |_| false);
                     clock.recall(last_write.version);
                     (outcome.reissued, outcome.given_up) = (Some(last_write), None);
                 }",
        }],
        suite: &STATE,
        killers: &["counterexamples::reissue::a_write_beyond_the_cap_of_dots_is_given_up"],
    },
    Mutant {
        name: "dots: no cap after a join",
        edits: &[Edit {
            file: SIBLINGS_JOIN,
            from: "self.live.sort_unstable();
        self.trim()",
            to: "self.live.sort_unstable();
        if false { self.trim() } else { 0 }",
        }],
        suite: &STATE,
        killers: &["counterexamples::reissue::one_version_with_many_values_is_bounded"],
    },
    Mutant {
        name: "dots: one value per version",
        edits: &[Edit {
            file: SIBLINGS_JOIN,
            from: "!self.context.covers(&pair.0) || self.is_live(&pair.0) && !self.holds(pair)",
            to: "!self.context.covers(&pair.0)",
        }],
        suite: &STATE,
        killers: &["counterexamples::reissue::one_version_with_two_values_keeps_both"],
    },
    Mutant {
        name: "claim: an unchanged submission claims nothing",
        edits: &[Edit {
            file: OPERATIONS,
            from: "let last_write = confirmed_write(entry, digest, issuer);",
            to: "let last_write = entry.last_write;",
        }],
        suite: &STATE,
        killers: &["counterexamples::submissions::an_unchanged_write_is_claimed"],
    },
    Mutant {
        name: "adopt: a join leaves last_submitted unchanged",
        edits: &[Edit {
            file: JOIN,
            from: "last_submitted_after(&before, &change, &record, issuer)",
            to: "change.last_submitted",
        }],
        suite: &STATE,
        killers: &["counterexamples::submissions::returned_own_write_becomes_last_submitted"],
    },
    Mutant {
        name: "adopt: a covered write remains the last submission",
        edits: &[Edit {
            file: OPERATIONS,
            from: "true => newest,",
            to: "true => newest.or(change.last_submitted),",
        }],
        suite: &STATE,
        killers: &[
            "counterexamples::submissions::covered_write_is_not_last_submitted",
            "cases::forgeries::forged_record_is_overwritten_after_restart",
        ],
    },
    Mutant {
        name: "submit: a suppressed content replaces nothing",
        edits: &[Edit {
            file: OPERATIONS,
            from: "if replaced.is_empty() {",
            to: "if true || replaced.is_empty() {",
        }],
        suite: &STATE,
        killers: &["cases::deletions::a_replay_ends_with_the_forgotten_content"],
    },
    Mutant {
        name: "admission: contents of other ids count",
        edits: &[Edit {
            file: ADMISSION,
            from: "Some(Ok(pattern)) if pattern.id == id => Ok(()),",
            to: "Some(Ok(_)) if !id.is_empty() => Ok(()),",
        }],
        suite: &STATE,
        killers: &["cases::forgeries::a_record_names_no_content_of_another_id"],
    },
    Mutant {
        name: "submit: unchanged before suppressed",
        edits: &[Edit {
            file: OPERATIONS,
            from: "if entry.record.suppression.is_suppressed(&digest) {",
            to: "if entry.record.suppression.is_suppressed(&digest)
                     && entry.last_submitted != Some(digest)
                 {",
        }],
        suite: &STATE,
        killers: &["counterexamples::submissions::suppressed_write_is_not_last_submitted"],
    },
    Mutant {
        name: "submit: a suppressed write remains the last submission",
        edits: &[Edit {
            file: OPERATIONS,
            from: "Change { last_submitted: None, ..Change::of(id, Some(entry)) }",
            to: "Change::of(id, Some(entry))",
        }],
        suite: &STATE,
        killers: &["counterexamples::submissions::suppressed_write_is_not_last_submitted"],
    },
    Mutant {
        name: "submit: supersedes the peers",
        edits: &[Edit {
            file: OPERATIONS,
            from: "|older: &Dot| issuer.is_own(&older.node);",
            to: "|_: &Dot| true;",
        }],
        suite: &STATE,
        killers: &["counterexamples::submissions::a_submission_hides_no_write_of_a_peer"],
    },
    Mutant {
        name: "suppression: lifted by the next write",
        edits: &[Edit {
            file: OPERATIONS,
            from: "change.record = Some(record);
        change.contents = vec![content];",
            to: "record.suppression = Default::default();
        change.record = Some(record);
        change.contents = vec![content];",
        }],
        suite: &STATE,
        killers: &["counterexamples::deletions::the_next_write_lifts_no_suppression"],
    },
    Mutant {
        name: "suppression: lifted by a resolution",
        edits: &[Edit {
            file: OPERATIONS,
            from: "record.siblings.resolve(dot, digest).expect(FRESH);",
            to: "record.siblings.resolve(dot, digest).expect(FRESH);
        record.suppression = Default::default();",
        }],
        suite: &STATE,
        killers: &["counterexamples::deletions::a_resolution_lifts_no_other_suppression"],
    },
    Mutant {
        name: "suppression: dropped by a join",
        edits: &[Edit {
            file: JOIN,
            from: "record.suppression.join(&arrived.suppression);",
            to: "",
        }],
        suite: &STATE,
        killers: &[
            "counterexamples::deletions::lost_disk_revives_no_forgotten_content",
            "counterexamples::deletions::suppression_without_dots_is_kept",
        ],
    },
    Mutant {
        name: "suppression: equal contexts are equal records",
        edits: &[Edit {
            file: WIRE_RECORD,
            from: "!self.context().eq(context.iter().copied()) && self.context().all(covered)",
            to: "self.context().all(covered)",
        }],
        suite: &STATE,
        killers: &["counterexamples::deletions::equal_contexts_may_differ_in_suppression"],
    },
    Mutant {
        name: "selection: by live dots",
        edits: &[Edit {
            file: SPACE_STATE,
            from: "        clocks.change(key, node, before.get(node), entry);",
            to: "        let is_live = after_live.iter().any(|dot| dot.node == *node);
        clocks.change(key, node, before.get(node), if is_live { entry } else { 0 });",
        }, Edit {
            file: SPACE_STATE,
            from: "    let (before, after) = (before.siblings.context(), after.siblings.context());
    for",
            to: "    let after_live: Vec<_> = after.siblings.iter().map(|(dot, _)| *dot).collect();
    let (before, after) = (before.siblings.context(), after.siblings.context());
    for",
        }],
        suite: &STATE,
        killers: &["counterexamples::sessions::deletions_travel_by_clocks"],
    },
    Mutant {
        name: "selection: one order above the summary",
        edits: &[Edit {
            file: STREAM,
            from: "(session_key.key_tag(&key), key)",
            to: "([0; 5], key)",
        }],
        suite: &STATE,
        killers: &["counterexamples::sessions::records_above_the_summary_all_arrive"],
    },
    Mutant {
        name: "plausibility: checked for whole records",
        edits: &[Edit {
            file: ADMISSION,
            from: "let mut refusals = self.restrict_versions(arrived);",
            to: "let mut refusals = self.restrict_versions(arrived);
        if !refusals.is_empty() {
            *arrived = Record::default();
        }",
        }],
        suite: &STATE,
        killers: &["counterexamples::clocks::an_implausible_part_is_refused_alone"],
    },
    Mutant {
        name: "plausibility: an older record is not awaited",
        edits: &[Edit {
            file: RECONCILE,
            from: "self.transfer.on_want(request.space, want.key);",
            to: "",
        }],
        suite: &STATE,
        killers: &["counterexamples::clocks::implausible_part_does_not_block_suppression"],
    },
    Mutant {
        name: "plausibility: records are believed",
        edits: &[Edit {
            file: ADMISSION,
            from: "let plausible = self.shared.is_plausible(entry);",
            to: "let plausible = entry > 0;",
        }],
        suite: &STATE,
        killers: &["cases::clocks::a_far_future_version_is_refused_alone"],
    },
    Mutant {
        name: "plausibility: greetings are believed",
        edits: &[
            Edit {
                file: SHARED,
                from: "if self.is_plausible(greeting.known) {",
                to: "if greeting.known > 0 {",
            },
            Edit {
                file: ISSUER,
                from: "if self.hybrid.is_plausible(known, self.now()) {",
                to: "if known > 0 {",
            },
        ],
        suite: &STATE,
        killers: &["counterexamples::clocks::a_lying_greeting_silences_no_node"],
    },
    Mutant {
        name: "plausibility: a lie hides honest greetings",
        edits: &[Edit {
            file: SHARED,
            from: "if self.is_plausible(greeting.known) {",
            to: "if greeting.known > 0 {",
        }],
        suite: &STATE,
        killers: &["counterexamples::clocks::a_lying_greeting_hides_no_honest_one"],
    },
    Mutant {
        name: "clock: a greeting does not correct a clock far ahead",
        edits: &[Edit {
            file: HYBRID,
            from: "Some(ClockFault::Ahead { told, .. }) => told,",
            to: "Some(ClockFault::Ahead { .. }) => now,",
        }],
        suite: &STATE,
        killers: &["counterexamples::clocks::a_greeting_corrects_a_clock_far_ahead"],
    },
    Mutant {
        name: "first contact: no wait",
        edits: &[Edit { file: CONTACT, from: "if !self.settled {", to: "if false {" }],
        suite: &STATE,
        killers: &["counterexamples::submissions::first_contact_teaches_own_versions"],
    },
    Mutant {
        name: "first contact: a damaged store does not wait",
        edits: &[Edit { file: RESTORE, from: "if settled && sound {", to: "if settled {" }],
        suite: &STATE,
        killers: &["counterexamples::submissions::a_damaged_store_waits_for_contact_again"],
    },
    Mutant {
        name: "first contact: an operation does not apply waiting writes",
        edits: &[
            Edit {
                file: WAITING,
                from: "self.waiting_for(id)?.clone()",
                to: "self.waiting_for(id).filter(|_| false)?.clone()",
            },
            Edit {
                file: WRITE,
                from: "if self.state_mut().cover_waiting(&ids, cause.generated_at) {",
                to: "if false {",
            },
        ],
        suite: &STATE,
        killers: &[
            "counterexamples::submissions::operation_first_applies_waiting_writes",
            "counterexamples::submissions::withdrawal_first_applies_waiting_writes",
            "counterexamples::submissions::forgetting_first_applies_waiting_writes",
        ],
    },
];
