//! Twenty wrong strategies, and the laws that detect eighteen of them. A suite that runs one strategy on one machine
//! cannot detect the other two, which are at the end.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use engram_conflict::pattern::{
    ConfidenceVoting, ConfidenceWeighted, KeepBoth, Merged, OwnedPattern, PatternValue, blend, laws,
};
use engram_conflict::{Law, Outcome, Reason, Resolution, Strategy, StrategyId};

type Versions = engram_conflict::Versions<OwnedPattern>;
type Answer = Resolution<OwnedPattern>;

/// A strategy that consists only of a rule.
struct Rule<F>(F);

impl<F: Fn(&Versions) -> Answer + Send + Sync> Strategy<OwnedPattern> for Rule<F> {
    fn id(&self) -> StrategyId {
        StrategyId::literal("rule", 1)
    }

    fn resolve(&self, versions: &Versions) -> Answer {
        (self.0)(versions)
    }
}

const RULE: Reason = Reason::Other(std::borrow::Cow::Borrowed("a wrong rule"));

fn most_confident(versions: &Versions) -> usize {
    versions.best_by(|a, b| a.value.confidence.total_cmp(&b.value.confidence))
}

/// Shows the most confident version with the citations of all, after `change`.
fn voted(versions: &Versions, change: impl FnOnce(&mut OwnedPattern)) -> Answer {
    let base = most_confident(versions);
    let mut value = versions[base].value.merged(Merged::of(base, versions));
    change(&mut value);
    Resolution::composed(value, base, versions, RULE)
}

/// Like [`voted`], but leaves a single version unchanged.
fn voted_of_several(versions: &Versions, change: impl FnOnce(&mut OwnedPattern)) -> Answer {
    match versions.len() {
        1 => Resolution::chosen(0, RULE),
        _ => voted(versions, change),
    }
}

/// Checks that the suite reports `law`, and that the printed seed repeats the violation.
#[track_caller]
fn killed(law: Law, strategy: impl Strategy<OwnedPattern>) {
    let broken = laws().check(&strategy).expect_err("the suite must fail");
    assert_eq!(broken.law, law, "{broken}");
    assert!(broken.to_string().contains(&format!("replay({:#x})", broken.seed)));
    let again = laws().replay(broken.seed).cases(7).seed(1).check(&strategy).unwrap_err();
    assert_eq!(again.law, law);
}

#[test]
fn a_mean_of_pairs() {
    killed(
        Law::Names,
        Rule(|versions: &Versions| {
            if versions.len() == 1 {
                return Resolution::chosen(0, RULE);
            }
            let mut mean = versions[0].value.merged(Merged::of(0, versions));
            for next in versions.values().skip(1) {
                let (a, b) = (f64::from(mean.confidence), f64::from(next.confidence));
                let share = if a + b > 0.0 { a / (a + b) } else { 0.5 };
                let parts = [(share, &mean.embedding[..]), (1.0 - share, &next.embedding)];
                mean.embedding = blend(parts).unwrap();
                mean.confidence = ((a + b) / 2.0) as f32;
            }
            Resolution::composed(mean, 0, versions, RULE)
        }),
    );
}

#[test]
fn reads_the_wall_clock() {
    let now = || i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos());
    let rule =
        Rule(move |versions: &Versions| voted(versions, |v| v.consolidated_at = now().unwrap()));
    killed(Law::Pure, rule);
}

#[test]
fn counts_its_own_calls() {
    let calls = AtomicU64::new(0);
    killed(
        Law::Pure,
        Rule(move |versions: &Versions| {
            let nth = calls.fetch_add(1, Ordering::Relaxed) as usize;
            // The base changes every three calls, so resolving a set twice in a row often misses the fault.
            let base = nth / 3 % versions.len();
            Merged::of(base, versions).over(base, versions, RULE)
        }),
    );
}

/// The rule is "if the remote version is at least as confident, take it", but each node has a different remote version.
#[test]
fn remote_version_wins_ties() {
    let local: Mutex<Option<[u8; 32]>> = Mutex::new(None);
    let rule = Rule(move |versions: &Versions| {
        let mut local = local.lock().unwrap();
        let mine = versions.iter().position(|v| Some(v.digest) == *local).unwrap_or(0);
        let confidence = |index: usize| versions[index].value.confidence;
        let remote = (0..versions.len()).filter(|&index| index != mine);
        let base = remote.fold(mine, |a, b| if confidence(a) > confidence(b) { a } else { b });
        *local = Some(versions[base].digest);
        Merged::of(base, versions).over(base, versions, RULE)
    });
    let broken = laws().check(&rule).expect_err("the suite must fail");
    assert!(matches!(broken.law, Law::Set | Law::Pure), "{broken}");
}

#[test]
fn first_version_wins() {
    let rule = |versions: &Versions| Merged::of(0, versions).over(0, versions, RULE);
    killed(Law::Names, Rule(rule));
}

#[test]
fn drops_citations() {
    let rule = |versions: &Versions| Resolution::chosen(most_confident(versions), RULE);
    killed(Law::Citations, Rule(rule));
}

#[test]
fn forgets_repeated_citations() {
    let rule = |versions: &Versions| voted(versions, |value| value.citations.dedup());
    killed(Law::Citations, Rule(rule));
}

