//! Strategies and laws for values other than patterns: products in a catalogue.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use engram_conflict::{
    Law, Laws, Random, Reason, Resolution, Strategy, StrategyId, Value, Version, Versions,
};

#[derive(Clone, Debug, Hash, PartialEq, Eq)]
struct Product {
    title: String,
    cents: u64,
    tags: BTreeSet<String>,
}

#[derive(Debug, PartialEq, thiserror::Error)]
#[error("a product has a title")]
struct NoTitle;

impl Value for Product {
    type Invalid = NoTitle;

    fn validate(&self, _: &Self) -> Result<(), NoTitle> {
        if self.title.is_empty() { Err(NoTitle) } else { Ok(()) }
    }
}

/// The lowest price, with the tags of all versions.
struct Cheapest;

impl Strategy<Product> for Cheapest {
    fn id(&self) -> StrategyId {
        StrategyId::literal("cheapest", 1)
    }

    fn resolve(&self, versions: &Versions<Product>) -> Resolution<Product> {
        let base = versions.best_by(|a, b| b.value.cents.cmp(&a.value.cents));
        let tags = versions.values().flat_map(|product| product.tags.iter().cloned()).collect();
        let product = Product { tags, ..versions[base].value.clone() };
        Resolution::composed(product, base, versions, Reason::Other("the lowest price".into()))
    }
}

fn product(random: &mut Random, cents: u64) -> Product {
    let title = random.pick(&["pen", "cup"]).to_string();
    let tags = (0..random.below(4)).map(|_| random.pick(&["new", "red", "sale"]).to_string());
    Product { title, cents, tags: tags.collect() }
}

fn laws() -> Laws<Product> {
    Laws::new(
        |random| {
            let cents = random.pick(&[0, 1, 1, 250, u64::MAX]);
            product(random, cents)
        },
        |random, place| {
            let cents = place as u64 * 100 + random.below(100) as u64;
            product(random, cents)
        },
    )
    .with_law("no tag is lost", |versions, resolution| {
        let shown = &resolution.visible(versions).tags;
        let lost =
            versions.values().flat_map(|product| &product.tags).find(|tag| !shown.contains(*tag));
        lost.map(|tag| format!("{tag} is not shown"))
    })
}

#[test]
fn a_strategy_of_products_keeps_the_laws() {
    let kept = laws().check(&Cheapest).unwrap();
    assert_eq!(kept.cases, 1000);
    assert_eq!(kept, laws().check(&Box::new(Cheapest)).unwrap());
}

/// A strategy with a wrong rule.
struct Wrong<F>(F);

impl<F: Fn(&Versions<Product>) -> Resolution<Product> + Send + Sync> Strategy<Product>
    for Wrong<F>
{
    fn id(&self) -> StrategyId {
        StrategyId::literal("wrong", 1)
    }

    fn resolve(&self, versions: &Versions<Product>) -> Resolution<Product> {
        (self.0)(versions)
    }
}

#[track_caller]
fn killed(law: Law, rule: impl Fn(&Versions<Product>) -> Resolution<Product> + Send + Sync) {
    let broken = laws().check(&Wrong(rule)).expect_err("the suite must fail");
    assert_eq!(broken.law, law, "{broken}");
}

#[test]
fn each_law_stops_a_wrong_strategy_of_products() {
    let rule = || Reason::Other("wrong".into());
    killed(Law::Names, |versions| {
        let tags = versions.values().flat_map(|product| product.tags.iter().cloned()).collect();
        let first = Product { tags, ..versions[0].value.clone() };
        Resolution::composed(first, 0, versions, rule())
    });
    killed(Law::OfValues("no tag is lost"), |versions| {
        versions.choose_by("the lowest price", |a, b| b.value.cents.cmp(&a.value.cents))
    });
    killed(Law::Total, |versions| {
        assert!(versions.values().all(|product| product.cents < u64::MAX), "too dear");
        Cheapest.resolve(versions)
    });
    killed(Law::Valid, |versions| {
        let nameless = Product { title: String::new(), ..versions[0].value.clone() };
        Resolution::composed(nameless, 0, versions, rule())
    });
    killed(Law::Single, |versions| {
        let mut dearer = Cheapest.resolve(versions).visible(versions).clone();
        dearer.cents = dearer.cents.saturating_add(1);
        Resolution::composed(dearer, 0, versions, rule())
    });
    let calls = AtomicUsize::new(0);
    killed(Law::Pure, move |versions| {
        // The base changes every three calls, so resolving a set twice in a row often misses the
        // fault.
        let base = calls.fetch_add(1, Ordering::Relaxed) / 3 % versions.len();
        let tags = versions.values().flat_map(|product| product.tags.iter().cloned()).collect();
        let product = Product { tags, ..versions[base].value.clone() };
        Resolution::composed(product, base, versions, rule())
    });
}

#[test]
fn an_invalid_product_is_refused_by_digest() {
    let nameless = Product { title: String::new(), cents: 1, tags: BTreeSet::new() };
    let error = Versions::new([Version::new([7; 32], nameless)]).unwrap_err();
    assert_eq!(error.to_string(), "version 07070707: a product has a title");
}

#[test]
fn chosen_version_names_its_rule() {
    let versions = Versions::new([3u64, 9, 9].map(Version::named)).unwrap();
    assert_eq!(versions.len(), 2);
    let greatest = versions.choose_by("the greatest", |a, b| a.value.cmp(&b.value));
    assert_eq!(greatest.reason, Reason::Other("the greatest".into()));
    assert_eq!(*greatest.visible(&versions), 9);
    let any = versions.choose_by("any", |_, _| std::cmp::Ordering::Equal);
    assert_eq!(any.reason, Reason::Digest { tied: 2 });
}

#[test]
fn invalid_generated_product_is_refused() {
    let laws = Laws::new(
        |random| {
            let title = random.pick(&["", "pen"]).to_string();
            Product { title, ..product(random, 1) }
        },
        |random, place| product(random, place as u64),
    );
    let broken = laws.check(&Cheapest).unwrap_err();
    assert_eq!(broken.law, Law::Input);
    let fault = "cheapest/1 is not checked: the generator `value` draws an invalid set: version ";
    assert!(broken.to_string().starts_with(fault), "{broken}");
    assert!(broken.detail.ends_with(": a product has a title"), "{broken}");
}
