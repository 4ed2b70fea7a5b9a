//! Previews, which are sessions over the caller's views: they report their own results and do not
//! starve other sessions.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::common::dry::{self, Seen};
use crate::common::{Cluster, Node, quiet, settled, take};
use engram_gossip_net::{MemoryNetwork, NetConfig, SyncError, limits};
use tokio::time::{Instant, sleep};

const SECOND: Duration = Duration::from_secs(1);

fn on_switch(mut config: NetConfig) -> NetConfig {
    config.network = Some(MemoryNetwork::new(5));
    config
}

async fn pair(config: &NetConfig) -> [Node; 2] {
    let [mut a, mut b] = take(Cluster::new().start(&["a", "b"], config));
    a.connected_to(b.id()).await;
    b.connected_to(a.id()).await;
    [a, b]
}

fn sorted(seen: &Seen) -> Vec<String> {
    let mut seen = seen.lock().unwrap().clone();
    seen.sort();
    seen
}

#[tokio::test(start_paused = true)]
async fn a_preview_changes_nothing_on_either_side() {
    let [a, b] = pair(&on_switch(quiet())).await;
    b.store.write("news");
    a.store.write("own");
    let (roots, seen) = ((a.store.roots(), b.store.roots()), Seen::default());
    let report = a.gossip.sync_with_view(b.id(), dry::pin(&a.store, &seen)).await.unwrap();
    assert!(!report.is_equal() && !report.changed_us());
    assert_eq!(sorted(&seen), ["news"]);
    assert_eq!((a.store.roots(), b.store.roots()), roots);
    // A later sync session still transfers the records that the preview has seen.
    assert!(a.gossip.sync_with(b.id()).await.unwrap().is_equal());
    assert_eq!(a.store.ids(), ["news", "own"]);
}

#[tokio::test(start_paused = true)]
async fn concurrent_previews_answer_separately() {
    let [a, b] = pair(&on_switch(quiet())).await;
    (0..300).for_each(|n| b.store.write(&format!("{n:03}")));
    let seen = [Seen::default(), Seen::default()];
    let previews = seen.each_ref().map(|seen| dry::pin(&a.store, seen));
    let [first, second] = previews;
    let (first, second, real) = tokio::join!(
        a.gossip.sync_with_view(b.id(), first),
        a.gossip.sync_with_view(b.id(), second),
        a.gossip.sync_with(b.id()),
    );
    assert!(real.unwrap().is_equal());
    assert_eq!(a.store.ids().len(), 300);
    // The sync session may run before or between the previews. A preview that follows it finds no
    // difference.
    for (report, seen) in [(first, &seen[0]), (second, &seen[1])] {
        let is_equal = report.unwrap().is_equal();
        assert_eq!(sorted(seen).len(), if is_equal { 0 } else { 300 });
    }
}

#[tokio::test(start_paused = true)]
async fn more_previews_than_the_limit_are_refused() {
    let [a, b] = pair(&on_switch(quiet())).await;
    let seen = Seen::default();
    let preview = || a.gossip.sync_with_view(b.id(), dry::pin(&a.store, &seen));
    let (one, two, three) = tokio::join!(preview(), preview(), preview());
    assert!(one.is_ok() && two.is_ok());
    assert_eq!(three, Err(SyncError::TooManyPreviews { cap: limits::MAX_PEER_PREVIEWS }));
    assert!(preview().await.is_ok(), "another preview may run again");
}

#[tokio::test(start_paused = true)]
async fn endless_previews_starve_no_peer() {
    let mut config = on_switch(quiet());
    config.schedule.advert_interval = SECOND;
    let [mut a, mut b] = pair(&config).await;
    let count = Arc::new(AtomicUsize::new(0));
    for (from, to) in [(&a, b.id()), (&b, a.id()), (&a, b.id()), (&b, a.id())] {
        let (gossip, store, count) = (from.gossip.clone(), from.store.clone(), count.clone());
        tokio::spawn(async move {
            let seen = Seen::default();
            loop {
                match gossip.sync_with_view(to, dry::pin(&store, &seen)).await {
                    Ok(_) => _ = count.fetch_add(1, Ordering::Relaxed),
                    Err(_) => sleep(Duration::from_millis(1)).await,
                }
            }
        });
    }
    for n in 0..10 {
        let (begun, id) = (Instant::now(), format!("news {n}"));
        let (writer, reader) = if n % 2 == 0 { (&a, &mut b) } else { (&b, &mut a) };
        writer.store.write(&id);
        writer.gossip.announce();
        reader.until(|node| node.store.ids().contains(&id)).await;
        assert!(begun.elapsed() < SECOND * 2, "{:?}", begun.elapsed());
    }
    assert!(count.load(Ordering::Relaxed) > 10, "{count:?}");
    let stalled = |node: &Node| node.gossip.peers()[0].stalled_sessions;
    assert!(stalled(&a) < limits::STALLED_AFTER && stalled(&b) < limits::STALLED_AFTER);
}

#[tokio::test]
async fn preview_of_an_unknown_peer_is_refused() {
    let [a, b] = take(Cluster::new().start(&["a", "b"], &quiet()));
    settled(&[&a, &b]).await;
    let stranger = engram_gossip_net::NodeId::from([7; 32]);
    let result = a.gossip.sync_with_view(stranger, dry::pin(&a.store, &Seen::default())).await;
    assert_eq!(result, Err(SyncError::NotInRoster(stranger)));
}
