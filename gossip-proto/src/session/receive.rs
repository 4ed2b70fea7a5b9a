//! Taking records: only what was asked for, and only when it is whole.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::directory::Hosted;
use super::transfer::{Named, Transfer};
use crate::codec::Size;
use crate::limits::MAX_CARRIED;
use crate::tag::{self, Salt};
use crate::{Delivery, Receipt, Record, SessionError, View};

/// Contents that came ahead of their record.
#[derive(Default)]
pub(super) struct Carried {
    place: u32,
    contents: Vec<Named>,
    bytes: usize,
}

/// What came of a message of records.
pub(super) struct Received {
    pub(super) receipt: Receipt,
    pub(super) unasked: u32,
}

impl Transfer {
    /// Applies what the peer sent, as far as it was asked for.
    ///
    /// A record was asked for if its key was requested, or if this side told the peer what it has
    /// around it (`told`) and the peer found this one missing.
    pub(super) fn receive<V: View>(
        &mut self,
        place: u32,
        delivery: Delivery,
        space: &mut Hosted<V>,
        salt: Salt,
        told: impl Fn(&[u8; 32]) -> bool,
    ) -> Result<Received, SessionError> {
        let Delivery { mut records, mut contents } = delivery;
        if self.carried.place != place {
            self.carried = Carried { place, ..Carried::default() };
        }
        if records.is_empty() {
            self.carry(contents)?;
            return Ok(Received { receipt: Receipt::default(), unasked: 0 });
        }
        contents.append(&mut core::mem::take(&mut self.carried).contents);
        self.carried.place = place;

        let came = records.len();
        let mut requested = Vec::new();
        records.retain(|record| {
            let key = space.view.key_of(&record.id);
            let asked = self.awaited.contains(&(place, tag::key(&key)));
            if asked {
                requested.push((key, record.clone()));
            }
            asked || told(&key)
        });
        let unasked = (came - records.len()) as u32;
        let named: BTreeSet<[u8; 32]> =
            records.iter().flat_map(Record::mentions).copied().collect();
        contents.retain(|(digest, _)| named.contains(digest));
        let receipt = space.view.apply(Delivery { records, contents });
        for (key, received) in requested {
            // This side knows more than the peer sent: the peer lacks the rest.
            if space.view.record(&key).is_some_and(|joined| joined != received) {
                self.push_record(place, key, salt.tags(received.contents()));
            }
        }
        Ok(Received { receipt, unasked })
    }

    fn carry(&mut self, contents: Vec<Named>) -> Result<(), SessionError> {
        let bytes: usize = contents.iter().map(|(_, c)| Size::of_content(c).wire).sum();
        self.carried.bytes += bytes;
        if self.carried.bytes > MAX_CARRIED {
            let (what, cap) = ("bytes of contents ahead of their record", MAX_CARRIED as u64);
            return Err(SessionError::OverLimit { what, cap });
        }
        self.carried.contents.extend(contents);
        Ok(())
    }
}
