//! The configuration that is in force, as a file.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use engram_gossip_net::RateLimits;
use engram_merkle::Hasher as _;
use toml::{Table, Value};

use super::{ClusterConfig, MembershipConfig, StrategyChoice};

const SECONDS_PER_DAY: u64 = 86_400;

/// A whole `cluster.toml`: every key with its value, defaults included. It means the same again.
impl fmt::Display for ClusterConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (section, table) in self.sections() {
            if table.is_empty() {
                continue;
            }
            writeln!(f, "{separator}[{section}]")?;
            write_keys(f, &table)?;
            separator = "\n";
        }
        for peer in &self.peers {
            writeln!(f, "\n[[peers]]")?;
            let mut table = Table::new();
            table.insert("name".into(), text(&peer.name));
            table.insert("node_id".into(), text(&peer.node_id.to_string()));
            table.extend(peer.address.iter().map(|address| ("address".into(), text(address))));
            write_keys(f, &table)?;
        }
        Ok(())
    }
}

impl ClusterConfig {
    /// Every section but the peers, with its keys.
    pub(crate) fn sections(&self) -> [(&'static str, Table); 10] {
        let Self { node, tls, peers: _, gossip, merkle_tree, conflict, .. } = self;
        let Self { limits, membership, store, http, retention, .. } = self;
        let spaces = node.spaces.iter().map(|space| text(space.as_str())).collect();
        let replaces = node.replaces.iter().map(|id| text(&id.to_string())).collect();
        let caps = store.caps;
        let strategy = match conflict.strategy {
            StrategyChoice::ConfidenceVoting => "confidence-voting",
            StrategyChoice::ConfidenceWeighted => "confidence-weighted",
        };
        let days = retention.max_age.map(|age| age.as_secs() / SECONDS_PER_DAY);
        let most = retention.max_patterns.map(|most| most as u64);
        [
            (
                "node",
                table([
                    ("name", Some(text(&node.name))),
                    ("listen", Some(text(&node.listen.to_string()))),
                    ("spaces", Some(Value::Array(spaces))),
                    ("replaces", Some(Value::Array(replaces))),
                ]),
            ),
            (
                "tls",
                table([
                    ("ca", Some(path(&tls.ca))),
                    ("certificate", Some(path(&tls.certificate))),
                    ("key", Some(path(&tls.key))),
                ]),
            ),
            (
                "gossip",
                table([
                    ("interval_seconds", number(gossip.interval.as_secs())),
                    ("fanout", number(gossip.fanout as u64)),
                    ("max_patterns_per_sync", number(gossip.max_patterns_per_sync.into())),
                    ("enable_compression", Some(gossip.enable_compression.into())),
                ]),
            ),
            (
                "merkle_tree",
                table([
                    ("depth", number(merkle_tree.depth.levels().into())),
                    ("leaf_count", number(merkle_tree.depth.slots().into())),
                    ("hash", Some(text(merkle_tree.hash.name()))),
                ]),
            ),
            ("conflict", table([("strategy", Some(text(strategy)))])),
            ("limits", limits_table(limits)),
            ("membership", membership_table(membership)),
            (
                "store",
                table([
                    ("path", store.path.as_deref().map(path)),
                    ("settle_seconds", number(store.settle.as_secs())),
                    ("max_live_records", number(caps.live_records)),
                    ("max_deletions", number(caps.deletions)),
                    ("max_content_mib", number(caps.content_bytes >> 20)),
                    ("max_unlisted_entries", number(caps.unlisted_entries)),
                ]),
            ),
            (
                "http",
                table([
                    ("listen", http.map(|http| text(&http.listen.to_string()))),
                    ("allow_remote", http.map(|http| (!http.listen.ip().is_loopback()).into())),
                ]),
            ),
            (
                "retention",
                table([
                    ("max_age_days", days.and_then(number)),
                    ("max_patterns", most.and_then(number)),
                ]),
            ),
        ]
    }
}

fn limits_table(limits: &RateLimits) -> Table {
    let quiet = limits.quiet_hours;
    let hours = quiet.map(|quiet| {
        let [from, until] = [quiet.from, quiet.until]
            .map(|minute| format!("{:02}:{:02}", minute / 60, minute % 60));
        text(&format!("{from}-{until}"))
    });
    table([
        ("send_kib_per_second", limits.send_rate.and_then(|rate| number(rate >> 10))),
        ("quiet_hours", hours),
        ("quiet_kib_per_second", quiet.and_then(|quiet| number(quiet.send_rate >> 10))),
        ("peer_mib_per_second", number(limits.peer.bytes.per_second >> 20)),
        ("peer_hash_nodes_per_second", number(limits.peer.hash_nodes.per_second)),
        ("peer_records_per_second", number(limits.peer.records.per_second)),
    ])
}

fn membership_table(membership: &MembershipConfig) -> Table {
    let millis = |time: Duration| number(time.as_millis() as u64);
    match membership {
        MembershipConfig::Static => table([("kind", Some(text("static")))]),
        MembershipConfig::Swim(times) => table([
            ("kind", Some(text("swim"))),
            ("probe_interval_ms", millis(times.probe_interval)),
            ("probe_timeout_ms", millis(times.probe_timeout)),
            ("suspicion_ms", millis(times.suspicion)),
        ]),
    }
}

fn write_keys(f: &mut fmt::Formatter<'_>, table: &Table) -> fmt::Result {
    table.iter().try_for_each(|(key, value)| writeln!(f, "{key} = {value}"))
}

fn table<const N: usize>(keys: [(&str, Option<Value>); N]) -> Table {
    keys.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

fn path(path: &Path) -> Value {
    text(&path.display().to_string())
}

fn number(number: u64) -> Option<Value> {
    i64::try_from(number).ok().map(Value::Integer)
}
