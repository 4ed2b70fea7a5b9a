//! Everything at once: a random cluster under random faults, then peace and a hard deadline.

use std::time::Duration;

use engram_gossip_proto::sim::{
    Adverts, Climate, Cut, Direction, Host, Latency, Link, Random, Schedule, Timer, Transport,
    World,
};
use engram_gossip_proto::{Compression, SessionConfig, SpaceId};

use crate::history::{History, Place};
use crate::mutant::Mutant;
use crate::replica::{Replica, pattern};
use crate::run::{Run, Setting, Tracing, until_agreed};

const SECOND: Duration = Duration::from_secs(1);
/// How long the nodes may take to agree once all is well again.
const DEADLINE: Duration = Duration::from_secs(10 * 60);
/// How many pattern ids a space has: few, so that nodes write the same ones.
const IDS: usize = 12;

/// A cluster under attack.
struct Trial {
    world: World<Replica>,
    history: History,
    random: Random,
    mutant: Option<Mutant>,
    versions: u32,
}

/// How a node writes.
#[derive(Clone, Copy, Debug)]
enum Verb {
    Submit,
    Withdraw,
    Forget,
    Resolve,
}

/// One seed: what it does to whom is all drawn from it.
pub(crate) fn seed(setting: Setting) -> Run {
    let mut trial = Trial::new(setting);
    let steps = 30 + trial.random.below(50);
    for _ in 0..steps {
        trial.step();
        let pause = trial.random.duration(4 * SECOND);
        let now = trial.world.now();
        trial.world.run_until(now + pause);
    }
    trial.heal();
    let mut run = until_agreed(&mut trial.world, DEADLINE, DEADLINE);
    run.seed = setting.seed;
    if run.agreed.is_some() {
        let findings = trial.history.check(&trial.world);
        run.lost = findings.lost;
        run.faults = findings.faults;
        run.faults.extend(trial.quiet());
        trial.history.sabotage();
        if trial.history.check(&trial.world).lost == run.lost {
            run.faults.push("the checker does not miss a write that was never made".into());
        }
    }
    run.trace = trial.world.trace().to_owned();
    run
}

impl Trial {
    fn new(setting: Setting) -> Self {
        let mut random = Random::new(setting.seed ^ 0x6661_756c_7473);
        let nodes = 3 + random.below(5);
        let spaces: Vec<_> = (0..1 + random.below(3))
            .map(|n| SpaceId::new(format!("space-{n}")).expect("a valid name"))
            .collect();
        let mut climate = Climate {
            session: session(&mut random),
            ..Climate::fair(setting.seed, link(&mut random), schedule(&mut random))
        };
        climate.transport = transport(&mut random);
        if let Some(mutant) = setting.mutant {
            mutant.spoil(&mut climate);
        }
        let host = |node| {
            let mut hosted: Vec<_> =
                spaces.iter().filter(|_| random.chance(0.8)).cloned().collect();
            if hosted.is_empty() {
                hosted.push(spaces[0].clone());
            }
            Replica::new(node, &hosted, random.fork(), setting.mutant)
        };
        let hosts = (0..nodes).map(host).collect();
        let mut world = World::new(climate, hosts);
        if let Some(tamper) = setting.mutant.and_then(Mutant::tamper) {
            world.set_tamper(tamper);
        }
        if setting.trace == Tracing::On {
            world.record_trace();
        }
        for node in 0..nodes {
            world.set_skew(node, random.duration(Duration::from_secs(2 * 86_400)));
        }
        let history = History::default();
        Self { world, history, random, mutant: setting.mutant, versions: 0 }
    }

    fn step(&mut self) {
        let now = self.world.now();
        let nodes = self.world.len();
        let node = self.random.below(nodes);
        match self.random.below(100) {
            0..60 => self.write(node),
            60..66 => {
                let cut = self.cut();
                self.world.note(format_args!("cut {cut:?}"));
                self.world.network().cut(now, cut);
            }
            66..71 => {
                let peer = self.random.below(nodes);
                let until = now + self.random.duration(5 * SECOND);
                self.world.network().clog(node, peer, until);
            }
            71..78 => self.world.network().heal(),
            78..86 => self.world.crash(node),
            86..96 => self.restart(node),
            _ => {
                let (link, transport) = (link(&mut self.random), transport(&mut self.random));
                self.world.set_weather(link, transport, 0.0);
            }
        }
    }

    /// A node that is down comes back, mostly with its disk.
    fn restart(&mut self, node: usize) {
        if self.world.is_up(node) {
            return;
        }
        let host = if self.random.chance(0.3) {
            self.world.note(format_args!("n{node} has lost its disk"));
            self.history.disk_lost(node, &self.world);
            let spaces = self.world.host(node).spaces();
            Replica::new(node, &spaces, self.random.fork(), self.mutant)
        } else {
            self.world.host(node).clone()
        };
        self.world.restart(node, host);
    }