#[test]
fn confidence_out_of_agreement() {
    let rule = |versions: &Versions| {
        let doubt = versions.values().map(|v| 1.0 - v.confidence).product::<f32>();
        voted_of_several(versions, |value| value.confidence = 1.0 - doubt)
    };
    killed(Law::Confidence, Rule(rule));
}

#[test]
fn divides_by_a_total_of_zero() {
    let rule = |versions: &Versions| {
        let confidences = || versions.values().map(|v| f64::from(v.confidence));
        let total: f64 = confidences().sum();
        let mean = (confidences().map(|c| c * c).sum::<f64>() / total) as f32;
        voted_of_several(versions, |value| value.confidence = mean)
    };
    killed(Law::Valid, Rule(rule));
}

#[test]
fn panics_if_no_version_has_confidence() {
    let rule = |versions: &Versions| {
        assert!(versions.values().any(|v| v.confidence > 0.0), "no version has confidence");
        ConfidenceVoting.resolve(versions)
    };
    killed(Law::Total, Rule(rule));
}

#[test]
fn changes_a_single_version() {
    let rule = |versions: &Versions| {
        // Turns -0.0 into 0.0, which is the same number with different bits.
        voted(versions, |value| value.embedding.iter_mut().for_each(|x| *x += 0.0))
    };
    killed(Law::Single, Rule(rule));
}

#[test]
fn an_index_out_of_range() {
    killed(Law::Valid, Rule(|versions: &Versions| Resolution::chosen(versions.len(), RULE)));
}

#[test]
fn keeps_nothing() {
    killed(Law::Valid, Rule(|_: &Versions| Resolution::kept(Vec::new(), RULE)));
}

#[test]
fn an_identity_that_changes() {
    struct Renamed(AtomicU64);
    impl Strategy<OwnedPattern> for Renamed {
        fn id(&self) -> StrategyId {
            let call = self.0.fetch_add(1, Ordering::Relaxed);
            StrategyId::literal("renamed", 1).with("call", call.to_string()).unwrap()
        }
        fn resolve(&self, versions: &Versions) -> Answer {
            ConfidenceWeighted::new().resolve(versions)
        }
    }
    killed(Law::Identity, Renamed(AtomicU64::new(0)));
}

#[test]
fn citations_out_of_order() {
    let rule = |versions: &Versions| voted_of_several(versions, |value| value.citations.reverse());
    killed(Law::Valid, Rule(rule));
}

#[test]
fn shares_that_add_up_to_two() {
    let rule = |versions: &Versions| {
        let mut answer = ConfidenceWeighted::new().resolve(versions);
        if let Outcome::Composed(composed) = &mut answer.outcome {
            composed.shares.iter_mut().for_each(|share| *share *= 2.0);
        }
        answer
    };
    killed(Law::Valid, Rule(rule));
}

#[test]
fn an_invented_reason() {
    let of_ties = |versions: &Versions| {
        let mut answer = ConfidenceVoting.resolve(versions);
        if let Reason::Digest { tied } = &mut answer.reason {
            *tied += 77;
        }
        answer
    };
    killed(Law::Valid, Rule(of_ties));
    let of_leads = |versions: &Versions| {
        let mut answer = ConfidenceVoting.resolve(versions);
        if let Reason::Confidence { lead } = &mut answer.reason {
            *lead /= 2.0;
        }
        answer
    };
    killed(Law::Valid, Rule(of_leads));
    let that_all_are_kept = |versions: &Versions| {
        let mut answer = KeepBoth.resolve(versions);
        if let Outcome::Kept(indices) = &mut answer.outcome {
            indices.truncate(1);
        }
        answer
    };
    let broken = laws().except(Law::Citations).check(&Rule(that_all_are_kept)).unwrap_err();
    assert_eq!(broken.law, Law::Valid);
}

/// The sum overflows. It panics here, and gives a wrong number in a build without overflow checks.
#[test]
#[cfg(debug_assertions)]
fn a_sum_of_confirmations_that_overflows() {
    let rule = |versions: &Versions| {
        let confirmations: u32 = versions.iter().map(|v| v.confirmations).sum();
        voted_of_several(versions, |value| value.confidence *= 1.0 / confirmations as f32)
    };
    killed(Law::Total, Rule(rule));
}

/// The suite cannot detect an answer that differs between machines. A comparison of the fingerprints of several
/// machines (law S6, [`engram_conflict::Passed::fingerprint`]) detects it.
#[test]
fn machine_dependence_needs_two_machines() {
    let on = |is_wide: bool| {
        Rule(move |versions: &Versions| match is_wide {
            true => KeepBoth.resolve(versions),
            false => ConfidenceVoting.resolve(versions),
        })
    };
    let fingerprints = [on(true), on(false)].map(|rule| laws().check(&rule).unwrap().fingerprint);
    assert_ne!(fingerprints[0], fingerprints[1]);
}

/// The suite cannot detect that strategies with different parameters have the same identity. It runs one strategy at a
/// time, and each keeps the laws.
#[test]
fn parameter_outside_the_identity_is_not_seen() {
    let weighted = |by_confirmations| match by_confirmations {
        true => ConfidenceWeighted::by_confirmations(),
        false => ConfidenceWeighted::new(),
    };
    for parameter in [true, false] {
        laws().assert(&Rule(move |versions: &Versions| weighted(parameter).resolve(versions)));
    }
}
