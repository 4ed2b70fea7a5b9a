//! The files of a new cluster.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::SystemTime;

use clap::Args;
use engram_gossip_net::{ClusterCa, NodeCredentials, Roster, Validity};

use crate::files::{New, create};
use crate::words::counted;
use crate::{Failure, days};

/// Creates a cluster: an authority, and for each node a folder with configuration, certificate and key.
///
/// Each node's configuration lists the others. Without --address, they all run on this machine. Copy
/// each folder to its machine, and keep ca.key away from the nodes. Nothing is overwritten.
#[derive(Args)]
pub(crate) struct Init {
    /// The number of nodes; their names are node-a, node-b and so on.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=26))]
    nodes: u16,
    /// The folder to create the files in.
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
    /// The address at which peers reach a node, HOST:PORT; given once for each node, in order. The
    /// node listens on that port on all addresses.
    #[arg(long = "address", value_name = "HOST:PORT", value_parser = address)]
    addresses: Vec<String>,
    /// The validity of the nodes' certificates in days, 365 by default; the authority is valid for ten
    /// years.
    #[arg(long, value_name = "DAYS", value_parser = days::parse)]
    days: Option<u64>,
}

/// The validity of the authority, in days.
const CA_DAYS: u64 = 3_650;
/// The ports of the first node on this machine, for gossip and for the status page. With --address, every node uses the
/// second one for its status page.
const PORTS: [u16; 2] = [7_701, 7_801];

/// One node of the new cluster.
struct Planned {
    name: String,
    credentials: NodeCredentials,
    listen: String,
    address: String,
    page: SocketAddr,
}

impl Init {
    pub(crate) fn run(self) -> Result<(), Failure> {
        if !self.addresses.is_empty() && self.addresses.len() != usize::from(self.nodes) {
            let given = counted(self.addresses.len() as u64, "address", "addresses");
            let nodes = counted(self.nodes, "node", "nodes");
            return Err(
                format!("{given} for {nodes}; nothing was written; give one for each").into()
            );
        }
        self.check_addresses()?;
        let now = SystemTime::now();
        let authority = days::of_authority(now, CA_DAYS)?;
        let validity = days::of_node(now, self.days, authority)?;
        let ca = ClusterCa::generate("engram", authority)?;
        let planned = (0..self.nodes).map(|at| self.plan(at, &ca, validity));
        let nodes = planned.collect::<Result<Vec<_>, _>>()?;
        let mut files = vec![
            New::private(self.out.join("ca.key"), ca.key_pem()),
            New::public(self.out.join("ca.pem"), ca.certificate_pem()),
        ];
        for node in &nodes {
            let folder = self.out.join(&node.name);
            let Planned { credentials, .. } = node;
            files.extend([
                New::private(folder.join("node.key"), &*credentials.key_pem),
                New::public(folder.join("node.pem"), &*credentials.certificate_pem),
                New::public(folder.join("ca.pem"), ca.certificate_pem()),
                New::public(folder.join("cluster.toml"), node.configuration(&nodes)),
            ]);
        }
        create(&files)?;
        for node in &nodes {
            let file = self.out.join(&node.name).join("cluster.toml");
            outln!("engram-node run --config {}", file.display());
        }
        Ok(())
    }

    /// Refuses an address that is given to two nodes.
    fn check_addresses(&self) -> Result<(), Failure> {
        let plain: Vec<_> = self.addresses.iter().map(|address| address.to_lowercase()).collect();
        for (at, address) in plain.iter().enumerate() {
            if let Some(earlier) = plain[..at].iter().position(|other| other == address) {
                let [earlier, later] = [earlier, at].map(letter);
                return Err(format!(
                    "node-{earlier} and node-{later} both have the address {address}; nothing was \
                     written; give each node its own address"
                )
                .into());
            }
        }
        Ok(())
    }

    fn plan(&self, at: u16, ca: &ClusterCa, validity: Validity) -> Result<Planned, Failure> {
        let name = format!("node-{}", letter(usize::from(at)));
        let credentials = ca.issue_node(&name, validity)?;
        let page = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let Some(address) = self.addresses.get(usize::from(at)) else {
            let [gossip, http] = PORTS.map(|port| port + at);
            let (address, page) = (format!("127.0.0.1:{gossip}"), page(http));
            return Ok(Planned { name, credentials, listen: address.clone(), address, page });
        };
        let port = address.rsplit(':').next().unwrap_or_default();
        let (listen, address) = (format!("[::]:{port}"), address.clone());
        Ok(Planned { name, credentials, listen, address, page: page(PORTS[1]) })
    }
}

/// Parses the address of a node by the same rule as the check of a configuration.
fn address(text: &str) -> Result<String, String> {
    match Roster::is_address(text) {
        true => Ok(text.to_owned()),
        false => {
            let advice = "it is not an address, and nothing was written; write a host and a port, such \
                          as 10.0.0.2:7701 or [fd00::2]:7701";
            Err(advice.to_owned())
        }
    }
}

impl Planned {
    /// The node's cluster.toml.
    fn configuration(&self, nodes: &[Self]) -> String {
        let Self { name, listen, page, .. } = self;
        let mut text = format!(
            "[node]\nname = \"{name}\"\nlisten = \"{listen}\"\n\n\
             [tls]\nca = \"ca.pem\"\ncertificate = \"node.pem\"\nkey = \"node.key\"\n\n\
             [store]\npath = \"state\"\n\n\
             [http]\nlisten = \"{page}\"\n"
        );
        for peer in nodes.iter().filter(|peer| peer.name != *name) {
            let (name, id, address) = (&peer.name, peer.credentials.node_id, &peer.address);
            text += &format!(
                "\n[[peers]]\nname = \"{name}\"\nnode_id = \"{id}\"\naddress = \"{address}\"\n"
            );
        }
        text
    }
}

/// The letter of a node; there are at most 26.
fn letter(at: usize) -> char {
    ('a'..='z').nth(at).unwrap_or('z')
}
