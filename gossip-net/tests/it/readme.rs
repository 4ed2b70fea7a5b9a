//! The README contains the whole example `three_maps`, word for word.

#[test]
fn the_page_shows_the_example_whole() {
    assert!(include_str!("../../README.md").contains(include_str!("../../examples/three_maps.rs")));
}
