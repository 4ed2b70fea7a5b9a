//! Writes of this node's engine and of an operator.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use engram_gossip_net::NodeId;

use super::{Space, Writer};
use crate::durable::storage::StorageError;
use crate::engram::belief::Cause;
use crate::engram::pattern::SemanticPattern;
use crate::engram::ports::{ConsolidationCacheSource, ConsolidationSnapshot};
use crate::replica::canonical;
use crate::replica::change::Change;
use crate::replica::content::{Content, PatternError};
use crate::replica::issuer::DotIssuer;
use crate::replica::operations::{Citations, Planned};
use crate::replica::record::Record;
use crate::replica::refused::RefusedPattern;
use crate::replica::report::Submitted;
use crate::replica::report::{MANY_VERSIONS, RejectedPattern, SubmitReport, SuppressionFault};
use crate::replica::state::SpaceState;
use crate::spaces::error::{Incomplete, SubmitError};
use crate::spaces::event::StateEvent;

/// Plans the change to one id; `None` if there is nothing to change.
type Plan<'p> =
    dyn FnMut(&SpaceState, &mut DotIssuer, &str) -> Result<Option<Planned>, PatternError> + 'p;

/// A pattern, with its position in the snapshot.
type Numbered<'p> = (usize, &'p Arc<SemanticPattern>);

/// The maximum number of patterns, or ids of an operation, in one commit.
const MAX_ROWS: usize = 2_048;
/// The maximum number of bytes of contents in one commit of a submission. The last content may exceed this limit.
const MAX_BYTES: usize = 1 << 20;

impl Space {
    /// Submits the patterns that this node's engine consolidated.
    ///
    /// A pattern that equals this node's last submission under its id changes nothing. Any other valid pattern becomes
    /// a new version concurrent with those of the peers, unless its content was forgotten or is a blend that was handed
    /// out. During the first contact of the space, valid patterns wait instead. A missing pattern is *not* removed,
    /// because Engram's snapshot shrinks at every restart. When this returns, all new versions are durable. Costs a
    /// comparison of each pattern with the last submitted one, and a hash of each that differs.
    ///
    /// Up to 2,048 patterns, or 1 MiB of contents, become durable and visible together. Other writers get their
    /// turn between such parts of a larger snapshot. If a snapshot has more than twice as many patterns as the space
    /// has records, its parts are ranges of ids, which match the order of the stored rows.
    ///
    /// # Errors
    /// [`Incomplete`] if a part cannot be stored. Earlier parts remain stored; resubmit the snapshot to store the
    /// rest.
    pub fn submit(
        &self,
        snapshot: &ConsolidationSnapshot,
        source: ConsolidationCacheSource,
    ) -> Result<SubmitReport, Incomplete<StorageError>> {
        self.shared.journal.check_open().map_err(|error| Incomplete::after(0, error))?;
        let mut report = SubmitReport::default();
        let mut ids = HashSet::with_capacity(snapshot.patterns.len());
        let cause = Cause {
            source,
            generated_at: self.shared.now(),
            snapshot_generated_at: snapshot.generated_at,
        };
        let mut all: Vec<Numbered<'_>> = snapshot.patterns.iter().enumerate().collect();
        if self.summary().count < all.len() as u64 / 2 {
            // The sort is stable, so the first of several patterns with one id stays the first.
            all.sort_by(|(_, one), (_, other)| one.id.cmp(&other.id));
        }
        let mut rest = all.as_slice();
        while !rest.is_empty() {
            let (part, after) = rest.split_at(part_len(rest.iter().map(|(_, pattern)| *pattern)));
            // Submit the part in the order of the snapshot, since a B-tree filled in ascending order has half-empty
            // branches.
            let mut part = part.to_vec();
            part.sort_by_key(|(index, _)| *index);
            let contents = self.contents_of(&part, &mut ids, &mut report);
            let stored = report.written;
            self.submit_contents(contents, cause, &mut report)
                .map_err(|error| Incomplete::after(stored, error))?;
            rest = after;
        }
        report.rejected.sort_by_key(|rejected| rejected.index);
        self.note_refused(&snapshot.patterns, &report.rejected);
        // A future time from a wrong clock would otherwise remain the latest until that time.
        self.state_mut().note_generated(cause.snapshot_generated_at.min(cause.generated_at));
        Ok(report)
    }

