//! The law suite can fail: the classic wrong strategies, and the law that stops each of them.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use engram_conflict::{
    Blend, ConfidenceVoting, ConfidenceWeighted, Embedding, Law, Laws, Merged, Outcome, Reason,
    Resolution, Strategy, StrategyId, Version, Versions, blend, union,
};

/// A strategy made of a rule alone.
struct Rule<F>(F);

impl<F: Fn(&Versions<'_>) -> Resolution + Send + Sync> Strategy for Rule<F> {
    fn id(&self) -> StrategyId {
        StrategyId::new("rule", 1).unwrap()
    }

    fn resolve(&self, versions: &Versions<'_>) -> Resolution {
        (self.0)(versions)
    }
}

const RULE: Reason = Reason::Other(std::borrow::Cow::Borrowed("a wrong rule"));

fn merged(version: &Version<'_>, versions: &Versions<'_>) -> Merged {
    Merged {
        embedding: Embedding::Blended(Blend {
            components: version.embedding.to_vec(),
            shares: Vec::new(),
        }),
        citations: union(versions.iter().map(|v| v.citations)),
        strength: version.strength,
        confidence: version.confidence,
        consolidated_at: version.consolidated_at,
    }
}

/// A right value to make one thing of wrong: that of the most confident version.
fn most_confident(versions: &Versions<'_>) -> Merged {
    let index = versions.best_by(|a, b| a.confidence.total_cmp(&b.confidence));
    merged(&versions[index], versions)
}

fn composed(merged: Merged) -> Resolution {
    Resolution { outcome: Outcome::Composed(merged), reason: RULE }
}

/// The suite must break `law`, and the printed seed must show the same again.
#[track_caller]
fn killed(law: Law, strategy: impl Strategy) {
    let broken = Laws::new().check(&strategy).expect_err("the suite must fail");
    assert_eq!(broken.law, law, "{broken}");
    assert!(broken.to_string().contains(&format!("replay({:#x})", broken.seed)));
    let again = Laws::new().replay(broken.seed).check(&strategy).unwrap_err();
    assert_eq!(again.law, law);
}

#[test]
fn pairwise_weighted_mean() {
    killed(
        Law::Names,
        Rule(|versions: &Versions<'_>| {
            let mut mean = merged(&versions[0], versions);
            for next in versions.iter().skip(1) {
                let Embedding::Blended(folded) = &mut mean.embedding else { unreachable!() };
                let (a, b) = (f64::from(mean.confidence), f64::from(next.confidence));
                let share = if a + b > 0.0 { a / (a + b) } else { 0.5 };
                folded.components =
                    blend([(share, &folded.components[..]), (1.0 - share, next.embedding)])
                        .unwrap();
                mean.confidence = ((a + b) / 2.0) as f32;
            }
            match versions.len() {
                1 => Resolution::chosen(0, RULE),
                _ => composed(mean),
            }
        }),
    );
}

#[test]
fn the_time_of_now() {
    let now = || i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos());
    killed(
        Law::Valid,
        Rule(move |versions: &Versions<'_>| {
            let consolidated_at = now().unwrap();
            composed(Merged { consolidated_at, ..merged(&versions[0], versions) })
        }),
    );
}

#[test]
fn a_generation_that_counts_calls() {
    let calls = AtomicU64::new(0);
    killed(
        Law::Pure,
        Rule(move |versions: &Versions<'_>| {
            let nth = calls.fetch_add(1, Ordering::Relaxed) as usize;
            // It hides within one answer and its repetition.
            Resolution::chosen(nth / 3 % versions.len(), RULE)
        }),
    );
}

/// "If the remote one is at least as confident, take it": what is remote depends on who asks.
#[test]
fn tie_to_remote() {
    let local: Mutex<Option<[u8; 32]>> = Mutex::new(None);
    let rule = Rule(move |versions: &Versions<'_>| {
        let mut local = local.lock().unwrap();
        let held = |v: &&Version<'_>| Some(v.digest) == *local;
        let mine = versions.iter().find(held).unwrap_or(&versions[0]);
        let remote = versions.iter().filter(|v| v.digest != mine.digest);
        let winner = remote.fold(*mine, |a, b| if a.confidence > b.confidence { a } else { *b });
        *local = Some(winner.digest);
        let index = versions.iter().position(|v| v.digest == winner.digest).unwrap();
        let merged = Merged { embedding: Embedding::Of(index), ..merged(&winner, versions) };
        Resolution::composed(merged, versions, RULE)
    });
    let broken = Laws::new().check(&rule).expect_err("the suite must fail");
    assert!(matches!(broken.law, Law::Set | Law::Pure), "{broken}");
}

