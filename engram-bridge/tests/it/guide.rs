//! The code in the guide is compiled and run.

/// The text without white space, and without the commas that a formatter adds when it breaks a line.
fn bare(text: &str) -> String {
    let bare: String = text.split_whitespace().collect();
    bare.replace(",)", ")")
}

#[test]
fn guide_quotes_the_example_verbatim() {
    let sources = [
        include_str!("../../examples/engram_stub/cluster.rs"),
        include_str!("../../examples/engram_stub/engram_core.rs"),
        include_str!("../../examples/engram_stub/swim.rs"),
    ];
    let guide = include_str!("../../docs/ENGRAM.md");
    let blocks: Vec<_> = guide.split("```rust").skip(1).collect();
    assert!(blocks.len() >= 8, "{}", blocks.len());
    for block in blocks {
        let (_, block) = block.split_once('\n').unwrap();
        let (block, _) = block.split_once("```").unwrap();
        let shown = |source: &&str| bare(source).contains(&bare(block));
        assert!(sources.iter().any(shown), "{block}");
    }
}
