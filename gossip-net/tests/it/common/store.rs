//! A minimal store: records in a map, and digests of subtrees computed on every query.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use engram_gossip_net::{NodeId, Replicas};
use engram_gossip_proto::{
    Delivery, Entry, Greeting, Parameters, Part, PatternContent, Prefix, Receipt, Record, SpaceId,
    Summary, View,
};

type Digest = [u8; 32];
/// Records and their digests, by key.
type Records = BTreeMap<Digest, (Record, Digest)>;

/// The state of one node, in several spaces.
pub(crate) struct Store {
    spaces: BTreeMap<SpaceId, Arc<Mutex<Space>>>,
    node: Digest,
    /// Whether the view panics at the next delivery.
    trap: Arc<AtomicBool>,
    sessions: Arc<Sessions>,
    greeted: Mutex<Vec<Greeted>>,
}

/// A greeting from a peer, and the number of records in the store when it arrived.
pub(crate) type Greeted = (NodeId, Greeting, usize);

/// Number of pinned views: current and maximum.
#[derive(Default)]
struct Sessions {
    now: AtomicUsize,
    most: AtomicUsize,
}

/// Counts a pinned view until it is dropped.
struct Open(Arc<Sessions>);

#[derive(Default)]
struct Space {
    records: Arc<Records>,
    root: Digest,
    contents: BTreeMap<Digest, PatternContent>,
    generation: u64,
}

/// A pinned space.
pub(crate) struct Pinned {
    records: Arc<Records>,
    root: Digest,
    generation: u64,
    live: Arc<Mutex<Space>>,
    trap: Arc<AtomicBool>,
    _open: Open,
}

/// Dimension of an embedding, as in Engram.
pub(crate) const DIMENSION: u32 = 768;

pub(crate) fn parameters() -> Parameters {
    Parameters::new("sha256", 12).require("dimension", DIMENSION.to_string())
}

impl Store {
    pub(crate) fn new(node: NodeId, spaces: &[&str]) -> Arc<Self> {
        let spaces = spaces.iter().map(|name| (SpaceId::new(*name).unwrap(), Arc::default()));
        Arc::new(Self {
            spaces: spaces.collect(),
            node: node.into(),
            trap: Arc::default(),
            sessions: Arc::default(),
            greeted: Mutex::default(),
        })
    }

    /// The greetings from the peers, in order.
    pub(crate) fn greeted(&self) -> Vec<Greeted> {
        self.greeted.lock().unwrap().clone()
    }

    /// The clock that this store reports in greetings.
    pub(crate) fn clock(&self) -> u64 {
        u64::from(self.node[0])
    }

    /// The maximum number of concurrent sessions. Each session pins one view of each space.
    pub(crate) fn most_sessions(&self) -> usize {
        self.sessions.most.load(Ordering::SeqCst) / self.spaces.len()
    }

    /// Makes the view panic at the next delivery.
    pub(crate) fn set_trap(&self) {
        self.trap.store(true, Ordering::SeqCst);
    }

    /// Writes a new pattern with this id into every space.
    pub(crate) fn write(&self, id: &str) {
        self.write_by(self.node, id);
    }

    /// Inserts a record written by `node` into every space. Stores with equal earlier writes get
    /// equal records.
    pub(crate) fn write_as(&self, node: NodeId, id: &str) {
        self.write_by(node.into(), id);
    }

    /// Writes this content into every space.
    pub(crate) fn write_content(&self, content: PatternContent) {
        self.write_content_by(self.node, content);
    }

    fn write_by(&self, node: Digest, id: &str) {
        self.write_content_by(node, content(id));
    }

    fn write_content_by(&self, node: Digest, content: PatternContent) {
        for space in self.spaces.values() {
            let mut space = space.lock().unwrap();
            space.generation += 1;
            let version = space.generation + (1 << 60);
            let digest = digest_of_content(&content);
            let id = content.id.clone();
            space.contents.insert(digest, content.clone());
            let part = Part { node, entry: version, dots: vec![(version, digest)] };
            let record = Record { id, parts: vec![part], suppressed: vec![] };
            space.join(record);
        }
    }

