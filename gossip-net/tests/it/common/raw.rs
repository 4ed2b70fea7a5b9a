//! QUIC peers that break the rules: bare endpoints without the crate's checks.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use engram_gossip_net::{MemoryNetwork, limits};
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{
    ClientConfig, Connecting, Connection, ConnectionError, Endpoint, EndpointConfig, RecvStream,
    ServerConfig, TokioRuntime, TransportConfig,
};
use rustls::DigitallySignedStruct;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256;
use rustls::crypto::ring::default_provider;
use rustls::crypto::{CryptoProvider, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::{DEADLINE, Ready};

/// The certificate that a raw client presents.
pub(crate) enum Certificate<'a> {
    None,
    Of(&'a Ready),
    /// The same certificate several times.
    Chain {
        of: &'a Ready,
        length: usize,
    },
    /// A certificate with another node's key.
    Stolen {
        certificate: &'a Ready,
        key: &'a Ready,
    },
}

/// A client that does not follow the protocol.
pub(crate) struct RawClient(Endpoint);

/// A server that presents a certificate and requests none.
pub(crate) struct RawServer {
    pub(crate) address: SocketAddr,
    _endpoint: Endpoint,
}

pub(crate) fn raw_client() -> RawClient {
    RawClient(Endpoint::client((Ipv4Addr::LOCALHOST, 0).into()).unwrap())
}

/// Transport settings like those of a node's connections, with a shorter idle time-out.
pub(crate) fn like_a_node() -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport
        .max_idle_timeout(Some(Duration::from_secs(90).try_into().unwrap()))
        .keep_alive_interval(Some(Duration::from_secs(30)))
        .max_concurrent_bidi_streams(limits::MAX_STREAMS.into())
        .stream_receive_window(limits::STREAM_WINDOW.into())
        .receive_window(limits::CONNECTION_WINDOW.into())
        .send_window(limits::SEND_WINDOW)
        .allow_spin(false);
    transport
}

/// The transport settings of a raw client, without an idle time-out.
pub(crate) fn patient() -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport.max_idle_timeout(None);
    transport
}

impl RawClient {
    /// Creates a client on an in-memory network.
    pub(crate) fn on(network: &MemoryNetwork, host: [u8; 4]) -> Self {
        let (config, runtime) = (EndpointConfig::default(), Arc::new(TokioRuntime));
        let socket = network.bind((host, 0).into()).unwrap();
        Self(Endpoint::new_with_abstract_socket(config, None, socket, runtime).unwrap())
    }

    /// Connects with the given transport settings.
    pub(crate) async fn connect_with(
        &self,
        config: rustls::ClientConfig,
        address: SocketAddr,
        transport: TransportConfig,
    ) -> Result<Connection, ConnectionError> {
        self.dial_with(config, address, transport).await
    }

    pub(crate) async fn connect(
        &self,
        config: rustls::ClientConfig,
        address: SocketAddr,
    ) -> Result<Connection, ConnectionError> {
        self.dial(config, address).await
    }

    /// Connects, waits until the node refuses or closes the connection, and returns the reason.
    pub(crate) async fn connect_and_wait(
        &self,
        config: rustls::ClientConfig,
        address: SocketAddr,
    ) -> String {
        let closed = async {
            match self.connect(config, address).await {
                Ok(connection) => connection.closed().await,
                Err(error) => error,
            }
        };
        let closed = timeout(DEADLINE, closed).await.expect("the node closes the connection");
        match &closed {
            ConnectionError::ConnectionClosed(close) => {
                let code = u64::from(close.error_code);
                format!("{} {closed}", code.saturating_sub(0x100))
            }
            _ => closed.to_string(),
        }
    }

    /// Tries to open a connection that can send 0-RTT data.
    pub(crate) fn connect_early(
        &self,
        config: rustls::ClientConfig,
        address: SocketAddr,
    ) -> Result<(), ()> {
        self.dial(config, address).into_0rtt().map(|_| ()).map_err(|_| ())
    }

    fn dial(&self, config: rustls::ClientConfig, address: SocketAddr) -> Connecting {
        self.dial_with(config, address, patient())
    }

    fn dial_with(
        &self,
        config: rustls::ClientConfig,
        address: SocketAddr,
        transport: TransportConfig,
    ) -> Connecting {
        let crypto = QuicClientConfig::try_from(config).unwrap();
        let mut config = ClientConfig::new(Arc::new(crypto));
        config.transport_config(Arc::new(transport));
        self.0.connect_with(config, address, "anything").unwrap()
    }
}

pub(crate) fn client_config(certificate: Certificate<'_>, alpn: &[&[u8]]) -> rustls::ClientConfig {
    let builder = rustls::ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Trusting(provider())));
    let mut config = match certificate {
        Certificate::None => builder.with_no_client_auth(),
        Certificate::Of(ready) => builder.with_client_cert_resolver(resolver(ready, ready, 1)),
        Certificate::Chain { of, length } => {
            builder.with_client_cert_resolver(resolver(of, of, length))
        }
        Certificate::Stolen { certificate, key } => {
            builder.with_client_cert_resolver(resolver(certificate, key, 1))
        }
    };
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    config
}

pub(crate) fn raw_server(ready: &Ready, alpn: &[&[u8]]) -> RawServer {
    serve(ready, alpn, |connection| async move {
        connection.closed().await;
    })
}

