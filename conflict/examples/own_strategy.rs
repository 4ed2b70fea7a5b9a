//! A custom strategy for a custom value: the cheapest version of a product, with the tags of all versions. The law
//! suite checks that replicas can rely on it.

use std::collections::BTreeSet;
use std::convert::Infallible;

use engram_conflict::{
    Laws, Random, Reason, Resolution, Strategy, StrategyId, Value, Version, Versions,
};

#[derive(Clone, Debug, Hash)]
struct Product {
    title: &'static str,
    cents: u64,
    tags: BTreeSet<&'static str>,
}

impl Value for Product {
    type Invalid = Infallible;

    fn validate(&self, _: &Self) -> Result<(), Infallible> {
        Ok(())
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
        let tags = versions.values().flat_map(|product| &product.tags).copied().collect();
        let product = Product { tags, ..versions[base].value };
        Resolution::composed(product, base, versions, Reason::Other("the lowest price".into()))
    }
}

/// A strategy with a common mistake: the first version wins.
struct FirstWins;

impl Strategy<Product> for FirstWins {
    fn id(&self) -> StrategyId {
        StrategyId::literal("first-wins", 1)
    }

    fn resolve(&self, _: &Versions<Product>) -> Resolution<Product> {
        Resolution::chosen(0, Reason::Other("the first".into()))
    }
}

fn main() -> Result<(), engram_conflict::InvalidVersions<Infallible>> {
    let product = |random: &mut Random, cents| Product {
        title: random.pick(&["cup", "pen"]),
        cents,
        tags: (0..random.below(3)).map(|_| random.pick(&["new", "red", "sale"])).collect(),
    };
    let laws = Laws::new(
        move |random| {
            let cents = random.pick(&[0, 99, 99, u64::MAX]);
            product(random, cents)
        },
        move |random, place| product(random, place as u64),
    );
    laws.assert(&Cheapest);
    println!("cheapest/1 keeps the laws\n");

    let cup = |cents, tag| Product { title: "cup", cents, tags: BTreeSet::from([tag]) };
    let versions = Versions::new([cup(250, "new"), cup(199, "sale")].map(Version::named))?;
    println!("{:?}", Cheapest.resolve(&versions).visible(&versions));
    println!("{}\n", Cheapest.explain(&versions));

    println!("{}", laws.check(&FirstWins).expect_err("the digests decide"));
    Ok(())
}
