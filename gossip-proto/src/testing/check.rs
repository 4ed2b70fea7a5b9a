//! The laws of a view, each as a short function.

use std::collections::BTreeSet;
use std::format;
use std::string::{String, ToString};
use std::time::Duration;
use std::vec::Vec;

use super::{BrokenView, Replica, ViewLaw};
use crate::{
    Delivery, Ending, Entry, Parameters, Part, Prefix, Record, Session, SessionConfig, SpaceId,
    View,
};

type Checked<T = ()> = Result<T, BrokenView>;

/// Enough ids that several share the first nibbles of their key hashes.
const IDS: u64 = 48;

/// Checks the laws of a view on replicas from `new`, which creates an empty replica on the node
/// with the given id.
///
/// # Errors
/// [`BrokenView`] names the first broken law. A panic of the view propagates.
pub fn check_view<R: Replica>(new: impl Fn([u8; 32]) -> R) -> Result<(), BrokenView> {
    let (mut a, mut b) = (new([1; 32]), new([2; 32]));
    reads(&a.pin(), &BTreeSet::new())?;
    for number in 0..IDS {
        a.write(&id(number), number);
        b.write(&id(number + IDS / 2), IDS + number);
    }
    for (replica, first) in [(&a, 0), (&b, IDS / 2)] {
        reads(&replica.pin(), &(first..first + IDS).map(id).collect())?;
    }
    pinned(&mut a)?;
    applies(&a, &new)?;
    verification(&a, &new)?;
    order(&a, &new)?;
    parts(&a, &b, &new)?;
    digests(&a, &new)?;
    repin(&mut a)?;
    convergence(&a, &b)
}

fn id(number: u64) -> String {
    format!("id {number}")
}

fn expect(law: ViewLaw, kept: bool, detail: impl FnOnce() -> String) -> Checked {
    if kept { Ok(()) } else { Err(BrokenView { law, detail: detail() }) }
}

/// Checks the laws of a snapshot that nothing changes.
fn reads(view: &impl View, ids: &BTreeSet<String>) -> Checked {
    let entries = view.entries(&Prefix::ROOT);
    below(view, &Prefix::ROOT, &entries)?;
    let count = view.summary().count;
    expect(ViewLaw::Count, count == entries.len() as u64, || {
        format!("the summary counts {count} records, there are {} entries", entries.len())
    })?;
    for id in ids {
        let key = view.key_of(id);
        expect(ViewLaw::KeyOf, entries.iter().any(|entry| entry.key == key), || {
            format!("key_of({id:?}) is {}, which no entry has", hex(&key))
        })?;
    }
    expect(ViewLaw::Entries, entries.len() == ids.len(), || {
        format!("{} entries for {} ids", entries.len(), ids.len())
    })?;
    entries.iter().try_for_each(|entry| record(view, entry))
}

/// Checks entries, counts and children below a prefix, down to nodes with a single entry.
fn below(view: &impl View, prefix: &Prefix, expected: &[Entry]) -> Checked {
    let (entries, count) = (view.entries(prefix), view.count(prefix));
    let place = || format!("below the first {} bits of {}", prefix.bit_len(), hex(prefix.bits()));
    expect(ViewLaw::Entries, entries.is_sorted_by(|a, b| a.key < b.key), || {
        format!("{} the entries do not ascend by key", place())
    })?;
    expect(ViewLaw::Entries, entries == expected, || {
        format!("{} there are {} entries, not {}", place(), entries.len(), expected.len())
    })?;
    expect(ViewLaw::Count, count == entries.len() as u64, || {
        format!("{} count is {count}, there are {} entries", place(), entries.len())
    })?;
    for (nibble, digest) in view.children(prefix).iter().enumerate() {
        let Some(child) = prefix.child(nibble as u8) else { continue };
        let expected: Vec<Entry> =
            entries.iter().filter(|entry| child.contains(&entry.key)).copied().collect();
        expect(ViewLaw::Children, digest.is_some() != expected.is_empty(), || {
            let has = if digest.is_some() { "a digest" } else { "no digest" };
            format!("{} child {nibble} has {has} and {} entries", place(), expected.len())
        })?;
        if expected.len() > 1 {
            below(view, &child, &expected)?;
        }
    }
    Ok(())
}

fn record(view: &impl View, entry: &Entry) -> Checked {
    let key = || hex(&entry.key);
    let Some(record) = view.record(&entry.key) else {
        return expect(ViewLaw::Records, false, || {
            format!("there is no record of entry {}", key())
        });
    };
    expect(ViewLaw::Records, view.key_of(&record.id) == entry.key, || {
        format!("the record of entry {} has the id {:?} of another", key(), record.id)
    })?;
    for digest in record.contents() {
        let (content, held) = (view.content(digest), view.holds(digest));
        expect(ViewLaw::Contents, content.is_some() && held, || {
            let (id, digest) = (&record.id, hex(digest));
            let found = content.is_some();
            format!("{id:?} names {digest}: content is there: {found}, holds: {held}")
        })?;
    }
    Ok(())
}

