//! Records that a member forges in the name of another.

use std::sync::Arc;

use engram_bridge::Space;
use engram_bridge::durable::{MemoryStateStore, Recovery};
use engram_bridge::replica::Submitted;
use engram_bridge::sync::SpaceView;
use engram_gossip_proto::{Part, Record, Rejection, View};

use super::{converge, live};
use crate::support::{Delivery, everything, node_id, only_space, open, pattern, store};

/// A time that is later than all clocks of these tests, but plausible.
const LATER: u64 = 1_900_000_000_000_000_000;

/// A record of `id` that claims to cover everything that node 1 wrote until [`LATER`].
fn forged(id: &str) -> Delivery {
    let part = Part { node: *node_id(1).as_bytes(), entry: LATER, dots: Vec::new() };
    let record = Record { id: id.to_owned(), parts: vec![part], suppressed: Vec::new() };
    Delivery { records: vec![record], contents: Vec::new() }
}

#[test]
fn a_forged_record_refuses_no_new_pattern() {
    let (one, second, third) = (store(1), store(2), store(3));
    only_space(&one).submit_pattern(&pattern("old", 1)).unwrap();
    converge(&[&one, &second, &third]);
    let receipt = SpaceView::pin(&only_space(&second)).apply(forged("unknown"));
    assert_eq!((receipt.applied, receipt.rejected), (1, vec![]));
    for value in 0..20 {
        only_space(&one).submit_pattern(&pattern(&format!("new{value}"), value)).unwrap();
    }
    converge(&[&one, &second, &third]);
    assert_eq!(only_space(&second).visible_len(), 21);
    // The forged record counts as a deletion.
    assert_eq!(only_space(&second).stats().deletions, 1);
}

#[test]
fn a_forged_record_deletes_nothing_unwritten() {
    let (one, second) = (store(1), store(2));
    only_space(&one).submit_pattern(&pattern("old", 1)).unwrap();
    converge(&[&one, &second]);
    SpaceView::pin(&only_space(&second)).apply(forged("secret"));
    assert_ne!(one.root(), second.root(), "a forgery shows in the root");
    let submitted = only_space(&one).submit_pattern(&pattern("secret", 7)).unwrap();
    assert_eq!(submitted, Submitted::Written);
    converge(&[&one, &second]);
    assert_eq!(live(&only_space(&second), "secret"), ["episode-7"]);
    assert_eq!(one.write_stats().reissued, 1);
    let again = only_space(&one).submit_pattern(&pattern("secret", 7)).unwrap();
    assert_eq!(again, Submitted::Unchanged);
}

#[test]
fn a_forged_record_deletes_no_present_write() {
    let (one, second, third) = (store(1), store(2), store(3));
    only_space(&one).submit_pattern(&pattern("p", 7)).unwrap();
    converge(&[&one, &second, &third]);
    SpaceView::pin(&only_space(&second)).apply(forged("p"));
    assert_eq!(live(&only_space(&second), "p"), [""; 0]);
    converge(&[&one, &second, &third]);
    assert_eq!(live(&only_space(&third), "p"), ["episode-7"]);
}

#[test]
fn forged_record_is_overwritten_after_restart() {
    let (disk, second) = (MemoryStateStore::new(), store(2));
    let one = open(1, &disk);
    only_space(&one).submit_pattern(&pattern("p", 7)).unwrap();
    converge(&[&one, &second]);
    drop(one);
    let one = open(1, &disk);
    SpaceView::pin(&only_space(&second)).apply(forged("p"));
    converge(&[&one, &second]);
    let again = only_space(&one).submit_pattern(&pattern("p", 7)).unwrap();
    assert_eq!(again, Submitted::Written);
    converge(&[&one, &second]);
    assert_eq!(live(&only_space(&second), "p"), ["episode-7"]);
}

/// A record of "theft" with a part of node 9, which names the content of "p" in `dots` live
/// versions.
fn theft(space: &Arc<Space>, entry: u64, dots: usize) -> Delivery {
    let content = everything(space).records[0].parts[0].dots[0].1;
    let dots = vec![(entry, content); dots];
    let part = Part { node: *node_id(9).as_bytes(), entry, dots };
    let record = Record { id: "theft".to_owned(), parts: vec![part], suppressed: Vec::new() };
    Delivery { records: vec![record], contents: Vec::new() }
}

#[test]
fn a_record_names_no_content_of_another_id() {
    let disk = MemoryStateStore::new();
    let one = open(1, &disk);
    only_space(&one).submit_pattern(&pattern("p", 7)).unwrap();
    let space = only_space(&one);
    let receipt = SpaceView::pin(&space).apply(theft(&space, 5, 1));
    assert_eq!(receipt.rejected, [("theft".to_owned(), Rejection::InvalidContent)]);
    SpaceView::pin(&space).apply(theft(&space, 6, 0));
    assert_eq!(live(&space, "p"), ["episode-7"]);
    assert_eq!(space.submit_pattern(&pattern("p", 8)), Ok(Submitted::Written));
    drop((one, space));
    let one = open(1, &disk);
    assert_eq!(one.recovery(), &Recovery::Loaded { records: 2 });
    assert_eq!(live(&only_space(&one), "p"), ["episode-8"]);
}

#[test]
fn a_changed_content_is_refused() {
    let (one, second) = (store(1), store(2));
    only_space(&one).submit_pattern(&pattern("p", 7)).unwrap();
    let mut delivery = everything(&only_space(&one));
    let mut view = SpaceView::pin(&only_space(&second));
    let (digest, content) = &mut delivery.contents[0];
    content.strength += 1.0;
    *digest = view.digest(content);
    let receipt = view.apply(delivery);
    assert_eq!(receipt.rejected, [("p".to_owned(), Rejection::MissingContent)]);
    assert_eq!(only_space(&second).stats().records, 0);
}
