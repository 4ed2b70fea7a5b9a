//! HTTP answers from nodes, over real sockets.

use std::net::SocketAddr;
use std::sync::Arc;

use engram_bridge::ConsolidationCacheSource::Scheduler;
use engram_bridge::http::Server;
use engram_bridge::http::limits::{
    CONNECTION_LIFE, HEAD_TIMEOUT, MAX_CONNECTIONS, MAX_HEAD_BYTES, MAX_HEADERS, MAX_IDS,
};
use engram_bridge::metrics::METRICS;
use engram_bridge::telemetry::{Telemetry, Unready};
use engram_bridge::{Confidence, ConsolidationSnapshot, SemanticPattern};
use engram_gossip_net::Roster;
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::common::client::{get, post, receive, send, write};
use crate::common::cluster::*;

fn anywhere() -> SocketAddr {
    ([127, 0, 0, 1], 0).into()
}

async fn serve(node: &Node) -> (Telemetry, Server) {
    let telemetry = Telemetry::new(&*node.name, Arc::clone(&node.store), node.gossip.clone());
    let server = Server::start(anywhere(), &telemetry).await.unwrap();
    (telemetry, server)
}

/// Submits a snapshot to a node, and announces it to the node's peers.
fn submit(node: &Node, snapshot: &ConsolidationSnapshot) {
    node.gossiper().rebuild_from_snapshot(snapshot, Scheduler).unwrap();
}

fn last_snapshot(node: &str) -> ConsolidationSnapshot {
    snapshots(node).pop().unwrap()
}

/// A snapshot of the first pattern of `snapshot`, as another node might have found it.
fn contradicted(snapshot: &ConsolidationSnapshot) -> ConsolidationSnapshot {
    let found = &snapshot.patterns[0];
    let mut source_episodes = found.source_episodes.clone();
    source_episodes.push("an episode that only the other node has".to_owned());
    let schema_confidence = Confidence::new(0.125).unwrap();
    let other = SemanticPattern { source_episodes, schema_confidence, ..(**found).clone() };
    ConsolidationSnapshot { patterns: vec![Arc::new(other)], ..snapshot.clone() }
}

const CONSOLIDATION: &str = "/cluster/consolidation";