fn pinned<R: Replica>(replica: &mut R) -> Checked {
    let view = replica.pin();
    let picture = |view: &R::View| {
        (view.summary().root, view.children(&Prefix::ROOT), view.entries(&Prefix::ROOT))
    };
    let before = picture(&view);
    replica.write("written later", 7);
    expect(ViewLaw::Pinned, picture(&view) == before, || {
        "a write after the view was made shows in its summary, children or entries".to_string()
    })?;
    live(&view, &replica.pin())
}

/// `fresh` was pinned after the last change.
fn live<V: View>(view: &V, fresh: &V) -> Checked {
    let (live, fresh) = (view.live_summary(), fresh.summary());
    let is_live = (live.root, live.count) == (fresh.root, fresh.count);
    expect(ViewLaw::LiveSummary, is_live, || {
        "after a change live_summary differs from the summary of a new view".to_string()
    })
}

/// All records of a view.
fn all<V: View>(view: &V) -> Vec<Record> {
    view.entries(&Prefix::ROOT).iter().filter_map(|entry| view.record(&entry.key)).collect()
}

/// A delivery of `records` with their contents.
fn delivery<V: View>(from: &V, records: Vec<Record>) -> Delivery<V::Content> {
    let digests: BTreeSet<&[u8; 32]> = records.iter().flat_map(Record::contents).collect();
    let contents = digests.into_iter().filter_map(|digest| Some((*digest, from.content(digest)?)));
    Delivery { contents: contents.collect(), records }
}

fn applies<R: Replica>(from: &R, new: &impl Fn([u8; 32]) -> R) -> Checked {
    let (from, to) = (from.pin(), new([3; 32]));
    let (records, mut view) = (all(&from), to.pin());
    let number = records.len() as u32;
    let receipt = view.apply(delivery(&from, records.clone()));
    expect(ViewLaw::Apply, receipt.applied == number && receipt.rejected.is_empty(), || {
        format!("of {number} new records {} were applied: {receipt:?}", receipt.applied)
    })?;
    live(&view, &to.pin())?;
    let root = to.pin().summary().root;
    expect(ViewLaw::Apply, root == from.summary().root, || {
        "a replica that has applied all records of another has another root".to_string()
    })?;
    let receipt = view.apply(delivery(&from, records));
    let unchanged = to.pin().summary().root == root;
    expect(ViewLaw::Idempotence, receipt.stale == number && unchanged, || {
        format!("of {number} known records {} were stale: {receipt:?}", receipt.stale)
    })
}

fn verification<R: Replica>(from: &R, new: &impl Fn([u8; 32]) -> R) -> Checked {
    let from = from.pin();
    let [Some(record), Some(other)] = [0, 1].map(|at| all(&from).into_iter().nth(at)) else {
        return Ok(());
    };
    let [Some(digest), Some(content)] = [&record, &other].map(|r| r.contents().next().copied())
    else {
        return expect(ViewLaw::Contents, false, || {
            "a written record names no content".to_string()
        });
    };
    let claims = [
        ("whose content has another digest", from.content(&content).map(|c| (digest, c))),
        ("without its content", None),
    ];
    for (what, content) in claims {
        let to = new([3; 32]);
        let mut view = to.pin();
        let before = view.summary().root;
        let records = Vec::from([record.clone()]);
        let receipt = view.apply(Delivery { records, contents: content.into_iter().collect() });
        let (root, refused) = (to.pin().summary().root, receipt.rejected.len());
        expect(ViewLaw::Verification, refused == 1 && root == before, || {
            format!("a record {what} was not refused: {receipt:?}")
        })?;
        expect(ViewLaw::Verification, !to.pin().holds(&digest), || {
            format!("the content of a record {what} is held")
        })?;
    }
    Ok(())
}

/// Applies records one by one, the last first.
fn order<R: Replica>(from: &R, new: &impl Fn([u8; 32]) -> R) -> Checked {
    let (from, to) = (from.pin(), new([3; 32]));
    let mut view = to.pin();
    for record in all(&from).into_iter().rev() {
        view.apply(delivery(&from, Vec::from([record])));
    }
    expect(ViewLaw::Order, to.pin().summary().root == from.summary().root, || {
        "records that are applied one by one, the last first, lead to another root".to_string()
    })
}

