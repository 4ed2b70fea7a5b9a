//! The law suite for views detects mistakes: each view here has one mistake, and the suite names
//! the law that it breaks.

mod lossy;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use engram_gossip_proto::testing::{
    BrokenView, ByteMap, ByteMapView, Replica, ViewLaw, check_view,
};
use engram_gossip_proto::{
    ClockIndex, Clocks, Delivery, Entry, OpaqueContent, Prefix, Receipt, Record, Rejection,
    Summary, View,
};

use lossy::{Loss, Lossy};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mistake {
    UnsortedEntries,
    EntriesOfTheWholeTree,
    AMissingEntry,
    CountOfTheWholeTree,
    SummaryCountsOneMore,
    ChildrenOfTheRoot,
    NoChildren,
    KeyOfAnotherHash,
    RecordOfAnotherKey,
    ContentsUnderAnotherDigest,
    HoldsNothing,
    TreeIsNotPinned,
    LiveSummaryOfThePinnedTree,
    AppliesNothing,
    CountsNothingAsApplied,
    AnotherContentDigest,
    TakesRecordsWithoutContents,
    CountsKnownAsApplied,
    LastArrivalWins,
    PartsReplaceTheRecord,
    DigestsOfKeysAlone,
    DigestsOfTheirOwn,
    RepinsNothing,
}

use Mistake::*;

struct Wrong {
    mistake: Mistake,
    map: ByteMap,
    /// One number for each id, for the mistakes that need it: the order of arrival, or the last
    /// writer.
    memory: Arc<Mutex<BTreeMap<String, u64>>>,
    salt: u8,
}

struct WrongView {
    mistake: Mistake,
    inner: ByteMapView,
    map: ByteMap,
    memory: Arc<Mutex<BTreeMap<String, u64>>>,
    salt: u8,
}

impl Replica for Wrong {
    type View = WrongView;

    fn write(&mut self, id: &str, number: u64) {
        self.map.write(id, number);
    }

    fn pin(&self) -> WrongView {
        WrongView {
            mistake: self.mistake,
            inner: self.map.pin(),
            map: self.map.clone(),
            memory: Arc::clone(&self.memory),
            salt: self.salt,
        }
    }
}

fn changed(mut hash: [u8; 32], by: u8) -> [u8; 32] {
    hash[31] ^= by;
    hash
}

impl WrongView {
    /// Returns the tree that answers reads.
    fn tree(&self) -> ByteMapView {
        if self.mistake == TreeIsNotPinned { self.map.pin() } else { self.inner.clone() }
    }

    fn salted(&self, summary: Summary) -> Summary {
        let salt = match self.mistake {
            DigestsOfTheirOwn => self.salt,
            LastArrivalWins => self.memory.lock().unwrap().len() as u8,
            _ => 0,
        };
        Summary { root: changed(summary.root, salt), ..summary }
    }
}

impl View for WrongView {
    type Content = OpaqueContent;

    fn summary(&self) -> Summary {
        let summary = self.salted(self.tree().summary());
        match self.mistake {
            SummaryCountsOneMore => Summary { count: summary.count + 1, ..summary },
            _ => summary,
        }
    }

    fn count(&self, prefix: &Prefix) -> u64 {
        let prefix = if self.mistake == CountOfTheWholeTree { &Prefix::ROOT } else { prefix };
        self.tree().count(prefix)
    }

    fn children(&self, prefix: &Prefix) -> [Option<[u8; 32]>; 16] {
        let children = match self.mistake {
            NoChildren => return [None; 16],
            ChildrenOfTheRoot => self.tree().children(&Prefix::ROOT),
            _ => self.tree().children(prefix),
        };
        match self.mistake {
            // All children with entries have the same digest.
            DigestsOfKeysAlone => children.map(|child| child.map(|_| [7; 32])),
            DigestsOfTheirOwn => children.map(|child| child.map(|d| changed(d, self.salt))),
            _ => children,
        }
    }

    fn entries(&self, prefix: &Prefix) -> Vec<Entry> {
        let mut entries = match self.mistake {
            EntriesOfTheWholeTree => self.tree().entries(&Prefix::ROOT),
            _ => self.tree().entries(prefix),
        };
        match self.mistake {
            UnsortedEntries => entries.reverse(),
            AMissingEntry => _ = entries.pop(),
            _ => {}
        }
        entries
    }

