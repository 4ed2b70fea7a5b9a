//! A node loses its disk while its wall clock is far behind, and writes under a low version. Its
//! write survives the join with a peer that knows the earlier versions.
//!
//! ```text
//! cargo run --example lost_disk
//! ```

use engram_vclock::{Dot, HybridClock, LastWrite, Siblings, SiblingsError};

const BUILT_AT: u64 = 1_750_000_000_000_000_000;

fn main() -> Result<(), SiblingsError> {
    let now = 1_800_000_000_000_000_000;
    let random = 0x5eed; // In a real program, ask a random number generator.

    // A first process writes, and a peer joins the state.
    let mut clock = HybridClock::new(BUILT_AT);
    let mut key = Siblings::new();
    key.submit(Dot::new("berlin", clock.next(now, random)), "monday's view")?;
    let peer = key;

    // The disk is lost, and the wall clock starts in 1970. The node writes.
    let wall_clock = 1_000_000_000;
    let mut clock = HybridClock::new(BUILT_AT);
    println!("wall clock fault: {:?}", clock.fault(wall_clock));
    let mut key = Siblings::new();
    let version = clock.next(wall_clock, random);
    key.submit(Dot::new("berlin", version), "tuesday's view")?;
    let last_write = LastWrite { version, value: "tuesday's view" };

    // The peer covers that version without having seen it. Check that its state is plausible, then join it.
    let mut arriving = peer.clone();
    arriving.retain_nodes(|_, entry| clock.is_plausible(entry, wall_clock));
    let outcome = key.join_own(&arriving, &"berlin", Some(&last_write), &mut clock);
    println!("reissued: {:?}", outcome.reissued);
    assert_eq!(key.values().collect::<Vec<_>>(), [&"monday's view", &"tuesday's view"]);

    // The next write of the node replaces both values, and the peer receives it.
    let dot = Dot::new("berlin", clock.next(wall_clock, random));
    key.submit(dot, "wednesday's view")?;
    let mut peer = peer;
    peer.join(&key);
    assert_eq!(peer.values().collect::<Vec<_>>(), [&"wednesday's view"]);
    Ok(())
}
