//! A deterministic simulation: many nodes that run the real [`Session`](crate::Session) over a
//! network of which every fault is drawn from one seed, in virtual time.
//!
//! - [`World`] owns the nodes, the network and the clock. Nothing in it reads the time of the
//!   machine, starts a thread or iterates over a hash map, so a seed means one run for ever.
//! - [`Host`] is the state of a node: the real store, or a model of it. The world opens sessions over
//!   pinned views of it, by the rules of a [`Schedule`]: timers, root adverts, permits.
//! - [`Network`] delays, loses, duplicates and reorders, clogs links and cuts them one way, both ways
//!   or on and off. A session's frames travel over a reliable stream, as they do over QUIC, or each
//!   for itself ([`Transport::Frames`]), which no transport does and the machine survives.
//!
//! A run has two phases: first faults, then everything heals and the nodes have until a hard
//! deadline to agree ([`World::run_until_agreed`]).

mod adverts;
mod agreement;
mod contact;
mod event;
mod host;
mod network;
mod node;
mod permits;
mod pipe;
mod queue;
mod rotation;
mod schedule;
mod sessions;
mod tally;
mod timers;
mod trigger;
mod world;

pub use crate::schedule::Random;
pub use host::Host;
pub use network::{Cut, Direction, Latency, Link, Network};
pub use pipe::Transport;
pub use schedule::{Adverts, Pace, Schedule, Timer};
pub use tally::Tally;
pub use world::{Climate, Side, Tamper, World};
