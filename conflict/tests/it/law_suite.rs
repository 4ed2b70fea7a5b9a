//! Tests that the suite names planted faults, such as impure calls, changing identities, false explanations and
//! unsound input.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use engram_conflict::{
    Explanation, Law, Laws, Random, Reason, Resolution, Strategy, StrategyId, Versions, Violation,
};

type Answer = Resolution<u64>;
type Set = Versions<u64>;

fn greatest(versions: &Set) -> Answer {
    versions.choose_by("the greatest number", |a, b| a.value.cmp(&b.value))
}

fn first_explained(versions: &Set) -> Explanation {
    Explanation::new(ID, versions, &Resolution::chosen(0, greatest(versions).reason))
}

const ID: StrategyId = StrategyId::literal("planted", 1);

/// A strategy in which the greatest number wins; each function can be replaced by a faulty one.
struct Planted {
    id: fn(usize) -> StrategyId,
    resolve: fn(usize, &Set) -> Answer,
    explain: Option<fn(&Set) -> Explanation>,
    calls: AtomicUsize,
}

impl Planted {
    fn right() -> Self {
        Self {
            id: |_| ID,
            resolve: |_, versions| greatest(versions),
            explain: None,
            calls: AtomicUsize::new(0),
        }
    }

    fn id(id: fn(usize) -> StrategyId) -> Self {
        Self { id, ..Self::right() }
    }

    /// `resolve` receives the number of earlier calls.
    fn resolve(resolve: fn(usize, &Set) -> Answer) -> Self {
        Self { resolve, ..Self::right() }
    }

    fn explain(explain: fn(&Set) -> Explanation) -> Self {
        Self { explain: Some(explain), ..Self::right() }
    }
}

impl Strategy<u64> for Planted {
    fn id(&self) -> StrategyId {
        (self.id)(self.calls.load(Ordering::Relaxed))
    }

    fn resolve(&self, versions: &Set) -> Answer {
        (self.resolve)(self.calls.fetch_add(1, Ordering::Relaxed), versions)
    }

    fn explain(&self, versions: &Set) -> Explanation {
        match self.explain {
            Some(explain) => explain(versions),
            None => Explanation::new(self.id(), versions, &self.resolve(versions)),
        }
    }
}

fn laws() -> Laws<u64> {
    Laws::new(small, |random, place| place as u64 * 8 + random.draw() % 8).cases(50)
}

fn small(random: &mut Random) -> u64 {
    random.draw() % 8
}

fn broken(laws: &Laws<u64>, strategy: &Planted) -> Violation {
    laws.check(strategy).expect_err("the suite must fail")
}

/// Checks that the suite reports `law` in a message with `part`.
#[track_caller]
fn killed(law: Law, part: &str, strategy: &Planted) {
    let broken = broken(&laws(), strategy);
    assert_eq!(broken.law, law, "{broken}");
    assert!(broken.to_string().contains(part), "{broken}");
}

/// Checks that the suite reports a fault of its input, not of the strategy.
#[track_caller]
fn refused(laws: &Laws<u64>, part: &str) {
    let broken = broken(laws, &Planted::right());
    assert_eq!(broken.law, Law::Input, "{broken}");
    let text = broken.to_string();
    assert!(text.starts_with("planted/1 is not checked: ") && text.contains(part), "{text}");
}

#[test]
fn a_right_strategy_passes() {
    assert_eq!(laws().check(&Planted::right()).unwrap().cases, 50);
}

#[test]
fn panic_of_the_identity_is_a_violation() {
    let broken = broken(&laws(), &Planted::id(|_| panic!("no name")));
    assert_eq!((broken.law, &*broken.detail), (Law::Identity, "id panics: no name"));
    assert_eq!(broken.strategy, "the strategy");
    let later = |calls| if calls > 100 { panic!("no name left") } else { ID };
    killed(Law::Identity, "id panics: no name left", &Planted::id(later));
}

#[test]
fn panic_of_an_explanation_is_a_violation() {
    killed(Law::Total, "explain panics: no words", &Planted::explain(|_| panic!("no words")));
}

#[test]
fn identity_that_changes_late_is_found() {
    let right = Planted::right();
    laws().assert(&right);
    let total = right.calls.into_inner();
    for change in [1, total / 2, total - 2, total - 1] {
        static CHANGE: AtomicUsize = AtomicUsize::new(0);
        CHANGE.store(change, Ordering::Relaxed);
        let id = |calls| {
            let version = 1 + u16::from(calls > CHANGE.load(Ordering::Relaxed));
            StrategyId::literal("planted", version)
        };
        killed(Law::Identity, "planted/1, then planted/2", &Planted::id(id));
    }
}

