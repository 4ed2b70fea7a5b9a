//! Two nodes write the same key while they cannot hear each other. Nothing is lost, and a person
//! decides.
//!
//! ```text
//! cargo run --example concurrent_writers
//! ```

use engram_vclock::{Actor, Causality, Dot, Siblings, SiblingsError};

type Key = Siblings<&'static str, Actor<&'static str>>;

fn main() -> Result<(), SiblingsError> {
    let berlin = Actor { node: "berlin", incarnation: 1 };
    let lisbon = Actor { node: "lisbon", incarnation: 1 };
    let (mut in_berlin, mut in_lisbon) = (Key::new(), Key::new());

    // Both start from one value.
    in_berlin.submit(Dot::new(berlin, 1), "the sky is blue")?;
    in_lisbon.join(&in_berlin);

    // The line between them fails, and both look out of the window.
    in_berlin.submit(Dot::new(berlin, 2), "the sky is grey")?;
    in_lisbon.submit(Dot::new(lisbon, 1), "the sky is orange")?;
    assert_eq!(in_berlin.compare(&in_lisbon), Causality::Concurrent);
    show("while apart, in Berlin", &in_berlin);
    show("while apart, in Lisbon", &in_lisbon);

    // The line is back. Each sends its state; order and repetition do not matter.
    let from_berlin = in_berlin.clone();
    in_berlin.join(&in_lisbon);
    in_lisbon.join(&from_berlin);
    in_lisbon.join(&from_berlin);
    assert_eq!(in_berlin, in_lisbon);
    show("together again", &in_berlin);

    // Berlin sees another sky. It has not judged Lisbon's, so it replaces its own alone.
    in_berlin.submit(Dot::new(berlin, 3), "the sky is black")?;
    show("after one more look", &in_berlin);

    // Somebody reads all of it and settles the matter.
    in_berlin.resolve(Dot::new(berlin, 4), "the sky changes")?;
    in_lisbon.join(&in_berlin);
    show("settled, in Lisbon", &in_lisbon);
    assert_eq!(in_lisbon.values().collect::<Vec<_>>(), [&"the sky changes"]);
    Ok(())
}

fn show(when: &str, key: &Key) {
    println!("{when}:");
    for (dot, value) in key.iter() {
        println!("    {:<18} written as {} {}", value, dot.actor.node, dot.counter);
    }
}
