//! What an operator does to a running node.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use engram_bridge::{ClusterConfig, LiveVersion, Space, StorageError};
use engram_gossip_proto::SpaceId;

use crate::event::Event;
use crate::export;
use crate::run::Host;

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

    /// Takes back or deletes a pattern, and lets the peers know.
    pub(crate) async fn remove(
        &self,
        space: &str,
        id: String,
        remove: fn(&Space, &str) -> Result<bool, StorageError>,
    ) {
        let (named, pattern) = (space.to_owned(), id.clone());
        let done = self.change("remove", space, &pattern, move |space| {
            remove(space, &id).map_err(|error| error.to_string())
        });
        if let Some(found) = done.await {
            self.report.say(Event::Removed { space: named, pattern, found });
        }
    }

    /// Puts one version of a pattern in the place of all, and lets the peers know.
    pub(crate) async fn resolve(&self, space: &str, version: String, id: String) {
        let (named, pattern) = (space.to_owned(), id.clone());
        let done = self.change("resolve", space, &pattern, move |space| {
            let versions = space.explain(&id).map(|known| known.versions).unwrap_or_default();
            let chosen = choose(&versions, &version)?;
            space.resolve(&chosen.pattern).map_err(|error| error.to_string())?;
            Ok(chosen.digest.to_string())
        });
        if let Some(version) = done.await {
            self.report.say(Event::Resolved { space: named, pattern, version });
        }
    }

    /// Changes a pattern on another thread, since the change waits for the disk. Nothing if it failed,
    /// which is told.
    async fn change<T: Send + 'static>(
        &self,
        command: &str,
        space: &str,
        pattern: &str,
        change: impl FnOnce(&Space) -> Result<T, String> + Send + 'static,
    ) -> Option<T> {
        let named = SpaceId::new(space).ok();
        let hosted = named.and_then(|named| self.node.store.space(&named).cloned());
        let changed = match hosted {
            Some(hosted) => tokio::task::spawn_blocking(move || change(&hosted)).await,
            None => Ok(Err("this node hosts no such space; see node.spaces".to_owned())),
        };
        match changed.unwrap_or_else(|panic| Err(panic.to_string())) {
            Ok(done) => {
                self.node.gossip.announce();
                Some(done)
            }
            Err(reason) => {
                let command = format!("{command} {pattern} of {space}");
                self.report.say(Event::Failed { command, reason });
                None
            }
        }
    }

    /// Reads the configuration again and puts in force what can be.
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

    /// Does what takes a while on another thread; tells if it fails. Returns whether it succeeded.
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

/// The one version whose digest begins with `version`.
fn choose<'v>(versions: &'v [LiveVersion], version: &str) -> Result<&'v LiveVersion, String> {
    let mut fitting = versions.iter().filter(|one| one.digest.to_string().starts_with(version));
    match (fitting.next(), fitting.next()) {
        (Some(chosen), None) => Ok(chosen),
        _ if versions.is_empty() => {
            Err("it has no version that lives; nothing was changed".to_owned())
        }
        _ => {
            let digests = versions.iter().map(|one| one.digest.to_string()[..12].to_owned());
            let digests: Vec<_> = digests.collect();
            let digests = digests.join(", ");
            Err(format!("{version} is the beginning of none or of several; there are {digests}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use engram_bridge::{Confidence, Introduced, SemanticPattern, Timestamp};

    use super::*;

    #[test]
    fn a_version_is_chosen_by_the_beginning_of_its_digest() {
        let pattern = Arc::new(SemanticPattern {
            id: "p".to_owned(),
            embedding: Arc::from([1.0]),
            source_episodes: Vec::new(),
            strength: 1.0,
            schema_confidence: Confidence::new(0.5).unwrap(),
            last_consolidated: Timestamp::EPOCH,
        });
        let version = |first: u8| LiveVersion {
            digest: [first; 32].into(),
            pattern: Arc::clone(&pattern),
            writes: Vec::new(),
            introduced: Introduced::ByEngine,
        };
        let versions = [version(0xa1), version(0xa2)];
        assert_eq!(choose(&versions, "a2").unwrap().digest, versions[1].digest);
        for wrong in ["a", "b", "A2"] {
            let error = choose(&versions, wrong).unwrap_err();
            assert!(error.contains("there are a1a1a1a1a1a1, a2a2a2a2a2a2"), "{error}");
        }
        assert!(choose(&[], "a").unwrap_err().contains("nothing was changed"));
    }
}
