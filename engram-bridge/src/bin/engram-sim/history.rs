//! The lost-write checker: what was acknowledged, and what has to be left of it.
//!
//! It knows the store only from outside. Each write is noted with what its writer had a right to
//! supersede: an engine's own older writes, or everything that was there if somebody looked at it.
//! In the end the live writes of a pattern are those that no other write superseded, on every node.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use engram_bridge::{SemanticPattern, Submitted};
use engram_gossip_proto::sim::{Host, World};
use engram_gossip_proto::{Body, Dot, Record, SpaceId, View};

use crate::replica::{Replica, node_id};

/// A pattern of a space.
pub(crate) type Place = (SpaceId, String);

/// All acknowledged writes.
#[derive(Debug, Default)]
pub(crate) struct History {
    writes: BTreeMap<Place, BTreeMap<Dot, Write>>,
    /// What the engine of a node submitted last in its present life.
    engines: BTreeMap<usize, BTreeMap<Place, Arc<SemanticPattern>>>,
    contents: BTreeMap<[u8; 32], Arc<SemanticPattern>>,
    faults: Vec<String>,
}

#[derive(Debug)]
struct Write {
    body: Body,
    superseded: Vec<Dot>,
    /// It was held by nobody but a node that lost its disk; it may be gone, or still be under way.
    at_risk: bool,
}

/// What the checker found.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Writes that were acknowledged, superseded by nobody, and are not live on every node.
    pub(crate) lost: u64,
    /// Everything else that must not be.
    pub(crate) faults: Vec<String>,
}

impl History {
    /// The engine of `node` submits.
    pub(crate) fn submit(
        &mut self,
        node: usize,
        replica: &Replica,
        place: &Place,
        pattern: &Arc<SemanticPattern>,
    ) {
        let before = record(replica, place);
        let submitted = replica.submit(&place.0, pattern);
        let last = self.engines.entry(node).or_default().insert(place.clone(), Arc::clone(pattern));
        match submitted {
            Submitted::Written => {
                let own = |dot: &Dot| dot.actor.node == *node_id(node).as_bytes();
                let body = self.note(node, replica, place, before.as_ref(), own);
                self.know(body, pattern);
            }
            Submitted::Unchanged if last.as_ref() == Some(pattern) => {}
            Submitted::Buried if self.buries(before.as_ref(), pattern) => {}
            _ => self
                .fault(place, format_args!("n{node} acknowledged without a write: {submitted:?}")),
        }
    }

    /// Somebody takes back what `node` wrote.
    pub(crate) fn withdraw(&mut self, node: usize, replica: &Replica, place: &Place) {
        let before = record(replica, place);
        if replica.space(&place.0).withdraw(&place.1).expect("memory takes everything") {
            let own = |dot: &Dot| dot.actor.node == *node_id(node).as_bytes();
            _ = self.note(node, replica, place, before.as_ref(), own);
        }
    }

    /// Somebody deletes a pattern at `node`.
    pub(crate) fn forget(&mut self, node: usize, replica: &Replica, place: &Place) {
        let before = record(replica, place);
        if replica.space(&place.0).forget(&place.1).expect("memory takes everything") {
            _ = self.note(node, replica, place, before.as_ref(), |_| true);
        }
    }

    /// Somebody who looked at all versions at `node` writes `pattern` over them.
    pub(crate) fn resolve(
        &mut self,
        node: usize,
        replica: &Replica,
        place: &Place,
        pattern: &Arc<SemanticPattern>,
    ) {
        let before = record(replica, place);
        replica.space(&place.0).resolve(pattern).expect("simulated patterns are valid");
        let body = self.note(node, replica, place, before.as_ref(), |_| true);
        self.know(body, pattern);
    }

    /// A node lost its disk, and its engine its memory. To be told before its state is dropped.
    pub(crate) fn disk_lost(&mut self, node: usize, world: &World<Replica>) {
        self.engines.remove(&node);
        for (place, writes) in &mut self.writes {
            let others = (0..world.len()).filter(|other| *other != node);
            let records: Vec<_> =
                others.filter_map(|other| record(world.host(other), place)).collect();
            for (dot, write) in writes {
                write.at_risk |= !records.iter().any(|record| covers(record, dot));
            }
        }
    }

    /// Notes an acknowledged write that nobody made, to see that the checker misses it.
    pub(crate) fn sabotage(&mut self) {
        let Some((place, writes)) = self.writes.iter().next() else { return };
        let Some((dot, write)) = writes.iter().next() else { return };
        let dot = Dot { counter: dot.counter + 1_000_000, ..*dot };
        let phantom = Write { body: write.body.clone(), superseded: Vec::new(), at_risk: false };
        let place = place.clone();
        self.writes.entry(place).or_default().insert(dot, phantom);
    }

    /// What every engine of a node would submit again.
    pub(crate) fn engine(&self, node: usize) -> Vec<(Place, Arc<SemanticPattern>)> {
        let engine = self.engines.get(&node);
        engine.into_iter().flatten().map(|(place, p)| (place.clone(), Arc::clone(p))).collect()
    }

