//! A deterministic simulation: many nodes that run the real
//! [`Scheduler`](crate::schedule::Scheduler) and the real [`Session`](crate::Session) in virtual
//! time, over a network whose random faults are all drawn from one seed (feature `sim`).
//!
//! - [`World`] owns the nodes, the network and the clock. It never reads the machine's clock,
//!   starts a thread or iterates over a hash map, so equal seeds and equal calls give equal runs.
//! - [`Host`] is the state of a node: the real store, or a model of it.
//! - [`Network`] delays, loses, duplicates and reorders packets; it clogs links, and cuts them one
//!   way, both ways or intermittently. A session's frames travel over a reliable stream, as over
//!   QUIC, or separately ([`Transport::Frames`]). No real transport sends them separately, but the
//!   sync machine must tolerate this.
//!
//! The scheduler alone decides the actions of a node. The world carries them out as gossip-net
//! does: a dial takes a handshake of three packets, a silent connection times out, and a restarted
//! node resets the connections of its previous run.
//!
//! A typical run has two phases: first, faults occur; then everything heals, and the nodes have
//! until a hard deadline to agree ([`World::run_until_agreed`]).

mod agreement;
mod config;
mod connections;
mod contact;
mod drive;
mod endings;
mod event;
mod host;
mod network;
mod node;
mod pipe;
mod queue;
mod sabotage;
mod sessions;
mod tally;
mod world;

pub use config::{Startup, WorldConfig};
pub use host::Host;
pub use network::{Cut, Direction, Latency, Link, Network};
pub use pipe::Transport;
pub use sabotage::Sabotage;
pub use tally::Tally;
pub use world::{Side, Tamper, World};

pub use crate::schedule::Random;
