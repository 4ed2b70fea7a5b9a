//! One record on its way out: whole if it fits a message, else in pieces of some of its parts.

use alloc::collections::{BTreeSet, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;

use super::transfer::{Named, Parcel};
use crate::codec::Size;
use crate::limits::MAX_PARTS;
use crate::tag::{SessionKey, Tag};
use crate::{Content, DecodeError, Delivery, Part, Record, View, check_content};

/// A record of which something is still to be sent.
///
/// Joining the pieces equals joining the record, so each is a record of its own to the receiver.
pub(super) struct Pieces {
    pub(super) place: u32,
    pub(super) key: [u8; 32],
    pub(super) id: String,
    /// The tags of the contents that the peer holds, ascending.
    known: Vec<Tag>,
    suppressed: Vec<([u8; 32], u32)>,
    /// Parts with contents that the peer lacks come first, then others with live dots. Those with
    /// equal contents lie together, so that a content travels in as few messages as possible.
    parts: VecDeque<Part>,
    /// Whether the first piece must follow the record before it.
    follows: bool,
    /// Pieces that are cut already.
    ready: VecDeque<Piece>,
}

/// What one message takes of a record.
pub(super) struct Piece {
    /// One record with its contents, or contents alone, ahead of a later piece.
    pub(super) delivery: Delivery,
    pub(super) size: Size,
    /// Whether it must not be left out once what came before it was sent: contents ahead of it, or a
    /// record of the same version.
    pub(super) must_follow: bool,
}

/// What a session sends of every content.
#[derive(Clone, Copy)]
pub(super) struct Terms {
    pub(super) session_key: SessionKey,
    pub(super) dimension: u32,
}

impl Pieces {
    /// Takes a record apart.
    ///
    /// # Errors
    /// No decoder would take the record.
    pub(super) fn new(
        parcel: Parcel,
        record: Record,
        session_key: SessionKey,
    ) -> Result<Self, DecodeError> {
        record.check()?;
        let Parcel { place, key, known, follows } = parcel;
        let Record { id, mut parts, suppressed } = record;
        parts.sort_by_cached_key(|part| {
            let contents: Vec<_> = part.dots.iter().map(|(_, digest)| *digest).collect();
            let is_known = |digest| known.binary_search(&session_key.tag(digest)).is_ok();
            (contents.iter().all(is_known), contents.is_empty(), contents)
        });
        let (parts, ready) = (parts.into(), VecDeque::new());
        Ok(Self { place, key, id, known, suppressed, parts, follows, ready })
    }

    /// Cuts the next piece; `None` if everything was taken.
    ///
    /// A part with a content that no decoder would take is left out, and `unsendable` learns why.
    pub(super) fn next(
        &mut self,
        view: &impl View,
        terms: Terms,
        mut unsendable: impl FnMut(DecodeError),
    ) -> Option<Piece> {
        if let Some(piece) = self.ready.pop_front() {
            return Some(piece);
        }
        let mut draft = Draft::new(self.id.clone(), core::mem::take(&mut self.suppressed));
        while let Some(part) = self.parts.pop_front() {
            let contents = match self.load(view, terms, &part, &draft.named) {
                Ok(contents) => contents,
                Err(error) => {
                    unsendable(error);
                    continue;
                }
            };
            if let Err((part, contents)) = draft.add(part, contents) {
                if draft.is_empty() {
                    self.ready = ahead(Draft::of(self.id.clone(), part), contents);
                    let first = self.ready.pop_front();
                    return first.map(|piece| self.mark(piece));
                }
                self.parts.push_front(part);
                break;
            }
        }
        (!draft.is_empty()).then(|| self.mark(draft.finish()))
    }

    fn mark(&mut self, piece: Piece) -> Piece {
        let must_follow = piece.must_follow || core::mem::take(&mut self.follows);
        Piece { must_follow, ..piece }
    }

    /// Whether everything was taken.
    pub(super) fn is_empty(&self) -> bool {
        self.ready.is_empty() && self.parts.is_empty() && self.suppressed.is_empty()
    }

    /// Leaves a piece to the next message.
    pub(super) fn put_back(&mut self, piece: Piece) {
        self.ready.push_front(piece);
    }

    /// The contents of a part that the peer lacks and that do not come along already.
    fn load(
        &self,
        view: &impl View,
        terms: Terms,
        part: &Part,
        along: &BTreeSet<[u8; 32]>,
    ) -> Result<Vec<Named>, DecodeError> {
        let digests: BTreeSet<[u8; 32]> = part.dots.iter().map(|(_, digest)| *digest).collect();
        let is_known = |digest| self.known.binary_search(&terms.session_key.tag(digest)).is_ok();
        let lacking = digests.difference(along).filter(|digest| !is_known(digest));
        lacking
            .filter_map(|digest| Some((*digest, view.content(digest)?)))
            .map(|(digest, content)| self.check(&content, terms).map(|()| (digest, content)))
            .collect()
    }

    fn check(&self, content: &Content, terms: Terms) -> Result<(), DecodeError> {
        if content.id != self.id {
            return Err(DecodeError::Invalid("the id of a content"));
        }
        if content.embedding.len() != terms.dimension as usize {
            return Err(DecodeError::Invalid("the dimension of a content"));
        }
        Ok(check_content(content)?)
    }
}

/// A piece that still grows.
struct Draft {
    record: Record,
    contents: Vec<Named>,
    /// The digests of `contents`.
    named: BTreeSet<[u8; 32]>,
    size: Size,
}

impl Draft {
    fn new(id: String, suppressed: Vec<([u8; 32], u32)>) -> Self {
        let record = Record { id, parts: Vec::new(), suppressed };
        let size = Size::of_head(&record);
        Self { record, contents: Vec::new(), named: BTreeSet::new(), size }
    }

    fn of(id: String, part: Part) -> Self {
        let mut draft = Self::new(id, Vec::new());
        draft.size = draft.size + Size::of_part(&part, draft.record.id.len());
        draft.record.parts.push(part);
        draft
    }

    /// Adds a part with its contents, or gives them back if no frame would hold the whole.
    fn add(&mut self, part: Part, contents: Vec<Named>) -> Result<(), (Part, Vec<Named>)> {
        let size = contents
            .iter()
            .map(|(_, content)| Size::of_content(content))
            .fold(self.size + Size::of_part(&part, self.record.id.len()), |sum, one| sum + one);
        if !size.fits_a_frame() || self.record.parts.len() == MAX_PARTS {
            return Err((part, contents));
        }
        self.size = size;
        self.record.parts.push(part);
        self.named.extend(contents.iter().map(|(digest, _)| *digest));
        self.contents.extend(contents);
        Ok(())
    }

    fn is_empty(&self) -> bool {
        self.record.parts.is_empty() && self.record.suppressed.is_empty()
    }

    fn finish(mut self) -> Piece {
        self.record.parts.sort_unstable_by_key(|part| part.node);
        let delivery = Delivery { records: Vec::from([self.record]), contents: self.contents };
        Piece { delivery, size: self.size, must_follow: false }
    }
}

/// The pieces of a part that does not fit a frame with its contents: these first, the part last.
fn ahead(part: Draft, contents: Vec<Named>) -> VecDeque<Piece> {
    let mut pieces = VecDeque::new();
    let mut delivery = Delivery::default();
    let mut size = Size::default();
    for named in contents {
        let one = Size::of_content(&named.1);
        if !(size + one).fits_a_frame() {
            let delivery = core::mem::take(&mut delivery);
            pieces.push_back(Piece { delivery, size, must_follow: !pieces.is_empty() });
            size = Size::default();
        }
        size = size + one;
        delivery.contents.push(named);
    }
    pieces.push_back(Piece { delivery, size, must_follow: !pieces.is_empty() });
    pieces.push_back(Piece { must_follow: true, ..part.finish() });
    pieces
}
