//! The model: records and contents in maps, joined by the rule in the documentation of [`Part`].

use std::collections::{BTreeMap, BTreeSet};

use engram_gossip_proto::{Delivery, Part, PatternContent, Receipt, Record, Rejection};
use sha2::{Digest, Sha256};

use super::{Tree, key_of, node_id, version};

pub(crate) fn content_digest(content: &PatternContent) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update((content.id.len() as u32).to_le_bytes());
    hash.update(&content.id);
    for value in content.embedding.iter() {
        hash.update(value.to_bits().to_le_bytes());
    }
    for episode in &content.source_episodes {
        hash.update((episode.len() as u32).to_le_bytes());
        hash.update(episode);
    }
    hash.update(content.strength.to_bits().to_le_bytes());
    hash.update(content.schema_confidence.to_bits().to_le_bytes());
    hash.update(content.last_consolidated.to_le_bytes());
    hash.finalize().into()
}

pub(super) fn record_digest(record: &Record) -> [u8; 32] {
    let mut hash = Sha256::new_with_prefix((record.parts.len() as u32).to_le_bytes());
    for part in &record.parts {
        hash.update(part.node);
        hash.update(part.entry.to_le_bytes());
        hash.update((part.dots.len() as u32).to_le_bytes());
        for (version, digest) in &part.dots {
            hash.update(version.to_le_bytes());
            hash.update(digest);
        }
    }
    for (digest, length) in &record.suppressed {
        hash.update(digest);
        hash.update(length.to_le_bytes());
    }
    hash.update(&record.id);
    hash.finalize().into()
}

/// A live dot: its node, its version, and the digest of its content.
pub(crate) type LiveDot = ([u8; 32], u64, [u8; 32]);

pub(crate) fn dots(record: &Record) -> BTreeSet<LiveDot> {
    let of = |part: &Part| {
        let node = part.node;
        part.dots.clone().into_iter().map(move |(version, digest)| (node, version, digest))
    };
    record.parts.iter().flat_map(of).collect()
}

fn record_of(
    id: &str,
    context: BTreeMap<[u8; 32], u64>,
    live: &BTreeSet<LiveDot>,
    suppressed: BTreeMap<[u8; 32], u32>,
) -> Record {
    let part = |(node, entry)| {
        let own = live.iter().filter(|(writer, ..)| *writer == node);
        Part { node, entry, dots: own.map(|(_, version, digest)| (*version, *digest)).collect() }
    };
    Record {
        id: id.into(),
        parts: context.into_iter().map(part).collect(),
        suppressed: suppressed.into_iter().collect(),
    }
}

/// The join of two records of one id, as the model defines it.
pub(crate) fn join(a: &Record, b: &Record) -> Record {
    let covers = |r: &Record, (node, version, _): &LiveDot| {
        r.parts.iter().any(|part| part.node == *node && *version <= part.entry)
    };
    let mut live = BTreeSet::new();
    for (ours, other) in [(a, b), (b, a)] {
        let has = dots(other);
        live.extend(dots(ours).into_iter().filter(|dot| has.contains(dot) || !covers(other, dot)));
    }
    let mut context = BTreeMap::new();
    for part in a.parts.iter().chain(&b.parts) {
        let entry: &mut u64 = context.entry(part.node).or_default();
        *entry = part.entry.max(*entry);
    }
    let mut suppressed = BTreeMap::new();
    for (digest, length) in a.suppressed.iter().chain(&b.suppressed) {
        let longest: &mut u32 = suppressed.entry(*digest).or_default();
        *longest = (*length).max(*longest);
    }
    record_of(&a.id, context, &live, suppressed)
}

/// Records, and the contents that they name.
pub(crate) type Essence<'a> =
    (&'a BTreeMap<[u8; 32], Record>, BTreeMap<[u8; 32], &'a PatternContent>);

/// The live state of one space.
#[derive(Clone, Default, Debug, PartialEq)]
pub(crate) struct State {
    pub(crate) records: BTreeMap<[u8; 32], Record>,
    pub(crate) contents: BTreeMap<[u8; 32], PatternContent>,
    /// Ids whose records are refused.
    pub(crate) poison: BTreeSet<String>,
    /// The reason for these refusals; [`Rejection::OverCap`] if `None`.
    pub(crate) refusal: Option<Rejection>,
    /// Nodes whose parts are refused, as if over a cap; the other parts of a record are joined.
    pub(crate) unlisted: BTreeSet<[u8; 32]>,
    /// Whether nothing can be stored, as on a full disk.
    pub(crate) is_full: bool,
}

