//! Citations are multisets: the engine emits `[a, a, b]`, and repetitions are kept.

use alloc::string::String;
use alloc::vec::Vec;

/// Returns the sorted union of citation lists: each id occurs as often as in the list that repeats
/// it most.
///
/// This is the union of multisets, so it is commutative, associative and idempotent, and it
/// loses neither an id nor a repetition: `[a, a, b]` and `[a, c]` give `[a, a, b, c]`.
///
/// ```
/// let left = ["a", "a", "b"].map(String::from);
/// let right = ["c", "a"].map(String::from);
/// assert_eq!(engram_conflict::pattern::union([&left[..], &right[..]]), ["a", "a", "b", "c"]);
/// ```
pub fn union<'a>(lists: impl IntoIterator<Item = &'a [String]>) -> Vec<String> {
    let mut all: Vec<(&str, usize)> = Vec::new();
    for list in lists {
        all.extend(occurrences(list));
    }
    // Each pair is an id and the number of its earlier occurrences in its list; pairs that occur in
    // several lists are kept once.
    all.sort_unstable();
    all.dedup();
    all.into_iter().map(|(id, _)| String::from(id)).collect()
}

/// Returns every citation of a list with the number of its earlier occurrences, sorted.
fn occurrences(list: &[String]) -> impl Iterator<Item = (&str, usize)> {
    let mut sorted: Vec<&str> = list.iter().map(String::as_str).collect();
    sorted.sort_unstable();
    let mut previous: Option<(&str, usize)> = None;
    sorted.into_iter().map(move |id| {
        let number = previous.filter(|(before, _)| *before == id).map_or(0, |(_, n)| n + 1);
        previous = Some((id, number));
        (id, number)
    })
}

/// Whether two lists hold the same citations equally often, in any order.
pub(crate) fn same(left: &[String], right: &[String]) -> bool {
    left.len() == right.len() && (left == right || occurrences(left).eq(occurrences(right)))
}

/// The number of citations of `list`, including repetitions, that `others` lacks.
pub(crate) fn added(list: &[String], others: &[String]) -> usize {
    let mut known: Vec<(&str, usize)> = occurrences(others).collect();
    known.sort_unstable();
    occurrences(list).filter(|citation| known.binary_search(citation).is_err()).count()
}

/// Returns every id once, sorted.
pub(crate) fn distinct(citations: &[String]) -> Vec<&str> {
    let mut ids: Vec<&str> = citations.iter().map(String::as_str).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}
