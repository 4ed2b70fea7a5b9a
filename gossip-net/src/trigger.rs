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
    /// The last session left records to others, which were bringing them: did they?
    Claimed,
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
            Some((Call::Rest | Call::Claimed, _)) => {}
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
        let advert = match call {
            Call::Advert(advert) => advert,
            Call::Rest => return Verdict::Open,
            Call::Claimed => {
                self.postponed = source.claims().are_held();
                return if self.postponed { Verdict::Wait } else { Verdict::Open };
            }
        };
        let roots = advert.differing(&source.summaries());
        if roots.is_empty() {
            self.called = None;
            return Verdict::Settled;
        }
        self.postponed = chase.covers(&roots);
        if self.postponed { Verdict::Wait } else { Verdict::Open }
    }

    /// Whether it waits for the session of another peer to end.
    pub(crate) fn is_postponed(&self) -> bool {
        self.postponed
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
            false if report.left_to_others() => {}
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
        if self.called.is_some() {
            return;
        }
        if report.made_progress() && report.left_something() {
            self.call(Call::Rest, at);
        } else if report.left_to_others() {
            self.call(Call::Claimed, at);
        }
    }

    /// How long after a session the next one may be called for.
    fn gap(&self) -> Duration {
        TRIGGER_GAP * (1 << self.fruitless.min(MAX_TRIGGER_DOUBLINGS))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use engram_gossip_proto::{Greeting, SetupError, SpaceId, Summary};

    use super::*;
    use crate::claims::Claims;
    use crate::replicas::{Machine, Terms};

    const JITTER: Duration = Duration::from_millis(50);

    /// A source whose one root is known.
    struct Root(u8);

    static CLAIMS: LazyLock<Claims> = LazyLock::new(Claims::default);

    impl Source for Root {
        fn open(&self, _: NodeId, _: Terms) -> Result<Box<dyn Machine>, SetupError> {
            unreachable!("no session in this test")
        }

        fn accept(&self, _: NodeId, _: Terms) -> Result<Box<dyn Machine>, SetupError> {
            unreachable!("no session in this test")
        }

        fn greeted(&self, _: NodeId, _: Greeting) {
            unreachable!("no session in this test")
        }

        fn claims(&self) -> &Claims {
            &CLAIMS
        }

        fn summaries(&self) -> Vec<(SpaceId, Summary)> {
            let summary = Summary { root: [self.0; 32], count: 1, generation: 1 };
            vec![(SpaceId::new("space").unwrap(), summary)]
        }
    }

    fn advert(root: u8) -> RootAdvert {
        RootAdvert::decode(&RootAdvert::encode(&Root(root).summaries(), 1000)).unwrap()
    }

    fn peer(n: u8) -> NodeId {
        NodeId::from([n; 32])
    }

    #[test]
    fn an_advert_of_the_same_root_calls_for_nothing() {
        let mut trigger = Trigger::new(JITTER, true);
        trigger.hear(advert(1), Instant::now(), JITTER, &Root(1));
        assert_eq!(trigger.due(), None);
    }

    #[test]
    fn the_larger_id_waits_for_the_smaller_one_to_open() {
        let now = Instant::now();
        let due = |we_are_smaller| {
            let mut trigger = Trigger::new(JITTER, we_are_smaller);
            trigger.hear(advert(2), now, Duration::ZERO, &Root(1));
            trigger.due().unwrap()
        };
        assert_eq!(due(true), now);
        assert_eq!(due(false), now + JITTER);
    }

    #[test]
    fn what_another_session_brought_is_not_fetched_again() {
        let (now, chase) = (Instant::now(), Chase::default());
        let mut trigger = Trigger::new(JITTER, true);
        trigger.hear(advert(2), now, Duration::ZERO, &Root(1));
        assert_eq!(trigger.check(now, &Root(1), &chase), Verdict::Open);
        chase.begin(peer(9), advert(2).differing(&Root(1).summaries()));
        assert_eq!(trigger.check(now, &Root(1), &chase), Verdict::Wait);
        assert_eq!(trigger.due(), None, "it is asked again when the other session has ended");
        chase.end(peer(9));
        trigger.resume();
        assert_eq!(trigger.check(now, &Root(2), &chase), Verdict::Settled);
        assert_eq!(trigger.due(), None);
    }

    #[test]
    fn an_advert_that_comes_during_a_session_is_looked_at_afterwards() {
        let (now, chase) = (Instant::now(), Chase::default());
        let mut trigger = Trigger::new(JITTER, true);
        trigger.hear(advert(2), now, Duration::ZERO, &Root(1));
        assert!(trigger.begin(peer(1), &Root(1), &chase));
        trigger.hear(advert(3), now, Duration::ZERO, &Root(1));
        trigger.fail(now);
        let due = trigger.due().unwrap();
        assert_eq!(trigger.check(due, &Root(1), &chase), Verdict::Open);
    }

    #[test]
    fn a_peer_whose_adverts_bring_nothing_is_asked_ever_less_but_never_never() {
        let chase = Chase::default();
        let mut trigger = Trigger::new(JITTER, true);
        let mut now = Instant::now();
        let mut pauses = Vec::new();
        for _ in 0..20 {
            trigger.hear(advert(2), now, Duration::ZERO, &Root(1));
            let due = trigger.due().unwrap();
            pauses.push(due - now);
            now = due;
            assert!(trigger.begin(peer(1), &Root(1), &chase));
            trigger.fail(now);
        }
        assert!(pauses.is_sorted() && pauses[0].is_zero() && pauses[1] == TRIGGER_GAP * 2);
        assert_eq!(pauses[19], TRIGGER_GAP * (1 << MAX_TRIGGER_DOUBLINGS));
    }

    #[test]
    fn a_session_that_did_not_take_place_is_called_for_again() {
        let (now, chase) = (Instant::now(), Chase::default());
        let mut trigger = Trigger::new(JITTER, true);
        trigger.hear(advert(2), now, Duration::ZERO, &Root(1));
        trigger.begin(peer(1), &Root(1), &chase);
        assert_eq!(trigger.due(), None);
        trigger.retry(now + JITTER);
        assert_eq!(trigger.due(), Some(now + JITTER));
    }
}
