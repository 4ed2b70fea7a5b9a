//! V1, V2, V4, V5 and V7: the join of an arriving record at one machine.

use crate::machine::{Machine, Time};
use crate::record::{Dot, NODES, Part, Record, Set, contains};
use crate::rules::{Rules, Weaker};

impl Machine {
    /// Joins the admitted parts of the arriving record. `listed` is the set of members.
    pub(crate) fn join(
        &mut self,
        now: Time,
        id: usize,
        arriving: &Record,
        listed: Set,
        rules: &Rules,
    ) {
        let Some(arriving) = self.admit(now, id, arriving, listed, rules) else { return };
        self.observe(now, arriving.parts[self.node].entry, rules);
        let before = self.store.records[id];
        self.store.records[id] = before.join(&arriving);
        self.trim(id, rules);
        self.reissue(now, id, &before, &arriving.parts[self.node], rules);
        self.adopt(id, &before, rules);
    }

    /// V1 and V2: removes the refused parts. Each part is refused separately; at the cap, a record with a new id is
    /// refused as a whole. A cap never refuses a held id or name.
    fn admit(
        &mut self,
        now: Time,
        id: usize,
        arriving: &Record,
        listed: Set,
        rules: &Rules,
    ) -> Option<Record> {
        let held = &self.store.records[id];
        let refuses_id = !held.is_held() || rules.has(Weaker::CapRefusesHeld);
        if self.is_full && refuses_id || self.was_reaped(id, arriving, rules) {
            self.notes.refused += 1;
            return None;
        }
        let known = listed | self.names();
        let refused: Vec<_> = (0..NODES)
            .filter(|node| {
                let entry = arriving.parts[*node].entry;
                let is_new_name = !contains(known, *node) && held.parts[*node].entry == 0;
                entry > 0 && self.is_full && is_new_name || self.is_implausible(now, entry, rules)
            })
            .collect();
        self.notes.refused += refused.len() as u32;
        let refuses_whole = match rules.weaker {
            Some(Weaker::ImplausibleRecordRefused) => !self.is_full,
            Some(Weaker::CapRefusesRecord) => self.is_full,
            _ => false,
        };
        if !refused.is_empty() && refuses_whole {
            return None;
        }
        let mut admitted = *arriving;
        refused.into_iter().for_each(|node| admitted.parts[node] = Part::default());
        Some(admitted)
    }

    /// The weaker form of V8: whether a record with an unknown id is refused because the entry of
    /// a part with live dots is at or below the node's reaped version.
    fn was_reaped(&self, id: usize, arriving: &Record, rules: &Rules) -> bool {
        let is_old = |node: usize| {
            let part = &arriving.parts[node];
            part.live() != 0 && part.entry <= self.store.reaped[node]
        };
        rules.has(Weaker::DeletionsReaped)
            && !self.store.records[id].is_held()
            && (0..NODES).any(is_old)
    }

    pub(crate) fn trim(&mut self, id: usize, rules: &Rules) {
        let trimmed = self.store.records[id].trim(rules);
        self.notes.suppressions_cut[id] |= trimmed.suppressed;
        for (node, dots) in trimmed.dots.into_iter().enumerate() {
            self.notes.writes_cut[id][node] |= dots;
        }
    }

    /// V5: if the join removed the write of this process, and the arriving entry is greater than the
    /// held one, reissues the write at the arriving entry + 1 and keeps the arriving dots. At the limit
    /// on own dots, gives up the write instead.
    fn reissue(&mut self, now: Time, id: usize, before: &Record, theirs: &Part, rules: &Rules) {
        let (own, joined) = (before.parts[self.node], *self.own(id));
        let last_write = own.dots().find(|dot| dot.version == self.memory.last_write[id]);
        let Some(last_write) =
            last_write.filter(|dot| !joined.has(dot.version) && theirs.entry > own.entry)
        else {
            return;
        };
        if self.never_reissues(now, theirs, rules) {
            return;
        }
        let mut dots: Vec<_> = joined.dots().collect();
        if dots.len() >= rules.max_dots {
            let dropped =
                if rules.has(Weaker::ReissueDropsLowest) { dots.remove(0) } else { last_write };
            self.notes.writes_cut[id][self.node] |= 1 << dropped.content;
            if dropped == last_write {
                // The write is given up, and recorded in the notes.
                self.memory.last_write[id] = 0;
                return;
            }
        }
        // The version is just above the arriving entry, not taken from the clock, because the new entry
        // must not cover unseen own dots.
        let version = match rules.weaker {
            Some(Weaker::ReissueAtClock) => self.mint(now, rules),
            _ => theirs.entry + 1,
        };
        self.note_own(version);
        if rules.has(Weaker::ReissueSupersedes) {
            dots.clear();
        }
        dots.push(Dot { version, content: last_write.content });
        self.store.records[id].parts[self.node] = Part::new(version, &dots);
        self.memory.last_write[id] = version;
        self.notes.reissued += 1;
    }

    fn never_reissues(&self, now: Time, theirs: &Part, rules: &Rules) -> bool {
        match rules.weaker {
            Some(Weaker::ReissueNever | Weaker::ReissueAllOfNode | Weaker::ReissueAllOfProcess) => {
                true
            }
            Some(Weaker::ReissueIfAheadOfClock) => theirs.entry <= self.clock(now),
            _ => false,
        }
    }

    /// V7: if dots of this node are live, but none of them was live before or is the last write of this
    /// process, `last_submitted` becomes the content of the greatest one. If a later version of this node
    /// leaves none of its dots live, the last submission is unknown.
    fn adopt(&mut self, id: usize, before: &Record, rules: &Rules) {
        if rules.has(Weaker::LastSubmittedKept) {
            return;
        }
        let names = match rules.weaker {
            Some(Weaker::ReplacedCountsAsOwn) => self.names(),
            _ => 1 << self.node,
        };
        let mut newest: Option<(bool, Dot)> = None;
        for node in (0..NODES).filter(|node| contains(names, *node)) {
            for dot in self.store.records[id].parts[node].dots() {
                let is_own = node == self.node;
                let is_known = before.parts[node].dots().any(|known| known == dot)
                    || is_own && dot.version == self.memory.last_write[id];
                if is_known {
                    return;
                }
                newest = newest.max(Some((is_own, dot)));
            }
        }
        let (held, own) = (before.parts[self.node], *self.own(id));
        if let Some((_, dot)) = newest {
            self.store.last_submitted[id] = Some(dot.content);
        } else if held.live() != 0
            && own.live() == 0
            && own.entry > held.entry
            && !rules.has(Weaker::CoveredLastSubmittedKept)
        {
            self.store.last_submitted[id] = None;
        }
    }
}
