//! A cluster that is never quiet: how far behind is the slowest node?

use std::time::Duration;

use engram_gossip_proto::View;
use engram_gossip_proto::sim::{Host, Random, World};

use crate::replica::{Replica, default_space, pattern};
use crate::run::{Run, Setting};
use crate::scenario::Weather;
use crate::spread;

/// How long patterns are made.
const BUSY: Duration = Duration::from_secs(120);
/// How exactly lags are seen.
const SAMPLE: Duration = Duration::from_millis(50);

/// A pattern that is not everywhere yet.
struct News {
    born: Duration,
    key: [u8; 32],
    missing: Vec<usize>,
}

/// Patterns are made at random nodes, `per_minute` in the whole cluster. The run agrees after the
/// longest lag: the time from the birth of a pattern until every node holds it.
pub(crate) fn steady(nodes: usize, per_minute: u32, weather: &Weather, setting: Setting) -> Run {
    let mut world = spread::world(nodes, weather, setting);
    let mut random = Random::new(!setting.seed);
    let mut fresh: Vec<News> = Vec::new();
    let mut lags = Vec::new();
    let mut made = 0;
    while world.now() < BUSY || !fresh.is_empty() && world.now() < 10 * BUSY {
        let due = (world.now().min(BUSY).as_secs_f64() * f64::from(per_minute) / 60.0) as u32;
        while made < due {
            fresh.push(make(&mut world, made, random.below(nodes)));
            made += 1;
        }
        let next = world.now() + SAMPLE;
        world.run_until(next);
        for news in &mut fresh {
            news.missing.retain(|node| !holds(&world, *node, &news.key));
        }
        let spread = |news: &News| news.missing.is_empty();
        lags.extend(fresh.iter().filter(|news| spread(news)).map(|news| next - news.born));
        fresh.retain(|news| !spread(news));
    }
    let tally = world.tally();
    Run {
        seed: setting.seed,
        agreed: fresh.is_empty().then(|| lags.iter().max().copied().unwrap_or_default()),
        bytes_per_node: tally.bytes() / nodes as u64,
        sessions: tally.sessions,
        wasted_per_node: tally.wasted_bytes / nodes as u64,
        lost: fresh.len() as u64,
        trace: world.trace().to_owned(),
        ..Run::default()
    }
}

fn make(world: &mut World<Replica>, number: u32, node: usize) -> News {
    let (space, id) = (default_space(), format!("pattern_{number}"));
    world.host(node).submit(&space, &pattern(&id, number));
    world.touch(node);
    let key = world.host(node).pin(&space).key_of(&id);
    let missing = (0..world.len()).filter(|other| *other != node).collect();
    News { born: world.now(), key, missing }
}

fn holds(world: &World<Replica>, node: usize, key: &[u8; 32]) -> bool {
    world.host(node).pin(&default_space()).record(key).is_some()
}
