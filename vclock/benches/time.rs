//! Clocks and siblings beside the crates that one would pick instead, in the same run.
//!
//! Ids are `<group>/<ours or a peer>/<input>`, inputs are numbers of actors. Clocks have random
//! `u64` actors with 1 to 200 events each. Every measurement cycles through the same pool of pairs,
//! so that no branch predictor can learn one of them by heart.

use std::hint::black_box;
use std::time::Duration;

use crdts::{CmRDT, CvRDT};
use criterion::{
    BenchmarkGroup, BenchmarkId, Criterion, criterion_group, criterion_main, measurement::WallTime,
};
use engram_vclock::{Dot, Siblings, VectorClock};

#[path = "common/input.rs"]
mod input;

use input::{Clock, POOL, Relation, clocks, pairs};

const ACTORS: [usize; 3] = [3, 16, 100];

/// Measures `op` over a pool of inputs, one a call.
fn cycle<T, R>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    who: &str,
    actors: usize,
    mut pool: Vec<T>,
    mut op: impl FnMut(&mut T) -> R,
) {
    let mut at = 0;
    group.bench_function(BenchmarkId::new(who, actors), |bencher| {
        bencher.iter(|| {
            at = (at + 1) % POOL;
            op(black_box(&mut pool[at]))
        });
    });
}

fn group<'c>(criterion: &'c mut Criterion, name: &str) -> BenchmarkGroup<'c, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(1))
        .sample_size(50);
    group
}

/// Both clocks of each pair, as a crate has them.
fn both<T>(pairs: &[(Clock, Clock)], convert: fn(&Clock) -> T) -> Vec<(T, T)> {
    pairs.iter().map(|(left, right)| (convert(left), convert(right))).collect()
}

fn ours(entries: &Clock) -> VectorClock<u64> {
    VectorClock::try_from_iter(entries.iter().copied()).expect("counters from 1 to 200")
}

fn crdts(entries: &Clock) -> crdts::VClock<u64> {
    entries.iter().map(|&(actor, counter)| crdts::Dot::new(actor, counter)).collect()
}

fn vclock(entries: &Clock) -> vclock::VClock<u64, u64> {
    entries.iter().copied().collect::<std::collections::HashMap<_, _>>().into()
}

/// Merging in place when the actors are known: what a replica does all day.
fn merge(criterion: &mut Criterion) {
    let mut group = group(criterion, "clock_merge");
    for actors in ACTORS {
        let input = pairs(actors, Relation::Concurrent);
        cycle(&mut group, "ours", actors, both(&input, ours), |(a, b)| a.merge(b));
        // crdts takes the other clock by value: a caller that keeps its own has to clone it.
        cycle(&mut group, "crdts", actors, both(&input, crdts), |(a, b)| a.merge(b.clone()));
        cycle(&mut group, "vclock", actors, both(&input, vclock), |(a, b)| a.merge(b));
    }
    group.finish();
}

fn compare(criterion: &mut Criterion) {
    for (name, relation) in [
        ("clock_compare_before", Relation::Before),
        ("clock_compare_equal", Relation::Equal),
        ("clock_compare_concurrent", Relation::Concurrent),
    ] {
        let mut group = group(criterion, name);
        for actors in ACTORS {
            let input = pairs(actors, relation);
            cycle(&mut group, "ours", actors, both(&input, ours), |(a, b)| a.compare(b));
            cycle(&mut group, "crdts", actors, both(&input, crdts), |(a, b)| (*a).partial_cmp(b));
            cycle(&mut group, "vclock", actors, both(&input, vclock), |(a, b)| (*a).partial_cmp(b));
        }
        group.finish();
    }
}

/// Counting one event of a known actor.
fn tick(criterion: &mut Criterion) {
    fn pool<T>(clocks: &[Clock], convert: fn(&Clock) -> T) -> Vec<(T, u64)> {
        clocks.iter().map(|clock| (convert(clock), clock[clock.len() / 2].0)).collect()
    }
    let mut group = group(criterion, "clock_tick");
    for actors in ACTORS {
        let input = clocks(actors);
        cycle(&mut group, "ours", actors, pool(&input, ours), |(clock, actor)| clock.tick(actor));
        cycle(&mut group, "crdts", actors, pool(&input, crdts), |(clock, actor)| {
            clock.apply(clock.inc(*actor));
        });
        cycle(&mut group, "vclock", actors, pool(&input, vclock), |(clock, actor)| {
            clock.incr(actor)
        });
    }
    group.finish();
}

/// Encoding into a fresh buffer.
fn encode(criterion: &mut Criterion) {
    let mut group = group(criterion, "clock_encode");
    for actors in ACTORS {
        let input = clocks(actors);
        let pool = input.iter().map(ours).collect();
        cycle(&mut group, "ours", actors, pool, |clock| clock.to_bytes());
        let pool = input.iter().map(crdts).collect();
        cycle(&mut group, "crdts", actors, pool, |clock| postcard::to_allocvec(clock));
        let pool = input.iter().map(vclock).collect();
        cycle(&mut group, "vclock", actors, pool, |clock| postcard::to_allocvec(clock));
    }
    group.finish();
}

fn decode(criterion: &mut Criterion) {
    let mut group = group(criterion, "clock_decode");
    for actors in ACTORS {
        let input = clocks(actors);
        let pool = input.iter().map(|clock| ours(clock).to_bytes()).collect();
        cycle(&mut group, "ours", actors, pool, |bytes| VectorClock::<u64>::from_bytes(bytes));
        // The same bytes for both: a map of actors to counters.
        let pool =
            |_| input.iter().map(|clock| postcard::to_allocvec(&crdts(clock)).expect("encodes"));
        cycle(&mut group, "crdts", actors, pool(()).collect(), |bytes| {
            postcard::from_bytes::<crdts::VClock<u64>>(bytes)
        });
        cycle(&mut group, "vclock", actors, pool(()).collect(), |bytes| {
            postcard::from_bytes::<vclock::VClock<u64, u64>>(bytes)
        });
    }
    group.finish();
}

/// Joining two replicas of one key that hold the same concurrent values, one for each actor.
fn join(criterion: &mut Criterion) {
    let mut group = group(criterion, "siblings_join");
    for actors in [1, 3, 16] {
        let input = pairs(actors, Relation::Equal);
        cycle(&mut group, "ours", actors, both(&input, siblings), |(a, b)| a.join(b));
        // A register of crdts is merged by value too.
        cycle(&mut group, "crdts", actors, both(&input, register), |(a, b)| a.merge(b.clone()));
    }
    group.finish();
}

fn siblings(entries: &Clock) -> Siblings<u64, u64> {
    let mut siblings = Siblings::new();
    for &(actor, counter) in entries {
        siblings
            .write(Dot::new(actor, counter), counter, &VectorClock::new())
            .expect("each actor writes once");
    }
    siblings
}

fn register(entries: &Clock) -> crdts::MVReg<u64, u64> {
    let mut register = crdts::MVReg::new();
    for &(actor, counter) in entries {
        let clock = crdts::Dot::new(actor, counter).into();
        register.apply(crdts::mvreg::Op::Put { clock, val: counter });
    }
    register
}

criterion_group!(benches, merge, compare, tick, encode, decode, join);
criterion_main!(benches);
