//! Self-signed certificates: without an authority, the roster still decides which nodes may join.

use engram_gossip_net::{Gossip, Identity, Member, NodeId, Roster};
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};

use crate::common::store::{Store, parameters};
use crate::common::{quiet, roster};

#[tokio::test]
async fn nodes_whose_certificates_sign_themselves_sync() {
    let made: [CertifiedKey<KeyPair>; 2] =
        ["a", "b"].map(|name| generate_simple_self_signed([name.to_string()]).unwrap());
    let all = made.iter().map(|made| made.cert.pem()).collect::<String>();
    let nodes = made.map(|CertifiedKey { cert, signing_key }| {
        let identity = Identity::from_pem(&all, &cert.pem(), &signing_key.serialize_pem()).unwrap();
        let id = NodeId::of_certificate(&cert.pem()).unwrap();
        let store = Store::new(id, &["space"]);
        store.write(&format!("of {id}"));
        let gossip =
            Gossip::bind(quiet(), identity, Roster::default(), parameters(), store.clone());
        (id, gossip.unwrap(), store)
    });
    let members = nodes.iter().zip(["a", "b"]).map(|((id, gossip, _), name)| Member {
        id: *id,
        name: name.into(),
        address: Some(gossip.local_addr().to_string()),
    });
    let members = roster(members);
    nodes.iter().for_each(|(_, gossip, _)| gossip.set_roster(members.clone()));
    let [(_, a, ours), (peer, _, theirs)] = &nodes;
    assert!(a.sync_with(*peer).await.unwrap().is_equal());
    assert_eq!(ours.roots(), theirs.roots());
}
