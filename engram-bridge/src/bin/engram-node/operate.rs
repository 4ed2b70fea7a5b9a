//! Executes requests to a running node.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use engram_bridge::replica::Citations;
use engram_bridge::snapshot_file::{FileSnapshot, RejectedLine, SnapshotFile};
use engram_bridge::spaces::SubmitError;
use engram_bridge::{ENGRAM_DIMENSION, Space, http};
use engram_gossip_net::NodeId;
use engram_gossip_proto::SpaceId;
use serde_json::Value;

use crate::event::{Event, Groups};
use crate::host::Host;
use crate::request::{Answer, Request};
use crate::submit::{Submitter, Taken};
use crate::words::{counted, one_line};
use crate::{explained, export};

/// The reason why a request failed, and the next step if there is one.
type Refusal = String;

impl Host {
    /// Executes a request, and reports an event for it.
    pub(crate) async fn obey(&self, request: Result<Request, String>) -> Answer {
        let name = request.as_ref().map_or("request", Request::name);
        match self.carry_out(request).await {
            Ok((event, explained)) => {
                // `run` reports the stop.
                if !matches!(event, Event::Stopped {}) {
                    self.report.say(&event);
                }
                let text = explained.as_ref().map(|known| explained::lines(known).join("\n"));
                let text = text.unwrap_or_else(|| event.sentence());
                Answer {
                    done: true,
                    text,
                    json: explained.unwrap_or_else(|| self.report.json(&event)),
                }
            }
            Err(reason) => {
                let event = Event::Failed { command: name.to_owned(), reason: reason.clone() };
                self.report.say(&event);
                Answer { done: false, text: reason, json: self.report.json(&event) }
            }
        }
    }

    /// Executes a request. Returns the event to report, and the explanation if one was requested.
    async fn carry_out(
        &self,
        request: Result<Request, String>,
    ) -> Result<(Event, Option<Value>), Refusal> {
        let event = match request? {
            Request::Explain { space, id } => {
                let hosted = self.space(&space)?;
                let known = http::explanation(&self.telemetry, &hosted, &id);
                let known =
                    known.ok_or_else(|| format!("{space} has never held the pattern {id:?}"))?;
                let known = serde_json::from_str(&known).map_err(|error| error.to_string())?;
                return Ok((Event::Explained { space, pattern: id }, Some(known)));
            }
            Request::Submit { path } => self.submit(path).await?,
            Request::Export { path } => {
                let (store, to) = (Arc::clone(&self.node.store), path.clone());
                let state = self.config.store.path.clone();
                change(move || export::export(&store, &to, state.as_deref())).await?;
                Event::Exported { path: path.display().to_string() }
            }
            Request::Backup { path } => {
                let (store, to) = (Arc::clone(&self.node.store), path.clone());
                // The error names the path.
                change(move || store.backup(&to).map_err(|error| error.to_string())).await?;
                Event::BackedUp { path: path.display().to_string() }
            }
            Request::Compact => self.compact().await?,
            Request::Forget { space, id } => {
                let found = self.operate(&space, &id, Space::forget).await?;
                Event::Forgotten { space, pattern: id, found }
            }
            Request::Withdraw { space, id } => {
                let found = self.operate(&space, &id, Space::withdraw).await?;
                Event::Withdrawn { space, pattern: id, found }
            }
            Request::DropImplausible => {
                let store = Arc::clone(&self.node.store);
                let drop = move || store.drop_implausible().map_err(|error| error.to_string());
                Event::ImplausibleDropped { patterns: change(drop).await? }
            }
            Request::Groups => {
                let spaces: Vec<_> = self.node.store.iter().collect();
                let read =
                    move || Ok(spaces.iter().filter_map(|space| Groups::of(space)).collect());
                Event::Groups { spaces: change(read).await? }
            }
            Request::Resolve { space, version, id } => self.resolve(space, version, id).await?,
            Request::ForgetNode { node, space } => self.forget_node(node, space).await?,
            Request::Reload => self.reload()?,
            Request::State => Event::State(self.state()),
            Request::Stop => {
                self.end().await?;
                Event::Stopped {}
            }
        };
        self.report.changed();
        Ok((event, None))
    }

