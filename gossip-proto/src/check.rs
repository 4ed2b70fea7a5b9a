//! Checks that a content or an id is within the limits of the wire, for the encoder, the decoder
//! and stores.

use crate::limits::{MAX_CONTENT_LEN, MAX_ID};
use crate::{DecodeError, Wire};

/// Error returned if a value exceeds a limit of the wire. Nothing was stored or sent; make the
/// value smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {size} exceeds the limit of {limit}, so nothing was stored; make it smaller")]
#[non_exhaustive]
pub struct TooLarge {
    /// The quantity that exceeds its limit, such as `bytes of an id`.
    pub what: &'static str,
    /// The size of the value.
    pub size: u64,
    /// The limit, from [`limits`](crate::limits) or from the codec of the content.
    pub limit: u64,
}

/// Why an id cannot be sent. Nothing was stored or sent; use another id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdError {
    /// The id has no characters.
    #[error("the id is empty, so nothing was stored; use an id of 1 to {MAX_ID} bytes")]
    Empty,
    /// The id is too long.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
}

/// Checks that `content` can be sent: it must be within the limits of its codec and within
/// [`MAX_CONTENT_LEN`].
///
/// A store that calls this function before it accepts a content holds only contents that peers can
/// receive.
///
/// # Errors
/// [`TooLarge`] names the exceeded limit.
pub fn check_content(content: &impl Wire) -> Result<(), TooLarge> {
    content.check()?;
    within("bytes of a content", content.size().wire, MAX_CONTENT_LEN)
}

/// Checks that `id` can be sent: it must have 1 to [`MAX_ID`] bytes.
///
/// # Errors
/// [`IdError`] if the id is empty or too long.
pub fn check_id(id: &str) -> Result<(), IdError> {
    if id.is_empty() {
        return Err(IdError::Empty);
    }
    Ok(within("bytes of an id", id.len(), MAX_ID)?)
}

pub(crate) fn within(what: &'static str, size: usize, limit: usize) -> Result<(), TooLarge> {
    if size <= limit {
        return Ok(());
    }
    Err(TooLarge { what, size: size as u64, limit: limit as u64 })
}

impl From<TooLarge> for DecodeError {
    fn from(TooLarge { what, size, limit }: TooLarge) -> Self {
        Self::OverLimit { what, value: size, cap: limit }
    }
}

impl From<IdError> for DecodeError {
    fn from(error: IdError) -> Self {
        match error {
            IdError::Empty => Self::Invalid("an id"),
            IdError::TooLarge(error) => error.into(),
        }
    }
}
