//! V2, V4 and V6: the record of one pattern id, a product over nodes, and its join.

use std::fmt;

use crate::rules::{Rules, Weaker};

/// The number of node ids: up to four members, two replacements of a key, and one outside the roster.
pub(crate) const NODES: usize = 7;
/// The first node id that replaces a key.
pub(crate) const FIRST_NEW_KEY: usize = 4;
/// The node outside the roster, which no machine runs.
pub(crate) const STRANGER: usize = 6;
/// The number of pattern ids. Histories without record-by-record sessions write only to the first two.
pub(crate) const IDS: usize = 4;
/// The number of contents: three that engines submit, then those that only blends produce.
pub(crate) const CONTENTS: u8 = 8;
/// The number of contents that engines submit.
pub(crate) const SUBMITTED: u8 = 3;
/// The number of slots for live dots of one node: more than any history fills, even without a
/// limit.
const SLOTS: usize = 5;

/// A version. One step of the clock spans 256 versions.
pub(crate) type Version = u32;

/// A set of contents or of nodes, one bit each.
pub(crate) type Set = u8;

/// The members of a set.
pub(crate) fn members(set: Set) -> impl Iterator<Item = u8> {
    (0..CONTENTS).filter(move |n| set >> n & 1 == 1)
}

pub(crate) fn contains(set: Set, member: impl Into<usize>) -> bool {
    set >> member.into() & 1 == 1
}

/// A live write of the part's node. Version 0 denotes an empty slot.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Dot {
    pub(crate) version: Version,
    pub(crate) content: u8,
}

impl fmt::Debug for Dot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.version, self.content)
    }
}

/// One node's part of a record: a context entry, which covers all versions of the node at or below
/// it, and the node's live dots.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Part {
    pub(crate) entry: Version,
    slots: [Dot; SLOTS],
    /// The suppressed digests in this node's last write; only for the weaker forms of V6.
    pub(crate) carried: Set,
}

impl Part {
    pub(crate) fn new(entry: Version, dots: &[Dot]) -> Self {
        let mut part = Self { entry, ..Self::default() };
        part.set_dots(dots.to_vec());
        part
    }

    pub(crate) fn dots(&self) -> impl Iterator<Item = Dot> {
        self.slots.into_iter().filter(|dot| dot.version != 0)
    }

    pub(crate) fn set_dots(&mut self, mut dots: Vec<Dot>) {
        dots.sort_unstable();
        dots.dedup();
        assert!(dots.len() <= SLOTS, "{} live dots of one node", dots.len());
        self.slots = [Dot::default(); SLOTS];
        self.slots[..dots.len()].copy_from_slice(&dots);
    }

    pub(crate) fn has(&self, version: Version) -> bool {
        self.dots().any(|dot| dot.version == version)
    }

    pub(crate) fn live(&self) -> Set {
        self.dots().fold(0, |set, dot| set | 1 << dot.content)
    }

    /// Removes all dots and carried digests; the entry is kept and covers the dots.
    pub(crate) fn remove_dots(&mut self) {
        (self.slots, self.carried) = ([Dot::default(); SLOTS], 0);
    }

    /// V4: keeps a dot if both parts have it, or if one has it and the entry of the other does not
    /// cover it. If a dot has two contents, both are kept.
    fn join(&self, other: &Self) -> Self {
        let kept = |a: &Self, b: &Self| -> Vec<Dot> {
            a.dots().filter(|dot| dot.version > b.entry || b.has(dot.version)).collect()
        };
        let dots = [kept(self, other), kept(other, self)].concat();
        let mut joined = Self::new(self.entry.max(other.entry), &dots);
        joined.carried = match self.entry.cmp(&other.entry) {
            std::cmp::Ordering::Greater => self.carried,
            std::cmp::Ordering::Less => other.carried,
            std::cmp::Ordering::Equal => self.carried | other.carried,
        };
        joined
    }

