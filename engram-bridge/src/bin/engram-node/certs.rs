//! Certificates for a small cluster.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use clap::{Args, Subcommand};
use engram_bridge::Timestamp;
use engram_gossip_net::{ClusterCa, NodeId, Validity};

use crate::files::{New, create};
use crate::words::counted;
use crate::{Failure, days};

/// Creates and renews a cluster's certificates, and shows the node id in a certificate.
#[derive(Subcommand)]
pub(crate) enum Certs {
    Ca(Ca),
    /// Creates a node's certificate and key, NAME.pem and NAME.key, and prints its node id.
    Node(Order),
    Rotate(Rotation),
    Show(Show),
}

/// Creates the cluster's authority: ca.pem and ca.key. Keep the key away from the nodes.
#[derive(Args)]
pub(crate) struct Ca {
    /// The cluster's name in the certificate of the authority.
    #[arg(long, default_value = "engram cluster")]
    name: String,
    /// The folder to write to.
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
    /// The validity of the authority in days, until the end of the year 9999 at the latest.
    #[arg(long, value_name = "DAYS", default_value = "3650", value_parser = days::parse)]
    days: u64,
}

/// A request for a new node's key and certificate.
#[derive(Args)]
pub(crate) struct Order {
    /// The node's name.
    #[arg(long)]
    name: String,
    /// The folder with ca.pem and ca.key.
    #[arg(long, value_name = "DIR", default_value = ".")]
    ca: PathBuf,
    /// The folder to write NAME.key and NAME.pem to.
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
    /// The validity of the certificate in days, at most that of the authority. Defaults to 365, or
    /// to the rest of the authority's validity if that is shorter.
    #[arg(long, value_name = "DAYS", value_parser = days::parse)]
    days: Option<u64>,
}

/// Replaces a node's certificate with a new one for the same key and name, so that the node id stays
/// the same.
///
/// This command needs ca.pem and ca.key, but not the node's key. A running node loads the new
/// certificate on SIGHUP or `engram-node ctl reload`.
#[derive(Args)]
pub(crate) struct Rotation {
    /// The certificate, such as node-a.pem.
    certificate: PathBuf,
    /// The folder with ca.pem and ca.key.
    #[arg(long, value_name = "DIR", default_value = ".")]
    ca: PathBuf,
    /// The validity of the certificate in days, as for `certs node`.
    #[arg(long, value_name = "DAYS", value_parser = days::parse)]
    days: Option<u64>,
}

/// Prints the node id of a certificate, in the form that the configurations of other nodes use, and
/// its validity.
#[derive(Args)]
pub(crate) struct Show {
    /// A certificate, such as node-a.pem.
    certificate: PathBuf,
}

impl Certs {
    pub(crate) fn run(self) -> Result<(), Failure> {
        match self {
            Self::Ca(task) => task.run(),
            Self::Node(order) => order.make(),
            Self::Rotate(task) => task.run(),
            Self::Show(task) => task.run(),
        }
    }
}

impl Ca {
    fn run(self) -> Result<(), Failure> {
        let validity = days::of_authority(SystemTime::now(), self.days)?;
        let ca = ClusterCa::generate(&self.name, validity)?;
        create(&[
            New::private(self.out.join("ca.key"), ca.key_pem()),
            New::public(self.out.join("ca.pem"), ca.certificate_pem()),
        ])
    }
}

impl Order {
    /// Creates a key and its certificate.
    fn make(self) -> Result<(), Failure> {
        let name = &self.name;
        if name.is_empty() || name.contains(['/', '\\']) || name.starts_with('.') {
            return Err(format!(
                "--name {name:?} cannot be used as a file name; use letters and digits"
            )
            .into());
        }
        let (ca, validity) = authority(&self.ca, self.days)?;
        let node = ca.issue_node(name, validity)?;
        create(&[
            New::private(self.file("key"), node.key_pem),
            New::public(self.file("pem"), node.certificate_pem),
        ])?;
        outln!("{}", node.node_id);
        Ok(())
    }

    fn file(&self, extension: &str) -> PathBuf {
        self.out.join(format!("{}.{extension}", self.name))
    }
}

impl Rotation {
    fn run(self) -> Result<(), Failure> {
        let path = self.certificate;
        let (ca, validity) = authority(&self.ca, self.days)?;
        let renewed = ca
            .renew(&read(&path)?, validity)
            .map_err(|error| format!("{}: {error}; nothing was changed", path.display()))?;
        replace(&path, &renewed)?;
        outln!("{}", NodeId::of_certificate(&renewed)?);
        Ok(())
    }
}

/// Loads the authority from a folder, and computes the validity of a certificate that it issues
/// now.
fn authority(folder: &Path, days: Option<u64>) -> Result<(ClusterCa, Validity), Failure> {
    let (path, key) = (folder.join("ca.pem"), read(&folder.join("ca.key"))?);
    let ca = ClusterCa::from_pem(&read(&path)?, &key)
        .map_err(|error| format!("{}: {error}", path.display()))?;
    let validity = Validity::of_certificate(ca.certificate_pem())?;
    Ok((ca, days::of_node(SystemTime::now(), days, validity)?))
}

impl Show {
    fn run(self) -> Result<(), Failure> {
        let certificate = read(&self.certificate)?;
        let node_id = NodeId::of_certificate(&certificate)
            .map_err(|error| format!("{}: {error}", self.certificate.display()))?;
        let validity = Validity::of_certificate(&certificate)?;
        outln!("{node_id}");
        outln!("valid {}", until(validity, SystemTime::now()));
        Ok(())
    }
}

/// The end of a validity period, as text.
pub(crate) fn until(validity: Validity, now: SystemTime) -> String {
    let since = validity.until.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let nanoseconds = i64::try_from(since.as_nanos()).unwrap_or(i64::MAX);
    let at = Timestamp::from_nanoseconds(nanoseconds).to_string();
    // A certificate stores whole seconds.
    let at = format!("{}Z", at.split('.').next().unwrap_or_default());
    match validity.left(now) {
        _ if now < validity.from => format!("until {at}, but not valid yet; check the clock"),
        Some(left) => {
            let days = counted(left.as_secs() / 86_400, "day", "days");
            format!("until {at}, {days} from now")
        }
        None => format!("until {at}, which has passed; see `engram-node certs rotate --help`"),
    }
}

/// Replaces a file atomically: a concurrent reader finds the old text or the new one.
fn replace(path: &Path, text: &str) -> Result<(), Failure> {
    let new = path.with_extension("pem.new");
    let written = fs::write(&new, text).and_then(|()| fs::rename(&new, path));
    written.map_err(|error| {
        let _ = fs::remove_file(&new);
        format!("cannot replace {}: {error}; it is unchanged", path.display()).into()
    })
}

fn read(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|error| {
        format!("cannot read {}: {error}; check the path and its permissions", path.display())
            .into()
    })
}
