//! Records that a side refuses, and sides that accept no records at all.

use std::cell::RefCell;
use std::rc::Rc;

use crate::common::{self, Contact, Pair, State, Store, content, node_id, parameters, space};
use engram_gossip_proto::schedule::{ClaimTable, ClaimingView, Delivered, Verdict};
use engram_gossip_proto::{
    Delivery, Ending, Intake, KEY_LEN, Rejection, SessionConfig, SpaceId, Unoffered, VersionRange,
    View,
};

/// Runs a session in which the opener expects a difference.
fn meet(a: &Store, b: &Store) -> Contact {
    let spaces = |store: &Store| vec![(space("default"), store.pin())];
    let suspects = vec![SpaceId::new("default").unwrap()];
    let opener = SessionConfig { suspects, ..SessionConfig::default() };
    let configs = (opener, SessionConfig::default());
    Pair::new(configs, (parameters(), parameters()), (spaces(a), spaces(b)))
        .run(|_, _, frame| vec![frame])
}

fn holding(node: u8, count: u64) -> State {
    let mut state = State::default();
    for n in 0..count {
        state.submit(node, n + 1, content(&format!("of_{node}_{n}"), n as u32));
    }
    state
}

/// The two constructors of a store: without clocks and with clocks.
const KINDS: [fn(State) -> Store; 2] = [Store::new, Store::clocked];

/// Few records, which are sent immediately, and many, which are offered first.
const COUNTS: [u64; 2] = [40, 700];

#[test]
fn a_full_side_sends_and_gets_nothing() {
    for kind in KINDS {
        for count in COUNTS {
            let (full, other) = (kind(holding(1, count)), kind(holding(2, count)));
            full.change().is_full = true;
            let before = full.state();
            for full_opens in [true, false] {
                let (first, second) = if full_opens { (&full, &other) } else { (&other, &full) };
                let contact = meet(first, second);
                let requests =
                    |(side, frame): &(bool, Vec<u8>)| *side == full_opens && frame[3] == 5;
                assert!(!contact.frames.iter().any(requests));
                let (opener, acceptor) = (&contact.opener, &contact.acceptor);
                assert_eq!(opener.stats.rejected + acceptor.stats.rejected, 0);
                assert_eq!([&opener.result, &acceptor.result], [&Ending::NotAccepted; 2]);
            }
            assert_eq!(full.state(), before);
            assert_eq!(other.state.borrow().records.len() as u64, 2 * count, "all {count} arrive");

            full.change().is_full = false;
            let contact = meet(&other, &full);
            assert_eq!(contact.opener.result, Ending::InSync);
            assert_eq!(full.state(), other.state());
        }
    }
}

/// The disk of one side becomes full during the session.
#[test]
fn records_without_room_count_apart() {
    for kind in KINDS {
        let (a, b) = (kind(holding(1, 40)), kind(holding(2, 40)));
        let spaces = |store: &Store| vec![(space("default"), store.pin())];
        let suspects = vec![SpaceId::new("default").unwrap()];
        let opener = SessionConfig { suspects, ..SessionConfig::default() };
        let configs = (opener, SessionConfig::default());
        let pair = Pair::new(configs, (parameters(), parameters()), (spaces(&a), spaces(&b)));
        let mut frames = 0;
        let contact = pair.run(|_, _, frame| {
            frames += 1;
            b.change().is_full |= frames > 2;
            vec![frame]
        });
        let stats = &contact.acceptor.stats;
        assert!(stats.rejected > 0 && stats.unstored == stats.rejected, "{stats:?}");
        b.change().is_full = false;
        b.change().poison.insert("of_1_7".to_owned());
        let stats = meet(&a, &b).acceptor.stats;
        assert_eq!((stats.rejected, stats.unstored), (1, 0));
    }
}

#[test]
fn a_refused_record_comes_once_a_session() {
    const REFUSED: u64 = 30;
    for kind in KINDS {
        for count in COUNTS {
            let (a, b) = (kind(holding(1, count)), kind(holding(2, count)));
            b.change().poison.extend((0..REFUSED).map(|n| format!("of_1_{n}")));
            for meeting in 0..4 {
                let contact = if meeting % 2 == 0 { meet(&a, &b) } else { meet(&b, &a) };
                let rejected = contact.opener.stats.rejected + contact.acceptor.stats.rejected;
                assert!(rejected <= REFUSED, "{rejected} in session {meeting}");
                assert_eq!(contact.opener.result, Ending::Synced);
            }
            assert_eq!(b.state.borrow().records.len() as u64, 2 * count - REFUSED);
            b.change().poison.clear();
            let contact = meet(&a, &b);
            assert_eq!(contact.opener.result, Ending::InSync);
        }
    }
}

/// Collects the verdicts on the records that arrive.
#[derive(Clone, Default)]
struct Verdicts(Rc<RefCell<Vec<Verdict>>>);

impl ClaimTable for Verdicts {
    fn claim(&self, _space: &SpaceId, _key: &[u8; KEY_LEN]) -> bool {
        true
    }

    fn claim_range(&self, _space: &SpaceId, _range: &VersionRange) -> bool {
        true
    }

    fn expect_unoffered(&self, _space: &SpaceId, _records: &Unoffered) {}

    fn deliver(&self, _space: &SpaceId, records: &[Delivered]) {
        self.0.borrow_mut().extend(records.iter().map(|delivered| delivered.verdict));
    }

    fn has_refused(&self, _space: &SpaceId, _key: &[u8; KEY_LEN]) -> bool {
        false
    }
}

