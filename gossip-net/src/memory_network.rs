//! An in-memory network, which carries the UDP packets of nodes in virtual time and without
//! sockets.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use fastrand::Rng;
use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, UdpPoller};
use tokio::time::{Instant, Sleep, sleep_until};

/// Bytes of the IP and UDP headers of each datagram.
const HEADERS: u64 = 20 + 8;

/// An in-memory network for tests (feature `memory-network`). Its nodes can reach only each other.
///
/// Set it as [`NetConfig::network`](crate::NetConfig::network). With tokio's time paused, a run
/// takes only its computation time, and the seed determines the lost packets. Paused time requires
/// a current-thread runtime, on which `tokio::task::block_in_place` panics; the section "Blocking
/// stores" of the [crate documentation](crate) shows a function that checks the runtime.
#[derive(Clone)]
pub struct MemoryNetwork {
    inner: Arc<Mutex<Inner>>,
    /// The wall time and tokio's time when the network was created.
    made: (SystemTime, Instant),
}

/// The conditions of a [`MemoryNetwork`] (feature `memory-network`).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Conditions {
    /// Minimum latency of a packet.
    pub latency: Duration,
    /// Maximum random addition to the latency, which may reorder packets.
    pub jitter: Duration,
    /// The fraction of packets that are lost.
    pub loss: f64,
    /// The fraction of packets that arrive twice.
    pub duplication: f64,
    /// The maximum UDP payload in bytes; larger packets are lost.
    pub mtu: usize,
}

/// Traffic that one address of a [`MemoryNetwork`] has sent (feature `memory-network`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sent {
    /// Number of packets.
    pub packets: u64,
    /// Number of bytes, including IPv4 and UDP headers.
    pub bytes: u64,
}

type Cut = Box<dyn Fn(SocketAddr, SocketAddr) -> bool + Send>;

struct Inner {
    conditions: Conditions,
    cut: Cut,
    rng: Rng,
    last_port: u16,
    packets: u64,
    inboxes: BTreeMap<SocketAddr, Inbox>,
    sent: BTreeMap<SocketAddr, Sent>,
}

/// Packets in flight to one socket, by arrival time.
#[derive(Default)]
struct Inbox {
    flying: BTreeMap<(Instant, u64), (SocketAddr, Vec<u8>)>,
    reader: Option<Waker>,
}

impl Default for Conditions {
    fn default() -> Self {
        let (latency, jitter) = (Duration::from_millis(1), Duration::ZERO);
        Self { latency, jitter, loss: 0.0, duplication: 0.0, mtu: 1472 }
    }
}

impl MemoryNetwork {
    /// Creates a network with the default conditions. `seed` determines its random choices.
    pub fn new(seed: u64) -> Self {
        let inner = Inner {
            conditions: Conditions::default(),
            cut: Box::new(|_, _| false),
            rng: Rng::with_seed(seed),
            last_port: 0,
            packets: 0,
            inboxes: BTreeMap::new(),
            sent: BTreeMap::new(),
        };
        let made = (SystemTime::now(), Instant::now());
        Self { inner: Arc::new(Mutex::new(inner)), made }
    }

    /// Replaces the conditions for future packets.
    pub fn set_conditions(&self, conditions: Conditions) {
        self.lock().conditions = conditions;
    }

    /// Replaces the partition: a packet is lost if `cut(from, to)` returns true.
    pub fn cut(&self, cut: impl Fn(SocketAddr, SocketAddr) -> bool + Send + 'static) {
        self.lock().cut = Box::new(cut);
    }

    /// Traffic by sender, including lost packets.
    pub fn sent(&self) -> BTreeMap<SocketAddr, Sent> {
        self.lock().sent.clone()
    }

    /// The wall time, which advances with tokio's time.
    pub(crate) fn wall_time(&self) -> SystemTime {
        let (wall, since) = self.made;
        wall + since.elapsed()
    }

    /// Binds a socket on this network, for test peers that are not nodes.
    ///
    /// # Errors
    /// `AddrInUse` if the address is taken.
    #[doc(hidden)]
    pub fn bind(&self, mut address: SocketAddr) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        let mut inner = self.lock();
        if address.port() == 0 {
            inner.last_port += 1;
            address.set_port(inner.last_port);
        }
        if inner.inboxes.contains_key(&address) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        inner.inboxes.insert(address, Inbox::default());
        drop(inner);
        Ok(Arc::new(Port { network: self.clone(), address, alarm: Mutex::default() }))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for MemoryNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryNetwork")
            .field("conditions", &self.lock().conditions)
            .finish_non_exhaustive()
    }
}

impl Inner {
    fn send(&mut self, from: SocketAddr, to: SocketAddr, packet: &[u8]) {
        let sent = self.sent.entry(from).or_default();
        sent.packets += 1;
        sent.bytes += packet.len() as u64 + HEADERS;
        let Conditions { latency, jitter, loss, duplication, mtu } = self.conditions;
        let is_lost = self.rng.f64() < loss || packet.len() > mtu || (self.cut)(from, to);
        let is_duplicated = self.rng.f64() < duplication;
        let copies = if is_lost { 0 } else { 1 + usize::from(is_duplicated) };
        let Some(inbox) = self.inboxes.get_mut(&to) else { return };
        for _copy in 0..copies {
            let at = Instant::now() + latency + jitter.mul_f64(self.rng.f64());
            self.packets += 1;
            inbox.flying.insert((at, self.packets), (from, packet.to_vec()));
        }
        if let Some(reader) = inbox.reader.take() {
            reader.wake();
        }
    }
}

/// One socket on the network.
#[derive(Debug)]
struct Port {
    network: MemoryNetwork,
    address: SocketAddr,
    /// Wakes the reader when the next packet arrives.
    alarm: Mutex<Option<Pin<Box<Sleep>>>>,
}

impl Drop for Port {
    fn drop(&mut self) {
        self.network.lock().inboxes.remove(&self.address);
    }
}

impl AsyncUdpSocket for Port {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(AlwaysWritable)
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let mut inner = self.network.lock();
        let size = transmit.segment_size.unwrap_or(transmit.contents.len()).max(1);
        for packet in transmit.contents.chunks(size) {
            inner.send(self.address, transmit.destination, packet);
        }
        Ok(())
    }

    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let mut inner = self.network.lock();
        let Some(inbox) = inner.inboxes.get_mut(&self.address) else { return Poll::Pending };
        let mut alarm = self.alarm.lock().unwrap_or_else(PoisonError::into_inner);
        let mut received = 0;
        while received < buffers.len().min(meta.len())
            && let Some(packet) = inbox.flying.first_entry()
        {
            let at = packet.key().0;
            if at > Instant::now() {
                let mut sleep = Box::pin(sleep_until(at));
                if sleep.as_mut().poll(context).is_pending() {
                    *alarm = Some(sleep);
                    break;
                }
            }
            let (from, bytes) = packet.remove();
            let len = bytes.len().min(buffers[received].len());
            buffers[received][..len].copy_from_slice(&bytes[..len]);
            meta[received] = RecvMeta { addr: from, len, stride: len, ecn: None, dst_ip: None };
            received += 1;
        }
        if received > 0 {
            return Poll::Ready(Ok(received));
        }
        inbox.reader = Some(context.waker().clone());
        Poll::Pending
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }

    fn may_fragment(&self) -> bool {
        false
    }
}

/// Accepts every packet immediately.
#[derive(Debug)]
struct AlwaysWritable;

impl UdpPoller for AlwaysWritable {
    fn poll_writable(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
