//! Handshakes over QUIC on loopback: accepted and refused peers, and the error on either side.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::common::raw::{Certificate, client_config, raw_client, raw_server};
use crate::common::{Cluster, Node, Ready, absent, introduce, quiet, roster, take};
use engram_gossip_net::{
    BindError, ClusterCa, ConnectionState, Event, Gossip, HandshakeError, Identity, IdentityError,
    NodeId, Roster, RotateError, SyncError, Validity,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

/// Waits until `node` reports a refused handshake, and returns the cause.
async fn refusal(node: &mut Node) -> HandshakeError {
    node.wait_for(|event| match event {
        Event::Refused { cause, .. } => Some(cause.clone()),
        _ => None,
    })
    .await
}

/// Waits until `node` reports a peer as unreachable, and returns the cause.
async fn failed_dial(node: &mut Node) -> HandshakeError {
    node.wait_for(|event| match event {
        Event::Unreachable { cause, .. } => Some(cause.clone()),
        _ => None,
    })
    .await
}

fn unreachable(cause: HandshakeError) -> Result<(), SyncError> {
    Err(cause.into())
}

#[tokio::test]
async fn node_outside_the_roster_is_refused() {
    let cluster = Cluster::new();
    let mut host = cluster.issue("host").start(&quiet(), Roster::default());
    let mut stranger = cluster.issue("stranger").start(&quiet(), roster([host.member()]));

    let node = stranger.id();
    assert_eq!(refusal(&mut host).await, HandshakeError::NotInRoster { node });
    assert_eq!(failed_dial(&mut stranger).await, HandshakeError::RefusedNotInRoster);
    let result = stranger.gossip.sync_with(host.id()).await.map(|_| ());
    assert_eq!(result, unreachable(HandshakeError::RefusedNotInRoster));
    assert_eq!(host.gossip.stats().session_bytes_received, 0);
    assert_eq!(host.gossip.stats().handshakes_accepted, 0);
}

#[tokio::test]
async fn foreign_authority_is_refused_by_both_sides() {
    let mut a = Cluster::new().issue("a").start(&quiet(), Roster::default());
    let mut b = Cluster::new().issue("b").start(&quiet(), roster([a.member()]));
    // The dialler verifies the acceptor's certificate first, and refuses it.
    assert_eq!(failed_dial(&mut b).await, HandshakeError::OtherAuthority);
    assert_eq!(refusal(&mut a).await, HandshakeError::RefusedAuthority);

    // A dialler that skips verification is refused by the acceptor.
    let credentials = Cluster::new().issue("c");
    let config = client_config(Certificate::Of(&credentials), &[b"engram-gossip/1"]);
    let closed = raw_client().connect_and_wait(config, a.gossip.local_addr()).await;
    assert!(closed.contains("48"), "unknown_ca: {closed}");
    assert_eq!(refusal(&mut a).await, HandshakeError::OtherAuthority);
}

#[tokio::test]
async fn expired_and_early_certificates_are_refused() {
    let cluster = Cluster::new();
    let [mut a] = take(cluster.start(&["a"], &quiet()));
    let day = Duration::from_secs(86_400);
    let now = SystemTime::now();
    let past = Validity { from: now - day * 2, until: now - day };
    let future = Validity { from: now + day, until: now + day * 2 };
    for (validity, expected) in
        [(past, HandshakeError::Expired), (future, HandshakeError::NotYetValid)]
    {
        let b = cluster.issue_for("b", validity);
        a.gossip.set_roster(roster([a.member(), absent(&b, "127.0.0.1:9")]));
        let config = client_config(Certificate::Of(&b), &[b"engram-gossip/1"]);
        let closed = raw_client().connect_and_wait(config, a.gossip.local_addr()).await;
        assert!(closed.contains("45"), "certificate_expired: {closed}");
        assert_eq!(refusal(&mut a).await, expected);

        let server = raw_server(&b, &[b"engram-gossip/1"]);
        a.gossip.set_roster(roster([a.member(), absent(&b, &server.address.to_string())]));
        assert_eq!(failed_dial(&mut a).await, expected);

        let error = start_error(&b);
        assert!(
            matches!(&error, BindError::Identity(IdentityError::Refused(why)) if *why == expected),
            "{error}"
        );
    }
}

fn start_error(ready: &Ready) -> BindError {
    let store = crate::common::store::Store::new(ready.id(), &["space"]);
    let parameters = crate::common::store::parameters();
    Gossip::bind(quiet(), ready.identity(), Roster::default(), parameters, store)
        .expect_err("the node does not start")
}

#[tokio::test]
async fn dialler_accepts_only_the_node_it_dials() {
    let cluster = Cluster::new();
    let [a, c] = take(cluster.start(&["a", "c"], &quiet()));
    let [mut a, mut c] = [a, c];
    let b = cluster.issue("b");
    // The roster lists the address of `c` for `b`: the certificate of `c` is valid, but not for
    // `b`.
    let wrong = absent(&b, &c.gossip.local_addr().to_string());
    a.gossip.set_roster(roster([a.member(), wrong]));
    let expected = HandshakeError::WrongNode { expected: b.id(), found: c.id() };
    assert_eq!(failed_dial(&mut a).await, expected);
    assert_eq!(a.gossip.sync_with(b.id()).await, Err(expected.into()));
    let told = c.wait_for(|event| match event {
        Event::Refused { cause: HandshakeError::RefusedWrongNode, .. } => Some(()),
        _ => None,
    });
    told.await;
}

#[tokio::test]
async fn a_certificate_without_its_key_proves_nothing() {
    let cluster = Cluster::new();
    let [mut a, b] = take(cluster.start(&["a", "b"], &quiet()));
    a.connected_to(b.id()).await;
    let (victim, thief) = (cluster.issue("victim"), cluster.issue("thief"));
    a.gossip.set_roster(roster([a.member(), b.member(), absent(&victim, "127.0.0.1:9")]));
    let stolen = Certificate::Stolen { certificate: &victim, key: &thief };
    let config = client_config(stolen, &[b"engram-gossip/1"]);
    raw_client().connect_and_wait(config, a.gossip.local_addr()).await;
    assert_eq!(refusal(&mut a).await, HandshakeError::KeyNotProved);
    let status = a.gossip.peers();
    let victim = status.iter().find(|peer| peer.member.id == victim.id()).unwrap();
    assert!(!matches!(victim.connection, ConnectionState::Connected { .. }), "{victim:?}");
}

#[tokio::test]
async fn missing_certificate_is_refused() {
    let [mut a] = take(Cluster::new().start(&["a"], &quiet()));
    let config = client_config(Certificate::None, &[b"engram-gossip/1"]);
    let closed = raw_client().connect_and_wait(config, a.gossip.local_addr()).await;
    assert!(closed.contains("116"), "certificate_required: {closed}");
    assert_eq!(refusal(&mut a).await, HandshakeError::NoCertificate);
}

#[tokio::test]
async fn acceptor_refuses_other_wire_versions() {
    let cluster = Cluster::new();
    let b = cluster.issue("b");
    for alpn in [&[b"engram-gossip/2".as_slice()][..], &[b"h3"], &[]] {
        let [mut a] = take(cluster.start(&["a"], &quiet()));
        a.gossip.set_roster(roster([a.member(), absent(&b, "127.0.0.1:9")]));
        let config = client_config(Certificate::Of(&b), alpn);
        let closed = raw_client().connect_and_wait(config, a.gossip.local_addr()).await;
        assert!(closed.contains("120"), "no_application_protocol: {closed}");
        assert_eq!(refusal(&mut a).await, HandshakeError::WireVersion);
    }
}

#[tokio::test]
async fn dialler_refuses_other_wire_versions() {
    let cluster = Cluster::new();
    let [mut a] = take(cluster.start(&["a"], &quiet()));
    let b = cluster.issue("b");
    for alpn in [&[b"engram-gossip/2".as_slice()][..], &[]] {
        let server = raw_server(&b, alpn);
        a.gossip.set_roster(roster([a.member(), absent(&b, &server.address.to_string())]));
        assert_eq!(failed_dial(&mut a).await, HandshakeError::WireVersion);
    }
}

#[tokio::test]
async fn nothing_is_resumed_and_nothing_is_sent_early() {
    let cluster = Cluster::new();
    let [mut a] = take(cluster.start(&["a"], &quiet()));
    let b = cluster.issue("b");
    a.gossip.set_roster(roster([a.member(), absent(&b, "127.0.0.1:9")]));
    let mut config = client_config(Certificate::Of(&b), &[b"engram-gossip/1"]);
    let tickets = Arc::new(crate::common::raw::TicketCounter::default());
    config.resumption = rustls::client::Resumption::store(tickets.clone());
    config.enable_early_data = true;
    let client = raw_client();
    let connection = client.connect(config.clone(), a.gossip.local_addr()).await.unwrap();
    a.connected_to(b.id()).await;
    // An advert arrives after the handshake. A ticket would have arrived before it.
    connection.read_datagram().await.unwrap();
    assert_eq!(tickets.count(), 0);
    assert!(client.connect_early(config, a.gossip.local_addr()).is_err(), "no 0-RTT");
}

#[tokio::test]
async fn unusable_address_is_reported() {
    let cluster = Cluster::new();
    let [mut a] = take(cluster.start(&["a"], &quiet()));
    let ghost = cluster.issue("ghost");
    a.gossip.set_roster(roster([a.member(), absent(&ghost, "no-such-host.invalid:1")]));
    let cause = failed_dial(&mut a).await;
    assert!(matches!(&cause, HandshakeError::Address(why) if why.contains("no-such-host")));

    let mut unknown = absent(&ghost, "");
    unknown.address = None;
    a.gossip.set_roster(roster([a.member(), unknown]));
    let result = a.gossip.sync_with(ghost.id()).await;
    assert_eq!(result, Err(HandshakeError::NoAddress.into()));
}

#[tokio::test]
async fn renewed_certificate_applies_without_restart() {
    let cluster = Cluster::new();
    let [a, mut b] = take(cluster.start(&["a", "b"], &quiet()));
    b.connected_to(a.id()).await;
    let ready = cluster.issue("c");
    let c = ready.start(&quiet(), roster([a.member()]));
    let renewed = cluster
        .ca
        .renew_node("c", &ready.credentials.key_pem, crate::common::validity())
        .expect("the key is the same");
    assert_eq!(renewed.node_id, c.id());
    assert_ne!(renewed.certificate_pem, ready.credentials.certificate_pem);
    let ca = cluster.ca.certificate_pem();
    let identity = Identity::from_pem(ca, &renewed.certificate_pem, &renewed.key_pem).unwrap();
    c.gossip.set_identity(identity).unwrap();
    introduce(&[a, b, c]);

    let other = cluster.issue("other");
    let nodes = cluster.start(&["d"], &quiet());
    let refused = nodes[0].gossip.set_identity(other.identity());
    assert!(matches!(refused, Err(RotateError::OtherNode { found, .. }) if found == other.id()));
}

#[test]
fn certificates_have_unique_serials_and_validity() {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let validity = Validity::days_from(now, 90);
    let ca = ClusterCa::generate("test", Validity::days_from(now, 3_650)).unwrap();
    let node = ca.issue_node("node-a", validity).unwrap();
    let mut serials = BTreeSet::new();
    for _ in 0..20 {
        let renewed = ca.renew_node("node-a", &node.key_pem, validity).unwrap();
        let der = CertificateDer::from_pem_slice(renewed.certificate_pem.as_bytes()).unwrap();
        let (_, parsed) = x509_parser::parse_x509_certificate(&der).unwrap();
        serials.insert(parsed.raw_serial().to_vec());
    }
    assert_eq!(serials.len(), 20);

    let day = Duration::from_secs(86_400);
    assert_eq!(Validity::of_certificate(&node.certificate_pem).unwrap(), validity);
    assert_eq!(validity.left(now + 89 * day), Some(day));
    assert_eq!(validity.left(now + 91 * day), None);
    // A chain is valid while all of its certificates are.
    let chain = format!("{}{}", node.certificate_pem, ca.certificate_pem());
    assert_eq!(Validity::of_certificate(&chain).unwrap().until, validity.until);
    let identity =
        Identity::from_pem(ca.certificate_pem(), &node.certificate_pem, &node.key_pem).unwrap();
    assert_eq!(identity.validity(), validity);
    assert!(identity.check(now + 89 * day).is_ok());
    let expired = identity.check(now + 91 * day).unwrap_err();
    assert!(matches!(expired, IdentityError::Refused(HandshakeError::Expired)), "{expired}");
    assert!(Validity::of_certificate("no PEM").is_err());
}

#[tokio::test]
async fn distrusted_authority_loses_its_connections() {
    let cluster = Cluster::new();
    let [mut a, b] = take(cluster.start(&["a", "b"], &quiet()));
    a.connected_to(b.id()).await;
    // The same key, certified by another authority, which is now the only trusted one.
    let new = Cluster::new();
    let renewed = new.ca.renew_node("a", &a.key_pem, crate::common::validity()).unwrap();
    let ca = new.ca.certificate_pem();
    let identity = Identity::from_pem(ca, &renewed.certificate_pem, &renewed.key_pem).unwrap();
    a.gossip.set_identity(identity).unwrap();
    a.wait_for(|event| matches!(event, Event::Disconnected { .. }).then_some(())).await;
    assert_eq!(failed_dial(&mut a).await, HandshakeError::OtherAuthority);
}

#[test]
fn unusable_files_are_named() {
    let missing = Identity::from_files("no/such/ca.pem", "node.pem", "node.key").unwrap_err();
    assert!(missing.to_string().starts_with("no/such/ca.pem: cannot be read"), "{missing}");

    let ready = Cluster::new().issue("a");
    let other = Cluster::new().issue("b");
    let (certificate, key) = (&ready.credentials.certificate_pem, &ready.credentials.key_pem);
    let bad = Identity::from_pem("no PEM", certificate, key).unwrap_err();
    assert!(bad.to_string().contains("authority"), "{bad}");
    let bad = Identity::from_pem(&ready.ca_pem, key, key).unwrap_err();
    assert!(matches!(bad, IdentityError::Pem { section: "CERTIFICATE", .. }), "{bad}");
    let bad = Identity::from_pem(&ready.ca_pem, certificate, certificate).unwrap_err();
    assert!(matches!(bad, IdentityError::Pem { section: "PRIVATE KEY", .. }), "{bad}");
    let bad = Identity::from_pem(&ready.ca_pem, certificate, &other.credentials.key_pem);
    assert!(matches!(bad, Err(IdentityError::Key { .. })), "{bad:?}");
    assert!(NodeId::of_certificate(key).is_err());
}

#[test]
fn secrets_are_not_shown() {
    let ready = Cluster::new().issue("a");
    let key = ready.credentials.key_pem.lines().nth(1).unwrap().to_owned();
    for shown in [format!("{:?}", ready.identity()), format!("{:?}", ready.credentials)] {
        assert!(!shown.contains(&key) && shown.contains(&ready.id().to_string()), "{shown}");
    }
}

#[test]
fn missing_runtime_is_an_error() {
    let ready = Cluster::new().issue("a");
    assert!(matches!(start_error(&ready), BindError::NoRuntime));
}
