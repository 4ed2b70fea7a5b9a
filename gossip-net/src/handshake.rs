//! Handshake errors and their remedies.

use quinn::ConnectionError;
use rustls::CertificateError;

use crate::NodeId;

/// The reason why a connection failed, as precisely as TLS reports it to either side.
///
/// If a handshake fails, no gossip data is exchanged and no state changes. Dialling continues with
/// increasing back-off, so the node connects once the cause of the failure is removed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The peer presented a key that is not in our roster.
    #[error("{node} is not in the roster; add it if it belongs to the cluster")]
    NotInRoster {
        /// The id of the peer's key.
        node: NodeId,
    },
    /// The dialled address belongs to a different node than the one in the roster.
    #[error(
        "dialled {expected}, but {found} answered; correct the address or the node id in the roster"
    )]
    WrongNode {
        /// The dialled node.
        expected: NodeId,
        /// The node that answered.
        found: NodeId,
    },
    /// The peer's certificate was issued by an authority that we do not trust.
    #[error(
        "the peer's certificate is not from a trusted authority; trust its authority, or list its certificate if it is self-signed"
    )]
    OtherAuthority,
    /// The peer's certificate has expired.
    #[error("the certificate has expired; renew it, or check the clocks")]
    Expired,
    /// The peer's certificate is not valid yet.
    #[error("the certificate is not valid yet; check the clocks")]
    NotYetValid,
    /// The peer's certificate is unusable for the given reason.
    #[error("the certificate is unusable ({0}); issue a new one")]
    UnusableCertificate(String),
    /// The peer presented a certificate but did not prove that it holds the key.
    #[error("the peer does not hold the key of its certificate; check for an impostor")]
    KeyNotProved,
    /// The peer presented no certificate.
    #[error("the peer presented no certificate; it is not a gossip node, or has none configured")]
    NoCertificate,
    /// The peer speaks a different wire version or protocol.
    #[error("the peer does not speak this wire version; upgrade the older node")]
    WireVersion,
    /// The peer refused us: we are not in its roster.
    #[error("the peer refused us: this node is not in its roster; add it there")]
    RefusedNotInRoster,
    /// The peer refused us: it expected a different node at this address.
    #[error("the peer refused us: it expected another node id at this address; correct its roster")]
    RefusedWrongNode,
    /// The peer refused us: it does not trust our authority.
    #[error(
        "the peer refused us: it does not trust our authority; add our authority, or our certificate if it is self-signed, to its trusted authorities"
    )]
    RefusedAuthority,
    /// The peer refused us: by its clock, our certificate has expired or is not valid yet, or the
    /// peer stopped accepting our certificate while we were connected.
    #[error("the peer refused us: our certificate has expired or is not valid yet; renew it")]
    RefusedExpired,
    /// The peer refused us: it cannot use our certificate.
    #[error(
        "the peer refused us: it cannot use our certificate; issue it for client and server use"
    )]
    RefusedCertificate,
    /// The peer currently accepts no connections: it is shutting down, or busy with other
    /// handshakes.
    #[error(
        "the peer currently accepts no connections: it is shutting down or has too many handshakes; this node dials again"
    )]
    Busy,
    /// No answer in time: the node is down, the address is wrong, or UDP is blocked.
    #[error("no answer; check that the node is up, its address is correct, and UDP is not blocked")]
    TimedOut,
    /// The host name cannot be resolved, or the address cannot be dialled.
    #[error("the address cannot be dialled: {0}")]
    Address(String),
    /// The roster has no address for the node, so the node has to dial us.
    #[error(
        "the roster has no address for the peer; add one, or wait for the peer to dial this node"
    )]
    NoAddress,
    /// The peer ended the handshake, for example because the two nodes dialled each other and the
    /// other connection is kept.
    #[error("the peer ended the handshake ({0}); this node dials again unless it is connected")]
    Abandoned(String),
    /// The connection ended for another reason.
    #[error("the connection ended: {0}")]
    Closed(String),
}

