//! The beginning of a session: parameters, spaces and roots.

use alloc::vec::Vec;

use crate::limits::{MAX_SPACE_NAME, MAX_SPACES};
use crate::wire::{Reader, put, put_bytes, put_count};
use crate::{DecodeError, KeyHalf, Parameters, SpaceId, Summary, Tag};

/// The first message of each side: its capabilities, parameters and spaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// Capabilities of the sender beyond the base protocol; receivers ignore unknown bits.
    pub capabilities: u32,
    /// The sender's half of the session key, with which both sides abbreviate digests.
    pub key: KeyHalf,
    /// Maximum number of bytes that the sender accepts in this session.
    pub receive_budget: u64,
    /// The greatest version of the receiver's node that the sender knows, and the sender's clock.
    pub greeting: Greeting,
    /// The parameters.
    pub parameters: HelloParameters,
    /// The sender's spaces.
    pub spaces: Spaces,
}

/// The sender's parameters, as a hello carries them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HelloParameters {
    /// In an answer: the parameters equal the opener's.
    Same,
    /// In the opening hello: the [digest](Parameters::digest) of the parameters.
    Digest([u8; 8]),
    /// In an answer: all parameters, because they differ from the opener's.
    Full(Parameters),
}

impl Hello {
    /// Capability bit: the sender accepts compressed records.
    pub const LZ4: u32 = 1;
    /// Capability bit: the sender asks for the names of spaces that it does not host.
    pub const LEARNS_SPACES: u32 = 2;
    /// Capability bit: the sender sends records but accepts none in this session.
    pub const SENDS_ONLY: u32 = 4;
    /// Capability bit: the sender asks for an offer of ranges before any records by clocks.
    pub const ASKS_FOR_OFFERS: u32 = 8;
    /// Capability bit: the sender asks for a listing before any records that the comparison of
    /// trees finds.
    pub const ASKS_FOR_LISTINGS: u32 = 16;
}

/// The version and the time that a node tells its peer in the hello.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Greeting {
    /// The greatest version of the receiver's own node that the sender knows; 0 if it knows none.
    pub known: u64,
    /// The sender's clock in nanoseconds since the Unix epoch; 0 if it has none.
    pub clock: u64,
}

/// The root of one space, as its node announces it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpaceRoot {
    /// The space.
    pub space: SpaceId,
    /// The root of the space's tree.
    pub root: [u8; 32],
    /// Number of records in the space.
    pub count: u64,
    /// Number of changes to the space since its node started; for display only.
    pub generation: u64,
}

/// A description of a side's spaces. New variants are only appended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Spaces {
    /// One digest over all names and roots: equal digests mean that everything is equal.
    Digest {
        /// Number of spaces.
        count: u32,
        /// SHA-256 over the names and roots, in order of the names.
        digest: [u8; 32],
    },
    /// For each of sixteen buckets, the tag of the digest of its spaces, which is computed as
    /// for `Digest`. The first nibble of the SHA-256 of a space's name selects its bucket. Answered
    /// by a table of the spaces whose bucket differs.
    Buckets([Option<Tag>; 16]),
    /// The session's only table. Answered by `Hosts` or `HostsAndOthers`; a table in the opening
    /// hello is answered by `Digest` if all parameters and spaces are equal.
    Table {
        /// The buckets that the table covers, one bit each; the sides treat all others as equal.
        buckets: u16,
        /// The sender's spaces in these buckets, ascending by name. Later messages refer to a space
        /// by its index in this list.
        spaces: Vec<SpaceRoot>,
    },
    /// The spaces of the peer's table that the sender also hosts: one bit each, least significant
    /// first.
    Hosts(Vec<u8>),
    /// Like `Hosts`, for a peer that [asks for other spaces](Hello::LEARNS_SPACES).
    HostsAndOthers {
        /// As in `Hosts`.
        hosts: Vec<u8>,
        /// Spaces of the sender that are in the table's buckets but not in the table, ascending.
        others: Vec<SpaceId>,
    },
}

impl Hello {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put(out, &self.capabilities);
        out.extend_from_slice(&self.key);
        put(out, &self.receive_budget);
        out.extend_from_slice(&self.greeting.known.to_le_bytes());
        out.extend_from_slice(&self.greeting.clock.to_le_bytes());
        self.parameters.encode(out);
        self.spaces.encode(out);
    }

    pub(super) fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let capabilities = r.take("the mask of capabilities")?;
        let key = r.array("half of the session key")?;
        let receive_budget = r.take("the receive budget")?;
        let known = u64::from_le_bytes(r.array("the known version")?);
        let clock = u64::from_le_bytes(r.array("the clock")?);
        let greeting = Greeting { known, clock };
        let parameters = HelloParameters::decode(r)?;
        let spaces = Spaces::decode(r)?;
        Ok(Self { capabilities, key, receive_budget, greeting, parameters, spaces })
    }
}

