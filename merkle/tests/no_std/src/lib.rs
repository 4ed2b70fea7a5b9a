//! Uses the crate with only `core` and `alloc`.

#![no_std]

extern crate alloc;

use core::panic::PanicInfo;

use engram_merkle::{AnyHasher, Digest, Path, Proof, Tree};

#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {}
}

/// Builds, changes and compares trees and verifies a proof, with every hash function.
pub extern "C" fn exercise() -> bool {
    AnyHasher::ALL.iter().all(|hasher| {
        let mut tree = Tree::new(*hasher);
        tree.extend((0..100_u8).map(|n| ([n], Digest::from([n; 32]))));
        let snapshot = tree.clone();
        tree.remove(&[7]);
        let Ok(mut diff) = tree.diff(&snapshot) else { return false };
        let descended = tree.children(&Path::ROOT).iter().flatten().count();
        let bytes = tree.prove(&[7]).to_bytes();
        let Ok(proof) = Proof::from_bytes(&bytes) else { return false };
        diff.next().is_some_and(|difference| difference.key == &[7])
            && descended > 0
            && proof.verify(hasher, tree.depth(), &tree.root(), &[7]) == Ok(None)
            && tree.stats().entries == tree.iter().len()
    })
}