#[test]
fn explanation_of_another_winner_is_found() {
    killed(Law::Valid, "the explanation says", &Planted::explain(first_explained));
}

#[test]
fn explanation_with_another_reason_is_found() {
    let only = |versions: &Set| {
        let mut explanation = Explanation::new(ID, versions, &greatest(versions));
        explanation.reason = Reason::Only;
        explanation
    };
    killed(Law::Valid, "the reason \"the only version\"", &Planted::explain(only));
}

#[test]
fn explanation_of_another_strategy_is_found() {
    let other = |versions: &Set| {
        Explanation::new(StrategyId::literal("other", 9), versions, &greatest(versions))
    };
    killed(Law::Identity, "the explanation names other/9", &Planted::explain(other));
}

#[test]
fn explanation_may_word_its_own_rule() {
    let worded = |versions: &Set| {
        let mut explanation = Explanation::new(ID, versions, &greatest(versions));
        if let Reason::Other(rule) = &mut explanation.reason {
            *rule = format!("{rule} of {}", versions.len()).into();
        }
        explanation
    };
    laws().assert(&Planted::explain(worded));
}

#[test]
fn pointer_to_a_strategy_explains_alike() {
    let versions = Versions::new([1u64, 2].map(engram_conflict::Version::named)).unwrap();
    let boxed: Box<dyn Strategy<u64>> = Box::new(Planted::explain(first_explained));
    assert_eq!(Strategy::explain(&boxed, &versions), first_explained(&versions));
}

/// The suite reports a single wrong answer, at any call, as impurity.
#[test]
fn one_wrong_answer_is_impurity() {
    static WRONG: AtomicUsize = AtomicUsize::new(0);
    let right = Planted::right();
    let laws = laws().cases(5);
    laws.assert(&right);
    for wrong in 0..right.calls.into_inner() {
        WRONG.store(wrong, Ordering::Relaxed);
        let broken = broken(
            &laws,
            &Planted::resolve(|calls, versions| match calls == WRONG.load(Ordering::Relaxed) {
                true => Resolution::blended(
                    99,
                    vec![1.0 / versions.len() as f64; versions.len()],
                    Reason::Mean,
                ),
                false => greatest(versions),
            }),
        );
        assert_eq!(broken.law, Law::Pure, "call {wrong}: {broken}");
    }
}

/// Only the repetition of early cases at the end of a run detects this fault.
#[test]
fn memory_of_earlier_cases_is_found() {
    struct Remembers(Mutex<(usize, Vec<u64>)>);
    impl Strategy<u64> for Remembers {
        fn id(&self) -> StrategyId {
            ID
        }
        fn resolve(&self, versions: &Set) -> Answer {
            let mut memory = self.0.lock().unwrap();
            memory.0 += 1;
            let values: Vec<u64> = versions.values().copied().collect();
            if memory.1.is_empty() {
                memory.1.clone_from(&values);
            }
            let mut answer = greatest(versions);
            if memory.0 > 500 && memory.1 == values {
                answer.reason = Reason::Other("a rule of later calls".into());
            }
            answer
        }
    }
    // The numbers are large, so no later case has the first set.
    let laws = Laws::new(Random::draw, |_, place| place as u64).cases(50);
    let broken = laws.check(&Remembers(Mutex::default())).unwrap_err();
    assert_eq!(broken.law, Law::Pure, "{broken}");
    assert!(broken.detail.contains("after the other cases"), "{broken}");
}

/// The memory also changes the answers for single versions, but the suite names the cause.
#[test]
fn greatest_of_all_calls_is_impurity() {
    static GREATEST: AtomicUsize = AtomicUsize::new(0);
    let ever = |_, versions: &Set| {
        let greatest = *greatest(versions).visible(versions) as usize;
        let ever = GREATEST.fetch_max(greatest, Ordering::Relaxed).max(greatest);
        let shares = vec![1.0 / versions.len() as f64; versions.len()];
        Resolution::blended(ever as u64, shares, Reason::Mean)
    };
    let laws = Laws::new(Random::draw, |_, place| place as u64);
    let broken = broken(&laws, &Planted::resolve(ever));
    assert_eq!(broken.law, Law::Pure, "{broken}");
    assert!(broken.detail.starts_with("the same set after other calls: "), "{broken}");
}

