//! A library without std that resolves, explains, checks laws and maintains a view.
#![no_std]

extern crate alloc;

use alloc::string::ToString;
use core::alloc::{GlobalAlloc, Layout};

use engram_conflict::pattern::{
    ConfidenceVoting, ConfidenceWeighted, CrossIdView, OwnedPattern, Rules, cosine,
    explain, laws,
};
use engram_conflict::{Version, Versions};

struct NoMemory;

// SAFETY: the allocator never returns memory.
unsafe impl GlobalAlloc for NoMemory {
    unsafe fn alloc(&self, _: Layout) -> *mut u8 {
        core::ptr::null_mut()
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static ALLOCATOR: NoMemory = NoMemory;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// Uses the main parts of the crate, so that they are linked.
#[unsafe(no_mangle)]
pub extern "C" fn use_everything(length: usize) -> usize {
    let pattern = OwnedPattern::new(alloc::vec![1.0; length], alloc::vec!["a".to_string()]);
    let version = Version::named(pattern);
    let Ok(versions) = Versions::new([version.clone()]) else {
        return 0;
    };
    let explanation = explain(&ConfidenceVoting, &versions).to_string();
    let broken = laws().check(&ConfidenceWeighted::new()).is_err();
    let mut view = CrossIdView::new(Rules::default()).ok();
    if let Some(view) = &mut view {
        let _ = view.upsert(1u32, version.clone());
    }
    let alike = cosine(&version.value.embedding, &version.value.embedding).is_some();
    explanation.len() + usize::from(broken) + usize::from(alike) + view.map_or(0, |v| v.len())
}
