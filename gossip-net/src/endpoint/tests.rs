//! Tests that reach each limit of handshakes and of the quinn transport.

use super::*;

#[test]
fn handshakes_are_limited_per_address_and_total() {
    let handshakes = Arc::new(Handshakes::default());
    let address = |n: u8| IpAddr::from([10, 0, 0, n]);
    let fill = |n: u8| std::iter::from_fn(|| handshakes.begin(address(n))).collect::<Vec<_>>();
    let first = fill(1);
    assert_eq!(first.len(), limits::MAX_HANDSHAKES_PER_ADDRESS);
    let others: Vec<_> = (2..=9).flat_map(fill).collect();
    assert_eq!(first.len() + others.len(), limits::MAX_HANDSHAKES);
    drop(first);
    assert!(handshakes.begin(address(1)).is_some());
    drop(others);
    assert_eq!(handshakes.running(), 0);
    assert!(handshakes.lock().is_empty(), "idle addresses are removed");
}

/// Two ends of one connection on an in-memory network, without the rest of a node.
#[cfg(all(feature = "ca", feature = "memory-network"))]
mod two_ends {
    use std::future::poll_fn;
    use std::io::IoSliceMut;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::SystemTime;

    use quinn::ClientConfig;
    use quinn::congestion::CubicConfig;
    use quinn::crypto::rustls::QuicClientConfig;
    use quinn::udp::{RecvMeta, Transmit};
    use quinn::{RecvStream, SendStream};
    use tokio::task::JoinSet;
    use tokio::time::{Instant, sleep};

    use super::*;
    use crate::dial::Target;
    use crate::{ClusterCa, Member, MemoryNetwork, Validity};

    const SECOND: Duration = Duration::from_secs(1);

    struct Ends {
        network: MemoryNetwork,
        identities: [Identity; 2],
        sockets: [Arc<Socket>; 2],
    }

    fn address(n: u8) -> SocketAddr {
        ([10, 0, 0, n], 7700).into()
    }

    impl Ends {
        fn new() -> Self {
            let network = MemoryNetwork::new(1);
            let validity = Validity::days_from(SystemTime::now(), 1);
            let ca = ClusterCa::generate("test", validity).unwrap();
            let identities = ["a", "b"].map(|name| {
                let issued = ca.issue_node(name, validity).unwrap();
                let (certificate, key) = (&issued.certificate_pem, &issued.key_pem);
                Identity::from_pem(ca.certificate_pem(), certificate, key).unwrap()
            });
            let socket = |n: u8| {
                let mut config = NetConfig::new(address(n));
                config.network = Some(network.clone());
                Arc::new(Socket::bind(&config, &identities[usize::from(n) - 1]).unwrap())
            };
            let sockets = [socket(1), socket(2)];
            Self { network, identities, sockets }
        }

        fn dial(
            &self,
            to: SocketAddr,
        ) -> impl Future<Output = Result<Connection, HandshakeError>> + 'static {
            let ([a, b], socket) = (self.identities.clone(), self.sockets[0].clone());
            async move {
                let (node, on_met) = (b.node_id(), Arc::new(|_, _| ()));
                let target = Target { node, addresses: vec![to], on_met };
                socket.dial(target, HANDSHAKE_TIMEOUT, &a).await
            }
        }

        /// Accepts the next connection attempt at the second end. Also returns whether the remote
        /// address had been validated.
        async fn accept(&self) -> (Result<Connection, HandshakeError>, bool) {
            let (incoming, _permit) = self.sockets[1].incoming().await.unwrap();
            let proved = incoming.remote_address_validated();
            let id = self.identities[0].node_id();
            let roster = Roster::new([Member { id, name: "a".into(), address: None }]).unwrap();
            let accepted =
                self.sockets[1].accept(incoming, &self.identities[1], Arc::new(roster)).await;
            (accepted.map(|(connection, _)| connection), proved)
        }

