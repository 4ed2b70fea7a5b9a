//! The id of a node: the hash of its public key.

use std::fmt;
use std::str::FromStr;

/// The id of a node: SHA-256 of the `SubjectPublicKeyInfo` (DER) of its certificate.
///
/// It identifies the key, not the certificate: a renewed certificate for the same key keeps the id.
/// Its text form is 64 lower-case hex digits; parsing accepts both cases. A precision in a format
/// string shortens the text. [`Roster::member`](crate::Roster::member) looks up the member with an
/// id, including its name.
///
/// ```
/// use engram_gossip_net::NodeId;
/// let id = NodeId::from([0xab; 32]);
/// assert_eq!(id.to_string().parse(), Ok(id));
/// assert_eq!(format!("{id:.8}"), "abababab");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId([u8; 32]);

/// The reason why a text is not a node id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NodeIdError {
    /// The text is not 64 characters long.
    #[error("a node id has 64 hex digits, but this text has {0} characters")]
    Length(usize),
    /// The text contains a character that is not a hex digit.
    #[error("a node id contains only hex digits; found {0:?}")]
    Character(char),
}

impl NodeId {
    /// The 32 bytes of the hash.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The id of the key in `spki`, the DER of a `SubjectPublicKeyInfo`.
    pub(crate) fn of_public_key(spki: &[u8]) -> Self {
        let digest = ring::digest::digest(&ring::digest::SHA256, spki);
        let bytes = digest.as_ref().try_into().expect("a SHA-256 digest has 32 bytes");
        Self(bytes)
    }
}

impl From<[u8; 32]> for NodeId {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl From<NodeId> for [u8; 32] {
    fn from(id: NodeId) -> Self {
        id.0
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text: String = self.0.iter().map(|byte| format!("{byte:02x}")).collect();
        f.pad(&text)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeId({self})")
    }
}

impl FromStr for NodeId {
    type Err = NodeIdError;

    fn from_str(text: &str) -> Result<Self, NodeIdError> {
        if let Some(c) = text.chars().find(|c| !c.is_ascii_hexdigit()) {
            return Err(NodeIdError::Character(c));
        }
        if text.len() != 64 {
            return Err(NodeIdError::Length(text.len()));
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let digits = str::from_utf8(pair).expect("hex digits are ASCII");
            *byte = u8::from_str_radix(digits, 16).expect("two hex digits are a byte");
        }
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_id_text_is_refused_by_cause() {
        assert_eq!("ab".parse::<NodeId>(), Err(NodeIdError::Length(2)));
        let text = "g".repeat(64);
        assert_eq!(text.parse::<NodeId>(), Err(NodeIdError::Character('g')));
        let text = "é".repeat(32);
        assert_eq!(text.parse::<NodeId>(), Err(NodeIdError::Character('é')));
    }

    #[test]
    fn both_cases_name_the_same_node() {
        let upper = "AB".repeat(32).parse::<NodeId>();
        assert_eq!(upper, "ab".repeat(32).parse());
        assert_eq!(upper, Ok(NodeId::from([0xab; 32])));
    }
}
