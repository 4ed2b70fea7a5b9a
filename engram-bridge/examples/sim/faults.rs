//! Faults of all kinds at once: summaries changed in transit, cut sessions, refusals, full disks,
//! crashes and partitions.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use engram_bridge::durable::{MemoryStateStore, StorageError};
use engram_bridge::replica::Caps;
use engram_gossip_proto::sim::{Cut, Direction, Link, Random, Sabotage, Tally, World, WorldConfig};

use crate::replica::{Dot, Replica, default_space, node_id, pattern};
use crate::run::{Run, Setting, Tracing};
use crate::scenario::{Conditions, LAN};
use crate::spread;

/// Number of steps with faults before everything heals.
const STEPS: usize = 60;
/// Maximum duration of a step.
const STEP: Duration = Duration::from_secs(1);
/// The probability that an attempt is made to change a version summary in transit.
const CHANGED: f64 = 0.5;
/// The probability that a frame is cut short, which ends its session.
const CUT: f64 = 0.01;
const NETWORK: Conditions = Conditions { loss: 0.02, ..LAN };
/// Every fifth node refuses records beyond this number until everything heals.
const LOW_CAP: u64 = 200;
/// Maximum number of nodes that are down at the same time.
const DOWN: usize = 3;
/// Number of new patterns in one burst: more than a session sends without offering them first.
const BURST: usize = 200;
/// Number of patterns that all nodes overwrite repeatedly.
const CONTESTED: usize = 60;

/// A cluster, its disks, and its writes.
struct Trial {
    world: World<Replica>,
    disks: Vec<MemoryStateStore>,
    full: BTreeSet<usize>,
    random: Random,
    /// For each pattern, the written dots that their node did not supersede and that no node
    /// deleted after receiving them.
    owed: BTreeMap<String, BTreeSet<Dot>>,
    versions: u32,
    /// Number of summaries changed, and of frames cut short.
    tampered: [Rc<Cell<u64>>; 2],
}

/// Runs a cluster under faults, then heals it. [`Run::agreed`] is the time from healing until all
/// nodes agree; the costs are those of the whole run.
pub(crate) fn faults(nodes: usize, setting: Setting) -> Run {
    let mut trial = Trial::new(nodes, setting);
    (0..STEPS).for_each(|_| trial.step());
    trial.heal();
    let mut run = spread::finish(&mut trial.world, setting, 0);
    run.charge(&trial.world, &Tally::default());
    run.lost = (0..nodes).map(|node| trial.lost_at(node)).max().unwrap_or_default();
    let tally = trial.world.tally();
    let cut = tally.endings.get("cut").copied().unwrap_or_default();
    let [changed, cut_short] = trial.tampered.each_ref().map(|count| count.get());
    run.met = vec![
        ("summaries changed", changed),
        ("frames cut short", cut_short),
        ("sessions cut, counted at each end", cut),
        ("records refused", tally.rejected),
        ("records and ranges left to another session", tally.left_to_others),
        ("sessions with a descent, counted at each end", tally.descents),
    ];
    run
}

impl Trial {
    fn new(nodes: usize, setting: Setting) -> Self {
        let mut random = Random::new(setting.seed ^ 0x6661_756c_7473);
        let disks: Vec<_> = (0..nodes).map(|_| MemoryStateStore::new()).collect();
        let hosts = disks
            .iter()
            .enumerate()
            .map(|(node, disk)| Replica::stored(node, random.fork(), disk, caps(node)));
        let link = Link { latency: NETWORK.latency, loss: NETWORK.loss, duplication: NETWORK.loss };
        let mut world = World::new(WorldConfig::fair(setting.seed, link), hosts.collect());
        if setting.trace == Tracing::On {
            world.record_trace();
        }
        let tampered = [Rc::default(), Rc::default()];
        let mut trial = Self {
            world,
            disks,
            full: BTreeSet::new(),
            random,
            owed: BTreeMap::new(),
            versions: 0,
            tampered,
        };
        trial.tamper();
        trial
    }

    /// Changes summaries and cuts frames short from now on.
    fn tamper(&mut self) {
        let mut random = self.random.fork();
        let [changed, cut] = self.tampered.clone();
        self.world.set_tamper(Box::new(move |_, _, mut frame| {
            if random.chance(CUT) {
                cut.set(cut.get() + 1);
                frame.truncate(frame.len() / 2);
            } else if random.chance(CHANGED) {
                let how = Sabotage::ALL[random.below(Sabotage::ALL.len())];
                if let Some(other) = how.change(&frame, &mut random) {
                    changed.set(changed.get() + 1);
                    return other;
                }
            }
            frame
        }));
    }