    /// Compares all nodes, all of them running and in agreement, with what was acknowledged.
    pub(crate) fn check(&self, world: &World<Replica>) -> Findings {
        let mut findings = Findings { lost: 0, faults: self.faults.clone() };
        for (place, writes) in &self.writes {
            let hosts = (0..world.len()).map(|node| world.host(node));
            let hosts: Vec<_> = hosts.filter(|host| host.spaces().contains(&place.0)).collect();
            let records: Vec<_> = hosts.iter().map(|host| record(host, place)).collect();
            let expected = expected(writes, &records);
            let mut missing = BTreeSet::new();
            for record in &records {
                let siblings = record.iter().flat_map(|record| &record.siblings);
                let live: BTreeMap<&Dot, &Body> = siblings.map(|(dot, body)| (dot, body)).collect();
                let is_missing = |(dot, body): &(&Dot, &Body)| live.get(*dot) != Some(body);
                let gone = expected.iter().map(|(dot, body)| (*dot, *body)).filter(is_missing);
                missing.extend(gone.map(|(dot, _)| *dot));
                let surplus = live.keys().filter(|dot| !expected.contains_key(*dot)).count();
                if surplus > 0 {
                    findings.faults.push(format!("{}: {surplus} writes should be gone", place.1));
                }
            }
            findings.lost += missing.len() as u64;
        }
        findings.faults.extend(views_differ(world));
        findings
    }

    fn note(
        &mut self,
        node: usize,
        replica: &Replica,
        place: &Place,
        before: Option<&Record>,
        supersedes: impl Fn(&Dot) -> bool,
    ) -> Option<Body> {
        let dots = |record: &Record| record.siblings.iter().map(|(dot, _)| *dot).collect();
        let before: BTreeSet<Dot> = before.map(dots).unwrap_or_default();
        let after = record(replica, place).map(|record| record.siblings).unwrap_or_default();
        let mut new = after.into_iter().filter(|(dot, _)| !before.contains(dot));
        let (Some((dot, body)), None) = (new.next(), new.next()) else {
            self.fault(place, format_args!("n{node} acknowledged a write without a dot"));
            return None;
        };
        let superseded = before.into_iter().filter(supersedes).collect();
        let write = Write { body: body.clone(), superseded, at_risk: false };
        if self.writes.entry(place.clone()).or_default().insert(dot, write).is_some() {
            self.fault(place, format_args!("n{node} used a dot twice"));
        }
        Some(body)
    }

    /// Remembers which content a digest names, to know it when it is buried.
    fn know(&mut self, body: Option<Body>, pattern: &Arc<SemanticPattern>) {
        if let Some(Body::Content(digest)) = body {
            self.contents.insert(digest, Arc::clone(pattern));
        }
    }

    fn fault(&mut self, place: &Place, what: std::fmt::Arguments<'_>) {
        self.faults.push(format!("{}/{}: {what}", place.0, place.1));
    }

    fn buries(&self, record: Option<&Record>, pattern: &Arc<SemanticPattern>) -> bool {
        let bodies = record.into_iter().flat_map(|record| &record.siblings).map(|(_, body)| body);
        let buried = bodies.filter_map(|body| match body {
            Body::Tombstone { buried } => Some(buried),
            Body::Content(_) => None,
        });
        buried.flatten().any(|digest| self.contents.get(digest) == Some(pattern))
    }
}

/// The writes that have to be live: those that are left and that nothing that is left superseded.
fn expected<'a>(
    writes: &'a BTreeMap<Dot, Write>,
    records: &[Option<Record>],
) -> BTreeMap<&'a Dot, &'a Body> {
    let seen = |dot: &Dot| records.iter().flatten().any(|record| covers(record, dot));
    let left = || writes.iter().filter(|(dot, write)| !write.at_risk || seen(dot));
    let gone: BTreeSet<_> = left().flat_map(|(_, write)| &write.superseded).collect();
    let live = left().filter(|(dot, _)| !gone.contains(dot));
    live.map(|(dot, write)| (dot, &write.body)).collect()
}

fn covers(record: &Record, dot: &Dot) -> bool {
    record.context.iter().any(|(actor, counter)| *actor == dot.actor && *counter >= dot.counter)
}

/// The record of a pattern, as a peer would see it.
fn record(replica: &Replica, (space, id): &Place) -> Option<Record> {
    if !replica.spaces().contains(space) {
        return None;
    }
    let view = replica.pin(space);
    view.record(&view.key_of(id))
}

/// Nodes that show something else than the others of the same space.
fn views_differ(world: &World<Replica>) -> Vec<String> {
    let mut shown = BTreeMap::new();
    let mut faults = Vec::new();
    for node in 0..world.len() {
        for space in world.host(node).spaces() {
            let view = world.host(node).space(&space).view().patterns;
            let first = shown.entry(space).or_insert_with(|| view.clone());
            if *first != view {
                faults.push(format!("n{node} shows other patterns than the others"));
            }
        }
    }
    faults
}
