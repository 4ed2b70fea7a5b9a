//! The identity of a node: its certificate, its key and the authorities that it trusts.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::{WebPkiClientVerifier, danger::ClientCertVerifier};
use rustls::sign::CertifiedKey;

use crate::tls::{self, Expected, PeerVerifier};
use crate::{HandshakeError, NodeId, Validity};

/// A node's certificate chain and key, and the authority that issues the cluster's certificates.
///
/// Any PKI works: the roster pins the key, so names in certificates are ignored. A certificate has
/// to be issued for both client and server use (or have no usage restriction).
///
/// ```no_run
/// # fn main() -> Result<(), engram_gossip_net::IdentityError> {
/// use engram_gossip_net::Identity;
/// let identity = Identity::from_files("ca.pem", "node-a.pem", "node-a.key")?;
/// println!("this node is {}", identity.node_id());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Identity {
    node_id: NodeId,
    validity: Validity,
    pub(crate) certified: Arc<CertifiedKey>,
    pub(crate) trust: Trust,
    /// Derived from the key, so that after a restart peers still accept this node's stateless
    /// resets.
    pub(crate) reset_secret: [u8; 32],
}

/// The parts of an identity that differ from the previous identity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct IdentityChange {
    /// Whether the trusted authorities differ.
    pub authority: bool,
    /// Whether the certificate chain differs.
    pub certificate: bool,
    /// Whether the encoding of the key differs; the key itself is the same.
    pub key: bool,
}

/// The trusted authorities. A certificate from one of them is not sufficient: the roster must also
/// list its node.
#[derive(Clone, Debug)]
pub(crate) struct Trust {
    /// The certificates, in file order.
    certificates: Arc<[CertificateDer<'static>]>,
    pub(crate) roots: Arc<RootCertStore>,
    pub(crate) clients: Arc<dyn ClientCertVerifier>,
}

/// The reason why an identity cannot be used. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// A file is unreadable.
    #[error("{}: cannot be read ({source}); issue the certificates, or correct the path", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A file or text is not PEM, or lacks the expected section.
    #[error("{what}: {fault}; it must be PEM with a {section} section")]
    Pem {
        /// The path of the file, or the role of a text, such as `the node's key`.
        what: String,
        /// The fault.
        fault: String,
        /// The required section.
        section: &'static str,
    },
    /// A certificate cannot be parsed.
    #[error("{what}: not a valid X.509 certificate ({fault}); issue a new one")]
    Certificate {
        /// The path of the file, or the role of a text, such as `the node's certificate`.
        what: String,
        /// The fault.
        fault: String,
    },
    /// The key is unusable, or does not match the certificate.
    #[error("{what}: {fault}; use the key that the certificate was issued for")]
    Key {
        /// The path of the file, or the role of a text, such as `the node's key`.
        what: String,
        /// The fault.
        fault: String,
    },
    /// Every peer would refuse the node's own certificate.
    #[error("peers would refuse this node's own certificate: {0}")]
    Refused(#[source] HandshakeError),
}

/// A PEM text, and its name in error messages.
struct Source {
    what: String,
    bytes: Vec<u8>,
}

impl Identity {
    /// Reads the authority's certificates, the node's chain (leaf first) and its key.
    ///
    /// # Errors
    /// [`IdentityError`] names the file and its fault.
    pub fn from_files(
        authority: impl AsRef<Path>,
        certificate: impl AsRef<Path>,
        key: impl AsRef<Path>,
    ) -> Result<Self, IdentityError> {
        let authority = Source::read(authority.as_ref())?;
        let certificate = Source::read(certificate.as_ref())?;
        let key = Source::read(key.as_ref())?;
        Self::new(&authority, &certificate, &key)
    }

    /// Like [`from_files`](Self::from_files), but reads PEM texts.
    ///
    /// # Errors
    /// [`IdentityError`] names the text by its role: authority, certificate or key.
    pub fn from_pem(authority: &str, certificate: &str, key: &str) -> Result<Self, IdentityError> {
        let named = |what: &str, text: &str| Source { what: what.into(), bytes: text.into() };
        let authority = named("the authority's certificate", authority);
        let certificate = named("the node's certificate", certificate);
        Self::new(&authority, &certificate, &named("the node's key", key))
    }

    fn new(authority: &Source, certificate: &Source, key: &Source) -> Result<Self, IdentityError> {
        let trust = Trust::new(authority)?;
        let chain = certificate.certificates()?;
        let node_id = certificate.node_id(&chain[0])?;
        let validity = certificate.validity(&chain)?;
        let key_der = PrivateKeyDer::from_pem_slice(&key.bytes)
            .map_err(|fault| key.pem_error(&fault, "PRIVATE KEY"))?;
        let reset_secret = reset_secret(&key_der);
        let certified =
            CertifiedKey::from_der(chain, key_der, &tls::provider()).map_err(|fault| {
                IdentityError::Key { what: key.what.clone(), fault: fault.to_string() }
            })?;
        Ok(Self { node_id, validity, certified: Arc::new(certified), trust, reset_secret })
    }

