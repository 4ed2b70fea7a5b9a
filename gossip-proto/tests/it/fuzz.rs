//! Runs the bodies of the fuzz targets over the committed corpus, which contains every golden frame
//! and some inputs that the fuzzer found. Tests without a fuzzer thus reach the same code.
//!
//! `cargo xtask fuzz` starts from the same corpus. After a change to the wire format, set
//! `SEED_CORPUS=1` to rewrite the golden frames in the corpus.

mod bodies;
mod session;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use crate::common::{self, samples};
use engram_gossip_proto::{HEADER_LEN, Kind};

fn corpus(target: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/corpus").join(target)
}

#[test]
fn the_corpus_is_survived() {
    for (target, body) in bodies::ALL {
        let files = fs::read_dir(corpus(target)).unwrap_or_else(|_| panic!("no corpus: {target}"));
        let mut inputs = 0;
        for file in files {
            body(&fs::read(file.unwrap().path()).unwrap());
            inputs += 1;
        }
        assert!(inputs > 0, "{target} has an empty corpus");
    }
}

/// Inputs that need no fuzzer: the empty input, and every byte once and 64 times.
#[test]
fn simple_inputs_are_survived() {
    for (_, body) in bodies::ALL {
        body(&[]);
        for byte in 0..=255 {
            body(&[byte]);
            body(&[byte; 64]);
        }
    }
}

#[test]
fn undisturbed_session_ends_in_sync() {
    let mut kinds = BTreeSet::new();
    for setup in 0..=255_u8 {
        let mut input = vec![setup.wrapping_mul(7), setup.wrapping_mul(13), setup, setup];
        input.extend([0, 1].repeat(20));
        kinds.extend(session::run(&input));
    }
    // There is one space, every content fits a frame, and neither side refuses.
    let unused = [Kind::Refuse, Kind::Spaces, Kind::ContentPart].map(|kind| kind as u8);
    let expected: BTreeSet<u8> = common::kinds().filter(|kind| !unused.contains(kind)).collect();
    assert_eq!(kinds, expected);
}

#[test]
fn every_kind_is_injected() {
    assert_eq!(common::kinds().last(), Some(Kind::ContentPart as u8));
    for kind in common::kinds() {
        let inject = [2 * 102, kind, 0];
        assert!(session::run(&[&[0; 4][..], &inject].concat()).contains(&kind), "kind {kind}");
    }
}

#[test]
fn golden_frames_are_in_the_corpus() {
    let write = std::env::var_os("SEED_CORPUS").is_some();
    let check = |target: &str, name: &str, bytes: &[u8]| {
        let file = corpus(target).join(format!("golden-{name}"));
        if write {
            fs::create_dir_all(corpus(target)).unwrap();
            fs::write(&file, bytes).unwrap();
        }
        let found = fs::read(&file).unwrap_or_default();
        assert!(found == bytes, "{} is outdated: run with SEED_CORPUS=1", file.display());
    };
    for (name, message, compression) in samples::all() {
        let frame = message.encode(compression, true);
        let target = match message.kind() {
            Kind::Refuse => "refuse",
            Kind::MerkleRootExchange => "hello",
            Kind::Spaces => "spaces",
            Kind::SubtreeRequest => "subtree_request",
            Kind::SubtreeResponse => "subtree_response",
            Kind::PatternRequest => "pattern_request",
            Kind::PatternSync => "pattern_sync",
            Kind::Done => "done",
            Kind::Versions => "versions",
            Kind::RangeOffer => "range_offer",
            Kind::RangeAnswer => "range_answer",
            Kind::ContentPart => "content_part",
            kind => panic!("no target for {kind:?}"),
        };
        check("frame", name, &frame);
        check(target, name, &frame[HEADER_LEN..]);
    }
    check("record", "plain", &[9, 2, 0, 1, 5, 1, 1, 200, 2, 0, 1, 1, 3]);
    check("stored_record", "plain", &samples::stored());
    check("decompression", "plain", &[16, 0, 0, 2, 0x1f, 0, 1, 0, 0x50, 0, 0, 0, 0, 0]);
    check("session", "quiet", &[&[3, 5, 9, 2][..], &[0, 1].repeat(12)].concat());
    check(
        "session",
        "rough",
        &[&[30, 5, 20, 37][..], &[0, 1, 130, 0, 1, 178, 0, 9].repeat(6)].concat(),
    );
    check("session", "clocks", &[&[3, 5, 9, 64][..], &[0, 1].repeat(12)].concat());
    check("session", "ranges", &[&[255, 255, 9, 192][..], &[0, 1].repeat(12)].concat());
    check(
        "session",
        "rough-clocks",
        &[&[30, 5, 20, 229][..], &[0, 1, 130, 0, 1, 224, 0, 9].repeat(6)].concat(),
    );
    let default = common::space("default");
    let summary = engram_gossip_proto::Summary { root: [7; 32], count: 9, generation: 2 };
    let spaces = [(default, summary), (common::space("notes"), summary)];
    let advert = |n| engram_gossip_proto::RootAdvert::encode(&spaces[..n], 1_000);
    check("advert", "one", &advert(1));
    check("advert", "two", &advert(2));
}