impl HelloParameters {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Same => out.push(0),
            Self::Digest(digest) => {
                out.push(1);
                out.extend_from_slice(digest);
            }
            Self::Full(parameters) => {
                out.push(2);
                parameters.encode(out);
            }
        }
    }

    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match r.take::<u8>("the form of the parameters")? {
            0 => Self::Same,
            1 => Self::Digest(r.array("the digest of the parameters")?),
            2 => Self::Full(Parameters::decode(r)?),
            _ => return Err(DecodeError::Invalid("the form of the parameters")),
        })
    }
}

impl SpaceRoot {
    pub(crate) fn new(space: &SpaceId, summary: &Summary) -> Self {
        let Summary { root, count, generation } = *summary;
        Self { space: space.clone(), root, count, generation }
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        put_bytes(out, self.space.as_str().as_bytes());
        put(out, &(self.root, self.count, self.generation));
    }

    pub(crate) fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let space = take_name(r)?;
        let (root, count, generation) = r.take("the root of a space")?;
        Ok(Self { space, root, count, generation })
    }
}

impl Spaces {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Digest { count, digest } => put(out, &(0u8, count, digest)),
            Self::Buckets(buckets) => {
                out.push(1);
                put_children(out, buckets);
            }
            Self::Table { buckets, spaces } => {
                out.push(2);
                out.extend_from_slice(&buckets.to_le_bytes());
                put_count(out, spaces.len());
                spaces.iter().for_each(|space| space.encode(out));
            }
            Self::Hosts(bits) => {
                out.push(3);
                put_bytes(out, bits);
            }
            Self::HostsAndOthers { hosts, others } => {
                out.push(4);
                put_bytes(out, hosts);
                put_count(out, others.len());
                others.iter().for_each(|space| put_bytes(out, space.as_str().as_bytes()));
            }
        }
    }

    pub(super) fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match r.take::<u8>("the form of the spaces")? {
            0 => {
                let (count, digest) = r.take("the digest of the spaces")?;
                Self::Digest { count, digest }
            }
            1 => Self::Buckets(take_children(r)?),
            2 => Self::Table {
                buckets: u16::from_le_bytes(r.array("the buckets of a table")?),
                spaces: take_table(r)?,
            },
            3 => Self::Hosts(take_hosts(r)?),
            4 => Self::HostsAndOthers { hosts: take_hosts(r)?, others: take_others(r)? },
            _ => return Err(DecodeError::Invalid("the form of the spaces")),
        })
    }
}

fn take_hosts(r: &mut Reader<'_>) -> Result<Vec<u8>, DecodeError> {
    Ok(r.bytes("the hosted spaces", MAX_SPACES / 8)?.into())
}

fn take_others(r: &mut Reader<'_>) -> Result<Vec<SpaceId>, DecodeError> {
    let others = r.list("other spaces", MAX_SPACES, MIN_SPACE_NAME, take_name)?;
    match others.is_sorted_by(|a, b| a < b) {
        true => Ok(others),
        false => Err(DecodeError::NotCanonical("the order of other spaces")),
    }
}

fn take_name(r: &mut Reader<'_>) -> Result<SpaceId, DecodeError> {
    let name = r.text("the name of a space", MAX_SPACE_NAME)?;
    SpaceId::new(name).map_err(|_| DecodeError::Invalid("the name of a space"))
}

/// Size in bytes of the shortest space name, including its length prefix.
const MIN_SPACE_NAME: usize = 4;

fn take_table(r: &mut Reader<'_>) -> Result<Vec<SpaceRoot>, DecodeError> {
    let table = r.list("spaces in a table", MAX_SPACES, 38, SpaceRoot::decode)?;
    if table.is_sorted_by(|a, b| a.space < b.space) {
        Ok(table)
    } else {
        Err(DecodeError::NotCanonical("the order of a table of spaces"))
    }
}

/// Appends sixteen optional tags: a mask of the present ones, then the tags.
pub(super) fn put_children<const N: usize>(out: &mut Vec<u8>, children: &[Option<[u8; N]>; 16]) {
    let mask = children.iter().enumerate().fold(0u16, |m, (i, c)| m | u16::from(c.is_some()) << i);
    out.extend_from_slice(&mask.to_le_bytes());
    for digest in children.iter().flatten() {
        out.extend_from_slice(digest);
    }
}

pub(super) fn take_children<const N: usize>(
    r: &mut Reader<'_>,
) -> Result<[Option<[u8; N]>; 16], DecodeError> {
    let mask = u16::from_le_bytes(r.array("a mask of children")?);
    let mut children = [None; 16];
    for (nibble, child) in children.iter_mut().enumerate() {
        if mask & 1 << nibble != 0 {
            *child = Some(r.array("the digest of a child")?);
        }
    }
    Ok(children)
}