#[test]
fn the_first_one_wins() {
    killed(
        Law::Names,
        Rule(|versions: &Versions<'_>| {
            let first = Merged { embedding: Embedding::Of(0), ..merged(&versions[0], versions) };
            Resolution::composed(first, versions, RULE)
        }),
    );
}

#[test]
fn drops_citations() {
    killed(
        Law::Citations,
        Rule(|versions: &Versions<'_>| {
            Resolution::chosen(versions.best_by(|a, b| a.confidence.total_cmp(&b.confidence)), RULE)
        }),
    );
}

#[test]
fn forgets_repeated_citations() {
    let rule = Rule(|versions: &Versions<'_>| {
        let mut voted = most_confident(versions);
        voted.citations.dedup();
        composed(voted)
    });
    killed(Law::Citations, rule);
}

#[test]
fn confidence_out_of_agreement() {
    killed(
        Law::Confidence,
        Rule(|versions: &Versions<'_>| {
            let doubt = versions.iter().map(|v| 1.0 - v.confidence).product::<f32>();
            match versions.len() {
                1 => Resolution::chosen(0, RULE),
                _ => composed(Merged { confidence: 1.0 - doubt, ..most_confident(versions) }),
            }
        }),
    );
}

#[test]
fn divides_by_a_total_of_zero() {
    killed(
        Law::Valid,
        Rule(|versions: &Versions<'_>| {
            let confidences = || versions.iter().map(|v| f64::from(v.confidence));
            let total: f64 = confidences().sum();
            let mean = (confidences().map(|c| c * c).sum::<f64>() / total) as f32;
            match versions.len() {
                1 => Resolution::chosen(0, RULE),
                _ => composed(Merged { confidence: mean, ..most_confident(versions) }),
            }
        }),
    );
}

#[test]
fn panics_where_nobody_is_confident() {
    killed(
        Law::Total,
        Rule(|versions: &Versions<'_>| {
            assert!(versions.iter().any(|v| v.confidence > 0.0), "nobody is confident");
            ConfidenceVoting.resolve(versions)
        }),
    );
}

#[test]
fn changes_a_single_version() {
    killed(
        Law::Single,
        Rule(|versions: &Versions<'_>| {
            let voted = ConfidenceVoting.resolve(versions);
            let visible = voted.visible(versions);
            composed(Merged {
                embedding: Embedding::Blended(Blend {
                    // Rounds -0.0 to 0.0: equal as a number, other as bits.
                    components: visible.embedding.iter().map(|x| x + 0.0).collect(),
                    shares: Vec::new(),
                }),
                citations: visible.citations.to_vec(),
                strength: visible.strength,
                confidence: visible.confidence,
                consolidated_at: visible.consolidated_at,
            })
        }),
    );
}

#[test]
fn an_index_from_nowhere() {
    killed(Law::Valid, Rule(|versions: &Versions<'_>| Resolution::chosen(versions.len(), RULE)));
}

#[test]
fn keeps_nothing() {
    killed(
        Law::Valid,
        Rule(|_: &Versions<'_>| Resolution { outcome: Outcome::Kept(Vec::new()), reason: RULE }),
    );
}

#[test]
fn an_identity_that_changes() {
    struct Renamed(AtomicU64);
    impl Strategy for Renamed {
        fn id(&self) -> StrategyId {
            let call = self.0.fetch_add(1, Ordering::Relaxed);
            StrategyId::new("renamed", 1).and_then(|id| id.with("call", call.to_string())).unwrap()
        }
        fn resolve(&self, versions: &Versions<'_>) -> Resolution {
            ConfidenceWeighted::new().resolve(versions)
        }
    }
    killed(Law::Identity, Renamed(AtomicU64::new(0)));
}
