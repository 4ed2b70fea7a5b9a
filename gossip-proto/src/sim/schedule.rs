//! When nodes talk to each other, as the transport schedules it.

use core::time::Duration;

/// When nodes open sessions, and how many at once.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// The safety net: sessions by the clock.
    pub timer: Option<Timer>,
    /// Sessions that follow news.
    pub adverts: Option<Adverts>,
    /// Sessions that a node may have opened at once.
    pub outbound: usize,
    /// Sessions that peers may have opened with a node at once.
    pub inbound: usize,
    /// How long an opened session may wait for the peer's permit before it is refused as busy.
    pub permit_timeout: Duration,
}

/// Sessions by the clock.
#[derive(Clone, Copy, Debug)]
pub struct Timer {
    /// How often.
    pub interval: Duration,
    /// How many sessions an interval.
    pub fanout: usize,
    /// How the sessions of all nodes lie within an interval.
    pub pace: Pace,
}

/// How the sessions of all nodes lie within an interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// All at its beginning: the synchronous rounds of the literature. With a latency that does not
    /// vary, every session sees the state of the beginning, so news makes one hop a round.
    Together,
    /// Each node begins at its own random time and spreads its sessions evenly; each is early or
    /// late by up to a tenth of the interval.
    Spread,
}

/// Root adverts, and the sessions that they trigger.
#[derive(Clone, Copy, Debug)]
pub struct Adverts {
    /// How often one peer in turn hears the roots, changed or not.
    pub interval: Duration,
    /// How many peers hear at once that they changed.
    pub fanout: usize,
    /// How long a change waits for more changes before it is advertised.
    pub hold: Duration,
    /// How much the sessions that an advert triggers are spread; of two nodes the one with the
    /// larger number waits this much longer.
    pub jitter: Duration,
    /// The least time between two triggered sessions with the same peer; it doubles, up to 64
    /// times, while they bring nothing.
    pub gap: Duration,
}

impl Schedule {
    /// Synchronous rounds of `fanout` sessions a node, one round every 60 s, without permits: what
    /// is known from the literature on epidemic algorithms, so that it can be compared.
    pub const fn rounds(fanout: usize) -> Self {
        let timer = Timer { interval: Duration::from_secs(60), fanout, pace: Pace::Together };
        Self {
            timer: Some(timer),
            adverts: None,
            outbound: usize::MAX,
            inbound: usize::MAX,
            permit_timeout: Duration::ZERO,
        }
    }

    /// The transport's defaults: three sessions a minute, and adverts.
    pub const fn product() -> Self {
        Self {
            timer: Some(Timer { interval: Duration::from_secs(60), fanout: 3, pace: Pace::Spread }),
            adverts: Some(Adverts::EAGER),
            outbound: 2,
            inbound: 4,
            permit_timeout: Duration::from_secs(2),
        }
    }
}

impl Adverts {
    /// The transport's defaults.
    pub const EAGER: Self = Self {
        interval: Duration::from_secs(1),
        fanout: 4,
        hold: Duration::from_millis(20),
        jitter: Duration::from_millis(50),
        gap: Duration::from_millis(250),
    };

    /// Nothing but one advert a second to one peer in turn, as on the pings of a failure detector.
    pub const PINGS: Self = Self { fanout: 0, ..Self::EAGER };
}
