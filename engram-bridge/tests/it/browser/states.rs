//! The status page in six states that need an operator's attention.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use engram_bridge::durable::{MemoryStateStore, StorageError};
use engram_bridge::http::Server;
use engram_bridge::telemetry::Telemetry;
use engram_bridge::{Environment, Store, StoreConfig, Timestamp};
use engram_gossip_net::{ClusterCa, Gossip, Identity, Roster, Validity};
use engram_gossip_proto::SpaceId;

use super::driver::Browser;
use super::{picture, serve, start, text};
use crate::common::cluster::*;
use crate::common::*;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium; see browser/mod.rs"]
async fn page_names_fault_and_next_step_in_six_states() {
    let profile = tempfile::tempdir().unwrap();
    let Some(browser) = start(profile.path()).await else { return };
    full_disk(&browser).await;
    expired_certificate(&browser).await;
    lagging_peer(&browser).await;
    evicted_node(&browser).await;
    two_hundred_spaces(&browser).await;
    a_thousand_conflicts(&browser).await;
    browser.close().await;
}

/// Serves the page of a node without peers, whose store is `store`, and opens the page.
async fn page(browser: &Browser, store: &Arc<Store>) -> Server {
    let validity = Validity::days_from(SystemTime::now(), 3_650);
    let ca = ClusterCa::generate("test", validity).unwrap();
    let node = ca.issue_node("node-a", validity).unwrap();
    let identity = Identity::from_pem(ca.certificate_pem(), &node.certificate_pem, &node.key_pem);
    let (parameters, replicas) = (store.parameters(), Arc::clone(store));
    let gossip =
        Gossip::bind(quiet(), identity.unwrap(), Roster::default(), parameters, replicas).unwrap();
    let telemetry = Telemetry::new("node-a", Arc::clone(store), gossip);
    let server = Server::start(([127, 0, 0, 1], 0).into(), &telemetry).await.unwrap();
    open(browser, &server).await;
    server
}

async fn open(browser: &Browser, server: &Server) {
    browser.resize(1280, 1000, 1.0).await;
    browser.open(&format!("http://{}/", server.local_addr())).await;
}

/// The XPath of a fault of this severity, with this cause and this next step, at the top of the
/// page.
fn fault(severity: &str, cause: &str, next: &str) -> String {
    format!(
        "//*[@id='faults'][not(preceding-sibling::*)]/div[contains(@class,'{severity}')]\
         [contains(strong,\"{cause}\")][contains(p,\"{next}\")]"
    )
}

/// Checks that the page fits the width of a phone, and saves a screenshot.
async fn phone(browser: &Browser, name: &str) {
    browser.resize(390, 844, 2.0).await;
    let width = browser.run("return document.documentElement.scrollWidth").await;
    assert_eq!(width, 390, "{name} is wider than the phone");
    picture(browser, &format!("{name}-phone")).await;
}

async fn full_disk(browser: &Browser) {
    let (config, environment) = parts(1, 4);
    let kept = Arc::new(MemoryStateStore::new());
    let store = Arc::new(Store::open(config, environment, kept.clone()).unwrap());
    let _server = page(browser, &store).await;
    browser.wait_for(&text("readiness", "ready")).await;
    let reason = "No space left on device (os error 28)".to_owned();
    kept.fail(Some(StorageError::Full { place: "state.redb".to_owned(), reason }));
    assert!(only_space(&store).submit_pattern(&pattern("p", 1)).is_err());
    browser.wait_for(&fault("critical", "os error 28", "make room on the disk")).await;
    browser.wait_for(&text("readiness", "not ready")).await;
    browser.wait_for(&text("disk", "failing")).await;
    picture(browser, "full-disk").await;
    phone(browser, "full-disk").await;
}

async fn expired_certificate(browser: &Browser) {
    let (config, _) = parts(1, 4);
    let years = Duration::from_secs(11 * 365 * 86_400);
    let later = move || {
        let now = Timestamp::now().as_nanoseconds();
        Timestamp::from_nanoseconds(now + i64::try_from(years.as_nanos()).unwrap())
    };
    let store = Arc::new(Store::new(config, Environment::new(later, || 0)));
    let _server = page(browser, &store).await;
    browser.wait_for(&fault("critical", "certificate of this node expired", "certs rotate")).await;
    browser.wait_for(&text("certificate", "expired")).await;
    browser.wait_for(&text("certificate-says", "certificate")).await;
    picture(browser, "expired-certificate").await;
    phone(browser, "expired-certificate").await;
}