    fn write(&mut self, node: usize) {
        if !self.world.is_up(node) {
            return;
        }
        let replica = self.world.host(node).clone();
        let spaces = replica.spaces();
        let id = self.random.below(IDS);
        let place: Place =
            (spaces[self.random.below(spaces.len())].clone(), format!("pattern_{id}"));
        // Engines that saw the same episodes make the same content, bit for bit.
        let version = if self.random.chance(0.4) {
            id as u32
        } else {
            self.versions += 1;
            1_000 + self.versions
        };
        let pattern = pattern(&place.1, version);
        let verb = match self.random.below(20) {
            0 => Verb::Withdraw,
            1 => Verb::Forget,
            2 => Verb::Resolve,
            _ => Verb::Submit,
        };
        let (space, id) = &place;
        self.world.note(format_args!("n{node} writes {space}/{id} version {version} ({verb:?})"));
        match verb {
            Verb::Submit => self.history.submit(node, &replica, &place, &pattern),
            Verb::Withdraw => self.history.withdraw(node, &replica, &place),
            Verb::Forget => self.history.forget(node, &replica, &place),
            Verb::Resolve => self.history.resolve(node, &replica, &place, &pattern),
        }
        self.world.touch(node);
    }

    fn cut(&mut self) -> Cut {
        let nodes = self.world.len();
        let side: Vec<bool> = (0..nodes).map(|_| self.random.chance(0.5)).collect();
        let of = |side_of| (0..nodes).filter(|node| side[*node] == side_of).collect();
        let flapping = self.random.chance(0.3).then(|| SECOND + self.random.duration(9 * SECOND));
        let direction = match self.random.chance(0.4) {
            true => Direction::OneWay,
            false => Direction::BothWays,
        };
        Cut { from: of(true), to: of(false), direction, flapping }
    }

    /// The network is fine and everybody runs; from now on the clock is ticking.
    fn heal(&mut self) {
        self.world.network().heal();
        self.world.set_weather(Link::perfect(Latency::LAN), Transport::STREAM, 0.0);
        self.world.note(format_args!("everything heals"));
        (0..self.world.len()).for_each(|node| self.restart(node));
    }

    /// Every engine submits again what it has: nothing is new, so nothing may happen.
    fn quiet(&mut self) -> Vec<String> {
        let mut faults = Vec::new();
        for node in 0..self.world.len() {
            let replica = self.world.host(node).clone();
            let roots = |replica: &Replica| {
                let spaces = replica.spaces();
                spaces.iter().map(|space| replica.summary(space).root).collect::<Vec<_>>()
            };
            let before = roots(&replica);
            for ((space, _), pattern) in self.history.engine(node) {
                replica.submit(&space, &pattern);
            }
            if roots(&replica) != before {
                faults.push(format!("n{node} wrote though its engine had nothing new"));
            }
        }
        faults
    }
}

fn link(random: &mut Random) -> Link {
    let latency = match random.below(3) {
        0 => Latency::LAN,
        1 => Latency::WAN,
        _ => Latency { least: random.duration(SECOND / 10), spread: random.duration(SECOND) },
    };
    Link { latency, loss: 0.3 * random.fraction(), duplication: 0.5 * random.fraction() }
}

fn transport(random: &mut Random) -> Transport {
    if random.chance(0.3) { Transport::Frames } else { Transport::STREAM }
}

fn schedule(random: &mut Random) -> Schedule {
    let mut schedule = Schedule::product();
    let interval = 5 * SECOND + random.duration(55 * SECOND);
    schedule.timer = schedule.timer.map(|timer| Timer { interval, ..timer });
    if random.chance(0.3) {
        schedule.adverts = random.chance(0.5).then_some(Adverts::PINGS);
    }
    schedule
}

fn session(random: &mut Random) -> SessionConfig {
    let mut session = SessionConfig {
        max_patterns_per_sync: 1 + random.below(100) as u32,
        ..SessionConfig::default()
    };
    if random.chance(0.3) {
        session.send_budget = random.below(4_096) as u64;
    }
    if random.chance(0.3) {
        session.compression = Compression::Off;
    }
    session
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_is_the_same_run() {
        let trace = |seed| super::seed(Setting { seed, trace: Tracing::On, mutant: None }).trace;
        assert!(trace(3).lines().count() > 100);
        assert_eq!(trace(3), trace(3));
        assert_ne!(trace(3), trace(4));
    }

    #[test]
    fn nothing_is_lost() {
        for seed in 0..40 {
            let run = super::seed(Setting { seed, trace: Tracing::Off, mutant: None });
            assert!(run.passed(), "seed {seed}: {} lost, {:?}", run.lost, run.faults);
        }
    }
}
