//! Opens sessions when they are due, sets their terms, and forwards their claims.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::time::Duration;

use super::limits::{MAX_PEER_PREVIEWS, MAX_PREVIEWS, MAX_SUSPECTS};
use super::peer::{Contact, Opened, Peer, Purpose};
use super::trigger::Call;
use super::{
    Action, Delivered, Due, Reach, RequestError, Scarce, Scheduler, SessionId, Terms, Verdict,
};
use crate::limits::MAX_POSTPONED;
use crate::{Intake, KEY_LEN, SpaceId, Unoffered, VersionRange};

/// The next step for the sessions with a peer.
enum Next {
    Open(Purpose),
    At(Duration),
    Nothing,
}

impl<P: Copy + Ord> Scheduler<P> {
    /// Requests a new session with `peer`; a session that is already running does not fulfil the
    /// request. If the peer is not connected, it is dialled first, regardless of its back-off; if
    /// that fails, the request is dropped.
    ///
    /// # Errors
    /// [`RequestError`] if the peer is not a member, or if it can only dial this node and is not
    /// connected.
    pub fn request(&mut self, peer: P, now: Duration) -> Result<(), RequestError> {
        self.reachable(peer)?.trigger.is_requested = true;
        self.dial_if_requested(peer, now);
        self.consider(peer, now);
        Ok(())
    }

    /// Requests a preview of a session with `peer`. Sessions that sync go first, and a pause
    /// follows each preview, so that previews do not starve them.
    ///
    /// # Errors
    /// As for [`request`](Self::request); also if the maximum number of previews is already running
    /// or waiting.
    pub fn request_preview(&mut self, peer: P, now: Duration) -> Result<(), RequestError> {
        let is_full = self.previews >= MAX_PREVIEWS;
        let found = self.reachable(peer)?;
        if found.previews() >= MAX_PEER_PREVIEWS {
            return Err(RequestError::TooManyPreviews { cap: MAX_PEER_PREVIEWS });
        }
        if is_full {
            return Err(RequestError::TooManyPreviews { cap: MAX_PREVIEWS });
        }
        found.previews.waiting += 1;
        self.previews += 1;
        self.dial_if_requested(peer, now);
        self.consider(peer, now);
        Ok(())
    }

    fn reachable(&mut self, peer: P) -> Result<&mut Peer, RequestError> {
        let found = self.peers.get_mut(&peer).ok_or(RequestError::NotAMember)?;
        match found.has_link() || found.reach == Reach::Dialable {
            true => Ok(found),
            false => Err(RequestError::NotDialable),
        }
    }

    /// Returns up to `fanout` peers for a round that the host requests, independently of the timer.
    /// Skips unreachable members.
    pub fn choose_round(&mut self) -> Vec<P> {
        let reachable = self.peers.iter().filter(|(_, peer)| match peer.contact {
            Contact::Dialled | Contact::Connected => true,
            _ => peer.backoff.failures() == 0 && !peer.is_down && peer.reach == Reach::Dialable,
        });
        let reachable: BTreeSet<P> = reachable.map(|(peer, _)| *peer).collect();
        self.round_turns.next(self.config.fanout, &reachable, &mut self.random)
    }

    /// Plans the next contact of the timer. The pause varies at random by up to a quarter, so that
    /// nodes that started together do not stay in step.
    pub(super) fn plan_round(&mut self, now: Duration) {
        let fanout = u32::try_from(self.config.fanout).unwrap_or(u32::MAX);
        let pause = (self.config.interval / fanout).max(LEAST_PAUSE);
        self.agenda.set(Due::Round, now + pause * 3 / 4 + self.random.duration(pause / 2));
    }

    /// Handles the timer: makes a session due with the next connected peer that the timer may
    /// contact.
    pub(super) fn on_round(&mut self, now: Duration) {
        self.plan_round(now);
        let is_eligible = |peer: &Peer| peer.has_link() && !peer.trigger.is_backing_off(now);
        let eligible = self.peers.iter().filter(|(_, peer)| is_eligible(peer));
        let eligible: BTreeSet<P> = eligible.map(|(peer, _)| *peer).collect();
        let next = self.timer_turns.next(1, &eligible, &mut self.random).pop();
        let Some(peer) = next else { return };
        if let Some(found) = self.peers.get_mut(&peer) {
            found.trigger.is_timed = true;
            self.consider(peer, now);
        }
    }

