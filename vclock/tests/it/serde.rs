//! Tests that serde writes one form of each value and accepts no other.

use engram_vclock::generate::{Faults, World, steps};
use engram_vclock::{Dot, MAX_LENGTH, MAX_SUPPRESSED, Siblings, Suppression, VectorClock};
use proptest::prelude::*;

#[test]
fn json_of_each_type() {
    let clock = VectorClock::from_sorted([(3_u8, 9), (7, 1)]).expect("sorted");
    assert_eq!(serde_json::to_string(&clock).expect("serialises"), "[[3,9],[7,1]]");
    let state =
        Siblings::from_parts(vec![(Dot::new(3_u8, 8), "x".to_owned())], clock).expect("covered");
    let json = r#"{"live":[[{"node":3,"version":8},"x"]],"context":[[3,9],[7,1]]}"#;
    assert_eq!(serde_json::to_string(&state).expect("serialises"), json);
    assert_eq!(serde_json::from_str::<Siblings<String, u8>>(json).expect("canonical"), state);
    let mut set = Suppression::new();
    let _ = set.suppress(4_u8);
    assert_eq!(serde_json::to_string(&set).expect("serialises"), "[[4,1]]");
    assert_eq!(serde_json::from_str::<Suppression<u8>>("[[4,1]]").expect("canonical"), set);
}

#[test]
fn other_clocks_are_refused() {
    for clock in ["[[3,9],[3,9]]", "[[7,1],[3,9]]", "[[3,0]]", "[[3,-1]]", "[[3]]", "{}"] {
        assert!(serde_json::from_str::<VectorClock<u8>>(clock).is_err(), "{clock}");
    }
}

#[test]
fn other_siblings_are_refused() {
    let crowd: Vec<_> = (0..17).map(|value| (Dot::new(3_u8, 1), value)).collect();
    let live = [
        r#"[[{"node":3,"version":10},1]]"#,
        r#"[[{"node":4,"version":1},1]]"#,
        r#"[[{"node":3,"version":0},1]]"#,
        r#"[[{"node":3,"version":2},1],[{"node":3,"version":2},1]]"#,
        r#"[[{"node":3,"version":2},2],[{"node":3,"version":2},1]]"#,
        r#"[[{"node":7,"version":1},1],[{"node":3,"version":2},1]]"#,
        &serde_json::to_string(&crowd).expect("serialises"),
    ];
    for live in live {
        let json = format!(r#"{{"live":{live},"context":[[3,9],[7,1]]}}"#);
        assert!(serde_json::from_str::<Siblings<u32, u8>>(&json).is_err(), "{json}");
    }
}

#[test]
fn other_suppressions_are_refused() {
    let too_long = format!("[[1,{}]]", MAX_LENGTH + 1);
    for set in ["[[3,1],[3,1]]", "[[7,1],[3,1]]", "[[3,0]]", &too_long] {
        assert!(serde_json::from_str::<Suppression<u8>>(set).is_err(), "{set}");
    }
    let lengths: Vec<_> = (0..=MAX_SUPPRESSED).map(|digest| (digest, 1)).collect();
    let json = serde_json::to_string(&lengths).expect("serialises");
    assert!(serde_json::from_str::<Suppression<usize>>(&json).is_err());
}

/// The bytes announce 2^60 - 1 entries.
#[test]
fn a_false_length_is_refused() {
    let mut bytes = vec![0xff; 8];
    bytes.push(0x0f);
    assert!(postcard::from_bytes::<VectorClock<u64>>(&bytes).is_err());
    assert!(postcard::from_bytes::<Siblings<u64, u64>>(&bytes).is_err());
    assert!(postcard::from_bytes::<Suppression<u64>>(&bytes).is_err());
}

proptest! {
    #[test]
    fn prop_states_survive(steps in steps(3, Faults::Any, 1..24)) {
        for process in World::run(3, &steps).processes {
            let bytes = postcard::to_allocvec(&process.state).expect("serialises");
            let back = postcard::from_bytes(&bytes).expect("was serialised");
            prop_assert_eq!(&process.state, &back);
        }
    }

    #[test]
    fn prop_any_bytes_are_canonical_or_refused(bytes in proptest::collection::vec(0..4_u8, 0..24)) {
        if let Ok(state) = postcard::from_bytes::<Siblings<u8, u8>>(&bytes) {
            let (live, context) = state.clone().into_parts();
            prop_assert_eq!(Siblings::from_parts(live, context), Ok(state));
        }
        if let Ok(set) = postcard::from_bytes::<Suppression<u8>>(&bytes) {
            prop_assert_eq!(Suppression::from_sorted(set.iter().map(|(d, l)| (*d, l))), Ok(set));
        }
    }
}
