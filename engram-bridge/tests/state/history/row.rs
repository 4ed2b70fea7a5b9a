//! The record of one pattern in a process, with small numbers for its nodes and contents.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::{BitAnd, BitOr, BitOrAssign, Sub, SubAssign};
use std::sync::{Arc, LazyLock};

use engram_bridge::sync::SpaceView;
use engram_bridge::{SemanticPattern, Space, Store};
use engram_gossip_proto::{Record, View};

use crate::support::{environment, only_space, pattern, store_config};

/// The number of patterns of a history.
pub(crate) const KEYS: usize = 2;
/// The number of values of a pattern, at most 32.
pub(crate) const VALUES: u8 = 24;
/// The maximum number of nodes of a history.
pub(crate) const NODES: usize = 4;

/// A set of values of one pattern.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Values(u32);

impl Values {
    pub(crate) const NONE: Self = Self(0);

    pub(crate) const fn of(value: u8) -> Self {
        Self(1 << value)
    }

    pub(crate) const fn contains(self, value: u8) -> bool {
        self.0 >> value & 1 == 1
    }

    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = u8> {
        (0..VALUES).filter(move |value| self.contains(*value))
    }
}

impl BitOr for Values {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitAnd for Values {
    type Output = Self;
    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl Sub for Values {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

impl BitOrAssign for Values {
    fn bitor_assign(&mut self, other: Self) {
        *self = *self | other;
    }
}

impl SubAssign for Values {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// The record of one pattern.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) parts: [Share; NODES],
    pub(crate) suppressed: Values,
}

/// The part of one node in a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Share {
    pub(crate) entry: u64,
    pub(crate) live: Values,
    pub(crate) dots: usize,
}

impl Row {
    pub(crate) fn of(record: &Record) -> Self {
        let mut row = Self::default();
        for part in &record.parts {
            let share = &mut row.parts[usize::from(part.node[0]) - 1];
            share.entry = part.entry;
            share.dots = part.dots.len();
            for (_, digest) in &part.dots {
                share.live |= Values::of(NAMES.digests[digest].1);
            }
        }
        for (digest, length) in &record.suppressed {
            if length % 2 == 1 {
                row.suppressed |= Values::of(NAMES.digests[digest].1);
            }
        }
        row
    }

    /// The record of a pattern in `space`.
    pub(crate) fn held(space: &Arc<Space>, key: usize) -> Self {
        let view = SpaceView::pin(space);
        view.record(&NAMES.keys[key]).map(|record| Self::of(&record)).unwrap_or_default()
    }

    pub(crate) fn live(&self) -> Values {
        self.parts.iter().fold(Values::NONE, |live, part| live | part.live)
    }

    pub(crate) fn visible(&self) -> Values {
        self.live() - self.suppressed
    }
}

/// The pattern `key` with one of its values.
pub(crate) fn valued(key: usize, value: u8) -> Arc<SemanticPattern> {
    pattern(&name(key), value)
}

/// The id of a pattern.
pub(crate) fn name(key: usize) -> String {
    format!("pattern-{key}")
}

/// The hash of a pattern's id, by which records are requested.
pub(crate) fn hash(key: usize) -> [u8; 32] {
    NAMES.keys[key]
}

struct Names {
    keys: [[u8; 32]; KEYS],
    digests: BTreeMap<[u8; 32], (usize, u8)>,
}

/// The hash of each pattern's id, and the pattern and value of each digest, as the store computes
/// them.
static NAMES: LazyLock<Names> = LazyLock::new(|| {
    let space = only_space(&Store::new(store_config(1), environment(|| 0, || 0)));
    let keys = std::array::from_fn(|key| SpaceView::pin(&space).key_of(&name(key)));
    let mut digests = BTreeMap::new();
    for key in 0..KEYS {
        for value in 0..VALUES {
            space.submit_pattern(&valued(key, value)).unwrap();
            let version = space.explain(&name(key)).unwrap().versions.remove(0);
            digests.insert(version.digest.into(), (key, value));
        }
    }
    Names { keys, digests }
});
