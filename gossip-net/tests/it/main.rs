//! The integration tests, most of them over real QUIC, on loopback or on the in-memory network.
//! They share one binary, so that it is linked only once.
//!
//! `cargo test --all-features --test it -- hostile` runs the tests of one file.

mod common;
mod crowd;
mod dialling;
mod handshake;
mod hostile;
mod inputs;
mod limits;
mod mesh;
mod neighbours;
mod outside;
mod preview;
mod processes;
mod readme;
mod restart;
mod self_signed;
mod sequences;
mod sizes;
mod suite;
mod swim;
mod traffic;
mod transfer;
mod virtual_time;
mod waiting_store;
