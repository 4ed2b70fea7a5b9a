//! A node proves, to a verifier that has the root but not the tree, which keys it holds and which it does not.

use engram_merkle::{BaseDepth, Digest, Proof, ProofError, Sha256, Tree};

fn main() -> Result<(), ProofError> {
    let mut tree = Tree::new(Sha256);
    tree.extend((0..10_000_u32).map(|n| (n.to_be_bytes(), Digest::from([n as u8; 32]))));
    let root = tree.root();

    for key in [7_u32, 1_000_000] {
        let bytes = tree.prove(key.to_be_bytes()).to_bytes();

        // The verifier does not need the tree, and the bytes may be untrusted.
        let proof = Proof::from_bytes(&bytes)?;
        match proof.verify(&Sha256, BaseDepth::default(), &root, key.to_be_bytes())? {
            Some(value) => println!("{key} has the value {value}, proven by {} bytes", bytes.len()),
            None => println!("{key} is not in the tree, proven by {} bytes", bytes.len()),
        }
    }

    let proof = tree.prove(7_u32.to_be_bytes());
    tree.upsert(7_u32.to_be_bytes(), Digest::from([0xff; 32]));
    let stale = proof.verify(&Sha256, BaseDepth::default(), &tree.root(), 7_u32.to_be_bytes());
    println!("the same proof for the next root: {:?}", stale.map_err(|error| error.to_string()));
    Ok(())
}
