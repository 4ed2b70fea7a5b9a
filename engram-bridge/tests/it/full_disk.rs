//! A cluster in virtual time, with the production scheduler and store: the disk of one node is full
//! for an hour.

use std::sync::Arc;
use std::time::Duration;

use engram_bridge::ConsolidationCacheSource::Scheduler;
use engram_bridge::durable::{MemoryStateStore, StorageError};
use engram_bridge::spaces::StateEvent;
use engram_bridge::sync::SpaceView;
use engram_bridge::{Space, Store};
use engram_gossip_proto::sim::{Host, Latency, Link, World, WorldConfig};
use engram_gossip_proto::{Parameters, SpaceId, Summary};

use crate::common::*;

const SECOND: Duration = Duration::from_secs(1);

/// The number of patterns in each of two batches that the first node writes: one before the disk of
/// the last node is full, and one while it is full.
const PATTERNS: u64 = 42;

struct Node(Arc<Store>);

impl Node {
    fn space(&self) -> Arc<Space> {
        only_space(&self.0)
    }
}

impl Host for Node {
    type View = SpaceView;

    fn parameters(&self) -> Parameters {
        self.0.parameters()
    }

    fn spaces(&self) -> Vec<SpaceId> {
        vec![space()]
    }

    fn pin(&self, _: &SpaceId) -> SpaceView {
        SpaceView::pin(&self.space())
    }

    fn summary(&self, _: &SpaceId) -> Summary {
        self.space().summary()
    }
}

fn submit(world: &mut World<Node>, node: usize, prefix: &str) {
    let patterns = (0..PATTERNS).map(|n| pattern(&format!("{prefix}-{n}"), node as u8)).collect();
    world.host_mut(node).space().submit(&snapshot(patterns), Scheduler).unwrap();
    world.touch(node);
}

fn run_for(world: &mut World<Node>, time: Duration) {
    let until = world.now() + time;
    world.run_until(until);
}

/// Runs the world, and tries the disk of the last node again every ten seconds, as a running node
/// does.
fn run_with_retries(world: &mut World<Node>, rounds: u32) {
    for _ in 0..rounds {
        run_for(world, SECOND * 10);
        world.host(2).0.retry_storage();
    }
}

/// The failure causes one event, each peer sends each record at most once meanwhile, and the node
/// recovers by itself.
#[test]
fn an_hour_of_a_full_disk_is_one_event() {
    let kept = MemoryStateStore::new();
    let stores = [store(1, 4), store(2, 4), open(3, kept.clone()).unwrap()].map(Arc::new);
    let mut events = stores[2].events();
    let latency = Latency { least: Duration::from_millis(1), spread: Duration::ZERO };
    let link = Link { latency, loss: 0.0, duplication: 0.0 };
    let mut world = World::new(WorldConfig::fair(1, link), stores.map(Node).into());
    submit(&mut world, 0, "before");
    run_for(&mut world, SECOND * 10);
    assert_eq!(world.host(2).space().visible_len(), PATTERNS);

    let reason = "os error 28".to_owned();
    kept.fail(Some(StorageError::Full { place: "state.redb".to_owned(), reason }));
    let before = world.tally().clone();
    submit(&mut world, 0, "during");
    run_with_retries(&mut world, 360);
    let tally = world.tally().clone();
    let (sessions, refused) = (tally.sessions - before.sessions, tally.rejected - before.rejected);
    let bytes = tally.record_bytes - before.record_bytes;
    println!("{sessions} sessions, {refused} records refused, {bytes} bytes of records");
    assert_eq!(world.host(1).space().visible_len(), 2 * PATTERNS, "the other nodes keep running");
    assert_eq!(
        world.host(2).space().visible_len(),
        PATTERNS,
        "the node serves the patterns that it has"
    );
    let mut failures = 0;
    while let Ok(event) = events.try_recv() {
        failures += usize::from(matches!(event, StateEvent::Storage { failure: Some(_) }));
    }
    assert_eq!(failures, 1, "one event for the failure");

    kept.fail(None);
    run_with_retries(&mut world, 7);
    assert_eq!(world.host(2).space().visible_len(), 2 * PATTERNS, "the node recovers within 70 s");
    // When the first write fails, a session with each of the two peers may be running, and each may
    // send every record once.
    assert!(refused <= 2 * PATTERNS, "{refused} refusals of {PATTERNS} records");
    // After these refusals, sessions carry only roots and summaries, so hundreds in an hour are acceptable.
    assert!(sessions <= 700, "{sessions} sessions in an hour");
}
