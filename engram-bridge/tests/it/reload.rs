//! A configuration that changes while the node runs.

use std::fs;
use std::time::SystemTime;

use engram_bridge::config::ClusterConfig;
use engram_bridge::{Node, ReloadError};
use engram_gossip_net::{ClusterCa, NodeId, Validity};

/// Limits, which take effect immediately.
const LIMITS: &str = "[limits]\nsend_kib_per_second = 64\npeer_records_per_second = 9\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reload_applies_peers_and_certificates() {
    let folder = tempfile::tempdir().unwrap();
    let validity = Validity::days_from(SystemTime::now(), 1);
    let ca = ClusterCa::generate("test", validity).unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    let issue = |name: &str| {
        let issued = ca.issue_node(name, validity).unwrap();
        write(&format!("{name}.pem"), &issued.certificate_pem);
        write(&format!("{name}.key"), &issued.key_pem);
        issued.node_id
    };
    write("ca.pem", ca.certificate_pem());
    let [us, other] = ["us", "other"].map(issue);
    let config = |certificate: &str, rest: &str| {
        let text = format!(
            "[node]\nname = 'us'\nlisten = '127.0.0.1:0'\n\
             [tls]\nca = 'ca.pem'\ncertificate = '{certificate}.pem'\nkey = '{certificate}.key'\n{rest}"
        );
        write("cluster.toml", &text);
        ClusterConfig::load(&folder.path().join("cluster.toml")).unwrap()
    };
    let peer = |id: NodeId| format!("[[peers]]\nname = 'them'\nnode_id = '{id}'\n");

    let before = config("us", "");
    let node = Node::start(&before).unwrap();
    let peers = || node.gossip.roster().iter().map(|member| member.id).collect::<Vec<_>>();
    assert_eq!((node.gossip.node_id(), peers()), (us, vec![]));

    let after = config(
        "us",
        &format!("{}[gossip]\nfanout = 5\n[retention]\nmax_patterns = 9\n{LIMITS}", peer(other)),
    );
    let reload = node.reload(&before, &after).unwrap();
    assert_eq!(reload.waiting, ["gossip.fanout", "retention.max_patterns"]);
    assert_eq!(peers(), [other]);
    let limits = node.gossip.limits();
    assert_eq!((limits.send_rate, limits.peer.records.per_second), (Some(64 << 10), 9));

    // All nodes may share one list of peers: a node does not count its own entry as a peer.
    let own = peer(us).replace("them", "us");
    node.reload(&before, &config("us", &(own + &peer(other)))).unwrap();
    assert_eq!(peers(), [other]);

    // A previous key takes effect at the next start.
    let own = peer(us).replace("them", "us") + &format!("replaces = ['{other}']\n");
    let reload = node.reload(&before, &config("us", &(own + &peer(other)))).unwrap();
    assert_eq!(reload.waiting, ["peers.replaces"]);

    // The files of [tls] change under the same names: the certificate, and the authorities.
    let same = config("us", &(peer(us).replace("them", "us") + &peer(other)));
    let loaded = || node.reload(&same, &same).unwrap().loaded;
    assert_eq!(loaded(), Vec::<String>::new());
    let key = fs::read_to_string(folder.path().join("us.key")).unwrap();
    let renewed = ca.renew_node("us", &key, validity).unwrap();
    write("us.pem", &renewed.certificate_pem);
    assert_eq!(loaded(), ["tls.certificate"]);
    let next = ClusterCa::generate("next", validity).unwrap();
    write("ca.pem", &format!("{}{}", ca.certificate_pem(), next.certificate_pem()));
    write("us.pem", &next.renew_node("us", &key, validity).unwrap().certificate_pem);
    assert_eq!(loaded(), ["tls.ca", "tls.certificate"]);

    // An invalid configuration changes nothing: first with the node's own id under another name
    // among the peers, then with another node's certificate.
    let refused = node.reload(&before, &config("us", &peer(us))).unwrap_err();
    assert!(refused.to_string().contains("this node's own"), "{refused}");
    let refused = node.reload(&before, &config("other", "")).unwrap_err();
    assert!(matches!(refused, ReloadError::Identity(_)), "{refused}");
    assert_eq!(peers(), [other]);
    node.gossip.shutdown().await;
}
