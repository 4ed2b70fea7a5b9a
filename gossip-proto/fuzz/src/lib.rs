//! The bodies of the fuzz targets. They belong to the tests of the crate; see its
//! `tests/it/fuzz.rs`.

#[path = "../../tests/it/fuzz/bodies.rs"]
mod bodies;
#[expect(dead_code, unused_imports, reason = "the tests use the rest")]
#[path = "../../tests/it/common/mod.rs"]
mod common;
#[path = "../../tests/it/fuzz/session.rs"]
mod session;

/// Passes `input` to the target called `name`.
pub fn run(name: &str, input: &[u8]) {
    let target = bodies::ALL.iter().find(|(target, _)| *target == name);
    target.expect("every binary has a body").1(input);
}
