//! Two replicas diverge, compare their roots, and list their differences.

use engram_merkle::{Digest, Incomparable, Sha256, Tree};
use sha2::Digest as _;

/// Computes the digest of a value, because the tree stores digests; the caller keeps the values.
fn digest_of(text: &str) -> Digest {
    Digest::from(<[u8; 32]>::from(sha2::Sha256::digest(text)))
}

fn main() -> Result<(), Incomparable> {
    let mut here = Tree::new(Sha256);
    for number in 0..10_000 {
        here.upsert(format!("pattern_{number}"), digest_of("as it was"));
    }
    let mut there = here.clone();
    println!("equal roots:     {}", here.root() == there.root());

    here.upsert("pattern_17".into(), digest_of("changed here"));
    there.upsert("pattern_new".into(), digest_of("learned there"));
    there.remove(b"pattern_4711");
    println!("after edits:     {}", here.root() == there.root());

    for difference in here.diff(&there)? {
        let place = match (difference.left, difference.right) {
            (Some(_), Some(_)) => "differs",
            (Some(_), None) => "only here",
            (None, _) => "only there",
        };
        println!("{place:<16} {}", difference.key);
    }
    Ok(())
}
