//! Two honest nodes and a faulty member, on an in-memory network, in virtual time.

use std::time::Duration;

use engram_gossip_net::{Event, MemoryNetwork, NetConfig, SyncError};
use engram_gossip_proto::{FrameHeader, HEADER_LEN};
use quinn::{Connection, TransportConfig};

use super::raw::{Certificate, RawClient, client_config, patient};
use super::{Cluster, Node, Ready, absent, quiet, roster, take};

/// Two honest nodes, and a faulty member in the roster of `a`.
pub(crate) struct Scene {
    pub(crate) network: MemoryNetwork,
    pub(crate) cluster: Cluster,
    pub(crate) a: Node,
    pub(crate) b: Node,
    pub(crate) bad: Ready,
    pub(crate) client: RawClient,
}

impl Scene {
    pub(crate) async fn new(config: &NetConfig) -> Self {
        let cluster = Cluster::new();
        let bad = cluster.issue("bad");
        Self::with(config, cluster, bad).await
    }

    /// Like `new`, with the given credentials for the faulty member.
    pub(crate) async fn with(config: &NetConfig, cluster: Cluster, bad: Ready) -> Self {
        let network = MemoryNetwork::new(7);
        let mut config = config.clone();
        config.network = Some(network.clone());
        let [mut a, b] = take(cluster.start(&["a", "b"], &config));
        a.connected_to(b.id()).await;
        let mut member = absent(&bad, "");
        member.address = None;
        a.gossip.set_roster(roster([a.member(), b.member(), member]));
        let client = RawClient::on(&network, [10, 0, 0, 66]);
        Self { network, cluster, a, b, bad, client }
    }

    /// Connects the faulty member to `a`, which accepts it.
    pub(crate) async fn connect(&mut self) -> Connection {
        self.connect_with(patient()).await
    }

    /// Like `connect`, with the given transport settings.
    pub(crate) async fn connect_with(&mut self, transport: TransportConfig) -> Connection {
        let config = client_config(Certificate::Of(&self.bad), &[ALPN]);
        let address = self.a.gossip.local_addr();
        let connection = self.client.connect_with(config, address, transport).await.unwrap();
        self.a.connected_to(self.bad.id()).await;
        connection
    }

    /// Waits until a session with the faulty member fails at `a`, and returns the error.
    pub(crate) async fn failure(&mut self) -> SyncError {
        let bad = self.bad.id();
        let failed = self.a.wait_for(|event| match event {
            Event::SessionFailed { peer, cause } if *peer == bad => Some(cause.clone()),
            _ => None,
        });
        failed.await
    }

    /// Number of sessions that failed at `a` for this reason.
    pub(crate) fn failed(&self, reason: &str) -> u64 {
        self.a.gossip.stats().sessions_failed.get(reason).copied().unwrap_or_default()
    }

    /// Checks that the honest nodes still sync.
    pub(crate) async fn honest_nodes_sync(&self) {
        self.b.store.write(&format!("news {}", self.b.store.ids().len()));
        for (one, other) in [(&self.a, &self.b), (&self.b, &self.a)] {
            assert!(one.gossip.sync_with(other.id()).await.unwrap().is_equal());
        }
        assert_eq!(self.a.store.roots(), self.b.store.roots());
    }

    /// Checks that `attempt` does not complete while the honest nodes continue to sync.
    pub(crate) async fn in_vain<T>(&self, attempt: impl Future<Output = T>) {
        tokio::select! {
            _ = attempt => panic!("the attempt should not complete"),
            () = async { for _ in 0..10 { self.honest_nodes_sync().await } } => {}
        }
    }
}

/// The ALPN protocol name of nodes.
pub(crate) const ALPN: &[u8] = b"engram-gossip/1";

/// A configuration with a short time-out for silent peers.
pub(crate) fn impatient() -> NetConfig {
    let mut config = quiet();
    config.session.idle_timeout = Duration::from_millis(200);
    config
}

/// The frame header of a body of `len` bytes.
pub(crate) fn frame_header(len: u32) -> [u8; HEADER_LEN] {
    let mut header = [b'E', b'G', 1, 1, 0, 0, 0, 0, 0];
    header[5..].copy_from_slice(&len.to_le_bytes());
    FrameHeader::parse(&header).unwrap();
    header
}
