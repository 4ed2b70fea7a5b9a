//! When an advert of a peer leads to a session.

use std::time::Duration;

use engram_gossip_proto::RootAdvert;
use tokio::time::Instant;

use crate::advert::Chase;
use crate::limits::{MAX_TRIGGER_DOUBLINGS, TRIGGER_GAP};
use crate::replicas::Source;
use crate::{NodeId, SessionReport};

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
    /// The smaller id opens in the first half of the spread, the larger one in the second half.
    head_start: Duration,
    /// Why a session is called for, and when.
    called: Option<(Call, Instant)>,
    /// Another session fetches the same roots: whether this one is needed shows when it has ended.
    postponed: bool,
    /// Why the running session was opened, if it was called for.
    running: Option<Call>,
    /// Not before this time.
    not_before: Option<Instant>,
    /// Sessions in a row that were called for and brought nothing.
    fruitless: u32,
}

/// Why a session is called for.
#[derive(Clone, Debug)]
enum Call {
    /// The peer advertised roots that differ.
    Advert(RootAdvert),
    /// The last session moved records and left others for the next one.
    Rest,
}

impl Trigger {
    pub(crate) fn new(jitter: Duration, we_are_smaller: bool) -> Self {
        Self {
            head_start: if we_are_smaller { Duration::ZERO } else { jitter },
            called: None,
            postponed: false,
            running: None,
            not_before: None,
            fruitless: 0,
        }
    }

    /// Takes an advert that came after `jitter`. Only one that differs from the local roots matters.
    pub(crate) fn hear(
        &mut self,
        advert: RootAdvert,
        now: Instant,
        jitter: Duration,
        source: &dyn Source,
    ) {
        if advert.differing(&source.summaries()).is_empty() {
            return;
        }
        self.postponed = false;
        match &mut self.called {
            Some((Call::Advert(older), _)) => *older = advert,
            Some((Call::Rest, _)) => {}
            None => self.call(Call::Advert(advert), now + self.head_start + jitter),
        }
    }

    fn call(&mut self, call: Call, at: Instant) {
        let due = self.not_before.map_or(at, |earliest| earliest.max(at));
        self.called = Some((call, due));
    }

    /// When [`check`](Self::check) is to be asked again.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.called.as_ref().filter(|_| !self.postponed).map(|(_, due)| *due)
    }

    /// What is to be done now.
    pub(crate) fn check(&mut self, now: Instant, source: &dyn Source, chase: &Chase) -> Verdict {
        let Some((call, due)) = &self.called else { return Verdict::Wait };
        if *due > now || self.postponed {
            return Verdict::Wait;
        }
        let Call::Advert(advert) = call else { return Verdict::Open };
        let roots = advert.differing(&source.summaries());
        if roots.is_empty() {
            self.called = None;
            return Verdict::Settled;
        }
        self.postponed = chase.covers(&roots);
        if self.postponed { Verdict::Wait } else { Verdict::Open }
    }

    /// A session of another peer has ended: it may have brought what was waited for.
    pub(crate) fn resume(&mut self) {
        self.postponed = false;
    }

    /// A session with the peer is opened. Returns whether it was called for.
    pub(crate) fn begin(&mut self, peer: NodeId, source: &dyn Source, chase: &Chase) -> bool {
        self.running = self.called.take().map(|(call, _)| call);
        self.postponed = false;
        if let Some(Call::Advert(advert)) = &self.running {
            chase.begin(peer, advert.differing(&source.summaries()));
        }
        self.running.is_some()
    }

    /// The session that was opened has a result.
    pub(crate) fn end(&mut self, now: Instant, report: &SessionReport) {
        match report.made_progress() {
            true => self.fruitless = 0,
            false => self.fruitless += u32::from(self.running.is_some()),
        }
        self.running = None;
        self.not_before = Some(now + self.gap());
        self.follow_up(now, report);
    }

    /// The session that was opened failed.
    pub(crate) fn fail(&mut self, now: Instant) {
        self.fruitless += u32::from(self.running.take().is_some());
        self.not_before = Some(now + self.gap());
    }

    /// The session that was opened did not take place: it is opened again.
    pub(crate) fn retry(&mut self, at: Instant) {
        if let (None, Some(call)) = (&self.called, self.running.take()) {
            self.called = Some((call, at));
        }
    }

    /// A session that the peer opened has a result.
    pub(crate) fn note(&mut self, now: Instant, report: &SessionReport) {
        if report.made_progress() {
            self.fruitless = 0;
        }
        self.follow_up(now + self.head_start, report);
    }

    /// Whoever gained something and knows that there is more asks for the rest.
    fn follow_up(&mut self, at: Instant, report: &SessionReport) {
        if self.called.is_none() && report.made_progress() && report.left_something() {
            self.call(Call::Rest, at);
        }
    }

    /// How long after a session the next one may be called for.
    fn gap(&self) -> Duration {
        TRIGGER_GAP * (1 << self.fruitless.min(MAX_TRIGGER_DOUBLINGS))
    }
}