    /// Validates a pattern like [`submit`](Self::submit), and writes nothing.
    ///
    /// # Errors
    /// [`PatternError`] if the pattern is not valid.
    pub fn check(&self, pattern: &Arc<SemanticPattern>) -> Result<(), PatternError> {
        self.content_of(pattern).map(drop)
    }

    /// The contents of the valid patterns in a part of a snapshot, each with its position in the snapshot.
    fn contents_of<'p>(
        &self,
        part: &[Numbered<'p>],
        ids: &mut HashSet<&'p str>,
        report: &mut SubmitReport,
    ) -> Vec<(usize, Content)> {
        let mut contents = Vec::with_capacity(part.len());
        let known = self.last_submitted(part);
        for ((index, pattern), known) in part.iter().copied().zip(known) {
            let content = match known {
                Some(known) if known.is_of(pattern, self.rules.shape.precision) => Ok(known),
                _ => self.content_of(pattern),
            };
            let content = content.and_then(|content| match ids.insert(pattern.id.as_str()) {
                true => Ok(content),
                false => Err(PatternError::Duplicate),
            });
            match content {
                Ok(content) => contents.push((index, content)),
                Err(reason) => report.reject(index, &pattern.id, reason),
            }
        }
        contents
    }

    /// Keeps the refused patterns for the local view, and reports the newly refused ones.
    fn note_refused(&self, submitted: &[Arc<SemanticPattern>], rejected: &[RejectedPattern]) {
        if rejected.is_empty() && self.state().refused().len() == 0 {
            return;
        }
        let refused = rejected.iter().map(|rejected| RefusedPattern {
            pattern: Arc::clone(&submitted[rejected.index]),
            reason: rejected.reason.clone(),
        });
        let positions: HashSet<usize> = rejected.iter().map(|rejected| rejected.index).collect();
        let taken = submitted.iter().enumerate().filter(|(at, _)| !positions.contains(at));
        let taken = taken.map(|(_, pattern)| pattern.id.as_str());
        let new = self.state_mut().refused_mut().update(taken, refused.collect());
        self.shared.count(|stats| stats.refused += new.len() as u64);
        for (id, reason) in new {
            let space = self.id().clone();
            self.shared.publish(StateEvent::PatternRefused { space, id, reason });
        }
    }

