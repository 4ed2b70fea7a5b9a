//! `cluster.toml`: the configuration of a node (feature `config`).

mod check;
mod document;
mod file;
mod print;
mod reference;
mod variables;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use engram_conflict::Strategy;
use engram_conflict::pattern::{ConfidenceVoting, ConfidenceWeighted, KeepBoth, LastWriter};
use engram_gossip_net::{NodeId, RateLimits};
use engram_gossip_proto::SpaceId;
use engram_merkle::{AnyHasher, BaseDepth};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use self::document::{Document, Read};
use crate::engram::pattern::SemanticPattern;
use crate::engram::precision::Precision;
use crate::replica::across_ids::AcrossIds;
use crate::replica::caps::Caps;
use crate::replica::retention::Retention;

/// A node's configuration: the validated contents of `cluster.toml`.
///
/// ```
/// # use engram_bridge::config::ClusterConfig;
/// let config = ClusterConfig::parse(r#"
///     [node]
///     name = "node-a"
///     listen = "127.0.0.1:7701"
///
///     [tls]
///     ca = "ca.pem"
///     certificate = "node-a.pem"
///     key = "node-a.key"
///
///     [gossip]
///     interval_seconds = 30
/// "#)?;
/// assert_eq!(config.gossip.interval.as_secs(), 30);
/// assert_eq!(config.gossip.fanout, 3);
///
/// let refused = ClusterConfig::parse("[gossip]\nfanout = 0\nspeed = 9").unwrap_err();
/// assert!(refused.to_string().contains("gossip.fanout (line 2)"));
/// assert!(refused.to_string().contains("gossip.speed (line 3)"));
/// # Ok::<(), engram_bridge::config::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClusterConfig {
    /// The name, the address and the spaces of this node.
    pub node: NodeConfig,
    /// The certificate of this node, and the cluster's authority.
    pub tls: TlsConfig,
    /// The other nodes, and optionally this one. Connections from nodes that are not listed are refused.
    pub peers: Vec<PeerConfig>,
    /// The schedule of gossip, and the size of its messages.
    pub gossip: GossipConfig,
    /// The settings of the Merkle tree, and the precision of contents; must be equal on all nodes.
    pub merkle_tree: MerkleTreeConfig,
    /// The resolution of concurrent versions, which should be equal on all nodes, and the comparison
    /// across ids.
    pub conflict: ConflictConfig,
    /// The rate limits of sessions.
    pub limits: RateLimits,
    /// How the liveness of nodes is determined.
    pub membership: MembershipConfig,
    /// The storage of the state.
    pub store: StorageConfig,
    /// Health, metrics and the status page; `None` without `[http]`.
    pub http: Option<HttpConfig>,
    /// The limit on the patterns that this node shows.
    pub retention: Retention,
}

/// The section `[node]`: the name, the address and the spaces of this node.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NodeConfig {
    /// The display name of this node.
    pub name: String,
    /// The address to listen on for peers; port 0 selects a free port.
    pub listen: SocketAddr,
    /// The memory spaces that this node hosts; `["default"]` by default.
    pub spaces: Vec<SpaceId>,
    /// Whether this node also hosts every space that its store, a snapshot file or a peer names (`"*"`).
    pub learn_spaces: bool,
    /// Ids of this node's previous keys; none by default.
    pub replaces: Vec<NodeId>,
}

/// The section `[tls]`: paths of PEM files. [`ClusterConfig::load`] resolves relative paths against
/// the folder of the configuration file.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TlsConfig {
    /// The cluster's certificate authority.
    pub ca: PathBuf,
    /// This node's certificate.
    pub certificate: PathBuf,
    /// The certificate's private key.
    pub key: PathBuf,
}

/// One entry of `[[peers]]`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PeerConfig {
    /// The name of the peer in messages, metrics and requests.
    pub name: String,
    /// The id of the peer, which it must prove in each handshake.
    pub node_id: NodeId,
    /// The address that the peer listens on, as `host:port`; `None` if only the peer dials.
    pub address: Option<String>,
    /// Ids of the previous keys of the peer. In this node's own entry, they are added to
    /// [`NodeConfig::replaces`]; in all other entries, they are ignored.
    pub replaces: Vec<NodeId>,
}

