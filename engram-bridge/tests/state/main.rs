//! The replicated state under faults of machines, clocks and members: counterexamples to weaker
//! rules, random histories, and single cases. All use the shipped store and sessions, with time and
//! randomness passed in.

mod history;
mod session;
mod support;

mod cases;
mod counterexamples;
mod histories;
