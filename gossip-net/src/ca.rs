//! A small certificate authority for one cluster, either temporary (for tests and demos) or stored
//! as two PEM files.

use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PublicKeyData, SerialNumber, SubjectPublicKeyInfo,
};
use ring::rand::{SecureRandom as _, SystemRandom};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use x509_parser::prelude::{GeneralName, X509Certificate};

use crate::{NodeId, Validity};

/// The authority that issues a cluster's certificates (feature `ca`).
///
/// The holder of its key can issue certificates but cannot add a node to the cluster: a node must
/// also be listed in the roster.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::SystemTime;
/// use engram_gossip_net::{ClusterCa, Identity, Validity};
///
/// let validity = Validity::days_from(SystemTime::now(), 30);
/// let ca = ClusterCa::generate("my cluster", validity)?;
/// let node = ca.issue_node("node-a", validity)?;
/// let identity = Identity::from_pem(ca.certificate_pem(), &node.certificate_pem, &node.key_pem)?;
/// assert_eq!(identity.node_id(), node.node_id);
/// # Ok(())
/// # }
/// ```
pub struct ClusterCa {
    issuer: Issuer<'static, KeyPair>,
    certificate_pem: String,
}

/// The credentials of one node (feature `ca`).
#[derive(Clone)]
pub struct NodeCredentials {
    /// The certificate.
    pub certificate_pem: String,
    /// The private key, PKCS #8. Only the node should be able to read it.
    pub key_pem: String,
    /// The node id to put into the roster.
    pub node_id: NodeId,
}

/// The reason why no certificate was issued (feature `ca`).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IssueError {
    /// The name is not valid in a certificate.
    #[error("{0:?} is not valid in a certificate; use 1 to 64 letters, digits, '.' and '-'")]
    Name(String),
    /// The PEM of the authority's certificate or key cannot be used.
    #[error("the authority cannot be used: {0}")]
    Authority(String),
    /// The certificate to renew is unreadable, belongs to an authority, or does not have exactly
    /// one name.
    #[error("the certificate cannot be renewed: {0}")]
    Renewal(String),
    /// The key or the certificate could not be created.
    #[error("cannot create a certificate: {0}")]
    Failed(String),
}

impl ClusterCa {
    /// Creates an authority with an ECDSA P-256 key.
    ///
    /// # Errors
    /// [`IssueError::Failed`] if the key or the certificate cannot be created.
    pub fn generate(cluster: &str, validity: Validity) -> Result<Self, IssueError> {
        let key = KeyPair::generate().map_err(IssueError::failed)?;
        let mut params = params(&format!("{cluster} gossip CA"), validity)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate_pem = params.self_signed(&key).map_err(IssueError::failed)?.pem();
        Ok(Self { issuer: Issuer::new(params, key), certificate_pem })
    }

    /// Loads an existing authority, created by this type or by another tool.
    ///
    /// # Errors
    /// [`IssueError::Authority`] if `certificate` is not the PEM certificate of an authority, or
    /// `key` is not a PEM key.
    pub fn from_pem(certificate: &str, key: &str) -> Result<Self, IssueError> {
        let is_ca = with_parsed(certificate, |parsed| Ok(parsed.is_ca()));
        if !is_ca.map_err(IssueError::Authority)? {
            let reason = "its certificate belongs to a node; specify the authority's certificate";
            return Err(IssueError::Authority(reason.to_owned()));
        }
        let key = KeyPair::from_pem(key).map_err(IssueError::authority)?;
        let issuer = Issuer::from_ca_cert_pem(certificate, key).map_err(IssueError::authority)?;
        Ok(Self { issuer, certificate_pem: certificate.into() })
    }

    /// The authority's certificate. Every node needs it; it is not secret.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The authority's key, PKCS #8. Keep it off the nodes.
    pub fn key_pem(&self) -> String {
        self.issuer.key().serialize_pem()
    }

    /// Creates a key and a certificate for the node called `name`. The certificate is valid for
    /// both dialling and accepting.
    ///
    /// # Errors
    /// [`IssueError::Name`] if `name` is not valid in a certificate, [`IssueError::Failed`] if the
    /// key or the certificate cannot be created.
    pub fn issue_node(
        &self,
        name: &str,
        validity: Validity,
    ) -> Result<NodeCredentials, IssueError> {
        let key = KeyPair::generate().map_err(IssueError::failed)?;
        self.issue(name, &key, validity)
    }