/// The section `[gossip]`: the schedule of gossip, and the size of its messages.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct GossipConfig {
    /// Time between two rounds; 60 s by default. Rounds are a fallback: a change starts a sync
    /// immediately.
    pub interval: Duration,
    /// The number of peers that a round contacts; 3 by default.
    pub fanout: usize,
    /// The maximum number of patterns that one message carries; 100 by default.
    pub max_patterns_per_sync: u32,
    /// Whether messages are compressed if that makes them smaller; on by default.
    pub enable_compression: bool,
}

/// The section `[merkle_tree]`: the parameters of the tree and of the contents.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct MerkleTreeConfig {
    /// Levels above the leaves; 12 by default.
    pub depth: BaseDepth,
    /// The hash of the tree, of records and of contents; SHA-256 by default.
    pub hash: AnyHasher,
    /// The precision at which embeddings are stored; `f32` by default.
    pub precision: Precision,
}

/// The section `[conflict]`: the strategy, and the comparison across ids.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ConflictConfig {
    /// The strategy that selects the shown version.
    pub strategy: StrategyChoice,
    /// The comparison of visible patterns with different ids; `None` for `across_ids = false`.
    pub across_ids: Option<AcrossIds>,
}

/// The section `[membership]`: how the liveness of nodes is determined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MembershipConfig {
    /// `kind = "static"`: every peer counts as reachable; failed dials are retried with back-off.
    #[default]
    Static,
    /// `kind = "swim"`: the nodes probe each other, and detect nodes that crash, leave or return.
    Swim(SwimTimes),
}

/// The times of SWIM, which should be equal on all nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SwimTimes {
    /// The interval between probes; 1 s by default. The other nodes are probed in turn.
    pub probe_interval: Duration,
    /// The time that a probe may take before other nodes are asked to probe the same node; 300 ms by
    /// default.
    pub probe_timeout: Duration,
    /// The time that a suspected node has to refute the suspicion; 5 s by default.
    pub suspicion: Duration,
}

/// The section `[store]`: the storage of the state.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StorageConfig {
    /// A folder that only this node uses; created if missing. A relative path is resolved like the
    /// paths of [`TlsConfig`]. Without a folder, the state is in memory only and ends with the
    /// process.
    pub path: Option<PathBuf>,
    /// How long a space whose store is new or has lost rows waits for a peer while no session makes
    /// progress; 10 s by default. See [`Binding::with_settle`](crate::Binding::with_settle).
    pub settle: Duration,
    /// The size in bytes of the cache for the store's pages, in addition to the state itself; 256
    /// KiB by default.
    pub cache_bytes: u64,
    /// The limits on the data that members can make this node keep.
    pub caps: Caps,
}

/// The section `[http]`: the listener for health, metrics and the status page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HttpConfig {
    /// The address to listen on; port 0 selects a free port. Must be a loopback address unless
    /// `allow_remote = true` permits other hosts to read pattern ids: there is no log-in.
    pub listen: SocketAddr,
}

/// A strategy that `cluster.toml` can name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum StrategyChoice {
    /// `confidence-voting`: the most confident version, with the citations of all.
    #[default]
    ConfidenceVoting,
    /// `confidence-weighted`: the mean of all versions, weighted by confidence.
    ConfidenceWeighted,
    /// `last-writer`: the version consolidated last, with only its own citations.
    LastWriter,
    /// `keep-both`: every version under the same id, the most confident first.
    KeepBoth,
}

impl StrategyChoice {
    /// All strategies.
    pub const ALL: [Self; 4] =
        [Self::ConfidenceVoting, Self::ConfidenceWeighted, Self::LastWriter, Self::KeepBoth];

    /// Returns the name of the strategy in `cluster.toml`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ConfidenceVoting => "confidence-voting",
            Self::ConfidenceWeighted => "confidence-weighted",
            Self::LastWriter => "last-writer",
            Self::KeepBoth => "keep-both",
        }
    }

    /// Returns the strategy itself.
    pub fn strategy(self) -> Arc<dyn Strategy<Arc<SemanticPattern>>> {
        match self {
            Self::ConfidenceVoting => Arc::new(ConfidenceVoting),
            Self::ConfidenceWeighted => Arc::new(ConfidenceWeighted::new()),
            Self::LastWriter => Arc::new(LastWriter),
            Self::KeepBoth => Arc::new(KeepBoth),
        }
    }
}

