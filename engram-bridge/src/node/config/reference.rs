//! The reference of `cluster.toml`: the values and the default of every key.

use std::fmt::Write as _;
use std::ops::RangeInclusive;

use super::{ClusterConfig, check};

/// One key of one section.
pub(super) struct Key {
    pub(super) section: &'static str,
    pub(super) name: &'static str,
    pub(super) takes: Takes,
    pub(super) without: Without,
    pub(super) decides: &'static str,
}

/// The values that a key accepts.
pub(super) enum Takes {
    Number(RangeInclusive<i64>),
    Decimal(RangeInclusive<f64>),
    OneOf(&'static [&'static str]),
    Flag,
    /// A text, with its description and an example as written in the file.
    Text(&'static str, &'static str),
}

/// The behaviour without the key.
pub(super) enum Without {
    /// The node does not start.
    Refused,
    /// This value applies.
    Value(&'static str),
    /// A behaviour that no value of the key expresses.
    Nothing(&'static str),
}

use Takes::{Decimal, Flag, Number, OneOf, Text};
use Without::{Nothing, Refused, Value};

const fn key(
    section: &'static str,
    name: &'static str,
    takes: Takes,
    without: Without,
    decides: &'static str,
) -> Key {
    Key { section, name, takes, without, decides }
}

const PEM: Takes = Text("path of a PEM file", "\"file.pem\"");

/// All keys in the order of the file. The tests check them against the parser.
pub(super) const KEYS: [Key; 51] = [
    key(
        "node",
        "name",
        Text("text without control characters", "\"node-a\""),
        Refused,
        "The display name of this node.",
    ),
    key(
        "node",
        "listen",
        Text("IP address and port", "\"127.0.0.1:7701\""),
        Refused,
        "The address to listen on for peers (UDP); port 0 selects a free port.",
    ),
    key(
        "node",
        "spaces",
        Text(
            "1 to 1,024 names, or `\"*\"` for all spaces named by the store, a snapshot file or a peer",
            "[\"notes\"]",
        ),
        Value("[\"default\"]"),
        "The memory spaces that this node hosts. Two nodes sync the spaces that both host.",
    ),
    key(
        "node",
        "replaces",
        Text("up to 16 node ids", "[]"),
        Value("[]"),
        "Ids of this node's previous keys. The node treats versions written under them as its own.",
    ),
    key(
        "tls",
        "ca",
        PEM,
        Refused,
        "The certificate of the cluster's authority; the file may contain several certificates.",
    ),
    key("tls", "certificate", PEM, Refused, "This node's certificate."),
    key(
        "tls",
        "key",
        PEM,
        Refused,
        "The private key of the certificate. The node's id is derived from it.",
    ),
    key(
        "peers",
        "name",
        Text("text without control characters", "\"node-b\""),
        Refused,
        "The name of the peer in messages, metrics and requests.",
    ),
    key(
        "peers",
        "node_id",
        Text(
            "64 hex digits",
            "\"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\"",
        ),
        Refused,
        "The id of the peer, as `engram-node certs show` prints it.",
    ),
    key(
        "peers",
        "address",
        Text("host and port", "\"10.0.0.2:7701\""),
        Nothing("the peer dials this node"),
        "The address at which to dial the peer.",
    ),
    key(
        "peers",
        "replaces",
        Text("up to 16 node ids", "[]"),
        Value("[]"),
        "In this node's own entry, the same as `node.replaces`, so that all nodes can share one list.",
    ),
    key(
        "gossip",
        "interval_seconds",
        Number(check::INTERVAL_SECONDS),
        Value("60"),
        "Seconds between two rounds. Rounds are a fallback: a change starts a sync immediately.",
    ),
    key(
        "gossip",
        "fanout",
        Number(check::FANOUT),
        Value("3"),
        "The number of peers that a round contacts.",
    ),
    key(
        "gossip",
        "max_patterns_per_sync",
        Number(check::MAX_PATTERNS_PER_SYNC),
        Value("100"),
        "The maximum number of patterns in one message. A sync sends as many messages as it needs.",
    ),
    key(
        "gossip",
        "enable_compression",
        Flag,
        Value("true"),
        "Whether messages are compressed if that makes them smaller.",
    ),
    key(
        "merkle_tree",
        "depth",
        OneOf(&["4", "8", "12", "16"]),
        Value("12"),
        "Levels above the leaves. Must be equal on all nodes: nodes with different values refuse each other.",
    ),
    key(
        "merkle_tree",
        "leaf_count",
        Text("2 to the power of the depth", "4096"),
        Nothing("2 to the power of the depth"),
        "The number of slots, which must match the depth.",
    ),
    key(
        "merkle_tree",
        "hash",
        OneOf(&["\"sha256\"", "\"blake3\""]),
        Value("\"sha256\""),
        "The hash of contents, records and the tree. Must be equal on all nodes: nodes with different values refuse each other.",
    ),
    key(
        "merkle_tree",
        "precision",
        OneOf(&["\"f32\"", "\"f16\""]),
        Value("\"f32\""),
        "The precision of stored embeddings. Must be equal on all nodes: nodes with different values refuse each other.",
    ),
    key(
        "conflict",
        "strategy",
        OneOf(&[
            "\"confidence-voting\"",
            "\"confidence-weighted\"",
            "\"last-writer\"",
            "\"keep-both\"",
        ]),
        Value("\"confidence-voting\""),
        "The strategy that selects the shown version. Nodes with different strategies report the difference, and still sync.",
    ),
    key(
        "conflict",
        "across_ids",
        Flag,
        Value("true"),
        "Whether patterns with different ids are compared. The result is only shown, never written back.",
    ),
    key(
        "conflict",
        "across_ids_max_patterns",
        Number(check::MAX_COMPARED),
        Value("20000"),
        "A space with more visible patterns is not compared, because the first pass is quadratic.",
    ),
    key(
        "conflict",
        "divergent_cosine",
        Decimal(check::COSINE),
        Value("0.8"),
        "Two patterns describe one memory above this cosine, if their episodes overlap enough.",
    ),
    key(
        "conflict",
        "divergent_jaccard",
        Decimal(check::JACCARD),
        Value("0.5"),
        "The minimum Jaccard index of the episodes of two patterns, for `divergent_cosine`.",
    ),
    key(
        "conflict",
        "creation_cosine",
        Decimal(check::COSINE),
        Value("0.85"),
        "Two patterns conflict above this cosine, whatever their episodes.",
    ),
    key(
        "conflict",
        "ownership_cosine",
        Decimal(check::COSINE),
        Value("0.6"),
        "Two patterns dispute a common episode below this cosine, or if their cosine is undefined.",
    ),
    key(
        "conflict",
        "concept_cosine",
        Decimal(check::COSINE),
        Value("0.95"),
        "Two conflicting patterns describe one memory at or above this cosine, whatever their episodes.",
    ),
    key(
        "conflict",
        "ambiguity",
        Decimal(check::PART),
        Value("0.3"),
        "A member of a group keeps 1 - ambiguity * (1 - cosine) of its confidence; a subset or superset keeps all of it.",
    ),
    key(
        "conflict",
        "rivalry",
        Decimal(check::PART),
        Value("0.5"),
        "Each of two patterns that dispute an episode keeps 1 - rivalry * Jaccard index of its confidence.",
    ),
    key(
        "conflict",
        "floor",
        Decimal(check::PART),
        Value("0.1"),
        "No confidence is lowered below this value.",
    ),
    key(
        "limits",
        "send_kib_per_second",
        Number(check::KIB_PER_SECOND),
        Nothing("as fast as the network accepts"),
        "KiB per second that this node may send, across all syncs.",
    ),
    key(
        "limits",
        "quiet_hours",
        Text("two times of the day in UTC", "\"09:00-17:00\""),
        Nothing("none"),
        "The hours with a lower send rate: small changes still travel, and bulk transfers wait.",
    ),
    key(
        "limits",
        "quiet_kib_per_second",
        Number(check::KIB_PER_SECOND),
        Value("100"),
        "KiB per second that this node may send in quiet hours, across all syncs.",
    ),
    key(
        "limits",
        "peer_mib_per_second",
        Number(check::MIB_PER_SECOND),
        Value("32"),
        "MiB per second that syncs with one peer may transfer, both ways, with bursts of up to eight seconds' worth.",
    ),
    key(
        "limits",
        "peer_hash_nodes_per_second",
        Number(check::PER_SECOND),
        Value("100000"),
        "Tree nodes, listings and requested keys per second that this node accepts from one peer, with bursts of up to ten seconds' worth.",
    ),
    key(
        "limits",
        "peer_records_per_second",
        Number(check::PER_SECOND),
        Value("20000"),
        "Records per second that syncs with one peer may transfer, both ways, with bursts of up to ten seconds' worth.",
    ),
    key(
        "membership",
        "kind",
        OneOf(&["\"static\"", "\"swim\""]),
        Value("\"static\""),
        "Whether all peers count as reachable (`static`), or the nodes probe each other (`swim`). Must be equal on all nodes.",
    ),
    key(
        "membership",
        "probe_interval_ms",
        Number(check::PROBE_INTERVAL_MS),
        Value("1000"),
        "For `swim`: the interval between probes; the other nodes are probed in turn. At least three times the timeout.",
    ),
    key(
        "membership",
        "probe_timeout_ms",
        Number(check::PROBE_TIMEOUT_MS),
        Value("300"),
        "For `swim`: how long a probe may take before other nodes are asked to probe the same node.",
    ),
    key(
        "membership",
        "suspicion_ms",
        Number(check::SUSPICION_MS),
        Value("5000"),
        "For `swim`: how long a suspected node has to refute the suspicion. At least the interval.",
    ),
    key(
        "store",
        "path",
        Text("path of a folder", "\"state\""),
        Nothing("the state is lost when the process ends"),
        "The folder of the state. Only this node may use it.",
    ),
    key(
        "store",
        "settle_seconds",
        Number(check::SETTLE_SECONDS),
        Value("10"),
        "How long a space whose store is new or has lost rows waits for a peer before it writes, up to six times as long while sessions make progress; with 0 it does not wait.",
    ),
    key(
        "store",
        "cache_kib",
        Number(check::CACHE_KIB),
        Value("256"),
        "The size in KiB of the cache for the store's pages. The state itself is always in memory and does not count.",
    ),
    key(
        "store",
        "max_live_records",
        Number(check::RECORDS),
        Value("2000000"),
        "The number of patterns, its own included, at which this node refuses peers' patterns under ids that it does not hold.",
    ),
    key(
        "store",
        "max_deletions",
        Number(check::RECORDS),
        Value("2000000"),
        "The number of deletions and suppressed contents, its own included, at which this node refuses peers' records with further ones, for ids that it does not hold.",
    ),
    key(
        "store",
        "max_content_mib",
        Number(check::CONTENT_MIB),
        Value("8192"),
        "The size in MiB of all contents, its own included, at which this node refuses peers' contents, except those of members under held ids.",
    ),
    key(
        "store",
        "max_unlisted_entries",
        Number(check::RECORDS),
        Value("2000000"),
        "The maximum number of context entries of nodes outside the roster, per space.",
    ),
    key(
        "http",
        "listen",
        Text("IP address and port", "\"127.0.0.1:7801\""),
        Nothing("off"),
        "The address of health checks, metrics and the status page (TCP).",
    ),
    key(
        "http",
        "allow_remote",
        Flag,
        Value("false"),
        "Whether `listen` may be an address other than loopback. There is no log-in.",
    ),
    key(
        "retention",
        "max_age_days",
        Number(check::MAX_AGE_DAYS),
        Nothing("all are shown"),
        "The maximum age of a shown pattern, counted back from the median time of the members' newest patterns.",
    ),
    key(
        "retention",
        "max_patterns",
        Number(check::MAX_PATTERNS),
        Nothing("all are shown"),
        "The maximum number of shown patterns per space, the most confident first.",
    ),
];

impl ClusterConfig {
    /// The reference of `cluster.toml`: every section and key as a document in Markdown.
    pub fn reference() -> String {
        let mut text = String::from(HEAD);
        let mut section = "";
        for key in &KEYS {
            if key.section != section {
                section = key.section;
                let title = if section == "peers" { "[[peers]]" } else { &format!("[{section}]") };
                let _ = write!(text, "\n## `{title}`\n\n{TABLE}");
            }
            let Key { name, decides, .. } = key;
            let _ = writeln!(text, "| `{name}` | {} | {} | {decides} |", key.takes, key.without);
        }
        text
    }
}

const HEAD: &str = "\
# cluster.toml

Every key of a node's configuration, as `engram-node keys` prints it. Paths are relative to the folder of the file. An
environment variable overrides a single value: `ENGRAM_GOSSIP__FANOUT=5`. Other keys are refused. A key that accepts a
time, such as `settle_seconds`, accepts a number, or text such as `\"1m 30s\"`.

When a running node reloads the file, `[[peers]]` (except `replaces`), `[tls]` and `[limits]` take effect immediately;
the node reports the other changed keys, which take effect at the next start.
";

const TABLE: &str = "| key | values | if missing | meaning |\n|-|-|-|-|\n";

impl std::fmt::Display for Takes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Number(range) => write!(f, "{} to {}", grouped(*range.start()), grouped(*range.end())),
            Decimal(range) => write!(f, "{} to {}", range.start(), range.end()),
            OneOf(words) => write!(f, "`{}`", words.join("`, `")),
            Flag => f.write_str("`true`, `false`"),
            Text(kind, example) => write!(f, "{kind}: `{example}`"),
        }
    }
}

