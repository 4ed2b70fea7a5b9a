//! Certificates, issued by the node's own program.

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::Verdict;
use crate::product;

/// Issue, renew and show the certificates of a cluster
///
/// `certs ca` creates the authority, `certs node --name NAME` a node's key and certificate, and `certs rotate
/// CERTIFICATE` a new certificate for the same key. `certs show FILE` prints the node id for the peers' configurations.
/// `certs PART -- --help` lists the options of a part.
#[derive(Args)]
pub(crate) struct Certs {
    /// The action
    #[arg(value_enum)]
    part: Part,
    /// Options of the part; `certs PART -- --help` lists them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    options: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Create the cluster's authority
    Ca,
    /// Create a node's key and certificate
    Node,
    /// Issue a new certificate for a node's key; the node id does not change
    Rotate,
    /// Print the node id and the validity of a certificate
    Show,
}

impl Certs {
    pub(crate) fn run(self) -> Result<Verdict> {
        let part = self.part.to_possible_value().expect("no part is hidden");
        let mut arguments = vec!["certs".to_owned(), part.get_name().to_owned()];
        arguments.extend(self.options);
        product::hand_over(product::node()?, &arguments)
    }
}
