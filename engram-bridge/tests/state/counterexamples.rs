use crate::history::*;
use crate::history::Step::*;
use crate::history::Clock::*;

#[test]
fn smoke() {
    let v = judge(3, Pace::Ticking { seed: 7 }, &[CloneDisk(Right), Submit(3, 0, 2), Submit(0, 1, 1)]);
    println!("{v:?}");
    assert!(v.faults.is_empty());
}