    fn step(&mut self) {
        let node = self.random.below(self.world.len());
        match self.random.below(12) {
            0 => self.crash(node),
            1 => self.restart_all(),
            2 => self.part(),
            3 => self.world.heal(),
            4 => self.burst(node),
            5 => self.fill_disk(node),
            6 => self.free_disks(),
            7 => self.delete(node),
            _ => (0..5).for_each(|_| self.write_somewhere()),
        }
        let next = self.world.now() + self.random.duration(STEP);
        self.world.run_until(next);
    }

    fn may_write(&self, node: usize) -> bool {
        self.world.is_up(node) && !self.full.contains(&node)
    }

    fn write(&mut self, node: usize, id: &str) {
        self.versions += 1;
        let replica = self.world.host(node);
        replica.submit(&default_space(), &pattern(id, self.versions));
        let own = *node_id(node).as_bytes();
        let dots = replica.dots(id);
        let owed = self.owed.entry(id.to_owned()).or_default();
        owed.retain(|(writer, ..)| *writer != own);
        owed.extend(dots.into_iter().filter(|(writer, ..)| *writer == own));
        self.world.touch(node);
    }

    fn write_somewhere(&mut self) {
        let node = self.random.below(self.world.len());
        let id = format!("pattern_{}", self.random.below(CONTESTED));
        if self.may_write(node) {
            self.write(node, &id);
        }
    }

    fn burst(&mut self, node: usize) {
        if self.may_write(node) {
            for _ in 0..BURST {
                let id = format!("pattern_{}", CONTESTED + self.versions as usize);
                self.write(node, &id);
            }
        }
    }

    fn delete(&mut self, node: usize) {
        let id = format!("pattern_{}", self.random.below(CONTESTED));
        if self.may_write(node) {
            let replica = self.world.host(node);
            let seen = replica.dots(&id);
            replica.forget(&default_space(), &id);
            self.owed.entry(id).or_default().retain(|dot| !seen.contains(dot));
            self.world.touch(node);
        }
    }

    /// Writes a burst at a node and stops the node soon afterwards, unless [`DOWN`] nodes are down.
    fn crash(&mut self, node: usize) {
        let down = (0..self.world.len()).filter(|node| !self.world.is_up(*node)).count();
        if down < DOWN {
            self.burst(node);
            let soon = self.world.now() + self.random.duration(Duration::from_millis(100));
            self.world.run_until(soon);
            self.world.crash(node);
        }
    }

    fn restart_all(&mut self) {
        for node in 0..self.world.len() {
            if !self.world.is_up(node) {
                self.restart(node, caps(node));
            }
        }
    }

    /// Starts a node from its disk. The crashed process still has the old disk open, so the node gets a copy.
    fn restart(&mut self, node: usize, caps: Caps) {
        self.disks[node] = self.disks[node].copy();
        self.full.remove(&node);
        let replica = Replica::stored(node, self.random.fork(), &self.disks[node], caps);
        self.world.restart(node, replica);
    }

    /// Cuts the cluster in two, in one or both directions, continuously or intermittently.
    fn part(&mut self) {
        let mut nodes: Vec<usize> = (0..self.world.len()).collect();
        self.random.shuffle(&mut nodes);
        let mut to = nodes.split_off(nodes.len() / 2);
        nodes.sort_unstable();
        to.sort_unstable();
        let direction = [Direction::OneWay, Direction::BothWays][self.random.below(2)];
        let flapping = self.random.chance(0.5).then(|| Duration::from_millis(300));
        self.world.cut(Cut { from: nodes, to, direction, flapping });
    }

    fn fill_disk(&mut self, node: usize) {
        let (place, reason) = ("memory".to_owned(), "simulated".to_owned());
        self.disks[node].fail(Some(StorageError::Full { place, reason }));
        self.full.insert(node);
    }

    fn free_disks(&mut self) {
        for node in core::mem::take(&mut self.full) {
            self.disks[node].fail(None);
            self.world.host(node).retry_storage();
        }
    }

    fn heal(&mut self) {
        self.world.set_tamper(Box::new(|_, _, frame| frame));
        self.world.heal();
        self.free_disks();
        for node in 0..self.world.len() {
            if !self.world.is_up(node) || caps(node) != Caps::default() {
                self.restart(node, Caps::default());
            }
        }
    }

    /// Number of owed dots that a node does not hold.
    fn lost_at(&self, node: usize) -> u64 {
        let replica = self.world.host(node);
        let lost = self.owed.iter().map(|(id, owed)| owed.difference(&replica.dots(id)).count());
        lost.sum::<usize>() as u64
    }
}

/// The caps of a node until everything heals.
fn caps(node: usize) -> Caps {
    let mut caps = Caps::default();
    if node.is_multiple_of(5) {
        caps.live_records = LOW_CAP;
    }
    caps
}