    /// Checks whether a session with `peer` is due, and opens it, queues it, or plans the next
    /// check.
    pub(super) fn consider(&mut self, peer: P, now: Duration) {
        match self.next(peer, now) {
            Next::Nothing => self.agenda.cancel(Due::Session(peer)),
            Next::At(at) => self.agenda.set(Due::Session(peer), at),
            Next::Open(purpose) => {
                self.agenda.cancel(Due::Session(peer));
                if let Some((what, until)) = self.owes(peer, now) {
                    return self.delay(peer, what, until);
                }
                match self.may_open_another() {
                    true => self.open(peer, purpose, now),
                    false => self.queue_session(peer),
                }
            }
        }
    }

    fn next(&mut self, peer: P, now: Duration) -> Next {
        let Some(found) = self.peers.get_mut(&peer) else { return Next::Nothing };
        if !found.has_link() || !found.is_idle() {
            return Next::Nothing;
        }
        if found.trigger.due().is_some_and(|due| due <= now) && self.is_called_for(peer, now) {
            let call = self.peers.get(&peer).and_then(|found| found.trigger.call);
            return Next::Open(Purpose::Sync(call.map(|(call, _)| call)));
        }
        let Some(found) = self.peers.get(&peer) else { return Next::Nothing };
        let not_before = found.previews.not_before.max(found.trigger.not_before);
        let preview = (found.previews.waiting > 0).then_some(not_before);
        match (preview, found.trigger.due()) {
            (Some(preview), _) if preview <= now => Next::Open(Purpose::Preview),
            (Some(preview), Some(due)) => Next::At(preview.min(due)),
            (preview, due) => preview.or(due).map_or(Next::Nothing, Next::At),
        }
    }

    /// Whether a due session is still needed now. A session that running ones may make unnecessary
    /// is postponed until one of them ends, or until they may postpone it no longer.
    fn is_called_for(&mut self, peer: P, now: Duration) -> bool {
        let Some(found) = self.peers.get_mut(&peer) else { return false };
        if found.trigger.is_requested || found.trigger.is_timed {
            return true;
        }
        let Some((call, _)) = found.trigger.call else { return false };
        let until = match call {
            Call::Rest => None,
            Call::Claimed => self.claims.held_until(now),
            Call::Advert | Call::News => {
                let differing = found.roots.differing(&self.roots);
                if differing.is_empty() {
                    (found.trigger.call, found.is_delayed) = (None, false);
                    self.stats.triggers_saved += 1;
                    return false;
                }
                self.in_flight.covered_until(&differing)
            }
        };
        found.trigger.postponed_until = until.filter(|until| now < *until);
        let waits = found.trigger.postponed_until.is_some();
        if waits {
            self.postponed.insert(peer);
        }
        !waits
    }

    /// Checks the sessions that waited for the end of another one.
    pub(super) fn resume_postponed(&mut self, now: Duration) {
        for peer in core::mem::take(&mut self.postponed) {
            if let Some(found) = self.peers.get_mut(&peer) {
                found.trigger.postponed_until = None;
                self.consider(peer, now);
            }
        }
    }

    fn open(&mut self, peer: P, purpose: Purpose, now: Duration) {
        let session = match purpose {
            Purpose::Sync(_) => self.next_session(peer, now),
            Purpose::Preview => {
                self.last_session.0 += 1;
                self.last_session
            }
        };
        let terms = self.terms(peer, now);
        let Some(found) = self.peers.get_mut(&peer) else { return };
        found.opened = Some(Opened { session, purpose, since: now });
        found.is_delayed = false;
        self.permits.opened += 1;
        let action = match purpose {
            Purpose::Sync(call) => {
                found.trigger.begin();
                self.stats.triggers += u64::from(call.is_some());
                self.postponed.remove(&peer);
                self.in_flight.begin(peer, found.roots.differing(&self.roots), now);
                Action::Open { peer, session, terms }
            }
            Purpose::Preview => {
                found.previews.waiting -= 1;
                Action::Preview { peer, session, terms }
            }
        };
        self.actions.push_back(action);
    }

    // Quotas.

    /// Returns the exhausted quota that prevents a session from beginning now, and the time of the
    /// next check.
    pub(super) fn owes(&mut self, peer: P, now: Duration) -> Option<(Scarce, Duration)> {
        let of_peer = self.peers.get(&peer)?.account.owes(now);
        let time = self.epoch.saturating_add(now);
        of_peer.or_else(|| self.sending.owes(&self.config.limits, now, time))
    }