        async fn connect(&self) -> [Connection; 2] {
            let (dialled, (accepted, _)) = tokio::join!(self.dial(address(2)), self.accept());
            [dialled.unwrap(), accepted.unwrap()]
        }
    }

    /// Opens streams and writes to each until the limits block further writes. Returns the number
    /// of bytes per stream.
    async fn write_all_there_is(connection: &Connection) -> Vec<usize> {
        let mut open: Vec<(SendStream, RecvStream)> = Vec::new();
        let mut taken = Vec::new();
        while let Ok(Ok((mut send, recv))) = timeout(SECOND, connection.open_bi()).await {
            let mut bytes = 0;
            while let Ok(Ok(some)) = timeout(SECOND, send.write(&[0; 4096])).await {
                bytes += some;
            }
            taken.push(bytes);
            open.push((send, recv));
        }
        taken
    }

    #[tokio::test(start_paused = true)]
    async fn unread_bytes_stop_at_the_windows() {
        let [dialled, _accepted] = Ends::new().connect().await;
        let taken = write_all_there_is(&dialled).await;
        assert_eq!(taken.len(), usize::try_from(limits::MAX_STREAMS).unwrap());
        assert_eq!(taken[0], usize::try_from(limits::STREAM_WINDOW).unwrap());
        let total: usize = taken.iter().sum();
        assert_eq!(total, usize::try_from(limits::CONNECTION_WINDOW).unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn unacknowledged_bytes_stop_at_the_send_window() {
        let ends = Ends::new();
        let [dialled, _accepted] = ends.connect().await;
        ends.network.cut(|_, _| true);
        let total: usize = write_all_there_is(&dialled).await.iter().sum();
        assert_eq!(total, usize::try_from(limits::SEND_WINDOW).unwrap());
    }

    /// Reads the available datagrams. Returns the first byte of each.
    async fn datagrams(connection: &Connection) -> Vec<u8> {
        let mut came = Vec::new();
        while let Ok(Ok(datagram)) = timeout(SECOND, connection.read_datagram()).await {
            came.push(datagram[0]);
        }
        came
    }

    const DATAGRAM: usize = 1000;

    #[tokio::test(start_paused = true)]
    async fn oldest_queued_datagram_is_dropped() {
        let [dialled, accepted] = Ends::new().connect().await;
        (0..100).for_each(|n| dialled.send_datagram(vec![n; DATAGRAM].into()).unwrap());
        let came = datagrams(&accepted).await;
        let fit = limits::DATAGRAM_SEND_BUFFER / DATAGRAM;
        assert!((fit - 1..=fit).contains(&came.len()), "{came:?}");
        assert_eq!(came.last(), Some(&99));
    }

    #[tokio::test(start_paused = true)]
    async fn oldest_unread_datagram_is_dropped() {
        let [dialled, accepted] = Ends::new().connect().await;
        for n in 0..100 {
            dialled.send_datagram(vec![n; DATAGRAM].into()).unwrap();
            sleep(SECOND / 100).await;
        }
        let came = datagrams(&accepted).await;
        let fit = limits::DATAGRAM_RECEIVE_BUFFER / DATAGRAM;
        assert!((fit - 1..=fit).contains(&came.len()), "{came:?}");
        assert_eq!(came.last(), Some(&99));
    }

    #[tokio::test(start_paused = true)]
    async fn incoming_attempts_over_the_limit_are_ignored() {
        let ends = Ends::new();
        let mut dials = JoinSet::new();
        (0..limits::MAX_INCOMING + 10).for_each(|_| _ = dials.spawn(ends.dial(address(2))));
        let begun = Instant::now();
        for dialled in dials.join_all().await {
            assert_eq!(dialled.unwrap_err(), HandshakeError::TimedOut);
        }
        assert_eq!(begun.elapsed().as_secs(), HANDSHAKE_TIMEOUT.as_secs());
        let endpoint = ends.sockets[1].endpoint().unwrap();
        let mut waiting = Vec::new();
        while let Ok(Some(incoming)) = timeout(SECOND, endpoint.accept()).await {
            waiting.push(incoming);
        }
        assert_eq!(waiting.len(), limits::MAX_INCOMING);
    }

    #[tokio::test(start_paused = true)]
    async fn many_handshakes_require_a_retry() {
        for (running, has_to) in
            [(limits::RETRY_ABOVE_HANDSHAKES - 1, false), (limits::RETRY_ABOVE_HANDSHAKES, true)]
        {
            let ends = Ends::new();
            let begin = |n| ends.sockets[1].handshakes.begin(([10, 1, 0, n as u8]).into());
            let _running: Vec<_> = (0..running).map(|n| begin(n).unwrap()).collect();
            let (dialled, (accepted, proved)) = tokio::join!(ends.dial(address(2)), ends.accept());
            assert!(dialled.is_ok() && accepted.is_ok());
            assert_eq!(proved, has_to, "with {running} running handshakes");
        }
    }

    /// Starts a relay between its client and the second end. The relay sends the client's first
    /// packet `copies` times. Returns the relay's address.
    fn echo(network: &MemoryNetwork, n: u8, copies: usize) -> SocketAddr {
        let at = SocketAddr::from(([10, 2, 0, n], 7700));
        let socket = network.bind(at).unwrap();
        tokio::spawn(async move {
            let (mut buffer, mut meta) = ([0; 2048], [RecvMeta::default()]);
            let (mut speaker, mut copies) = (None, copies);
            loop {
                let receive = poll_fn(|context| {
                    socket.poll_recv(context, &mut [IoSliceMut::new(&mut buffer)], &mut meta)
                });
                receive.await.unwrap();
                let (from, contents) = (meta[0].addr, &buffer[..meta[0].len]);
                let to = if from == address(2) { speaker } else { Some(address(2)) };
                let Some(destination) = to else { continue };
                let times = if from == address(2) { 1 } else { std::mem::replace(&mut copies, 1) };
                speaker = if from == address(2) { speaker } else { Some(from) };
                for _ in 0..times {
                    let (ecn, segment_size, src_ip) = (None, None, None);
                    let packet = Transmit { destination, ecn, contents, segment_size, src_ip };
                    socket.try_send(&packet).unwrap();
                }
            }
        });
        at
    }

    /// Maximum number of bytes that the rest of a handshake adds to the buffered first packets.
    const HANDSHAKE_BYTES: u64 = 8 * 1024;

    #[tokio::test(start_paused = true)]
    async fn waiting_attempt_buffers_up_to_the_limit() {
        let ends = Ends::new();
        let dialled = tokio::spawn(ends.dial(echo(&ends.network, 1, 100)));
        sleep(SECOND).await;
        let connection = ends.accept().await.0.unwrap();
        let kept = connection.stats().udp_rx.bytes;
        let limit = limits::INCOMING_BUFFER;
        assert!((limit - 1500..limit + HANDSHAKE_BYTES).contains(&kept), "{kept}");
        dialled.await.unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_attempts_share_one_buffer_limit() {
        const ATTEMPTS: u8 = 80;
        let ends = Ends::new();
        let mut dialled = JoinSet::new();
        for n in 0..ATTEMPTS {
            dialled.spawn(ends.dial(echo(&ends.network, n, 60)));
        }
        sleep(SECOND).await;
        let mut kept = 0;
        for _ in 0..ATTEMPTS {
            kept += ends.accept().await.0.unwrap().stats().udp_rx.bytes;
        }
        let limit = limits::INCOMING_BUFFER_TOTAL;
        assert!(u64::from(ATTEMPTS) * limits::INCOMING_BUFFER > limit);
        let most = limit + u64::from(ATTEMPTS) * HANDSHAKE_BYTES;
        assert!((limit - 1500..most).contains(&kept), "{kept}");
    }

    /// Returns the error at the second end when the peer presents a chain of `certificates`
    /// certificates and one of the chain's packets is lost.
    async fn refusal(certificates: usize) -> HandshakeError {
        let mut ends = Ends::new();
        let [identity, other] = &mut ends.identities;
        let certificate = identity.certified.cert[0].clone();
        let chain = vec![certificate; certificates];
        let key = identity.certified.key.clone();
        identity.certified = Arc::new(rustls::sign::CertifiedKey::new(chain, key));
        let expected = Expected::Node(other.node_id());
        let verifier = Arc::new(PeerVerifier::new(identity.trust.clone(), expected));
        let crypto =
            QuicClientConfig::try_from(tls::client_config(identity, verifier.clone())).unwrap();
        let mut client = ClientConfig::new(Arc::new(crypto));
        // Send everything without waiting for acknowledgements.
        let mut congestion = CubicConfig::default();
        congestion.initial_window(1 << 20);
        let mut hasty = transport(SECOND * 60);
        hasty.congestion_controller_factory(Arc::new(congestion));
        client.transport_config(Arc::new(hasty));
        let sent = AtomicUsize::new(0);
        ends.network
            .cut(move |from, _| from == address(1) && sent.fetch_add(1, Ordering::Relaxed) == LOST);
        let endpoint = ends.sockets[0].endpoint().unwrap();
        let connecting = endpoint.connect_with(client, address(2), tls::SERVER_NAME).unwrap();
        // Dropping the connection would close it.
        let _kept = tokio::spawn(async move {
            let _connection = connecting.await;
            std::future::pending::<()>().await;
        });
        ends.accept().await.0.unwrap_err()
    }

    /// The index of the dialler's first packet that carries certificates.
    const LOST: usize = 2;

    #[tokio::test(start_paused = true)]
    async fn out_of_order_handshake_bytes_are_limited() {
        let certificate = Ends::new().identities[0].certified.cert[0].len();
        let fits = limits::CRYPTO_BUFFER / 2 / certificate;
        assert!(fits > limits::MAX_CHAIN, "only the chain length is over its limit");
        let refused = refusal(fits).await;
        assert!(matches!(&refused, HandshakeError::UnusableCertificate(_)), "{refused:?}");
        let refused = refusal(limits::CRYPTO_BUFFER * 2 / certificate).await;
        assert!(matches!(&refused, HandshakeError::Closed(_)), "{refused:?}");
    }
}
