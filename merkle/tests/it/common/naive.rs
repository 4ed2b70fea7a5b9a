//! The slow twin of the tree: a reference implementation that computes the digests directly from
//! their definition.
//!
//! It keeps a sorted map, stores no digests of nodes, and computes them again for each query. It
//! shares only the hash function and `Path` with the tree, so the comparison detects an error in
//! either.

use std::collections::BTreeMap;

use engram_merkle::{Digest, HEADER_LEN, Hasher, Path};

/// A set of entries, by key hash.
#[derive(Clone)]
pub(crate) struct Naive<H> {
    hasher: H,
    depth: u16,
    entries: BTreeMap<Digest, Digest>,
}

impl<H: Hasher> Naive<H> {
    pub(crate) fn new(hasher: H, depth: u8) -> Self {
        Self { hasher, depth: depth.into(), entries: BTreeMap::new() }
    }

    pub(crate) fn upsert(&mut self, key: &[u8], value: Digest) {
        self.entries.insert(self.key_hash(key), value);
    }

    pub(crate) fn remove(&mut self, key: &[u8]) {
        self.entries.remove(&self.key_hash(key));
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = (Digest, Digest)> + '_ {
        self.entries.iter().map(|(key, value)| (*key, *value))
    }

    pub(crate) fn below(&self, path: &Path) -> Vec<(Digest, Digest)> {
        let from = self.entries.range(path.bits()..).map(|(key, value)| (*key, *value));
        from.take_while(|(key, _)| path.contains(key)).collect()
    }

    pub(crate) fn key_hash(&self, key: &[u8]) -> Digest {
        self.hash("key ", 0, key)
    }

    pub(crate) fn root(&self) -> Digest {
        let mut parameters = vec![self.depth as u8, 8];
        parameters.extend(self.hasher.name().bytes());
        let parameters = self.hash("para", 0, &parameters);
        let header = [&b"emt1root"[..], &parameters.as_bytes()[..16]].concat();
        let halves = Path::ROOT.children().unwrap().map(|half| self.digest(&half));
        let body: Vec<u8> = halves.iter().flat_map(|half| *half.as_bytes()).collect();
        self.hasher.hash(&header.try_into().unwrap(), &body)
    }

    pub(crate) fn digest(&self, path: &Path) -> Digest {
        let entries = self.below(path);
        if entries.is_empty() {
            return Digest::from([0; 32]);
        }
        let mut body = Vec::new();
        if path.level() >= self.depth && entries.len() <= 8 {
            for (key, value) in entries {
                body.extend(key.as_bytes());
                body.extend(value.as_bytes());
            }
            return self.hash("leaf", path.level(), &body);
        }
        for half in path.children().expect("a key hash has one entry and is a leaf") {
            body.extend(self.digest(&half).as_bytes());
        }
        self.hash("node", path.level(), &body)
    }

    fn hash(&self, kind: &str, level: u16, body: &[u8]) -> Digest {
        let mut header = b"emt1".to_vec();
        header.extend(kind.bytes());
        header.extend(u64::from(level).to_be_bytes());
        header.extend((body.len() as u64).to_be_bytes());
        let header: [u8; HEADER_LEN] = header.try_into().unwrap();
        self.hasher.hash(&header, body)
    }
}