async fn lagging_peer(browser: &Browser) {
    // A node with 45 or more live records refuses peers' records of new ids, but accepts its own.
    let few = |config: &mut StoreConfig| config.caps.live_records = 45;
    let mut cluster = Cluster::start_with(&["node-a", "node-b"], &lively(), few);
    let servers = serve(&cluster).await;
    super::submit(&cluster.nodes[0], &snapshots("node-a").pop().unwrap());
    cluster.until(agree).await;
    open(browser, &servers[0]).await;
    browser.wait_for(&text("in-step", "1 of 1")).await;
    super::submit(&cluster.nodes[0], &super::news(&snapshots("node-b").pop().unwrap()));
    browser
        .wait_for(
            "//button[contains(@class,'peer')][contains(.,'behind') or contains(.,'stalled')]\
             [contains(.,'changed here')]",
        )
        .await;
    browser.wait_for(&text("in-step", "0 of 1")).await;
    picture(browser, "lagging-peer").await;
    phone(browser, "lagging-peer").await;
    // The page of the peer shows the cause.
    open(browser, &servers[1]).await;
    browser.wait_for(&fault("critical", "store.max_live_records is reached", "raise store")).await;
    picture(browser, "lagging-peer-itself").await;
}

async fn evicted_node(browser: &Browser) {
    let mut cluster = Cluster::start(&["node-a", "node-b"], &lively());
    let servers = serve(&cluster).await;
    let found = snapshots("node-a").pop().unwrap();
    super::submit(&cluster.nodes[0], &found);
    super::submit(&cluster.nodes[1], &super::contradictions(&found));
    cluster.until(agree).await;
    cluster.nodes[0].gossip.set_roster(Roster::default());
    // The remaining node names the evicted writer.
    open(browser, &servers[0]).await;
    browser.wait_for("//*[@id='conflict-list']//summary[contains(.,'evicted ')]").await;
    picture(browser, "evicted-writer").await;
    // The evicted node learns that peers refuse it.
    open(browser, &servers[1]).await;
    browser.wait_for(&fault("warning", "Peer node-a: the peer refused us", "add it there")).await;
    browser.wait_for("//*[@id='faults']//strong[contains(.,'roster')]").await;
    picture(browser, "evicted-node").await;
    phone(browser, "evicted-node").await;
}

async fn two_hundred_spaces(browser: &Browser) {
    let names: Vec<_> = (0..200).map(|n| SpaceId::new(format!("space-{n:03}")).unwrap()).collect();
    let [ours, theirs] = [1, 2].map(|node| {
        let (config, environment) = parts(node, 4);
        let mut config = config;
        config.spaces.clone_from(&names);
        Arc::new(Store::new(config, environment))
    });
    for (at, name) in names.iter().enumerate() {
        let space = ours.space(name).unwrap();
        space.submit_pattern(&pattern("p", u8::try_from(at % 100).unwrap())).unwrap();
    }
    let troubled = &names[137];
    theirs.space(troubled).unwrap().submit_pattern(&pattern("p", 200)).unwrap();
    deliver(everything(&theirs.space(troubled).unwrap()), &ours.space(troubled).unwrap());
    let _server = page(browser, &ours).await;
    browser.wait_for(&text("visible", "200")).await;
    browser.wait_for(&text("conflicted", "1")).await;
    browser.wait_for("//*[@id='space-list']/li[1][contains(.,'space-137')]").await;
    // The page selects the space that needs attention.
    browser
        .wait_for("//*[@id='space-list']//button[@aria-pressed='true'][contains(.,'space-137')]")
        .await;
    browser.wait_for("//*[@id='conflict-list']//summary[contains(.,'p')]").await;
    picture(browser, "two-hundred-spaces").await;
    browser.press(&["a", super::ENTER]).await;
    browser.wait_for("//*[@id='conflict-list']//summary[contains(.,'p')]").await;
    phone(browser, "two-hundred-spaces").await;
}

async fn a_thousand_conflicts(browser: &Browser) {
    let [ours, theirs] = [1, 2].map(|node| {
        let (config, environment) = parts(node, 4);
        Arc::new(Store::new(config, environment))
    });
    let spaces = [&ours, &theirs].map(|store| only_space(store));
    for (space, content) in spaces.iter().zip([1, 2]) {
        let patterns = (0..1_000).map(|n| pattern(&format!("pattern-{n:04}"), content));
        space
            .submit(
                &snapshot(patterns.collect()),
                engram_bridge::ConsolidationCacheSource::Scheduler,
            )
            .unwrap();
    }
    deliver(everything(&spaces[1]), &spaces[0]);
    let _server = page(browser, &ours).await;
    browser.wait_for(&text("conflicted", "1,000")).await;
    let listed = "return document.querySelectorAll('#conflict-list > details').length";
    browser.wait_for("//*[@id='conflict-list']/details[20]").await;
    assert_eq!(browser.run(listed).await, 20);
    picture(browser, "thousand-conflicts").await;
    browser.run("document.getElementById('more').click()").await;
    browser.wait_for("//*[@id='conflict-list']/details[40]").await;
    phone(browser, "thousand-conflicts").await;
}
