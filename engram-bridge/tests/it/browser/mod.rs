//! The status page of three real nodes in a real browser. One of the nodes is then lost. [`states`]
//! shows the page in states that need attention.
//!
//! The tests need Chromium and its driver (Debian: `chromium`, `chromium-driver`), so they are
//! ignored by default: `cargo test -p engram-bridge --features http --test it browser -- --ignored
//! --nocapture`. Without a browser, each test reports that it is skipped; with
//! `ENGRAM_BROWSER=required`, it fails instead. The screenshots remain in `target/browser`.

mod driver;
mod states;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use driver::{Browser, DOWN, ENTER, ESCAPE, RIGHT, TAB};
use engram_bridge::ConsolidationCacheSource::Scheduler;
use engram_bridge::http::Server;
use engram_bridge::replica::MAX_ID_BYTES;
use engram_bridge::telemetry::Telemetry;
use engram_bridge::{Confidence, ConsolidationSnapshot, SemanticPattern};

use crate::common::cluster::*;

const NAMES: [&str; 3] = ["node-a", "node-b", "node-c"];

/// An id that attempts to inject markup, a script and an attribute.
const HOSTILE: &str = r#"<img src=x onerror=document.title=1>"'`${1}"#;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium; see the top of the file"]
async fn page_shows_the_state_of_the_cluster() {
    let profile = tempfile::tempdir().unwrap();
    let Some(browser) = start(profile.path()).await else { return };
    says_what_is_not_there_yet(&browser).await;
    let mut cluster = Cluster::start(&NAMES, &lively());
    let servers = serve(&cluster).await;
    for (node, name) in cluster.nodes.iter().zip(NAMES) {
        submit(node, &snapshots(name).pop().unwrap());
    }
    let found = snapshots("node-a").pop().unwrap();
    submit(&cluster.nodes[0], &hostile(&found, 0.75));
    submit(&cluster.nodes[1], &hostile(&found, 0.5));
    submit(&cluster.nodes[1], &contradictions(&found));
    cluster.until(agree).await;

    let address = servers[0].local_addr();
    browser.open(&format!("http://{address}/")).await;
    browser.wait_for(&text("name", "node-a")).await;
    browser.wait_for(&text("in-step", "2 of 2")).await;
    browser.wait_for(&text("conflicted", "5")).await;
    browser.run("window.stayed = true").await;

    uses_the_keyboard(&browser).await;
    picture(&browser, "in-step").await;

    cluster.nodes[2].gossip.shutdown().await;
    submit(&cluster.nodes[0], &news(&snapshots("node-b").pop().unwrap()));
    browser
        .wait_for(
            "//button[contains(@class,'peer')][contains(.,'node-c')][contains(.,'not reached')]",
        )
        .await;
    browser.wait_for("//*[@id='map-says'][contains(.,'changed here since')]").await;
    browser.wait_for("//*[@id='in-step'][not(.='2 of 2')]").await;
    jumps_to_what_differs(&browser).await;
    picture(&browser, "one-lost").await;
    browser.prefer("dark").await;
    picture(&browser, "one-lost-dark").await;
    reads_on_a_phone(&browser).await;

    drop(servers);
    browser.wait_for("//*[@id='pulse'][contains(.,'no answer')]").await;
    assert_eq!(browser.run("return window.stayed").await, true, "the page was reloaded");
    assert_eq!(browser.title().await, "node-a · Engram consolidation");
    assert_eq!(browser.run("return document.images.length").await, 0, "data became markup");
    let complaints = browser.complaints().await;
    let expected = |complaint: &String| complaint.contains("ERR_CONNECTION_REFUSED");
    assert_eq!(complaints.into_iter().filter(|c| !expected(c)).collect::<Vec<_>>(), [""; 0]);
    browser.close().await;
}

/// Starts a browser. If none is installed, reports that and returns `None`, or fails if one is
/// required.
async fn start(profile: &Path) -> Option<Browser> {
    let browser = driver::start(profile).await;
    if browser.is_none() {
        let required = std::env::var("ENGRAM_BROWSER").is_ok_and(|value| value == "required");
        assert!(
            !required,
            "ENGRAM_BROWSER=required, but chromedriver or Chromium is not installed"
        );
        println!("skipped: chromedriver or Chromium is not installed");
    }
    browser
}

/// Checks the page of a node without a peer and without a pattern.
async fn says_what_is_not_there_yet(browser: &Browser) {
    let cluster = Cluster::start(&["hermit"], &lively());
    let servers = serve(&cluster).await;
    browser.resize(1280, 1000, 1.0).await;
    browser.prefer("light").await;
    browser.open(&format!("http://{}/", servers[0].local_addr())).await;
    browser.wait_for(&text("in-step", "alone")).await;
    browser.wait_for("//*[@id='peers-say'][contains(.,'lists no other node')]").await;
    browser.wait_for(&text("map-says", "There is no peer to compare with.")).await;
    browser.wait_for(&text("conflicts-say", "No pattern has more than one version.")).await;
    browser.wait_for("//*[@id='updates-say'][starts-with(.,'No changes since')]").await;
    picture(browser, "alone").await;
}

