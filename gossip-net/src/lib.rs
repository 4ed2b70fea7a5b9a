#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod accept;
#[cfg(feature = "ca")]
mod ca;
mod command;
mod config;
mod dial;
mod driver;
mod endpoint;
mod error;
mod event;
mod gossip;
mod handle;
mod handshake;
mod identity;
mod keep;
pub mod limits;
mod link;
mod membership;
#[cfg(feature = "memory-network")]
mod memory_network;
mod node;
mod node_id;
mod peer;
mod refusals;
mod replicas;
mod report;
mod roster;
mod schedule;
mod session;
mod stats;
mod status;
mod stream;
mod task;
mod tls;
mod validity;

#[cfg(feature = "ca")]
pub use ca::{ClusterCa, IssueError, NodeCredentials};
pub use config::NetConfig;
/// The protocol crate, whose types this crate's API uses.
pub use engram_gossip_proto as proto;
pub use engram_gossip_proto::schedule::{
    Agreement, ConfigError, PeerQuota, QuietHours, Rate, RateLimits, ScheduleConfig,
};
pub use error::{AdvertError, BindError, RotateError, SyncError, TimedStep};
pub use event::{Event, Events};
pub use gossip::Gossip;
pub use handshake::HandshakeError;
pub use identity::{Identity, IdentityChange, IdentityError};
pub use membership::{
    ADVERT_ROOM, CONSOLIDATION_ROOT, HostSwim, Liveness, Membership, MembershipInput, StaticSeeds,
};
#[cfg(feature = "swim")]
pub use membership::{Swim, SwimConfig};
#[cfg(feature = "memory-network")]
pub use memory_network::{Conditions, MemoryNetwork, Sent};
pub use node_id::{NodeId, NodeIdError};
pub use replicas::Replicas;
pub use report::{Opener, RoundReport, SessionReport};
pub use roster::{Member, Roster, RosterError};
pub use stats::Stats;
pub use status::{ConnectionState, PeerStatus, Traffic};
pub use validity::Validity;
