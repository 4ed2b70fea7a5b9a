//! Much that a peer lacks is offered before it is sent, so that of several sessions one brings it.

mod common;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use common::{Pair, State, Store, content, parameters, space, sync};
use engram_gossip_proto::{
    Content, Delivery, Ending, Entry, KEY_LEN, Message, Prefix, Receipt, Record, SessionConfig,
    Summary, View, limits,
};

/// A view that leaves out what others have claimed.
struct Claiming<V> {
    view: V,
    claimed: Rc<RefCell<BTreeSet<[u8; KEY_LEN]>>>,
}

impl<V: View> View for Claiming<V> {
    fn summary(&self) -> Summary {
        self.view.summary()
    }

    fn count(&self, prefix: &Prefix) -> u64 {
        self.view.count(prefix)
    }

    fn children(&self, prefix: &Prefix) -> [Option<[u8; 32]>; 16] {
        self.view.children(prefix)
    }

    fn entries(&self, prefix: &Prefix) -> Vec<Entry> {
        self.view.entries(prefix)
    }

    fn record(&self, key: &[u8; 32]) -> Option<Record> {
        self.view.record(key)
    }

    fn content(&self, digest: &[u8; 32]) -> Option<Content> {
        self.view.content(digest)
    }

    fn holds(&self, digest: &[u8; 32]) -> bool {
        self.view.holds(digest)
    }

    fn key_of(&self, id: &str) -> [u8; 32] {
        self.view.key_of(id)
    }

    fn apply(&mut self, delivery: Delivery) -> Receipt {
        self.view.apply(delivery)
    }

    fn live_summary(&self) -> Summary {
        self.view.live_summary()
    }

    fn claim(&self, key: &[u8; KEY_LEN]) -> bool {
        self.claimed.borrow_mut().insert(*key)
    }
}

fn unasked_records(frames: &[(bool, Vec<u8>)]) -> usize {
    let messages = frames.iter().map(|(_, frame)| Message::decode(frame).unwrap().0);
    let before_requests = messages.take_while(|m| !matches!(m, Message::PatternRequest(_)));
    before_requests
        .map(|message| match message {
            Message::PatternSync(sync) => sync.delivery.records.len(),
            _ => 0,
        })
        .sum()
}

fn store(node: u8, ids: impl Iterator<Item = String>) -> Store {
    let mut state = State::default();
    for (counter, id) in (1..).zip(ids) {
        state.submit(node, counter, content(&id, 1));
    }
    Store::new(state)
}

fn stores(here: usize, there: usize) -> (Store, Store) {
    let ids = |side: &'static str, count| (0..count).map(move |n| format!("{side}-{n}"));
    (store(1, ids("here", here)), store(2, ids("there", there)))
}

#[test]
fn few_records_are_sent_at_once_and_many_are_offered() {
    let cap = usize::try_from(limits::MAX_UNASKED).unwrap();
    let (a, b) = stores(0, cap);
    assert_eq!(unasked_records(&sync(&a, &b).frames), cap);
    for (here, there) in [(2_000, 0), (0, 2_000), (5_000, 7), (900, 1_100)] {
        let (a, b) = stores(here, there);
        let contact = sync(&a, &b);
        assert_eq!(contact.opener.result, Ending::InSync, "{here} and {there}");
        assert!(unasked_records(&contact.frames) <= 2 * cap);
        let stats = [contact.opener.stats, contact.acceptor.stats];
        assert_eq!(stats.map(|stats| stats.stale + stats.unasked), [0, 0]);
        let moved = stats.map(|stats| stats.records_in as usize);
        assert_eq!(moved, [there, here], "each record travels once");
    }
}

#[test]
fn what_others_bring_is_left_out_and_the_roots_tell_so() {
    const RECORDS: u64 = 500;
    let (a, b) = stores(0, RECORDS as usize);
    let everything = b.pin().entries(&Prefix::ROOT);
    let keys = everything.iter().map(|entry| *entry.key.first_chunk().unwrap());
    let claimed = Rc::new(RefCell::new(keys.collect::<BTreeSet<_>>()));
    let view = |store: &Store, claimed: &Rc<RefCell<_>>| {
        vec![(space("default"), Claiming { view: store.pin(), claimed: Rc::clone(claimed) })]
    };
    let session = || {
        let config = SessionConfig::default();
        let spaces = (view(&a, &claimed), view(&b, &Rc::default()));
        let pair = Pair::new((config.clone(), config), (parameters(), parameters()), spaces);
        pair.run(|_, _, frame| vec![frame])
    };
    let contact = session();
    // The few that come unasked are no exception that matters.
    let left = contact.opener.stats.left_to_others;
    assert_eq!(left + contact.opener.stats.applied, RECORDS);
    assert!(left >= RECORDS - limits::MAX_UNASKED);
    assert_eq!(contact.opener.result, Ending::Synced);

    claimed.borrow_mut().clear();
    let contact = session();
    assert_eq!(contact.opener.stats.left_to_others, 0);
    assert_eq!(contact.opener.result, Ending::InSync);
}
