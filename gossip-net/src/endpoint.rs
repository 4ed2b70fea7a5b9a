//! The UDP socket and its QUIC endpoint, which dials and accepts within the limits.

mod dialling;
mod names;

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use quinn::crypto::rustls::QuicServerConfig;
use quinn::{AsyncUdpSocket, IdleTimeout, Runtime as _, TokioRuntime, TransportConfig};
use quinn::{Connection, Endpoint, EndpointConfig, Incoming, ServerConfig, VarInt};
use quinn_proto::HashedConnectionIdGenerator;
use socket2::{Domain, Protocol, Socket as Socket2, Type};
use tokio::time::{Instant, timeout, timeout_at};

use self::names::Names;
use crate::limits::{self, HANDSHAKE_TIMEOUT};
use crate::tls::{self, Expected, PeerVerifier};
use crate::{BindError, HandshakeError, Identity, NetConfig, NodeId, Roster};

/// The endpoint of a node and the shared state of its handshakes.
pub(crate) struct Socket {
    /// `None` once the node has stopped: an endpoint that is not dropped keeps the port in use.
    endpoint: Mutex<Option<Endpoint>>,
    udp: Weak<dyn AsyncUdpSocket>,
    address: SocketAddr,
    transport: Arc<TransportConfig>,
    server: ServerConfig,
    handshakes: Arc<Handshakes>,
    pub(crate) names: Names,
}

impl Socket {
    /// Binds the address and starts the endpoint on the current tokio runtime.
    pub(crate) fn bind(config: &NetConfig, identity: &Identity) -> Result<Self, BindError> {
        let address = config.listen;
        let udp = udp(config).map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => BindError::InUse { address },
            _ => BindError::Address { address, source },
        })?;
        let transport = Arc::new(transport(config.idle_timeout()));
        // Each handshake replaces this verifier, because a verifier records one verdict.
        let nobody = PeerVerifier::new(identity.trust.clone(), Expected::Member(Arc::default()));
        let mut server = ServerConfig::with_crypto(server_crypto(identity, Arc::new(nobody)));
        server.transport_config(transport.clone()).migration(false);
        server.max_incoming(limits::MAX_INCOMING).incoming_buffer_size(limits::INCOMING_BUFFER);
        server.incoming_buffer_size_total(limits::INCOMING_BUFFER_TOTAL);
        let failed = |source| BindError::Address { address, source };
        let socket = Arc::downgrade(&udp);
        let endpoint = Endpoint::new_with_abstract_socket(
            endpoint_config(identity),
            Some(server.clone()),
            udp,
            Arc::new(TokioRuntime),
        )
        .map_err(failed)?;
        Ok(Self {
            address: endpoint.local_addr().map_err(failed)?,
            endpoint: Mutex::new(Some(endpoint)),
            udp: socket,
            transport,
            server,
            handshakes: Arc::default(),
            names: Names::of(config),
        })
    }

    /// The bound address, including the actual port.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The endpoint, unless the node has stopped.
    fn endpoint(&self) -> Option<Endpoint> {
        self.endpoint.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for the next connection attempt that the limits allow. Returns `None` once the
    /// endpoint is closed.
    ///
    /// Remotes beyond the limits are refused, or must prove their address first.
    pub(crate) async fn incoming(&self) -> Option<(Incoming, HandshakePermit)> {
        loop {
            let incoming = self.endpoint()?.accept().await?;
            let crowded = self.handshakes.running() >= limits::RETRY_ABOVE_HANDSHAKES;
            if crowded && incoming.may_retry() && !incoming.remote_address_validated() {
                _ = incoming.retry();
                continue;
            }
            match self.handshakes.begin(incoming.remote_address().ip().to_canonical()) {
                Some(permit) => return Some((incoming, permit)),
                None => incoming.refuse(),
            }
        }
    }

    /// Completes the handshake of a dialling peer. Returns the connection and the peer's id.
    pub(crate) async fn accept(
        &self,
        incoming: Incoming,
        identity: &Identity,
        roster: Arc<Roster>,
    ) -> Result<(Connection, NodeId), HandshakeError> {
        let verifier = PeerVerifier::new(identity.trust.clone(), Expected::Member(roster));
        let verifier = Arc::new(verifier);
        let mut server = self.server.clone();
        server.crypto = server_crypto(identity, verifier.clone());
        let connecting = incoming
            .accept_with(Arc::new(server))
            .map_err(|error| HandshakeError::of_connection(&error))?;
        let within = Instant::now() + HANDSHAKE_TIMEOUT;
        let connection = handshake(connecting, within, &verifier).await?;
        let peer = peer_id(&connection).ok_or(HandshakeError::NoCertificate)?;
        Ok((connection, peer))
    }

    /// Closes all connections. Waits at most `grace` for the peers to be notified, and then at most
    /// `grace` for the port to become free.
    pub(crate) async fn close(&self, grace: Duration) {
        let Some(endpoint) = self.abandon() else { return };
        if timeout(grace, endpoint.wait_idle()).await.is_err() {
            // A connection drains for seconds if its handshake was not complete.
            _ = leave_port(&endpoint);
        }
        drop(endpoint);
        let free = async {
            // The tasks of the endpoint and of its connections have just been woken, and are the
            // last holders of the socket.
            while self.udp.strong_count() > 0 {
                tokio::task::yield_now().await;
            }
        };
        _ = timeout(grace, free).await;
    }

    /// Closes all connections without waiting. Returns the endpoint, or `None` if it was already
    /// closed.
    pub(crate) fn abandon(&self) -> Option<Endpoint> {
        let endpoint = self.endpoint.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        endpoint.close(VarInt::from_u32(0), b"the node is shutting down");
        Some(endpoint)
    }
}

