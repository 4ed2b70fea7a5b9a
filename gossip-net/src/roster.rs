//! The allow list of node ids.

use std::collections::{BTreeMap, BTreeSet};

use crate::NodeId;
use crate::limits::MAX_MEMBERS;

/// A node that may connect to the other members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The id of the member's key.
    pub id: NodeId,
    /// The member's name, which is unique within the roster. It is used in messages and reports,
    /// and by [`Gossip::handle_named`](crate::Gossip::handle_named).
    pub name: String,
    /// The member's listen address as `host:port`, resolved again before each dial. `None` if this
    /// node cannot dial the member (for example, because the member is behind NAT); the member must
    /// then dial this node.
    pub address: Option<String>,
}

/// The allow list: the nodes that may connect, and their addresses.
///
/// A certificate from the cluster's authority is not sufficient: a node can join only if it is in
/// the roster. A roster may contain the local node, whose entry is ignored, so all nodes of the
/// cluster can use the same file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roster {
    members: BTreeMap<NodeId, Member>,
}

/// The reason why a list of members is not a valid roster.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RosterError {
    /// Two members have the same id: they share a key, or an entry was copied.
    #[error("{first:?} and {second:?} have the same node id {id}; give each node its own key")]
    DuplicateId {
        /// The id.
        id: NodeId,
        /// The first member.
        first: String,
        /// The second member.
        second: String,
    },
    /// Two members have the same name.
    #[error("two members are called {0:?}; rename one")]
    DuplicateName(String),
    /// An address does not have the form that [`Roster::is_address`] checks.
    #[error("the address {address:?} of {name:?} is not of the form host:port")]
    Address {
        /// The member.
        name: String,
        /// The given address.
        address: String,
    },
    /// The list has more than [`MAX_MEMBERS`] members.
    #[error("{0} members exceed the maximum of {MAX_MEMBERS}")]
    TooLong(usize),
}

impl Roster {
    /// Creates a roster of at most [`MAX_MEMBERS`] members if ids and names are unique and
    /// addresses have the form `host:port`.
    ///
    /// # Errors
    /// [`RosterError`] names the first violated rule and, unless the list is too long, the members
    /// that violate it.
    pub fn new(members: impl IntoIterator<Item = Member>) -> Result<Self, RosterError> {
        let mut roster = Self::default();
        let mut names = BTreeSet::new();
        for member in members {
            if !names.insert(member.name.clone()) {
                return Err(RosterError::DuplicateName(member.name));
            }
            if let Some(address) =
                member.address.as_deref().filter(|address| !Self::is_address(address))
            {
                return Err(RosterError::Address { address: address.into(), name: member.name });
            }
            if let Some(first) = roster.members.get(&member.id) {
                return Err(RosterError::DuplicateId {
                    id: member.id,
                    first: first.name.clone(),
                    second: member.name,
                });
            }
            roster.members.insert(member.id, member);
        }
        match roster.len() {
            len if len > MAX_MEMBERS => Err(RosterError::TooLong(len)),
            _ => Ok(roster),
        }
    }

    /// The member with this id.
    pub fn member(&self, id: &NodeId) -> Option<&Member> {
        self.members.get(id)
    }

    /// The member called `name`. The search takes linear time.
    pub fn named(&self, name: &str) -> Option<&Member> {
        self.iter().find(|member| member.name == name)
    }

    /// Whether `text` has the form `host:port`, where the port is not 0 and an IPv6 address is in
    /// brackets. The host must not contain white space, control characters, quotes, slashes or
    /// other brackets; whether it exists is not checked.
    pub fn is_address(text: &str) -> bool {
        let is_odd = |c: char| c.is_whitespace() || c.is_control() || "[]/\"'\\".contains(c);
        text.rsplit_once(':').is_some_and(|(host, port)| {
            let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
            let host_is_plain = bare.is_some() || !host.contains(':');
            let host = bare.unwrap_or(host);
            let port_is_valid = port.parse::<u16>().is_ok_and(|port| port != 0);
            host_is_plain && !host.is_empty() && !host.contains(is_odd) && port_is_valid
        })
    }

    /// Whether `id` is a member.
    pub fn contains(&self, id: &NodeId) -> bool {
        self.members.contains_key(id)
    }

    /// All members, ascending by id.
    pub fn iter(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    /// Number of members.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether the roster has no members.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(id: u8, name: &str, address: Option<&str>) -> Member {
        Member { id: NodeId::from([id; 32]), name: name.into(), address: address.map(Into::into) }
    }

    #[test]
    fn ids_names_and_addresses_are_checked() {
        let twice = Roster::new([member(1, "a", None), member(1, "b", None)]);
        assert!(matches!(twice, Err(RosterError::DuplicateId { .. })));
        let twice = Roster::new([member(1, "a", None), member(2, "a", None)]);
        assert_eq!(twice, Err(RosterError::DuplicateName("a".into())));
        for address in [
            "",
            "host",
            "host:",
            ":1",
            "host:0",
            "host:66000",
            "::1:7",
            "a b:1",
            "[]:1",
            "[::1:7",
            "a:b:1",
            "q\"x:77",
            "[a\n]:1",
        ] {
            let bad = Roster::new([member(1, "a", Some(address))]);
            assert!(matches!(bad, Err(RosterError::Address { .. })), "{address}");
        }
        for address in ["127.0.0.1:1", "[::1]:7701", "node-a.example:65535"] {
            assert!(Roster::new([member(1, "a", Some(address))]).is_ok(), "{address}");
        }
    }

    #[test]
    fn roster_holds_at_most_max_members() {
        let many = |n: usize| {
            Roster::new((0..n).map(|n| {
                let mut id = [0; 32];
                id[..8].copy_from_slice(&n.to_be_bytes());
                Member { id: NodeId::from(id), name: n.to_string(), address: None }
            }))
        };
        assert_eq!(many(MAX_MEMBERS).map(|roster| roster.len()), Ok(MAX_MEMBERS));
        assert_eq!(many(MAX_MEMBERS + 1), Err(RosterError::TooLong(MAX_MEMBERS + 1)));
    }
}
