//! What can happen, and who deals with it.

use core::time::Duration;
use std::vec::Vec;

use super::pipe::Parcel;
use super::{Host, World};

/// Something that happens at its time.
#[derive(Debug)]
pub(super) enum Event {
    /// A node's interval begins.
    Interval { node: usize, life: u32 },
    /// It is time for one of an interval's sessions.
    Turn { node: usize, life: u32, peer: usize },
    /// One peer in turn hears the node's roots.
    Ping { node: usize, life: u32 },
    /// A change of the node's roots was held long enough.
    Announce { node: usize, life: u32 },
    /// A datagram arrives.
    Datagram { from: usize, to: usize, bytes: Vec<u8> },
    /// An advert of `peer` is looked at.
    Trigger { node: usize, life: u32, peer: usize },
    /// A parcel of a stream is sent (again).
    Attempt(Shipment),
    /// A parcel arrives.
    Arrival(Shipment),
    /// A session's time-out is due.
    Wake { contact: u64, end: usize },
    /// A contact waited long enough for a permit.
    Impatience { contact: u64 },
    /// The ends of a contact notice that there is nobody at the other end.
    Dead { contact: u64 },
}

/// A parcel under way.
#[derive(Debug)]
pub(super) struct Shipment {
    pub(super) contact: u64,
    /// The end that sent it.
    pub(super) end: usize,
    pub(super) number: u64,
    pub(super) parcel: Parcel,
    pub(super) since: Duration,
    pub(super) attempts: u32,
}

impl<H: Host> World<H> {
    pub(super) fn on_event(&mut self, event: Event) {
        match event {
            Event::Interval { node, life } if self.lives(node, life) => self.on_interval(node),
            Event::Turn { node, life, peer } if self.lives(node, life) => self.open(node, peer),
            Event::Ping { node, life } if self.lives(node, life) => self.on_ping(node),
            Event::Announce { node, life } if self.lives(node, life) => self.on_announce(node),
            Event::Trigger { node, life, peer } if self.lives(node, life) => {
                self.on_trigger(node, peer);
            }
            Event::Interval { .. }
            | Event::Turn { .. }
            | Event::Ping { .. }
            | Event::Announce { .. }
            | Event::Trigger { .. } => {}
            Event::Datagram { from, to, bytes } => self.on_datagram(from, to, &bytes),
            Event::Attempt(shipment) => self.attempt(shipment),
            Event::Arrival(shipment) => self.on_arrival(shipment),
            Event::Wake { contact, end } => self.on_wake(contact, end),
            Event::Impatience { contact } => self.on_impatience(contact),
            Event::Dead { contact } => self.on_dead(contact),
        }
    }

    fn lives(&self, node: usize, life: u32) -> bool {
        self.nodes[node].up && self.nodes[node].life == life
    }
}
