//! The bodies of the fuzz targets. The crate's tests run the same functions: see
//! `merkle/tests/it/fuzz.rs`.

#[path = "../../tests/it/fuzz/bodies.rs"]
mod bodies;
#[expect(dead_code, unused_imports, reason = "the tests use the rest")]
#[path = "../../tests/it/common/mod.rs"]
mod common;

/// Runs the target `name` on `input`.
pub fn run(name: &str, input: &[u8]) {
    let target = bodies::ALL.iter().find(|(target, _)| *target == name);
    target.expect("every binary has a body").1(input);
}
