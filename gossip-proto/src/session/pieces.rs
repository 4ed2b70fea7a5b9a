//! Sends one record: whole if it fits into a message, otherwise in pieces that each hold some of
//! its parts.

use alloc::collections::{BTreeSet, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;

use super::slices::Slices;
use super::transfer::{Named, QueuedRecord};
use crate::check::within;
use crate::codec::Size;
use crate::limits::{MAX_AHEAD, MAX_PARTS};
use crate::message::ContentPart;
use crate::record::NodeId;
use crate::tag::{SessionKey, Tag};
use crate::{
    Compression, DecodeError, Delivery, Part, Record, ShortRecord, View, Wire, check_content,
};

/// A record that has not been sent completely.
///
/// Joining all pieces gives the same result as joining the record, so the receiver treats each
/// piece as a record.
pub(super) struct Pieces<C> {
    pub(super) space_index: u32,
    pub(super) key: [u8; 32],
    pub(super) id: String,
    /// The tags of the contents that the peer holds, ascending.
    known: Vec<Tag>,
    suppressed: Vec<([u8; 32], u32)>,
    /// Parts with contents that the peer lacks come first, then others with live dots. Parts with
    /// equal contents are adjacent, so that a content is sent in as few messages as possible. The
    /// order depends on the session key, so that sessions that break off do not begin with the same
    /// parts every time.
    parts: VecDeque<Part>,
    /// Whether the first piece must be sent if the previous record was sent.
    follows: bool,
    short: bool,
    /// Whether a piece was sent. The others then follow regardless of this side's budget: a record
    /// larger than the budget would otherwise start again in each session.
    pub(super) begun: bool,
    /// Pieces that are cut and not yet sent.
    ready: VecDeque<Ready<C>>,
    /// The content being sent in parts.
    slices: Option<Slices>,
    /// A piece that did not fit into the last message.
    put_back: Option<Piece<C>>,
}

/// A cut piece of a record.
enum Ready<C> {
    Piece(Piece<C>),
    /// One large content to send in parts, ahead of a later piece.
    Large(C),
}

/// A piece of a record that goes into one message.
pub(super) struct Piece<C> {
    pub(super) cut: Cut<C>,
    pub(super) size: Size,
    /// Whether this piece must be sent if the previous one was sent, because the previous one holds
    /// contents for it or ends a record of the same version.
    pub(super) must_follow: bool,
    /// In the first piece of the contents sent ahead of a part, the total size of these contents in
    /// bytes; 0 in other pieces.
    pub(super) ahead: usize,
}

/// The data of a piece.
pub(super) enum Cut<C> {
    /// One record with its contents, or contents alone, ahead of a later piece.
    Batch(Batch<C>),
    /// A part of one content, ahead of a later piece.
    Slice(ContentPart),
}

/// Records and contents of one message.
pub(super) struct Batch<C> {
    pub(super) delivery: Delivery<C>,
    pub(super) short: Vec<ShortRecord>,
    /// The nodes of the short records.
    pub(super) nodes: BTreeSet<NodeId>,
}

impl<C> Default for Batch<C> {
    fn default() -> Self {
        Self::of(Vec::new())
    }
}

impl<C> Batch<C> {
    fn of(contents: Vec<Named<C>>) -> Self {
        let delivery = Delivery { records: Vec::new(), contents };
        Self { delivery, short: Vec::new(), nodes: BTreeSet::new() }
    }

    pub(super) fn records(&self) -> usize {
        self.delivery.records.len() + self.short.len()
    }

    pub(super) fn extend(&mut self, other: Self) {
        self.delivery.records.extend(other.delivery.records);
        self.delivery.contents.extend(other.delivery.contents);
        self.short.extend(other.short);
        self.nodes.extend(other.nodes);
    }
}

/// Why a part of a record is not sent.
pub(super) enum Omitted {
    /// The part exceeds a limit of the wire, so no peer receives it.
    Unsendable(DecodeError),
    /// The contents of the part exceed the peer's budget for this session. The peer may accept more
    /// in a later session, because it lowers its budget while little of a quota is left.
    KeptBack,
}

/// Settings of a session for the records that it sends.
#[derive(Clone, Copy)]
pub(super) struct Terms {
    pub(super) session_key: SessionKey,
    pub(super) compression: Compression,
    /// Bytes of records that the peer accepts in the whole session.
    pub(super) peer_takes: u64,
}

impl<C: Wire> Pieces<C> {
    /// Splits a record into its parts and sorts them.
    ///
    /// # Errors
    /// Fails if no decoder would accept the record.
    pub(super) fn new(
        queued: QueuedRecord,
        record: Record,
        session_key: SessionKey,
    ) -> Result<Self, DecodeError> {
        record.check()?;
        let QueuedRecord { space_index, key, known, follows, short } = queued;
        let Record { id, mut parts, suppressed } = record;
        parts.sort_by_cached_key(|part| {
            let contents: Vec<Tag> =
                part.dots.iter().map(|(_, digest)| session_key.tag(digest)).collect();
            let is_known = |tag| known.binary_search(tag).is_ok();
            (contents.iter().all(is_known), contents.is_empty(), contents)
        });
        let (parts, ready) = (parts.into(), VecDeque::new());
        Ok(Self {
            space_index,
            key,
            id,
            known,
            suppressed,
            parts,
            follows,
            short,
            begun: false,
            ready,
            slices: None,
            put_back: None,
        })
    }

    /// Cuts the next piece; `None` if nothing is left.
    ///
    /// Passes the reason to `omit` for each part that it omits.
    pub(super) fn next(
        &mut self,
        view: &impl View<Content = C>,
        terms: Terms,
        mut omit: impl FnMut(Omitted),
    ) -> Option<Piece<C>> {
        if let Some(piece) = self.next_ready(terms) {
            return Some(piece);
        }
        let mut draft = Draft::new(self.id.clone(), core::mem::take(&mut self.suppressed));
        while let Some(part) = self.parts.pop_front() {
            let contents = match self.load(view, terms, &part, &draft.named) {
                Ok(contents) => contents,
                Err(error) => {
                    omit(Omitted::Unsendable(error));
                    continue;
                }
            };
            if let Err((part, contents)) = draft.add(part, contents) {
                if draft.is_empty() {
                    let ahead_bytes = match fits_ahead(&contents, terms) {
                        Ok(bytes) => bytes,
                        Err(why) => {
                            omit(why);
                            continue;
                        }
                    };
                    let last = Draft::of(self.id.clone(), part).finish(self.short, terms);
                    self.ready = ahead(last, contents);
                    let first = self.next_ready(terms)?;
                    // The budget may stop the session before the first content that is sent ahead
                    // of a part, but not after it.
                    let first = Piece { must_follow: false, ahead: ahead_bytes, ..first };
                    return Some(self.mark(first));
                }
                self.parts.push_front(part);
                break;
            }
        }
        (!draft.is_empty()).then(|| self.mark(draft.finish(self.short, terms)))
    }

    /// The next piece that is already cut; a large content is returned part by part.
    fn next_ready(&mut self, terms: Terms) -> Option<Piece<C>> {
        if let Some(piece) = self.put_back.take() {
            return Some(piece);
        }
        if let Some(part) = self.slices.as_mut().and_then(Slices::next) {
            return Some(Piece::slice(part));
        }
        match self.ready.pop_front()? {
            Ready::Piece(piece) => Some(piece),
            Ready::Large(content) => {
                let mut slices = Slices::of(self.space_index, &content, terms.compression);
                let first = slices.next().map(Piece::slice);
                self.slices = Some(slices);
                first
            }
        }
    }

    fn mark(&mut self, piece: Piece<C>) -> Piece<C> {
        let must_follow = piece.must_follow || core::mem::take(&mut self.follows);
        Piece { must_follow, ..piece }
    }

    /// Whether nothing is left to send.
    pub(super) fn is_empty(&self) -> bool {
        self.put_back.is_none()
            && self.ready.is_empty()
            && self.slices.as_ref().is_none_or(Slices::is_empty)
            && self.parts.is_empty()
            && self.suppressed.is_empty()
    }

    /// Keeps a piece for the next message.
    pub(super) fn put_back(&mut self, piece: Piece<C>) {
        self.put_back = Some(piece);
    }

    /// Loads those contents of a part that the peer lacks and that are not in `along`.
    fn load(
        &self,
        view: &impl View<Content = C>,
        terms: Terms,
        part: &Part,
        along: &BTreeSet<[u8; 32]>,
    ) -> Result<Vec<Named<C>>, DecodeError> {
        let digests: BTreeSet<[u8; 32]> = part.dots.iter().map(|(_, digest)| *digest).collect();
        let is_known = |digest| self.known.binary_search(&terms.session_key.tag(digest)).is_ok();
        let lacking = digests.difference(along).filter(|digest| !is_known(digest));
        lacking
            .filter_map(|digest| Some((*digest, view.content(digest)?)))
            .map(|(digest, content)| Ok(check_content(&content).map(|()| (digest, content))?))
            .collect()
    }
}

impl<C> Piece<C> {
    fn slice(part: ContentPart) -> Self {
        let size = Size { wire: part.bytes.len(), ..Size::default() };
        Self { cut: Cut::Slice(part), size, must_follow: true, ahead: 0 }
    }
}

/// A piece under construction.
struct Draft<C> {
    record: Record,
    contents: Vec<Named<C>>,
    /// The digests of `contents`.
    named: BTreeSet<[u8; 32]>,
    size: Size,
}

impl<C: Wire> Draft<C> {
    fn new(id: String, suppressed: Vec<([u8; 32], u32)>) -> Self {
        let record = Record { id, parts: Vec::new(), suppressed };
        let size = Size::of_head(&record);
        Self { record, contents: Vec::new(), named: BTreeSet::new(), size }
    }

    fn of(id: String, part: Part) -> Self {
        let mut draft = Self::new(id, Vec::new());
        draft.size = draft.size + Size::of_part(&part);
        draft.record.parts.push(part);
        draft
    }

    /// Adds a part with its contents, or returns them if the result would not fit into a message.
    fn add(&mut self, part: Part, contents: Vec<Named<C>>) -> Result<(), (Part, Vec<Named<C>>)> {
        let size = contents
            .iter()
            .map(|(_, content)| Size::of_content(content))
            .fold(self.size + Size::of_part(&part), |sum, one| sum + one);
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

    fn finish(mut self, short: bool, terms: Terms) -> Piece<C> {
        self.record.parts.sort_unstable_by_key(|part| part.node);
        let mut batch = Batch::of(self.contents);
        match self.record.shorten(terms.session_key).filter(|_| short) {
            Some(record) => {
                batch.short.push(record);
                batch.nodes = self.record.context().map(|(node, _)| node).collect();
            }
            None => batch.delivery.records.push(self.record),
        }
        Piece { cut: Cut::Batch(batch), size: self.size, must_follow: false, ahead: 0 }
    }
}

/// Checks that the receiver accepts these contents ahead of their part; returns their size in
/// bytes.
fn fits_ahead<C: Wire>(contents: &[Named<C>], terms: Terms) -> Result<usize, Omitted> {
    let bytes: usize = contents.iter().map(|(_, content)| content.size().wire).sum();
    within("bytes of the contents of one node", bytes, MAX_AHEAD)
        .map_err(|error| Omitted::Unsendable(error.into()))?;
    match bytes as u64 <= terms.peer_takes {
        true => Ok(bytes),
        false => Err(Omitted::KeptBack),
    }
}

/// Cuts a part that, together with its contents, does not fit into one frame: the contents come
/// first, the part last.
fn ahead<C: Wire>(part: Piece<C>, contents: Vec<Named<C>>) -> VecDeque<Ready<C>> {
    let mut ready = VecDeque::new();
    let (mut batch, mut size) = (Vec::new(), Size::default());
    let piece = |contents, size| {
        let cut = Cut::Batch(Batch::of(contents));
        Ready::Piece(Piece { cut, size, must_follow: true, ahead: 0 })
    };
    for named in contents {
        let one = Size::of_content(&named.1);
        if !one.fits_a_frame() {
            ready.push_back(Ready::Large(named.1));
            continue;
        }
        if !(size + one).fits_a_frame() {
            ready.push_back(piece(core::mem::take(&mut batch), size));
            size = Size::default();
        }
        size = size + one;
        batch.push(named);
    }
    if !batch.is_empty() {
        ready.push_back(piece(batch, size));
    }
    ready.push_back(Ready::Piece(Piece { must_follow: true, ..part }));
    ready
}
