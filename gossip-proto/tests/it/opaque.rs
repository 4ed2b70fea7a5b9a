//! Opaque contents: a session transfers arbitrary bytes and does not interpret them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::common::{Contact, Pair, Tree, key_of, node_id, parameters, space};
use engram_gossip_proto::{
    Compression, Delivery, Ending, Entry, Holder, Message, OpaqueContent, Part, Prefix, Receipt,
    Record, Rejection, SessionConfig, SessionError, Summary, View, limits,
};
use sha2::{Digest, Sha256};

/// A naive store of opaque contents.
#[derive(Clone, Default)]
struct Shelf(Rc<RefCell<Held>>);

#[derive(Default)]
struct Held {
    records: BTreeMap<[u8; 32], Record>,
    contents: BTreeMap<[u8; 32], OpaqueContent>,
}

fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

impl Shelf {
    /// Writes contents under an id, as versions of one node.
    fn put(&self, id: &str, contents: &[&[u8]]) {
        let mut held = self.0.borrow_mut();
        let mut dots: Vec<_> = (1..).zip(contents.iter().map(|bytes| digest(bytes))).collect();
        dots.sort_unstable();
        let part = Part { node: node_id(1), entry: 1 << 40, dots };
        let record = Record { id: id.into(), parts: vec![part], suppressed: vec![] };
        held.records.insert(key_of(id), record);
        let contents = contents.iter().map(|bytes| (digest(bytes), OpaqueContent::new(*bytes)));
        held.contents.extend(contents);
    }

    fn tree(&self) -> Tree {
        let entry = |(key, record): (&[u8; 32], &Record)| Entry {
            key: *key,
            record: digest(format!("{record:?}").as_bytes()),
        };
        Tree::new(self.0.borrow().records.iter().map(entry).collect())
    }
}

impl View for Shelf {
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
        self.0.borrow().contents.get(digest).cloned()
    }

    fn holds(&self, digest: &[u8; 32]) -> bool {
        self.0.borrow().contents.contains_key(digest)
    }

    fn key_of(&self, id: &str) -> [u8; 32] {
        key_of(id)
    }

    fn digest(&self, content: &OpaqueContent) -> [u8; 32] {
        digest(content.as_bytes())
    }

    fn apply(&mut self, delivery: Delivery<OpaqueContent>) -> Receipt {
        let mut held = self.0.borrow_mut();
        let mut receipt = Receipt::default();
        held.contents.extend(delivery.contents);
        for record in delivery.records {
            let mut named = record.parts.iter().flat_map(|part| &part.dots);
            if named.all(|(_, digest)| held.contents.contains_key(digest)) {
                receipt.applied += 1;
                held.records.insert(key_of(&record.id), record);
            } else {
                receipt.rejected.push((record.id, Rejection::MissingContent));
            }
        }
        receipt
    }

    fn live_summary(&self) -> Summary {
        self.summary()
    }
}

fn sync(a: &Shelf, b: &Shelf, config: &SessionConfig) -> Contact {
    sync_through(a, b, config, |frame| frame)
}

fn sync_through(
    a: &Shelf,
    b: &Shelf,
    config: &SessionConfig,
    mut tamper: impl FnMut(Vec<u8>) -> Vec<u8>,
) -> Contact {
    let spaces = |shelf: &Shelf| vec![(space("default"), shelf.clone())];
    let config = (config.clone(), config.clone());
    Pair::new(config, (parameters(), parameters()), (spaces(a), spaces(b)))
        .run(|_, _, frame| vec![tamper(frame)])
}

/// Incompressible bytes.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 1u64;
    let mut draw = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    };
    (0..len).map(|_| draw()).collect()
}

const MIB: usize = 1 << 20;

#[test]
fn contents_of_any_size_travel() {
    let (a, b) = (Shelf::default(), Shelf::default());
    let large = noise(10 * MIB);
    a.put("large", &[&large, b"small beside it"]);
    a.put("zeros", &[&vec![0; 10 * MIB]]);
    a.put("empty", &[b""]);
    b.put("theirs", &[&noise(3 * MIB)]);
    let contact = sync(&a, &b, &SessionConfig::default());
    assert_eq!(contact.opener.result, Ending::InSync, "{:?}", contact.events);
    assert_eq!(a.0.borrow().contents, b.0.borrow().contents);
    assert!(contact.frames.iter().all(|(_, frame)| frame.len() <= limits::MAX_FRAME));
    let packed = 13 * MIB + MIB / 2;
    assert!(contact.bytes() < packed, "zeros are packed, and nothing travels twice");
    let contents = [&contact.opener, &contact.acceptor].map(|side| side.stats.contents_out);
    assert_eq!(contents, [4, 1]);
}

