//! Requests to a running node, as single-line JSON objects.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A request to a node. Its JSON has the field `command` and the fields of the variant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Request {
    /// Submit every snapshot in a file.
    Submit { path: PathBuf },
    /// Write the visible patterns to a file.
    Export { path: PathBuf },
    /// Copy the state to a folder.
    Backup { path: PathBuf },
    /// Return unused space of the store's file to the file system.
    Compact,
    /// Delete a pattern on all nodes.
    Forget { space: String, id: String },
    /// Withdraw everything that another node wrote, in one space or in all.
    ForgetNode { node: String, space: Option<String> },
    /// Withdraw this node's own version of a pattern.
    Withdraw { space: String, id: String },
    /// Replace all versions of a pattern with the one whose digest begins with `version`.
    Resolve { space: String, version: String, id: String },
    /// Drop the parts of records with versions too far in the future, on this node only, and
    /// reissue this node's own writes among them.
    DropImplausible,
    /// List the conflicts across ids in each space.
    Groups,
    /// Return the versions of a pattern and the decision of the strategy.
    Explain { space: String, id: String },
    /// Read the configuration again.
    Reload,
    /// Return the state of the node.
    State,
    /// Stop the node.
    Stop,
}

/// The answer to a request, as single-line JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Answer {
    /// Whether the request succeeded.
    pub(crate) done: bool,
    /// The answer as text.
    pub(crate) text: String,
    /// The answer as JSON.
    pub(crate) json: serde_json::Value,
}

/// The maximum length of a request line in bytes: far more than an id of 128 bytes and a path need.
pub(crate) const MAX_REQUEST: usize = 64 << 10;

impl Request {
    /// Parses a line.
    pub(crate) fn parse(line: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(line).map_err(|error| {
            format!(
                "not a request ({error}); write a JSON object such as {{\"command\":\"state\"}}"
            )
        })
    }

    /// The name of the command.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Submit { .. } => "submit",
            Self::Export { .. } => "export",
            Self::Backup { .. } => "backup",
            Self::Compact => "compact",
            Self::Forget { .. } => "forget",
            Self::ForgetNode { .. } => "forget-node",
            Self::Withdraw { .. } => "withdraw",
            Self::Resolve { .. } => "resolve",
            Self::DropImplausible => "drop-implausible",
            Self::Groups => "groups",
            Self::Explain { .. } => "explain",
            Self::Reload => "reload",
            Self::State => "state",
            Self::Stop => "stop",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_survives_its_line() {
        let (space, id) = ("notes".to_owned(), "a \"b\"\n\u{1b}[31m".to_owned());
        let (node, version) = ("ab".to_owned(), "a1".to_owned());
        for request in [
            Request::Submit { path: "a b.jsonl".into() },
            Request::Export { path: "a b".into() },
            Request::Backup { path: "b".into() },
            Request::Compact,
            Request::Forget { space: space.clone(), id: id.clone() },
            Request::ForgetNode { node: node.clone(), space: None },
            Request::ForgetNode { node, space: Some(space.clone()) },
            Request::Withdraw { space: space.clone(), id: id.clone() },
            Request::Resolve { space: space.clone(), version, id: id.clone() },
            Request::DropImplausible,
            Request::Groups,
            Request::Explain { space, id },
            Request::Reload,
            Request::State,
            Request::Stop,
        ] {
            let line = serde_json::to_string(&request).unwrap();
            assert!(!line.contains('\n'), "{line}");
            assert!(line.starts_with(&format!(r#"{{"command":"{}""#, request.name())), "{line}");
            assert_eq!(Request::parse(line.as_bytes()), Ok(request));
        }
    }

    #[test]
    fn malformed_request_is_refused() {
        for line in [
            &b"state"[..],
            b"{}",
            br#"{"command":"stat"}"#,
            br#"{"command":"forget","space":"s"}"#,
            b"\xff",
        ] {
            assert!(Request::parse(line).unwrap_err().contains("not a request"));
        }
    }
}