    /// The last content that the engine submitted under the id of each pattern. Comparing with it is much
    /// cheaper than hashing the pattern, and equal patterns have equal digests.
    fn last_submitted(&self, patterns: &[Numbered<'_>]) -> Vec<Option<Content>> {
        let state = self.state();
        patterns.iter().map(|(_, pattern)| state.last_submitted(&pattern.id)).collect()
    }

    fn submit_contents(
        &self,
        contents: Vec<(usize, Content)>,
        cause: Cause,
        report: &mut SubmitReport,
    ) -> Result<(), StorageError> {
        let writer = self.writer();
        if self.state().is_waiting() {
            report.waiting += contents.len();
            let contents = contents.into_iter().map(|(_, content)| content);
            report.shown_waiting.extend(self.wait_with(contents, cause));
            report.view_changed |= !report.shown_waiting.is_empty();
            return Ok(());
        }
        report.view_changed |= self.change(&writer, cause, |state, issuer| {
            let mut changes = Vec::new();
            for (index, content) in contents {
                let id = content.pattern().id.clone();
                match state.plan_submit(content, issuer) {
                    Err(reason) => report.reject(index, &id, reason),
                    Ok((submitted, change)) => {
                        report.count(submitted);
                        let many = change.iter().any(|change| versions(change) >= MANY_VERSIONS);
                        report.many_versions.extend(many.then_some(id));
                        changes.extend(change);
                    }
                }
            }
            changes
        })?;
        Ok(())
    }

    /// Submits a single pattern, like [`submit`](Self::submit).
    ///
    /// # Errors
    /// [`SubmitError`] if the pattern is not valid or cannot be stored. Nothing was stored; a pattern that is not valid
    /// stays in the local view.
    pub fn submit_pattern(&self, pattern: &Arc<SemanticPattern>) -> Result<Submitted, SubmitError> {
        self.shared.journal.check_open()?;
        let cause = self.cause(ConsolidationCacheSource::OnDemand);
        let mut report = SubmitReport::default();
        match self.content_of(pattern) {
            Ok(content) => self.submit_contents(vec![(0, content)], cause, &mut report)?,
            Err(reason) => report.reject(0, &pattern.id, reason),
        }
        self.note_refused(std::slice::from_ref(pattern), &report.rejected);
        report.into_single().map_err(SubmitError::from)
    }

    /// Withdraws this node's own versions of `id`; those of other nodes remain. Returns whether there was anything to
    /// withdraw.
    ///
    /// Afterwards, a submission that equals the engine's last one changes nothing; a different one becomes a
    /// new version.
    ///
    /// # Errors
    /// [`SubmitError`] if the change cannot be made or stored; nothing was withdrawn.
    pub fn withdraw(&self, id: &str) -> Result<bool, SubmitError> {
        let withdrawn = self.change_each([id], &mut |state, issuer, id| {
            Ok(state.plan_withdraw(id, issuer)?.map(Planned::from))
        });
        single(withdrawn)
    }

    /// Withdraws all versions that `node` wrote, up to 2,048 ids in one commit. Use it for an evicted node,
    /// which cannot withdraw them itself. Returns the number of changed patterns. O(records).
    ///
    /// # Errors
    /// [`Incomplete`] if a change cannot be made or stored. Earlier commits remain in effect; call this method again
    /// to withdraw the rest.
    pub fn withdraw_node(&self, node: &NodeId) -> Result<usize, Incomplete> {
        let ids: Vec<Arc<str>> = self.state().entries().map(|(id, _)| Arc::clone(id)).collect();
        self.change_each(ids.iter().map(|id| &**id), &mut |state, issuer, id| {
            let change = state.plan_removal(id, issuer, |of| of == node.as_bytes());
            Ok(change?.map(Planned::from))
        })
    }

    /// Forgets `id`: deletes, on all nodes, every version that this node knows, and suppresses the contents, so that
    /// they stay hidden if an engine submits them again. Returns whether there was anything to forget.
    ///
    /// A different content that a peer writes concurrently survives.
    ///
    /// # Errors
    /// [`SubmitError`] if the change cannot be made or stored; nothing was forgotten.
    pub fn forget(&self, id: &str) -> Result<bool, SubmitError> {
        single(self.forget_all([id]))
    }

    /// Forgets many ids, like [`forget`](Self::forget), up to 2,048 of them in one commit. Returns the number of ids
    /// that were forgotten.
    ///
    /// # Errors
    /// [`Incomplete`] if a change cannot be made or stored. Earlier commits remain in effect; call this method again
    /// to forget the rest.
    pub fn forget_all<'i>(
        &self,
        ids: impl IntoIterator<Item = &'i str>,
    ) -> Result<usize, Incomplete> {
        self.change_each(ids, &mut |state, issuer, id| state.plan_forget(id, issuer))
    }

