/// The minimum number of levels of a tree: a tree of base depth d has 2^d slots.
///
/// The root depends on the base depth, so all nodes of a cluster must use the same depth. A slot
/// that holds more than [`LEAF_CAPACITY`](crate::LEAF_CAPACITY) entries splits by the next bits of
/// the key hashes, so the depth does not limit the number of entries; it decides how many hashes a
/// change to a small tree costs and how finely two small trees are compared.
///
/// ```
/// use engram_merkle::BaseDepth;
///
/// assert_eq!(BaseDepth::default().slots(), 4096);
/// assert_eq!(BaseDepth::try_from(8), Ok(BaseDepth::Eight));
/// assert!(BaseDepth::try_from(13).is_err());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BaseDepth {
    /// 16 slots.
    Four = 4,
    /// 256 slots.
    Eight = 8,
    /// 4,096 slots; at 10,000 entries, almost none of them splits.
    #[default]
    Twelve = 12,
    /// 65,536 slots.
    Sixteen = 16,
}

impl BaseDepth {
    /// All depths, in ascending order.
    pub const ALL: [Self; 4] = [Self::Four, Self::Eight, Self::Twelve, Self::Sixteen];

    /// The depth as a number of levels.
    #[must_use]
    pub const fn levels(self) -> u8 {
        self as u8
    }

    /// The number of slots, 2 to the power of [`levels`](Self::levels).
    #[must_use]
    pub const fn slots(self) -> u32 {
        1 << self.levels()
    }
}

impl TryFrom<u8> for BaseDepth {
    type Error = BaseDepthError;

    fn try_from(levels: u8) -> Result<Self, BaseDepthError> {
        Self::ALL
            .into_iter()
            .find(|depth| depth.levels() == levels)
            .ok_or(BaseDepthError { found: levels })
    }
}

/// The error for a number of levels other than 4, 8, 12 or 16.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the base depth of a tree is 4, 8, 12 or 16 levels, not {found}")]
#[non_exhaustive]
pub struct BaseDepthError {
    /// The requested number of levels.
    pub found: u8,
}
