//! Health, metrics, state and a status page over HTTP (feature `http`).
//!
//! | path | response |
//! |-|-|
//! | `/health/alive` | 200 as long as the process runs |
//! | `/health/ready` | 200 if the node can store changes and either has no peers, or is connected to one and has been equal to one; else 503; both answers list the warnings |
//! | `/metrics/prometheus` | every metric of [`METRICS`](crate::metrics::METRICS) |
//! | `/cluster/consolidation` | the node, its warnings, spaces, caps, writes and traffic |
//! | `/cluster/consolidation/peers` | every peer: connection, lag, divergence, last session |
//! | `/cluster/consolidation/diff?peer=` | the changes on this node since it was last equal to the peer |
//! | `/cluster/consolidation/plan?peer=` | the changes that a sync with the peer would make on both sides |
//! | `/cluster/consolidation/map` | the fill of each slot of the tree, and for each peer the slots that changed here since the two nodes were last equal |
//! | `/cluster/consolidation/slot?slot=` | the pattern ids in a slot |
//! | `/cluster/consolidation/conflicts` | patterns with several versions, at most `limit=` of them, starting after the id `after=`; and the conflicts across ids |
//! | `/cluster/consolidation/explain?id=` | the versions of a pattern, their writers, and the decision of the strategy |
//! | `/cluster/consolidation/updates` | the latest changes to visible patterns, and their origins |
//! | `/cluster/consolidation/page` | the status page |
//!
//! Paths about one memory space accept `space=`; without it, they use the first space. `peer` is a name in the roster
//! or a node id. Everything is read-only. The metrics are text and the page is HTML; the other routes answer in JSON
//! with stable names. An error is `{"error": ...}` with the cause and, in most cases, the next step. The strings of all
//! JSON answers escape characters that control a terminal or the direction of text.
//!
//! There are two ways to serve the routes: [`Server`] listens by itself, with its own limits;
//! [`axum_0_8`] provides the routes to a host with an existing axum application.

mod answer;
pub mod axum_0_8;
mod json;
pub mod limits;
mod page;
mod peer;
mod server;

pub use server::{Listening, Server, ServerError};

use crate::node::telemetry::Telemetry;
use crate::spaces::space::Space;

/// Returns the JSON answer of `/cluster/consolidation/explain`; `None` if `space` holds no record of
/// the pattern. Before you print the answer, pass it through
/// [`printable_json`](crate::notices::printable_json).
pub fn explanation(node: &Telemetry, space: &Space, id: &str) -> Option<String> {
    let known = space.explain(id)?;
    let explained = answer::Explained::of(node, space, id, &known);
    Some(serde_json::to_string(&explained).expect("an explanation consists of plain values"))
}
