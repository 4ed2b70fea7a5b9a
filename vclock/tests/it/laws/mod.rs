//! The laws of clocks and siblings, checked on their bytes.

mod clock;
mod siblings;
