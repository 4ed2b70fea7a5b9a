//! The routes, for a host with its own axum 0.8 application.
//!
//! Except for this module, the crate exposes no types of third-party 0.x crates: a router can be
//! merged only with one of the same axum version. The module's name therefore contains the version.
//! A later version of axum will have its own module, so that users of the earlier version need not
//! change their code.
//!
//! ```no_run
//! # use engram_bridge::http::axum_0_8;
//! # use engram_bridge::telemetry::Telemetry;
//! # fn host(application: axum::Router, telemetry: &Telemetry) -> axum::Router {
//! application.merge(axum_0_8::cluster(telemetry))
//! # }
//! ```
//!
//! Engram has its own `/health/*` and `/metrics/prometheus`, and axum panics if two routers have
//! the same path: in Engram, merge only [`cluster`], or nest [`router`] under a path. The routes
//! have neither limits on connections and requests nor a log-in; the host adds these.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY};
use axum::http::header::{HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use axum::http::{StatusCode, Uri};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use engram_gossip_net::{PeerStatus, SyncError};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::json::{Json, Wrong};
use super::limits::MAX_IDS;
use super::{answer, page, peer};
use crate::node::metrics::METRICS_CONTENT_TYPE;
use crate::node::telemetry::Telemetry;
use crate::spaces::space::Space;
use crate::sync::preview::SyncPreview;

/// Returns all routes: those of [`probes`] and [`cluster`].
pub fn router<S: Clone + Send + Sync + 'static>(telemetry: &Telemetry) -> Router<S> {
    probes(telemetry).merge(cluster(telemetry))
}

/// Returns the routes `/health/*` and `/metrics/prometheus`.
pub fn probes<S: Clone + Send + Sync + 'static>(telemetry: &Telemetry) -> Router<S> {
    let routes = Router::new()
        .route("/health/alive", get(async || Json(json!({ "alive": true }))))
        .route("/health/ready", get(ready))
        .route("/metrics/prometheus", get(prometheus));
    routes.layer(map_response(harden)).with_state(telemetry.clone())
}

/// Returns `/cluster/consolidation` and all routes below it, including the status page.
pub fn cluster<S: Clone + Send + Sync + 'static>(telemetry: &Telemetry) -> Router<S> {
    let at = |path: &str| format!("/cluster/consolidation{path}");
    let routes = Router::new()
        .route(&at(""), get(async |State(node)| Json(answer::Node::of(&node))))
        .route(&at("/peers"), get(async |State(node)| Json(peer::all(&node))))
        .route(&at("/diff"), get(diff))
        .route(&at("/plan"), get(plan))
        .route(&at("/map"), get(map))
        .route(&at("/slot"), get(slot))
        .route(&at("/conflicts"), get(conflicts))
        .route(&at("/explain"), get(explain))
        .route(&at("/updates"), get(updates))
        .route(&at("/page"), get(status_page));
    routes.layer(map_response(harden)).with_state(telemetry.clone())
}