    /// Creates a new certificate, as PEM, for the key and the name of `certificate`, which a
    /// [`ClusterCa`] issued to a node. The node id stays the same.
    ///
    /// # Errors
    /// [`IssueError::Renewal`] if `certificate` is not a PEM certificate, belongs to an authority,
    /// or does not have exactly one name; [`IssueError::Name`] if
    /// [`issue_node`](Self::issue_node) would refuse the name; [`IssueError::Failed`] if the new
    /// certificate cannot be created.
    pub fn renew(&self, certificate: &str, validity: Validity) -> Result<String, IssueError> {
        let read = with_parsed(certificate, |parsed| {
            let key = SubjectPublicKeyInfo::from_der(parsed.public_key().raw);
            Ok((node_name(parsed)?, key.map_err(|error| error.to_string())?))
        });
        let (name, key) = read.map_err(IssueError::Renewal)?;
        self.certify(&name, &key, validity)
    }

    /// Creates a new certificate for an existing key of a node. The node id stays the same.
    ///
    /// # Errors
    /// [`IssueError::Failed`] if `key` is not a PEM key or the certificate cannot be created,
    /// [`IssueError::Name`] if `name` is not valid in a certificate.
    pub fn renew_node(
        &self,
        name: &str,
        key: &str,
        validity: Validity,
    ) -> Result<NodeCredentials, IssueError> {
        let key = KeyPair::from_pem(key).map_err(IssueError::failed)?;
        self.issue(name, &key, validity)
    }

    fn issue(
        &self,
        name: &str,
        key: &KeyPair,
        validity: Validity,
    ) -> Result<NodeCredentials, IssueError> {
        let certificate_pem = self.certify(name, key, validity)?;
        let node_id = NodeId::of_certificate(&certificate_pem)
            .map_err(|fault| IssueError::Failed(fault.to_string()))?;
        Ok(NodeCredentials { certificate_pem, key_pem: key.serialize_pem(), node_id })
    }

    fn certify(
        &self,
        name: &str,
        key: &impl PublicKeyData,
        validity: Validity,
    ) -> Result<String, IssueError> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
        if name.is_empty() || name.len() > 64 || !name.chars().all(is_plain) {
            return Err(IssueError::Name(name.into()));
        }
        let mut params = params(name, validity)?;
        let san = name.try_into().map_err(|_| IssueError::Name(name.into()))?;
        params.subject_alt_names = vec![rcgen::SanType::DnsName(san)];
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = params.signed_by(key, &self.issuer).map_err(IssueError::failed)?;
        Ok(certificate.pem())
    }
}

/// Reads the first certificate of a PEM text.
fn with_parsed<T>(
    certificate: &str,
    read: impl FnOnce(&X509Certificate<'_>) -> Result<T, String>,
) -> Result<T, String> {
    let der = CertificateDer::from_pem_slice(certificate.as_bytes());
    let der = der.map_err(|error| format!("it is not a PEM certificate ({error})"))?;
    let parsed = x509_parser::parse_x509_certificate(&der);
    let (_, parsed) = parsed.map_err(|error| format!("it is not a certificate ({error})"))?;
    read(&parsed)
}

/// Returns the only name in a node's certificate.
fn node_name(certificate: &X509Certificate<'_>) -> Result<String, String> {
    if certificate.is_ca() {
        return Err("it belongs to an authority; specify a node's certificate".to_owned());
    }
    let mut subject = certificate.subject().iter_attributes();
    let name = subject.next().and_then(|attribute| attribute.as_str().ok());
    let alternative = certificate.subject_alternative_name().ok().flatten();
    let alternative = alternative.map(|extension| &*extension.value.general_names);
    match (name, subject.next(), alternative) {
        (Some(name), None, Some([GeneralName::DNSName(other)])) if name == *other => {
            Ok(name.to_owned())
        }
        _ => {
            let advice = "it must contain exactly one name; renew it with the tools that issued it";
            Err(advice.to_owned())
        }
    }
}

impl std::fmt::Debug for ClusterCa {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClusterCa").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for NodeCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NodeCredentials").field("node_id", &self.node_id).finish_non_exhaustive()
    }
}

impl IssueError {
    fn failed(fault: rcgen::Error) -> Self {
        Self::Failed(fault.to_string())
    }

    fn authority(fault: rcgen::Error) -> Self {
        Self::Authority(fault.to_string())
    }
}

fn params(common_name: &str, validity: Validity) -> Result<CertificateParams, IssueError> {
    let mut params = CertificateParams::default();
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    params.distinguished_name = name;
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let since_epoch = |time: SystemTime| {
        let whole = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        // X.509 dates end with the year 9999.
        Duration::from_secs(whole.min(253_402_300_799))
    };
    params.not_before = epoch + since_epoch(validity.from);
    params.not_after = epoch + since_epoch(validity.until);
    params.serial_number = Some(serial_number()?);
    Ok(params)
}

/// Returns a random serial number of 16 bytes, so that no two certificates of an authority have the
/// same number.
fn serial_number() -> Result<SerialNumber, IssueError> {
    let mut bytes = [0; 16];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| IssueError::Failed("the random number generator failed".to_owned()))?;
    // A serial number is positive and has no leading zero.
    bytes[0] = bytes[0] & 0x7f | 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}
