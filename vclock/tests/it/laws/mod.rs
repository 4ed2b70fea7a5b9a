//! The laws of clocks and siblings; most tests compare serialised bytes.

mod clock;
mod siblings;
