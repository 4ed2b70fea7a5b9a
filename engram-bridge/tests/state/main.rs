//! The replicated state under every fault of machines, clocks and members: counterexamples to
//! weaker rules, random histories, and the cost of restarts and of faulty members. All use the
//! shipped store and sessions, with time and randomness passed in.

mod history;
mod session;
mod support;

mod cases;
mod counterexamples;
mod histories;
