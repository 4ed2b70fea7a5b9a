//! The events of a world, and their handlers.

use core::time::Duration;
use std::vec::Vec;

use super::pipe::Segment;
use super::{Host, World};

/// An event of the simulation.
#[derive(Debug)]
pub(super) enum Event {
    /// The deadline of a node's scheduler.
    Timeout { node: usize, run: u32 },
    /// A dial sends its first packet (again).
    Knock(Dial),
    /// A dial timed out.
    DialTimeout(Dial),
    /// A handshake is complete at the end that dialled, or at the other end.
    Met { node: usize, run: u32, peer: usize, peer_run: u32, dial: Option<u64> },
    /// A node receives a reset of its connection, because the peer does not have it.
    Reset { node: usize, peer: usize, peer_run: u32 },
    /// Closes the connections across cuts that have lasted since this time.
    Silence { since: Duration },
    /// Closes the connections to a run of a node that crashed.
    Absence { peer: usize, run: u32 },
    /// A datagram arrives.
    Datagram { from: usize, to: usize, run: u32, bytes: Vec<u8> },
    /// A segment of a stream is sent (again).
    Attempt(Shipment),
    /// A segment arrives.
    Arrival(Shipment),
    /// A session's time-out is due.
    Wake { contact: u64, end: usize },
    /// Each end of a contact notices that the other end is gone.
    Dead { contact: u64 },
}

/// A running dial.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dial {
    pub(super) node: usize,
    pub(super) peer: usize,
    pub(super) serial: u64,
    pub(super) attempts: u32,
}

/// A segment in transit.
#[derive(Debug)]
pub(super) struct Shipment {
    pub(super) contact: u64,
    /// The end that sent the segment.
    pub(super) end: usize,
    pub(super) number: u64,
    pub(super) segment: Segment,
    pub(super) since: Duration,
    pub(super) attempts: u32,
}

impl<H: Host> World<H> {
    pub(super) fn on_event(&mut self, event: Event) {
        match event {
            Event::Timeout { node, run } => self.on_timeout(node, run),
            Event::Knock(dial) => self.knock(dial),
            Event::DialTimeout(dial) => self.on_dial_timeout(dial),
            Event::Met { node, run, peer, peer_run, dial } => {
                if self.is_running(node, run) {
                    self.on_met(node, peer, peer_run, dial);
                }
            }
            Event::Reset { node, peer, peer_run } => self.on_reset(node, peer, peer_run),
            Event::Silence { since } => self.on_silence(since),
            Event::Absence { peer, run } => self.on_absence(peer, run),
            Event::Datagram { from, to, run, bytes } => self.on_datagram(from, to, run, &bytes),
            Event::Attempt(shipment) => self.attempt(shipment),
            Event::Arrival(shipment) => self.on_arrival(shipment),
            Event::Wake { contact, end } => self.on_wake(contact, end),
            Event::Dead { contact } => self.on_dead(contact),
        }
    }

    pub(super) fn is_running(&self, node: usize, run: u32) -> bool {
        self.nodes[node].up && self.nodes[node].run == run
    }
}
