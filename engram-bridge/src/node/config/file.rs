//! The raw file, before validation.

use serde::Deserialize;

/// The raw file. Integers are as wide as TOML's and required keys are optional, so that validation
/// can report all problems together, with its own messages.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct File {
    pub(super) node: Node,
    pub(super) tls: Tls,
    pub(super) peers: Vec<Peer>,
    pub(super) gossip: Gossip,
    pub(super) merkle_tree: MerkleTree,
    pub(super) conflict: Conflict,
    pub(super) limits: Limits,
    pub(super) membership: Membership,
    pub(super) store: Store,
    pub(super) http: Option<Http>,
    pub(super) retention: Retention,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Node {
    pub(super) name: Option<String>,
    pub(super) listen: Option<String>,
    pub(super) spaces: Option<SpaceNames>,
    pub(super) replaces: Option<Vec<String>>,
}

/// A time: a number in the unit that the key names, or text such as `1m 30s`.
#[derive(Deserialize)]
#[serde(untagged, expecting = "a number, or text such as \"1m 30s\"")]
pub(super) enum Time {
    Units(i64),
    Text(String),
}

/// A list of names, or text that denotes all spaces.
#[derive(Deserialize)]
#[serde(untagged, expecting = "a list of names, or \"*\"")]
pub(super) enum SpaceNames {
    All(String),
    Listed(Vec<String>),
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Tls {
    pub(super) ca: Option<String>,
    pub(super) certificate: Option<String>,
    pub(super) key: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Peer {
    pub(super) name: Option<String>,
    pub(super) node_id: Option<String>,
    pub(super) address: Option<String>,
    pub(super) replaces: Option<Vec<String>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Gossip {
    pub(super) interval_seconds: Option<Time>,
    pub(super) fanout: Option<i64>,
    pub(super) max_patterns_per_sync: Option<i64>,
    pub(super) enable_compression: Option<bool>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct MerkleTree {
    pub(super) depth: Option<i64>,
    pub(super) leaf_count: Option<i64>,
    pub(super) hash: Option<String>,
    pub(super) precision: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Conflict {
    pub(super) strategy: Option<String>,
    pub(super) across_ids: Option<bool>,
    pub(super) across_ids_max_patterns: Option<i64>,
    pub(super) divergent_cosine: Option<f64>,
    pub(super) divergent_jaccard: Option<f64>,
    pub(super) creation_cosine: Option<f64>,
    pub(super) ownership_cosine: Option<f64>,
    pub(super) concept_cosine: Option<f64>,
    pub(super) ambiguity: Option<f64>,
    pub(super) rivalry: Option<f64>,
    pub(super) floor: Option<f64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Limits {
    pub(super) send_kib_per_second: Option<i64>,
    pub(super) quiet_hours: Option<String>,
    pub(super) quiet_kib_per_second: Option<i64>,
    pub(super) peer_mib_per_second: Option<i64>,
    pub(super) peer_hash_nodes_per_second: Option<i64>,
    pub(super) peer_records_per_second: Option<i64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Membership {
    pub(super) kind: Option<String>,
    pub(super) probe_interval_ms: Option<Time>,
    pub(super) probe_timeout_ms: Option<Time>,
    pub(super) suspicion_ms: Option<Time>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Store {
    pub(super) path: Option<String>,
    pub(super) settle_seconds: Option<Time>,
    pub(super) cache_kib: Option<i64>,
    pub(super) max_live_records: Option<i64>,
    pub(super) max_deletions: Option<i64>,
    pub(super) max_content_mib: Option<i64>,
    pub(super) max_unlisted_entries: Option<i64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Http {
    pub(super) listen: Option<String>,
    pub(super) allow_remote: Option<bool>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Retention {
    pub(super) max_age_days: Option<Time>,
    pub(super) max_patterns: Option<i64>,
}
