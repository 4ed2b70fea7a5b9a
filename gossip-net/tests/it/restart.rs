//! Tests how soon a peer notices that a node was killed, and how soon a restarted node is connected
//! again, depending on the side that dialled the lost connection, the order of the ids, and the age
//! of the connection.

use std::time::Duration;

use crate::common::{Cluster, Node, Ready, roster};
use engram_gossip_net::{
    Conditions, ConnectionState, Event, HandshakeError, Member, MemoryNetwork, NetConfig, Roster,
    SyncError, TimedStep, limits,
};
use tokio::time::{Instant, sleep};

const SECOND: Duration = Duration::from_secs(1);

/// A node that is killed, and the peer that survives it.
struct Pair {
    network: MemoryNetwork,
    config: NetConfig,
    killed: Ready,
    survivor: Ready,
}

impl Pair {
    fn new(survivor_is_smaller: bool) -> Self {
        let network = MemoryNetwork::new(1);
        let mut conditions = Conditions::default();
        conditions.latency = Duration::from_millis(20);
        network.set_conditions(conditions);
        let (cluster, names) = (Cluster::new(), ["a", "b"]);
        let [mut survivor, mut killed] = names.map(|name| cluster.issue(name));
        if (survivor.id() < killed.id()) != survivor_is_smaller {
            std::mem::swap(&mut survivor, &mut killed);
        }
        let mut config = NetConfig::new(([0, 0, 0, 0], 0).into());
        config.network = Some(network.clone());
        config.seed = Some(1);
        config.shutdown_grace = SECOND / 10;
        // The survivor sends nothing on its own initiative, so no reset reveals the restart.
        config.schedule.interval = SECOND * 3600;
        config.schedule.advert_interval = SECOND * 3600;
        Self { network, config, killed, survivor }
    }

    fn member(ready: &Ready, n: u8, has_address: bool) -> Member {
        let address = has_address.then(|| format!("10.0.0.{n}:7000"));
        Member { id: ready.id(), name: ready.name.clone(), address }
    }

    fn start(&self, ready: &Ready, n: u8, roster: Roster) -> Node {
        let mut config = self.config.clone();
        config.listen = ([10, 0, 0, n], 7000).into();
        ready.start(&config, roster)
    }

    /// Starts the survivor, which dials the other node if `dials` is true.
    fn start_survivor(&self, dials: bool) -> Node {
        self.start(&self.survivor, 1, roster([Self::member(&self.killed, 2, dials)]))
    }

    /// Starts the node that will be killed, or restarts it. The node dials the survivor if `dials`
    /// is true.
    fn start_killed(&self, dials: bool) -> Node {
        self.start(&self.killed, 2, roster([Self::member(&self.survivor, 1, dials)]))
    }

    /// Ends `node` without a packet to its peer, and frees its port.
    async fn kill(&self, node: Node) {
        self.network.cut(|_, _| true);
        node.gossip.shutdown().await;
        self.network.cut(|_, _| false);
    }

    /// Restarts the killed node, and returns the time until it has the survivor's record.
    async fn restart(&self, survivor: &Node, dials: bool) -> Duration {
        survivor.store.write("news");
        let begun = Instant::now();
        let mut restarted = self.start_killed(dials);
        let store = restarted.store.clone();
        let returned = restarted.wait_for(|event| {
            assert!(!matches!(event, Event::Unreachable { .. }), "{event:?}");
            (store.ids() == ["news"]).then_some(())
        });
        returned.await;
        begun.elapsed()
    }
}

#[tokio::test(start_paused = true)]
async fn restarted_node_returns_within_a_second() {
    for survivor_is_smaller in [true, false] {
        for survivor_dialled in [true, false] {
            for age in [0, 1, 3, 5, 8, 9, 10, 11, 20, 60] {
                let pair = Pair::new(survivor_is_smaller);
                let mut survivor = pair.start_survivor(survivor_dialled);
                let mut killed = pair.start_killed(!survivor_dialled);
                survivor.connected_to(killed.id()).await;
                killed.connected_to(survivor.id()).await;
                sleep(SECOND * age).await;
                pair.kill(killed).await;
                let took = pair.restart(&survivor, true).await;
                let case = (survivor_is_smaller, survivor_dialled, age);
                assert!(took <= SECOND, "{case:?}: {took:?}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn crash_in_a_handshake_delays_little() {
    for survivor_is_smaller in [true, false] {
        let pair = Pair::new(survivor_is_smaller);
        let (survivor, killed) = (pair.start_survivor(true), pair.start_killed(false));
        while survivor.gossip.stats().handshakes_dialled == 0 {
            sleep(SECOND / 1000).await;
        }
        let state = &survivor.gossip.peers()[0].connection;
        assert_eq!(*state, ConnectionState::Dialling, "the killed node has sent no message");
        pair.kill(killed).await;
        let took = pair.restart(&survivor, true).await;
        assert!(took <= SECOND, "{survivor_is_smaller}: {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn restart_is_noticed_by_the_next_packet() {
    for age in [0, 60] {
        let pair = Pair::new(true);
        let mut survivor = pair.start_survivor(true);
        let killed = pair.start_killed(false);
        survivor.connected_to(killed.id()).await;
        sleep(SECOND * age).await;
        pair.kill(killed).await;
        // The restarted node cannot dial, so the survivor must notice the restart.
        survivor.gossip.announce();
        let took = pair.restart(&survivor, false).await;
        assert!(took <= SECOND * 2, "{age}: {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn timer_ends_the_connection_of_a_dead_peer() {
    let mut pair = Pair::new(true);
    pair.config.schedule = NetConfig::new(pair.config.listen).schedule;
    let (mut survivor, killed) = (pair.start_survivor(true), pair.start_killed(false));
    for age in [0, 100] {
        survivor.connected_to(killed.id()).await;
        sleep(SECOND * age).await;
        pair.network.cut(|_, _| true);
        let begun = Instant::now();
        survivor.wait_for(|event| matches!(event, Event::Disconnected { .. }).then_some(())).await;
        let (took, config) = (begun.elapsed(), &pair.config);
        assert!(took <= config.schedule.interval + config.session.idle_timeout, "{took:?}");
        pair.network.cut(|_, _| false);
    }
}

#[tokio::test(start_paused = true)]
async fn requested_session_ends_a_dead_connection() {
    let pair = Pair::new(true);
    let (mut survivor, killed) = (pair.start_survivor(true), pair.start_killed(false));
    survivor.connected_to(killed.id()).await;
    pair.network.cut(|_, _| true);
    let begun = Instant::now();
    let unanswered = survivor.gossip.sync_with(killed.id()).await;
    assert_eq!(unanswered, Err(SyncError::TimedOut(TimedStep::Answer)));
    assert_eq!(begun.elapsed(), pair.config.session.idle_timeout);
    let undialled = survivor.gossip.sync_with(killed.id()).await;
    assert_eq!(undialled, Err(HandshakeError::TimedOut.into()));
    let took = pair.config.session.idle_timeout + limits::LOST_HANDSHAKE_TIMEOUT;
    assert_eq!(begun.elapsed(), took);
}
