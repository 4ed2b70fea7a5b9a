//! Many missing records are offered before they are sent, so that only one of several sessions
//! transfers them.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use crate::clocks::{agreed, short};
use crate::common::{Pair, State, Store, content, parameters, space, sync, version};
use engram_gossip_proto::schedule::{ClaimTable, ClaimingView, Delivered};
use engram_gossip_proto::{
    Clocks, Ending, Intake, KEY_LEN, Message, Prefix, SessionConfig, SpaceId, Unoffered,
    VersionRange, View, limits,
};

/// The claims of other sessions.
#[derive(Clone, Default)]
struct Claimed(Rc<RefCell<BTreeSet<[u8; KEY_LEN]>>>);

impl ClaimTable for Claimed {
    fn claim(&self, _space: &SpaceId, key: &[u8; KEY_LEN]) -> bool {
        self.0.borrow_mut().insert(*key)
    }

    fn claim_range(&self, _space: &SpaceId, _range: &VersionRange) -> bool {
        true
    }

    fn expect_unoffered(&self, _space: &SpaceId, _records: &Unoffered) {}

    fn deliver(&self, _space: &SpaceId, _records: &[Delivered]) {}

    fn has_refused(&self, _space: &SpaceId, _key: &[u8; KEY_LEN]) -> bool {
        false
    }
}

/// Collects the announcements of the records that a session expects without an offer.
#[derive(Clone, Default)]
struct Expected(Rc<RefCell<Vec<Unoffered>>>);

impl ClaimTable for Expected {
    fn claim(&self, _space: &SpaceId, _key: &[u8; KEY_LEN]) -> bool {
        true
    }

    fn claim_range(&self, _space: &SpaceId, _range: &VersionRange) -> bool {
        true
    }

    fn expect_unoffered(&self, _space: &SpaceId, records: &Unoffered) {
        self.0.borrow_mut().push(records.clone());
    }

    fn deliver(&self, _space: &SpaceId, _records: &[Delivered]) {}

    fn has_refused(&self, _space: &SpaceId, _key: &[u8; KEY_LEN]) -> bool {
        false
    }
}

/// What the opener of a session expects without an offer, in the order of its announcements.
fn expected((a, b): (&Store, &Store), config: SessionConfig) -> Vec<Unoffered> {
    let (ours, theirs) = (Expected::default(), Expected::default());
    let view = |store: &Store, expected: &Expected| {
        let space = space("default");
        vec![(space.clone(), ClaimingView::new(store.pin(), space, expected.clone()))]
    };
    let spaces = (view(a, &ours), view(b, &theirs));
    let configs = (config, SessionConfig::default());
    let contact =
        Pair::new(configs, (parameters(), parameters()), spaces).run(|_, _, frame| vec![frame]);
    assert_eq!(contact.opener.result, Ending::InSync);
    ours.0.take()
}

#[test]
fn a_session_announces_unoffered_records() {
    let early = || SessionConfig { suspects: vec![space("default")], ..SessionConfig::default() };
    let nothing = || Unoffered::Ranges(vec![]);
    for config in [SessionConfig::default(), early()] {
        let (a, b) = agreed(10);
        assert_eq!(expected((&a, &b), SessionConfig::default()), [], "the roots are equal");
        b.change().submit(2, 5_000, content("new", 1));
        let above = a.clocks().index.summary().get(&short(2));
        let new = VersionRange { node: short(2), above, upper: version(5_000) };
        let ranges = Unoffered::Ranges(vec![new]);
        assert_eq!(expected((&a, &b), config), [Unoffered::Any, ranges, nothing()]);
    }
    let (a, b) = agreed(10);
    assert_eq!(expected((&a, &b), early()), [Unoffered::Any, nothing()], "the roots are equal");
    let (a, b) = (Store::clocked(State::default()), stores(0, 5).1);
    assert_eq!(expected((&a, &b), early()), [Unoffered::Any, nothing()], "the peer has no clocks");
    let (a, b) = agreed(10);
    b.change().submit(2, 5_000, content("new", 1));
    let asking = SessionConfig { intake: Intake::Offered, ..early() };
    assert_eq!(expected((&a, &b), asking), [], "the peer offers the records");
}

fn unasked_records(frames: &[(bool, Vec<u8>)]) -> usize {
    let messages = frames.iter().map(|(_, frame)| Message::decode(frame).unwrap().0);
    let before_requests = messages.take_while(|m| !matches!(m, Message::PatternRequest(_)));
    before_requests
        .map(|message| match message {
            Message::PatternSync(sync) => sync.records.len(),
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
fn few_records_are_sent_many_are_offered() {
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
fn claimed_records_are_left_out_of_the_session() {
    const RECORDS: u64 = 500;
    let (a, b) = stores(0, RECORDS as usize);
    let everything = b.pin().entries(&Prefix::ROOT);
    let keys = everything.iter().map(|entry| *entry.key.first_chunk().unwrap());
    let claimed = Claimed(Rc::new(RefCell::new(keys.collect())));
    let view = |store: &Store, claimed: &Claimed| {
        let space = space("default");
        vec![(space.clone(), ClaimingView::new(store.pin(), space, claimed.clone()))]
    };
    let session = || {
        let config = SessionConfig::default();
        let spaces = (view(&a, &claimed), view(&b, &Claimed::default()));
        let pair = Pair::new((config.clone(), config), (parameters(), parameters()), spaces);
        pair.run(|_, _, frame| vec![frame])
    };
    let contact = session();
    // Only the few records that are sent without a request arrive despite the claims.
    let left = contact.opener.stats.left_to_others;
    assert_eq!(left + contact.opener.stats.applied, RECORDS);
    assert!(left >= RECORDS - limits::MAX_UNASKED);
    assert_eq!(contact.opener.result, Ending::Synced);

    claimed.0.borrow_mut().clear();
    let contact = session();
    assert_eq!(contact.opener.stats.left_to_others, 0);
    assert_eq!(contact.opener.result, Ending::InSync);
}
