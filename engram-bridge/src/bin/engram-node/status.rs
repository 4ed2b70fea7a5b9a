//! Reads the state of running nodes over HTTP.

use serde_json::Value;

use crate::Failure;

/// The timeout of a request in seconds; a healthy node answers sooner.
const TIME_LIMIT: u64 = 5;

/// The HTTP address of a node, given as `host:port` or as a URL.
#[derive(Clone, Debug)]
pub(crate) struct Page(String);

impl Page {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let host = text.strip_prefix("http://").unwrap_or(text).trim_end_matches('/');
        let plain = |c: char| c.is_ascii_alphanumeric() || ".:-[]_".contains(c);
        if host.is_empty() || !host.chars().all(plain) {
            return Err(format!(
                "{text:?} is not the address of a node's page, such as 127.0.0.1:7801"
            ));
        }
        Ok(Self(format!("http://{host}")))
    }

    /// Requests `/cluster/consolidation`.
    pub(crate) fn node(&self) -> Result<Value, Failure> {
        self.get("/cluster/consolidation")
    }

    /// Requests `/cluster/consolidation/peers`.
    pub(crate) fn peers(&self) -> Result<Vec<Value>, Failure> {
        let peers = self.get("/cluster/consolidation/peers")?;
        let listed = peers.as_array().cloned();
        listed.ok_or_else(|| format!("{}: not an engram-node page", self.0).into())
    }

    /// Requests `/cluster/consolidation/diff`.
    pub(crate) fn diff(&self, peer: &str, space: &str) -> Result<Value, Failure> {
        let (peer, space) = (encoded(peer), encoded(space));
        self.get(&format!("/cluster/consolidation/diff?peer={peer}&space={space}"))
    }

    fn get(&self, path: &str) -> Result<Value, Failure> {
        let address = format!("{}{path}", self.0);
        let answer = minreq::get(&address).with_timeout(TIME_LIMIT).send().map_err(|error| {
            format!("{address}: no answer ({error}); does that node's [http] listen there?")
        })?;
        let text = answer.as_str().map_err(|error| format!("{address}: {error}"))?;
        if answer.status_code != 200 {
            return Err(format!("{address}: {} {}", answer.status_code, text.trim()).into());
        }
        let read = serde_json::from_str(text);
        read.map_err(|_| format!("{address}: not an engram-node page").into())
    }
}

/// Percent-encodes a value of a query.
fn encoded(value: &str) -> String {
    let mut text = String::new();
    for byte in value.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                text.push(char::from(byte));
            }
            _ => text += &format!("%{byte:02X}"),
        }
    }
    text
}

/// A field as text, whatever its type.
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
    fn a_name_with_blanks_fits_into_a_query() {
        assert_eq!(encoded("node a&b=1/é"), "node%20a%26b%3D1%2F%C3%A9");
    }

    #[test]
    fn page_addresses_are_parsed() {
        for name in ["127.0.0.1:7801", "http://node-a.example:7801/", "[::1]:80"] {
            assert!(Page::parse(name).is_ok(), "{name}");
        }
        for wrong in ["", "ftp://x", "a b", "x/y"] {
            assert!(Page::parse(wrong).is_err(), "{wrong}");
        }
    }
}
