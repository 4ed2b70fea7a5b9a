//! A node of the tree, named by the leading bits that all its keys share.

use crate::tag::KEY_LEN;

/// One node of the descent: the keys whose hash begins with the same nibbles (half bytes).
///
/// The root is the empty prefix; each step of the descent adds one nibble, so a prefix of fewer
/// than 64 nibbles has sixteen children.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    bits: [u8; 32],
    nibbles: u8,
}

impl Prefix {
    /// The prefix of every key.
    pub const ROOT: Self = Self { bits: [0; 32], nibbles: 0 };

    /// Creates the prefix of the first `nibbles` nibbles of `hash`.
    ///
    /// Returns `None` if `nibbles` exceeds 64.
    pub fn of(hash: &[u8; 32], nibbles: u8) -> Option<Self> {
        if nibbles > 64 {
            return None;
        }
        let mut bits = [0; 32];
        for n in 0..nibbles {
            let byte = usize::from(n / 2);
            bits[byte] |= hash[byte] & if n % 2 == 0 { 0xf0 } else { 0x0f };
        }
        Some(Self { bits, nibbles })
    }

    /// Number of fixed nibbles: 0 for the root, 64 for a single key hash.
    pub fn nibbles(&self) -> u8 {
        self.nibbles
    }

    /// Number of fixed bits, four for each nibble.
    pub fn bit_len(&self) -> u16 {
        u16::from(self.nibbles) * 4
    }

    /// The fixed bits, followed by zeros. This is also the least key hash below the prefix.
    pub fn bits(&self) -> &[u8; 32] {
        &self.bits
    }

    /// The child for `nibble` (0..=15), or `None` at the last level or for a larger nibble.
    pub fn child(&self, nibble: u8) -> Option<Self> {
        if self.nibbles == 64 || nibble > 15 {
            return None;
        }
        let mut child = *self;
        child.bits[usize::from(self.nibbles / 2)] |=
            if self.nibbles.is_multiple_of(2) { nibble << 4 } else { nibble };
        child.nibbles += 1;
        Some(child)
    }

    /// Whether `hash` begins with this prefix.
    pub fn contains(&self, hash: &[u8; 32]) -> bool {
        let whole = usize::from(self.nibbles / 2);
        let half = self.nibbles % 2 == 1;
        self.bits[..whole] == hash[..whole] && (!half || self.bits[whole] >> 4 == hash[whole] >> 4)
    }

    /// The parent of this node, and the nibble that selects this node among its children; `None`
    /// for the root.
    pub(crate) fn parent(&self) -> Option<(Self, u8)> {
        let above = self.nibbles.checked_sub(1)?;
        Some((Self::of(&self.bits, above)?, nibble(&self.bits, above)))
    }

    /// Whether a key hash that begins with these bytes can begin with this prefix.
    pub(crate) fn contains_key(&self, key: &[u8; KEY_LEN]) -> bool {
        let mut hash = self.bits;
        hash[..KEY_LEN].copy_from_slice(key);
        self.contains(&hash)
    }

    /// The node that contains exactly the key hashes that begin with these bytes.
    pub(crate) fn of_key(key: &[u8; KEY_LEN]) -> Self {
        let mut bits = [0; 32];
        bits[..KEY_LEN].copy_from_slice(key);
        Self { bits, nibbles: 2 * KEY_LEN as u8 }
    }
}

/// The nibble of `hash` at `place` (0..=63).
pub(crate) fn nibble(hash: &[u8; 32], place: u8) -> u8 {
    let byte = hash[usize::from(place / 2)];
    if place.is_multiple_of(2) { byte >> 4 } else { byte & 0x0f }
}