/// The reasons why a configuration cannot be read or is invalid: every problem found, in the order
/// of the file. Nothing was started or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}; check the path and its permissions", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// The file lacks the section.
    #[error("{} has no section [{section}]; add it, or name the section that describes the cluster", path.display())]
    NoSection {
        /// The file.
        path: PathBuf,
        /// The name of the section.
        section: String,
    },
    /// The text is invalid.
    #[error("{}", listing(path.as_deref(), problems))]
    Invalid {
        /// The file, if the text came from one.
        path: Option<PathBuf>,
        /// The problems, at least one.
        problems: Vec<ConfigProblem>,
    },
}

/// One problem in a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigProblem {
    /// The key, such as `gossip.fanout` or `peers.1.address` (the second peer). For a
    /// [section](ClusterConfig::load_section), it includes the name of the section. For a value from an environment
    /// variable, the variable follows the key, or replaces it if the value could not be applied. For a syntax error,
    /// this is the text of the line before the first `=`.
    pub key: String,
    /// The line of the key, or of the nearest table around it. `None` if the file has neither, if
    /// the value comes from an environment variable, or if the configuration was not read from a
    /// file or text.
    pub line: Option<usize>,
    /// The fault and, in most cases, advice for correcting it.
    pub message: String,
}

impl ClusterConfig {
    /// Reads and checks the file at `path`. Relative paths in it are relative to its folder.
    ///
    /// # Errors
    /// [`ConfigError`], which lists all problems.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        Self::load_with(path, [])
    }

    /// Like [`load`](Self::load), with individual values overridden by environment variables such
    /// as `ENGRAM_GOSSIP__FANOUT=5` or `ENGRAM_MERKLE_TREE__HASH=blake3`. The name of a variable
    /// consists of `ENGRAM_`, the section, two underscores, and the key; all other variables are
    /// ignored. Pass [`std::env::vars_os`] for the variables of the process.
    ///
    /// ```no_run
    /// # use engram_bridge::config::ClusterConfig;
    /// let config = ClusterConfig::load_with("cluster.toml".as_ref(), std::env::vars_os())?;
    /// # Ok::<(), engram_bridge::config::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// [`ConfigError`], which lists all problems; a problem with a variable names the variable.
    pub fn load_with(
        path: &Path,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, ConfigError> {
        Self::load_part(path, None, variables)
    }

    /// Reads and checks one section, such as `consolidation_gossip`, of the file at `path`. The
    /// file may have other sections. Dots separate the names of nested sections. Relative paths in
    /// the section are relative to the folder of the file.
    ///
    /// ```no_run
    /// # use engram_bridge::config::ClusterConfig;
    /// let config = ClusterConfig::load_section("engram.toml".as_ref(), "consolidation_gossip")?;
    /// # Ok::<(), engram_bridge::config::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// [`ConfigError::NoSection`] if the file lacks the section, and otherwise [`ConfigError`],
    /// which lists all problems.
    pub fn load_section(path: &Path, section: &str) -> Result<Self, ConfigError> {
        Self::load_section_with(path, section, [])
    }

    /// Like [`load_section`](Self::load_section), with individual values overridden by environment
    /// variables as in [`load_with`](Self::load_with). Their names do not contain the name of the
    /// section: `ENGRAM_GOSSIP__FANOUT=5`.
    ///
    /// # Errors
    /// The errors of [`load_section`](Self::load_section); a problem with a variable names the variable.
    pub fn load_section_with(
        path: &Path,
        section: &str,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, ConfigError> {
        Self::load_part(path, Some(section), variables)
    }

    fn load_part(
        path: &Path,
        section: Option<&str>,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Io { path: path.to_owned(), source })?;
        let mut config = match Self::parse_part(&text, section, variables) {
            Ok(Some(config)) => config,
            Ok(None) => {
                let section = section.unwrap_or_default().to_owned();
                return Err(ConfigError::NoSection { path: path.to_owned(), section });
            }
            Err(problems) => {
                return Err(ConfigError::Invalid { path: Some(path.to_owned()), problems });
            }
        };
        config.place_in(path.parent().unwrap_or_else(|| Path::new("")));
        Ok(config)
    }

    /// Resolves relative paths against `folder`, for a configuration that was deserialized as a
    /// part of another value. [`load`](Self::load) and [`load_section`](Self::load_section) do this
    /// themselves.
    #[must_use]
    pub fn relative_to(mut self, folder: &Path) -> Self {
        self.place_in(folder);
        self
    }

    fn place_in(&mut self, folder: &Path) {
        let Self { tls, store, .. } = self;
        let stored = store.path.as_mut();
        for path in [&mut tls.ca, &mut tls.certificate, &mut tls.key].into_iter().chain(stored) {
            *path = folder.join(&*path);
        }
    }

    /// Reads and checks the text of a configuration.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`], which lists all problems: unknown keys, missing keys, values of
    /// the wrong type, and invalid values. If there is a syntax error, it is the only problem
    /// reported.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let parsed = Self::parse_part(text, None, []);
        let parsed = parsed.map_err(|problems| ConfigError::Invalid { path: None, problems })?;
        Ok(parsed.expect("only a section may be missing"))
    }

    /// Checks the text, or a section of it. Returns `None` if there is no such section.
    fn parse_part(
        text: &str,
        section: Option<&str>,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Option<Self>, Vec<ConfigProblem>> {
        let parsed = Document::parse(text, section).map_err(|problem| vec![problem])?;
        let Some(document) = parsed else { return Ok(None) };
        let Read { file, table, wrong, unknown } =
            document.read().map_err(|problem| vec![problem])?;
        let (mut problems, mut of_variables) = (Vec::new(), Vec::new());
        let overrides = variables::overrides(variables, &mut of_variables);
        let file = variables::apply(table, file, &overrides, &mut of_variables);
        let config = check::check(file, &mut problems);
        // A value of the wrong type is not also reported as missing.
        problems.retain(|problem| !wrong.iter().any(|wrong| is_in(&problem.key, &wrong.key)));
        problems.extend(wrong.into_iter().chain(unknown));
        match config {
            Some(config) if problems.is_empty() && of_variables.is_empty() => {
                return Ok(Some(config));
            }
            _ => {}
        }
        document.find_lines(&mut problems);
        variables::name(&overrides, &mut problems);
        if let Some(section) = section {
            problems.iter_mut().for_each(|it| it.key = format!("{section}.{}", it.key));
        }
        problems.extend(of_variables);
        problems.sort_by_key(|problem| problem.line.unwrap_or(usize::MAX));
        Err(problems)
    }
}

