//! Runs the bodies of the fuzz targets on the committed corpus: messages of a descent, changes to
//! them, and two proofs.
//!
//! `cargo xtask fuzz` starts with the same corpus. After a change to an encoding, set
//! `SEED_CORPUS=1` to rewrite the corpus.

pub(crate) mod bodies;

use std::fs;
use std::path::PathBuf;

use engram_merkle::descent::Descent;
use engram_merkle::{Digest, Sha256, Tree};

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

/// Runs the targets on the empty input, and on each byte value, once and repeated 64 times.
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
fn messages_are_in_the_corpus() {
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
    let value = |n: u8| Digest::from([n; 32]);
    let mut here = Tree::new(Sha256);
    here.extend((0..100_u8).map(|n| ([n], value(n))));
    let mut there = here.clone();
    there.upsert([7], value(200));
    let mut descent = Descent::new(&here, bodies::key());
    for level in 0.. {
        let Some(request) = descent.next_request() else { break };
        let response = there.answer(&request, bodies::key());
        check("descent_request", &format!("{level}"), &request.to_bytes());
        check("descent_response", &format!("{level}"), &response.to_bytes());
        descent.handle(response).unwrap();
    }
    check("descent", "honest", &[0; 8]);
    check("descent", "changed", &[0, 0, 100, 0, 5, 1]);
    check("descent", "replaced", &[0, 200, 1, 0, 1, 0, 0]);
    check("descent", "invented", &[255; 8]);
    check("proof", "present", &here.prove([7]).to_bytes());
    check("proof", "absent", &here.prove([200]).to_bytes());
}
