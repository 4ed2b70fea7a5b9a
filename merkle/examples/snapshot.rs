//! A reader keeps a snapshot of the tree while a writer continues: clones share unchanged blocks.

use std::sync::Arc;
use std::thread;

use engram_merkle::{Digest, Path, Sha256, Tree};

fn main() {
    let mut tree = Tree::new(Sha256);
    tree.extend((0..100_000_u32).map(|n| (Arc::from(format!("key-{n}")), Digest::from([1; 32]))));

    let snapshot: Tree<Arc<str>, Sha256> = tree.clone();
    let pinned = snapshot.root();
    let reader = thread::spawn(move || {
        // The reader sees one consistent tree, regardless of concurrent writes.
        let below: u64 = (0..16)
            .filter_map(|nibble| Path::ROOT.descendant(nibble))
            .map(|path| snapshot.count(&path))
            .sum();
        (snapshot.root(), below)
    });

    for number in 0..1000 {
        tree.upsert(Arc::from(format!("key-{number}")), Digest::from([2; 32]));
    }
    let (root, below) = reader.join().expect("the reader does not panic");
    println!("the snapshot kept its root:   {}", root == pinned);
    println!("and all of its entries:       {below}");
    println!("the tree has changed since:   {}", tree.root() != pinned);
}
