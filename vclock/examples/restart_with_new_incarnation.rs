//! A node's disk falls back to an old backup, and nobody tells the node. Its peer's state does.
//!
//! ```text
//! cargo run --example restart_with_new_incarnation
//! ```

use std::error::Error;

use engram_vclock::{Actor, DotSource, Lease, Siblings};

type Key = Siblings<&'static str, Actor<&'static str>>;

/// All that the node must find again after a restart.
#[derive(Clone)]
struct Disk {
    lease: Lease<&'static str>,
    key: Key,
}

fn main() -> Result<(), Box<dyn Error>> {
    // A first life. Counters are leased ten at a time, and the lease is stored before any is used.
    let mut source = DotSource::new(Actor { node: "berlin", incarnation: 0xb17 });
    let mut disk = Disk { lease: source.propose_lease(10)?, key: Key::new() };
    source.accept_lease(disk.lease.clone())?;
    disk.key.submit(source.next_dot()?, "monday's view")?;
    let backup = disk.clone();

    // Work goes on, well past the first lease, and a peer hears of it.
    for _ in 0..15 {
        if source.remaining() == 0 {
            disk.lease = source.propose_lease(10)?;
            source.accept_lease(disk.lease.clone())?;
        }
        disk.key.submit(source.next_dot()?, "friday's view")?;
    }
    let peer = disk.key.clone();

    // The machine is restored from monday's backup and starts as if nothing had happened.
    let mut disk = backup;
    let mut source = DotSource::resume(disk.lease.clone())?;
    println!("resumed after counter {}", source.issued());

    // The peer's state arrives. It has seen a counter that this life never issued.
    let random = 0x5eed; // Take it from the operating system.
    if source.is_outrun_by(peer.context()) {
        let ended = source.roll(random)?;
        println!(
            "incarnation {:x} has ended, {:x} begins",
            ended.incarnation,
            source.actor().incarnation
        );
        disk.lease = source.propose_lease(10)?;
        source.accept_lease(disk.lease.clone())?;
    }
    disk.key.join(&peer);

    // The next write supersedes what the dead incarnation left, and is new to everybody.
    disk.key.submit(source.next_dot()?, "saturday's view")?;
    let mut peer = peer;
    assert!(peer.join(&disk.key));
    for (dot, value) in peer.iter() {
        println!(
            "the peer holds {value:?}, write {} of incarnation {:x}",
            dot.counter, dot.actor.incarnation
        );
    }
    assert_eq!(peer.values().collect::<Vec<_>>(), [&"saturday's view"]);
    Ok(())
}