/// Reads a configuration as a part of another value, such as the host's own configuration. The
/// error lists all problems, without line numbers and without the names of outer keys:
/// [`load_section`](ClusterConfig::load_section) reports both. Relative paths remain unchanged: see
/// [`relative_to`](ClusterConfig::relative_to).
///
/// ```
/// # use engram_bridge::config::ClusterConfig;
/// #[derive(serde::Deserialize)]
/// struct Host {
///     consolidation_gossip: ClusterConfig,
/// }
///
/// let host: Host = toml::from_str(r#"
///     [consolidation_gossip]
///     node = { name = "node-a", listen = "127.0.0.1:7701", spaces = "*" }
///     tls = { ca = "ca.pem", certificate = "node-a.pem", key = "node-a.key" }
///     gossip = { interval_seconds = "1m 30s" }
/// "#)?;
/// let config = host.consolidation_gossip.relative_to("/etc/engram".as_ref());
/// assert_eq!(config.gossip.interval.as_secs(), 90);
/// assert_eq!(config.tls.ca, std::path::Path::new("/etc/engram/ca.pem"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
impl<'de> Deserialize<'de> for ClusterConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let section = toml::Table::deserialize(deserializer)?;
        Self::parse(&section.to_string()).map_err(|error| {
            let problems = match error {
                ConfigError::Invalid { problems, .. } => problems.into_iter(),
                error => return D::Error::custom(error),
            };
            // Line numbers would count within the section, not the file.
            let problems: Vec<_> =
                problems.map(|problem| ConfigProblem { line: None, ..problem }).collect();
            D::Error::custom(listing(None, &problems))
        })
    }
}

/// Whether `key` is the key `outer`, or one within it.
fn is_in(key: &str, outer: &str) -> bool {
    key.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn listing(path: Option<&Path>, problems: &[ConfigProblem]) -> String {
    let mut text = path.map_or_else(
        || "the configuration is refused".to_owned(),
        |path| format!("{} is refused", path.display()),
    );
    for ConfigProblem { key, line, message } in problems {
        let place = line.map(|line| format!(" (line {line})")).unwrap_or_default();
        text.push_str(&format!("\n  {key}{place}: {message}"));
    }
    text
}
