//! Encoded sizes beside those of `crdts` with postcard, over 64 clocks each: one JSON object a
//! line.

use engram_vclock::{ActorTable, VectorClock};
use serde_json::json;

#[path = "common/input.rs"]
mod input;

use input::{Clock, clocks, frame};

fn main() {
    for actors in [3, 16] {
        let clocks = clocks(actors);
        let alone = clocks.iter().map(|clock| ours(clock).to_bytes().len()).sum();
        report("clock_bytes_alone", format!("{actors} actors"), alone, &clocks, 0.85);
    }
    for (actors, cluster) in [(3, 3), (3, 16), (16, 16)] {
        let clocks = frame(actors, cluster);
        let input = format!("{actors} of {cluster} actors, 64 clocks and their table");
        report("clock_bytes_with_table", input, shared_len(&clocks), &clocks, 0.3);
    }
}

fn ours(entries: &Clock) -> VectorClock<u64> {
    VectorClock::try_from_iter(entries.iter().copied()).expect("counters from 1 to 200")
}

/// The length of a frame that names each actor once, table included.
fn shared_len(clocks: &[Clock]) -> usize {
    let clocks: Vec<_> = clocks.iter().map(ours).collect();
    let table = ActorTable::of(&clocks);
    let mut frame = Vec::new();
    table.encode(&mut frame);
    for clock in &clocks {
        clock.encode_with(&table, &mut frame).expect("the table holds every actor");
    }
    frame.len()
}

/// The bytes of `crdts` for the same clocks.
fn reference_len(clocks: &[Clock]) -> usize {
    let encode = |clock: &Clock| {
        let dots = clock.iter().map(|&(actor, counter)| crdts::Dot::new(actor, counter));
        postcard::to_allocvec(&dots.collect::<crdts::VClock<u64>>()).expect("it encodes")
    };
    clocks.iter().map(|clock| encode(clock).len()).sum()
}

/// Prints the bytes of one clock, on average.
fn report(name: &str, input: String, total: usize, clocks: &[Clock], budget: f64) {
    let reference = reference_len(clocks);
    let ratio = total as f64 / reference as f64;
    let line = json!({
        "name": name,
        "input": input,
        "value": total as f64 / clocks.len() as f64,
        "unit": "B",
        "reference": format!("crdts, postcard: {:.1} B", reference as f64 / clocks.len() as f64),
        "ratio": ratio,
        "budget": budget,
        "met": ratio <= budget,
    });
    println!("{line}");
}
