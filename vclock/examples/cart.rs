//! A shopping cart on two nodes. Clients read the cart, change it, and write under the context of
//! their read; no item is lost.
//!
//! ```text
//! cargo run --example cart
//! ```

use std::collections::BTreeSet;
use std::error::Error;

use engram_vclock::{Dot, HybridClock, Siblings, VectorClock};

/// The items of a cart.
type Items = BTreeSet<&'static str>;

/// The answer to a read: the items, and the context for a later write.
type Read = (Items, VectorClock<&'static str>);

struct Node {
    name: &'static str,
    clock: HybridClock,
    cart: Siblings<Items, &'static str>,
}

impl Node {
    fn new(name: &'static str) -> Self {
        Self { name, clock: HybridClock::new(0), cart: Siblings::new() }
    }

    /// Reads the union of the siblings.
    fn read(&self) -> Read {
        let items = self.cart.values().flatten().copied().collect();
        (items, self.cart.context().clone())
    }

    /// Writes the items for a client that read under the context `seen`, on this node or another.
    /// `now` is the wall clock in nanoseconds.
    fn write(
        &mut self,
        items: Items,
        seen: &VectorClock<&'static str>,
        now: u64,
    ) -> Result<(), Box<dyn Error>> {
        self.clock.observe(seen.get(&self.name), now)?;
        let random = now; // In a real program, ask a random number generator.
        let dot = Dot::new(self.name, self.clock.next(now, random));
        self.cart.write(dot, items, seen)?;
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let (mut berlin, mut lisbon) = (Node::new("berlin"), Node::new("lisbon"));
    let mut now = 1_800_000_000_000_000_000;
    let mut tick = || {
        now += 1_000_000;
        now
    };

    let (mut items, seen) = berlin.read();
    items.insert("bread");
    berlin.write(items, &seen, tick())?;
    lisbon.cart.join(&berlin.cart);

    // The link between the nodes fails. Two clients continue shopping, each at one node.
    let (mut items, seen) = berlin.read();
    items.insert("butter");
    berlin.write(items, &seen, tick())?;
    let (mut items, seen) = lisbon.read();
    items.insert("jam");
    lisbon.write(items, &seen, tick())?;

    // The link works again: the two carts are now siblings, and a read shows the items of both.
    berlin.cart.join(&lisbon.cart);
    let (mut items, seen) = berlin.read();
    println!("{} siblings, read as {items:?}", berlin.cart.len());
    assert_eq!(items, BTreeSet::from(["bread", "butter", "jam"]));

    // A client that has seen both replaces both.
    items.remove("bread");
    berlin.write(items, &seen, tick())?;
    lisbon.cart.join(&berlin.cart);
    println!("{} sibling, read as {:?}", lisbon.cart.len(), lisbon.read().0);
    assert_eq!(lisbon.read().0, BTreeSet::from(["butter", "jam"]));
    assert_eq!(lisbon.cart.len(), 1);
    Ok(())
}