#[test]
fn changed_single_version_is_shown() {
    let wrong = |_, versions: &Set| match versions.len() {
        1 => Resolution::blended(versions[0].value + 100, vec![1.0], Reason::Mean),
        _ => greatest(versions),
    };
    // The message contains a digest and a one-digit number.
    let detail = broken(&laws(), &Planted::resolve(wrong)).detail;
    let words: Vec<&str> = detail.split([' ', ',']).filter(|word| !word.is_empty()).collect();
    let ["the", "only", "version", digest, "is", value, "but", "is", "shown", "as", shown, ..] =
        words[..]
    else {
        panic!("{detail}")
    };
    assert!(digest.len() == 8 && digest.chars().all(|digit| digit.is_ascii_hexdigit()), "{detail}");
    assert_eq!(shown, format!("10{value}"), "{detail}");
}

#[test]
fn wrong_share_is_named_with_its_value() {
    let negative = |_, versions: &Set| with_shares(versions, |shares| shares[1] = -1.0);
    killed(Law::Valid, "the share of version 1 is -1, not in 0..=1", &Planted::resolve(negative));
    let nan = |_, versions: &Set| with_shares(versions, |shares| shares[0] = f64::NAN);
    killed(Law::Valid, "the share of version 0 is NaN, not in 0..=1", &Planted::resolve(nan));
    let few = |_, versions: &Set| with_shares(versions, |shares| shares.truncate(1));
    killed(Law::Valid, "1 shares for ", &Planted::resolve(few));
}

fn with_shares(versions: &Set, change: fn(&mut Vec<f64>)) -> Answer {
    let mut answer = greatest(versions);
    if versions.len() > 1 {
        let mut shares = vec![1.0 / versions.len() as f64; versions.len()];
        change(&mut shares);
        answer = Resolution::blended(*answer.visible(versions), shares, Reason::Mean);
    }
    answer
}

#[test]
fn lead_that_is_no_distance_is_found() {
    let nan = |_, versions: &Set| with_reason(versions, Reason::Confidence { lead: f32::NAN });
    killed(Law::Valid, "by NaN", &Planted::resolve(nan));
    let negative = |_, versions: &Set| with_reason(versions, Reason::Confidence { lead: -0.5 });
    killed(Law::Valid, "by -0.5", &Planted::resolve(negative));
    let of_one = |_, versions: &Set| match versions.len() {
        1 => Resolution::chosen(0, Reason::Time { lead: 5 }),
        _ => greatest(versions),
    };
    killed(Law::Valid, "false for 1 versions: the latest, by 5 ns", &Planted::resolve(of_one));
}

fn with_reason(versions: &Set, reason: Reason) -> Answer {
    let mut answer = greatest(versions);
    if versions.len() > 1 {
        answer.reason = reason;
    }
    answer
}

#[test]
fn no_cases_are_refused() {
    refused(&laws().cases(0), "cases(0) checks nothing");
}

#[test]
fn constant_generators_are_refused() {
    refused(&Laws::new(|_| 7, |_, place| place as u64), "the generator `value` only draws 7");
    refused(&Laws::new(small, |_, _| 7), "the generator `distinct` draws 7 at positions 0 and 1");
}

#[test]
fn panic_of_a_generator_is_refused() {
    let laws = Laws::new(small, |_, place| if place > 5 { panic!("full") } else { place as u64 });
    refused(&laws, "the generator `distinct` panics: full");
}

#[test]
fn generator_with_a_memory_is_refused() {
    let drawn = AtomicUsize::new(0);
    let value = move |_: &mut Random| drawn.fetch_add(1, Ordering::Relaxed) as u64;
    let laws = Laws::new(value, |_, place| place as u64).cases(5);
    refused(&laws, "the generator `value` draws different values from the same random numbers");
}

#[test]
fn panic_in_a_custom_law_is_refused() {
    let laws = laws().with_law("own", |_, _| panic!("no law"));
    refused(&laws, "the check of law own panics: no law");
}

/// The values of `distinct` ascend, but some are equal by the measure of the strategy.
#[test]
fn ties_that_the_strategy_finds_are_refused() {
    let tens = |_, versions: &Set| {
        versions.choose_by("the most tens", |a, b| (a.value / 10).cmp(&(b.value / 10)))
    };
    let laws = Laws::new(small, |_, place| place as u64);
    let broken = broken(&laws, &Planted::resolve(tens));
    assert_eq!(broken.law, Law::Input, "{broken}");
    assert!(broken.detail.contains("`distinct` draws values that the strategy finds equal"));
}

#[test]
fn digests_that_decide_are_shown_with_values() {
    let first = |_, versions: &Set| match versions.len() {
        1 => Resolution::chosen(0, Reason::Only),
        _ => Resolution::chosen(0, Reason::Other("the first".into())),
    };
    let strategy = Planted::resolve(first);
    killed(Law::Names, "digests alone decide between positions 0 and 1", &strategy);
}
