//! Uses the crate with only `core` and `alloc`.

#![no_std]

extern crate alloc;

use core::panic::PanicInfo;

use engram_vclock::{Causality, Changed, Dot, HybridClock, Siblings, Suppression, LastWrite};

#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {}
}

/// Writes on two nodes, joins, compares, and suppresses.
pub extern "C" fn exercise() -> bool {
    let (mut left, mut right) = (Siblings::new(), Siblings::new());
    let mut clocks = [HybridClock::new(0), HybridClock::new(0)];
    let last_write = LastWrite { version: clocks[0].next(1 << 20, 1), value: 1_u8 };
    let other = clocks[1].next(1 << 20, 2);
    if left.submit(Dot::new(1_u8, last_write.version), last_write.value).is_err()
        || right.submit(Dot::new(2_u8, other), 2).is_err()
    {
        return false;
    }
    let outcome = left.join_own(&right, &1, Some(&last_write), &mut clocks[0]);
    let mut suppressed = Suppression::new();
    outcome.joined.changed
        && outcome.reissued.is_none()
        && left.compare(&right) == Causality::After
        && left.parts().count() == 2
        && suppressed.suppress(1_u8) == Changed::Done
        && suppressed.is_suppressed(&1)
}