    fn record(&self, key: &[u8; 32]) -> Option<Record> {
        match self.mistake {
            RecordOfAnotherKey => {
                let entries = self.inner.entries(&Prefix::ROOT);
                self.inner.record(&entries.first()?.key)
            }
            PartsReplaceTheRecord => {
                let mut record = self.inner.record(key)?;
                let last = self.memory.lock().unwrap().get(&record.id).copied();
                record.parts.retain(|part| last.is_none_or(|last| u64::from(part.node[0]) == last));
                Some(record)
            }
            _ => self.inner.record(key),
        }
    }

    fn content(&self, digest: &[u8; 32]) -> Option<OpaqueContent> {
        match self.mistake {
            ContentsUnderAnotherDigest => self.inner.content(&changed(*digest, 1)),
            _ => self.inner.content(digest),
        }
    }

    fn holds(&self, digest: &[u8; 32]) -> bool {
        self.mistake != HoldsNothing && self.inner.holds(digest)
    }

    fn key_of(&self, id: &str) -> [u8; 32] {
        let by = u8::from(self.mistake == KeyOfAnotherHash);
        changed(self.inner.key_of(id), by)
    }

    fn digest(&self, content: &OpaqueContent) -> [u8; 32] {
        let by = u8::from(self.mistake == AnotherContentDigest);
        changed(self.inner.digest(content), by)
    }

    fn apply(&mut self, delivery: Delivery<OpaqueContent>) -> Receipt {
        let number = delivery.records.len() as u32;
        match self.mistake {
            AppliesNothing => return Receipt { applied: number, ..Receipt::default() },
            TakesRecordsWithoutContents => {
                let mut receipt = self.inner.apply(delivery);
                let missing = |(_, reason): &(_, Rejection)| *reason == Rejection::MissingContent;
                receipt.rejected.retain(|rejected| !missing(rejected));
                return receipt;
            }
            _ => {}
        }
        let only = delivery.records.first().filter(|_| number == 1).cloned();
        let receipt = self.inner.apply(delivery);
        if let Some(record) = only.filter(|_| receipt.applied == 1) {
            let mut memory = self.memory.lock().unwrap();
            let arrivals = memory.len() as u64;
            match self.mistake {
                LastArrivalWins => _ = memory.insert(record.id, arrivals),
                PartsReplaceTheRecord => {
                    _ = memory.insert(record.id, record.parts[0].node[0].into())
                }
                _ => {}
            }
        }
        match self.mistake {
            CountsNothingAsApplied => Receipt { applied: 0, stale: number, ..receipt },
            CountsKnownAsApplied => Receipt { applied: number, stale: 0, ..receipt },
            _ => receipt,
        }
    }

    fn live_summary(&self) -> Summary {
        match self.mistake {
            LiveSummaryOfThePinnedTree => self.inner.summary(),
            _ => self.salted(self.map.summary()),
        }
    }

    fn with_clocks(&self, work: &mut dyn FnMut(&mut dyn Clocks)) -> bool {
        if self.mistake == RepinsNothing {
            work(&mut ClockIndex::default());
        }
        self.mistake == RepinsNothing
    }
}

fn check(mistake: Mistake) -> Result<(), BrokenView> {
    check_view(|node| Wrong {
        mistake,
        map: ByteMap::new(node),
        memory: Arc::default(),
        salt: node[0],
    })
}

