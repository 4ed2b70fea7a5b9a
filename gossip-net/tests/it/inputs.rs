//! The calls that a node makes to its host's replicas and membership.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use engram_gossip_net::{Gossip, Liveness, Membership, MembershipInput, NodeId, Replicas, Roster};
use engram_gossip_proto::{Greeting, SpaceId, Summary};

use crate::common::store::{Pinned, Store, parameters};
use crate::common::{Cluster, quiet};

/// Replicas that record the peers for which the node requests a greeting.
struct Asked {
    store: Arc<Store>,
    peers: Mutex<Vec<NodeId>>,
}

impl Replicas for Asked {
    type View = Pinned;

    fn spaces(&self) -> Vec<SpaceId> {
        self.store.spaces()
    }

    fn pin(&self, space: &SpaceId) -> Option<Pinned> {
        self.store.pin(space)
    }

    fn summary(&self, space: &SpaceId) -> Option<Summary> {
        self.store.summary(space)
    }

    fn greeting(&self, peer: NodeId) -> Greeting {
        self.peers.lock().unwrap().push(peer);
        Greeting::default()
    }
}

/// A membership that notes for each input whether it is [`MembershipInput::Leaving`].
#[derive(Default)]
struct Noted(Mutex<Vec<bool>>);

impl Membership for Noted {
    fn liveness(&self, _: &NodeId) -> Liveness {
        Liveness::Alive
    }

    fn handle(&self, input: MembershipInput<'_>, _: Duration) {
        self.0.lock().unwrap().push(matches!(input, MembershipInput::Leaving));
    }
}

/// The trial session at the start has no peer, so the node requests no greeting for it.
#[tokio::test]
async fn start_asks_for_no_greeting() {
    let ready = Cluster::new().issue("a");
    let store = Store::new(ready.id(), &["space"]);
    let asked = Arc::new(Asked { store, peers: Mutex::default() });
    let (replicas, roster) = (Arc::clone(&asked), Roster::default());
    let gossip = Gossip::bind(quiet(), ready.identity(), roster, parameters(), replicas).unwrap();
    assert_eq!(*asked.peers.lock().unwrap(), []);
    gossip.shutdown().await;
}

#[tokio::test]
async fn leaving_is_the_last_input() {
    let ready = Cluster::new().issue("a");
    let store = Store::new(ready.id(), &["space"]);
    let noted = Arc::new(Noted::default());
    let (membership, roster) = (Arc::clone(&noted), Roster::default());
    let identity = ready.identity();
    let gossip =
        Gossip::bind_with(quiet(), identity, roster, parameters(), store, membership).unwrap();
    gossip.shutdown().await;
    gossip.set_roster(Roster::default());
    let inputs = noted.0.lock().unwrap().clone();
    assert_eq!(inputs, [false, true], "started, and left");
}
