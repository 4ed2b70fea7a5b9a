//! The faults of a single answer and of its explanation.

use alloc::format;
use alloc::string::String;

use crate::{Explanation, Outcome, Reason, Resolution, Value, Versions};

pub(super) fn of_indices<T>(versions: &Versions<T>, resolution: &Resolution<T>) -> Option<String> {
    let indices = match &resolution.outcome {
        Outcome::Chosen(index) => core::slice::from_ref(index),
        Outcome::Kept(indices) => indices,
        Outcome::Composed(_) => return None,
    };
    let mut distinct = indices.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    let sound = distinct.len() == indices.len()
        && distinct.last().is_some_and(|&last| last < versions.len());
    (!sound).then(|| format!("the indices {indices:?} are invalid for {} versions", versions.len()))
}

pub(super) fn of_value<T: Value>(
    versions: &Versions<T>,
    resolution: &Resolution<T>,
) -> Option<String> {
    let fault = resolution.visible(versions).validate(&versions[0].value).err()?;
    Some(format!("it shows an invalid value: {fault}"))
}

pub(super) fn of_shares<T>(versions: &Versions<T>, resolution: &Resolution<T>) -> Option<String> {
    let Outcome::Composed(composed) = &resolution.outcome else {
        return None;
    };
    let (shares, number) = (&composed.shares, versions.len());
    if shares.len() != number {
        return Some(format!("{} shares for {number} versions", shares.len()));
    }
    let outside = shares.iter().enumerate().find(|(_, share)| !(0.0..=1.0).contains(*share));
    if let Some((index, share)) = outside {
        return Some(format!("the share of version {index} is {share}, not in 0..=1"));
    }
    let total: f64 = shares.iter().sum();
    let sound = (1.0 - 1e-9..=1.0 + 1e-9).contains(&total);
    (!sound).then(|| format!("the shares of {number} versions add up to {total}"))
}

/// Checks a reason as far as that is possible without knowing the rule.
pub(super) fn of_reason<T>(versions: &Versions<T>, resolution: &Resolution<T>) -> Option<String> {
    let Resolution { outcome, reason } = resolution;
    let (number, composed) = (versions.len(), matches!(outcome, Outcome::Composed(_)));
    let is_true = match reason {
        Reason::Only => number == 1,
        Reason::Digest { tied } => (2..=number).contains(tied),
        Reason::All => matches!(outcome, Outcome::Kept(indices) if indices.len() == number),
        Reason::Mean | Reason::PlainMean => composed,
        // NaN is not a distance, and a single version has no distance to another one.
        Reason::Confidence { lead } => number > 1 && *lead >= 0.0,
        Reason::Time { .. } => number > 1,
        Reason::Other(_) => true,
    };
    (!is_true).then(|| format!("the reason is false for {number} versions: {reason}"))
}

/// Compares an explanation with the one that follows from the resolution. The text of a custom reason may differ.
pub(super) fn of_explanation(given: &Explanation, due: &Explanation) -> Option<String> {
    let (says, of) = (given.contributions.len(), due.contributions.len());
    if says != of {
        return Some(format!("the explanation has {says} contributions for {of} versions"));
    }
    let custom = |reason: &Reason| matches!(reason, Reason::Other(_));
    if given.reason != due.reason && !(custom(&given.reason) && custom(&due.reason)) {
        let (given, due) = (&given.reason, &due.reason);
        return Some(format!(
            "the explanation gives the reason \"{given}\", but the answer gives \"{due}\""
        ));
    }
    let mut pairs = given.contributions.iter().zip(&due.contributions);
    let (given, due) = pairs.find(|(given, due)| given != due)?;
    Some(format!("the explanation says \"{given}\", but the answer says \"{due}\""))
}