    /// Replaces all versions that this node knows under the pattern's id with `pattern`. Call it only on
    /// behalf of a person or a program that has compared these versions, never automatically.
    ///
    /// # Errors
    /// [`SubmitError`] if the pattern, with the citations that `citations` selects, is not valid or cannot be
    /// stored. No version was replaced.
    pub fn resolve(
        &self,
        pattern: &Arc<SemanticPattern>,
        citations: Citations,
    ) -> Result<(), SubmitError> {
        let given = self.content_of(pattern)?;
        let resolved = self.change_each([pattern.id.as_str()], &mut |state, issuer, _| {
            let content = match citations {
                Citations::AsGiven => given.clone(),
                Citations::Union => {
                    self.content_of(&Arc::new(state.with_all_citations(pattern)?))?
                }
            };
            state.plan_resolve(content, given.digest(), issuer).map(Some)
        });
        single(resolved).map(drop)
    }

    /// Drops the implausible parts of all records, in one commit. Returns the number of changed records.
    pub(crate) fn drop_implausible(&self, writer: &Writer<'_>) -> Result<usize, SubmitError> {
        let is_plausible = |version| self.shared.is_plausible(version);
        let ids: Vec<Arc<str>> = {
            let state = self.state();
            let concerned = |record: &Record| {
                record.siblings.context().iter().any(|(_, version)| !is_plausible(version))
            };
            let all = state.entries().filter(|(_, entry)| concerned(&entry.record));
            all.map(|(id, _)| Arc::clone(id)).collect()
        };
        let ids = ids.iter().map(|id| &**id).collect();
        let dropped = self.change_planned(writer, ids, &mut |state, issuer, id| {
            Ok(state.plan_drop_implausible(id, issuer, is_plausible)?.map(Planned::from))
        })?;
        self.state_mut().recount();
        Ok(dropped)
    }

    /// The greatest plausible version of `node` in any record. O(records).
    pub(crate) fn greatest_plausible(&self, node: &NodeId) -> u64 {
        let state = self.state();
        let own = state.entries().map(|(_, entry)| entry.record.siblings.context());
        let versions = own.map(|context| context.get(node.as_bytes()));
        versions.filter(|version| self.shared.is_plausible(*version)).max().unwrap_or(0)
    }

