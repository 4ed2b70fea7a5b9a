//! The local roots, and the last known roots of peers.

use alloc::vec::Vec;

use super::SessionId;
use super::in_flight::ShortRoot;
use crate::{AdvertisedRoot, RootAdvert, SpaceId, SpaceOutcome, Summary, short};

/// How a peer's state compares with the local one, according to its last known roots from an advert
/// or a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Agreement {
    /// No known root differs, but not all roots of the peer are known.
    Unknown,
    /// The last session found no space that both nodes host. Configure a common space.
    NoCommonSpace,
    /// The root of every space that both nodes host is known, and equal to the local one.
    InStep,
    /// According to the last known counts, this node lacks at least this many records of the peer.
    Behind(u64),
    /// According to the last known counts, the peer lacks at least this many records of this node.
    Ahead(u64),
    /// Roots differ, and both sides lack records, or the known counts do not show which side does.
    Apart,
}

/// The summaries of the hosted spaces, ascending by name.
#[derive(Debug, Default)]
pub(super) struct LocalRoots {
    spaces: Vec<(SpaceId, Summary)>,
    /// The last session that began before the names last changed.
    named_after: SessionId,
}

impl LocalRoots {
    /// Sets the current summaries; `last` is the session that began last. Returns how the spaces
    /// were renumbered, or `None` if nothing changed.
    pub(super) fn update(
        &mut self,
        spaces: Vec<(SpaceId, Summary)>,
        last: SessionId,
    ) -> Option<Renumbering> {
        if self.spaces == spaces {
            return None;
        }
        let before = core::mem::replace(&mut self.spaces, spaces);
        let names = |spaces: &[(SpaceId, Summary)], name: &SpaceId| {
            spaces.binary_search_by(|(space, _)| space.cmp(name)).ok()
        };
        let is_same = before.len() == self.spaces.len()
            && before.iter().zip(&self.spaces).all(|((a, _), (b, _))| a == b);
        if is_same {
            return Some(Renumbering(None));
        }
        self.named_after = last;
        let moved = self.spaces.iter().map(|(space, _)| names(&before, space));
        Some(Renumbering(Some(moved.collect())))
    }

    /// Whether `session` began after the last change of the names, so that it covers every space.
    pub(super) fn are_covered_by(&self, session: SessionId) -> bool {
        self.named_after < session
    }

    pub(super) fn spaces(&self) -> &[(SpaceId, Summary)] {
        &self.spaces
    }
}

/// The index of each space in the previous list; `None` if the names did not change.
pub(super) struct Renumbering(Option<Vec<Option<usize>>>);

/// The last known roots of a peer, in the order of the local spaces.
#[derive(Debug, Default)]
pub(super) struct PeerRoots {
    told: Vec<Known>,
    has_no_common_space: bool,
}

/// The state of a local space at a peer, as far as this node knows it.
#[derive(Clone, Copy, Debug, Default)]
enum Known {
    #[default]
    Nothing,
    /// The last session found that the peer does not host the space.
    Unhosted,
    Root(Told),
}

