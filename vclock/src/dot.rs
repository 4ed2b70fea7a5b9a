use core::fmt;

/// The name of one write: `version` of `node`.
///
/// Versions come from the node's [`HybridClock`](crate::HybridClock). They order the writes of one
/// node; versions of different nodes are never compared. The derived order, by node and then
/// version, is the storage order and does not express causality.
///
/// ```
/// use engram_vclock::Dot;
///
/// assert_eq!(Dot::new("berlin", 7).to_string(), "berlin:7");
/// assert_eq!(Dot::new([0xab; 32], 7).short().to_string(), "abababab:7");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Dot<N = [u8; 32]> {
    /// The node that writes, by default the 32-byte hash of its public key.
    pub node: N,
    /// The version of the write, at least 1.
    pub version: u64,
}

impl<N> Dot<N> {
    /// Creates the name of the write `version` of `node`.
    pub const fn new(node: N, version: u64) -> Self {
        Self { node, version }
    }

    /// Raises the version to `version` if that is greater. Returns whether it changed.
    #[inline]
    pub(crate) const fn raise(&mut self, version: u64) -> bool {
        let greater = self.version < version;
        // Avoids a branch on `greater`, which is unpredictable.
        self.version = if greater { version } else { self.version };
        greater
    }
}

impl Dot {
    /// Returns a short form for display: the first four bytes of the node in hexadecimal, and the version.
    ///
    /// Use this method for the default node type: such a dot does not implement `Display`, because arrays do not.
    #[must_use]
    pub const fn short(&self) -> impl fmt::Display + use<> {
        let [a, b, c, d, ..] = self.node;
        Short { prefix: u32::from_be_bytes([a, b, c, d]), version: self.version }
    }
}

struct Short {
    prefix: u32,
    version: u64,
}

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}:{}", self.prefix, self.version)
    }
}

impl<N: fmt::Display> fmt::Display for Dot<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.node, self.version)
    }
}
