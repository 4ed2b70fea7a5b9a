//! A network in memory: the same UDP that nodes speak, without sockets, and in virtual time.

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

/// What IP and UDP add to each datagram.
const HEADERS: u64 = 20 + 8;

/// A network in memory, for tests: nodes that listen on it reach each other and nobody else.
///
/// Give it to nodes by [`NetConfig::network`](crate::NetConfig::network). With the time of tokio paused
/// a run takes no longer than its computations, and the seed decides which packets are lost.
#[derive(Clone)]
pub struct MemoryNetwork {
    inner: Arc<Mutex<Inner>>,
    /// When it was made, by the clock on the wall and by that of tokio.
    made: (SystemTime, Instant),
}

/// How a [`MemoryNetwork`] treats packets.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Conditions {
    /// How long a packet takes at least.
    pub latency: Duration,
    /// How much longer it may take, at random: packets may overtake each other.
    pub jitter: Duration,
    /// The share of packets that is lost.
    pub loss: f64,
    /// The share of packets that arrives twice.
    pub duplication: f64,
    /// Larger UDP payloads are lost.
    pub mtu: usize,
}

/// What one address has put on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sent {
    /// Packets.
    pub packets: u64,
    /// Their bytes, those of IPv4 and UDP headers included.
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

/// Packets on their way to one socket, by when they arrive.
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
    /// A network in good conditions whose random choices follow `seed`.
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

    /// Changes how packets are treated from now on.
    pub fn set_conditions(&self, conditions: Conditions) {
        self.lock().conditions = conditions;
    }

    /// From now on packets are lost for which `cut(from, to)` holds: partitions, one-way blocks.
    pub fn cut(&self, cut: impl Fn(SocketAddr, SocketAddr) -> bool + Send + 'static) {
        self.lock().cut = Box::new(cut);
    }

    /// What each address has sent so far, lost packets included.
    pub fn sent(&self) -> BTreeMap<SocketAddr, Sent> {
        self.lock().sent.clone()
    }

    /// The clock on the wall, which goes as fast as the time of tokio.
    pub(crate) fn wall_time(&self) -> SystemTime {
        let (wall, since) = self.made;
        wall + since.elapsed()
    }

    /// A socket on this network, for peers of a test that are no nodes.
    ///
    /// # Errors
    /// The address is in use.
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
        let copies = usize::from(!is_lost) + usize::from(self.rng.f64() < duplication);
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
struct Port {
    network: MemoryNetwork,
    address: SocketAddr,
    /// Wakes the reader when the next packet arrives.
    alarm: Mutex<Option<Pin<Box<Sleep>>>>,
}

impl fmt::Debug for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Port").field("address", &self.address).finish_non_exhaustive()
    }
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

/// The network takes every packet at once.
#[derive(Debug)]
struct AlwaysWritable;

impl UdpPoller for AlwaysWritable {
    fn poll_writable(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