impl std::fmt::Display for Without {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Refused => f.write_str("refused"),
            Value(value) => write!(f, "`{value}`"),
            Nothing(meaning) => f.write_str(meaning),
        }
    }
}

/// Formats a number with thousands separators.
fn grouped(number: i64) -> String {
    match (number / 1_000, number % 1_000) {
        (0, rest) => rest.to_string(),
        (thousands, rest) => format!("{},{rest:03}", grouped(thousands)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use toml::Table;

    use super::*;

    /// Parses a minimal file in which `key` has this value, or is missing.
    fn with(key: &Key, value: Option<&str>) -> Result<ClusterConfig, super::super::ConfigError> {
        let mut file: Table = "
            node = { name = 'a', listen = '[::1]:0' }
            tls = { ca = '1', certificate = '2', key = '3' }
            peers = [{ name = 'b', node_id = 'NODE' }]
            http = { listen = '127.0.0.1:1' }"
            .replace("NODE", &"c".repeat(64))
            .parse()
            .unwrap();
        let section = file.entry(key.section).or_insert_with(|| Table::new().into());
        let keys = match section.get_mut(0) {
            Some(peer) => peer.as_table_mut(),
            None => section.as_table_mut(),
        };
        let keys = keys.unwrap();
        keys.remove(key.name);
        let line = value.map(|value| format!("{} = {value}", key.name)).unwrap_or_default();
        keys.extend(line.parse::<Table>().unwrap());
        ClusterConfig::parse(&file.to_string())
    }

    #[test]
    fn parser_takes_exactly_the_documented_values() {
        for key in &KEYS {
            let taken = |value: &str| with(key, Some(value)).is_ok();
            let name = key.name;
            match &key.takes {
                Number(range) => {
                    for end in [range.start(), range.end()] {
                        assert!(taken(&end.to_string()), "{name} = {end}");
                    }
                    assert!(!taken(&(range.start() - 1).to_string()), "{name}");
                    assert!(!taken(&(range.end() + 1).to_string()), "{name}");
                }
                Decimal(range) => {
                    for end in [range.start(), range.end()] {
                        assert!(taken(&end.to_string()), "{name} = {end}");
                    }
                    let (below, above) = (range.start() - 0.125, range.end() + 0.125);
                    assert!(!taken(&below.to_string()) && !taken(&above.to_string()), "{name}");
                }
                OneOf(words) => {
                    assert!(words.iter().all(|word| taken(word)), "{name}");
                    assert!(!taken("\"other\"") && !taken("13"), "{name}");
                }
                Flag => assert!(taken("true") && taken("false") && !taken("1"), "{name}"),
                Text(_, example) => assert!(taken(example) && !taken("[[]]"), "{name}"),
            }
        }
    }

    #[test]
    fn defaults_match_the_reference() {
        for key in &KEYS {
            let without = with(key, None).map(|config| config.to_string());
            match key.without {
                Refused => assert!(without.is_err(), "{}", key.name),
                Value(value) => {
                    let written = with(key, Some(value)).map(|config| config.to_string());
                    assert_eq!(without.unwrap(), written.unwrap(), "{}", key.name);
                }
                // The node's own tests cover the behaviour.
                Nothing(_) => assert!(without.is_ok() || key.section == "http", "{}", key.name),
            }
        }
    }

    #[test]
    fn no_key_is_left_out() {
        let listed: BTreeSet<_> = KEYS.iter().map(|key| (key.section, key.name)).collect();
        let text = include_str!("whole.toml");
        let file: Table = text.parse().unwrap();
        for (section, name) in &listed {
            let has = match &file[*section] {
                toml::Value::Array(peers) => peers.iter().any(|peer| peer.get(name).is_some()),
                section => section.get(name).is_some(),
            };
            assert!(has, "whole.toml: {section}.{name}");
        }
        let whole = ClusterConfig::parse(text).unwrap();
        for (section, keys) in whole.sections() {
            for name in keys.keys() {
                assert!(listed.contains(&(section, name)), "{section}.{name}");
            }
        }
    }
}