#[test]
fn record_size_is_limited_per_node() {
    let half = limits::MAX_AHEAD / 2 - OpaqueContent::size_of(0).wire;
    let (a, b) = (Shelf::default(), Shelf::default());
    let [one, two, three] = [0, 1, 2].map(|byte| vec![byte; half]);
    a.put("two", &[&one, &two]);
    let contact = sync(&a, &b, &SessionConfig::default());
    assert_eq!(contact.opener.result, Ending::InSync, "{:?}", contact.events);
    a.put("three", &[&one, &two, &three]);
    let empty = Shelf::default();
    let contact = sync(&a, &empty, &SessionConfig::default());
    assert_eq!(contact.opener.result, Ending::Unsendable);
    for (outcome, holder) in [(&contact.opener, Holder::Us), (&contact.acceptor, Holder::Peer)] {
        let [record] = &outcome.unsendable[..] else { panic!("{:?}", outcome.unsendable) };
        assert_eq!((&*record.id, record.holder), ("three", holder));
        assert!(record.what.contains("contents of one node"), "{}", record.what);
    }
    assert_eq!(empty.0.borrow().records.len(), 1, "the other record arrived");
}

#[test]
fn a_receiver_limits_the_bytes_ahead() {
    let (a, b) = (Shelf::default(), Shelf::default());
    for id in ["one", "two", "three"] {
        a.put(id, &[&vec![id.len() as u8; 9 * MIB][id.as_bytes()[0] as usize..]]);
    }
    // The `PatternSync` messages never arrive, so the contents ahead of their parts add up.
    let config = SessionConfig { compression: Compression::Off, ..SessionConfig::default() };
    let spaces = |shelf: &Shelf| vec![(space("default"), shelf.clone())];
    let views = (spaces(&a), spaces(&b));
    let contact = Pair::new((config.clone(), config), (parameters(), parameters()), views).run(
        |_, _, frame| match Message::decode(&frame) {
            Ok((Message::PatternSync(_), _)) => vec![],
            _ => vec![frame],
        },
    );
    let (what, cap) = ("bytes of contents ahead of their part", limits::MAX_AHEAD as u64);
    let over = SessionError::OverLimit { what, cap };
    assert_eq!(contact.acceptor.result, Ending::Failed(over));
    assert_eq!(contact.acceptor.stats.contents_in, 3);
    assert!(b.0.borrow().records.is_empty());
}

#[test]
fn content_over_the_receive_budget_waits() {
    let (a, b) = (Shelf::default(), Shelf::default());
    a.put("large", &[&noise(10 * MIB)]);
    a.put("small", &[b"small"]);
    // A scheduler lowers the receive budget of a session if little of the peer's quota is left.
    let config = SessionConfig { receive_budget: 6 << 20, ..SessionConfig::default() };
    let contact = sync(&a, &b, &config);
    for outcome in [&contact.opener, &contact.acceptor] {
        assert_eq!(outcome.result, Ending::BudgetSpent);
        assert!(outcome.unsendable.is_empty(), "{:?}", outcome.unsendable);
    }
    let large = u64::from_be_bytes(*key_of("large").first_chunk().unwrap());
    assert_eq!(contact.opener.cursor, Some(large), "the next session begins there");
    assert_eq!(b.0.borrow().records.len(), 1, "the small record arrived");
    let contact = sync(&a, &b, &SessionConfig::default());
    assert_eq!(contact.opener.result, Ending::InSync);
}

#[test]
fn contents_over_a_budget_take_several_sessions() {
    let (a, b) = (Shelf::default(), Shelf::default());
    for id in ["one", "two", "three"] {
        a.put(id, &[&noise(10 * MIB)[id.len()..]]);
    }
    let config = SessionConfig { receive_budget: 24 << 20, ..SessionConfig::default() };
    let endings = [(); 3].map(|()| sync(&a, &b, &config).opener.result);
    assert_eq!(endings, [Ending::BudgetSpent, Ending::InSync, Ending::InSync]);
    assert_eq!(a.0.borrow().records, b.0.borrow().records);
}

#[test]
fn a_damaged_part_is_rejected_by_its_digest() {
    const CONTENT_PART: u8 = 11;
    let (a, b) = (Shelf::default(), Shelf::default());
    a.put("large", &[&noise(2 * MIB)]);
    let contact = sync_through(&a, &b, &SessionConfig::default(), |mut frame| {
        if frame[3] == CONTENT_PART {
            *frame.last_mut().unwrap() ^= 1;
        }
        frame
    });
    assert_eq!(contact.opener.result, Ending::Synced);
    assert_eq!(contact.acceptor.stats.rejected, 1);
    assert!(b.0.borrow().records.is_empty());
    assert_eq!(sync(&a, &b, &SessionConfig::default()).opener.result, Ending::InSync);
}
