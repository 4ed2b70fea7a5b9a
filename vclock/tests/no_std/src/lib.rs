//! Uses the whole of the crate in a world that has `core` and `alloc` only.

#![no_std]

extern crate alloc;

use alloc::vec::Vec;
use core::panic::PanicInfo;

use engram_vclock::{Actor, ActorTable, DotSource, Reader, Siblings, VectorClock};

#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {}
}

/// Writes on two nodes, joins, sends through bytes, and compares.
pub extern "C" fn exercise() -> bool {
    let mut left = Siblings::new();
    let mut right = Siblings::new();
    for (node, state) in [(1_u8, &mut left), (2, &mut right)] {
        let mut source = DotSource::new(Actor { node, incarnation: 1 });
        let Ok(lease) = source.propose_lease(1) else { return false };
        let Ok(()) = source.accept_lease(lease) else { return false };
        let Ok(dot) = source.next_dot() else { return false };
        if state.submit(dot, node).is_err() {
            return false;
        }
    }
    left.join(&right);

    let table = ActorTable::of([left.context()]);
    let mut bytes = Vec::new();
    table.encode(&mut bytes);
    if left.encode_with(&table, &mut bytes, |value, out| out.push(*value)).is_err() {
        return false;
    }
    let mut input = Reader::new(&bytes);
    let Ok(table) = ActorTable::decode(&mut input) else { return false };
    let received = Siblings::decode_with(&table, &mut input, |input| input.byte());
    received.as_ref() == Ok(&left)
        && VectorClock::from_bytes(&left.context().to_bytes()).as_ref() == Ok(left.context())
}
