//! Drives the scheduler: tells it what happens, does what it says, wakes it in time.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use engram_gossip_proto::RootAdvert;
use engram_gossip_proto::schedule::{Action, Notice, Scheduler};
use tokio::time::sleep_until;

use crate::command::Command;
use crate::node::{Phase, Shared};
use crate::schedule::State;
use crate::{Event, Liveness, NodeId};

impl Shared {
    /// Tells the scheduler something, and does what follows.
    ///
    /// Actions are passed on behind the lock, so that they reach each peer in the order in which they
    /// were decided. To pass one on waits for nothing.
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

    /// Says how the hosted spaces stand now.
    pub(crate) fn tell_roots(&self) {
        // The host is asked before the lock is taken.
        let roots = self.source.summaries();
        self.tell(|scheduler, now| scheduler.handle_roots(roots, now));
    }

    /// A peer told its roots, by whatever way they came.
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
            other => unreachable!("an action of a later version: {other:?}"),
        };
        if let Some(peer) = self.peer(&peer) {
            peer.command(command);
        }
    }

    /// Sends the local roots as one datagram, if the peer is connected. It may be lost.
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
            Notice::Stalled { peer, sessions } => Event::Stalled { peer, sessions },
            Notice::Recovered { peer, sessions } => Event::Recovered { peer, sessions },
            Notice::NoCommonSpace { peer } => Event::NoCommonSpace { peer },
            _ => return,
        });
    }

    /// What the membership says of each member may change without a word.
    fn tell_liveness(&self) {
        let members: Vec<_> = self.peers().keys().copied().collect();
        // The host's failure detector is asked before the lock is taken.
        let liveness = members.into_iter().map(|peer| (peer, self.membership.liveness(&peer)));
        let liveness: Vec<_> = liveness.collect();
        self.tell(|scheduler, now| {
            for (peer, liveness) in liveness {
                match liveness {
                    Liveness::Down => scheduler.set_down(peer),
                    Liveness::Alive | Liveness::Suspect => scheduler.set_alive(peer, now),
                }
            }
        });
    }
}

/// How often the host is asked about its roots and the liveness of members, if it says nothing.
const LOOK: Duration = Duration::from_secs(1);

/// Wakes the scheduler whenever something is due, until the node shuts down.
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