    /// The contents of all spaces.
    pub(crate) fn contents(&self) -> Vec<PatternContent> {
        let of = |space: &Arc<Mutex<Space>>| {
            space.lock().unwrap().contents.values().cloned().collect::<Vec<_>>()
        };
        self.spaces.values().flat_map(of).collect()
    }

    pub(crate) fn ids(&self) -> Vec<String> {
        let mut ids: Vec<_> = self
            .spaces
            .values()
            .flat_map(|space| {
                let space = space.lock().unwrap();
                space.records.values().map(|(record, _)| record.id.clone()).collect::<Vec<_>>()
            })
            .collect();
        ids.sort();
        ids
    }

    pub(crate) fn roots(&self) -> Vec<Digest> {
        self.spaces.values().map(|space| space.lock().unwrap().summary().root).collect()
    }
}

impl Open {
    fn new(sessions: &Arc<Sessions>) -> Self {
        let now = sessions.now.fetch_add(1, Ordering::SeqCst) + 1;
        sessions.most.fetch_max(now, Ordering::SeqCst);
        Self(sessions.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Replicas for Store {
    type View = Pinned;

    fn spaces(&self) -> Vec<SpaceId> {
        self.spaces.keys().cloned().collect()
    }

    fn pin(&self, space: &SpaceId) -> Option<Pinned> {
        let live = self.spaces.get(space)?.clone();
        let space = live.lock().unwrap();
        let (records, root, generation) = (space.records.clone(), space.root, space.generation);
        drop(space);
        let (trap, _open) = (self.trap.clone(), Open::new(&self.sessions));
        Some(Pinned { records, root, generation, live, trap, _open })
    }

    fn summary(&self, space: &SpaceId) -> Option<Summary> {
        Some(self.spaces.get(space)?.lock().unwrap().summary())
    }

    fn greeting(&self, peer: NodeId) -> Greeting {
        Greeting { known: u64::from(peer.as_bytes()[31]), clock: self.clock() }
    }

    fn greeted(&self, peer: NodeId, greeting: Greeting) {
        let records = self.ids().len();
        self.greeted.lock().unwrap().push((peer, greeting, records));
    }
}

impl Space {
    fn summary(&self) -> Summary {
        Summary { root: self.root, count: self.records.len() as u64, generation: self.generation }
    }

    /// Joins a record into the space: keeps a dot if both records have it, or if one has it and the
    /// other has not seen it. Returns whether the space changed.
    fn join(&mut self, theirs: Record) -> bool {
        let key = hash(theirs.id.as_bytes());
        let joined = match self.records.get(&key) {
            Some((ours, _)) => join(ours, &theirs),
            None => theirs,
        };
        let digest = digest_of_record(&joined);
        let before = Arc::make_mut(&mut self.records).insert(key, (joined, digest));
        let before = before.map(|(_, digest)| digest);
        if before == Some(digest) {
            return false;
        }
        if let Some(before) = before {
            add(&mut self.root, &key, &before);
        }
        add(&mut self.root, &key, &digest);
        self.generation += 1;
        true
    }
}

impl Pinned {
    fn below<'a>(&'a self, prefix: &Prefix) -> impl Iterator<Item = (&'a Digest, &'a Digest)> {
        let prefix = *prefix;
        let from = self.records.range(*prefix.bits()..);
        let below = from.take_while(move |(key, _)| prefix.contains(key));
        below.map(|(key, (_, digest))| (key, digest))
    }
}

impl View for Pinned {
    type Content = PatternContent;

    fn summary(&self) -> Summary {
        Summary { root: self.root, count: self.records.len() as u64, generation: self.generation }
    }

    fn count(&self, prefix: &Prefix) -> u64 {
        self.below(prefix).count() as u64
    }

    fn children(&self, prefix: &Prefix) -> [Option<Digest>; 16] {
        std::array::from_fn(|nibble| {
            let mut sum = Digest::default();
            let mut is_empty = true;
            for (key, digest) in self.below(&prefix.child(u8::try_from(nibble).unwrap())?) {
                add(&mut sum, key, digest);
                is_empty = false;
            }
            (!is_empty).then_some(sum)
        })
    }

    fn entries(&self, prefix: &Prefix) -> Vec<Entry> {
        self.below(prefix).map(|(key, record)| Entry { key: *key, record: *record }).collect()
    }

    fn record(&self, key: &Digest) -> Option<Record> {
        self.live.lock().unwrap().records.get(key).map(|(record, _)| record.clone())
    }

    fn content(&self, digest: &Digest) -> Option<PatternContent> {
        self.live.lock().unwrap().contents.get(digest).cloned()
    }

    fn holds(&self, digest: &Digest) -> bool {
        self.live.lock().unwrap().contents.contains_key(digest)
    }

    fn key_of(&self, id: &str) -> Digest {
        hash(id.as_bytes())
    }

    fn digest(&self, content: &PatternContent) -> Digest {
        digest_of_content(content)
    }

    fn apply(&mut self, delivery: Delivery<PatternContent>) -> Receipt {
        assert!(!self.trap.swap(false, Ordering::SeqCst), "the test requested this panic");
        let mut space = self.live.lock().unwrap();
        space.contents.extend(delivery.contents);
        let mut receipt = Receipt::default();
        for record in delivery.records {
            match space.join(record) {
                true => receipt.applied += 1,
                false => receipt.stale += 1,
            }
        }
        receipt
    }

    fn live_summary(&self) -> Summary {
        self.live.lock().unwrap().summary()
    }
}

fn join(a: &Record, b: &Record) -> Record {
    let nodes: BTreeSet<Digest> = a.parts.iter().chain(&b.parts).map(|part| part.node).collect();
    let of = |record: &Record, node| record.parts.iter().find(|part| part.node == node).cloned();
    let join = |node| match (of(a, node), of(b, node)) {
        (Some(a), Some(b)) => join_parts(a, b),
        (part, None) | (None, part) => part.unwrap(),
    };
    let parts = nodes.into_iter().map(join).collect();
    // No test suppresses contents.
    Record { id: a.id.clone(), parts, suppressed: vec![] }
}

fn join_parts(a: Part, b: Part) -> Part {
    let kept = |from: &Part, other: &Part| {
        let dots = from.dots.iter().copied();
        let stays = |dot: &(u64, Digest)| other.dots.contains(dot) || dot.0 > other.entry;
        dots.filter(stays).collect::<BTreeSet<_>>()
    };
    let dots = &kept(&a, &b) | &kept(&b, &a);
    Part { node: a.node, entry: a.entry.max(b.entry), dots: dots.into_iter().collect() }
}

fn content(id: &str) -> PatternContent {
    let seed = hash(id.as_bytes()).first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
    let mut random = fastrand::Rng::with_seed(seed.unwrap());
    let embedding = (0..DIMENSION).map(|_| random.f32() * 2.0 - 1.0).collect();
    PatternContent {
        id: id.into(),
        embedding,
        source_episodes: vec![format!("episode of {id}")],
        strength: 1.0,
        schema_confidence: 0.5,
        last_consolidated: 0,
    }
}

fn digest_of_content(content: &PatternContent) -> Digest {
    let values = content.embedding.iter().flat_map(|value| value.to_le_bytes());
    hash(&content.id.bytes().chain(values).collect::<Vec<_>>())
}

fn digest_of_record(record: &Record) -> Digest {
    let mut bytes = record.id.clone().into_bytes();
    for part in &record.parts {
        bytes.extend_from_slice(&part.node);
        bytes.extend_from_slice(&part.entry.to_le_bytes());
        for (version, digest) in &part.dots {
            bytes.extend_from_slice(&version.to_le_bytes());
            bytes.extend_from_slice(digest);
        }
    }
    hash(&bytes)
}

/// XORs the hash of an entry into the digest of a set. The digest detects only accidental changes.
fn add(sum: &mut Digest, key: &Digest, record: &Digest) {
    let line = hash(&[*key, *record].concat());
    sum.iter_mut().zip(line).for_each(|(sum, byte)| *sum ^= byte);
}

fn hash(bytes: &[u8]) -> Digest {
    ring::digest::digest(&ring::digest::SHA256, bytes).as_ref().try_into().unwrap()
}
