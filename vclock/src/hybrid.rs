use core::error::Error;
use core::fmt;

/// Nanoseconds in a year of 365.25 days.
const YEAR: u64 = 31_557_600_000_000_000;

/// The maximum by which a plausible version or wall clock may be ahead: 10 years, in nanoseconds.
pub const MAX_AHEAD: u64 = 10 * YEAR;

/// The mask of the random bits of a version: the lowest 10 bits, which span about a microsecond.
const RANDOM_BITS: u64 = (1 << 10) - 1;

/// Mints the versions of one node: a hybrid logical clock (Kulkarni et al., 2014).
///
/// A version is the greater of the wall clock, with its lowest 10 bits random, and the greatest own
/// version known plus a random step of 1 to 1,024. Because of the random bits, two processes that
/// continue from the same state with a wall clock that is behind rarely mint the same version. The
/// versions of a process strictly ascend even if its wall clock is set back. A node that lost its
/// disk, or fell back to an older copy of it, mints versions above its earlier ones as soon as its
/// wall clock is correct or a peer reports the earlier ones. Nothing needs to be stored.
///
/// Times are nanoseconds since the Unix epoch. The clock reads neither the time nor random numbers: the caller passes
/// both. All arithmetic saturates.
///
/// - **At start**, construct a clock and [`recall`](Self::recall) the node's own entry of every
///   context in its state.
/// - **When a peer reports a version of this node**, in a state or in a greeting, pass it to
///   [`observe`](Self::observe), which refuses an implausible version.
///   [`Siblings::join_own`](crate::Siblings::join_own) records the version of the state that it joins, without this
///   check.
/// - **When a peer reports its wall clock**, [`hear`](Self::hear) it: the greatest reported clock replaces this node's
///   wall clock if the latter is more than [`MAX_AHEAD`] above it and above the build date.
///
/// ```
/// use engram_vclock::HybridClock;
///
/// let mut clock = HybridClock::new(1_700_000_000_000_000_000);
/// let now = 1_800_000_000_000_000_000; // In a real program, ask the operating system.
/// let random = 0x5eed; // In a real program, ask a random number generator.
/// let first = clock.next(now, random);
/// assert_eq!(first >> 10, now >> 10);
///
/// // The wall clock is set back, and versions still ascend.
/// assert!(clock.next(0, random) > first);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HybridClock {
    built_at: u64,
    /// The greatest own version known, or 0 if there is none.
    highest: u64,
    /// The greatest wall clock that a peer reported.
    told: Option<u64>,
}

impl HybridClock {
    /// Creates the clock of a process that does not know any version of its own yet. `built_at` is the time at which
    /// the program was built: a wall clock before that time is wrong.
    #[must_use]
    pub const fn new(built_at: u64) -> Self {
        Self { built_at, highest: 0, told: None }
    }

    /// Records a version of this node from its own state. Accepts any version, so that no version is
    /// minted twice.
    pub const fn recall(&mut self, version: u64) {
        if version > self.highest {
            self.highest = version;
        }
    }

    /// Records a version of this node that a peer reports. `now` is the wall clock.
    ///
    /// # Errors
    ///
    /// [`Implausible`] if the version lies more than [`MAX_AHEAD`] above the wall clock and the build
    /// date. A node that accepted it would mint versions that its peers refuse.
    pub fn observe(&mut self, version: u64, now: u64) -> Result<(), Implausible> {
        let limit = self.limit(now);
        if version > limit {
            return Err(Implausible { version, limit });
        }
        self.recall(version);
        Ok(())
    }

    /// Records the wall clock that a peer reports. Only the greatest one is kept.
    pub fn hear(&mut self, clock: u64) {
        self.told = self.told.max(Some(clock));
    }

    /// Returns whether a version, of any node, lies at most [`MAX_AHEAD`] above the later of the wall
    /// clock `now` and the build date.
    #[must_use]
    pub fn is_plausible(&self, version: u64, now: u64) -> bool {
        version <= self.limit(now)
    }

    /// Mints the next version of the node from the wall clock `now` and a random number.
    ///
    /// If the fault of the wall clock is [`ClockFault::Ahead`], the greatest wall clock that a peer reported replaces
    /// it. The result is greater than every own version known, unless the greatest of these is `u64::MAX`.
    pub fn next(&mut self, now: u64, random: u64) -> u64 {
        let time = match self.fault(now) {
            Some(ClockFault::Ahead { told, .. }) => told,
            Some(ClockFault::BeforeBuild { .. }) | None => now,
        };
        let random = random & RANDOM_BITS;
        self.highest =
            ((time & !RANDOM_BITS) | random).max(self.highest.saturating_add(1 + random));
        self.highest
    }

    /// Returns the fault of the wall clock `now`, if this process can detect one.
    #[must_use]
    pub fn fault(&self, now: u64) -> Option<ClockFault> {
        if now < self.built_at {
            return Some(ClockFault::BeforeBuild { now, built_at: self.built_at });
        }
        let told = self.told?;
        let limit = told.max(self.built_at).saturating_add(MAX_AHEAD);
        (now > limit).then_some(ClockFault::Ahead { now, told })
    }

    /// Returns the greatest own version known, or 0 if there is none.
    #[must_use]
    pub const fn highest(&self) -> u64 {
        self.highest
    }

    /// The greatest version that is plausible at `now`.
    fn limit(&self, now: u64) -> u64 {
        now.max(self.built_at).saturating_add(MAX_AHEAD)
    }
}

/// A fault of a node's wall clock. Times are nanoseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClockFault {
    /// The wall clock is more than [`MAX_AHEAD`] above every clock that a peer reported, and above the
    /// build date.
    Ahead {
        /// The wall clock.
        now: u64,
        /// The greatest clock that a peer reported.
        told: u64,
    },
    /// The wall clock is before the build date.
    BeforeBuild {
        /// The wall clock.
        now: u64,
        /// The build date.
        built_at: u64,
    },
}

/// The error for a version that lies more than [`MAX_AHEAD`] above the wall clock and the build
/// date. The clock that refused it is unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Implausible {
    /// The refused version.
    pub version: u64,
    /// The greatest version that was plausible.
    pub limit: u64,
}

impl fmt::Display for Implausible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self { version, limit }, years) = (self, MAX_AHEAD / YEAR);
        write!(
            f,
            "version {version} is above {limit}, {years} years after the later of the wall clock and the build date; \
             it was not observed; check the wall clocks of this node and of the writer"
        )
    }
}

impl Error for Implausible {}
