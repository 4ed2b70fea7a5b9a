//! Two replicas at the ends of a channel find their differences in a few round trips.

use std::error::Error;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use engram_merkle::descent::{Descent, Holder, Request, Response, TagKey};
use engram_merkle::{Digest, Sha256, Tree};

type Replica = Tree<String, Sha256>;

/// Answers requests until the other side is done. Keeps no state except the tree.
fn answer(tree: &Replica, key: TagKey, requests: &Receiver<Vec<u8>>, responses: &Sender<Vec<u8>>) {
    for bytes in requests {
        let Ok(request) = Request::from_bytes(&bytes) else { return };
        if responses.send(tree.answer(&request, key).to_bytes()).is_err() {
            return;
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut here = Replica::new(Sha256);
    here.extend((0..10_000).map(|n| (format!("pattern_{n}"), Digest::from([1; 32]))));
    let mut there = here.clone();
    here.upsert("pattern_17".into(), Digest::from([2; 32]));
    there.upsert("pattern_new".into(), Digest::from([3; 32]));
    there.remove(b"pattern_4711");

    // In a real program, each side draws a new half of the key at random for each descent.
    let key = TagKey::of(*b"8 random", *b"8 others");
    let ((ask, requests), (reply, responses)) = (channel(), channel());
    let other = thread::spawn(move || answer(&there, key, &requests, &reply));

    let (mut descent, mut round_trips, mut bytes) = (Descent::new(&here, key), 0, 0);
    while let Some(request) = descent.next_request() {
        let request = request.to_bytes();
        bytes += request.len();
        ask.send(request)?;
        let response = responses.recv()?;
        bytes += response.len();
        round_trips += 1;
        descent.handle(Response::from_bytes(&response)?)?;
    }
    drop(ask);
    other.join().map_err(|_| "the other side panicked")?;

    println!("{round_trips} round trips, {bytes} bytes");
    while let Some(difference) = descent.next_difference() {
        let keys: Vec<_> = here.entries(&difference.path).map(|entry| &entry.key).collect();
        match difference.holder {
            Holder::Both => println!("differs          {keys:?}"),
            Holder::Here => println!("only here        {keys:?}"),
            Holder::There => println!("only there       key hash {}", difference.path),
        }
    }
    Ok(())
}
