//! Operations of an operator on a running node.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use engram_bridge::{Citations, ClusterConfig, Space, SubmitError};
use engram_gossip_net::NodeId;
use engram_gossip_proto::SpaceId;

use crate::event::{Event, Groups};
use crate::export;
use crate::host::Host;

impl Host {
    pub(crate) async fn export(&self, path: PathBuf) {
        let (store, to) = (Arc::clone(&self.node.store), path.clone());
        let exported = self.attempt("export", &path, move || export::export(&store, &to)).await;
        if exported {
            self.report.say(Event::exported(&path));
        }
    }

    pub(crate) async fn backup(&self, path: PathBuf) {
        let (store, to) = (Arc::clone(&self.node.store), path.clone());
        if self.attempt("backup", &path, move || store.backup(&to)).await {
            self.report.say(Event::backed_up(&path));
        }
    }

    /// Reports the conflicts of each space across ids, as far as its patterns were compared.
    pub(crate) async fn groups(&self) {
        for space in self.node.store.iter() {
            let read = tokio::task::spawn_blocking(move || Groups::of(&space)).await;
            if let Ok(Some(groups)) = read {
                self.report.say(Event::Groups(groups));
            }
        }
    }

    /// Carries out an operation on a pattern, and reports whether there was anything to do.
    pub(crate) async fn operate(
        &self,
        command: &str,
        (space, pattern): (String, String),
        operation: impl FnOnce(&Space, &str) -> Result<bool, SubmitError> + Send + 'static,
        done: impl FnOnce(String, String, bool) -> Event,
    ) {
        let (command, id) = (format!("{command} {pattern} of {space}"), pattern.clone());
        let changed = self.change(command, &space, move |space| {
            operation(space, &id).map_err(|error| error.to_string())
        });
        if let Some(found) = changed.await {
            self.report.say(done(space, pattern, found));
        }
    }

    /// Replaces all versions of a pattern by one of them, with the citations of all.
    pub(crate) async fn resolve(&self, space: String, version: String, pattern: String) {
        let (command, id) = (format!("resolve {pattern} of {space}"), pattern.clone());
        let changed = self.change(command, &space, move |space| {
            let versions = space.explain(&id).map(|known| known.versions).unwrap_or_default();
            let digests: Vec<_> = versions.iter().map(|live| live.digest.to_string()).collect();
            let chosen = choose(&digests, &version)?;
            let resolved = space.resolve(&versions[chosen].pattern, Citations::Union);
            resolved.map_err(|error| error.to_string())?;
            Ok(digests[chosen].clone())
        });
        if let Some(version) = changed.await {
            self.report.say(Event::Resolved { space, pattern, version });
        }
    }

    /// Withdraws everything that another node wrote in a space.
    pub(crate) async fn withdraw_node(&self, space: String, node: String) {
        let (command, named) = (format!("withdraw-node {node} of {space}"), node.clone());
        let changed = self.change(command, &space, move |space| {
            let node: NodeId = named.parse().map_err(|error| format!("{error}"))?;
            space.withdraw_node(&node).map_err(|error| error.to_string())
        });
        if let Some(patterns) = changed.await {
            self.report.say(Event::NodeWithdrawn { space, node, patterns });
        }
    }

    /// Drops the parts of records whose versions lie too far in the future.
    pub(crate) async fn drop_implausible(&self) {
        let store = Arc::clone(&self.node.store);
        let dropped = tokio::task::spawn_blocking(move || store.drop_implausible()).await;
        let dropped = dropped.map_err(|panic| panic.to_string());
        let dropped = dropped.and_then(|dropped| dropped.map_err(|error| error.to_string()));
        self.report.say(match dropped {
            Ok(patterns) => Event::ImplausibleDropped { patterns },
            Err(reason) => Event::Failed { command: "drop-implausible".to_owned(), reason },
        });
    }

    /// Changes a space on another thread, since the change waits for the disk. Reports a failure of
    /// `command`, and returns `None` then.
    async fn change<T: Send + 'static>(
        &self,
        command: String,
        space: &str,
        change: impl FnOnce(&Space) -> Result<T, String> + Send + 'static,
    ) -> Option<T> {
        let named = SpaceId::new(space).ok();
        let hosted = named.and_then(|named| self.node.store.space(&named));
        let changed = match hosted {
            Some(hosted) => tokio::task::spawn_blocking(move || change(&hosted)).await,
            None => Ok(Err("this node hosts no such space; see node.spaces".to_owned())),
        };
        match changed.unwrap_or_else(|panic| Err(panic.to_string())) {
            Ok(done) => Some(done),
            Err(reason) => {
                self.report.say(Event::Failed { command, reason });
                None
            }
        }
    }

    /// Reads the configuration again and puts in force the keys that can change.
    pub(crate) fn reload(&self) {
        let reloaded = ClusterConfig::load_with(&self.path, std::env::vars())
            .map_err(|error| error.to_string())
            .and_then(|after| {
                self.node.reload(&self.config, &after).map_err(|error| error.to_string())
            });
        self.report.say(match reloaded {
            Ok(reload) => Event::Reloaded { waiting: reload.waiting },
            Err(reason) => Event::Failed { command: "reload".to_owned(), reason },
        });
    }

    /// Runs slow work on another thread; reports a failure. Returns whether it succeeded.
    async fn attempt<E: Display + Send + 'static>(
        &self,
        command: &str,
        path: &Path,
        work: impl FnOnce() -> Result<(), E> + Send + 'static,
    ) -> bool {
        let reason = match tokio::task::spawn_blocking(work).await {
            Ok(Ok(())) => return true,
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        let command = format!("{command} {}", path.display());
        self.report.say(Event::Failed { command, reason });
        false
    }
}

/// The position of the one digest that begins with `version`.
fn choose(digests: &[String], version: &str) -> Result<usize, String> {
    let begins = |digest: &&String| digest.starts_with(version);
    let mut fitting = digests.iter().enumerate().filter(|(_, digest)| begins(digest));
    match (fitting.next(), fitting.next()) {
        (Some((chosen, _)), None) => Ok(chosen),
        _ if digests.is_empty() => Err("it has no live version; nothing was changed".to_owned()),
        _ => {
            let digests: Vec<_> = digests.iter().map(|digest| &digest[..12]).collect();
            Err(format!(
                "{version} is the beginning of none or of several versions; there are {}",
                digests.join(", ")
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_chosen_by_its_beginning() {
        let digests = ["a1", "a2"].map(|first| first.repeat(32));
        assert_eq!(choose(&digests, "a2"), Ok(1));
        for wrong in ["a", "b", "A2"] {
            let error = choose(&digests, wrong).unwrap_err();
            assert!(error.contains("there are a1a1a1a1a1a1, a2a2a2a2a2a2"), "{error}");
        }
        assert!(choose(&[], "a").unwrap_err().contains("nothing was changed"));
    }
}
