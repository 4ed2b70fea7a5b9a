//! Sets up a temporary cluster: certificates, addresses, and one configuration per node.

use std::fmt::Write as _;
use std::fs;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::data::Feed;
use crate::hosts;

/// A temporary cluster: the node binary, the folder with all its files, and its members.
pub(crate) struct Cluster<'a> {
    binary: &'a Path,
    folder: &'a Path,
    /// Whether each member has a separate host, created by [`hosts`]; otherwise all share this one.
    pub(crate) on_hosts: bool,
    pub(crate) members: Vec<Member>,
}

/// A node of the cluster.
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) node_id: String,
    pub(crate) address: String,
    /// The file that it replays; `None` for a node without a file, which starts empty.
    pub(crate) data: Option<PathBuf>,
}

impl<'a> Cluster<'a> {
    /// Issues a cluster CA, and a certificate for each of `count` nodes.
    pub(crate) fn issue(
        binary: &'a Path,
        folder: &'a Path,
        feeds: &[Feed],
        count: usize,
    ) -> Result<Self> {
        let mut cluster = Self { binary, folder, on_hosts: false, members: Vec::new() };
        cluster.certs(&["ca"])?;
        for name in names(feeds, count) {
            let node_id = cluster.certs(&["node", "--name", &name])?;
            let data = feeds.get(cluster.members.len()).map(|feed| feed.file.clone());
            cluster.members.push(Member { name, node_id, address: String::new(), data });
        }
        Ok(cluster)
    }

    fn certs(&self, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new(self.binary);
        command.arg("certs").args(arguments).current_dir(self.folder);
        let output =
            command.output().with_context(|| format!("cannot start {}", self.binary.display()))?;
        if !output.status.success() {
            bail!(
                "certs {}: {}",
                arguments.join(" "),
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Chooses the addresses and writes the configurations. Call it again if another process has taken a port.
    pub(crate) fn configure(&mut self, spaces: &[String], interval: u64) -> Result<()> {
        let addresses = if self.on_hosts {
            (0..self.members.len()).map(hosts::address).collect()
        } else {
            free_addresses(self.members.len())?
        };
        for (member, address) in self.members.iter_mut().zip(addresses) {
            member.address = address;
        }
        for member in &self.members {
            let path = self.config(member);
            let text = configuration(member, &self.members, spaces, interval);
            fs::write(&path, text)
                .with_context(|| format!("{}: cannot be written", path.display()))?;
        }
        Ok(())
    }

    fn config(&self, member: &Member) -> PathBuf {
        self.folder.join(format!("{}.toml", member.name))
    }

    /// Returns the separate host of a member, if any.
    fn host(&self, member: &Member) -> Option<usize> {
        let host = self.members.iter().position(|other| other.name == member.name);
        host.filter(|_| self.on_hosts)
    }

    /// Creates the command that runs a member, with `pause` between its snapshots.
    pub(crate) fn command(&self, member: &Member, pause: Duration) -> Command {
        let mut command = match self.host(member) {
            Some(host) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", &hosts::name(host)]).arg(self.binary);
                command
            }
            None => Command::new(self.binary),
        };
        command.arg("run").arg("--config").arg(self.config(member)).args([
            "--events",
            "--sessions",
            "--control",
        ]);
        if let Some(data) = &member.data {
            command
                .arg("--snapshots")
                .arg(data)
                .arg("--replay-every")
                .arg(pause.as_millis().to_string());
        }
        command
    }
}

/// Finds addresses of this machine that are currently free.
fn free_addresses(count: usize) -> Result<Vec<String>> {
    // All sockets are open at the same time, so no two nodes get the same port.
    let bind = |_| UdpSocket::bind("127.0.0.1:0").context("no free UDP port on 127.0.0.1");
    let sockets = (0..count).map(bind).collect::<Result<Vec<_>>>()?;
    sockets.iter().map(|socket| Ok(socket.local_addr()?.to_string())).collect()
}

/// Chooses the names of the nodes: those from the files, then the first free ones of `node-a` to `node-z`.
fn names(feeds: &[Feed], count: usize) -> Vec<String> {
    let mut names: Vec<String> = feeds.iter().take(count).map(|feed| feed.node.clone()).collect();
    let mut spare = (b'a'..=b'z').map(|letter| format!("node-{}", char::from(letter)));
    while names.len() < count {
        let name = spare.next().expect("there are more letters than nodes");
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn configuration(member: &Member, members: &[Member], spaces: &[String], interval: u64) -> String {
    let Member { name, address, .. } = member;
    let spaces = spaces.iter().map(|space| quoted(space)).collect::<Vec<_>>().join(", ");
    let mut text = format!(
        r#"# A throw-away node of a demo.
[node]
name = {quoted_name}
listen = "{address}"
spaces = [{spaces}]

[tls]
ca = "ca.pem"
certificate = "{name}.pem"
key = "{name}.key"

[gossip]
interval_seconds = {interval}

[http]
listen = "127.0.0.1:0"
"#,
        quoted_name = quoted(name)
    );
    for peer in members.iter().filter(|peer| peer.name != *name) {
        let Member { name, node_id, address, .. } = peer;
        let name = quoted(name);
        write!(
            text,
            "\n[[peers]]\nname = {name}\nnode_id = \"{node_id}\"\naddress = \"{address}\"\n"
        )
        .expect("writing to a string cannot fail");
    }
    text
}

/// Quotes a text as a basic string of TOML, which has the same escapes as JSON.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str) -> Member {
        Member {
            name: name.to_owned(),
            node_id: format!("id-of-{name}"),
            address: "127.0.0.1:1".to_owned(),
            data: None,
        }
    }

    #[test]
    fn node_roster_lists_all_other_nodes() {
        let members = [member("a"), member("b"), member("c")];
        let text = configuration(&members[1], &members, &["one".to_owned(), "t\"wo".to_owned()], 5);
        assert!(text.contains(r#"spaces = ["one", "t\"wo"]"#), "{text}");
        assert_eq!(text.matches("[[peers]]").count(), 2);
        assert!(text.contains("id-of-a") && text.contains("id-of-c") && !text.contains("id-of-b"));
    }

    #[test]
    fn nodes_beyond_the_files_get_free_names() {
        assert_eq!(names(&[], 3), ["node-a", "node-b", "node-c"]);
        assert_eq!(names(&[], 16).len(), 16);
    }
}
