//! How fast news reaches everybody.

use std::time::Duration;

use engram_gossip_proto::sim::{Climate, Cut, Direction, Latency, Link, Pace, Random, World};

use crate::replica::{Replica, default_space, pattern};
use crate::run::{Run, Setting, Tracing, until_agreed};
use crate::scenario::{News, Weather};

const MINUTE: Duration = Duration::from_secs(60);

/// News at some nodes, and how long it takes to all of them.
pub(crate) fn news(nodes: usize, news: News, weather: &Weather, setting: Setting) -> Run {
    let mut world = world(nodes, weather, setting);
    let (writers, patterns) = match news {
        News::One => (1, 1),
        News::Many(patterns) => (1, patterns),
        News::Some(writers) => (writers, 1),
        News::All => (nodes, 1),
    };
    let dead = weather.dead(nodes);
    let mut written = 0;
    for writer in (0..writers).map(|n| n * nodes / writers).filter(|writer| !dead.contains(writer))
    {
        for n in 0..patterns {
            let pattern = pattern(&format!("pattern_{writer}_{n}"), n);
            world.host(writer).submit(&default_space(), &pattern);
            written += 1;
        }
        world.touch(writer);
    }
    dead.into_iter().for_each(|node| world.crash(node));
    finish(world, weather, setting, written)
}

/// Two halves that each agree, and how long it takes after the network between them heals.
pub(crate) fn halves(nodes: usize, patterns: u32, weather: &Weather, setting: Setting) -> Run {
    let mut world = world(nodes, weather, setting);
    let (left, right) = ((0..nodes / 2).collect(), (nodes / 2..nodes).collect());
    let direction = Direction::BothWays;
    let now = world.now();
    world.network().cut(now, Cut { from: left, to: right, direction, flapping: None });
    for writer in [0, nodes / 2] {
        for n in 0..patterns {
            let pattern = pattern(&format!("pattern_{writer}_{n}"), n);
            world.host(writer).submit(&default_space(), &pattern);
        }
        world.touch(writer);
    }
    world.run_until(20 * MINUTE - Duration::from_millis(1));
    let apart = world.agreeing();
    world.network().heal();
    world.run_until(20 * MINUTE - Duration::from_nanos(1));
    world.reset_peaks();
    let mut run = finish(world, weather, setting, 2 * u64::from(patterns));
    if apart != nodes / 2 {
        run.faults.push(format!("the halves did not agree before they were joined: {apart}"));
    }
    run
}

/// News at one node, which all others call at the same moment.
pub(crate) fn rush(nodes: usize, patterns: u32, weather: &Weather, setting: Setting) -> Run {
    let mut world = world(nodes, weather, setting);
    for n in 0..patterns {
        world.host(0).submit(&default_space(), &pattern(&format!("pattern_{n}"), n));
    }
    world.touch(0);
    (1..nodes).for_each(|caller| world.open(caller, 0));
    finish(world, weather, setting, u64::from(patterns))
}

/// A cluster of empty nodes under this weather.
pub(crate) fn world(nodes: usize, weather: &Weather, setting: Setting) -> World<Replica> {
    let mut random = Random::new(setting.seed ^ 0x6e6f_6465_7321);
    let space = [default_space()];
    let replica = |node| Replica::new(node, &space, random.fork(), setting.mutant);
    let hosts = (0..nodes).map(replica).collect();
    let latency = match weather.schedule.timer {
        // News makes one hop a round only if no session is ahead of another.
        Some(timer) if timer.pace == Pace::Together => {
            Latency { spread: Duration::ZERO, ..Latency::LAN }
        }
        _ => weather.latency,
    };
    let link = Link { latency, loss: weather.loss, duplication: 0.0 };
    let mut climate = Climate {
        lost_sessions: weather.loss,
        ..Climate::fair(setting.seed, link, weather.schedule)
    };
    if let Some(mutant) = setting.mutant {
        mutant.spoil(&mut climate);
    }
    let mut world = World::new(climate, hosts);
    if let Some(tamper) = setting.mutant.and_then(crate::mutant::Mutant::tamper) {
        world.set_tamper(tamper);
    }
    if setting.trace == Tracing::On {
        world.record_trace();
    }
    world
}

fn finish(mut world: World<Replica>, weather: &Weather, setting: Setting, written: u64) -> Run {
    let begin = world.now();
    let timer = weather.schedule.timer.filter(|timer| timer.pace == Pace::Together);
    let sample = timer.map_or(Duration::from_millis(100), |timer| timer.interval);
    let mut run = until_agreed(&mut world, 60 * MINUTE, sample);
    run.seed = setting.seed;
    // A round begins at each multiple of the interval, the first one now.
    run.rounds = timer.zip(run.agreed).map(|(timer, agreed)| {
        let interval = timer.interval.as_nanos();
        let first = begin.as_nanos().div_ceil(interval);
        ((begin + agreed).as_nanos() / interval - first + 1) as u64
    });
    let alive = (0..world.len()).filter(|node| world.is_up(*node));
    let fewest = alive.map(|node| world.host(node).visible()).min().unwrap_or_default();
    run.lost = written.saturating_sub(fewest);
    let (outbound, inbound) = (weather.schedule.outbound, weather.schedule.inbound);
    let most = world.tally().most_at_one_node;
    if most > outbound.saturating_add(inbound) {
        run.faults
            .push(format!("{most} sessions at one node at once, {outbound}+{inbound} allowed"));
    }
    run.trace = world.trace().to_owned();
    run
}
