//! The bytes that two nodes count for the same datagrams.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use engram_gossip_net::{Gossip, Liveness, Membership, MembershipInput, NodeId, Roster};
use tokio::task::yield_now;
use tokio::time::{sleep, timeout};

use crate::common::scene::Scene;
use crate::common::store::{Store, parameters};
use crate::common::{Cluster, DEADLINE, quiet, roster};

const PACKET: &[u8] = b"a membership packet";

/// A membership that sends one packet to each member that connects.
#[derive(Default)]
struct Greeter(Mutex<Vec<NodeId>>);

impl Membership for Greeter {
    fn liveness(&self, _: &NodeId) -> Liveness {
        Liveness::Alive
    }

    fn handle(&self, input: MembershipInput<'_>, _: Duration) {
        if let MembershipInput::Connected(peer) = input {
            self.0.lock().unwrap().push(peer);
        }
    }

    fn poll_packet(&self) -> Option<(NodeId, Vec<u8>)> {
        self.0.lock().unwrap().pop().map(|peer| (peer, PACKET.to_vec()))
    }
}

#[tokio::test]
async fn both_sides_count_equal_membership_bytes() {
    let cluster = Cluster::new();
    let (a, b) = (cluster.issue("a"), cluster.issue("b").start(&quiet(), Roster::default()));
    let store = Store::new(a.id(), &["space"]);
    let (identity, greeter) = (a.identity(), Arc::new(Greeter::default()));
    let empty = Roster::default();
    let greeting =
        Gossip::bind_with(quiet(), identity, empty, parameters(), store, greeter).unwrap();
    let mut of_a = b.member();
    (of_a.id, of_a.name) = (a.id(), "a".to_owned());
    of_a.address = Some(greeting.local_addr().to_string());
    let members = roster([of_a, b.member()]);
    [&greeting, &b.gossip].iter().for_each(|gossip| gossip.set_roster(members.clone()));
    let arrived = async {
        while b.gossip.stats().membership_received == 0 {
            yield_now().await;
        }
    };
    timeout(DEADLINE, arrived).await.unwrap();
    let (sent, received) = (greeting.stats(), b.gossip.stats());
    assert_eq!(sent.membership_bytes_sent, PACKET.len() as u64 * sent.membership_sent);
    assert_eq!(
        received.membership_bytes_received,
        PACKET.len() as u64 * received.membership_received
    );
    let traffic = greeting.peers().into_iter().find(|peer| peer.member.id == b.id()).unwrap();
    assert_eq!(traffic.sent.membership, sent.membership_bytes_sent);
}

#[tokio::test(start_paused = true)]
async fn malformed_datagram_counts_as_no_advert() {
    let mut scene = Scene::new(&quiet()).await;
    let connection = scene.connect().await;
    connection.send_datagram(b"not an advert".as_slice().into()).unwrap();
    let arrived = async {
        while scene.a.gossip.stats().datagrams_malformed == 0 {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(DEADLINE, arrived).await.unwrap();
    let peers = scene.a.gossip.peers();
    let bytes: u64 = peers.iter().map(|peer| peer.received.adverts).sum();
    assert_eq!(bytes, scene.a.gossip.stats().advert_bytes_received);
}
