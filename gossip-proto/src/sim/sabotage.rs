//! Version summaries that are changed in transit.

use std::vec::Vec;

use super::Random;
use crate::{Compression, Message, Versions};

/// A change to the version summary in a frame. Such a change must cost only bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// Some entries claim less than was handled, or claim what the base claims.
    Stale,
    /// The summary claims more than was handled.
    High,
    /// The summary loses its own entries: it claims no more than its base, or nothing if it has no
    /// base.
    Dropped,
    /// The summary's own entries name nodes that do not exist, and those that it changes in its
    /// base get arbitrary versions.
    Garbage,
}

impl Sabotage {
    /// All changes.
    pub const ALL: [Self; 4] = [Self::Stale, Self::High, Self::Dropped, Self::Garbage];

    /// Returns the frame with its summary changed; `None` if the frame has no summary, or if the
    /// change has no effect.
    pub fn change(self, frame: &[u8], random: &mut Random) -> Option<Vec<u8>> {
        let Ok((Message::Versions(mut versions), ends_turn)) = Message::decode(frame) else {
            return None;
        };
        self.change_summary(&mut versions, random);
        let changed = Message::Versions(versions).encode(Compression::Off, ends_turn);
        (changed != frame).then_some(changed)
    }

    fn change_summary(self, versions: &mut Versions, random: &mut Random) {
        let mut draw = || random.bits() >> 20;
        let Versions { changes, others, .. } = versions;
        match self {
            Self::Stale => {
                changes.retain(|_| draw() % 2 == 0);
                others.iter_mut().for_each(|(_, version)| *version -= draw() % (*version).max(1));
            }
            Self::High => {
                changes.iter_mut().for_each(|(_, by)| *by = by.wrapping_add(draw() as i64 + 1));
                others.iter_mut().for_each(|(_, version)| {
                    *version = version.saturating_add(draw() >> 8);
                });
            }
            Self::Dropped => {
                changes.clear();
                others.clear();
            }
            Self::Garbage => {
                changes.iter_mut().for_each(|(_, by)| *by = draw() as i64 + 1);
                others.iter_mut().for_each(|(node, _)| *node = draw().to_be_bytes());
                others.sort_unstable();
                others.dedup_by_key(|(node, _)| *node);
            }
        }
        changes.retain(|(_, by)| *by != 0);
    }
}
