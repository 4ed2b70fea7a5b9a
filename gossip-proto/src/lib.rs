#![doc = include_str!("../README.md")]
#![cfg_attr(not(feature = "std"), no_std)]
#![cfg_attr(docsrs, feature(doc_cfg))]

extern crate alloc;

mod id;
mod prefix;
mod record;
mod view;

pub use id::{SpaceId, SpaceIdError};
pub use prefix::Prefix;
pub use record::{Actor, Body, Content, Dot, Record};
pub use view::{Delivery, Entry, Receipt, Rejection, Summary, View};
