//! The name of a memory space.

use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;

/// The name of a memory space: 3 to 64 characters from `a-z 0-9 _ -`, as in Engram.
///
/// Clones share the string. State is kept per (space, pattern id): equal ids in two spaces are
/// unrelated.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpaceId(Arc<str>);

/// Why a string is not a valid space name; use another name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpaceIdError {
    /// Shorter than 3 or longer than 64 characters.
    #[error("a space name has 3 to 64 characters, but this one has {0}")]
    Length(usize),
    /// A character outside `a-z 0-9 _ -`.
    #[error("a space name consists of a-z, 0-9, _ and -, not {0:?}")]
    Character(char),
}

impl SpaceId {
    /// Creates the id from `name`.
    ///
    /// # Errors
    /// [`SpaceIdError`] names the rule that `name` breaks.
    pub fn new(name: impl Into<String>) -> Result<Self, SpaceIdError> {
        let name = name.into();
        let length = name.chars().count();
        if !(3..=64).contains(&length) {
            return Err(SpaceIdError::Length(length));
        }
        let allowed =
            |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
        match name.chars().find(|&c| !allowed(c)) {
            Some(c) => Err(SpaceIdError::Character(c)),
            None => Ok(Self(name.into())),
        }
    }

    /// The name as a string.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SpaceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
