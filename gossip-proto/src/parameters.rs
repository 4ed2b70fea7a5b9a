//! Parameters that both sides must agree on, and parameters that they only compare.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use sha2::{Digest, Sha256};

use crate::limits::{MAX_NAME, MAX_PARAMETERS};
use crate::wire::{Reader, put, put_bytes, put_count};
use crate::{DecodeError, SessionError, SetupError, short};

/// The parameters of a node's state: the hash and the base depth of its tree, and host-defined
/// pairs.
///
/// A session is refused if the hash, the depth or a required pair differs, since the nodes could
/// not compare their trees or store each other's contents. A reported pair may differ: the side
/// that opened the session reports the difference.
///
/// ```
/// use engram_gossip_proto::Parameters;
///
/// let parameters = Parameters::new("sha256", 12)
///     .require("dimension", "768")
///     .report("strategy", "confidence-voting");
/// assert_eq!(parameters.value("dimension"), Some("768"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameters {
    hash: Arc<str>,
    depth: u8,
    pairs: BTreeMap<Arc<str>, Pair>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Pair {
    value: Arc<str>,
    rule: ParameterRule,
}

/// The consequence of a difference in a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum ParameterRule {
    /// The session is refused.
    Required = 0,
    /// The side that opened the session reports the difference.
    Reported = 1,
}

/// A reported pair that differs between the sides.
pub(crate) struct Difference {
    pub(crate) name: String,
    pub(crate) ours: String,
    pub(crate) theirs: String,
}

/// Domain separator of [`Parameters::digest`].
const DIGEST_TAG: &[u8] = b"engram-gossip/parameters/1";
/// Shown as the value of a parameter that a side lacks.
const ABSENT: &str = "(absent)";

impl Parameters {
    /// Creates the parameters of a tree with this hash and base depth in bits, without pairs.
    ///
    /// Sessions only compare the hash and the depth: different values prevent sessions between
    /// nodes whose trees have different digests for the same records. A store with its own kind of
    /// tree passes a versioned name for its hashing, and any depth that is the same on all nodes,
    /// such as 0.
    pub fn new(hash: impl Into<Arc<str>>, depth: u8) -> Self {
        Self { hash: hash.into(), depth, pairs: BTreeMap::new() }
    }

    /// Adds a pair that must be the same on both sides, or replaces the pair with this name.
    ///
    /// The session is also refused if only one side has the pair.
    pub fn require(self, name: impl Into<Arc<str>>, value: impl Into<Arc<str>>) -> Self {
        self.with(name.into(), value.into(), ParameterRule::Required)
    }

    /// Adds a pair that may differ, or replaces the pair with this name. A difference is reported,
    /// unless the peer requires the pair: then the session is refused.
    pub fn report(self, name: impl Into<Arc<str>>, value: impl Into<Arc<str>>) -> Self {
        self.with(name.into(), value.into(), ParameterRule::Reported)
    }

    pub(crate) fn with(mut self, name: Arc<str>, value: Arc<str>, rule: ParameterRule) -> Self {
        self.pairs.insert(name, Pair { value, rule });
        self
    }

    /// The name of the hash, such as `sha256`.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// The base depth of the tree in bits.
    pub fn depth(&self) -> u8 {
        self.depth
    }

    /// The value of the pair `name`.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.pairs.get(name).map(|pair| &*pair.value)
    }

    /// The pairs: name, value and rule, ascending by name.
    pub fn pairs(&self) -> impl ExactSizeIterator<Item = (&str, &str, ParameterRule)> {
        self.pairs.iter().map(|(name, pair)| (&**name, &*pair.value, pair.rule))
    }

    /// The first 8 bytes of a hash over all parameters, rules included. Equal digests mean equal
    /// parameters.
    pub fn digest(&self) -> [u8; 8] {
        let mut bytes = Vec::new();
        self.encode(&mut bytes);
        let hash = Sha256::new_with_prefix(DIGEST_TAG).chain_update(bytes);
        short(&hash.finalize().into())
    }

    /// Returns the reported pairs that differ. Fails if a parameter that must be equal differs.
    pub(crate) fn compare(&self, theirs: &Self) -> Result<Vec<Difference>, SessionError> {
        let refuse = |name: &str, ours: &str, theirs: &str| {
            let [name, ours, theirs] = [name, ours, theirs].map(String::from);
            Err(SessionError::Parameter { name, ours, theirs })
        };
        if self.hash != theirs.hash {
            return refuse("hash", &self.hash, &theirs.hash);
        }
        if self.depth != theirs.depth {
            return refuse("depth", &self.depth.to_string(), &theirs.depth.to_string());
        }
        let mut differences = Vec::new();
        for name in self.pairs.keys().chain(theirs.pairs.keys()).collect::<BTreeSet<_>>() {
            let pairs = [self, theirs].map(|side| side.pairs.get(name));
            let [ours, theirs] = pairs.map(|pair| pair.map_or(ABSENT, |pair| &pair.value));
            if pairs[0].map(|pair| &pair.value) == pairs[1].map(|pair| &pair.value) {
                continue;
            }
            let is_required = |pair: &Pair| pair.rule == ParameterRule::Required;
            if pairs.into_iter().flatten().any(is_required) {
                return refuse(name, ours, theirs);
            }
            let [name, ours, theirs] = [name, ours, theirs].map(String::from);
            differences.push(Difference { name, ours, theirs });
        }
        Ok(differences)
    }

    pub(crate) fn check(&self) -> Result<(), SetupError> {
        if self.pairs.len() > MAX_PARAMETERS {
            return Err(SetupError::TooManyParameters(self.pairs.len()));
        }
        let pairs = self.pairs().map(|(name, value, _)| (name, value));
        for (name, value) in pairs.chain([("hash", self.hash())]) {
            if name.len() > MAX_NAME || value.len() > MAX_NAME {
                return Err(SetupError::LongParameter(name.into()));
            }
        }
        Ok(())
    }
}

impl Parameters {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        put_bytes(out, self.hash().as_bytes());
        put(out, &self.depth());
        put_count(out, self.pairs().len());
        for (name, value, rule) in self.pairs() {
            put_bytes(out, name.as_bytes());
            put_bytes(out, value.as_bytes());
            out.push(rule as u8);
        }
    }

    pub(crate) fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let hash = r.text("the name of the hash", MAX_NAME)?;
        let mut parameters = Self::new(hash, r.take("the depth")?);
        let mut before: Option<&str> = None;
        for _ in 0..r.count("parameters of a hello", MAX_PARAMETERS, 3)? {
            let name = r.text("the name of a parameter", MAX_NAME)?;
            let value = r.text("the value of a parameter", MAX_NAME)?;
            let rule = match r.take::<u8>("the rule of a parameter")? {
                0 => ParameterRule::Required,
                1 => ParameterRule::Reported,
                _ => return Err(DecodeError::Invalid("the rule of a parameter")),
            };
            if before.is_some_and(|before| before >= name) {
                return Err(DecodeError::NotCanonical("the order of parameters"));
            }
            before = Some(name);
            parameters = parameters.with(name.into(), value.into(), rule);
        }
        Ok(parameters)
    }
}