    fn space(&self, name: &str) -> Result<Arc<Space>, Refusal> {
        let named = SpaceId::new(name).ok();
        let hosted = named.and_then(|named| self.node.store.space(&named));
        hosted.ok_or_else(|| format!("this node hosts no space {name:?}; see node.spaces"))
    }

    /// Submits every snapshot in a file.
    async fn submit(&self, path: PathBuf) -> Result<Event, Refusal> {
        let (node, report) = (self.node.clone(), self.report.clone());
        let name = path.display().to_string();
        let submitter = Submitter { name: name.clone(), node, report };
        let submitted = tokio::task::spawn_blocking(move || submit_file(&path, &submitter)).await;
        submitted.map_err(|panic| panic.to_string())?
    }

    /// Compacts the store, and reports its size before and after.
    async fn compact(&self) -> Result<Event, Refusal> {
        let store = Arc::clone(&self.node.store);
        let compacted = change(move || {
            let before = store.write_stats().stored_bytes;
            store.compact().map_err(|error| error.to_string())?;
            Ok((before, store.write_stats().stored_bytes))
        });
        let (before, after) = compacted.await?;
        Ok(Event::Compacted { before, after })
    }

    /// Executes an operation on a pattern. Returns whether it changed anything.
    async fn operate(
        &self,
        space: &str,
        id: &str,
        operation: impl FnOnce(&Space, &str) -> Result<bool, SubmitError> + Send + 'static,
    ) -> Result<bool, Refusal> {
        let (hosted, id) = (self.space(space)?, id.to_owned());
        change(move || operation(&hosted, &id).map_err(|error| error.to_string())).await
    }

    /// Replaces all versions of a pattern with one of them, which receives the citations of all.
    async fn resolve(&self, space: String, version: String, id: String) -> Result<Event, Refusal> {
        let (hosted, pattern) = (self.space(&space)?, id.clone());
        let version = change(move || {
            let versions = hosted.explain(&id).map(|known| known.versions).unwrap_or_default();
            let digests: Vec<_> = versions.iter().map(|live| live.digest.to_string()).collect();
            let chosen = choose(&digests, &version)?;
            let resolved = hosted.resolve(&versions[chosen].pattern, Citations::Union);
            resolved.map_err(|error| error.to_string())?;
            Ok(digests[chosen].clone())
        });
        Ok(Event::Resolved { space, pattern, version: version.await? })
    }

    /// Withdraws everything that another node wrote.
    async fn forget_node(&self, writer: String, space: Option<String>) -> Result<Event, Refusal> {
        let node: NodeId = writer.parse().map_err(|error| format!("{writer:?}: {error}"))?;
        let gossip = &self.node.gossip;
        if node == gossip.node_id() {
            return Err(format!(
                "{writer} is this node; nothing was changed; `withdraw` withdraws its version of a \
                 pattern"
            ));
        }
        if gossip.roster().iter().any(|member| member.id == node) {
            return Err(format!(
                "{writer} is a member and would not submit its unchanged patterns again; nothing was changed; \
                 first remove it from the [[peers]] of every node and reload"
            ));
        }
        let hosted = space.as_deref().map(|space| self.space(space)).transpose()?;
        let store = Arc::clone(&self.node.store);
        let patterns = change(move || {
            let withdrawn = match hosted {
                Some(space) => space.withdraw_node(&node),
                None => store.withdraw_node(&node),
            };
            withdrawn.map_err(|error| error.to_string())
        });
        Ok(Event::NodeWithdrawn { space, writer, patterns: patterns.await? })
    }

    /// Reads the configuration again and applies the keys that can change.
    pub(crate) fn reload(&self) -> Result<Event, Refusal> {
        // A list of problems has several lines, but an event must have only one.
        let after = self.source.load();
        let after = after.map_err(|error| one_line(&error.to_string()))?;
        let mut present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        let reload = self.node.reload(&self.config, &after).map_err(|error| error.to_string())?;
        let mut changed = present.changed_at_once(&after);
        // A key is in both lists if it names another file with other contents.
        changed.extend(reload.loaded);
        changed.sort();
        changed.dedup();
        *present = after;
        Ok(Event::Reloaded { changed, waiting: reload.waiting })
    }
}