/// The offset between the number of a TLS alert (RFC 8446, section 6) and its QUIC close code (RFC
/// 9001, section 4.8).
const ALERT_BASE: u64 = 0x100;
const BAD_CERTIFICATE: u64 = ALERT_BASE + 42;
const UNSUPPORTED_CERTIFICATE: u64 = ALERT_BASE + 43;
const CERTIFICATE_EXPIRED: u64 = ALERT_BASE + 45;
const UNKNOWN_CA: u64 = ALERT_BASE + 48;
const ACCESS_DENIED: u64 = ALERT_BASE + 49;
const DECRYPT_ERROR: u64 = ALERT_BASE + 51;
const CERTIFICATE_REQUIRED: u64 = ALERT_BASE + 116;
const NO_APPLICATION_PROTOCOL: u64 = ALERT_BASE + 120;
/// QUIC's code for a connection that an application closes during the handshake (RFC 9000, section
/// 10.2.3).
const APPLICATION_ERROR: u64 = 0x0c;
/// QUIC's code for a server that refuses to accept a new connection (RFC 9000, section 20.1).
const CONNECTION_REFUSED: u64 = 0x02;

impl HandshakeError {
    /// A short, stable label for counters.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NotInRoster { .. } => "not_in_roster",
            Self::WrongNode { .. } => "wrong_node",
            Self::OtherAuthority => "other_authority",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::UnusableCertificate(_) => "unusable_certificate",
            Self::KeyNotProved => "key_not_proved",
            Self::NoCertificate => "no_certificate",
            Self::WireVersion => "wire_version",
            Self::RefusedNotInRoster => "refused_not_in_roster",
            Self::RefusedWrongNode => "refused_wrong_node",
            Self::RefusedAuthority => "refused_authority",
            Self::RefusedExpired => "refused_expired",
            Self::RefusedCertificate => "refused_certificate",
            Self::Busy => "busy",
            Self::TimedOut => "timed_out",
            Self::Address(_) => "address",
            Self::NoAddress => "no_address",
            Self::Abandoned(_) => "abandoned",
            Self::Closed(_) => "closed",
        }
    }

    /// Converts an error of our own verification of a peer's certificate.
    pub(crate) fn of_verification(error: &rustls::Error) -> Self {
        let rustls::Error::InvalidCertificate(fault) = error else {
            return Self::UnusableCertificate(error.to_string());
        };
        match fault {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                Self::NotYetValid
            }
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                Self::OtherAuthority
            }
            _ => Self::UnusableCertificate(error.to_string()),
        }
    }

    /// Converts the error that ended a handshake, if our own verification did not fail.
    pub(crate) fn of_handshake(error: &ConnectionError) -> Self {
        match error {
            ConnectionError::ApplicationClosed(_) => Self::Abandoned(error.to_string()),
            ConnectionError::ConnectionClosed(close)
                if u64::from(close.error_code) == APPLICATION_ERROR =>
            {
                Self::Abandoned(error.to_string())
            }
            _ => Self::of_connection(error),
        }
    }

    /// Converts the error that ended a connection. If our certificate verifier refused the peer, its
    /// verdict is more precise.
    pub(crate) fn of_connection(error: &ConnectionError) -> Self {
        match error {
            ConnectionError::ConnectionClosed(close) => {
                Self::of_peers_code(close.error_code.into(), || error.to_string())
            }
            ConnectionError::TransportError(fault) => {
                Self::of_our_code(fault.code.into(), || error.to_string())
            }
            ConnectionError::TimedOut => Self::TimedOut,
            ConnectionError::VersionMismatch => Self::WireVersion,
            _ => Self::Closed(error.to_string()),
        }
    }

    fn of_peers_code(code: u64, text: impl FnOnce() -> String) -> Self {
        match code {
            ACCESS_DENIED => Self::RefusedNotInRoster,
            BAD_CERTIFICATE => Self::RefusedWrongNode,
            UNKNOWN_CA => Self::RefusedAuthority,
            CERTIFICATE_EXPIRED => Self::RefusedExpired,
            UNSUPPORTED_CERTIFICATE => Self::RefusedCertificate,
            NO_APPLICATION_PROTOCOL => Self::WireVersion,
            CONNECTION_REFUSED => Self::Busy,
            _ => Self::Closed(text()),
        }
    }

    fn of_our_code(code: u64, text: impl FnOnce() -> String) -> Self {
        match code {
            NO_APPLICATION_PROTOCOL => Self::WireVersion,
            CERTIFICATE_REQUIRED => Self::NoCertificate,
            DECRYPT_ERROR => Self::KeyNotProved,
            _ => Self::Closed(text()),
        }
    }
}
