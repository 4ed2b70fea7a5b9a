//! The naive twin of the view across ids: it follows the definition, has no index and is always
//! rebuilt.

use std::collections::BTreeMap;

use engram_conflict::pattern::{
    Conflict, ConflictKind, CrossIdView, Observed, OwnedPattern, Role, Rules,
};

use super::Sibling;

/// The compared results of one pattern, with the bits of its shown confidence.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Line {
    pub(crate) id: String,
    pub(crate) representative: String,
    pub(crate) members: usize,
    pub(crate) shown: u32,
    pub(crate) conflict: Option<Conflict>,
    pub(crate) rival: Option<(String, Conflict)>,
}

pub(crate) fn view(patterns: &BTreeMap<String, Sibling>, rules: &Rules) -> Vec<Line> {
    let mut ranked: Vec<(&String, &Sibling)> = patterns.iter().collect();
    ranked.sort_by(|(a, left), (b, right)| {
        let by_confidence =
            (right.value.confidence + 0.0).total_cmp(&(left.value.confidence + 0.0));
        by_confidence.then(right.digest.cmp(&left.digest)).then(a.cmp(b))
    });
    let conflict = |i: usize, j: usize| {
        let [left, right] = [ranked[i], ranked[j]].map(|(id, Sibling { digest, value, .. })| {
            Observed::new(id, *digest, &value.embedding, &value.citations)
        });
        rules.thresholds.detect(None, &left, &right)
    };
    let one_memory = |conflict: &Conflict| match conflict.kind {
        ConflictKind::DivergentConsolidation => true,
        ConflictKind::ConcurrentCreation => conflict.cosine >= Some(rules.concept_cosine),
        _ => false,
    };
    let mut representatives: Vec<usize> = Vec::new();
    for i in 0..ranked.len() {
        let joined = (0..i).find(|&j| {
            representatives[j] == j && conflict(i, j).is_some_and(|conflict| one_memory(&conflict))
        });
        representatives.push(joined.unwrap_or(i));
    }
    (0..ranked.len()).map(|i| line(&ranked, &representatives, i, &conflict, rules)).collect()
}

fn line(
    ranked: &[(&String, &Sibling)],
    representatives: &[usize],
    i: usize,
    conflict: &impl Fn(usize, usize) -> Option<Conflict>,
    rules: &Rules,
) -> Line {
    let joined = if representatives[i] == i { None } else { conflict(i, representatives[i]) };
    let mut rival: Option<(usize, Conflict)> = None;
    for j in (0..ranked.len()).filter(|&j| j != i) {
        let disputes = |c: &Conflict| c.kind == ConflictKind::EpisodeOwnership;
        if let Some(found) = conflict(i, j).filter(disputes)
            && rival.is_none_or(|(_, best)| found.overlap.jaccard() > best.overlap.jaccard())
        {
            rival = Some((j, found));
        }
    }
    let ambiguity = joined.filter(|c| !c.overlap.containment().is_nested()).map_or(1.0, |c| {
        1.0 - f64::from(rules.ambiguity) * (1.0 - c.cosine.map_or(0.0, f64::from))
    });
    let rivalry =
        rival.map_or(1.0, |(_, c)| 1.0 - f64::from(rules.rivalry) * f64::from(c.overlap.jaccard()));
    let confidence = ranked[i].1.value.confidence;
    let lowered = (f64::from(confidence) * (ambiguity * rivalry)) as f32;
    let shown = if lowered >= rules.floor { lowered } else { confidence.min(rules.floor) };
    Line {
        id: ranked[i].0.clone(),
        representative: ranked[representatives[i]].0.clone(),
        members: representatives
            .iter()
            .enumerate()
            .filter(|&(j, &representative)| j != i && representative == i)
            .count(),
        shown: shown.to_bits(),
        conflict: joined,
        rival: rival.map(|(j, conflict)| (ranked[j].0.clone(), conflict)),
    }
}

pub(crate) fn lines(view: &CrossIdView<String, OwnedPattern>) -> Vec<Line> {
    let lines = view.iter().map(|viewed| {
        let (representative, members, conflict) = match &viewed.role {
            Role::Representative { members } => (viewed.id, *members, None),
            Role::Member { representative, conflict } => (*representative, 0, Some(*conflict)),
        };
        Line {
            id: viewed.id.clone(),
            representative: representative.clone(),
            members,
            shown: viewed.shown.to_bits(),
            conflict,
            rival: viewed.rival.as_ref().map(|rival| (rival.id.clone(), rival.conflict)),
        }
    });
    lines.collect()
}
