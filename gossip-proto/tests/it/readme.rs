//! The README contains the whole example `sync_over_tcp`.

#[test]
fn the_page_shows_the_example_whole() {
    assert!(
        include_str!("../../README.md").contains(include_str!("../../examples/sync_over_tcp.rs"))
    );
}
