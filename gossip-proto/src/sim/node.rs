//! One simulated node.

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};
use std::vec::Vec;

use super::rotation::Rotation;
use super::trigger::Trigger;
use super::{Host, Random};
use crate::SpaceId;

/// A node: its host, and what its transport keeps in mind.
pub(super) struct Node<H> {
    pub(super) host: H,
    pub(super) up: bool,
    /// Counts restarts, so that what was scheduled in an earlier life is not done in a later one.
    pub(super) life: u32,
    /// How much the node's clock is ahead.
    pub(super) skew: Duration,
    pub(super) spaces: Vec<SpaceId>,
    /// The roots and the number of records that the world counted last.
    pub(super) roots: Vec<[u8; 32]>,
    pub(super) records: u64,
    pub(super) timer: Rotation,
    pub(super) turn: Rotation,
    /// Sessions in progress that this node opened, and that it accepted.
    pub(super) outbound: usize,
    pub(super) inbound: usize,
    /// Peers that a session is to be opened with as soon as there is a permit.
    pub(super) wanted: VecDeque<(usize, Cause)>,
    /// Contacts that wait for a permit of this node.
    pub(super) waiting: VecDeque<u64>,
    pub(super) triggers: BTreeMap<usize, Trigger>,
    /// Where the last session with a peer stopped, if it kept something back.
    pub(super) cursors: BTreeMap<usize, u64>,
    /// A change of the roots waits to be advertised.
    pub(super) announcing: bool,
    /// Where in the list of spaces the next advert begins, if not all fit.
    pub(super) told: usize,
    pub(super) bytes: u64,
}

/// Why a session is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// The timer, or whoever runs the world.
    Turn,
    /// An advert.
    Advert,
}

impl<H: Host> Node<H> {
    pub(super) fn new(us: usize, nodes: usize, host: H, random: &mut Random) -> Self {
        Self {
            spaces: host.spaces(),
            host,
            up: true,
            life: 0,
            skew: Duration::ZERO,
            roots: Vec::new(),
            records: 0,
            timer: Rotation::new(us, nodes, random.fork()),
            turn: Rotation::new(us, nodes, random.fork()),
            outbound: 0,
            inbound: 0,
            wanted: VecDeque::new(),
            waiting: VecDeque::new(),
            triggers: BTreeMap::new(),
            cursors: BTreeMap::new(),
            announcing: false,
            told: 0,
            bytes: 0,
        }
    }

    /// Forgets what only lived in memory.
    pub(super) fn fall(&mut self) {
        self.up = false;
        self.life += 1;
        (self.outbound, self.inbound) = (0, 0);
        self.wanted.clear();
        self.waiting.clear();
        self.triggers.clear();
        self.cursors.clear();
        self.announcing = false;
    }

    /// Every hosted space with a view of it.
    pub(super) fn pin(&self) -> Vec<(SpaceId, H::View)> {
        self.spaces.iter().map(|space| (space.clone(), self.host.pin(space))).collect()
    }
}
