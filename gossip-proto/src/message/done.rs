//! The end of a session: final roots and unsendable records.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::DecodeError;
use crate::limits::{MAX_ID, MAX_NAME, MAX_SPACES, MAX_UNSENDABLE};
use crate::wire::{Reader, put, put_count, put_cut_text};

/// The message of a side that has nothing more to send or to request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// The live roots of the sender.
    pub roots: FinalRoots,
    /// Whether the sender kept something back because a budget or a cap was reached, or because one
    /// side accepts no records.
    pub kept_back: bool,
    /// Whether the sender has handled records that are above the receiver's version summary, for
    /// example because they arrived during the session.
    pub has_news: bool,
    /// Records of the sender that exceed a limit of the wire and that no earlier `Done` named; at
    /// most [`MAX_UNSENDABLE`].
    pub unsendable: Vec<UnsendableRecord>,
}

/// A record that exceeds a limit of the wire, as named by its holder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnsendableRecord {
    /// Index of the space in the table.
    pub space: u32,
    /// The pattern id of the record, truncated to [`MAX_ID`] bytes.
    pub id: String,
    /// The limit that the record exceeds, truncated to [`MAX_NAME`] bytes.
    pub what: String,
}

/// The live roots of the spaces that both sides host, in the shortest form that earlier messages
/// allow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FinalRoots {
    /// All roots equal those in the receiver's last `Done`.
    Yours,
    /// All roots, ascending by index.
    All(Vec<WalkedRoot>),
    /// The roots of the spaces that differed at the beginning, ascending by index, and a digest
    /// over all roots, computed as for [`Spaces::Digest`](crate::Spaces::Digest).
    Differing {
        /// The digest.
        digest: [u8; 32],
        /// The roots.
        roots: Vec<WalkedRoot>,
    },
}

/// The final root of one space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WalkedRoot {
    /// Index of the space in the table.
    pub space: u32,
    /// The live root of the space.
    pub root: [u8; 32],
}

const KEPT_BACK: u8 = 1;
const HAS_NEWS: u8 = 2;
const NAMES_UNSENDABLE: u8 = 4;

impl Done {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let kept_back = if self.kept_back { KEPT_BACK } else { 0 };
        let has_news = if self.has_news { HAS_NEWS } else { 0 };
        let unsendable = if self.unsendable.is_empty() { 0 } else { NAMES_UNSENDABLE };
        out.push(kept_back | has_news | unsendable);
        match &self.roots {
            FinalRoots::Yours => out.push(0),
            FinalRoots::All(roots) => {
                out.push(1);
                put_roots(out, roots);
            }
            FinalRoots::Differing { digest, roots } => {
                out.push(2);
                out.extend_from_slice(digest);
                put_roots(out, roots);
            }
        }
        if !self.unsendable.is_empty() {
            put_count(out, self.unsendable.len());
            self.unsendable.iter().for_each(|record| record.encode(out));
        }
    }

    pub(super) fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let flags: u8 = r.take("the end of a session")?;
        if flags & !(KEPT_BACK | HAS_NEWS | NAMES_UNSENDABLE) != 0 {
            return Err(DecodeError::Invalid("the end of a session"));
        }
        let roots = match r.take::<u8>("the form of the final roots")? {
            0 => FinalRoots::Yours,
            1 => FinalRoots::All(take_roots(r)?),
            2 => {
                let digest = r.array("the final digest")?;
                FinalRoots::Differing { digest, roots: take_roots(r)? }
            }
            _ => return Err(DecodeError::Invalid("the form of the final roots")),
        };
        let unsendable = match flags & NAMES_UNSENDABLE {
            0 => Vec::new(),
            _ => r.list("unsendable records", MAX_UNSENDABLE, 3, UnsendableRecord::decode)?,
        };
        if unsendable.is_empty() != (flags & NAMES_UNSENDABLE == 0) {
            return Err(DecodeError::NotCanonical("the list of unsendable records"));
        }
        let (kept_back, has_news) = (flags & KEPT_BACK != 0, flags & HAS_NEWS != 0);
        Ok(Self { roots, kept_back, has_news, unsendable })
    }
}

impl UnsendableRecord {
    fn encode(&self, out: &mut Vec<u8>) {
        put(out, &self.space);
        put_cut_text(out, &self.id, MAX_ID);
        put_cut_text(out, &self.what, MAX_NAME);
    }

    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let space = r.take("the space of an unsendable record")?;
        let id = r.text("the id of an unsendable record", MAX_ID)?.into();
        let what = r.text("the limit of an unsendable record", MAX_NAME)?.into();
        Ok(Self { space, id, what })
    }
}

fn put_roots(out: &mut Vec<u8>, roots: &[WalkedRoot]) {
    put_count(out, roots.len());
    roots.iter().for_each(|root| put(out, root));
}

fn take_roots(r: &mut Reader<'_>) -> Result<Vec<WalkedRoot>, DecodeError> {
    let roots: Vec<WalkedRoot> =
        r.list("final roots", MAX_SPACES, 33, |r| r.take("a final root"))?;
    if !roots.is_sorted_by(|a, b| a.space < b.space) {
        return Err(DecodeError::NotCanonical("the list of final roots"));
    }
    Ok(roots)
}
