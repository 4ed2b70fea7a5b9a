//! Health, metrics, state and a status page over HTTP (feature `http`).
//!
//! | path | answers |
//! |-|-|
//! | `/health/alive` | 200 as long as the process runs |
//! | `/health/ready` | 200 if the node can store changes, and is connected with a peer and was equal with one, or has none, else 503; warnings |
//! | `/metrics/prometheus` | every metric of [`METRICS`](crate::metrics::METRICS) |
//! | `/cluster/consolidation` | the node, its spaces, its traffic |
//! | `/cluster/consolidation/peers` | every peer: connection, lag, divergence, last session |
//! | `/cluster/consolidation/diff?peer=` | changes here since the peer was last equal |
//! | `/cluster/consolidation/map` | how full each slot of the tree is, and where peers differ |
//! | `/cluster/consolidation/slot?slot=` | the pattern ids in a slot |
//! | `/cluster/consolidation/conflicts` | patterns with several versions, at most `limit=`; `after=` goes on |
//! | `/cluster/consolidation/explain?id=` | the versions of a pattern, their writers, and the decision of the strategy |
//! | `/cluster/consolidation/updates` | the latest changes of visible patterns, and their origins |
//! | `/cluster/consolidation/page` | the status page |
//!
//! Those that are about one memory space take `space=`; without it they mean the only or the first.
//! `peer` is a name of the roster or a node id. Everything is read-only; answers are JSON with
//! stable names, errors are `{"error": "cause; next step"}`.
//!
//! There are two ways to use it: [`Server`] listens by itself, with limits of its own; and
//! [`axum_0_8`] gives the routes to a host that has an axum application already.

mod answer;
pub mod axum_0_8;
pub mod limits;
mod page;
mod peer;
mod server;

pub use server::{Server, ServerError};

use crate::node::telemetry::Telemetry;
use crate::spaces::space::Space;

/// The JSON that `/cluster/consolidation/explain` answers; `None` if `space` never held the pattern.
pub fn explanation(node: &Telemetry, space: &Space, id: &str) -> Option<String> {
    let known = space.explain(id)?;
    let explained = answer::Explained::of(node, space, id, &known);
    Some(serde_json::to_string(&explained).expect("an explanation is made of plain values"))
}