/// Moves a closed endpoint to another port, which frees the configured one.
fn leave_port(endpoint: &Endpoint) -> io::Result<()> {
    // An endpoint keeps its previous socket, so only the second rebind releases the original one.
    for _ in 0..2 {
        endpoint.rebind(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?)?;
    }
    Ok(())
}

/// Derives the keys of connection ids and of stateless reset tokens from the node's key. After a restart, the
/// endpoint can therefore answer packets of earlier connections with a reset, so that a peer
/// notices the restart at its next packet.
fn endpoint_config(identity: &Identity) -> EndpointConfig {
    let secret = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &identity.reset_secret);
    let tag = ring::hmac::sign(&secret, b"engram-gossip connection ids");
    let key = *tag.as_ref().first_chunk().expect("an HMAC-SHA256 tag has 32 bytes");
    let ids = move || HashedConnectionIdGenerator::from_key(u64::from_le_bytes(key));
    let mut config = EndpointConfig::new(Arc::new(secret));
    config.cid_generator(move || Box::new(ids()));
    config
}

fn udp(config: &NetConfig) -> io::Result<Arc<dyn AsyncUdpSocket>> {
    #[cfg(feature = "memory-network")]
    if let Some(network) = &config.network {
        return network.bind(config.listen);
    }
    TokioRuntime.wrap_udp_socket(bind(config.listen)?)
}

/// Binds an address. The unspecified IPv6 address also accepts IPv4, regardless of the system's
/// default.
fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket2::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        // This may fail on a system without IPv4, where it is not needed.
        _ = socket.set_only_v6(!address.ip().is_unspecified());
    }
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// The node id that the peer proved in the handshake.
pub(crate) fn peer_id(connection: &Connection) -> Option<NodeId> {
    tls::node_id(peer_chain(connection)?.first()?).ok()
}

/// The certificates that the peer presented.
pub(crate) fn peer_chain(
    connection: &Connection,
) -> Option<Vec<rustls::pki_types::CertificateDer<'static>>> {
    connection.peer_identity()?.downcast().ok().map(|chain| *chain)
}

async fn handshake(
    connecting: quinn::Connecting,
    within: Instant,
    verifier: &PeerVerifier,
) -> Result<Connection, HandshakeError> {
    let connection = timeout_at(within, connecting)
        .await
        .map_err(|_| HandshakeError::TimedOut)?
        // The fault that our verifier found is more precise than the resulting alert.
        .map_err(|error| {
            verifier.verdict().unwrap_or_else(|| HandshakeError::of_handshake(&error))
        })?;
    match speaks_our_version(&connection) {
        true => Ok(connection),
        false => Err(HandshakeError::WireVersion),
    }
}

/// TLS refuses a peer that offers only other protocols; this check catches a peer that offers none.
fn speaks_our_version(connection: &Connection) -> bool {
    let data = connection
        .handshake_data()
        .and_then(|data| data.downcast::<quinn::crypto::rustls::HandshakeData>().ok()?.protocol);
    data.as_deref() == Some(tls::ALPN)
}

fn server_crypto(identity: &Identity, verifier: Arc<PeerVerifier>) -> Arc<QuicServerConfig> {
    let crypto = QuicServerConfig::try_from(tls::server_config(identity, verifier))
        .expect("ring has the cipher suite of QUIC's first packets");
    Arc::new(crypto)
}

fn transport(idle_timeout: Duration) -> TransportConfig {
    let mut transport = TransportConfig::default();
    let idle = IdleTimeout::try_from(idle_timeout).expect("a day in milliseconds fits in 62 bits");
    transport
        .max_idle_timeout(Some(idle))
        .keep_alive_interval(Some(idle_timeout / 3))
        .max_concurrent_bidi_streams(limits::MAX_STREAMS.into())
        .max_concurrent_uni_streams(0_u32.into())
        .stream_receive_window(limits::STREAM_WINDOW.into())
        .receive_window(limits::CONNECTION_WINDOW.into())
        .send_window(limits::SEND_WINDOW)
        .datagram_receive_buffer_size(Some(limits::DATAGRAM_RECEIVE_BUFFER))
        .datagram_send_buffer_size(limits::DATAGRAM_SEND_BUFFER)
        .crypto_buffer_size(limits::CRYPTO_BUFFER)
        // The spin bit would let an observer measure the round-trip time.
        .allow_spin(false);
    transport
}

/// The number of running incoming handshakes by address.
#[derive(Default)]
struct Handshakes {
    by_address: Mutex<BTreeMap<IpAddr, usize>>,
}

/// The permit for one handshake, released on drop.
pub(crate) struct HandshakePermit {
    handshakes: Arc<Handshakes>,
    address: IpAddr,
}

impl Handshakes {
    fn running(&self) -> usize {
        self.lock().values().sum()
    }

    fn begin(self: &Arc<Self>, address: IpAddr) -> Option<HandshakePermit> {
        let mut by_address = self.lock();
        if by_address.values().sum::<usize>() >= limits::MAX_HANDSHAKES {
            return None;
        }
        let running = by_address.entry(address).or_default();
        if *running >= limits::MAX_HANDSHAKES_PER_ADDRESS {
            return None;
        }
        *running += 1;
        Some(HandshakePermit { handshakes: self.clone(), address })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<IpAddr, usize>> {
        // Each count changes in one step, so a panicking holder cannot leave the counts
        // inconsistent.
        self.by_address.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for HandshakePermit {
    fn drop(&mut self) {
        let mut by_address = self.handshakes.lock();
        if let Some(running) = by_address.get_mut(&self.address) {
            *running -= 1;
            if *running == 0 {
                by_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests;