fn submit_file(path: &Path, submitter: &Submitter) -> Result<Event, Refusal> {
    let mut file = SnapshotFile::open(path, ENGRAM_DIMENSION).map_err(|error| error.to_string())?;
    let (mut snapshots, mut total) = (0, Taken::default());
    total.rejected = file.rejected().len();
    for line in file.rejected() {
        submitter.reject(line.clone());
    }
    for run in file.runs() {
        for snapshot in file.read_run(run).map_err(|error| error.to_string())? {
            let done = submitter.submit(&snapshot);
            let done = done.map_err(|reason| incomplete(&snapshot, snapshots, &reason))?;
            snapshots += 1;
            total.taken += done.taken;
            total.written += done.written;
            total.waiting += done.waiting;
            total.rejected += done.rejected;
        }
    }
    let Taken { taken, written, waiting, rejected } = total;
    if taken == 0 && rejected > 0 {
        return Err(nothing_taken(path, rejected, file.rejected()));
    }
    let path = path.display().to_string();
    Ok(Event::Submitted { path, snapshots, taken, written, waiting, rejected })
}

/// Creates the error for a snapshot that failed after `stored` earlier snapshots of its file were stored.
fn incomplete(
    FileSnapshot { run, space, .. }: &FileSnapshot,
    stored: u64,
    reason: &str,
) -> Refusal {
    let stored = match stored {
        0 => String::new(),
        n => format!("; stored before it: {}", counted(n, "snapshot", "snapshots")),
    };
    format!("snapshot {run} of {space} was not stored completely: {reason}{stored}")
}

fn nothing_taken(path: &Path, rejected: usize, lines: &[RejectedLine]) -> Refusal {
    let first = lines.first().map(|line| format!(": line {}: {}", line.line, line.reason));
    let (path, first) = (path.display(), first.unwrap_or_default());
    format!(
        "{path}: nothing was submitted, {rejected} rejected{first}; the event `rejected` names the cause"
    )
}

/// Runs `change`, which may wait for the disk, on a blocking thread.
async fn change<T: Send + 'static>(
    change: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let changed = tokio::task::spawn_blocking(change).await;
    changed.unwrap_or_else(|panic| Err(panic.to_string()))
}

/// Returns the position of the only digest that begins with `version`.
fn choose(digests: &[String], version: &str) -> Result<usize, String> {
    let begins = |digest: &&String| !version.is_empty() && digest.starts_with(version);
    let mut fitting = digests.iter().enumerate().filter(|(_, digest)| begins(digest));
    match (fitting.next(), fitting.next()) {
        (Some((chosen, _)), None) => Ok(chosen),
        _ if digests.is_empty() => {
            Err("the pattern has no live version; nothing was changed".to_owned())
        }
        _ => {
            let digests: Vec<_> = digests.iter().map(|digest| &digest[..12]).collect();
            Err(format!(
                "no version, or more than one, begins with {version}; there are {}",
                digests.join(", ")
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use engram_bridge::ConsolidationSnapshot;

    use super::*;

    #[test]
    fn version_is_chosen_by_its_prefix() {
        let digests = ["a1", "a2"].map(|first| first.repeat(32));
        assert_eq!(choose(&digests, "a2"), Ok(1));
        for wrong in ["a", "b", "A2"] {
            let error = choose(&digests, wrong).unwrap_err();
            assert!(error.contains("there are a1a1a1a1a1a1, a2a2a2a2a2a2"), "{error}");
        }
        assert!(choose(&[], "a").unwrap_err().contains("nothing was changed"));
    }

    #[test]
    fn refused_snapshot_names_those_before_it() {
        let snapshot = FileSnapshot {
            space: SpaceId::new("default").unwrap(),
            run: 77,
            snapshot: ConsolidationSnapshot::default(),
            lines: Vec::new(),
            rejected: Vec::new(),
        };
        let first = incomplete(&snapshot, 0, "full");
        assert_eq!(first, "snapshot 77 of default was not stored completely: full");
        let second = incomplete(&snapshot, 1, "full");
        assert_eq!(second, format!("{first}; stored before it: 1 snapshot"));
    }
}