impl Known {
    fn root(&self) -> Option<Told> {
        match self {
            Self::Root(told) => Some(*told),
            Self::Nothing | Self::Unhosted => None,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Told {
    root: ShortRoot,
    /// Number of the peer's records, if an advert gave the number with this root.
    count: Option<u64>,
}

impl PeerRoots {
    /// Whether the peer's root of a space is known.
    pub(super) fn has_told(&self, space: &SpaceId, ours: &LocalRoots) -> bool {
        let place = ours.spaces.binary_search_by(|(known, _)| known.cmp(space)).ok();
        place.and_then(|place| self.told.get(place)?.root()).is_some()
    }

    pub(super) fn renumber(&mut self, Renumbering(moved): &Renumbering) {
        if let Some(moved) = moved {
            let before = core::mem::take(&mut self.told);
            let told = |at: &Option<usize>| before.get((*at)?).copied();
            self.told = moved.iter().map(|at| told(at).unwrap_or_default()).collect();
        }
    }

    /// Updates the roots from an advert.
    pub(super) fn hear(&mut self, advert: &RootAdvert, ours: &LocalRoots) {
        self.take(ours, |space| match advert.get(space) {
            // An advert need not name all spaces.
            None => Known::Nothing,
            Some(AdvertisedRoot { root, count }) => {
                Known::Root(Told { root, count: Some(count.into()) })
            }
        });
    }

    /// Updates the roots from the end of a session.
    pub(super) fn conclude(
        &mut self,
        session: SessionId,
        outcome: &[SpaceOutcome],
        ours: &LocalRoots,
    ) {
        self.has_no_common_space = false;
        let unnamed = match ours.are_covered_by(session) {
            true => Known::Unhosted,
            false => Known::Nothing,
        };
        self.take(ours, |space| {
            let at = outcome.binary_search_by(|found| found.space.cmp(space));
            let Ok(at) = at else { return unnamed };
            let told = |root| Known::Root(Told { root: short(&root), count: None });
            outcome[at].theirs.map_or(Known::Nothing, told)
        });
    }

    /// Notes that a session found no space that both nodes host. Returns whether that is new.
    pub(super) fn note_no_common_space(&mut self) -> bool {
        let before = core::mem::replace(self, Self { told: Vec::new(), has_no_common_space: true });
        !before.has_no_common_space
    }

    fn take(&mut self, ours: &LocalRoots, told: impl Fn(&SpaceId) -> Known) {
        self.told.resize(ours.spaces.len(), Known::Nothing);
        for (before, (space, _)) in self.told.iter_mut().zip(&ours.spaces) {
            *before = match told(space) {
                Known::Nothing => *before,
                Known::Unhosted => Known::Unhosted,
                Known::Root(now) => {
                    let same = before.root().filter(|before| before.root == now.root);
                    Known::Root(Told { count: now.count.or_else(|| same?.count), ..now })
                }
            };
        }
    }

    fn pairs<'a>(&'a self, ours: &'a LocalRoots) -> impl Iterator<Item = (Told, &'a Summary)> {
        let pairs = self.told.iter().zip(&ours.spaces);
        pairs.filter_map(|(told, (_, summary))| Some((told.root()?, summary)))
    }

    /// The known roots of the peer that differ from the local ones.
    pub(super) fn differing(&self, ours: &LocalRoots) -> Vec<ShortRoot> {
        let differing = self.pairs(ours).filter(|(told, ours)| told.root != short(&ours.root));
        differing.map(|(told, _)| told.root).collect()
    }

    /// The spaces whose known root at the peer differs from the local one.
    pub(super) fn differing_spaces<'a>(
        &'a self,
        ours: &'a LocalRoots,
    ) -> impl Iterator<Item = SpaceId> + 'a {
        let spaces = self.told.iter().zip(&ours.spaces);
        let differs = |told: &Told, ours: &Summary| told.root != short(&ours.root);
        let differing = spaces
            .filter(move |(told, (_, ours))| told.root().is_some_and(|told| differs(&told, ours)));
        differing.map(|(_, (space, _))| space.clone())
    }

