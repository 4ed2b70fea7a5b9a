//! The tests over real QUIC and over the network in memory: one program, for each further one would
//! link everything once more.
//!
//! `cargo test --all-features --test it -- hostile` runs those of one file.

mod common;
mod crowd;
mod dialling;
mod handshake;
mod hostile;
mod limits;
mod mesh;
mod neighbours;
mod preview;
mod processes;
mod self_signed;
mod suite;
mod swim;
mod transfer;
mod virtual_time;
mod waiting_store;
