//! The identity of a strategy, which nodes compare in a handshake.

use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::string::String;
use core::fmt;
use core::num::NonZeroU16;
use core::str::FromStr;

/// The name, the version and the parameters of a strategy.
///
/// Two nodes whose strategies have equal ids must show the same value for the same versions, so
/// everything that can change a result belongs in the id. A handshake contains the canonical text,
/// for example `confidence-weighted/1;weight=confidence`. `Display` writes it, and `FromStr`
/// accepts nothing else.
///
/// ```
/// use engram_conflict::StrategyId;
///
/// let id = StrategyId::new("trimmed-mean", 2)?.with("share", "0.25")?;
/// assert_eq!(id.to_string(), "trimmed-mean/2;share=0.25");
/// assert_eq!("trimmed-mean/2;share=0.25".parse::<StrategyId>()?, id);
/// # Ok::<(), engram_conflict::InvalidStrategyId>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StrategyId {
    name: Cow<'static, str>,
    version: NonZeroU16,
    parameters: BTreeMap<Cow<'static, str>, Cow<'static, str>>,
}

/// The error for an invalid identity of a strategy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidStrategyId {
    /// The name of a strategy or parameter is empty, too long or has invalid characters.
    #[error("{0:?} is not a name, which has 1 to {MAX_NAME} characters of a-z, 0-9 and -")]
    Name(String),
    /// A version is not a number from 1 to 65535 without leading zeros.
    #[error("{0:?} is not a version, which is a number from 1 to 65535 without leading zeros")]
    Version(String),
    /// The value of a parameter is empty, too long or has invalid characters.
    #[error(
        "{0:?} is not a value, which has 1 to {MAX_NAME} characters of A-Z, a-z, 0-9, '.', '_', '+' and -"
    )]
    Value(String),
    /// A parameter occurs twice, or out of order.
    #[error("parameter {0:?} occurs twice or out of order; names must ascend")]
    Order(String),
    /// The identity has too many parameters.
    #[error("the identity has more than {MAX_PARAMETERS} parameters")]
    TooMany,
    /// The text does not have the form of an identity.
    #[error("{0:?} is not of the form name/version;parameter=value")]
    Form(String),
}

/// The maximum number of characters in a name or value.
const MAX_NAME: usize = 64;
/// The maximum number of parameters. Together with [`MAX_NAME`], it bounds the length of the text of an identity.
const MAX_PARAMETERS: usize = 16;

impl StrategyId {
    /// Creates an identity without parameters from literals. Use it to implement [`Strategy::id`](crate::Strategy::id),
    /// which cannot return an error.
    ///
    /// ```
    /// # use engram_conflict::StrategyId;
    /// const ID: StrategyId = StrategyId::literal("longest", 1);
    /// assert_eq!(ID.to_string(), "longest/1");
    /// ```
    ///
    /// # Panics
    /// If `name` is not 1 to 64 characters of `a-z 0-9 -`, or `version` is 0. In a `const` this is a compile error.
    /// For names that are not literals use [`new`](Self::new).
    #[must_use]
    pub const fn literal(name: &'static str, version: u16) -> Self {
        assert!(is_name(name), "a name is 1 to 64 characters of a-z, 0-9 and -");
        let version = NonZeroU16::new(version).expect("a version is a number from 1 to 65535");
        Self { name: Cow::Borrowed(name), version, parameters: BTreeMap::new() }
    }

    /// Creates an identity without parameters.
    ///
    /// # Errors
    /// [`InvalidStrategyId`] if `name` is not 1 to 64 characters of `a-z 0-9 -`, or `version` is 0.
    pub fn new(
        name: impl Into<Cow<'static, str>>,
        version: u16,
    ) -> Result<Self, InvalidStrategyId> {
        let version = NonZeroU16::new(version)
            .ok_or_else(|| InvalidStrategyId::Version(String::from("0")))?;
        Ok(Self { name: checked_name(name.into())?, version, parameters: BTreeMap::new() })
    }

    /// Adds a parameter, or replaces the value of an existing one.
    ///
    /// # Errors
    /// [`InvalidStrategyId`] if `name` is not 1 to 64 characters of `a-z 0-9 -`, `value` is not 1
    /// to 64 of `A-Z a-z 0-9 . _ + -`, or there would be more than 16 parameters.
    pub fn with(
        mut self,
        name: impl Into<Cow<'static, str>>,
        value: impl Into<Cow<'static, str>>,
    ) -> Result<Self, InvalidStrategyId> {
        self.parameters.insert(checked_name(name.into())?, checked_value(value.into())?);
        if self.parameters.len() > MAX_PARAMETERS {
            return Err(InvalidStrategyId::TooMany);
        }
        Ok(self)
    }

    /// The name of the strategy.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The version of the rule. Any change in the results requires a new version.
    pub fn version(&self) -> u16 {
        self.version.get()
    }

    /// The parameters in ascending order of their names.
    pub fn parameters(&self) -> impl Iterator<Item = (&str, &str)> {
        self.parameters.iter().map(|(name, value)| (&**name, &**value))
    }
}

const fn is_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    let mut index = 0;
    while index < bytes.len() && matches!(bytes[index], b'a'..=b'z' | b'0'..=b'9' | b'-') {
        index += 1;
    }
    index == bytes.len() && !bytes.is_empty() && bytes.len() <= MAX_NAME
}

fn checked_name(name: Cow<'static, str>) -> Result<Cow<'static, str>, InvalidStrategyId> {
    match is_name(&name) {
        true => Ok(name),
        false => Err(InvalidStrategyId::Name(name.into_owned())),
    }
}

fn checked_value(value: Cow<'static, str>) -> Result<Cow<'static, str>, InvalidStrategyId> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._+-".contains(&b);
    match (1..=MAX_NAME).contains(&value.len()) && value.bytes().all(allowed) {
        true => Ok(value),
        false => Err(InvalidStrategyId::Value(value.into_owned())),
    }
}

impl fmt::Display for StrategyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.name, self.version)?;
        self.parameters.iter().try_for_each(|(name, value)| write!(f, ";{name}={value}"))
    }
}

impl FromStr for StrategyId {
    type Err = InvalidStrategyId;

    /// Parses the canonical text. Every identity has exactly one text; any other spelling is an
    /// error.
    fn from_str(text: &str) -> Result<Self, InvalidStrategyId> {
        let form = || InvalidStrategyId::Form(text.chars().take(MAX_NAME).collect());
        let mut parts = text.split(';');
        let (name, version) = parts.next().and_then(|p| p.split_once('/')).ok_or_else(form)?;
        let mut id = Self::new(String::from(name), parsed_version(version)?)?;
        for part in parts {
            let (name, value) = part.split_once('=').ok_or_else(form)?;
            if id.parameters.last_key_value().is_some_and(|(last, _)| **last >= *name) {
                return Err(InvalidStrategyId::Order(String::from(name)));
            }
            id = id.with(String::from(name), String::from(value))?;
        }
        Ok(id)
    }
}

fn parsed_version(text: &str) -> Result<u16, InvalidStrategyId> {
    let canonical = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
    match text.parse() {
        Ok(version) if canonical => Ok(version),
        _ => Err(InvalidStrategyId::Version(text.chars().take(MAX_NAME).collect())),
    }
}
