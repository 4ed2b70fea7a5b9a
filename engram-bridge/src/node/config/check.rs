//! Validates the file and converts it to a configuration.

mod conflict;
mod running;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use engram_gossip_net::{NodeId, Roster};
use engram_gossip_proto::SpaceId;
use engram_merkle::{AnyHasher, BaseDepth};

pub(super) use self::conflict::{COSINE, JACCARD, PART};
use super::file::{self, File, Gossip, Http, MerkleTree, Node, Peer, SpaceNames, Store, Time, Tls};
use super::{
    ClusterConfig, ConfigProblem, GossipConfig, HttpConfig, MerkleTreeConfig, NodeConfig,
    PeerConfig, StorageConfig, TlsConfig,
};
use crate::engram::precision::Precision;
use crate::node::printable::is_control;
use crate::replica::caps::Caps;
use crate::replica::retention::Retention;
use crate::spaces::store::DEFAULT_SPACE;

pub(super) const INTERVAL_SECONDS: RangeInclusive<i64> = 1..=86_400;
pub(super) const FANOUT: RangeInclusive<i64> = 1..=64;
pub(super) const MAX_PATTERNS_PER_SYNC: RangeInclusive<i64> = 1..=1_024;
pub(super) const KIB_PER_SECOND: RangeInclusive<i64> = 1..=1_000_000_000;
pub(super) const MIB_PER_SECOND: RangeInclusive<i64> = 1..=1_000_000;
pub(super) const PER_SECOND: RangeInclusive<i64> = 1..=1_000_000_000;
pub(super) const PROBE_INTERVAL_MS: RangeInclusive<i64> = 100..=60_000;
pub(super) const PROBE_TIMEOUT_MS: RangeInclusive<i64> = 10..=20_000;
pub(super) const SUSPICION_MS: RangeInclusive<i64> = 100..=600_000;
pub(super) const SETTLE_SECONDS: RangeInclusive<i64> = 0..=3_600;
pub(super) const CACHE_KIB: RangeInclusive<i64> = 64..=16_777_216;
pub(super) const RECORDS: RangeInclusive<i64> = 1..=1_000_000_000;
pub(super) const MAX_COMPARED: RangeInclusive<i64> = 1..=1_000_000;
pub(super) const CONTENT_MIB: RangeInclusive<i64> = 1..=1 << 30;
const MAX_REPLACED: usize = 16;
pub(super) const MAX_AGE_DAYS: RangeInclusive<i64> = 1..=36_500;
pub(super) const MAX_PATTERNS: RangeInclusive<i64> = 1..=1_000_000_000;
const MAX_SPACES: usize = 1_024;
/// Denotes every space that the store, a snapshot file or a peer names.
pub(super) const ALL_SPACES: &str = "*";
const MIB: u64 = 1 << 20;
const SECOND: Duration = Duration::from_secs(1);

/// Checks every key, even after a problem, and appends all problems to `problems`. The result may be used only if
/// there are none.
pub(super) fn check(file: File, problems: &mut Vec<ConfigProblem>) -> Option<ClusterConfig> {
    let mut check = Check { problems };
    let node = check.node(file.node);
    let tls = check.tls(file.tls);
    let peers = check.peers(file.peers);
    let gossip = check.gossip(&file.gossip);
    let merkle_tree = check.merkle_tree(&file.merkle_tree);
    let conflict = check.conflict(&file.conflict);
    let limits = check.limits(&file.limits);
    let membership = check.membership(&file.membership);
    let store = check.store(file.store);
    let http = match file.http {
        Some(http) => check.http(http).map(Some),
        None => Some(None),
    };
    let retention = check.retention(&file.retention);
    Some(ClusterConfig {
        node: node?,
        tls: tls?,
        peers: peers?,
        gossip: gossip?,
        merkle_tree: merkle_tree?,
        conflict: conflict?,
        limits: limits?,
        membership: membership?,
        store: store?,
        http: http?,
        retention: retention?,
    })
}

struct Check<'p> {
    problems: &'p mut Vec<ConfigProblem>,
}

