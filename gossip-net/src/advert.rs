//! Root adverts: who hears of our roots, and which heard roots are being fetched already.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use crate::NodeId;
use crate::rotation::Rotation;
use crate::shared::{Phase, Shared};
use crate::status::Board;

/// The beginning of a root, as adverts tell it.
pub(crate) type ShortRoot = [u8; 8];

/// Which roots are being fetched at the moment, by the peer they are fetched from.
///
/// Many peers advertise the same root at once. One session brings what all of them have, so the
/// others wait for it and look again.
#[derive(Debug)]
pub(crate) struct Chase {
    roots: Mutex<BTreeMap<NodeId, Vec<ShortRoot>>>,
    ended: watch::Sender<()>,
}

impl Default for Chase {
    fn default() -> Self {
        Self { roots: Mutex::default(), ended: watch::Sender::new(()) }
    }
}

impl Chase {
    /// A session with `peer` fetches `roots`.
    pub(crate) fn begin(&self, peer: NodeId, roots: Vec<ShortRoot>) {
        self.lock().insert(peer, roots);
    }

    /// The session with `peer` has ended.
    pub(crate) fn end(&self, peer: NodeId) {
        if self.lock().remove(&peer).is_some() {
            self.ended.send_replace(());
        }
    }

    /// Whether every one of `roots` is being fetched.
    pub(crate) fn covers(&self, roots: &[ShortRoot]) -> bool {
        let chased = self.lock();
        roots.iter().all(|root| chased.values().any(|chased| chased.contains(root)))
    }

    /// Tells whenever a session that fetched roots has ended.
    pub(crate) fn subscribe(&self) -> watch::Receiver<()> {
        self.ended.subscribe()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<NodeId, Vec<ShortRoot>>> {
        // An entry is changed in one step, so a panicking holder cannot have left it half done.
        self.roots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells peers of our roots: a few at once when they changed, one in turn as time passes.
pub(crate) async fn keep(shared: Arc<Shared>) {
    let mut phase = shared.phase.subscribe();
    let mut rotation = Rotation::default();
    let mut tick = interval(shared.config.advert_interval);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut announce_at = None;
    let mut carried = 0;
    loop {
        tokio::select! {
            // More changes may follow; one advert tells of all of them.
            () = shared.changed.notified(), if announce_at.is_none() => {
                announce_at = Some(Instant::now() + shared.config.advert_hold);
            }
            () = sleep_until(announce_at.unwrap_or_else(Instant::now)), if announce_at.is_some() => {
                announce_at = None;
                let ignorant = shared.ignorant();
                shared.advertise(&mut rotation, shared.config.advert_fanout, &ignorant);
            }
            _ = tick.tick() => {
                // The packets of a membership carry the roots as well, and to everybody in turn.
                let packets = shared.counters.snapshot().membership_sent;
                if std::mem::replace(&mut carried, packets) == packets {
                    shared.advertise(&mut rotation, 1, &shared.connected(|_| true));
                }
            }
            () = Phase::draining(&mut phase) => return,
        }
    }
}

impl Shared {
    /// The connected peers of which `which` holds.
    fn connected(&self, which: impl Fn(&Board) -> bool) -> Vec<NodeId> {
        let peers = self.peers();
        let connected = peers
            .iter()
            .filter(|(_, peer)| peer.board.connection().is_some() && which(&peer.board));
        connected.map(|(id, _)| *id).collect()
    }

    /// The connected peers to whom our roots are news: not those who just brought them.
    fn ignorant(&self) -> Vec<NodeId> {
        let roots = self.source.summaries();
        self.connected(|board| !board.notes().knows(&roots))
    }

    /// Tells the next `count` of `peers` of our roots.
    fn advertise(&self, rotation: &mut Rotation, count: usize, peers: &[NodeId]) {
        for id in self.choose(|rng| rotation.next(count, peers, rng)) {
            if let Some(peer) = self.peer(&id) {
                self.send_advert(&peer.board);
            }
        }
    }

    /// Our roots in at most `room` bytes.
    pub(crate) fn advert(&self, room: usize) -> Vec<u8> {
        let spaces = self.source.summaries();
        self.teller.lock().unwrap_or_else(PoisonError::into_inner).tell(spaces, room)
    }

    /// Sends our roots as one datagram, if the peer is connected. It may be lost.
    pub(crate) fn send_advert(&self, board: &Board) {
        let Some(connection) = board.connection() else { return };
        let Some(room) = connection.max_datagram_size() else { return };
        let bytes = self.advert(room);
        let len = bytes.len() as u64;
        if connection.send_datagram(bytes.into()).is_ok() {
            board.notes().sent.adverts += len;
            self.counters.update(|stats| {
                stats.adverts_sent += 1;
                stats.advert_bytes_sent += len;
            });
        }
    }
}