    /// V4: keeps the greatest `limit` dots by (version, content), after every join. Returns the
    /// contents of the removed dots.
    fn trim(&mut self, limit: usize) -> Set {
        let mut dots: Vec<_> = self.dots().collect();
        let removed = dots.drain(..dots.len().saturating_sub(limit));
        let removed = removed.fold(0, |set, dot| set | 1 << dot.content);
        self.set_dots(dots);
        removed
    }
}

/// The replicated state of one pattern id.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Record {
    pub(crate) parts: [Part; NODES],
    /// V6: the causal length of each content; odd means suppressed.
    lengths: [u8; CONTENTS as usize],
}

/// A set of parts of a record: one bit for each node, and one for the suppression.
pub(crate) type Subset = u8;
/// The suppression alone.
pub(crate) const SUPPRESSION: Subset = 1 << NODES;
/// The whole record.
pub(crate) const WHOLE: Subset = u8::MAX;

/// The contents that the limits removed from a record.
#[derive(Default)]
pub(crate) struct Trimmed {
    pub(crate) suppressed: Set,
    pub(crate) dots: [Set; NODES],
}

impl Record {
    pub(crate) fn is_held(&self) -> bool {
        *self != Self::default()
    }

    pub(crate) fn live(&self) -> Set {
        self.parts.iter().fold(0, |set, part| set | part.live())
    }

    /// The suppressed contents.
    pub(crate) fn suppressed(&self) -> Set {
        let in_set = (0..CONTENTS).filter(|c| self.lengths[usize::from(*c)] % 2 == 1);
        let in_set = in_set.fold(0, |set, content| set | 1 << content);
        self.parts.iter().fold(in_set, |set, part| set | part.carried)
    }

    /// The contents from which the visible pattern is computed.
    pub(crate) fn visible(&self) -> Set {
        self.live() & !self.suppressed()
    }

    /// The visible pattern: a single content is shown unchanged, several contents as a function of
    /// their set.
    pub(crate) fn shown(&self) -> Option<u8> {
        let visible = self.visible();
        match visible.count_ones() {
            0 => None,
            1 => Some(visible.trailing_zeros() as u8),
            _ => Some(SUBMITTED + (u16::from(visible) * 7 % 5) as u8),
        }
    }

    /// V6, *forget*: makes the even lengths of `contents` odd.
    pub(crate) fn suppress(&mut self, contents: Set) {
        for content in members(contents & !self.suppressed()) {
            self.lengths[usize::from(content)] += 1;
        }
    }

    /// V6, *resolve*: makes the length of `content` even if it is odd.
    pub(crate) fn release(&mut self, content: u8) {
        let length = &mut self.lengths[usize::from(content)];
        *length += *length % 2;
    }

    /// Returns the parts of the record that are in `subset`, to be sent in one message.
    pub(crate) fn subset(&self, subset: Subset, rules: &Rules) -> Self {
        let mut some = *self;
        for (node, part) in some.parts.iter_mut().enumerate() {
            if contains(subset, node) {
                continue;
            }
            if rules.has(Weaker::PartsCarryWholeContext) {
                part.remove_dots();
            } else {
                *part = Part::default();
            }
        }
        if subset & SUPPRESSION == 0 {
            some.lengths = Default::default();
        }
        some
    }

    pub(crate) fn join(&self, other: &Self) -> Self {
        Self {
            parts: std::array::from_fn(|node| self.parts[node].join(&other.parts[node])),
            lengths: std::array::from_fn(|c| self.lengths[c].max(other.lengths[c])),
        }
    }

    /// V4 and V6: applies the limits, after every join and *forget*. The result depends on the
    /// state alone.
    pub(crate) fn trim(&mut self, rules: &Rules) -> Trimmed {
        let mut trimmed = Trimmed::default();
        let counted: Vec<_> = (0..CONTENTS).filter(|c| self.lengths[usize::from(*c)] > 0).collect();
        for content in counted.into_iter().skip(rules.max_suppressed) {
            self.lengths[usize::from(content)] = 0;
            trimmed.suppressed |= 1 << content;
        }
        if !rules.has(Weaker::TwinsUnbounded) {
            for (node, part) in self.parts.iter_mut().enumerate() {
                trimmed.dots[node] = part.trim(rules.max_dots);
            }
        }
        trimmed
    }
}