/// Adds headers to an answer, so that a browser does not store it, does not guess its type, and
/// sends no referrer.
async fn harden(mut response: Response) -> Response {
    const HARDENED: [(HeaderName, &str); 3] = [
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
    ];
    for (name, value) in HARDENED {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// The parameters of a request. Each route reads the parameters that it needs.
#[derive(Deserialize)]
struct Asked {
    space: Option<String>,
    peer: Option<String>,
    id: Option<String>,
    slot: Option<u32>,
    after: Option<String>,
    limit: Option<usize>,
}

type Answer<T> = Result<Json<T>, Wrong>;

impl Asked {
    fn read(uri: &Uri) -> Result<Self, Wrong> {
        let read = Query::try_from_uri(uri);
        read.map(|Query(asked)| asked)
            .map_err(|error| Wrong(StatusCode::BAD_REQUEST, error.body_text()))
    }

    /// Returns the named space, or the first space if none is named.
    fn space(&self, node: &Telemetry) -> Result<Arc<Space>, Wrong> {
        let mut spaces = node.store().iter();
        let Some(name) = &self.space else {
            return spaces.next().ok_or_else(|| missing("this node hosts no space"));
        };
        let named = spaces.find(|space| space.id().as_str() == name);
        named.ok_or_else(|| {
            missing("this node does not host that space; see /cluster/consolidation")
        })
    }

    fn peer(&self, node: &Telemetry) -> Result<PeerStatus, Wrong> {
        let name = self.peer.as_ref().ok_or_else(|| needed("peer", "a peer's name or node id"))?;
        let is_meant =
            |peer: &PeerStatus| peer.member.name == *name || peer.member.id.to_string() == *name;
        let peer = node.gossip().peers().into_iter().find(is_meant);
        peer.ok_or_else(|| missing("no such peer; see /cluster/consolidation/peers"))
    }
}

fn missing(what: &str) -> Wrong {
    Wrong(StatusCode::NOT_FOUND, what.to_owned())
}

fn needed(key: &str, what: &str) -> Wrong {
    Wrong(StatusCode::BAD_REQUEST, format!("{key} is missing: add ?{key}= and {what}"))
}

async fn ready(State(node): State<Telemetry>) -> impl IntoResponse {
    let reason = node.unready();
    let status = match reason {
        None => StatusCode::OK,
        Some(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    let reason = reason.map(|reason| reason.to_string());
    let warnings = answer::warnings(&node);
    (status, Json(json!({ "ready": reason.is_none(), "reason": reason, "warnings": warnings })))
}

async fn prometheus(State(node): State<Telemetry>) -> impl IntoResponse {
    ([(CONTENT_TYPE, METRICS_CONTENT_TYPE)], node.prometheus())
}

/// Answers with the changes that a sync with the peer would make. Runs a session with the peer, but
/// changes nothing.
async fn plan(State(node): State<Telemetry>, uri: Uri) -> Answer<impl Serialize> {
    let peer = Asked::read(&uri)?.peer(&node)?;
    match SyncPreview::compute(node.store(), node.gossip(), peer.member.id).await {
        Ok(preview) => Ok(Json(answer::Planned::of(&peer, &preview))),
        Err(error) => {
            let status = match error {
                SyncError::TooManyPreviews { .. } => StatusCode::SERVICE_UNAVAILABLE,
                _ => StatusCode::BAD_GATEWAY,
            };
            Err(Wrong(status, error.to_string()))
        }
    }
}

async fn diff(State(node): State<Telemetry>, uri: Uri) -> Answer<impl Serialize> {
    let asked = Asked::read(&uri)?;
    let (space, peer) = (asked.space(&node)?, asked.peer(&node)?);
    Ok(Json(answer::Diff::of(&node, &space, &peer)))
}

async fn map(State(node): State<Telemetry>, uri: Uri) -> Answer<impl Serialize> {
    let asked = Asked::read(&uri)?;
    let space = asked.space(&node)?;
    Ok(Json(answer::Map::of(&node, &space)))
}

async fn slot(State(node): State<Telemetry>, uri: Uri) -> Answer<impl Serialize> {
    let asked = Asked::read(&uri)?;
    let space = asked.space(&node)?;
    let slot = asked.slot.ok_or_else(|| needed("slot", "its number, from 0"))?;
    let ids = answer::Slot::of(&space, slot);
    ids.map(Json).ok_or_else(|| missing("the map has no such slot; the first one is 0"))
}

async fn conflicts(State(node): State<Telemetry>, uri: Uri) -> Answer<impl Serialize> {
    let asked = Asked::read(&uri)?;
    let space = asked.space(&node)?;
    let limit = asked.limit.unwrap_or(MAX_IDS).min(MAX_IDS);
    Ok(Json(answer::Conflicts::of(&node, &space, asked.after.as_deref(), limit)))
}

async fn explain(State(node): State<Telemetry>, uri: Uri) -> Answer<impl Serialize> {
    let asked = Asked::read(&uri)?;
    let space = asked.space(&node)?;
    let id = asked.id.as_ref().ok_or_else(|| needed("id", "a pattern id"))?;
    let known = space.explain(id).ok_or_else(|| {
        missing(&format!(
            "the space {} has no such pattern; \"&space=\" selects another space",
            space.id()
        ))
    })?;
    Ok(Json(answer::Explained::of(&node, &space, id, &known)))
}

async fn updates(State(node): State<Telemetry>, uri: Uri) -> Answer<impl Serialize> {
    let asked = Asked::read(&uri)?;
    let space = asked.space(&node)?;
    Ok(Json(answer::updates(&node, &space)))
}

async fn status_page() -> impl IntoResponse {
    let page = page::page();
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_SECURITY_POLICY, page.policy.as_str()),
    ];
    (headers, page.html.as_str()).into_response()
}
