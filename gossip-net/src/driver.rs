//! Drives the scheduler: passes inputs to it, carries out its actions, and wakes it on time.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use engram_gossip_proto::schedule::{Action, Agreement, Notice, Scheduler};
use engram_gossip_proto::{Ending, RootAdvert};
use tokio::time::{Instant, sleep_until};

use crate::command::Command;
use crate::node::{Phase, Shared};
use crate::schedule::State;
use crate::{Event, Liveness, NodeId};

impl Shared {
    /// Passes an input to the scheduler and carries out the resulting actions.
    ///
    /// Actions are sent under the lock, so that each peer receives them in the order of the
    /// decisions. Sending does not block.
    pub(crate) fn tell<T>(&self, tell: impl FnOnce(&mut Scheduler<NodeId>, Duration) -> T) -> T {
        let mut state = self.schedule.lock();
        let State { scheduler, wakes_at } = &mut *state;
        let told = tell(scheduler, self.schedule.now());
        while let Some(action) = scheduler.poll_action() {
            self.act(scheduler, action);
        }
        while let Some(notice) = scheduler.poll_notice() {
            self.publish_notice(notice);
        }
        let next = scheduler.poll_timeout();
        if next.is_some_and(|next| wakes_at.is_none_or(|planned| next < planned)) {
            *wakes_at = next;
            self.schedule.sooner.notify_one();
        }
        told
    }

    /// Passes the current roots of the hosted spaces to the scheduler.
    pub(crate) fn tell_roots(&self) {
        // Ask the host before taking the lock.
        let roots = self.source.summaries();
        self.tell(|scheduler, now| scheduler.handle_roots(roots, now));
    }

    /// Handles an advert from a peer.
    pub(crate) fn tell_advert(&self, peer: NodeId, advert: &RootAdvert) {
        let roots = self.source.summaries();
        self.tell(|scheduler, now| {
            scheduler.handle_roots(roots, now);
            scheduler.handle_advert(peer, advert, now);
        });
    }

    fn act(&self, scheduler: &mut Scheduler<NodeId>, action: Action<NodeId>) {
        let (peer, command) = match action {
            Action::Resolve { peer } => (peer, Command::Resolve),
            Action::Dial { peer, timeout } => (peer, Command::Dial { timeout }),
            Action::Open { peer, session, terms } => (peer, Command::Open { session, terms }),
            Action::Preview { peer, session, terms } => (peer, Command::Preview { session, terms }),
            Action::Accept { peer, session, terms } => (peer, Command::Accept { session, terms }),
            Action::Refuse { peer, reason } => (peer, Command::Refuse { reason }),
            Action::Advertise { peer } => return self.send_advert(scheduler, peer),
            other => unreachable!("an action from a later version: {other:?}"),
        };
        if let Some(peer) = self.peer(&peer) {
            peer.command(command);
        }
    }

    /// Sends the local roots, as many as fit in one datagram, if the peer is connected. The
    /// datagram may be lost.
    fn send_advert(&self, scheduler: &mut Scheduler<NodeId>, peer: NodeId) {
        let Some(peer) = self.peer(&peer) else { return };
        let Some(connection) = peer.state.connection() else { return };
        let Some(room) = connection.max_datagram_size() else { return };
        let bytes = scheduler.advert(room);
        let len = bytes.len() as u64;
        if connection.send_datagram(bytes.into()).is_ok() {
            peer.state.notes().sent.adverts += len;
            self.counters.update(|stats| {
                stats.adverts_sent += 1;
                stats.advert_bytes_sent += len;
            });
        }
    }

    fn publish_notice(&self, notice: Notice<NodeId>) {
        self.events.publish(match notice {
            Notice::Stalled { peer, sessions } => {
                Event::Stalled { peer, sessions, not_accepted: self.last_was_not_accepted(peer) }
            }
            Notice::Recovered { peer, sessions } => Event::Recovered { peer, sessions },
            Notice::NoCommonSpace { peer } => Event::NoCommonSpace { peer },
            _ => return,
        });
    }

    /// Whether the last session with `peer` found that one side accepts no records.
    fn last_was_not_accepted(&self, peer: NodeId) -> bool {
        let Some(peer) = self.peer(&peer) else { return false };
        let notes = peer.state.notes();
        let ending = notes.last_session.as_ref().and_then(|last| last.as_ref().ok());
        ending.is_some_and(|report| report.outcome.result == Ending::NotAccepted)
    }

    /// Records the current time for each connected peer whose last known roots equal this node's.
    fn note_agreements(&self) {
        let (now, peers) = (Instant::now(), self.peers().clone());
        let agreements: Vec<_> = self
            .schedule
            .ask(|scheduler, _| peers.keys().map(|id| scheduler.agreement(*id)).collect());
        for (peer, agreement) in peers.values().zip(agreements) {
            peer.state.notes().note_agreement(agreement.unwrap_or(Agreement::Unknown), now);
        }
    }

    /// Passes the liveness of each member to the scheduler. The liveness may change without a
    /// notification.
    fn tell_liveness(&self) {
        let members: Vec<_> = self.peers().keys().copied().collect();
        // Ask the host's failure detector before taking the lock.
        let liveness = members.into_iter().map(|peer| (peer, self.membership.liveness(&peer)));
        let liveness: Vec<_> = liveness.collect();
        self.tell(|scheduler, now| {
            liveness.into_iter().for_each(|(peer, liveness)| liveness.tell(scheduler, peer, now));
        });
    }
}

impl Liveness {
    /// Passes the liveness of `peer` to the scheduler.
    pub(crate) fn tell(self, scheduler: &mut Scheduler<NodeId>, peer: NodeId, now: Duration) {
        match self {
            Self::Down => scheduler.set_down(peer),
            Self::Alive | Self::Suspect => scheduler.set_alive(peer, now),
        }
    }
}

/// The interval at which the roots, the agreements and the liveness of members are polled.
const LOOK: Duration = Duration::from_secs(1);

/// Wakes the scheduler at each deadline until the node shuts down.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut phase = shared.phase.subscribe();
    let mut looks_at = shared.schedule.now();
    loop {
        let wakes_at = shared.schedule.lock().wakes_at.unwrap_or(looks_at);
        tokio::select! {
            () = sleep_until(shared.schedule.at(wakes_at.min(looks_at))) => {}
            () = shared.schedule.sooner.notified() => continue,
            () = Phase::draining(&mut phase) => return,
        }
        if looks_at <= shared.schedule.now() {
            looks_at = shared.schedule.now() + LOOK;
            // Agreements are recorded first, because new roots may end them.
            shared.note_agreements();
            shared.tell_roots();
            shared.tell_liveness();
        }
        let unix = shared.wall_time().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        shared.schedule.lock().wakes_at = None;
        shared.tell(|scheduler, now| {
            scheduler.set_wall_clock(unix, now);
            scheduler.handle_timeout(now);
        });
    }
}
