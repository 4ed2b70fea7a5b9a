//! `engram-node certs` and `init`: validities, renewals, and files that already exist.

use std::fs;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::common::process::*;

#[test]
fn impossible_validities_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    for days in ["0", "99999999", "4294967296", "99999999999999999999"] {
        let said = fails(&["certs", "ca", "--days", days], at);
        assert!(said.contains("--days") && said.contains("use a value from 1 to 29"), "{said}");
        let said = fails(&["init", "--nodes", "2", "--days", days], at);
        assert!(said.contains("--days") && said.contains("use a value from 1 to 3650;"), "{said}");
        assert_eq!(names(at), Vec::<String>::new());
    }
    succeeds(&["certs", "ca", "--days", "30"], at);
    for (days, complaint) in [("0", "expire immediately"), ("31", "outlive its authority")] {
        let said = fails(&["certs", "node", "--name", "a", "--days", days], at);
        assert!(said.contains(complaint) && said.contains("use a value from 1 to 30;"), "{said}");
    }
    assert_eq!(names(at), ["ca.key", "ca.pem"]);
    // A certificate may be valid until its authority expires, but no longer. The default stays
    // within this limit.
    succeeds(&["certs", "node", "--name", "a", "--days", "30"], at);
    let end = |name: &str| {
        let shown = succeeds(&["certs", "show", name], at);
        shown.lines().nth(1).unwrap().split(',').next().unwrap().to_owned()
    };
    assert_eq!(end("a.pem"), end("ca.pem"));
    let said = fails(&["certs", "rotate", "a.pem", "--days", "31"], at);
    assert!(said.contains("outlive its authority; use a value from 1 to 30;"), "{said}");
    succeeds(&["certs", "rotate", "a.pem", "--days", "29"], at);
    assert_ne!(end("a.pem"), end("ca.pem"));
    succeeds(&["certs", "rotate", "a.pem"], at);
    assert_eq!(end("a.pem"), end("ca.pem"));
}

#[test]
fn a_refused_init_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let init = ["init", "--nodes", "2", "--out", "cluster"];
    let addresses = |one: &str, other: &str| {
        fails(&[&init[..], &["--address", one, "--address", other]].concat(), at)
    };
    let said = addresses("host:7701", "HOST:7701");
    assert!(said.contains("node-a and node-b both have the address host:7701"), "{said}");
    for wrong in [
        "host",
        ":7701",
        "a b:7701",
        "a:b:7701",
        "[::1:7701",
        "[]:77",
        "::1:7701",
        "q\"x:77",
        "x:0",
    ] {
        assert!(addresses("host:7701", wrong).contains("write a host and a port"), "{wrong}");
    }
    assert_eq!(names(at), Vec::<String>::new());

    // `init` fails if a file of an earlier cluster exists, or if there is a file in place of a
    // folder.
    let cluster = at.join("cluster");
    fs::create_dir_all(cluster.join("node-b")).unwrap();
    fs::write(cluster.join("node-b/cluster.toml"), "mine").unwrap();
    let said = fails(&init, at);
    assert!(said.contains("node-b/cluster.toml exists; nothing was written"), "{said}");
    assert_eq!(names(&cluster), ["node-b"]);
    fs::remove_dir_all(cluster.join("node-b")).unwrap();
    fs::write(cluster.join("node-b"), "a file").unwrap();
    let said = fails(&init, at);
    assert!(said.contains("node-b") && said.contains("nothing was written"), "{said}");
    assert_eq!(names(&cluster), ["node-b"], "the files already written are removed");
    fs::remove_file(cluster.join("node-b")).unwrap();
    succeeds(&[&init[..], &["--address", "[::1]:7701", "--address", "host:7701"]].concat(), at);
    assert_eq!(names(&cluster), ["ca.key", "ca.pem", "node-a", "node-b"]);
    for node in ["node-a", "node-b"] {
        succeeds(&["check", "--config", "cluster.toml"], &cluster.join(node));
    }
}

#[test]
fn an_existing_file_blocks_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("ca.pem"), "mine").unwrap();
    assert!(fails(&["certs", "ca"], at).contains("ca.pem exists; nothing was written"));
    assert_eq!(names(at), ["ca.pem"]);
    fs::remove_file(at.join("ca.pem")).unwrap();
    succeeds(&["certs", "ca"], at);
    fs::write(at.join("a.pem"), "mine").unwrap();
    assert!(fails(&["certs", "node", "--name", "a"], at).contains("a.pem exists"));
    assert_eq!(names(at), ["a.pem", "ca.key", "ca.pem"]);
}

#[test]
fn rotation_keeps_the_names_of_the_certificate() {
    let folder = tempfile::tempdir().unwrap();
    init(folder.path(), 1);
    let cluster = folder.path().join("cluster");
    let path = cluster.join("node-a/node.pem");
    let before = fs::read(&path).unwrap();
    let key = fs::read(cluster.join("node-a/node.key")).unwrap();
    let id = |shown: String| shown.lines().next().unwrap().to_owned();
    let own = id(succeeds(&["certs", "show", "node-a/node.pem"], &cluster));
    let rotated = succeeds(&["certs", "rotate", "node-a/node.pem"], &cluster);
    assert_eq!(id(rotated), own);
    assert_ne!(fs::read(&path).unwrap(), before);
    assert_eq!(fs::read(cluster.join("node-a/node.key")).unwrap(), key);
    let der = CertificateDer::from_pem_file(&path).unwrap();
    // The name is written twice: as the subject, and as the alternative name.
    let is_name = |part: &&[u8]| **part == *b"node-a";
    assert_eq!(der.windows(6).filter(is_name).count(), 2);
    succeeds(&["check", "--config", "node-a/cluster.toml"], &cluster);
}

#[test]
fn an_authority_is_not_a_node() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    succeeds(&["certs", "ca"], at);
    let files = || ["ca.pem", "ca.key"].map(|name| fs::read(at.join(name)).unwrap());
    let before = files();
    let said = fails(&["certs", "rotate", "ca.pem"], at);
    assert!(said.contains("ca.pem: ") && said.contains("it belongs to an authority"), "{said}");
    assert!(said.contains("nothing was changed"), "{said}");
    assert_eq!(files(), before);

    succeeds(&["certs", "node", "--name", "a"], at);
    fs::create_dir(at.join("other")).unwrap();
    fs::copy(at.join("a.pem"), at.join("other/ca.pem")).unwrap();
    fs::copy(at.join("a.key"), at.join("other/ca.key")).unwrap();
    for arguments in [&["certs", "node", "--name", "b"][..], &["certs", "rotate", "a.pem"]] {
        let said = fails(&[arguments, &["--ca", "other"]].concat(), at);
        assert!(said.contains("its certificate belongs to a node"), "{said}");
    }
}
