//! V1, V3, V6, V7, V9, V11 and the echo rule: a node's own operations on a record.

use crate::machine::{Machine, Time};
use crate::record::{Dot, IDS, NODES, Part, SUBMITTED, Set, contains};
use crate::rules::{Rules, Weaker};

/// The result of a submission.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    /// A new dot of the node holds the content.
    Written,
    /// The content is the engine's last submission, the record is held, and no replaced node has a
    /// live dot.
    Unchanged,
    /// The content is suppressed.
    Suppressed,
    /// The content is a blend that the process handed out, and no live dot holds it.
    Echo,
    /// The submission waits for the first contact.
    Waits,
}

impl Machine {
    /// V3, *submit*: the new dot supersedes the local dots of this node and of the nodes that it
    /// replaces. It supersedes no others, because the engine never saw the peers' versions.
    pub(crate) fn submit(&mut self, now: Time, id: usize, content: u8, rules: &Rules) -> Outcome {
        if self.memory.is_waiting {
            self.memory.waiting[id] = Some(content);
            return Outcome::Waits;
        }
        if contains(self.store.records[id].suppressed(), content) {
            self.store.last_submitted[id] = None;
            if !rules.has(Weaker::SuppressedSupersedesNothing) {
                self.supersede_but(now, id, content, rules);
            }
            return Outcome::Suppressed;
        }
        if self.is_echo(id, content, rules) {
            return Outcome::Echo;
        }
        if self.is_unchanged(id, content, rules) {
            self.claim(id, content, rules);
            return Outcome::Unchanged;
        }
        self.store.last_submitted[id] = Some(content);
        self.notes.wrote_echo |= self.is_stranger_to(id, content);
        let suppressed = self.store.records[id].parts[self.node].carried;
        self.remove_writes(id);
        self.write(now, id, Some(content), rules);
        if rules.has(Weaker::SuppressedCarriedOn) {
            self.own_mut(id).carried = suppressed;
        }
        Outcome::Written
    }

    /// V3, submission of a suppressed content: if this node or a node that it replaces has dots with other contents,
    /// removes them and advances this node's entry.
    fn supersede_but(&mut self, now: Time, id: usize, content: u8, rules: &Rules) {
        let names = self.names();
        let parts = &self.store.records[id].parts;
        let stays = |dot: &Dot| dot.content == content;
        let own = parts.iter().enumerate().filter(|(node, _)| contains(names, *node));
        if own.flat_map(|(_, part)| part.dots()).all(|dot| stays(&dot)) {
            return;
        }
        let version = self.mint(now, rules);
        for node in (0..NODES).filter(|node| contains(names, *node)) {
            let part = &mut self.store.records[id].parts[node];
            let kept: Vec<_> = part.dots().filter(stays).collect();
            let entry = if node == self.node { version } else { part.entry };
            *part = Part::new(entry, &kept);
        }
    }

    /// V3 and V11: whether the content equals `last_submitted` and the record is held. Returns
    /// false while a replaced node's dot is live, so the first submission under a new key takes
    /// over the writes of the old key.
    fn is_unchanged(&self, id: usize, content: u8, rules: &Rules) -> bool {
        let record = &self.store.records[id];
        let replaced = record
            .parts
            .iter()
            .enumerate()
            .any(|(node, part)| contains(self.replaces, node) && part.live() != 0);
        self.store.last_submitted[id] == Some(content)
            && record.is_held()
            && (!replaced || rules.has(Weaker::ReplacedCountsAsOwn))
    }

    /// V7: claims the write of an unchanged submission for this process, so that V5 protects it.
    fn claim(&mut self, id: usize, content: u8, rules: &Rules) {
        let dot = self.own(id).dots().filter(|dot| dot.content == content).last();
        if let (Some(dot), false) = (dot, rules.has(Weaker::UnchangedClaimsNothing)) {
            self.memory.last_write[id] = self.memory.last_write[id].max(dot.version);
        }
    }

    /// Echo: whether the content equals a blend that this process handed out, and equals no live content.
    fn is_echo(&self, id: usize, content: u8, rules: &Rules) -> bool {
        let record = &self.store.records[id];
        let is_live = contains(record.live(), content);
        match rules.weaker {
            Some(Weaker::EchoWritten) => false,
            Some(Weaker::EchoOfCurrentOnly) => !is_live && record.shown() == Some(content),
            Some(Weaker::EchoOfLive) if record.shown() == Some(content) => {
                !contains(self.own(id).live(), content)
            }
            _ => !is_live && contains(self.memory.blends[id], content),
        }
    }

    /// Whether the content is a blend that no live dot of the record holds.
    fn is_stranger_to(&self, id: usize, content: u8) -> bool {
        content >= SUBMITTED && !contains(self.store.records[id].live(), content)
    }

    /// Echo: hands out the visible patterns, to the engine or to another reader.
    pub(crate) fn hand_out(&mut self) -> [Option<u8>; IDS] {
        for id in 0..IDS {
            let record = &self.store.records[id];
            let shown = record.shown();
            self.memory.handed[id] = shown;
            let blend = shown.filter(|content| !contains(record.live(), *content));
            self.memory.blends[id] |= blend.map_or(0, |content| 1 << content);
        }
        self.memory.handed
    }

