//! The timer: the safety net under the adverts.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use crate::backoff::jitter;
use crate::peer::Command;
use crate::report::{RoundReport, SessionReport};
use crate::rotation::Rotation;
use crate::shared::{Phase, Shared};
use crate::{Liveness, NodeId, SyncError};

/// Contacts `fanout` peers in each interval, evenly spread and one at a time.
pub(crate) async fn keep(shared: Arc<Shared>) {
    let mut phase = shared.phase.subscribe();
    let mut rotation = Rotation::default();
    let fanout = u32::try_from(shared.config.fanout).unwrap_or(u32::MAX);
    let pause = (shared.config.interval / fanout).max(LEAST_PAUSE);
    loop {
        // Half of the pause is random, so that nodes that started together do not stay in step.
        let until = Instant::now() + pause * 3 / 4 + shared.choose(|rng| jitter(pause / 2, rng));
        tokio::select! {
            () = sleep_until(until) => {}
            () = Phase::draining(&mut phase) => return,
        }
        let reachable = shared.reachable();
        let chosen = shared.choose(|rng| rotation.next(1, &reachable, rng));
        if let Some(peer) = chosen.first() {
            // A slow one goes on by itself, and does not hold the next one up; what a session
            // brought is in the events.
            _ = timeout(pause, shared.sync_with(*peer)).await;
        }
    }
}

/// Whatever the fanout, the timer does not spin.
const LEAST_PAUSE: Duration = Duration::from_millis(1);

/// Contacts up to `fanout` peers now.
pub(crate) async fn round(shared: &Arc<Shared>, rotation: &Mutex<Rotation>) -> RoundReport {
    let reachable = shared.reachable();
    let chosen = {
        let mut rotation = rotation.lock().unwrap_or_else(PoisonError::into_inner);
        shared.choose(|rng| rotation.next(shared.config.fanout, &reachable, rng))
    };
    let mut sessions = JoinSet::new();
    for peer in chosen {
        let shared = shared.clone();
        sessions.spawn(async move { (peer, shared.sync_with(peer).await) });
    }
    let mut report = RoundReport::default();
    while let Some(contact) = sessions.join_next().await {
        report.contacts.extend(contact);
    }
    report
}

impl Shared {
    /// Whom a round may contact: everybody who is connected or may be dialled now. Those whose
    /// dials fail wait for their back-off, so that a dead peer takes no other's turn.
    fn reachable(&self) -> Vec<NodeId> {
        let alive = |id: &NodeId| self.membership.liveness(id) != Liveness::Down;
        // The host's failure detector is asked without a lock.
        let peers = self.peers().clone();
        let reachable = peers.into_iter().filter(|(id, peer)| {
            peer.board.connection().is_some() || (!peer.board.backs_off() && alive(id))
        });
        reachable.map(|(id, _)| id).collect()
    }

    /// Opens a session with `peer` and waits for its end.
    pub(crate) async fn sync_with(&self, peer: NodeId) -> Result<SessionReport, SyncError> {
        // No task: the node shuts down, or the peer was never, or is no longer, in the roster.
        let gone = || match self.is_running() {
            true => SyncError::NotInRoster(peer),
            false => SyncError::ShuttingDown,
        };
        let known = self.peer(&peer).ok_or_else(gone)?;
        let (answer, result) = oneshot::channel();
        known.mailbox.send(Command::Sync(answer)).await.map_err(|_| gone())?;
        // As long as somebody holds the mailbox, the peer cannot be evicted.
        drop(known);
        result.await.map_err(|_| gone())?
    }
}
