//! Prints the effective configuration as a file.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use engram_conflict::pattern::Rules;
use engram_gossip_net::{NodeId, RateLimits};
use engram_merkle::Hasher as _;
use toml::{Table, Value};

use super::check::ALL_SPACES;
use super::{ClusterConfig, ConflictConfig, MembershipConfig};
use crate::replica::across_ids::AcrossIds;

const SECONDS_PER_DAY: u64 = 86_400;

/// Prints a complete `cluster.toml`: every key that has an effect, with its value, defaults
/// included. Parsing it yields the same configuration.
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
            if !peer.replaces.is_empty() {
                table.insert("replaces".into(), ids(&peer.replaces));
            }
            write_keys(f, &table)?;
        }
        Ok(())
    }
}

impl ClusterConfig {
    /// Every section except the peers, with its keys.
    pub(crate) fn sections(&self) -> [(&'static str, Table); 10] {
        let Self { node, tls, peers: _, gossip, merkle_tree, conflict, .. } = self;
        let Self { limits, membership, store, http, retention, .. } = self;
        let spaces = match node.learn_spaces {
            true => text(ALL_SPACES),
            false => Value::Array(node.spaces.iter().map(|id| text(id.as_str())).collect()),
        };
        let caps = store.caps;
        let days = retention.max_age.map(|age| age.as_secs() / SECONDS_PER_DAY);
        let most = retention.max_patterns.map(|most| most as u64);
        [
            (
                "node",
                table([
                    ("name", Some(text(&node.name))),
                    ("listen", Some(text(&node.listen.to_string()))),
                    ("spaces", Some(spaces)),
                    ("replaces", Some(ids(&node.replaces))),
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
                    ("precision", Some(text(&merkle_tree.precision.to_string()))),
                ]),
            ),
            ("conflict", conflict_table(conflict)),
            ("limits", limits_table(limits)),
            ("membership", membership_table(membership)),
            (
                "store",
                table([
                    ("path", store.path.as_deref().map(path)),
                    ("settle_seconds", number(store.settle.as_secs())),
                    ("cache_kib", number(store.cache_bytes >> 10)),
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

fn conflict_table(conflict: &ConflictConfig) -> Table {
    let rules = conflict.across_ids.as_ref().map(AcrossIds::rules);
    let most = conflict.across_ids.map(|across_ids| across_ids.max_patterns() as u64);
    let of = |value: fn(&Rules) -> f32| rules.map(|rules| decimal(value(rules)));
    table([
        ("strategy", Some(text(conflict.strategy.name()))),
        ("across_ids", Some(rules.is_some().into())),
        ("across_ids_max_patterns", most.and_then(number)),
        ("divergent_cosine", of(|rules| rules.thresholds.divergent_cosine)),
        ("divergent_jaccard", of(|rules| rules.thresholds.divergent_jaccard)),
        ("creation_cosine", of(|rules| rules.thresholds.creation_cosine)),
        ("ownership_cosine", of(|rules| rules.thresholds.ownership_cosine)),
        ("concept_cosine", of(|rules| rules.concept_cosine)),
        ("ambiguity", of(|rules| rules.ambiguity)),
        ("rivalry", of(|rules| rules.rivalry)),
        ("floor", of(|rules| rules.floor)),
    ])
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

fn ids(nodes: &[NodeId]) -> Value {
    Value::Array(nodes.iter().map(|id| text(&id.to_string())).collect())
}

fn path(path: &Path) -> Value {
    text(&path.display().to_string())
}

/// A number in its shortest decimal form.
fn decimal(number: f32) -> Value {
    let written = number.to_string().parse();
    Value::Float(written.unwrap_or_else(|_| f64::from(number)))
}

fn number(number: u64) -> Option<Value> {
    i64::try_from(number).ok().map(Value::Integer)
}
