//! The precision of embeddings.

use std::fmt;

/// The precision at which all nodes of the cluster store embeddings. The wire format is lossless
/// for both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Precision {
    /// Not rounded (default).
    #[default]
    F32,
    /// Rounded once to half precision, when a pattern is submitted.
    F16,
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
        })
    }
}
