//! Certificates for a small cluster.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use clap::{Args, Subcommand};
use engram_gossip_net::{ClusterCa, NodeId, Validity};

use crate::Failure;

/// Makes a cluster's certificates, and shows whom one belongs to.
#[derive(Subcommand)]
pub(crate) enum Certs {
    Ca(Ca),
    Node(Node),
    Show(Show),
}

/// Makes the cluster's authority: ca.pem and ca.key. Keep the key away from the nodes.
#[derive(Args)]
pub(crate) struct Ca {
    /// The cluster's name, for people.
    #[arg(long, default_value = "engram cluster")]
    name: String,
    /// The folder to write to.
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
    /// How long the authority is valid.
    #[arg(long, value_name = "DAYS", default_value_t = 3650)]
    days: u32,
}

/// Makes a node's certificate and key, NAME.pem and NAME.key, and prints its node id.
#[derive(Args)]
pub(crate) struct Node {
    /// The node's name.
    #[arg(long)]
    name: String,
    /// The folder with ca.pem and ca.key.
    #[arg(long, value_name = "DIR", default_value = ".")]
    ca: PathBuf,
    /// The folder to write to.
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
    /// How long the certificate is valid.
    #[arg(long, value_name = "DAYS", default_value_t = 365)]
    days: u32,
}

/// Prints the node id of a certificate: what the peers' configurations name.
#[derive(Args)]
pub(crate) struct Show {
    /// A certificate, such as node-a.pem.
    certificate: PathBuf,
}

impl Certs {
    pub(crate) fn run(self) -> Result<(), Failure> {
        match self {
            Self::Ca(task) => task.run(),
            Self::Node(task) => task.run(),
            Self::Show(task) => task.run(),
        }
    }
}

impl Ca {
    fn run(self) -> Result<(), Failure> {
        let ca =
            ClusterCa::generate(&self.name, Validity::days_from(SystemTime::now(), self.days))?;
        fs::create_dir_all(&self.out)
            .map_err(|error| format!("{}: {error}", self.out.display()))?;
        // The key first: an authority without its key is of no use.
        write_new(&self.out.join("ca.key"), &ca.key_pem(), Access::Owner)?;
        write_new(&self.out.join("ca.pem"), ca.certificate_pem(), Access::Everybody)
    }
}

impl Node {
    fn run(self) -> Result<(), Failure> {
        if self.name.is_empty() || self.name.contains(['/', '\\']) || self.name.starts_with('.') {
            let name = &self.name;
            return Err(format!("--name {name:?} is no file name; use letters and digits").into());
        }
        let ca =
            ClusterCa::from_pem(&read(&self.ca.join("ca.pem"))?, &read(&self.ca.join("ca.key"))?)?;
        let validity = Validity::days_from(SystemTime::now(), self.days);
        let node = ca.issue_node(&self.name, validity)?;
        fs::create_dir_all(&self.out)
            .map_err(|error| format!("{}: {error}", self.out.display()))?;
        let file = |extension| self.out.join(format!("{}.{extension}", self.name));
        write_new(&file("key"), &node.key_pem, Access::Owner)?;
        write_new(&file("pem"), &node.certificate_pem, Access::Everybody)?;
        println!("{}", node.node_id);
        Ok(())
    }
}

impl Show {
    fn run(self) -> Result<(), Failure> {
        let certificate = read(&self.certificate)?;
        let node_id = NodeId::of_certificate(&certificate)
            .map_err(|error| format!("{}: {error}", self.certificate.display()))?;
        println!("{node_id}");
        Ok(())
    }
}

fn read(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|error| {
        format!("cannot read {}: {error}; check the path and its permissions", path.display())
            .into()
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Owner,
    Everybody,
}

/// Writes a file that must not be there yet: a key that was overwritten is lost.
fn write_new(path: &Path, text: &str, access: Access) -> Result<(), Failure> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if access == Access::Owner {
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    let written = options.open(path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| {
        format!("cannot write {}: {error}; nothing is overwritten", path.display()).into()
    })
}
