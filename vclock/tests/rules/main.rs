//! The rules of the replicated state as an executable model, without dependencies.
//!
//! Machines submit, withdraw, forget and resolve contents under a few pattern ids, exchange records whole, in parts,
//! late and repeatedly, and suffer faults: restarts, lost disks, damaged rows, older copies, clones, clock steps, lies,
//! caps and new keys. At the end of each history all faults end, sessions run until nothing changes, and the laws are
//! checked ([`verdict`]).
//!
//! | rule | statement | module |
//! |-|-|-|
//! | V1 | a version is one number of a hybrid clock; nodes refuse a version that is too far ahead | `machine` |
//! | V2 | a record is a product over nodes; each part may be sent or refused separately; caps | `record`, `join` |
//! | V3 | *submit* and *withdraw* supersede own dots, *forget* and *resolve* all dots | `operations` |
//! | V4 | a dot is kept if both records have it, or if one has it and the other does not cover it | `record` |
//! | V5 | a write of this process that a join removed is reissued; the arriving dots are kept | `join` |
//! | V6 | suppression is a causal-length set, a separate part of the record | `record`, `operations` |
//! | V7 | `last_submitted` follows a join; an unchanged submission claims its write | `join`, `operations` |
//! | V8 | deletions are records without dots, and are kept | `record` |
//! | V9 | submissions wait until the node has completed a session | `machine`, `operations`, `world` |
//! | V10 | clones reissue their writes, and the reissues come to an end | `join` |
//! | V11 | a new key takes over the writes of the keys that it replaces | `operations` |
//! | echo | a returned blend is not written | `operations` |
//! | summaries, descent | sessions by version summaries, and the descent | `stream`, `session` |
//!
//! The laws are: S1, all replicas become equal; S2, no acknowledged write is lost; S3, no forgotten
//! content becomes visible again; S4, the number of dots is bounded; S5, sessions and engines stop
//! writing.
//!
//! Each weaker rule ([`rules::Weaker`]) has a test with a short counterexample. The bounds are
//! small, so that short histories reach them: two own dots and two suppressed contents per id, and
//! versions at most 300 steps ahead. `cargo xtask model` runs the long searches.

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
