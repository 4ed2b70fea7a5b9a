//! A program without std that resolves, explains, detects and keeps a view.
#![no_std]

extern crate alloc;

use alloc::string::ToString;
use core::alloc::{GlobalAlloc, Layout};

use engram_conflict::{
    ConfidenceVoting, ConfidenceWeighted, CrossIdView, Laws, OwnedVersion, Pattern, Rules,
    Strategy, Versions, cosine,
};

struct NoMemory;

// SAFETY: it never hands out memory.
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

/// Uses every part of the crate, so that every part is linked.
#[unsafe(no_mangle)]
pub extern "C" fn use_everything(length: usize) -> usize {
    let version = OwnedVersion {
        digest: [0; 32],
        embedding: alloc::vec![1.0; length],
        citations: alloc::vec!["a".to_string()],
        strength: 1.0,
        confidence: 0.5,
        consolidated_at: 0,
        confirmations: 1,
    }
    .named();
    let Ok(versions) = Versions::new([version.as_version()]) else {
        return 0;
    };
    let explanation = ConfidenceVoting.explain(&versions).to_string();
    let broken = Laws::new().check(&ConfidenceWeighted::new()).is_err();
    let mut view = CrossIdView::new(Rules::default()).ok();
    if let Some(view) = &mut view {
        let embedding = version.embedding.as_slice().into();
        let (digest, citations) = (version.digest, &version.citations);
        let pattern = Pattern { digest, embedding, citations, confidence: 0.5 };
        let _ = view.upsert(1u32, pattern);
    }
    let alike = cosine(&version.embedding, &version.embedding).is_some();
    explanation.len() + usize::from(broken) + usize::from(alike) + view.map_or(0, |v| v.len())
}
