//! Bare QUIC: the floor for any transfer between nodes.

use std::net::Ipv4Addr;
use std::sync::Arc;

use engram_gossip_net::{ClusterCa, Validity};
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{ClientConfig, Connection, Endpoint, ServerConfig};
use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::TLS13;

/// A connection to a server that answers each request with as many bytes as the request asks for.
/// Both ends use quinn's default settings and the cipher that nodes negotiate.
pub(crate) struct Bare {
    pub(crate) connection: Connection,
    _ends: [Endpoint; 2],
}

impl Bare {
    pub(crate) async fn connect(ca: &ClusterCa, validity: Validity) -> Self {
        let node = ca.issue_node("bare", validity).expect("a certificate");
        let certificate = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).expect("PEM");
        let key = PrivateKeyDer::from_pem_slice(node.key_pem.as_bytes()).expect("PEM");
        let server = rustls::ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13])
            .expect("a TLS 1.3 cipher suite")
            .with_no_client_auth()
            .with_single_cert(vec![certificate(&node.certificate_pem)], key)
            .expect("the key matches the certificate");
        let server = QuicServerConfig::try_from(server).expect("a cipher suite for QUIC");
        let server = ServerConfig::with_crypto(Arc::new(server));
        let server = Endpoint::server(server, (Ipv4Addr::LOCALHOST, 0).into()).expect("a port");
        tokio::spawn(answer(server.clone()));

        let mut roots = RootCertStore::empty();
        roots.add(certificate(ca.certificate_pem())).expect("an authority");
        let client = rustls::ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13])
            .expect("a TLS 1.3 cipher suite")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let client = QuicClientConfig::try_from(client).expect("a cipher suite for QUIC");
        let end = Endpoint::client((Ipv4Addr::LOCALHOST, 0).into()).expect("a port");
        let address = server.local_addr().expect("it is bound");
        let connecting = end.connect_with(ClientConfig::new(Arc::new(client)), address, "bare");
        let connection = connecting.expect("a good address").await.expect("a handshake");
        Self { connection, _ends: [server, end] }
    }
}

/// Sends `up` bytes, but at least 8, on a fresh stream, and receives `down` bytes.
pub(crate) async fn exchange(connection: &Connection, up: usize, down: usize) {
    let (mut send, mut recv) = connection.open_bi().await.expect("it is connected");
    let mut request = (down as u64).to_le_bytes().to_vec();
    request.resize(up.max(8), 0);
    send.write_chunk(request.into()).await.expect("it is connected");
    send.finish().expect("it is open");
    let mut received = 0;
    while let Some(chunk) = recv.read_chunk(usize::MAX, true).await.expect("it is connected") {
        received += chunk.bytes.len();
    }
    assert_eq!(received, down);
}

async fn answer(server: Endpoint) {
    let Some(incoming) = server.accept().await else { return };
    let Ok(connection) = incoming.await else { return };
    while let Ok((mut send, mut recv)) = connection.accept_bi().await {
        let Ok(request) = recv.read_to_end(1 << 30).await else { return };
        let len = request.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        _ = send.write_chunk(vec![0x5a; len as usize].into()).await;
        _ = send.finish();
    }
}

fn provider() -> Arc<CryptoProvider> {
    let cipher_suites = vec![TLS13_AES_128_GCM_SHA256];
    Arc::new(CryptoProvider { cipher_suites, ..default_provider() })
}
