//! Records with contents of the maximum length, in a space with clocks.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use engram_gossip_proto::{
    ClockIndex, Clocks, Delivery, Entry, OpaqueContent, Part, Prefix, Receipt, Record, Summary,
    View, limits,
};

use crate::common::{Tree, key_of, node_id};

/// A view that makes its contents on demand and drops those that arrive.
#[derive(Clone, Default)]
pub(crate) struct Large(Rc<RefCell<Held>>);

#[derive(Default)]
struct Held {
    records: BTreeMap<[u8; 32], Record>,
    clocks: ClockIndex,
}

impl Large {
    /// A view whose version summary has the maximum length once another node has written.
    pub(crate) fn new() -> Self {
        let large = Self::default();
        let parts = (1..limits::MAX_SUMMARY as u64).map(|n| {
            let mut node = [0; 32];
            node[..8].copy_from_slice(&n.to_be_bytes());
            Part { node, entry: 1, dots: vec![] }
        });
        let record = Record { id: "known".into(), parts: parts.collect(), suppressed: vec![] };
        large.hold(record);
        large.0.borrow_mut().clocks.restart();
        large
    }

    /// Writes records of two contents of the maximum length each.
    pub(crate) fn write(&self, records: u8) {
        for n in 0..records {
            let version = 2 + u64::from(n);
            let dots = [2 * n, 2 * n + 1].map(|byte| (version, [byte; 32]));
            let part = Part { node: node_id(200), entry: version, dots: dots.into() };
            let id = format!("large_{n}");
            self.hold(Record { id, parts: vec![part], suppressed: vec![] });
        }
        self.0.borrow_mut().clocks.restart();
    }

    fn hold(&self, record: Record) {
        let Held { records, clocks } = &mut *self.0.borrow_mut();
        let key = key_of(&record.id);
        record.parts.iter().for_each(|part| clocks.change(&key, &part.node, 0, part.entry));
        records.insert(key, record);
    }

    fn tree(&self) -> Tree {
        let entry = |key: &[u8; 32]| Entry { key: *key, record: [1; 32] };
        Tree::new(self.0.borrow().records.keys().map(entry).collect())
    }
}

impl View for Large {
    type Content = OpaqueContent;

    fn summary(&self) -> Summary {
        let tree = self.tree();
        Summary { root: tree.root(), count: tree.len() as u64, generation: 0 }
    }

    fn count(&self, prefix: &Prefix) -> u64 {
        self.tree().count(prefix)
    }

    fn children(&self, prefix: &Prefix) -> [Option<[u8; 32]>; 16] {
        self.tree().children(prefix)
    }

    fn entries(&self, prefix: &Prefix) -> Vec<Entry> {
        self.tree().entries(prefix)
    }

    fn record(&self, key: &[u8; 32]) -> Option<Record> {
        self.0.borrow().records.get(key).cloned()
    }

    fn content(&self, digest: &[u8; 32]) -> Option<OpaqueContent> {
        let longest = limits::MAX_CONTENT_LEN - OpaqueContent::size_of(0).wire;
        Some(OpaqueContent::new(vec![digest[0]; longest]))
    }

    fn holds(&self, _digest: &[u8; 32]) -> bool {
        false
    }

    fn key_of(&self, id: &str) -> [u8; 32] {
        key_of(id)
    }

    fn digest(&self, content: &OpaqueContent) -> [u8; 32] {
        [content.as_bytes()[0]; 32]
    }

    fn apply(&mut self, delivery: Delivery<OpaqueContent>) -> Receipt {
        super::note_peak();
        let mut receipt = Receipt::default();
        for record in delivery.records {
            let named = record.parts.iter().map(|part| part.dots.len()).sum::<usize>();
            assert_eq!(named, delivery.contents.len(), "every named content arrives");
            receipt.applied += 1;
            self.hold(record);
        }
        receipt
    }

    fn live_summary(&self) -> Summary {
        self.summary()
    }

    fn with_clocks(&self, work: &mut dyn FnMut(&mut dyn Clocks)) -> bool {
        work(&mut self.0.borrow_mut().clocks);
        true
    }

    fn repin(&mut self) {}
}
