use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use super::*;
use crate::command::root;
use crate::demo::data::{Content, Key};
use crate::scratch::Scratch;

/// Runs two stand-ins, one of which receives one pattern. They export no patterns.
fn run(mode: &str, interrupted: bool) -> Result<Outcome> {
    let scratch = Scratch::new().unwrap();
    fs::write(scratch.path().join("mode"), mode).unwrap();
    fs::write(scratch.path().join("shown"), "").unwrap();
    let key = Key { space: "default".to_owned(), id: "p".to_owned() };
    let content = Content {
        embedding: Vec::new(),
        citations: vec!["e1".to_owned(), "e2".to_owned()],
        strength: 0,
        confidence: 0,
        consolidated: 0,
    };
    let feeds = [Feed {
        node: "fed".to_owned(),
        file: PathBuf::from("fed.jsonl"),
        snapshots: 1,
        spaces: BTreeSet::from(["default".to_owned()]),
        patterns: BTreeMap::from([(key, content)]),
        rejected: Vec::new(),
    }];
    let binary = root().join("xtask/src/demo/run/stand_in.sh");
    let run = Run {
        cluster: Cluster::issue(&binary, scratch.path(), &feeds, 2).unwrap(),
        folder: scratch.path(),
        feeds: &feeds,
        union: 1,
        interval: 1,
        // Only the run that never converges has a short time-out.
        timeout: Duration::from_secs(if mode == "disagrees" { 0 } else { 60 }),
        interrupted: &AtomicBool::new(interrupted),
    };
    run.converge().map(|(outcome, _)| outcome)
}

#[test]
fn equal_roots_need_equal_patterns() {
    let json = run("agrees", false).unwrap().json();
    assert_eq!(json["converged"], false);
    assert_eq!((&json["missing_patterns"], &json["missing_citations"]), (&1.into(), &2.into()));
}

#[test]
fn time_out_reports_missing_patterns() {
    let outcome = run("disagrees", false).unwrap();
    let json = outcome.json();
    assert_eq!((&json["converged"], &json["missing_patterns"]), (&false.into(), &1.into()));
}

#[test]
fn a_lost_port_is_replaced() {
    assert_eq!(run("port-taken-once", false).unwrap().json()["nodes"][0]["root"], "same");
}

#[test]
fn a_node_that_ends_is_quoted() {
    let error = run("dies", false).err().unwrap().to_string();
    assert!(
        error.contains("ended unexpectedly") && error.contains("no such certificate"),
        "{error}"
    );
}

#[test]
fn an_interrupt_ends_the_run() {
    let error = run("agrees", true).err().unwrap().to_string();
    assert!(error.contains("interrupted"), "{error}");
}
