//! A tag depends on every byte of its digest.

use crate::common::{Pair, key_of, node_id, parameters, space};
use engram_gossip_proto::{
    Delivery, Entry, Part, PatternContent, Prefix, Receipt, Record, SessionConfig, Summary, View,
};

const RECORDS: usize = 40;

/// A space in which all digests are zero, except for one byte in the digests of one record and of
/// the nodes above it.
struct Synthetic {
    byte: usize,
    value: u8,
    received: usize,
}

fn ids() -> impl Iterator<Item = String> {
    (0..RECORDS).map(|n| format!("pattern_{n}"))
}

impl Synthetic {
    fn digest(&self, prefix: &Prefix) -> Option<[u8; 32]> {
        let mut digest = [0; 32];
        if prefix.contains(&key_of("pattern_0")) {
            digest[self.byte] = self.value;
        }
        ids().any(|id| prefix.contains(&key_of(&id))).then_some(digest)
    }
}

impl View for Synthetic {
    type Content = PatternContent;

    fn summary(&self) -> Summary {
        let root = self.digest(&Prefix::ROOT).unwrap();
        Summary { root, count: RECORDS as u64, generation: 0 }
    }

    fn count(&self, prefix: &Prefix) -> u64 {
        self.entries(prefix).len() as u64
    }

    fn children(&self, prefix: &Prefix) -> [Option<[u8; 32]>; 16] {
        std::array::from_fn(|nibble| self.digest(&prefix.child(nibble as u8)?))
    }

    fn entries(&self, prefix: &Prefix) -> Vec<Entry> {
        let keys = ids().map(|id| key_of(&id)).filter(|key| prefix.contains(key));
        let entry = |key| {
            let whole = Prefix::of(&key, 64).unwrap();
            Entry { key, record: self.digest(&whole).unwrap() }
        };
        let mut entries: Vec<_> = keys.map(entry).collect();
        entries.sort_unstable();
        entries
    }

    fn record(&self, key: &[u8; 32]) -> Option<Record> {
        let id = ids().find(|id| key_of(id) == *key)?;
        let part = Part { node: node_id(self.value), entry: 1, dots: vec![] };
        Some(Record { id, parts: vec![part], suppressed: vec![] })
    }

    fn content(&self, _: &[u8; 32]) -> Option<PatternContent> {
        None
    }

    fn holds(&self, _: &[u8; 32]) -> bool {
        false
    }

    fn key_of(&self, id: &str) -> [u8; 32] {
        key_of(id)
    }

    fn digest(&self, _: &PatternContent) -> [u8; 32] {
        [0; 32]
    }

    fn apply(&mut self, delivery: Delivery<PatternContent>) -> Receipt {
        assert!(delivery.records.iter().all(|record| record.id == "pattern_0"));
        self.received += delivery.records.len();
        Receipt { applied: delivery.records.len() as u32, ..Receipt::default() }
    }

    fn live_summary(&self) -> Summary {
        self.summary()
    }
}

#[test]
fn every_byte_of_a_digest_counts() {
    for byte in 0..32 {
        for session in 0..20 {
            let view = |value| vec![(space("default"), Synthetic { byte, value, received: 0 })];
            let mut pair = Pair::keyed(
                [[session; 8], [!session; 8]],
                (SessionConfig::default(), SessionConfig::default()),
                (parameters(), parameters()),
                (view(1), view(2)),
            );
            loop {
                let mut frames = 0;
                while let Some(frame) = pair.opener.poll_frame(pair.now) {
                    pair.acceptor.handle_frame(&frame, pair.now).unwrap();
                    frames += 1;
                }
                while let Some(frame) = pair.acceptor.poll_frame(pair.now) {
                    pair.opener.handle_frame(&frame, pair.now).unwrap();
                    frames += 1;
                }
                if frames == 0 {
                    break;
                }
            }
            for end in [pair.opener, pair.acceptor] {
                let (_, view) = end.into_spaces().next().unwrap();
                assert!(view.received > 0, "byte {byte}, session {session}");
            }
        }
    }
}