    /// V3, *withdraw*: removes own dots and advances this node's entry.
    pub(crate) fn withdraw(&mut self, now: Time, id: usize, rules: &Rules) {
        let carried = self.own(id).carried;
        self.remove_writes(id);
        self.write(now, id, None, rules);
        if rules.has(Weaker::SuppressedCarriedOn) {
            self.own_mut(id).carried = carried;
        }
    }

    /// V11: removes the writes of another node on behalf of an operator, and advances this node's entry.
    pub(crate) fn withdraw_of(&mut self, now: Time, id: usize, node: usize, rules: &Rules) {
        self.store.records[id].parts[node].remove_dots();
        let version = self.mint(now, rules);
        self.own_mut(id).entry = version;
    }

    /// V1: removes the parts that are implausible now, for an operator. Rewrites the contents of this node's part, or
    /// its withdrawal, under plausible versions.
    pub(crate) fn drop_implausible(&mut self, now: Time, rules: &Rules) {
        let mut dropped = [None; IDS];
        for (id, own) in dropped.iter_mut().enumerate() {
            for node in 0..NODES {
                let part = self.store.records[id].parts[node];
                if !self.is_implausible(now, part.entry, rules) {
                    continue;
                }
                self.store.records[id].parts[node] = Part::default();
                if node == self.node {
                    self.memory.last_write[id] = 0;
                    *own = Some(part);
                }
            }
        }
        if !rules.has(Weaker::DropKeepsHighest) {
            self.memory.highest = self.greatest_entry(self.node);
        }
        if !rules.has(Weaker::DropForgetsWrites) {
            for (id, own) in dropped.into_iter().enumerate() {
                own.into_iter().for_each(|own| self.rewrite(now, id, &own, rules));
            }
        }
        self.memory.summary = std::array::from_fn(|node| self.greatest_entry(node));
    }

    /// Rewrites the contents of this node's part, or its withdrawal, under new versions.
    fn rewrite(&mut self, now: Time, id: usize, own: &Part, rules: &Rules) {
        let mut dots = Vec::new();
        for dot in own.dots() {
            let version = self.mint(now, rules);
            dots.push(Dot { version, ..dot });
        }
        let last = dots.last().map(|dot| dot.version);
        let entry = last.unwrap_or_else(|| self.mint(now, rules));
        *self.own_mut(id) = Part::new(entry, &dots);
        self.memory.last_write[id] = entry;
    }

    /// V3, *forget*: removes all dots, advances this node's entry, and suppresses every live content.
    pub(crate) fn forget(&mut self, now: Time, id: usize, rules: &Rules) {
        let (live, suppressed) =
            (self.store.records[id].live(), self.store.records[id].suppressed());
        self.remove_all(id);
        self.write(now, id, None, rules);
        if rules.suppresses_in_set() {
            self.store.records[id].suppress(live);
            self.trim(id, rules);
        } else {
            self.own_mut(id).carried = live | suppressed;
        }
    }

    /// V3, *resolve*: replaces all dots with a new own dot for the result, and releases the result if it is suppressed.
    pub(crate) fn resolve(&mut self, now: Time, id: usize, content: u8, rules: &Rules) {
        let suppressed = self.store.records[id].suppressed();
        self.remove_all(id);
        self.write(now, id, Some(content), rules);
        if rules.suppresses_in_set() {
            self.store.records[id].release(content);
        } else if rules.has(Weaker::SuppressedCarriedOn) {
            self.own_mut(id).carried = suppressed & !(1 << content);
        }
    }

    /// V9: removes and returns the waiting submissions of some ids.
    pub(crate) fn take_waiting(&mut self, ids: std::ops::Range<usize>) -> Vec<(usize, u8)> {
        let waiting = &mut self.memory.waiting;
        ids.filter_map(|id| Some((id, waiting[id].take()?))).collect()
    }

    fn own_mut(&mut self, id: usize) -> &mut Part {
        &mut self.store.records[id].parts[self.node]
    }

    /// Removes this node's dots and, by V11, those of the nodes that this one replaces.
    fn remove_writes(&mut self, id: usize) {
        let names: Set = self.names();
        for (node, part) in self.store.records[id].parts.iter_mut().enumerate() {
            if contains(names, node) {
                part.remove_dots();
            }
        }
    }

    fn remove_all(&mut self, id: usize) {
        self.store.records[id].parts.iter_mut().for_each(Part::remove_dots);
    }

    /// Mints a version for this node's part, with a dot for `content` if there is one.
    fn write(&mut self, now: Time, id: usize, content: Option<u8>, rules: &Rules) {
        let version = self.mint(now, rules);
        let dot = content.map(|content| Dot { version, content });
        *self.own_mut(id) = Part::new(version, dot.as_slice());
        self.memory.last_write[id] = version;
    }
}
