//! A deterministic simulation: many nodes that run the real [`Scheduler`](crate::schedule::Scheduler)
//! and the real [`Session`](crate::Session) over a network of which every fault is drawn from one
//! seed, in virtual time.
//!
//! - [`World`] owns the nodes, the network and the clock. Nothing in it reads the time of the
//!   machine, starts a thread or iterates over a hash map, so a seed always means the same run.
//! - [`Host`] is the state of a node: the real store, or a model of it.
//! - [`Network`] delays, loses, duplicates and reorders, clogs links and cuts them one way, both ways
//!   or on and off. A session's frames travel over a reliable stream, as they do over QUIC, or each
//!   for itself ([`Transport::Frames`]), which no transport does and the machine survives.
//!
//! What a node does and when is the scheduler's decision alone. The world carries it out as gossip-net
//! does: a dial takes a handshake of three packets, a connection that hears nothing is given up, a
//! node that restarted resets the connections of its former run.
//!
//! A run has two phases: first faults, then everything heals and the nodes have until a hard
//! deadline to agree ([`World::run_until_agreed`]).

mod agreement;
mod connections;
mod contact;
mod drive;
mod event;
mod host;
mod network;
mod node;
mod pipe;
mod queue;
mod sessions;
mod tally;
mod world;

pub use host::Host;
pub use network::{Cut, Direction, Latency, Link, Network};
pub use pipe::Transport;
pub use tally::Tally;
pub use world::{Side, Startup, Tamper, World, WorldConfig};

pub use crate::schedule::Random;