    /// Plans and commits a change to each id, up to [`MAX_ROWS`] ids in one commit. Returns the number of changes.
    fn change_each<'i>(
        &self,
        ids: impl IntoIterator<Item = &'i str>,
        plan: &mut Plan<'_>,
    ) -> Result<usize, Incomplete> {
        let mut ids: BTreeSet<&str> = ids.into_iter().collect();
        let mut changed = 0;
        loop {
            let rest = match ids.iter().nth(MAX_ROWS).copied() {
                Some(after) => ids.split_off(after),
                None => BTreeSet::new(),
            };
            let writer = self.writer();
            let planned = self.change_planned(&writer, ids, plan);
            changed += planned.map_err(|error| Incomplete::after(changed, error))?;
            if rest.is_empty() {
                return Ok(changed);
            }
            ids = rest;
        }
    }

    /// Plans a change to each id, and makes all changes in one commit, together with the submissions of these ids that
    /// wait for the first contact. Returns the number of changes, without the submissions.
    fn change_planned(
        &self,
        writer: &Writer<'_>,
        ids: BTreeSet<&str>,
        plan: &mut Plan<'_>,
    ) -> Result<usize, SubmitError> {
        let (mut failed, mut planned, mut faults) = (None, 0, Vec::new());
        let cause = self.cause(ConsolidationCacheSource::OnDemand);
        self.change(writer, cause, |state, issuer| {
            let mut changes = Vec::with_capacity(ids.len());
            for &id in &ids {
                let both =
                    state.plan_after_waiting(id, issuer, |state, issuer| plan(state, issuer, id));
                match both {
                    Ok((operation, submission)) => {
                        planned += usize::from(operation.is_some());
                        let (change, met) = operation.map(|it| (it.change, it.faults)).unzip();
                        faults.extend(met.into_iter().flatten().map(|fault| (id, fault)));
                        changes.extend(change.or(submission));
                    }
                    Err(error) => {
                        failed = Some(error);
                        return Vec::new();
                    }
                }
            }
            changes
        })?;
        if let Some(error) = failed {
            return Err(error.into());
        }
        if self.state_mut().cover_waiting(&ids, cause.generated_at) {
            self.note_view_change();
        }
        faults.into_iter().for_each(|(id, fault)| self.report_suppression(id, fault));
        Ok(planned)
    }

    fn report_suppression(&self, id: &str, fault: SuppressionFault) {
        if let SuppressionFault::Dropped { digests } = fault {
            self.shared.count(|stats| stats.suppressions_dropped += digests as u64);
            let (space, id) = (self.id().clone(), id.to_owned());
            self.shared.publish(StateEvent::SuppressionDropped { space, id, digests });
        }
    }

    /// Commits a change by this node itself, and announces it to the peers. Returns whether the visible
    /// patterns changed.
    pub(super) fn change(
        &self,
        writer: &Writer<'_>,
        cause: Cause,
        plan: impl FnOnce(&SpaceState, &mut DotIssuer) -> Vec<Change>,
    ) -> Result<bool, StorageError> {
        let effect = self.commit(writer, cause, plan)?;
        if effect.root_changed {
            self.shared.note_local_change();
        }
        Ok(effect.view_changed)
    }

    /// Plans changes, makes them durable, and installs them. Every change to records uses this method.
    ///
    /// Meanwhile the writer excludes other changes to the space. Readers see the previous state until the
    /// change is durable, and wait only while it is installed.
    pub(crate) fn commit(
        &self,
        _writer: &Writer<'_>,
        cause: Cause,
        plan: impl FnOnce(&SpaceState, &mut DotIssuer) -> Vec<Change>,
    ) -> Result<Effect, StorageError> {
        let (staged, minted) = {
            let mut issuer = self.shared.issuer();
            self.shared.pass_greetings(&mut issuer);
            let (state, before) = (self.state(), issuer.minted());
            let changes = plan(&state, &mut issuer);
            let minted = issuer.minted() - before;
            drop(issuer);
            if changes.is_empty() {
                return Ok(Effect::default());
            }
            let staged = state.stage(changes);
            (staged.not_before(cause.generated_at), minted)
        };
        // The commit holds no lock on the state; the writer excludes other changes.
        if staged.rows().next().is_some()
            && let Err(failure) = self.shared.journal.commit(self.id(), &staged)
        {
            self.state_mut().doubt(&staged);
            return Err(failure);
        }
        self.shared.count(|stats| stats.written += minted);
        let (node, foreign) = {
            let issuer = self.shared.issuer();
            (*issuer.node(), issuer.foreign())
        };
        let mut state = self.state_mut();
        let (before, root) = (state.usage(), state.tree().root());
        let view_changed = state.install(staged, cause);
        state.raise_own(&node, foreign);
        self.shared.replace_usage(before, state.usage());
        let root_changed = state.tree().root() != root;
        drop(state);
        if view_changed {
            self.note_view_change();
        }
        Ok(Effect { view_changed, root_changed })
    }
}

/// The effect of a commit.
#[derive(Clone, Copy, Default)]
pub(crate) struct Effect {
    pub(crate) view_changed: bool,
    pub(crate) root_changed: bool,
}

/// Whether an operation on one pattern, which is one commit, changed it.
fn single(changed: Result<usize, Incomplete>) -> Result<bool, SubmitError> {
    changed.map(|changed| changed > 0).map_err(|failure| failure.error)
}

/// The number of patterns in the next part of a submission.
pub(super) fn part_len<'p>(patterns: impl Iterator<Item = &'p Arc<SemanticPattern>>) -> usize {
    let mut bytes = 0;
    let within = patterns.take(MAX_ROWS).take_while(|pattern| {
        let fits = bytes < MAX_BYTES;
        bytes += canonical::max_encoded_len(pattern);
        fits
    });
    within.count()
}

/// The number of versions among which a strategy chooses after the change; 0 if the change has no new record.
fn versions(change: &Change) -> usize {
    change.record.as_ref().map_or(0, |record| record.shown().len())
}
