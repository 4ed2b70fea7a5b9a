//! TLS 1.3 with certificates on both sides. In addition to the issuing authority, the verifier
//! checks the key against a pinned key or the roster.

use std::sync::{Arc, OnceLock};

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::cipher_suite::{
    TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256,
};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoServerSessionStorage, ParsedCertificate};
use rustls::sign::SingleCertAndKey;
use rustls::version::TLS13;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, PeerIncompatible,
    ServerConfig, SignatureScheme,
};

use crate::identity::{Identity, Trust};
use crate::limits::MAX_CHAIN;
use crate::{HandshakeError, NodeId, Roster};

/// The ALPN protocol name. It changes with every incompatible change to the wire format.
pub(crate) const ALPN: &[u8] = b"engram-gossip/1";

/// The server name of every dial. It has no meaning, because keys are pinned and names are ignored.
pub(crate) const SERVER_NAME: &str = "engram-gossip.invalid";

/// Returns the crypto provider. It is passed explicitly everywhere, because the process-wide
/// default may be missing or set by another crate.
///
/// AES-128 comes first: it matches the strength of P-256 certificates, and many CPUs accelerate the
/// SHA-256 of its suite.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    let suites =
        vec![TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256];
    Arc::new(CryptoProvider { cipher_suites: suites, ..default_provider() })
}

/// The id of the certificate's key.
pub(crate) fn node_id(certificate: &CertificateDer<'_>) -> Result<NodeId, rustls::Error> {
    let parsed = ParsedCertificate::try_from(certificate)?;
    Ok(NodeId::of_public_key(parsed.subject_public_key_info().as_ref()))
}

/// The configuration of one dial; `verifier` records the verdict.
pub(crate) fn client_config(identity: &Identity, verifier: Arc<PeerVerifier>) -> ClientConfig {
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .expect("ring has cipher suites for TLS 1.3")
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity.certified.clone())));
    config.alpn_protocols = vec![ALPN.to_vec()];
    // A resumed session would skip verification, so an evicted node could reconnect with it.
    config.resumption = Resumption::disabled();
    config.enable_early_data = false;
    config
}

/// The configuration of one accepted handshake; `verifier` records the verdict.
pub(crate) fn server_config(identity: &Identity, verifier: Arc<PeerVerifier>) -> ServerConfig {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .expect("ring has cipher suites for TLS 1.3")
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(identity.certified.clone())));
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    config
}

/// The acceptable keys.
#[derive(Debug)]
pub(crate) enum Expected {
    /// The key of the node that we dialled.
    Node(NodeId),
    /// The key of any member, if the peer dialled us.
    Member(Arc<Roster>),
}

/// Verifies one peer: its certificate chain by the rules of the Web PKI, its node id, and its
/// possession of the key.
#[derive(Debug)]
pub(crate) struct PeerVerifier {
    trust: Trust,
    expected: Expected,
    provider: Arc<CryptoProvider>,
    verdict: OnceLock<HandshakeError>,
}

impl PeerVerifier {
    pub(crate) fn new(trust: Trust, expected: Expected) -> Self {
        Self { trust, expected, provider: provider(), verdict: OnceLock::new() }
    }

    /// The reason why the peer was refused, if it was.
    pub(crate) fn verdict(&self) -> Option<HandshakeError> {
        self.verdict.get().cloned()
    }

    /// Verifies a chain outside a handshake, for use both as a server and as a client.
    pub(crate) fn check_chain(
        &self,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), HandshakeError> {
        let (end_entity, intermediates) =
            chain.split_first().ok_or(HandshakeError::NoCertificate)?;
        self.check_as_server(end_entity, intermediates, now)
            .and_then(|()| self.trust.clients.verify_client_cert(end_entity, intermediates, now))
            .map_err(|error| HandshakeError::of_verification(&error))?;
        self.check_key(end_entity)
    }

    fn check_as_server(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), rustls::Error> {
        verify_server_cert_signed_by_trust_anchor(
            &ParsedCertificate::try_from(end_entity)?,
            &self.trust.roots,
            intermediates,
            now,
            self.provider.signature_verification_algorithms.all,
        )
    }

    fn check_key(&self, end_entity: &CertificateDer<'_>) -> Result<(), HandshakeError> {
        let found = node_id(end_entity).map_err(|e| HandshakeError::of_verification(&e))?;
        match &self.expected {
            Expected::Node(expected) if *expected != found => {
                Err(HandshakeError::WrongNode { expected: *expected, found })
            }
            Expected::Member(roster) if !roster.contains(&found) => {
                Err(HandshakeError::NotInRoster { node: found })
            }
            _ => Ok(()),
        }
    }

    /// Records the reason for a refusal, and returns the most specific alert for it.
    fn conclude(
        &self,
        chain: Result<(), rustls::Error>,
        end_entity: &CertificateDer<'_>,
    ) -> Result<(), rustls::Error> {
        let verdict = chain
            .map_err(|error| HandshakeError::of_verification(&error))
            .and_then(|()| self.check_key(end_entity));
        verdict.map_err(|verdict| {
            let alert = match verdict {
                HandshakeError::Expired | HandshakeError::NotYetValid => CertificateError::Expired,
                HandshakeError::OtherAuthority => CertificateError::UnknownIssuer,
                HandshakeError::WrongNode { .. } => CertificateError::NotValidForName,
                HandshakeError::NotInRoster { .. } => {
                    CertificateError::ApplicationVerificationFailure
                }
                _ => CertificateError::InvalidPurpose,
            };
            _ = self.verdict.set(verdict);
            alert.into()
        })
    }

    fn check_length(intermediates: &[CertificateDer<'_>]) -> Result<(), rustls::Error> {
        match intermediates.len() < MAX_CHAIN {
            true => Ok(()),
            false => Err(CertificateError::BadEncoding.into()),
        }
    }
}

impl ServerCertVerifier for PeerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let chain = Self::check_length(intermediates)
            .and_then(|()| self.check_as_server(end_entity, intermediates, now));
        self.conclude(chain, end_entity).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(PeerIncompatible::Tls13RequiredForQuic.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.trust.clients.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.trust.clients.supported_verify_schemes()
    }
}

impl ClientCertVerifier for PeerVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        // The dialler has one certificate and needs no hint, and unauthenticated remotes need not
        // learn our authorities' names.
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let chain = Self::check_length(intermediates).and_then(|()| {
            self.trust.clients.verify_client_cert(end_entity, intermediates, now).map(|_| ())
        });
        self.conclude(chain, end_entity).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(PeerIncompatible::Tls13RequiredForQuic.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.trust.clients.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.trust.clients.supported_verify_schemes()
    }
}