    /// The id of the node.
    pub fn node_id(&self) -> NodeId {
        self.node_id
    }

    /// The period in which the whole certificate chain is valid.
    pub fn validity(&self) -> Validity {
        self.validity
    }

    /// The parts in which this identity differs from `before`.
    pub(crate) fn changes_from(&self, before: &Self) -> IdentityChange {
        let roots = |identity: &Self| identity.trust.certificates.clone();
        IdentityChange {
            authority: roots(self) != roots(before),
            certificate: self.certified.cert != before.certified.cert,
            key: self.reset_secret != before.reset_secret,
        }
    }

    /// Checks, as a peer would, that the trusted authority issued this certificate, and that it
    /// is valid at `now` and usable by clients and servers.
    ///
    /// # Errors
    /// [`IdentityError::Refused`] with the error that a peer would report.
    pub fn check(&self, now: SystemTime) -> Result<(), IdentityError> {
        let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let now = UnixTime::since_unix_epoch(now);
        let verifier = PeerVerifier::new(self.trust.clone(), Expected::Node(self.node_id));
        verifier.check_chain(&self.certified.cert, now).map_err(IdentityError::Refused)
    }
}

impl fmt::Debug for Identity {
    /// Shows the node id, never the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("node_id", &self.node_id).finish_non_exhaustive()
    }
}

impl NodeId {
    /// Returns the id of the key in the first certificate of the PEM text `certificate`.
    ///
    /// # Errors
    /// [`IdentityError`] if the text is not PEM or contains no X.509 certificate.
    pub fn of_certificate(certificate: &str) -> Result<Self, IdentityError> {
        let source = Source { what: "the certificate".into(), bytes: certificate.into() };
        let chain = source.certificates()?;
        source.node_id(&chain[0])
    }
}

impl Validity {
    /// Returns the period in which all certificates of the chain in the PEM text `certificate` are
    /// valid.
    ///
    /// # Errors
    /// [`IdentityError`] if the text is not PEM or contains no X.509 certificate.
    pub fn of_certificate(certificate: &str) -> Result<Self, IdentityError> {
        let source = Source { what: "the certificate".into(), bytes: certificate.into() };
        source.validity(&source.certificates()?)
    }
}

impl Trust {
    fn new(authority: &Source) -> Result<Self, IdentityError> {
        let mut roots = RootCertStore::empty();
        let certificates = authority.certificates()?;
        for certificate in &certificates {
            roots.add(certificate.clone()).map_err(|fault| authority.certificate_error(&fault))?;
        }
        let roots = Arc::new(roots);
        let clients = WebPkiClientVerifier::builder_with_provider(roots.clone(), tls::provider())
            .build()
            .map_err(|fault| authority.certificate_error(&fault))?;
        Ok(Self { certificates: certificates.into(), roots, clients })
    }
}

impl Source {
    fn read(path: &Path) -> Result<Self, IdentityError> {
        match fs::read(path) {
            Ok(bytes) => Ok(Self { what: path.display().to_string(), bytes }),
            Err(source) => Err(IdentityError::File { path: path.into(), source }),
        }
    }

    /// Returns all certificates of the text; there is at least one.
    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, IdentityError> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&self.bytes)
            .collect::<Result<_, _>>()
            .map_err(|fault| self.pem_error(&fault, "CERTIFICATE"))?;
        if chain.is_empty() {
            return Err(self.pem_error(&"no certificate found", "CERTIFICATE"));
        }
        Ok(chain)
    }

    fn node_id(&self, certificate: &CertificateDer<'_>) -> Result<NodeId, IdentityError> {
        tls::node_id(certificate).map_err(|fault| self.certificate_error(&fault))
    }

    fn validity(&self, chain: &[CertificateDer<'_>]) -> Result<Validity, IdentityError> {
        let validity = Validity::of_chain(chain);
        validity.ok_or_else(|| self.certificate_error(&"unreadable validity"))
    }

    fn pem_error(&self, fault: &dyn fmt::Display, section: &'static str) -> IdentityError {
        IdentityError::Pem { what: self.what.clone(), fault: fault.to_string(), section }
    }

    fn certificate_error(&self, fault: &dyn fmt::Display) -> IdentityError {
        IdentityError::Certificate { what: self.what.clone(), fault: fault.to_string() }
    }
}

/// Derives a secret that only the holder of `key` can derive and that does not reveal the key.
fn reset_secret(key: &PrivateKeyDer<'_>) -> [u8; 32] {
    let hmac = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key.secret_der());
    let tag = ring::hmac::sign(&hmac, b"engram-gossip stateless reset");
    tag.as_ref().try_into().expect("an HMAC-SHA256 tag has 32 bytes")
}
