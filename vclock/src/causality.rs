use core::cmp::Ordering;

/// The relation between two clocks or two states: the four outcomes of a partial order.
///
/// Clocks deliberately do not implement `PartialOrd`. `!(a < b)` reads as "b is not newer", but it
/// is also true for concurrent clocks, and that misreading loses writes. To obtain the standard
/// type, convert to `Option<Ordering>`, in which `None` means concurrent.
///
/// ```
/// use core::cmp::Ordering;
/// use engram_vclock::Causality;
///
/// assert_eq!(Option::<Ordering>::from(Causality::Before), Some(Ordering::Less));
/// assert_eq!(Causality::from(None), Causality::Concurrent);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Causality {
    /// The right side has seen all that the left side has, and more.
    Before,
    /// Both sides have seen exactly the same.
    Equal,
    /// The left side has seen all that the right side has, and more.
    After,
    /// Each side has seen something that the other has not.
    Concurrent,
}

impl Causality {
    /// Returns the relation seen from the other side: `a.compare(&b).reverse() == b.compare(&a)`.
    #[must_use]
    pub const fn reverse(self) -> Self {
        match self {
            Self::Before => Self::After,
            Self::After => Self::Before,
            Self::Equal | Self::Concurrent => self,
        }
    }

    /// Returns the relation between two sides, given whether each lacks something that the other has.
    #[inline]
    pub(crate) const fn from_lacks(left_lacks: bool, right_lacks: bool) -> Self {
        match (left_lacks, right_lacks) {
            (false, false) => Self::Equal,
            (true, false) => Self::Before,
            (false, true) => Self::After,
            (true, true) => Self::Concurrent,
        }
    }
}

impl From<Causality> for Option<Ordering> {
    fn from(causality: Causality) -> Self {
        match causality {
            Causality::Before => Some(Ordering::Less),
            Causality::Equal => Some(Ordering::Equal),
            Causality::After => Some(Ordering::Greater),
            Causality::Concurrent => None,
        }
    }
}

impl From<Option<Ordering>> for Causality {
    fn from(ordering: Option<Ordering>) -> Self {
        match ordering {
            Some(Ordering::Less) => Self::Before,
            Some(Ordering::Equal) => Self::Equal,
            Some(Ordering::Greater) => Self::After,
            None => Self::Concurrent,
        }
    }
}
