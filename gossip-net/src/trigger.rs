//! When an advert of a peer leads to a session.

use std::time::Duration;

use engram_gossip_proto::RootAdvert;
use fastrand::Rng;
use tokio::time::Instant;

use crate::NodeId;
use crate::advert::Chase;
use crate::backoff::jitter;
use crate::limits::{MAX_TRIGGER_DOUBLINGS, TRIGGER_GAP};
use crate::replicas::Source;

/// What is to be done about the adverts of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// A session is due.
    Open,
    /// Nothing is due now.
    Wait,
    /// A session was due, and another one has brought the news already.
    Settled,
}

/// The adverts of one peer, turned into sessions: held a little, so that of two nodes only one
/// opens a session, and spaced the more the less they bring.
#[derive(Debug)]
pub(crate) struct Trigger {
    jitter: Duration,
    /// The smaller id opens in the first half of the time, the larger one in the second half.
    head_start: Duration,
    /// The latest advert that differed, and when it calls for a session.
    heard: Option<(RootAdvert, Instant)>,
    /// Another session fetches the same roots: whether this one is needed shows when it has ended.
    postponed: bool,
    /// The advert behind the running session.
    running: Option<RootAdvert>,
    /// Not before this time.
    not_before: Option<Instant>,
    /// Sessions in a row that an advert started and that moved nothing.
    fruitless: u32,
}

impl Trigger {
    pub(crate) fn new(jitter: Duration, we_are_smaller: bool) -> Self {
        Self {
            jitter,
            head_start: if we_are_smaller { Duration::ZERO } else { jitter },
            heard: None,
            postponed: false,
            running: None,
            not_before: None,
            fruitless: 0,
        }
    }

    /// Takes an advert. Only one that differs from the local roots matters.
    pub(crate) fn hear(
        &mut self,
        advert: RootAdvert,
        now: Instant,
        source: &dyn Source,
        rng: &mut Rng,
    ) {
        if advert.differing(&source.summaries()).is_empty() {
            return;
        }
        let due = self.heard.take().map_or_else(
            || {
                let due = now + self.head_start + jitter(self.jitter, rng);
                self.not_before.map_or(due, |at| at.max(due))
            },
            |(_, due)| due,
        );
        self.heard = Some((advert, due));
        self.postponed = false;
    }

    /// When [`check`](Self::check) is to be asked again.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.heard.as_ref().filter(|_| !self.postponed).map(|(_, due)| *due)
    }

    /// What is to be done now.
    pub(crate) fn check(&mut self, now: Instant, source: &dyn Source, chase: &Chase) -> Verdict {
        let Some((advert, due)) = &self.heard else { return Verdict::Wait };
        if *due > now || self.postponed {
            return Verdict::Wait;
        }
        let roots = advert.differing(&source.summaries());
        if roots.is_empty() {
            self.heard = None;
            return Verdict::Settled;
        }
        self.postponed = chase.covers(&roots);
        if self.postponed { Verdict::Wait } else { Verdict::Open }
    }

    /// A session of another peer has ended: it may have brought what was waited for.
    pub(crate) fn resume(&mut self) {
        self.postponed = false;
    }

    /// A session with the peer is opened. Returns whether an advert called for it.
    pub(crate) fn begin(&mut self, peer: NodeId, source: &dyn Source, chase: &Chase) -> bool {
        self.running = self.heard.take().map(|(advert, _)| advert);
        self.postponed = false;
        if let Some(advert) = &self.running {
            chase.begin(peer, advert.differing(&source.summaries()));
        }
        self.running.is_some()
    }

    /// The session has ended, with records moved or not.
    pub(crate) fn end(&mut self, now: Instant, progress: bool) {
        let was_triggered = self.running.take().is_some();
        self.fruitless = match (progress, was_triggered) {
            (true, _) => 0,
            (false, true) => self.fruitless.saturating_add(1),
            (false, false) => self.fruitless,
        };
        let doublings = self.fruitless.min(MAX_TRIGGER_DOUBLINGS);
        self.not_before = Some(now + TRIGGER_GAP * (1 << doublings));
    }

    /// The session did not take place: it is opened again after a short pause.
    pub(crate) fn retry(&mut self, now: Instant, rng: &mut Rng) {
        let due = now + jitter(self.jitter, rng);
        let advert = self.running.take();
        self.heard = self.heard.take().or_else(|| advert.map(|advert| (advert, due)));
    }
}
