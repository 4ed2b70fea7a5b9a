//! Links between nodes, and their faults.

use core::time::Duration;
use std::collections::BTreeMap;

use super::Random;

/// The latency of a packet: at least `least`, at most `least + spread`, mostly near `least`.
///
/// Packets can overtake each other within the spread.
#[derive(Clone, Copy, Debug)]
pub struct Latency {
    /// Minimum latency.
    pub least: Duration,
    /// Maximum latency above `least`. The mean latency is `least` plus a quarter of this.
    pub spread: Duration,
}

impl Latency {
    /// A local network: 0.5 to 1 ms, mostly near 0.5 ms.
    pub const LAN: Self =
        Self { least: Duration::from_micros(500), spread: Duration::from_micros(500) };
    /// Between continents: 40 to 60 ms, mostly near 40 ms.
    pub const WAN: Self =
        Self { least: Duration::from_millis(40), spread: Duration::from_millis(20) };

    fn sample(&self, random: &mut Random) -> Duration {
        // A cube needs only multiplication, so it gives the same bits on every machine.
        let fraction = random.fraction();
        self.least + self.spread.mul_f64(fraction * fraction * fraction)
    }
}

/// The behaviour of a link.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    /// The latency of a packet.
    pub latency: Latency,
    /// The probability that a packet is lost.
    pub loss: f64,
    /// The probability that a datagram is duplicated. Each copy can be lost.
    pub duplication: f64,
}

impl Link {
    /// Creates a link that only delays packets.
    pub const fn perfect(latency: Latency) -> Self {
        Self { latency, loss: 0.0, duplication: 0.0 }
    }
}

/// A set of directed links that carry nothing while the cut lasts.
#[derive(Clone, Debug)]
pub struct Cut {
    /// The senders, ascending.
    pub from: Vec<usize>,
    /// The receivers, ascending.
    pub to: Vec<usize>,
    /// Whether the opposite direction is also cut.
    pub direction: Direction,
    /// If set, the cut alternates: it lasts for this time, then pauses for as long.
    pub flapping: Option<Duration>,
}

/// The directions of a [`Cut`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Only packets from `from` to `to`.
    OneWay,
    /// Both ways.
    BothWays,
}

impl Cut {
    fn blocks(&self, from: usize, to: usize, age: Duration) -> bool {
        let on = |half: Duration| (age.as_nanos() / half.as_nanos().max(1)).is_multiple_of(2);
        let joins = |a, b| self.from.binary_search(&a).is_ok() && self.to.binary_search(&b).is_ok();
        self.flapping.is_none_or(on)
            && (joins(from, to) || self.direction == Direction::BothWays && joins(to, from))
    }
}

/// The network: decides the delivery of each packet between two nodes.
#[derive(Debug)]
pub struct Network {
    link: Link,
    cuts: Vec<(Duration, Cut)>,
    /// Links that hold all packets back, each with the time of its release.
    clogs: BTreeMap<(usize, usize), Duration>,
    random: Random,
}

impl Network {
    pub(super) fn new(link: Link, random: Random) -> Self {
        Self { link, cuts: Vec::new(), clogs: BTreeMap::new(), random }
    }

    /// Sets the behaviour of every link from now on.
    pub fn set_link(&mut self, link: Link) {
        self.link = link;
    }

    /// The behaviour of every link.
    pub fn link(&self) -> &Link {
        &self.link
    }

    /// Cuts links, from `now` until [`heal`](Self::heal).
    pub(super) fn cut(&mut self, now: Duration, cut: Cut) {
        self.cuts.push((now, cut));
    }

    /// Holds all packets from `from` to `to` back until this time.
    pub fn clog(&mut self, from: usize, to: usize, until: Duration) {
        self.clogs.insert((from, to), until);
    }

    /// Removes all cuts and clogs. Packets that a clog already holds back arrive at their planned
    /// time.
    pub(super) fn heal(&mut self) {
        self.cuts.clear();
        self.clogs.clear();
    }

    /// Whether a cut that does not flap and began at `since` or earlier separates two nodes, in at
    /// least one direction.
    pub(super) fn is_cut(&self, a: usize, b: usize, since: Duration, now: Duration) -> bool {
        let lasts = |(begun, cut): &&(Duration, Cut)| *begun <= since && cut.flapping.is_none();
        let mut lasting = self.cuts.iter().filter(lasts);
        lasting.any(|(begun, cut)| {
            let age = now.saturating_sub(*begun);
            cut.blocks(a, b, age) || cut.blocks(b, a, age)
        })
    }

    /// Draws the latency of a packet; `None` if it is lost.
    pub(super) fn packet(&mut self, from: usize, to: usize, now: Duration) -> Option<Duration> {
        let cut = |(since, cut): &(Duration, Cut)| cut.blocks(from, to, now.saturating_sub(*since));
        if self.cuts.iter().any(cut) || self.random.chance(self.link.loss) {
            return None;
        }
        let held = self.clogs.get(&(from, to)).map_or(Duration::ZERO, |t| t.saturating_sub(now));
        Some(held + self.link.latency.sample(&mut self.random))
    }

    /// Draws the latency of each copy of a datagram that arrives: none, one or two.
    pub(super) fn datagram(&mut self, from: usize, to: usize, now: Duration) -> Vec<Duration> {
        let copies = 1 + usize::from(self.random.chance(self.link.duplication));
        (0..copies).filter_map(|_| self.packet(from, to, now)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn network(loss: f64, duplication: f64) -> Network {
        Network::new(Link { latency: Latency::WAN, loss, duplication }, Random::new(1))
    }

    #[test]
    fn loss_duplication_and_latency_are_as_set() {
        let mut network = network(0.3, 0.5);
        let copies: Vec<_> = (0..10_000).flat_map(|_| network.datagram(0, 1, SECOND)).collect();
        assert!((10_200..10_800).contains(&copies.len()), "{}", copies.len());
        let latency = Latency::WAN;
        assert!(copies.iter().all(|t| (latency.least..latency.least + latency.spread).contains(t)));
    }

    #[test]
    fn one_way_cut_leaves_the_other_direction() {
        let mut network = network(0.0, 0.0);
        let direction = Direction::OneWay;
        network.cut(SECOND, Cut { from: vec![0], to: vec![1, 2], direction, flapping: None });
        assert!(network.packet(0, 2, SECOND).is_none() && network.packet(2, 0, SECOND).is_some());
        assert!(network.packet(1, 2, SECOND).is_some());
        network.heal();
        assert!(network.packet(0, 2, SECOND).is_some());
    }

    #[test]
    fn a_flapping_cut_comes_and_goes() {
        let mut network = network(0.0, 0.0);
        let (direction, flapping) = (Direction::BothWays, Some(SECOND));
        network.cut(SECOND, Cut { from: vec![0], to: vec![1], direction, flapping });
        let through = |n: u32, network: &mut Network| network.packet(1, 0, SECOND * n).is_some();
        assert_eq!([1, 2, 3, 4].map(|n| through(n, &mut network)), [false, true, false, true]);
    }

    #[test]
    fn a_clog_holds_back_but_loses_nothing() {
        let mut network = network(0.0, 0.0);
        network.clog(0, 1, SECOND * 5);
        assert!(network.packet(0, 1, SECOND).is_some_and(|t| t > SECOND * 4));
        assert!(network.packet(1, 0, SECOND).is_some_and(|t| t < SECOND));
        assert!(network.packet(0, 1, SECOND * 6).is_some_and(|t| t < SECOND));
    }
}
