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
use engram_vclock::{Dot, Reader, Siblings, VectorClock};

#[path = "common/input.rs"]
mod input;

use input::{POOL, Pair, Relation, pairs};

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

fn map<T, U>(
    pairs: &[Pair],
    convert: impl Fn(&[(u64, u64)]) -> T,
    join: impl Fn(T, T) -> U,
) -> Vec<U> {
    pairs.iter().map(|pair| join(convert(&pair.left), convert(&pair.right))).collect()
}

fn ours(entries: &[(u64, u64)]) -> VectorClock<u64> {
    VectorClock::try_from_iter(entries.iter().copied()).expect("counters from 1 to 200")
}

fn crdts(entries: &[(u64, u64)]) -> crdts::VClock<u64> {
    entries.iter().map(|&(actor, counter)| crdts::Dot::new(actor, counter)).collect()
}

fn vclock(entries: &[(u64, u64)]) -> vclock::VClock<u64, u64> {
    entries.iter().copied().collect::<std::collections::HashMap<_, _>>().into()
}

/// Merging in place when the actors are known: what a replica does all day.
fn merge(criterion: &mut Criterion) {
    let mut group = group(criterion, "clock_merge");
    for actors in ACTORS {
        let input = pairs(actors, Relation::Concurrent);
        let pair = |left, right| (left, right);
        cycle(&mut group, "ours", actors, map(&input, ours, pair), |(a, b)| a.merge(b));
        // crdts takes the other clock by value: a caller that keeps its own has to clone it.
        cycle(&mut group, "crdts", actors, map(&input, crdts, |a, b| (a, b)), |(a, b)| {
            a.merge(b.clone())
        });
        cycle(&mut group, "vclock", actors, map(&input, vclock, |a, b| (a, b)), |(a, b)| {
            a.merge(b)
        });
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
            cycle(&mut group, "ours", actors, map(&input, ours, |a, b| (a, b)), |(a, b)| {
                a.compare(b)
            });
            cycle(&mut group, "crdts", actors, map(&input, crdts, |a, b| (a, b)), |(a, b)| {
                (*a).partial_cmp(b)
            });
            cycle(&mut group, "vclock", actors, map(&input, vclock, |a, b| (a, b)), |(a, b)| {
                (*a).partial_cmp(b)
            });
        }
        group.finish();
    }
}

/// Counting one event of a known actor.
fn tick(criterion: &mut Criterion) {
    let mut group = group(criterion, "clock_tick");
    for actors in ACTORS {
        let input = pairs(actors, Relation::Equal);
        let who = |pair: &Pair| pair.left[actors / 2].0;
        let pool = |convert: fn(&[(u64, u64)]) -> _| {
            input.iter().map(|p| (convert(&p.left), who(p))).collect()
        };
        cycle(&mut group, "ours", actors, pool(ours), |(clock, actor)| clock.tick(actor));
        let pool = input.iter().map(|p| (crdts(&p.left), who(p))).collect();
        cycle(&mut group, "crdts", actors, pool, |(clock, actor)| clock.apply(clock.inc(*actor)));
        let pool = input.iter().map(|p| (vclock(&p.left), who(p))).collect();
        cycle(&mut group, "vclock", actors, pool, |(clock, actor)| clock.incr(actor));
    }
    group.finish();
}

/// Encoding into a fresh buffer, and back.
fn codec(criterion: &mut Criterion) {
    let mut group = group(criterion, "clock_encode");
    for actors in ACTORS {
        let input = pairs(actors, Relation::Equal);
        cycle(&mut group, "ours", actors, map(&input, ours, |a, _| a), |clock| clock.to_bytes());
        cycle(&mut group, "crdts", actors, map(&input, crdts, |a, _| a), |clock| {
            postcard::to_allocvec(clock)
        });
        cycle(&mut group, "vclock", actors, map(&input, vclock, |a, _| a), |clock| {
            postcard::to_allocvec(clock)
        });
    }
    group.finish();
    let mut group = self::group(criterion, "clock_decode");
    for actors in ACTORS {
        let input = pairs(actors, Relation::Equal);
        cycle(&mut group, "ours", actors, map(&input, ours, |a, _| a.to_bytes()), |bytes| {
            VectorClock::<u64>::from_bytes(bytes)
        });
        let bytes =
            |entries: &[(u64, u64)]| postcard::to_allocvec(&crdts(entries)).expect("encodes");
        cycle(&mut group, "crdts", actors, map(&input, bytes, |a, _| a), |bytes| {
            postcard::from_bytes::<crdts::VClock<u64>>(bytes)
        });
        let bytes =
            |entries: &[(u64, u64)]| postcard::to_allocvec(&vclock(entries)).expect("encodes");
        cycle(&mut group, "vclock", actors, map(&input, bytes, |a, _| a), |bytes| {
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
        cycle(&mut group, "ours", actors, map(&input, siblings, |a, b| (a, b)), |(a, b)| a.join(b));
        // A register of crdts is merged by value too.
        cycle(&mut group, "crdts", actors, map(&input, register, |a, b| (a, b)), |(a, b)| {
            a.merge(b.clone())
        });
    }
    group.finish();
}

fn siblings(entries: &[(u64, u64)]) -> Siblings<u64, u64> {
    let mut siblings = Siblings::new();
    for &(actor, counter) in entries {
        siblings
            .write(Dot::new(actor, counter), counter, &VectorClock::new())
            .expect("each actor writes once");
    }
    siblings
}

fn register(entries: &[(u64, u64)]) -> crdts::MVReg<u64, u64> {
    let mut register = crdts::MVReg::new();
    for &(actor, counter) in entries {
        let clock = crdts::Dot::new(actor, counter).into();
        register.apply(crdts::mvreg::Op::Put { clock, val: counter });
    }
    register
}

criterion_group!(benches, merge, compare, tick, codec, join);
criterion_main!(benches);
