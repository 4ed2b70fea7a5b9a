//! The model: records and contents in maps, joined as the specification says.

use std::collections::{BTreeMap, BTreeSet};

use engram_gossip_proto::{Actor, Body, Content, Delivery, Dot, Receipt, Record, Rejection};
use sha2::{Digest, Sha256};

use super::{Tree, actor, key_of};

pub fn content_digest(content: &Content) -> [u8; 32] {
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
    let mut hash = Sha256::new_with_prefix((record.context.len() as u32).to_le_bytes());
    let mut put_actor = |actor: &Actor, counter: u64| {
        hash.update(actor.node);
        hash.update(actor.incarnation.to_le_bytes());
        hash.update(counter.to_le_bytes());
    };
    record.context.iter().for_each(|(actor, counter)| put_actor(actor, *counter));
    record.siblings.iter().for_each(|(dot, _)| put_actor(&dot.actor, dot.counter));
    for (_, body) in &record.siblings {
        let (tag, digests) = match body {
            Body::Content(digest) => (0, core::slice::from_ref(digest)),
            Body::Tombstone { buried } => (1, &buried[..]),
        };
        hash.update([tag]);
        hash.update((digests.len() as u32).to_le_bytes());
        hash.update(digests.as_flattened());
    }
    hash.update(&record.id);
    hash.finalize().into()
}

/// The join of two records of one id, as the model defines it.
pub fn join(a: &Record, b: &Record) -> Record {
    let covers = |r: &Record, dot: &Dot| {
        r.context.iter().any(|(actor, counter)| *actor == dot.actor && dot.counter <= *counter)
    };
    let has = |r: &Record, dot: &Dot| r.siblings.iter().any(|(d, _)| d == dot);
    let mut siblings: BTreeMap<Dot, Body> = BTreeMap::new();
    for (ours, other) in [(a, b), (b, a)] {
        for (dot, body) in &ours.siblings {
            if has(other, dot) || !covers(other, dot) {
                siblings.insert(*dot, body.clone());
            }
        }
    }
    let mut context: BTreeMap<Actor, u64> = BTreeMap::new();
    for (actor, counter) in a.context.iter().chain(&b.context) {
        let highest = context.entry(*actor).or_default();
        *highest = (*highest).max(*counter);
    }
    Record {
        id: a.id.clone(),
        siblings: siblings.into_iter().collect(),
        context: context.into_iter().collect(),
    }
}

/// Records, and the contents that they name.
pub type Essence<'a> = (&'a BTreeMap<[u8; 32], Record>, BTreeMap<[u8; 32], &'a Content>);

/// The live state of one space.
#[derive(Clone, Default, Debug, PartialEq)]
pub struct State {
    pub records: BTreeMap<[u8; 32], Record>,
    pub contents: BTreeMap<[u8; 32], Content>,
    pub recent: Vec<[u8; 32]>,
    /// Ids whose records are refused, as if they broke a rule.
    pub poison: BTreeSet<String>,
}

impl State {
    /// One write by `node`, which supersedes its own older writes of the id.
    pub fn submit(&mut self, node: u8, counter: u64, content: Content) {
        let key = key_of(&content.id);
        let digest = content_digest(&content);
        let record = self.records.entry(key).or_insert_with(|| Record {
            id: content.id.clone(),
            siblings: Vec::new(),
            context: Vec::new(),
        });
        record.siblings.retain(|(dot, _)| dot.actor != actor(node));
        record.siblings.push((Dot { actor: actor(node), counter }, Body::Content(digest)));
        record.siblings.sort_by_key(|(dot, _)| *dot);
        record.context.retain(|(a, _)| *a != actor(node));
        record.context.push((actor(node), counter));
        record.context.sort_unstable();
        self.contents.insert(digest, content);
        self.recent.insert(0, key);
    }

    /// A deletion by `node` of all that is live here.
    pub fn delete(&mut self, node: u8, counter: u64, id: &str) {
        let record = self.records.entry(key_of(id)).or_insert_with(|| Record {
            id: id.into(),
            siblings: Vec::new(),
            context: Vec::new(),
        });
        // A dot names one body, whichever replica asks: here the deletion buries a digest of the id.
        let buried = vec![key_of(id)];
        let dot = Dot { actor: actor(node), counter };
        record.siblings = vec![(dot, Body::Tombstone { buried })];
        record.context.retain(|(a, _)| *a != actor(node));
        record.context.push((actor(node), counter));
        record.context.sort_unstable();
    }

    /// Joins the record of one id, as another replica has it.
    pub fn learn(&mut self, other: &Self, id: &str) {
        let key = key_of(id);
        let theirs = &other.records[&key];
        let joined =
            self.records.get(&key).map_or_else(|| theirs.clone(), |ours| join(ours, theirs));
        self.records.insert(key, joined);
        self.contents.extend(other.contents.clone());
    }

    /// Whether every content that a record names is held, and every dot covered.
    pub fn is_whole(&self) -> bool {
        self.records.values().all(|record| {
            record.siblings.iter().all(|(dot, body)| {
                let held = match body {
                    Body::Content(digest) => self.contents.contains_key(digest),
                    _ => true,
                };
                let covered = (record.context.iter())
                    .any(|(actor, counter)| *actor == dot.actor && dot.counter <= *counter);
                held && covered
            })
        })
    }

    /// Only what the wire can carry.
    pub fn essence(&self) -> Essence<'_> {
        let live = self.records.values().flat_map(|record| &record.siblings);
        let contents = live.filter_map(|(_, body)| match body {
            Body::Content(digest) => Some((*digest, self.contents.get(digest)?)),
            _ => None,
        });
        (&self.records, contents.collect())
    }

    pub fn merged(&self, other: &Self) -> Self {
        let mut merged = self.clone();
        for (key, record) in &other.records {
            let joined =
                merged.records.get(key).map_or_else(|| record.clone(), |r| join(r, record));
            merged.records.insert(*key, joined);
        }
        merged.contents.extend(other.contents.clone());
        merged
    }

    pub fn root(&self) -> [u8; 32] {
        Tree::of(self).root()
    }

    /// How many keys differ between two states.
    pub fn difference(&self, other: &Self) -> usize {
        let keys: BTreeSet<_> = self.records.keys().chain(other.records.keys()).collect();
        keys.into_iter().filter(|k| self.records.get(*k) != other.records.get(*k)).count()
    }

    pub(super) fn take(&mut self, delivery: Delivery) -> Receipt {
        let mut receipt = Receipt::default();
        let offered: BTreeMap<_, _> = delivery.contents.into_iter().collect();
        for record in delivery.records {
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
        offered: &BTreeMap<[u8; 32], Content>,
    ) -> Result<bool, Rejection> {
        if self.poison.contains(&record.id) {
            return Err(Rejection::OverLimit);
        }
        let mut new = Vec::new();
        for (_, body) in &record.siblings {
            let Body::Content(digest) = body else { continue };
            match offered.get(digest) {
                Some(c) if content_digest(c) != *digest => return Err(Rejection::WrongDigest),
                Some(c) => new.push((*digest, c.clone())),
                None if self.contents.contains_key(digest) => {}
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