async fn uses_the_keyboard(browser: &Browser) {
    browser.press(&["m"]).await;
    assert_eq!(browser.focus().await, "slots");
    browser.press(&[RIGHT, RIGHT, DOWN]).await;
    browser.wait_for("//*[@id='readout'][starts-with(.,'slot 042: ')]").await;

    browser.press(&["c"]).await;
    assert!(browser.focus().await.starts_with(HOSTILE), "the first conflict is the hostile one");
    browser.press(&[ENTER]).await;
    browser.wait_for("//details[@open]//td[.='node-b']").await;
    browser.wait_for("//details[@open]//p[contains(.,'the greatest confidence, by')]").await;

    let id = browser.run("return document.querySelectorAll('summary .mono')[1].textContent").await;
    browser.press(&["e"]).await;
    let mut keys: Vec<String> = id.as_str().unwrap().chars().map(String::from).collect();
    keys.push(ENTER.to_owned());
    browser.press(&keys.iter().map(String::as_str).collect::<Vec<_>>()).await;
    browser
        .wait_for(&format!("//*[@id='explained'][contains(.,{id})]//td[contains(.,'node-a')]"))
        .await;

    browser.run("document.activeElement.blur()").await;
    browser.press(&["?"]).await;
    browser.wait_for("//dialog[@open]").await;
    browser.press(&[ESCAPE]).await;
    browser.wait_for("//dialog[not(@open)]").await;

    browser.press(&["s"]).await;
    assert!(browser.focus().await.starts_with("node-b"));
    browser.press(&[TAB]).await;
    assert!(browser.focus().await.starts_with("node-c"));
    browser.press(&[ENTER]).await;
    browser.wait_for("//button[@aria-pressed='true'][contains(.,'node-c')]").await;
    browser.press(&[ENTER]).await;
    browser.wait_for("//button[@aria-pressed='false'][contains(.,'node-c')]").await;
}

async fn jumps_to_what_differs(browser: &Browser) {
    let first = "return document.querySelector('.peer-name').textContent";
    assert_eq!(browser.run(first).await, "node-c", "the unreachable peer comes first");
    browser.press(&["m", "n", "n", "p"]).await;
    browser.wait_for("//*[@id='readout'][contains(.,'changed since node-c was equal')]").await;
    browser.press(&[ENTER]).await;
    browser.wait_for("//*[@id='slot-ids']//button").await;
}

async fn reads_on_a_phone(browser: &Browser) {
    browser.resize(390, 844, 2.0).await;
    browser.prefer("light").await;
    picture(browser, "phone").await;
    // The window grows with content that does not fit.
    let width = browser.run("return document.documentElement.scrollWidth").await;
    assert_eq!(width, 390, "the page is wider than the phone");
}

/// The XPath of the element with this id and exactly this text.
fn text(id: &str, text: &str) -> String {
    format!("//*[@id='{id}'][.='{text}']")
}

async fn picture(browser: &Browser, name: &str) {
    let folder = pictures();
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(format!("{name}.png"));
    browser.screenshot(&path).await;
    println!("picture: {}", path.display());
}

/// `browser` in the target folder, found from the path of this test's binary in `<profile>/deps`.
fn pictures() -> PathBuf {
    let binary = std::env::current_exe().unwrap();
    binary.ancestors().nth(3).unwrap_or_else(|| Path::new(".")).join("browser")
}

async fn serve(cluster: &Cluster) -> Vec<Server> {
    let mut servers = Vec::new();
    for node in &cluster.nodes {
        let telemetry = Telemetry::new(&*node.name, Arc::clone(&node.store), node.gossip.clone());
        servers.push(Server::start(([127, 0, 0, 1], 0).into(), &telemetry).await.unwrap());
    }
    servers
}

fn submit(node: &Node, snapshot: &ConsolidationSnapshot) {
    let report = node.gossiper().rebuild_from_snapshot(snapshot, Scheduler).unwrap();
    assert_eq!(report.rejected, []);
}

/// A pattern with the hostile id.
fn hostile(snapshot: &ConsolidationSnapshot, confidence: f32) -> ConsolidationSnapshot {
    let schema_confidence = Confidence::new(confidence).unwrap();
    let real = (*snapshot.patterns[0]).clone();
    let hostile = SemanticPattern { id: HOSTILE.to_owned(), schema_confidence, ..real };
    ConsolidationSnapshot { patterns: vec![Arc::new(hostile)], ..snapshot.clone() }
}

/// Other versions of four of the patterns.
fn contradictions(snapshot: &ConsolidationSnapshot) -> ConsolidationSnapshot {
    let other = |n: usize, pattern: &Arc<SemanticPattern>| {
        let mut source_episodes = pattern.source_episodes.clone();
        source_episodes.push(format!("an episode of node-b, {n}"));
        let schema_confidence = Confidence::new(0.2 + 0.15 * n as f32).unwrap();
        Arc::new(SemanticPattern { source_episodes, schema_confidence, ..(**pattern).clone() })
    };
    let patterns = snapshot.patterns.iter().take(4).enumerate();
    ConsolidationSnapshot {
        patterns: patterns.map(|(n, pattern)| other(n, pattern)).collect(),
        ..snapshot.clone()
    }
}

/// Some of the patterns, under new ids of the maximum length.
fn news(snapshot: &ConsolidationSnapshot) -> ConsolidationSnapshot {
    let patterns = snapshot.patterns.iter().take(12).map(|pattern| {
        let id = format!("{:0<MAX_ID_BYTES$}", format!("news_{}_", pattern.id));
        Arc::new(SemanticPattern { id, ..(**pattern).clone() })
    });
    ConsolidationSnapshot { patterns: patterns.collect(), ..snapshot.clone() }
}