/// A temporary refusal is not remembered: the other parts of a record with an implausible version
/// must arrive.
#[test]
fn only_final_refusals_are_remembered() {
    for (refusal, verdict) in [
        (Rejection::OverCap, Verdict::Refused),
        (Rejection::InvalidContent, Verdict::Refused),
        (Rejection::ImplausibleVersion, Verdict::Accepted),
        (Rejection::MissingContent, Verdict::Accepted),
        (Rejection::StorageUnavailable, Verdict::Accepted),
    ] {
        let store = Store::new(State::default());
        store.change().poison.insert("of_1_0".to_owned());
        store.change().refusal = Some(refusal);
        let verdicts = Verdicts::default();
        let mut view = ClaimingView::new(store.pin(), space("default"), verdicts.clone());
        let records = holding(1, 1).records.into_values().collect();
        let receipt = view.apply(Delivery { records, ..Delivery::default() });
        assert_eq!(receipt.rejected, [("of_1_0".to_owned(), refusal)]);
        assert_eq!(*verdicts.0.borrow(), [verdict], "{refusal:?}");
    }
}

/// Remembers a refusal of one record.
struct Remembers([u8; KEY_LEN]);

impl ClaimTable for Remembers {
    fn claim(&self, _space: &SpaceId, _key: &[u8; KEY_LEN]) -> bool {
        true
    }

    fn claim_range(&self, _space: &SpaceId, _range: &VersionRange) -> bool {
        true
    }

    fn expect_unoffered(&self, _space: &SpaceId, _records: &Unoffered) {}

    fn deliver(&self, _space: &SpaceId, _records: &[Delivered]) {}

    fn has_refused(&self, _space: &SpaceId, key: &[u8; KEY_LEN]) -> bool {
        *key == self.0
    }
}

/// Runs a session between the stores. The first one accepts records only by clocks or on request,
/// and has recently refused the record of `id`.
fn meet_after_refusal(a: &Store, b: &Store, id: &str, a_opens: bool) -> Contact {
    let remembers = |id: &str| Remembers(*common::key_of(id).first_chunk().unwrap());
    let view = |store: &Store, id| {
        let space = space("default");
        vec![(space.clone(), ClaimingView::new(store.pin(), space, remembers(id)))]
    };
    let asking = SessionConfig { intake: Intake::ByClocks, ..SessionConfig::default() };
    let (configs, views) = match a_opens {
        true => ((asking, SessionConfig::default()), (view(a, id), view(b, "another"))),
        false => ((SessionConfig::default(), asking), (view(b, "another"), view(a, id))),
    };
    Pair::new(configs, (parameters(), parameters()), views).run(|_, _, frame| vec![frame])
}

#[test]
fn a_record_refused_lately_is_not_sent() {
    for (count, a_opens) in [1, 5, 40, 100].into_iter().flat_map(|n| [(n, true), (n, false)]) {
        let (a, b) = (Store::new(holding(1, count)), Store::new(holding(2, count)));
        let contact = meet_after_refusal(&a, &b, "of_2_0", a_opens);
        let sides = [&contact.opener.stats, &contact.acceptor.stats];
        let [ours, theirs] = if a_opens { sides } else { [sides[1], sides[0]] };
        assert_eq!([ours.records_in, theirs.records_in], [count - 1, count], "{count} {a_opens}");
        assert_eq!([ours.left_to_others, ours.stale, theirs.stale], [0; 3]);
        assert_eq!(contact.opener.result, Ending::Synced);
    }
}

/// The side that refused a record holds its own write under that id, which its peer lacks.
#[test]
fn a_refusal_keeps_no_own_record_back() {
    for (count, a_opens) in [0, 40].into_iter().flat_map(|n| [(n, true), (n, false)]) {
        let mut shared = holding(2, count);
        shared.submit(2, 1_000, content("refused", 1));
        let (a, b) = (Store::new(shared.clone()), Store::new(shared));
        a.change().submit(1, 1, content("refused", 2));
        b.change().submit(2, 2_000, content("refused", 3));
        a.change().poison.insert("refused".to_owned());
        let expected = a.state().merged(&b.state());
        meet_after_refusal(&a, &b, "refused", a_opens);
        assert_eq!(b.state().essence(), expected.essence(), "{count} {a_opens}");
        let contact = meet_after_refusal(&a, &b, "refused", a_opens);
        assert_eq!(contact.opener.stats.records_in + contact.acceptor.stats.records_in, 0);
    }
}

/// One part of a record is refused. New versions of the other part arrive without it.
#[test]
fn a_refused_part_comes_once() {
    for a_opens in [true, false] {
        let (a, b) = (Store::clocked(State::default()), Store::clocked(holding(2, 30)));
        a.change().unlisted.insert(node_id(9));
        b.write(|state| state.submit(9, 1, content("refused", 0)));
        for n in 1..10 {
            b.write(|state| state.submit(2, 1_000 + n, content("refused", n as u32)));
            let contact = meet_after_refusal(&a, &b, "refused", a_opens);
            let stats = if a_opens { contact.opener.stats } else { contact.acceptor.stats };
            let came = [stats.records_in, stats.contents_in];
            assert_eq!(came, if n == 1 { [31, 32] } else { [1, 1] }, "session {n} {a_opens}");
            let part = |store: &Store| {
                let state = store.state();
                let parts = &state.records[&common::key_of("refused")].parts;
                parts.iter().find(|part| part.node == node_id(2)).cloned()
            };
            assert_eq!(part(&a), part(&b), "session {n} {a_opens}");
        }
    }
}