    fn delay(&mut self, peer: P, what: Scarce, until: Duration) {
        let Some(found) = self.peers.get_mut(&peer) else { return };
        if !core::mem::replace(&mut found.is_delayed, true) {
            *self.stats.sessions_delayed.entry(what).or_default() += 1;
        }
        self.agenda.set(Due::Session(peer), until);
    }

    pub(super) fn terms(&self, peer: P, now: Duration) -> Terms {
        let Some(found) = self.peers.get(&peer) else { return Terms::UNLIMITED };
        let receives = found.account.bytes(&self.config.limits.peer, now);
        let (cursor, postponed) = (found.cursor, found.postponed);
        let suspects = found.roots.differing_spaces(&self.roots).take(MAX_SUSPECTS).collect();
        Terms {
            cursor,
            postponed,
            suspects,
            sends: self.sending.bytes(now).min(receives),
            receives,
            intake: self.intake(peer, found, now),
        }
    }

    /// Decides which records a session with `peer` takes without a request. A session that leaves
    /// records to the next one or to other sessions may end without comparing the trees. After
    /// [`MAX_POSTPONED`] such sessions in a row, the next one therefore takes records without an
    /// offer. While refusals of the peer's records are in force, a session that would take all
    /// records without an offer takes only those by clocks, because the records that the comparison
    /// of trees finds may be the refused ones.
    fn intake(&self, peer: P, found: &Peer, now: Duration) -> Intake {
        let intake = match found.postponed < MAX_POSTPONED {
            true => self.claims.intake(),
            false => Intake::AtOnce,
        };
        match intake {
            Intake::AtOnce if self.refusals.has_any(peer, now) => Intake::ByClocks,
            intake => intake,
        }
    }

    // Claims.

    /// Claims the record whose key hash begins with `key`; returns whether `session` may request
    /// it. Returns false if another session is fetching the record, or if it has arrived since
    /// `session` pinned its views.
    pub fn claim(
        &mut self,
        session: SessionId,
        space: &SpaceId,
        key: &[u8; KEY_LEN],
        now: Duration,
    ) -> bool {
        self.claims.claim(session, space, *key, now)
    }

    /// Claims all records of a node for `session` until it ends or its claims lapse, unless another
    /// session has claimed them. Returns whether `session` may take the range. `session` may not
    /// take it if an earlier session expects these records, unless the peer's root of the space is
    /// known: that root may be news, and waiting for another session could delay news.
    pub fn claim_range(
        &mut self,
        session: SessionId,
        space: &SpaceId,
        range: &VersionRange,
        now: Duration,
    ) -> bool {
        let is_left = !self.has_advertised(session, space)
            && self.claims.is_expected_earlier(session, space, range, now);
        !is_left && self.claims.claim_range(session, space, range, now)
    }

    /// Whether the root of a space at the peer of a session is known, from an advert or a session.
    fn has_advertised(&self, session: SessionId, space: &SpaceId) -> bool {
        let peer = self.claims.peer(session).and_then(|peer| self.peers.get(&peer));
        peer.is_some_and(|peer| peer.roots.has_told(space, &self.roots))
    }

    /// Notes which records of a space `session` expects to receive without an offer.
    pub fn expect_unoffered(
        &mut self,
        session: SessionId,
        space: &SpaceId,
        records: &Unoffered,
        now: Duration,
    ) {
        self.claims.expect_unoffered(session, space, records, now);
    }

    /// Notes that these records, claimed or not, arrived in `session`, and whether this node
    /// refused them.
    pub fn deliver(
        &mut self,
        session: SessionId,
        space: &SpaceId,
        records: &[Delivered],
        now: Duration,
    ) {
        self.claims.deliver(session, space, records, now);
        let Some(peer) = self.claims.peer(session) else { return };
        for Delivered { key, verdict } in records.iter().copied() {
            match verdict {
                Verdict::Accepted => self.refusals.accept(peer, session, space, key, now),
                Verdict::Refused => self.refusals.refuse(peer, session, space, key, now),
            }
        }
    }

    /// Whether this node recently refused the record whose key hash begins with `key` from the peer
    /// of `session`. Returns false again when it is time for the next attempt.
    pub fn has_refused(
        &self,
        session: SessionId,
        space: &SpaceId,
        key: &[u8; KEY_LEN],
        now: Duration,
    ) -> bool {
        let peer = self.claims.peer(session);
        peer.is_some_and(|peer| self.refusals.contains(peer, space, *key, now))
    }
}

/// Minimum mean interval of the timer, whatever the fanout.
const LEAST_PAUSE: Duration = Duration::from_millis(1);
