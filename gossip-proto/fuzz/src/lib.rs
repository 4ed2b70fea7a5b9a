//! The bodies of the fuzz targets. They are the crate's own tests; see `tests/fuzz.rs` there.

#[path = "../../tests/fuzz/bodies.rs"]
mod bodies;
#[path = "../../tests/common/mod.rs"]
mod common;
#[path = "../../tests/fuzz/session.rs"]
mod session;

/// Gives `input` to the target called `name`.
pub fn run(name: &str, input: &[u8]) {
    let target = bodies::ALL.iter().find(|(target, _)| *target == name);
    target.expect("every binary has a body").1(input);
}
