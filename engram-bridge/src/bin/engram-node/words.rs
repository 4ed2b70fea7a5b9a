//! Words in messages.

use std::fmt::Display;

/// A number with its noun: `1 node`, `2 nodes`.
pub(crate) fn counted<N: Display + PartialEq + From<u8>>(n: N, one: &str, many: &str) -> String {
    let noun = if n == N::from(1) { one } else { many };
    format!("{n} {noun}")
}

/// A number of patterns, as text.
pub(crate) fn patterns<N: Display + PartialEq + From<u8>>(n: N) -> String {
    counted(n, "pattern", "patterns")
}

/// Joins the lines of a text into one line.
pub(crate) fn one_line(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_has_no_plural() {
        assert_eq!([0, 1, 2].map(patterns::<u64>), ["0 patterns", "1 pattern", "2 patterns"]);
    }

    #[test]
    fn lines_are_joined() {
        assert_eq!(one_line("a is refused\n  b: c\n\n  d: e"), "a is refused; b: c; d: e");
    }
}