impl State {
    /// Writes under `id` as `node`: `keeps` selects the live dots to keep, and `new` names the
    /// content of the new dot, if any.
    fn write(
        &mut self,
        node: u8,
        count: u64,
        id: &str,
        keeps: impl Fn(&LiveDot) -> bool,
        new: Option<[u8; 32]>,
    ) -> &mut Record {
        let key = key_of(id);
        let old = self.records.remove(&key).unwrap_or_default();
        let node = node_id(node);
        let mut live: BTreeSet<_> = dots(&old).into_iter().filter(keeps).collect();
        live.extend(new.map(|digest| (node, version(count), digest)));
        let mut context: BTreeMap<_, _> = old.parts.iter().map(|p| (p.node, p.entry)).collect();
        context.insert(node, version(count));
        let record = record_of(id, context, &live, old.suppressed.into_iter().collect());
        self.records.entry(key).or_insert(record)
    }

    /// Writes `content` as `node`, and supersedes the node's own older writes of the id.
    pub(crate) fn submit(&mut self, node: u8, count: u64, content: PatternContent) {
        let digest = content_digest(&content);
        let others = |(writer, ..): &LiveDot| *writer != node_id(node);
        self.write(node, count, &content.id, others, Some(digest));
        self.contents.insert(digest, content);
    }

    /// Deletes and suppresses all live contents of the id as `node`.
    pub(crate) fn delete(&mut self, node: u8, count: u64, id: &str) {
        let old = self.records.get(&key_of(id)).map(dots).unwrap_or_default();
        let record = self.write(node, count, id, |_| false, None);
        let mut suppressed: BTreeMap<_, _> = record.suppressed.iter().copied().collect();
        for (.., digest) in old {
            let length = suppressed.entry(digest).or_default();
            *length += (*length + 1) % 2;
        }
        record.suppressed = suppressed.into_iter().collect();
    }

    /// Joins another replica's record of one id.
    pub(crate) fn learn(&mut self, other: &Self, id: &str) {
        let key = key_of(id);
        let theirs = &other.records[&key];
        let joined =
            self.records.get(&key).map_or_else(|| theirs.clone(), |ours| join(ours, theirs));
        self.records.insert(key, joined);
        self.contents.extend(other.contents.clone());
    }

    /// Whether every content that a record names is held, and every dot is covered by the entry of
    /// its part.
    pub(crate) fn is_whole(&self) -> bool {
        let mut parts = self.records.values().flat_map(|record| &record.parts);
        parts.all(|part| {
            let whole = |(version, digest): &(u64, [u8; 32])| {
                *version <= part.entry && self.contents.contains_key(digest)
            };
            part.dots.iter().all(whole)
        })
    }

    /// The part of the state that the wire carries.
    pub(crate) fn essence(&self) -> Essence<'_> {
        let live = self.records.values().flat_map(dots);
        let contents = live.filter_map(|(.., digest)| Some((digest, self.contents.get(&digest)?)));
        (&self.records, contents.collect())
    }

    pub(crate) fn merged(&self, other: &Self) -> Self {
        let mut merged = self.clone();
        for (key, record) in &other.records {
            let joined =
                merged.records.get(key).map_or_else(|| record.clone(), |r| join(r, record));
            merged.records.insert(*key, joined);
        }
        merged.contents.extend(other.contents.clone());
        merged
    }

    pub(crate) fn root(&self) -> [u8; 32] {
        Tree::of(self).root()
    }

    /// Number of keys whose records differ between two states.
    pub(crate) fn difference(&self, other: &Self) -> usize {
        let keys: BTreeSet<_> = self.records.keys().chain(other.records.keys()).collect();
        keys.into_iter().filter(|k| self.records.get(*k) != other.records.get(*k)).count()
    }

    pub(super) fn take(&mut self, delivery: Delivery<PatternContent>) -> Receipt {
        let mut receipt = Receipt::default();
        let offered: BTreeMap<_, _> = delivery.contents.into_iter().collect();
        for mut record in delivery.records {
            let parts = record.parts.len();
            record.parts.retain(|part| !self.unlisted.contains(&part.node));
            if record.parts.len() < parts {
                receipt.rejected.push((record.id.clone(), Rejection::OverCap));
            }
            match self.take_record(&record, &offered) {
                Ok(true) => receipt.applied += 1,
                Ok(false) => receipt.stale += 1,
                Err(reason) => receipt.rejected.push((record.id, reason)),
            }
        }
        receipt
    }

    fn take_record(
        &mut self,
        record: &Record,
        offered: &BTreeMap<[u8; 32], PatternContent>,
    ) -> Result<bool, Rejection> {
        if self.is_full {
            return Err(Rejection::StorageUnavailable);
        }
        if self.poison.contains(&record.id) {
            return Err(self.refusal.unwrap_or(Rejection::OverCap));
        }
        let mut new = Vec::new();
        for (.., digest) in dots(record) {
            match offered.get(&digest) {
                Some(c) => new.push((digest, c.clone())),
                None if self.contents.contains_key(&digest) => {}
                None => return Err(Rejection::MissingContent),
            }
        }
        let key = key_of(&record.id);
        let joined = self.records.get(&key).map_or_else(|| record.clone(), |r| join(r, record));
        let changed = self.records.get(&key) != Some(&joined);
        self.records.insert(key, joined);
        self.contents.extend(new);
        Ok(changed)
    }
}