#[tokio::test(flavor = "multi_thread")]
async fn both_nodes_are_explained_over_http() {
    let mut cluster = Cluster::start(&["node-a", "node-b"], &lively());
    let (a, server) = serve(&cluster.nodes[0]).await;
    let at = server.local_addr();
    assert_eq!(get(at, "/health/alive").await.status, 200);

    let found = last_snapshot("node-a");
    submit(&cluster.nodes[0], &found);
    submit(&cluster.nodes[1], &contradicted(&found));
    cluster.until(agree).await;
    eventually("readiness", async || a.unready().is_none().then_some(())).await;
    assert_eq!(get(at, "/health/ready").await.status, 200);

    let node = get(at, CONSOLIDATION).await.json();
    assert_eq!(node["name"], "node-a");
    assert_eq!(node["spaces"][0]["root"], cluster.nodes[1].space().root().to_string());
    assert_eq!(node["spaces"][0]["conflicts"], 1);
    let peers = get(at, &format!("{CONSOLIDATION}/peers")).await.json();
    assert_eq!((&peers[0]["name"], &peers[0]["state"]), (&"node-b".into(), &"connected".into()));

    let space = cluster.nodes[0].space();
    let compared = async || (space.across_ids_stats().unwrap().pending == 0).then_some(());
    eventually("comparison across ids", compared).await;
    let conflicts = get(at, &format!("{CONSOLIDATION}/conflicts")).await.json();
    assert_eq!(conflicts["total"], 1);
    let groups = &conflicts["across_ids"];
    assert_eq!(groups["groups_total"], space.across_ids_stats().unwrap().groups);
    assert_eq!((&groups["pending"], &groups["over_limit"]), (&0.into(), &false.into()));
    let id = found.patterns[0].id.as_str();
    let explained = get(at, &format!("{CONSOLIDATION}/explain?id={id}")).await.json();
    assert_eq!(explained, conflicts["conflicts"][0]);
    let compared = space.compared(id).unwrap();
    assert_eq!(explained["across_ids"]["role"], compared.role.name());
    assert_eq!(explained["across_ids"]["reason"], compared.to_string());
    let versions = explained["versions"].as_array().unwrap();
    let by = |name: &str| versions.iter().find(|v| v["writes"][0]["node"] == name).unwrap();
    assert_eq!((&by("node-a")["kept"], &by("node-b")["kept"]), (&false.into(), &false.into()));
    assert_eq!((&by("node-a")["share"], &by("node-b")["share"]), (&1.0.into(), &0.0.into()));
    assert_eq!(by("node-b")["citations_of_its_own"], 1);
    assert_eq!(by("node-a")["submitted_here"], true);
    assert_eq!(by("node-a")["introduced_by"], serde_json::Value::Null);
    assert_eq!(by("node-b")["introduced_by"], "node-b");
    let plan = get(at, &format!("{CONSOLIDATION}/plan?peer=node-b")).await.json();
    assert_eq!(plan, serde_json::json!({ "peer": "node-b", "complete": true, "spaces": [] }));
    let after = get(at, &format!("{CONSOLIDATION}/conflicts?after={id}")).await.json();
    assert_eq!(after["conflicts"].as_array().unwrap().len(), 0);

    let updates = get(at, &format!("{CONSOLIDATION}/updates")).await.json();
    let by_gossip = updates.as_array().unwrap().iter().find(|u| u["source"] == "gossip").unwrap();
    assert_eq!((&by_gossip["id"], &by_gossip["origin"]), (&id.into(), &"node-b".into()));

    let metrics = get(at, "/metrics/prometheus").await;
    assert!(metrics.head.contains("application/openmetrics-text"), "{metrics:?}");
    for metric in METRICS {
        assert!(metrics.body.contains(metric.name.trim_end_matches("_total")), "{}", metric.name);
    }
    assert!(metrics.body.contains("engram_gossip_peers{state=\"connected\"} 1.0"), "{metrics:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn answer_lists_at_most_max_ids_patterns() {
    let cluster = Cluster::start(&["node-a", "node-b"], &quiet());
    let (_a, server) = serve(&cluster.nodes[0]).await;
    let real = last_snapshot("node-a");
    let another = |n| {
        let id = format!("pattern_{n}");
        Arc::new(SemanticPattern { id, ..(*real.patterns[0]).clone() })
    };
    let patterns = (0..=MAX_IDS).map(another).collect();
    // This change is not announced.
    let many = ConsolidationSnapshot { patterns, ..real.clone() };
    cluster.nodes[0].space().submit(&many, Scheduler).unwrap();
    let at = server.local_addr();
    let diff = get(at, &format!("{CONSOLIDATION}/diff?peer=node-b")).await.json();
    assert_eq!(diff["patterns"], MAX_IDS + 1);
    assert_eq!(diff["ids"].as_array().unwrap().len(), MAX_IDS);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_names_what_would_change() {
    let cluster = Cluster::start(&["node-a", "node-b"], &quiet());
    cluster.settled().await;
    let (a, server) = serve(&cluster.nodes[0]).await;
    let real = last_snapshot("node-a");
    cluster.nodes[0].space().submit(&real, Scheduler).unwrap();
    a.gossip().sync_with(cluster.nodes[1].gossip.node_id()).await.unwrap();
    // This change is not announced, so that the preview is the first to find it.
    let silent = contradicted(&real);
    cluster.nodes[1].space().submit(&silent, Scheduler).unwrap();
    let at = server.local_addr();
    let plan = get(at, &format!("{CONSOLIDATION}/plan?peer=node-b")).await.json();
    let change = &plan["spaces"][0]["changes"][0];
    assert_eq!((&plan["spaces"][0]["here"], &plan["spaces"][0]["there"]), (&1.into(), &0.into()));
    assert_eq!(change["id"], silent.patterns[0].id);
    assert_eq!(change["visible"], true, "{plan}");
}

#[tokio::test(flavor = "multi_thread")]
async fn diff_with_a_lost_peer_is_known() {
    let mut cluster = Cluster::start(&["node-a", "node-b"], &lively());
    let (_a, server) = serve(&cluster.nodes[0]).await;
    let at = server.local_addr();
    submit(&cluster.nodes[0], &last_snapshot("node-a"));
    cluster.until(agree).await;
    // The equality is recorded when the session ends, a little later.
    let in_step = async || {
        let diff = get(at, &format!("{CONSOLIDATION}/diff?peer=node-b")).await.json();
        (diff["ever_equal"] == true && diff["patterns"] == 0).then_some(())
    };
    eventually("diff without changes", in_step).await;

    cluster.nodes[1].gossip.shutdown().await;
    let missed = last_snapshot("node-c");
    submit(&cluster.nodes[0], &missed);
    let news = cluster.nodes[0].space().root().to_string();
    let diff = get(at, &format!("{CONSOLIDATION}/diff?peer=node-b&space=default")).await.json();
    let ids: Vec<_> =
        diff["ids"].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
    assert!(!ids.is_empty() && diff["patterns"] == ids.len());
    assert!(ids.iter().all(|id| missed.patterns.iter().any(|pattern| pattern.id == *id)));

    let map = get(at, &format!("{CONSOLIDATION}/map")).await.json();
    assert_eq!(map["peers"][0]["slots"], diff["slots"]);
    let fill = map["fill"].as_str().unwrap();
    assert_eq!(fill.len(), 4_096);
    for slot in diff["slots"].as_array().unwrap() {
        let slot = usize::try_from(slot.as_u64().unwrap()).unwrap();
        assert_ne!(fill.as_bytes()[slot], b'.');
        let there = get(at, &format!("{CONSOLIDATION}/slot?slot={slot}")).await.json();
        let mut there = there["ids"].as_array().unwrap().iter();
        assert!(there.any(|id| ids.contains(&id.as_str().unwrap())), "slot {slot}");
    }
    let metrics = get(at, "/metrics/prometheus").await.body;
    let slots = diff["slots"].as_array().unwrap().len();
    let line = format!("engram_gossip_peer_divergent_slots{{peer=\"node-b\"}} {slots}.0");
    assert!(metrics.contains(&line), "{line} is not in {metrics}");
    assert_eq!(
        get(at, CONSOLIDATION).await.json()["root"],
        news,
        "a lost peer does not stop writes"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_off_or_evicted_node_is_not_ready() {
    let cluster = Cluster::start(&["node-a", "node-b"], &lively());
    cluster.settled().await;
    let (a, server) = serve(&cluster.nodes[0]).await;
    let at = server.local_addr();
    a.gossip().sync_with(cluster.nodes[1].gossip.node_id()).await.unwrap();
    let roster = cluster.nodes[1].gossip.roster();
    let unready = async |expected: Option<Unready>| {
        eventually("state", async || (a.unready() == expected).then_some(())).await;
        let ready = get(at, "/health/ready").await;
        assert_eq!(ready.status, if expected.is_none() { 200 } else { 503 });
        let reason = expected.map(|reason| reason.to_string());
        assert_eq!(ready.json()["reason"], serde_json::json!(reason));
    };

    unready(None).await;
    cluster.nodes[1].gossip.set_roster(Roster::default());
    unready(Some(Unready::Evicted)).await;
    cluster.nodes[1].gossip.set_roster(roster);
    unready(None).await;
    cluster.nodes[1].gossip.shutdown().await;
    unready(Some(Unready::CutOff)).await;
}

#[tokio::test]
async fn node_without_contact_is_not_ready() {
    let cluster = Cluster::start(&["node-a", "node-b"], &quiet());
    cluster.nodes[1].gossip.shutdown().await;
    let (_, server) = serve(&cluster.nodes[0]).await;
    let ready = get(server.local_addr(), "/health/ready").await;
    assert_eq!((ready.status, &ready.json()["ready"]), (503, &false.into()));
    let alone = Cluster::start(&["node-a"], &quiet());
    let (_, server) = serve(&alone.nodes[0]).await;
    assert_eq!(get(server.local_addr(), "/health/ready").await.status, 200);
}

#[tokio::test]
async fn invalid_request_is_answered_with_advice() {
    let cluster = Cluster::start(&["node-a"], &quiet());
    let (_, server) = serve(&cluster.nodes[0]).await;
    let at = server.local_addr();
    for (path, status, says) in [
        ("/explain", 400, "add ?id="),
        ("/explain?id=nobody", 404, "the space default has no such pattern"),
        ("/explain?id=p&space=elsewhere", 404, "does not host"),
        ("/diff", 400, "add ?peer="),
        ("/diff?peer=nobody", 404, "no such peer"),
        ("/plan", 400, "add ?peer="),
        ("/plan?peer=nobody", 404, "no such peer"),
        ("/slot", 400, "add ?slot="),
        ("/slot?slot=4096", 404, "no such slot"),
        ("/slot?slot=-1", 400, "slot"),
    ] {
        let answer = get(at, &format!("{CONSOLIDATION}{path}")).await;
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        let error = answer.json()["error"].as_str().unwrap().to_owned();
        assert!(error.contains(says), "{path}: {error}");
    }
    assert_eq!(get(at, "/elsewhere").await.status, 404);
    assert_eq!(post(at, CONSOLIDATION, "{}").await.status, 405, "everything is read-only");
}

#[tokio::test]
async fn page_policy_allows_only_its_own_files() {
    let cluster = Cluster::start(&["node-a"], &quiet());
    let (_, server) = serve(&cluster.nodes[0]).await;
    let at = server.local_addr();
    let front = get(at, "/").await;
    assert!(front.status == 307 && front.head.contains("location: /cluster/consolidation/page"));
    let page = get(at, &format!("{CONSOLIDATION}/page")).await;
    let policy = page.head.lines().find_map(|line| line.strip_prefix("content-security-policy: "));
    let policy = policy.unwrap_or_else(|| panic!("no policy: {}", page.head));
    assert!(policy.starts_with("default-src 'none';"), "{policy}");
    for source in policy.split(';').flat_map(|directive| directive.split_whitespace().skip(1)) {
        let is_own = ["'none'", "'self'", "data:"].contains(&source);
        assert!(is_own || source.starts_with("'sha256-"), "{source}");
    }
    assert!(page.head.contains("x-content-type-options: nosniff"), "{}", page.head);
    assert!(page.body.starts_with("<!doctype html>"));
}

#[tokio::test]
async fn foreign_host_name_is_refused() {
    let cluster = Cluster::start(&["node-a"], &quiet());
    let (_, server) = serve(&cluster.nodes[0]).await;
    let foreign = "GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
    let refused = send(server.local_addr(), foreign).await;
    assert_eq!(refused.status, 421);
    let told = refused.json();
    assert!(told["error"].as_str().unwrap().contains("address that the node printed"), "{told}");
}

#[tokio::test]
async fn errors_of_the_server_are_json() {
    let cluster = Cluster::start(&["node-a"], &quiet());
    let (_, server) = serve(&cluster.nodes[0]).await;
    let at = server.local_addr();
    let wrong = format!("POST /health/alive HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n");
    for (answer, status) in [(get(at, "/no/such/path").await, 404), (send(at, &wrong).await, 405)] {
        assert_eq!(answer.status, status);
        let told = answer.json();
        assert!(told["error"].as_str().unwrap().contains("; "), "{told}");
    }
}

/// Characters that control a terminal or the direction of text are escaped. The parsed JSON
/// contains the original id.
#[tokio::test]
async fn control_characters_are_escaped() {
    let cluster = Cluster::start(&["node-a"], &quiet());
    let (_, server) = serve(&cluster.nodes[0]).await;
    let id = "p\u{202e}\u{9b}q";
    let found = &last_snapshot("node-a").patterns[0];
    let pattern = SemanticPattern { id: id.to_owned(), ..(**found).clone() };
    cluster.nodes[0].gossiper().update_pattern(&Arc::new(pattern)).unwrap();
    let updates = get(server.local_addr(), &format!("{CONSOLIDATION}/updates")).await;
    assert!(updates.body.contains("p\\u202e\\u009bq"), "{}", updates.body);
    assert!(!updates.body.contains('\u{202e}') && !updates.body.contains('\u{9b}'));
    assert!(updates.json().to_string().contains(id));
}

#[tokio::test]
async fn a_head_has_its_limits() {
    let cluster = Cluster::start(&["node-a"], &quiet());
    let (_, server) = serve(&cluster.nodes[0]).await;
    let at = server.local_addr();
    let request = |headers: &str| {
        format!("GET /health/alive HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n{headers}\r\n")
    };
    let fits = "x: y\r\n".repeat(MAX_HEADERS - 2);
    assert_eq!(send(at, &request(&fits)).await.status, 200);
    let too_many = "x: y\r\n".repeat(MAX_HEADERS - 1);
    assert_eq!(send(at, &request(&too_many)).await.status, 431);
    let too_long = format!("x: {}\r\n", "y".repeat(MAX_HEAD_BYTES));
    assert_eq!(send(at, &request(&too_long)).await.status, 431);
}

#[tokio::test]
async fn silent_connections_do_not_delay_a_probe() {
    let cluster = Cluster::start(&["node-a"], &quiet());
    let (_, server) = serve(&cluster.nodes[0]).await;
    let at = server.local_addr();
    let mut silent = Vec::new();
    for _ in 0..MAX_CONNECTIONS + 8 {
        silent.push(TcpStream::connect(at).await.unwrap());
    }
    assert_eq!(get(at, "/health/alive").await.status, 200);
    // The oldest connection was closed.
    let oldest = silent.remove(0);
    oldest.readable().await.unwrap();
    let ended = oldest.try_read(&mut [0; 1]);
    assert!(!matches!(ended, Ok(1..)), "{ended:?}");
    // The newest connection is served.
    let mut newest = silent.pop().unwrap();
    write(&mut newest, format!("GET /health/alive HTTP/1.1\r\nHost: {at}\r\n\r\n").as_bytes())
        .await;
    assert_eq!(receive(&mut newest).await.status, 200);
}

/// Runs on a paused clock, which jumps to the next deadline when the runtime is idle.
#[tokio::test]
async fn silent_connection_is_closed_in_time() {
    let cluster = Cluster::start(&["node-a"], &quiet());
    let (_, server) = serve(&cluster.nodes[0]).await;
    let mut stream = TcpStream::connect(server.local_addr()).await.unwrap();
    write(&mut stream, b"GET /health/alive HTTP/1.1\r\n").await;
    tokio::time::pause();
    let begun = Instant::now();
    assert_eq!(receive(&mut stream).await.status, 0, "an incomplete request gets no answer");
    assert!((HEAD_TIMEOUT..CONNECTION_LIFE).contains(&begun.elapsed()), "{:?}", begun.elapsed());
}
