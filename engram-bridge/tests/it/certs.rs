//! `engram-node certs` and `init`: impossible validities, and files that exist.

use std::fs;

use crate::common::process::*;

#[test]
fn impossible_validities_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    for days in ["0", "99999999", "4294967296", "99999999999999999999"] {
        let said = fails(&["certs", "ca", "--days", days], at);
        assert!(said.contains("--days") && said.contains("write 1 to 29"), "{said}");
        let said = fails(&["init", "--nodes", "2", "--days", days], at);
        assert!(said.contains("--days") && said.contains("write 1 to 3650;"), "{said}");
        assert_eq!(names(at), Vec::<String>::new());
    }
    succeeds(&["certs", "ca", "--days", "30"], at);
    for (days, complaint) in [("0", "expire at once"), ("31", "outlive its authority")] {
        let said = fails(&["certs", "node", "--name", "a", "--days", days], at);
        assert!(said.contains(complaint) && said.contains("write 1 to 30;"), "{said}");
    }
    assert_eq!(names(at), ["ca.key", "ca.pem"]);
    // A certificate may be valid until its authority expires, but no longer. The default obeys this
    // limit.
    succeeds(&["certs", "node", "--name", "a", "--days", "30"], at);
    let end = |name: &str| {
        let shown = succeeds(&["certs", "show", name], at);
        shown.lines().nth(1).unwrap().split(',').next().unwrap().to_owned()
    };
    assert_eq!(end("a.pem"), end("ca.pem"));
    let said = fails(&["certs", "rotate", "--name", "a", "--days", "31"], at);
    assert!(said.contains("outlive its authority; write 1 to 30;"), "{said}");
    succeeds(&["certs", "rotate", "--name", "a", "--days", "29"], at);
    assert_ne!(end("a.pem"), end("ca.pem"));
    succeeds(&["certs", "rotate", "--name", "a"], at);
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
    assert!(addresses("host:7701", "host").contains("write a host and a port"));
    assert_eq!(names(at), Vec::<String>::new());

    // First a file of an earlier cluster exists, and then a file where a folder has to be.
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
    assert_eq!(names(&cluster), ["node-b"], "what was written is removed");
    fs::remove_file(cluster.join("node-b")).unwrap();
    succeeds(&init, at);
    assert_eq!(names(&cluster), ["ca.key", "ca.pem", "node-a", "node-b"]);
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