    pub(super) fn agreement(&self, ours: &LocalRoots) -> Agreement {
        if self.pairs(ours).next().is_none() {
            return match self.has_no_common_space {
                true => Agreement::NoCommonSpace,
                false => Agreement::Unknown,
            };
        }
        let (mut behind, mut ahead, mut is_clear) = (0, 0, true);
        for (told, ours) in self.pairs(ours).filter(|(t, ours)| t.root != short(&ours.root)) {
            match told.count {
                Some(count) if count != ours.count => {
                    behind += count.saturating_sub(ours.count);
                    ahead += ours.count.saturating_sub(count);
                }
                _ => is_clear = false,
            }
        }
        let is_known = |known: &Known| !matches!(known, Known::Nothing);
        let all_known = self.told.len() == ours.spaces.len() && self.told.iter().all(is_known);
        match (behind, ahead, is_clear) {
            (0, 0, true) if !all_known => Agreement::Unknown,
            (0, 0, true) => Agreement::InStep,
            (behind, 0, true) => Agreement::Behind(behind),
            (0, ahead, true) => Agreement::Ahead(ahead),
            _ => Agreement::Apart,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(spaces: &[(&str, u8, u64)]) -> LocalRoots {
        let space = |&(name, root, count): &(&str, u8, u64)| {
            let summary = Summary { root: [root; 32], count, generation: 1 };
            (SpaceId::new(name).unwrap(), summary)
        };
        LocalRoots { spaces: spaces.iter().map(space).collect(), ..LocalRoots::default() }
    }

    fn advert(spaces: &[(&str, u8, u64)]) -> RootAdvert {
        RootAdvert::decode(&RootAdvert::encode(&local(spaces).spaces, 1000)).unwrap()
    }

    #[test]
    fn latest_advertised_root_decides() {
        let ours = local(&[("space", 1, 10)]);
        let mut roots = PeerRoots::default();
        assert_eq!(roots.agreement(&ours), Agreement::Unknown);
        for (root, count, expected) in [
            (2, 17, Agreement::Behind(7)),
            (3, 4, Agreement::Ahead(6)),
            (4, 10, Agreement::Apart),
            (1, 10, Agreement::InStep),
        ] {
            roots.hear(&advert(&[("space", root, count)]), &ours);
            assert_eq!(roots.agreement(&ours), expected);
            assert_eq!(roots.differing(&ours).is_empty(), expected == Agreement::InStep);
        }
        let written = local(&[("space", 9, 11)]);
        assert_eq!(roots.agreement(&written), Agreement::Ahead(1), "a local write counts");
    }

    #[test]
    fn numbers_of_several_spaces_are_added() {
        let ours = local(&[("aaa", 1, 10), ("bbb", 1, 10), ("ccc", 1, 10)]);
        let after = |told: &[(&str, u8, u64)]| {
            let mut roots = PeerRoots::default();
            roots.hear(&advert(told), &ours);
            roots.agreement(&ours)
        };
        assert_eq!(after(&[("aaa", 2, 13), ("bbb", 2, 14), ("ccc", 1, 10)]), Agreement::Behind(7));
        assert_eq!(after(&[("aaa", 2, 7), ("bbb", 1, 10), ("ccc", 2, 6)]), Agreement::Ahead(7));
        assert_eq!(after(&[("aaa", 2, 13), ("bbb", 2, 6), ("ccc", 1, 10)]), Agreement::Apart);
        assert_eq!(after(&[("aaa", 2, 13), ("bbb", 2, 10), ("ccc", 1, 10)]), Agreement::Apart);
    }

    #[test]
    fn unknown_roots_are_not_in_step() {
        let both = local(&[("aaa", 1, 10), ("bbb", 2, 5)]);
        let mut ours = local(&[("aaa", 1, 10)]);
        let mut roots = PeerRoots::default();
        roots.hear(&advert(&[("aaa", 1, 10)]), &ours);
        assert_eq!(roots.agreement(&ours), Agreement::InStep);
        let moved = ours.update(both.spaces.clone(), SessionId(0)).unwrap();
        roots.renumber(&moved);
        assert_eq!(roots.agreement(&ours), Agreement::Unknown, "the new space may differ");
        roots.hear(&advert(&[("aaa", 1, 10)]), &ours);
        assert_eq!(roots.agreement(&ours), Agreement::Unknown, "the advert may be truncated");
        let outcome = |(space, summary): &(SpaceId, Summary)| SpaceOutcome {
            space: space.clone(),
            ours: summary.root,
            theirs: Some(summary.root),
            differed: false,
        };
        let outcomes: Vec<_> = both.spaces.iter().map(outcome).collect();
        for shared in [&outcomes[..1], &outcomes[..]] {
            roots.conclude(SessionId(1), shared, &ours);
            assert_eq!(roots.agreement(&ours), Agreement::InStep, "{} common spaces", shared.len());
        }
    }

    #[test]
    fn no_common_space_lasts_until_one_matches() {
        let ours = local(&[("space", 1, 10)]);
        let mut roots = PeerRoots::default();
        roots.note_no_common_space();
        roots.hear(&advert(&[("other", 1, 10)]), &ours);
        assert_eq!(roots.agreement(&ours), Agreement::NoCommonSpace);
        roots.hear(&advert(&[("space", 1, 10)]), &ours);
        assert_eq!(roots.agreement(&ours), Agreement::InStep);
    }

    #[test]
    fn advertised_roots_follow_their_space() {
        let mut ours = local(&[("bbb", 1, 1), ("ddd", 2, 1)]);
        let mut roots = PeerRoots::default();
        roots.hear(&advert(&[("bbb", 1, 1), ("ddd", 3, 1)]), &ours);
        assert_eq!(roots.differing(&ours), [[3; 8]]);
        let more = local(&[("aaa", 0, 0), ("ccc", 0, 0), ("ddd", 2, 1)]);
        let moved = ours.update(more.spaces, SessionId(0)).unwrap();
        roots.renumber(&moved);
        assert_eq!(roots.differing(&ours), [[3; 8]]);
        assert!(ours.update(ours.spaces.clone(), SessionId(0)).is_none());
    }
}