#[test]
fn each_mistake_is_named() {
    let mistakes = [
        (UnsortedEntries, ViewLaw::Entries),
        (EntriesOfTheWholeTree, ViewLaw::Entries),
        (AMissingEntry, ViewLaw::Count),
        (CountOfTheWholeTree, ViewLaw::Count),
        (SummaryCountsOneMore, ViewLaw::Count),
        (ChildrenOfTheRoot, ViewLaw::Children),
        (NoChildren, ViewLaw::Children),
        (KeyOfAnotherHash, ViewLaw::KeyOf),
        (RecordOfAnotherKey, ViewLaw::Records),
        (ContentsUnderAnotherDigest, ViewLaw::Contents),
        (HoldsNothing, ViewLaw::Contents),
        (TreeIsNotPinned, ViewLaw::Pinned),
        (LiveSummaryOfThePinnedTree, ViewLaw::LiveSummary),
        (AppliesNothing, ViewLaw::Apply),
        (CountsNothingAsApplied, ViewLaw::Apply),
        (AnotherContentDigest, ViewLaw::ContentDigest),
        (TakesRecordsWithoutContents, ViewLaw::Verification),
        (CountsKnownAsApplied, ViewLaw::Idempotence),
        (LastArrivalWins, ViewLaw::Order),
        (PartsReplaceTheRecord, ViewLaw::Parts),
        (DigestsOfKeysAlone, ViewLaw::Digests),
        (DigestsOfTheirOwn, ViewLaw::Apply),
        (RepinsNothing, ViewLaw::Repin),
    ];
    for (mistake, law) in mistakes {
        let broken = check(mistake).expect_err(&format!("{mistake:?} is not detected"));
        assert_eq!(broken.law, law, "{mistake:?}: {broken}");
    }
}

#[test]
fn a_right_view_keeps_the_laws() {
    check_view(ByteMap::new).unwrap();
}

#[test]
fn each_loss_is_named() {
    let losses = [
        (Loss::DigestOfTheKey, ViewLaw::Digests),
        (Loss::DigestOfTheContext, ViewLaw::Digests),
        (Loss::DigestWithoutSuppression, ViewLaw::Digests),
        (Loss::ArrivalReplacesTheRecord, ViewLaw::Parts),
        (Loss::OlderArrivalIsIgnored, ViewLaw::Join),
        (Loss::NewestEntryWins, ViewLaw::Join),
        (Loss::DeletionIsForgotten, ViewLaw::Deletions),
        (Loss::SuppressionIsDropped, ViewLaw::Suppression),
        (Loss::WriteForgetsOtherNodes, ViewLaw::Writes),
        (Loss::WriteKeepsOtherContents, ViewLaw::Writes),
        (Loss::ClocksMissWrites, ViewLaw::Clocks),
        (Loss::ClocksMissArrivals, ViewLaw::Clocks),
        (Loss::ArrivalsCountAsHandled, ViewLaw::Clocks),
        (Loss::OwnWritesAreNotHandled, ViewLaw::Clocks),
        (Loss::OneRefusalRefusesAll, ViewLaw::Deliveries),
        (Loss::LastRecordOfAnIdWins, ViewLaw::Deliveries),
        (Loss::LastSuppressionWins, ViewLaw::Suppression),
        (Loss::CountsWithoutDeletions, ViewLaw::Count),
        (Loss::IdsAreCut, ViewLaw::Ids),
        (Loss::IdsAreLowerCase, ViewLaw::Ids),
        (Loss::IdsAreTrimmed, ViewLaw::Ids),
        (Loss::RestartLosesARecord, ViewLaw::Reopen),
        (Loss::RestartLosesClocks, ViewLaw::Reopen),
        (Loss::RestartForgetsTheVersion, ViewLaw::Writes),
    ];
    for (loss, law) in losses {
        let broken = check_view(|node| Lossy::new(loss, node));
        let broken = broken.expect_err(&format!("{loss:?} is not detected"));
        assert_eq!(broken.law, law, "{loss:?}: {broken}");
    }
}

#[test]
fn a_right_view_with_clocks_keeps_the_laws() {
    check_view(|node| Lossy::new(Loss::Nothing, node)).unwrap();
}

#[test]
fn a_known_record_is_no_new_generation() {
    let (writer, reader) = (ByteMap::new([1; 32]), ByteMap::new([2; 32]));
    writer.insert("id", *b"content").unwrap();
    let sent = writer.pin();
    let [entry] = sent.entries(&Prefix::ROOT)[..] else { panic!("one record") };
    let record = sent.record(&entry.key).unwrap();
    let digest = record.parts[0].dots[0].1;
    let contents = vec![(digest, sent.content(&digest).unwrap())];
    let delivery = Delivery { contents, records: vec![record] };
    let receipts = [0, 1].map(|_| {
        let receipt = reader.pin().apply(delivery.clone());
        (receipt.applied, receipt.stale, reader.summary().generation)
    });
    assert_eq!(receipts, [(1, 0, 1), (0, 1, 1)]);
}
