#![doc = include_str!("../README.md")]
#![cfg_attr(not(feature = "std"), no_std)]
#![cfg_attr(docsrs, feature(doc_cfg))]

extern crate alloc;

mod advert;
mod check;
mod clocks;
mod codec;
mod config;
mod error;
mod frame;
mod id;
pub mod limits;
mod message;
mod parameters;
mod payload;
mod prefix;
#[cfg(doc)]
#[doc = include_str!("../PROTOCOL.md")]
pub mod protocol {}
mod record;
pub mod schedule;
mod session;
#[cfg(feature = "sim")]
#[cfg_attr(docsrs, doc(cfg(feature = "sim")))]
pub mod sim;
mod tag;
#[cfg(feature = "testing")]
#[cfg_attr(docsrs, doc(cfg(feature = "testing")))]
pub mod testing;
mod view;
mod violation;
mod wire;

pub use advert::{ADVERT_VERSION, AdvertisedRoot, RootAdvert};
pub use check::{IdError, TooLarge, check_content, check_id};
pub use clocks::{BaseId, ClockIndex, Clocks, ShortNode, Unoffered, VersionRange, VersionSummary};
pub use config::{Compression, Intake, SessionConfig};
pub use error::{DecodeError, SessionError, SetupError};
pub use frame::{FrameHeader, HEADER_LEN, Kind, WIRE_VERSION};
pub use id::{SpaceId, SpaceIdError};
pub use message::{
    ContentPart, Done, FinalRoots, Greeting, Hello, HelloParameters, Line, Listing, Message, Node,
    PatternRequest, PatternSync, RangeAnswer, RangeOffer, Refusal, SpaceRoot, Spaces,
    SubtreeRequest, SubtreeResponse, UnsendableRecord, VersionBase, Versions, WalkedRoot, Want,
};
pub use parameters::{ParameterRule, Parameters};
pub use payload::{ContentSize, OpaqueContent, PatternContent, Wire};
pub use prefix::Prefix;
use record::NodeId;
pub use record::{Part, Record, ShortRecord};
pub use session::{Ending, Event, Holder, Outcome, Session, SpaceOutcome, Stats, Unsendable};
pub use tag::{KEY_LEN, KeyHalf, SHORT_TAG_LEN, ShortTag, TAG_LEN, Tag};
pub use view::{Delivery, Entry, Receipt, Rejection, Summary, View};
pub use violation::ProtocolViolation;

/// The first 8 bytes of a hash.
fn short(hash: &[u8; 32]) -> [u8; 8] {
    *hash.first_chunk().expect("a hash has 32 bytes")
}
