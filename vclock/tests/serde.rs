//! Through serde too, one form goes in and no other comes out.

use engram_vclock::generate::history;
use engram_vclock::{Dot, Lease, Siblings, VectorClock};
use proptest::prelude::*;

#[test]
fn json_of_a_clock_and_of_siblings() {
    let clock = VectorClock::from_sorted([(3_u8, 9), (7, 1)]).expect("sorted");
    assert_eq!(serde_json::to_string(&clock).expect("serialises"), "[[3,9],[7,1]]");
    let state =
        Siblings::from_parts(vec![(Dot::new(3_u8, 8), "x".to_owned())], clock).expect("covered");
    let json = r#"{"live":[[{"actor":3,"counter":8},"x"]],"context":[[3,9],[7,1]]}"#;
    assert_eq!(serde_json::to_string(&state).expect("serialises"), json);
    assert_eq!(serde_json::from_str::<Siblings<String, u8>>(json).expect("canonical"), state);
}

#[test]
fn other_forms_are_refused() {
    let clocks = ["[[3,9],[3,9]]", "[[7,1],[3,9]]", "[[3,0]]", "[[3,281474976710656]]"];
    for clock in clocks {
        assert!(serde_json::from_str::<VectorClock<u8>>(clock).is_err(), "{clock}");
    }
    let live = [
        r#"[[{"actor":3,"counter":10},1]]"#,
        r#"[[{"actor":4,"counter":1},1]]"#,
        r#"[[{"actor":3,"counter":0},1]]"#,
        r#"[[{"actor":3,"counter":2},1],[{"actor":3,"counter":2},1]]"#,
        r#"[[{"actor":7,"counter":1},1],[{"actor":3,"counter":2},1]]"#,
    ];
    for live in live {
        let json = format!(r#"{{"live":{live},"context":[[3,9],[7,1]]}}"#);
        assert!(serde_json::from_str::<Siblings<u32, u8>>(&json).is_err(), "{json}");
    }
}

#[test]
fn a_lease_survives_its_store() {
    let lease =
        Lease { actor: engram_vclock::Actor { node: [7; 32], incarnation: 1 << 60 }, until: 4096 };
    let stored = postcard::to_allocvec(&lease).expect("serialises");
    assert_eq!(postcard::from_bytes::<Lease>(&stored).expect("was stored"), lease);
}

proptest! {
    #[test]
    fn prop_states_survive(history in history(3, 1..24)) {
        for state in history.replicas {
            let bytes = postcard::to_allocvec(&state).expect("serialises");
            let back = postcard::from_bytes(&bytes).expect("was serialised");
            prop_assert_eq!(&state, &back);
        }
    }

    #[test]
    fn prop_bytes_of_strangers_are_canonical_or_refused(
        bytes in proptest::collection::vec(0..4_u8, 0..24),
    ) {
        if let Ok(state) = postcard::from_bytes::<Siblings<u8, u8>>(&bytes) {
            let (live, context) = state.clone().into_parts();
            prop_assert_eq!(Siblings::from_parts(live, context), Ok(state));
        }
    }
}
