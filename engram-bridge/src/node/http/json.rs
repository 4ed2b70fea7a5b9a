//! Answers in JSON.

use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json;

use crate::node::notices::printable_json;

/// A JSON answer whose strings escape the characters that control a terminal or the direction of text.
pub(super) struct Json<T>(pub(super) T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        let json = serde_json::to_string(&self.0).expect("an answer consists of plain values");
        ([(CONTENT_TYPE, "application/json")], printable_json(&json)).into_response()
    }
}

/// The answer to a request that failed: the status, and the cause, in most cases with the next step.
pub(super) struct Wrong(pub(super) StatusCode, pub(super) String);

impl IntoResponse for Wrong {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "error": self.1 }))).into_response()
    }
}
