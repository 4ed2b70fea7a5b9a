//! What running nodes say of themselves over HTTP.

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// A node takes longer than this only if it is in trouble.
const PATIENCE: u64 = 5;

/// The page of a node, as `host:port` or as an address of HTTP.
#[derive(Clone, Debug)]
pub(crate) struct Page(String);

impl Page {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let host = text.strip_prefix("http://").unwrap_or(text).trim_end_matches('/');
        let plain = |c: char| c.is_ascii_alphanumeric() || ".:-[]_".contains(c);
        if host.is_empty() || !host.chars().all(plain) {
            return Err(format!("{text:?} is no page of a node; name it like 127.0.0.1:7801"));
        }
        Ok(Self(format!("http://{host}")))
    }

    /// `/cluster/consolidation`.
    pub(crate) fn node(&self) -> Result<Value> {
        self.get("/cluster/consolidation")
    }

    /// `/cluster/consolidation/peers`.
    pub(crate) fn peers(&self) -> Result<Vec<Value>> {
        let peers = self.get("/cluster/consolidation/peers")?;
        peers.as_array().cloned().with_context(|| format!("{}: not a node of this kind", self.0))
    }

    /// `/cluster/consolidation/diff`.
    pub(crate) fn diff(&self, peer: &str, space: &str) -> Result<Value> {
        self.get(&format!("/cluster/consolidation/diff?peer={peer}&space={space}"))
    }

    fn get(&self, path: &str) -> Result<Value> {
        let address = format!("{}{path}", self.0);
        let answer = minreq::get(&address).with_timeout(PATIENCE).send();
        let answer = answer
            .with_context(|| format!("{address}: no answer; does [http] of that node say so?"))?;
        let text = answer.as_str().with_context(|| address.clone())?;
        if answer.status_code != 200 {
            bail!("{address}: {} {}", answer.status_code, text.trim());
        }
        serde_json::from_str(text).with_context(|| format!("{address}: not a node of this kind"))
    }
}

/// A field as text, whatever it holds.
pub(crate) fn text(value: &Value, field: &str) -> String {
    match &value[field] {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_named_as_one_would() {
        for name in ["127.0.0.1:7801", "http://node-a.example:7801/", "[::1]:80"] {
            assert!(Page::parse(name).is_ok(), "{name}");
        }
        for wrong in ["", "ftp://x", "a b", "x/y"] {
            assert!(Page::parse(wrong).is_err(), "{wrong}");
        }
    }
}