impl Check<'_> {
    fn refuse<T>(&mut self, key: impl Into<String>, message: impl Into<String>) -> Option<T> {
        let (key, message) = (key.into(), message.into());
        self.problems.push(ConfigProblem { key, line: None, message });
        None
    }

    fn required(&mut self, key: &str, value: Option<String>, example: &str) -> Option<String> {
        match value {
            Some(value) if !value.trim().is_empty() => Some(value),
            Some(_) => self.refuse(key, format!("it is empty; write, for example, {example}")),
            None => self.refuse(key, format!("it is missing; write, for example, {example}")),
        }
    }

    /// Checks the name of a node, which is shown in terminals and logs.
    fn name(&mut self, key: &str, value: Option<String>, example: &str) -> Option<String> {
        let name = self.required(key, value, example)?;
        if name.contains(is_control) {
            let message =
                format!("{name:?} contains control characters; write, for example, {example}");
            return self.refuse(key, message);
        }
        Some(name)
    }

    fn integer(
        &mut self,
        key: &str,
        value: Option<i64>,
        default: i64,
        range: RangeInclusive<i64>,
    ) -> Option<i64> {
        let value = value.unwrap_or(default);
        if range.contains(&value) {
            return Some(value);
        }
        let (least, most) = (range.start(), range.end());
        self.refuse(key, format!("{value} is not in {least}..={most}; the default is {default}"))
    }

    /// Returns a time in the unit of its key; `None` if the value is not a time or not a multiple of
    /// the unit, `Some(None)` if none is given.
    fn time(&mut self, key: &str, written: Option<&Time>, unit: Duration) -> Option<Option<i64>> {
        let text = match written {
            None => return Some(None),
            Some(Time::Units(units)) => return Some(Some(*units)),
            Some(Time::Text(text)) => text,
        };
        match humantime::parse_duration(text) {
            Ok(time) if time.as_nanos() % unit.as_nanos() == 0 => {
                let units = i64::try_from(time.as_nanos() / unit.as_nanos());
                Some(Some(units.unwrap_or(i64::MAX)))
            }
            Ok(_) => {
                let unit = humantime::format_duration(unit);
                self.refuse(key, format!("{text:?} is not a multiple of {unit}; use a multiple"))
            }
            Err(error) => {
                let message = format!(
                    "{text:?} is not a time: {error}; write a number, or text such as \"1m 30s\""
                );
                self.refuse(key, message)
            }
        }
    }

    fn address(&mut self, key: &str, value: Option<String>) -> Option<SocketAddr> {
        let value = self.required(key, value, "\"127.0.0.1:7701\"")?;
        match value.parse() {
            Ok(address) => Some(address),
            Err(_) => self.refuse(
                key,
                format!("{value:?} is not an address; write an IP address and a port, such as 127.0.0.1:7701 or [::1]:7701"),
            ),
        }
    }

    /// Returns the address at which to dial a peer; `None` if the value is not an address,
    /// `Some(None)` if none is given.
    fn peer_address(&mut self, key: String, value: Option<String>) -> Option<Option<String>> {
        match value {
            None => Some(None),
            Some(value) if Roster::is_address(&value) => Some(Some(value)),
            Some(value) => self.refuse(
                key,
                format!("{value:?} is not an address; write a host and a port, such as 10.0.0.2:7701 or node-b:7701"),
            ),
        }
    }

    fn node(&mut self, node: Node) -> Option<NodeConfig> {
        let name = self.name("node.name", node.name, "\"node-a\"");
        let listen = self.address("node.listen", node.listen);
        let learn_spaces = matches!(node.spaces, Some(SpaceNames::All(_)));
        let spaces = self.spaces(node.spaces);
        let replaces = self.replaces("node.replaces", node.replaces);
        let (name, listen, spaces, replaces) = (name?, listen?, spaces?, replaces?);
        Some(NodeConfig { name, listen, spaces, learn_spaces, replaces })
    }

    fn replaces(&mut self, key: &str, ids: Option<Vec<String>>) -> Option<Vec<NodeId>> {
        let ids = ids.unwrap_or_default();
        if ids.len() > MAX_REPLACED {
            let message = format!("a node replaces at most {MAX_REPLACED} keys, not {}", ids.len());
            return self.refuse(key, message);
        }
        let count = ids.len();
        let mut replaced = Vec::with_capacity(count);
        for (at, id) in ids.into_iter().enumerate() {
            match id.parse::<NodeId>() {
                Ok(id) => replaced.push(id),
                Err(error) => {
                    self.refuse::<()>(format!("{key}.{at}"), format!("{id:?}: {error}"));
                }
            }
        }
        (replaced.len() == count).then_some(replaced)
    }

    fn spaces(&mut self, names: Option<SpaceNames>) -> Option<Vec<SpaceId>> {
        let names = match names {
            None => vec![DEFAULT_SPACE.to_owned()],
            Some(SpaceNames::Listed(names)) => names,
            Some(SpaceNames::All(text)) if text == ALL_SPACES => vec![DEFAULT_SPACE.to_owned()],
            Some(SpaceNames::All(text)) => {
                let message = format!(
                    "{text:?} is not known; write \"*\" for all spaces, or a list of names"
                );
                return self.refuse("node.spaces", message);
            }
        };
        if !(1..=MAX_SPACES).contains(&names.len()) {
            let message = format!("a node hosts 1 to {MAX_SPACES} spaces, not {}", names.len());
            return self.refuse("node.spaces", message);
        }
        let count = names.len();
        let mut spaces = BTreeSet::new();
        for (at, name) in names.into_iter().enumerate() {
            match SpaceId::new(&*name) {
                Ok(space) => {
                    if !spaces.insert(space) {
                        let message = format!("{name:?} is named twice; name it once");
                        self.refuse::<()>(format!("node.spaces.{at}"), message);
                    }
                }
                Err(error) => {
                    self.refuse::<()>(format!("node.spaces.{at}"), format!("{name:?}: {error}"));
                }
            }
        }
        (spaces.len() == count).then(|| spaces.into_iter().collect())
    }

    fn tls(&mut self, tls: Tls) -> Option<TlsConfig> {
        let ca = self.required("tls.ca", tls.ca, "\"ca.pem\"");
        let certificate = self.required("tls.certificate", tls.certificate, "\"node-a.pem\"");
        let key = self.required("tls.key", tls.key, "\"node-a.key\"");
        Some(TlsConfig {
            ca: PathBuf::from(ca?),
            certificate: PathBuf::from(certificate?),
            key: PathBuf::from(key?),
        })
    }

    fn peers(&mut self, peers: Vec<Peer>) -> Option<Vec<PeerConfig>> {
        let count = peers.len();
        let mut known: Vec<PeerConfig> = Vec::with_capacity(count);
        for (at, peer) in peers.into_iter().enumerate() {
            let Some(peer) = self.peer(at, peer) else { continue };
            match known.iter().find_map(|other| shared_key(other, &peer).map(|key| (key, other))) {
                Some((key, other)) => {
                    let message =
                        format!("peer {:?} has the same value; list each node once", other.name);
                    self.refuse::<()>(format!("peers.{at}.{key}"), message);
                }
                None => known.push(peer),
            }
        }
        (known.len() == count).then_some(known)
    }

    fn peer(&mut self, at: usize, peer: Peer) -> Option<PeerConfig> {
        let name = self.name(&format!("peers.{at}.name"), peer.name, "\"node-b\"");
        let address = self.peer_address(format!("peers.{at}.address"), peer.address);
        let key = format!("peers.{at}.node_id");
        let node_id =
            self.required(&key, peer.node_id, "the id that `engram-node certs show` prints");
        let node_id = node_id.and_then(|text| match text.parse::<NodeId>() {
            Ok(node_id) => Some(node_id),
            Err(error) => self.refuse(
                key,
                format!("{text:?} is not a node id ({error}); copy the id that `engram-node certs show` prints for the peer's certificate"),
            ),
        });
        let replaces = self.replaces(&format!("peers.{at}.replaces"), peer.replaces);
        Some(PeerConfig { name: name?, node_id: node_id?, address: address?, replaces: replaces? })
    }

    fn gossip(&mut self, gossip: &Gossip) -> Option<GossipConfig> {
        let (key, range) = ("gossip.interval_seconds", INTERVAL_SECONDS);
        let interval = self.time(key, gossip.interval_seconds.as_ref(), SECOND);
        let interval = interval.and_then(|written| self.integer(key, written, 60, range));
        let fanout = self.integer("gossip.fanout", gossip.fanout, 3, FANOUT);
        let patterns = self.integer(
            "gossip.max_patterns_per_sync",
            gossip.max_patterns_per_sync,
            100,
            MAX_PATTERNS_PER_SYNC,
        );
        Some(GossipConfig {
            interval: Duration::from_secs(interval?.unsigned_abs()),
            fanout: usize::try_from(fanout?).ok()?,
            max_patterns_per_sync: u32::try_from(patterns?).ok()?,
            enable_compression: gossip.enable_compression.unwrap_or(true),
        })
    }

    fn merkle_tree(&mut self, tree: &MerkleTree) -> Option<MerkleTreeConfig> {
        let levels = tree.depth.unwrap_or(12);
        let depth =
            match u8::try_from(levels).ok().and_then(|levels| BaseDepth::try_from(levels).ok()) {
                Some(depth) => Some(depth),
                None => self.refuse(
                    "merkle_tree.depth",
                    format!("{levels} is not 4, 8, 12 or 16; the default is 12"),
                ),
            };
        let name = tree.hash.as_deref().unwrap_or("sha256");
        let hash = match name.parse::<AnyHasher>() {
            Ok(hash) => Some(hash),
            Err(_) => self.refuse(
                "merkle_tree.hash",
                format!("{name:?} is not known; write \"sha256\" (the default) or \"blake3\""),
            ),
        };
        let leaves = depth.map(|depth| i64::from(depth.slots()));
        if let (Some(leaves), Some(written)) = (leaves, tree.leaf_count)
            && leaves != written
        {
            self.refuse::<()>(
                "merkle_tree.leaf_count",
                format!("{written} is not 2^{levels}; write {leaves} or leave it out"),
            );
        }
        let precision = match tree.precision.as_deref() {
            None | Some("f32") => Some(Precision::F32),
            Some("f16") => Some(Precision::F16),
            Some(name) => self.refuse(
                "merkle_tree.precision",
                format!("{name:?} is not known; write \"f32\" (the default) or \"f16\""),
            ),
        };
        Some(MerkleTreeConfig { depth: depth?, hash: hash?, precision: precision? })
    }

    fn http(&mut self, http: Http) -> Option<HttpConfig> {
        let listen = self.address("http.listen", http.listen)?;
        if listen.ip().is_loopback() || http.allow_remote == Some(true) {
            return Some(HttpConfig { listen });
        }
        self.refuse(
            "http.listen",
            format!("{listen} is reachable from other hosts, and there is no log-in; listen on 127.0.0.1, or add allow_remote = true"),
        )
    }

    fn retention(&mut self, retention: &file::Retention) -> Option<Retention> {
        let (key, range) = ("retention.max_age_days", MAX_AGE_DAYS);
        let days = self.time(key, retention.max_age_days.as_ref(), 86_400 * SECOND);
        let days = days.and_then(|written| self.limit(key, written, range));
        let most = self.limit("retention.max_patterns", retention.max_patterns, MAX_PATTERNS);
        Some(Retention {
            max_age: days?.map(|days| Duration::from_secs(86_400 * days)),
            max_patterns: most?.and_then(|most| usize::try_from(most).ok()),
        })
    }

    /// Returns an optional number; `None` if it is out of range, `Some(None)` if none is given.
    fn limit(
        &mut self,
        key: &str,
        value: Option<i64>,
        range: RangeInclusive<i64>,
    ) -> Option<Option<u64>> {
        match value {
            Some(value) if !range.contains(&value) => {
                let (least, most) = (range.start(), range.end());
                let message =
                    format!("{value} is not in {least}..={most}; leave it out for no limit");
                self.refuse(key, message)
            }
            value => Some(value.map(i64::unsigned_abs)),
        }
    }

    fn store(&mut self, store: Store) -> Option<StorageConfig> {
        let (key, range) = ("store.settle_seconds", SETTLE_SECONDS);
        let settle = self.time(key, store.settle_seconds.as_ref(), SECOND);
        let settle = settle.and_then(|written| self.integer(key, written, 10, range));
        let cache = self.integer("store.cache_kib", store.cache_kib, 256, CACHE_KIB);
        let caps = self.caps(&store);
        let path = match store.path {
            None => Some(None),
            written => self.required("store.path", written, "\"state\"").map(Some),
        };
        Some(StorageConfig {
            path: path?.map(PathBuf::from),
            settle: Duration::from_secs(settle?.unsigned_abs()),
            cache_bytes: cache?.unsigned_abs() << 10,
            caps: caps?,
        })
    }

    fn caps(&mut self, store: &Store) -> Option<Caps> {
        let default = Caps::default();
        let mut cap = |name: &str, written, default: u64, unit: u64, range| {
            let default = i64::try_from(default / unit).unwrap_or(i64::MAX);
            let value = self.integer(&format!("store.{name}"), written, default, range)?;
            Some(value.unsigned_abs() * unit)
        };
        let (live, deletions) = (default.live_records, default.deletions);
        let live = cap("max_live_records", store.max_live_records, live, 1, RECORDS);
        let deletions = cap("max_deletions", store.max_deletions, deletions, 1, RECORDS);
        let (written, bytes) = (store.max_content_mib, default.content_bytes);
        let bytes = cap("max_content_mib", written, bytes, MIB, CONTENT_MIB);
        let (written, entries) = (store.max_unlisted_entries, default.unlisted_entries);
        let entries = cap("max_unlisted_entries", written, entries, 1, RECORDS);
        Some(Caps {
            live_records: live?,
            deletions: deletions?,
            content_bytes: bytes?,
            unlisted_entries: entries?,
        })
    }
}

/// Returns the first key that has the same value for both peers although it must be unique.
fn shared_key(one: &PeerConfig, other: &PeerConfig) -> Option<&'static str> {
    if one.name == other.name {
        Some("name")
    } else if one.node_id == other.node_id {
        Some("node_id")
    } else {
        (one.address.is_some() && one.address == other.address).then_some("address")
    }
}