/// Applies a record that two nodes wrote part by part, in both orders.
fn parts<R: Replica>(a: &R, b: &R, new: &impl Fn([u8; 32]) -> R) -> Checked {
    let (merged, common) = (new([3; 32]), id(IDS / 2));
    let mut view = merged.pin();
    for from in [a.pin(), b.pin()] {
        let key = from.key_of(&common);
        view.apply(delivery(&from, from.record(&key).into_iter().collect()));
    }
    let whole = merged.pin();
    let Some(record) = whole.record(&whole.key_of(&common)) else {
        return expect(ViewLaw::Records, false, || "an applied record is not found".to_string());
    };
    expect(ViewLaw::Parts, record.parts.len() == 2, || {
        format!("two nodes wrote {common:?}, the record has {} parts", record.parts.len())
    })?;
    let mut pieces: Vec<Record> = record.parts.iter().map(|part| piece(&record, part)).collect();
    for _ in 0..2 {
        let to = new([4; 32]);
        let mut view = to.pin();
        for piece in &pieces {
            view.apply(delivery(&whole, Vec::from([piece.clone()])));
        }
        expect(ViewLaw::Parts, to.pin().summary().root == whole.summary().root, || {
            "the parts of a record, applied one by one, are another record".to_string()
        })?;
        pieces.reverse();
    }
    Ok(())
}

fn piece(record: &Record, part: &Part) -> Record {
    Record { parts: Vec::from([part.clone()]), ..record.clone() }
}

/// Adds one record: the digests above it must differ, all others must be equal.
fn digests<R: Replica>(from: &R, new: &impl Fn([u8; 32]) -> R) -> Checked {
    let mut to = new([3; 32]);
    let from = from.pin();
    to.pin().apply(delivery(&from, all(&from)));
    to.write("one more", 9);
    let to = to.pin();
    let key = to.key_of("one more");
    expect(ViewLaw::Digests, from.summary().root != to.summary().root, || {
        "two different states have the same root".to_string()
    })?;
    let mut prefix = Prefix::ROOT;
    while from.count(&prefix) > 0 {
        let (left, right) = (from.children(&prefix), to.children(&prefix));
        let children = (0..16).filter_map(|nibble| prefix.child(nibble));
        let mut next = None;
        for ((child, left), right) in children.zip(left).zip(right) {
            let above = child.contains(&key);
            expect(ViewLaw::Digests, (left != right) == above, || {
                let difference = if above { "a difference" } else { "no difference" };
                format!("child digests below {} bits do not tell {difference}", prefix.bit_len())
            })?;
            next = if above { Some(child) } else { next };
        }
        let Some(child) = next else { break };
        prefix = child;
    }
    Ok(())
}

fn repin<R: Replica>(replica: &mut R) -> Checked {
    let mut view = replica.pin();
    if !view.with_clocks(&mut |_| ()) {
        return Ok(());
    }
    replica.write("written before repin", 8);
    view.repin();
    expect(ViewLaw::Repin, view.summary().root == replica.pin().summary().root, || {
        "after repin the summary is not that of the live tree".to_string()
    })
}

fn convergence<R: Replica>(a: &R, b: &R) -> Checked {
    let mut endings = Vec::new();
    for _ in 0..3 {
        let ending = session(a.pin(), b.pin())?;
        let ended = ending == Ending::InSync;
        endings.push(ending);
        if ended {
            break;
        }
    }
    let equal = a.pin().summary().root == b.pin().summary().root;
    let in_sync = endings.last() == Some(&Ending::InSync);
    expect(ViewLaw::Convergence, equal && in_sync, || {
        format!("roots are equal: {equal}; the sessions ended {endings:?}")
    })
}

/// One session over a perfect network.
fn session<V: View>(a: V, b: V) -> Checked<Ending> {
    let now = Duration::ZERO;
    let space = || SpaceId::new("default").expect("a valid name");
    let (config, parameters) = (SessionConfig::default, || Parameters::new("sha256", 12));
    let opened = Session::open(config(), parameters(), [1; 8], Vec::from([(space(), a)]), now);
    let accepted = Session::accept(config(), parameters(), [2; 8], Vec::from([(space(), b)]), now);
    let (Ok(mut a), Ok(mut b)) = (opened, accepted) else {
        unreachable!("the default configuration is valid")
    };
    loop {
        let from_a = a.poll_frame(now).map(|frame| b.handle_frame(&frame, now));
        let from_b = b.poll_frame(now).map(|frame| a.handle_frame(&frame, now));
        if let Some(Err(error)) = [&from_a, &from_b].into_iter().flatten().find(|r| r.is_err()) {
            let detail = format!("a session fails: {error}");
            return Err(BrokenView { law: ViewLaw::Convergence, detail });
        }
        match (a.outcome(), from_a.is_none() && from_b.is_none()) {
            (Some(outcome), true) => return Ok(outcome.result.clone()),
            (None, true) => {
                let detail = "a session stalls".to_string();
                return Err(BrokenView { law: ViewLaw::Convergence, detail });
            }
            (_, false) => {}
        }
    }
}

/// The first bytes of a hash.
fn hex(hash: &[u8; 32]) -> String {
    hash[..4].iter().map(|byte| format!("{byte:02x}")).collect()
}
