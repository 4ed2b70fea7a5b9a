//! Tracks the records that exceed a limit of the wire. The outcomes of both sides name them.

use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;

use sha2::{Digest, Sha256};

use super::directory::Hosted;
use super::key_set::KeySet;
use super::{Holder, Session, Unsendable};
use crate::limits::MAX_UNSENDABLE;
use crate::message::UnsendableRecord;
use crate::{DecodeError, Event, ProtocolViolation, SessionError, View};

/// The records that this side and the peer could not send.
#[derive(Default)]
pub(super) struct Unsent {
    ours: Vec<(u32, Unsendable)>,
    theirs: Vec<Unsendable>,
    /// Number of records in `ours` that were reported as events.
    reported: usize,
    /// Number of records in `ours` that a `Done` has named.
    told: usize,
    /// This side's unsendable records beyond [`MAX_UNSENDABLE`], which are counted but not named.
    /// Stored as digests of the id and the exceeded limit, so that a record noted several times is
    /// counted once.
    unnamed: KeySet,
}

impl Unsent {
    /// Notes that a record of this side, or one part of it, cannot be sent.
    pub(super) fn note<V>(
        &mut self,
        (space_index, space): (u32, &Hosted<V>),
        id: &str,
        why: &DecodeError,
    ) {
        let (space, what) = (space.id.clone(), why.to_string());
        let record = Unsendable { space, id: id.into(), what, holder: Holder::Us };
        if self.ours.iter().any(|(_, known)| *known == record) {
            return;
        }
        if self.ours.len() == MAX_UNSENDABLE {
            self.unnamed.insert(space_index, &digest_of(&record));
        } else {
            self.ours.push((space_index, record));
        }
    }

    /// Takes the records that no `Done` has named yet.
    pub(super) fn take_untold(&mut self) -> Vec<UnsendableRecord> {
        let untold = &self.ours[self.told..];
        self.told = self.ours.len();
        let record = |(space, record): &(u32, Unsendable)| UnsendableRecord {
            space: *space,
            id: record.id.clone(),
            what: record.what.clone(),
        };
        untold.iter().map(record).collect()
    }

    /// Number of this side's unsendable records, each counted once.
    fn count(&self) -> u64 {
        (self.ours.len() + self.unnamed.len()) as u64
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ours.is_empty() && self.theirs.is_empty()
    }

    pub(super) fn named(&self) -> Arc<[Unsendable]> {
        self.ours.iter().map(|(_, record)| record).chain(&self.theirs).cloned().collect()
    }
}

fn digest_of(record: &Unsendable) -> [u8; 32] {
    let mut hash = Sha256::new();
    // The text of a limit contains no zero byte, so the last zero byte separates it from the id,
    // and the hashed bytes are unambiguous.
    hash.update(&record.id);
    hash.update([0]);
    hash.update(&record.what);
    hash.finalize().into()
}

impl<V: View> Session<V> {
    /// Reports the records that turned out to be unsendable since the last call.
    pub(super) fn report_unsent(&mut self) {
        for (_, record) in &self.unsent.ours[self.unsent.reported..] {
            self.events.push(Event::Unsendable(record.clone()));
        }
        self.unsent.reported = self.unsent.ours.len();
        self.stats.unsendable = self.unsent.count();
    }

    /// Notes the records that the peer could not send.
    pub(super) fn on_unsendable(
        &mut self,
        records: Vec<UnsendableRecord>,
    ) -> Result<(), SessionError> {
        for UnsendableRecord { space, id, what } in records {
            let space = self.directory.at(space);
            let space = space.ok_or(SessionError::Violation(ProtocolViolation::UnsharedSpace))?;
            let record = Unsendable { space: space.id.clone(), id, what, holder: Holder::Peer };
            self.stats.peer_unsendable += 1;
            self.events.push(Event::Unsendable(record.clone()));
            if self.unsent.theirs.len() < MAX_UNSENDABLE {
                self.unsent.theirs.push(record);
            }
        }
        Ok(())
    }
}
