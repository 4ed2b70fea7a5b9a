//! What the shipped scheduler does with its default settings, in virtual time.

#![cfg(feature = "sim")]

mod common;

use std::time::Duration;

use common::cluster::{self, LAN, SECOND, WAN, news, p99};
use engram_gossip_proto::schedule::Mutant;

/// The longest of a few runs. `SEEDS=100 cargo test --release --all-features --test schedule` takes
/// the 99th percentile of a hundred.
fn longest(
    nodes: usize,
    latency: engram_gossip_proto::sim::Latency,
    loss: f64,
    dead: usize,
) -> Duration {
    let seeds = std::env::var("SEEDS").map_or(4, |n| n.parse().expect("SEEDS is a number"));
    let runs = (0..seeds).map(|seed| news(cluster::config(seed, latency, loss, None), nodes, dead));
    let longest = p99(runs).expect("news arrives");
    println!("{nodes} nodes, {dead} dead, {latency:?}, loss {loss}: {longest:?}");
    longest
}

#[test]
fn news_crosses_a_lan_in_a_second() {
    assert!(longest(100, LAN, 0.0, 0) <= SECOND);
}

#[test]
fn news_crosses_a_wan_in_three_seconds() {
    assert!(longest(100, WAN, 0.02, 0) <= SECOND * 3);
}

#[test]
fn loss_and_dead_nodes_cost_seconds() {
    assert!(longest(100, LAN, 0.2, 10) <= SECOND * 10);
}

#[test]
#[ignore = "a thousand nodes take half a minute"]
fn ten_times_the_nodes_cost_half_as_much_again() {
    let median = |nodes| {
        let runs = (0..5).map(|seed| news(cluster::config(seed, LAN, 0.0, None), nodes, 0));
        let mut times: Vec<_> = runs.map(|took| took.expect("news arrives")).collect();
        times.sort();
        println!("{nodes} nodes: {times:?}");
        times[2]
    };
    assert!(median(1_000) <= median(100) * 3 / 2);
}

#[test]
fn steady_writes_keep_up() {
    cluster::steady_writes_keep_up(20, 5).unwrap();
}

#[test]
#[ignore = "a hundred nodes that all write take minutes"]
fn a_hundred_writers_keep_up() {
    cluster::steady_writes_keep_up(100, 20).unwrap();
}

#[test]
fn a_partition_heals_without_a_storm() {
    cluster::a_partition_heals_without_a_storm(40, 1).unwrap();
}

macro_rules! each_kills_its_mutant {
    ($($name:ident kills $mutant:ident;)*) => {$(
        #[test]
        fn $name() {
            cluster::$name(None).unwrap();
            let fault = cluster::$name(Some(Mutant::$mutant));
            println!("{:?}: {fault:?}", Mutant::$mutant);
            assert!(fault.is_err(), "{:?} went unnoticed", Mutant::$mutant);
        }
    )*};
}

each_kills_its_mutant! {
    news_is_fast kills NoAdvert;
    every_pair_meets_by_the_timer kills NoRotation;
    nothing_comes_twice kills NoClaims;
    a_refusal_costs_ever_less kills NoBackoff;
    refused_records_are_not_resent kills NoBackoff;
    permits_come_back kills PermitLeak;
    a_failed_fetch_is_repeated_elsewhere kills StaleInFlightRoots;
    the_rest_follows_at_once kills SkippedFollowUp;
    silent_members_cost_nothing kills UnfairDials;
}
