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
    Rotate(Rotate),
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

/// Makes a new certificate for a node's key, so that its id stays, and replaces NAME.pem.
///
/// A running node takes it up when it is told to reload, by a hang-up signal.
#[derive(Args)]
pub(crate) struct Rotate {
    /// The node's name.
    #[arg(long)]
    name: String,
    /// The folder with ca.pem and ca.key.
    #[arg(long, value_name = "DIR", default_value = ".")]
    ca: PathBuf,
    /// The folder with NAME.key and NAME.pem.
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
            Self::Rotate(task) => task.run(),
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
        refuse_no_file_name(&self.name)?;
        let ca = authority(&self.ca)?;
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

impl Rotate {
    fn run(self) -> Result<(), Failure> {
        refuse_no_file_name(&self.name)?;
        let ca = authority(&self.ca)?;
        let key = read(&self.out.join(format!("{}.key", self.name)))?;
        let validity = Validity::days_from(SystemTime::now(), self.days);
        let node = ca.renew_node(&self.name, &key, validity)?;
        replace(&self.out.join(format!("{}.pem", self.name)), &node.certificate_pem)?;
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

fn refuse_no_file_name(name: &str) -> Result<(), Failure> {
    if name.is_empty() || name.contains(['/', '\\']) || name.starts_with('.') {
        return Err(format!("--name {name:?} is no file name; use letters and digits").into());
    }
    Ok(())
}

fn authority(folder: &Path) -> Result<ClusterCa, Failure> {
    let (certificate, key) = (read(&folder.join("ca.pem"))?, read(&folder.join("ca.key"))?);
    Ok(ClusterCa::from_pem(&certificate, &key)?)
}

/// Replaces a file at once: whoever reads it meanwhile finds the old text or the new one, never half of one.
fn replace(path: &Path, text: &str) -> Result<(), Failure> {
    let new = path.with_extension("pem.new");
    let written = fs::write(&new, text).and_then(|()| fs::rename(&new, path));
    written.map_err(|error| {
        format!("cannot replace {}: {error}; it is as it was", path.display()).into()
    })
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
