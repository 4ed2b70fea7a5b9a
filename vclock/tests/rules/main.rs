//! The rules of the replicated state as an executable model, without dependencies.
//!
//! Machines submit, withdraw, forget and resolve contents under a few pattern ids, exchange records
//! whole, in parts, late and repeatedly, and meet faults: restarts, lost disks, damaged rows, older
//! copies, clones, clock steps, lies, caps, new keys. At the end of each history all faults end,
//! sessions run until nothing changes, and the laws are judged ([`verdict`]).
//!
//! | rule | says | module |
//! |-|-|-|
//! | V1 | a version is one number of a hybrid clock; one too far ahead is not believed | `machine` |
//! | V2 | a record is a product over nodes; any of its parts travels and is refused alone; caps | `record`, `join` |
//! | V3 | *submit* and *withdraw* supersede own dots, *forget* and *resolve* all dots | `operations` |
//! | V4 | a dot stays if both have it, or one has it and the other's context does not cover it | `record` |
//! | V5 | a write of this process that a join removed is written again, beside the arriving dots | `join` |
//! | V6 | suppression is a causal-length set, a part of the record of its own | `record` |
//! | V7 | `last_submitted` follows a join; an unchanged submission claims its write | `join`, `operations` |
//! | V8 | deletions are records without dots, and stay | `record` |
//! | V9 | a node without a completed session keeps submissions waiting | `machine`, `world` |
//! | V10 | clones re-issue, and the exchange ends | `join` |
//! | V11 | a new key takes over the writes of the keys that it replaces | `operations` |
//! | echo | a returned blend is not written | `operations` |
//! | summaries, descent | sessions by version summaries, and the descent | `stream`, `session` |
//!
//! Laws: S1 all replicas become equal. S2 no acknowledged write is lost. S3 nothing forgotten is
//! visible again. S4 dots are bounded. S5 nothing is written at rest.
//!
//! Each weaker rule ([`rules::Weaker`]) has its smallest counterexample as a test. The bounds are
//! small, so that short histories reach them: two own dots and two suppressed contents an id, a
//! version at most 300 steps ahead. `cargo xtask model` runs the long searches.

mod action;
mod counterexamples;
mod join;
mod ledger;
mod machine;
mod operations;
mod record;
mod rules;
mod runs;
mod search;
mod session;
mod session_runs;
mod session_tests;
mod stream;
mod verdict;
mod world;