/// Starts a server that answers each request with the requested number of bytes. It accepts streams
/// in a loop and answers each one in a separate task. The number of tasks is limited, and each
/// answer has a deadline.
pub(crate) fn echo_server(ready: &Ready, alpn: &[&[u8]]) -> RawServer {
    serve(ready, alpn, |connection| async move {
        let permits = Arc::new(Semaphore::new(limits::MAX_STREAMS as usize));
        while let Ok((mut send, mut recv)) = connection.accept_bi().await {
            let Ok(permit) = permits.clone().acquire_owned().await else { return };
            tokio::spawn(async move {
                let answered = timeout(DEADLINE, async {
                    let request = read_message(&mut recv).await;
                    let len = request.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
                    send.write_all(&message(len as usize, 0)).await.unwrap();
                    send.finish().unwrap();
                });
                answered.await.unwrap();
                drop(permit);
            });
        }
    })
}

/// Sends a request of `up` bytes on a new stream and receives a response of `down` bytes. Both have
/// a length prefix, as in a minimal protocol.
pub(crate) async fn exchange(connection: &Connection, up: usize, down: usize) {
    let answer = timeout(DEADLINE, async {
        let (mut send, mut recv) = connection.open_bi().await.unwrap();
        send.write_all(&message(up, u32::try_from(down).unwrap())).await.unwrap();
        send.finish().unwrap();
        read_message(&mut recv).await
    });
    assert_eq!(answer.await.unwrap().len() + LENGTH, down);
}

/// Size of the length prefix in bytes.
const LENGTH: usize = 4;

/// Returns a message of `len` bytes in total.
fn message(len: usize, number: u32) -> Vec<u8> {
    let mut message = u32::try_from(len - LENGTH).unwrap().to_le_bytes().to_vec();
    message.extend(number.to_le_bytes());
    message.resize(len, 0);
    message
}

async fn read_message(recv: &mut RecvStream) -> Vec<u8> {
    let mut len = [0; LENGTH];
    recv.read_exact(&mut len).await.unwrap();
    let len = u32::from_le_bytes(len) as usize;
    assert!(len <= MAX_MESSAGE, "a message of {len} bytes is too long");
    let mut message = vec![0; len];
    recv.read_exact(&mut message).await.unwrap();
    assert!(recv.read_chunk(1, true).await.unwrap().is_none(), "one message per stream");
    message
}

/// Maximum length of a message in bytes.
const MAX_MESSAGE: usize = 1 << 30;

fn serve<F: Future<Output = ()> + Send + 'static>(
    ready: &Ready,
    alpn: &[&[u8]],
    answer: impl Fn(Connection) -> F + Copy + Send + 'static,
) -> RawServer {
    let config = server_config(ready, alpn);
    let endpoint = Endpoint::server(config, (Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let address = endpoint.local_addr().unwrap();
    let accepting = endpoint.clone();
    tokio::spawn(async move {
        while let Some(incoming) = accepting.accept().await {
            tokio::spawn(async move {
                if let Ok(connection) = incoming.await {
                    answer(connection).await;
                }
            });
        }
    });
    RawServer { address, _endpoint: endpoint }
}

/// Starts a server on an in-memory network. It accepts nothing by itself.
pub(crate) fn raw_server_on(
    network: &MemoryNetwork,
    address: SocketAddr,
    ready: &Ready,
    alpn: &[&[u8]],
) -> Endpoint {
    let (config, runtime) = (EndpointConfig::default(), Arc::new(TokioRuntime));
    let socket = network.bind(address).unwrap();
    let server = Some(server_config(ready, alpn));
    Endpoint::new_with_abstract_socket(config, server, socket, runtime).unwrap()
}

fn server_config(ready: &Ready, alpn: &[&[u8]]) -> ServerConfig {
    let mut config = rustls::ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(resolver(ready, ready, 1));
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    let crypto = QuicServerConfig::try_from(config).unwrap();
    let mut config = ServerConfig::with_crypto(Arc::new(crypto));
    config.transport_config(Arc::new(like_a_node()));
    config
}

fn resolver(certificate: &Ready, key: &Ready, length: usize) -> Arc<SingleCertAndKey> {
    let pem = certificate.credentials.certificate_pem.as_bytes();
    let chain = vec![CertificateDer::from_pem_slice(pem).unwrap(); length];
    let key = PrivateKeyDer::from_pem_slice(key.credentials.key_pem.as_bytes()).unwrap();
    let key = provider().key_provider.load_private_key(key).unwrap();
    Arc::new(SingleCertAndKey::from(CertifiedKey::new(chain, key)))
}

fn provider() -> Arc<CryptoProvider> {
    // Use the cipher that nodes negotiate, so that a bare connection has the same cost.
    let cipher_suites = vec![TLS13_AES_128_GCM_SHA256];
    Arc::new(CryptoProvider { cipher_suites, ..default_provider() })
}

/// Accepts every server certificate.
#[derive(Debug)]
struct Trusting(Arc<CryptoProvider>);

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        unreachable!("QUIC uses only TLS 1.3")
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// Counts the session tickets that a server issues.
#[derive(Debug, Default)]
pub(crate) struct TicketCounter(AtomicUsize);

impl TicketCounter {
    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl rustls::client::ClientSessionStore for TicketCounter {
    fn set_kx_hint(&self, _: ServerName<'static>, _: rustls::NamedGroup) {}

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<rustls::NamedGroup> {
        None
    }

    fn set_tls12_session(
        &self,
        _: ServerName<'static>,
        _: rustls::client::Tls12ClientSessionValue,
    ) {
    }

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<rustls::client::Tls12ClientSessionValue> {
        None
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {}

    fn insert_tls13_ticket(
        &self,
        _: ServerName<'static>,
        _: rustls::client::Tls13ClientSessionValue,
    ) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    fn take_tls13_ticket(
        &self,
        _: &ServerName<'static>,
    ) -> Option<rustls::client::Tls13ClientSessionValue> {
        None
    }
}
