//! `cluster.toml`: its keys, the reported problems with their keys and lines, and the variables
//! that override keys.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::time::Duration;

use engram_bridge::config::*;
use engram_bridge::replica::*;
use engram_bridge::{DEFAULT_SETTLE, SpaceId};
use engram_gossip_net::{QuietHours, Rate, RateLimits};
use engram_merkle::{AnyHasher, BaseDepth};

const WHOLE: &str = include_str!("../../src/node/config/whole.toml");

fn problems(text: &str) -> Vec<ConfigProblem> {
    match ClusterConfig::parse(text) {
        Err(ConfigError::Invalid { problems, .. }) => problems,
        other => panic!("{other:?}"),
    }
}

/// Returns the only problem in `WHOLE` after `from` has been replaced by `to`.
fn problem(from: &str, to: &str) -> ConfigProblem {
    assert!(WHOLE.contains(from), "{from}");
    let mut problems = problems(&WHOLE.replacen(from, to, 1));
    assert_eq!(problems.len(), 1, "{problems:?}");
    problems.remove(0)
}

#[test]
fn times_are_numbers_or_text() {
    for (text, seconds) in [("5", 5), ("\"5s\"", 5), ("\"1m 30s\"", 90), ("\"2h\"", 7_200)] {
        let whole =
            WHOLE.replacen("interval_seconds = 5", &format!("interval_seconds = {text}"), 1);
        assert_eq!(ClusterConfig::parse(&whole).unwrap().gossip.interval.as_secs(), seconds);
    }
    for text in ["\"500ms\"", "\"soon\"", "\"2days\""] {
        let refused = problem("interval_seconds = 5", &format!("interval_seconds = {text}"));
        assert_eq!(refused.key, "gossip.interval_seconds", "{text}");
    }
    let whole = WHOLE.replacen("probe_interval_ms = 2000", "probe_interval_ms = \"2s\"", 1);
    assert!(ClusterConfig::parse(&whole).is_ok());
}

#[test]
fn embedded_section_reports_all_problems() {
    let error = toml::from_str::<ClusterConfig>("[gossip]\nfanout = 0\nspeed = 9").unwrap_err();
    let text = error.to_string();
    assert!(text.contains("gossip.fanout:") && text.contains("gossip.speed:"), "{text}");
    assert!(!text.contains("(line"), "{text}");
}

#[test]
fn star_hosts_all_spaces() {
    let all = WHOLE.replacen(r#"["notes", "default"]"#, r#""*""#, 1);
    let config = ClusterConfig::parse(&all).unwrap();
    assert!(config.node.learn_spaces);
    assert_eq!(config.node.spaces, [SpaceId::new("default").unwrap()]);
    assert!(config.to_string().contains("spaces = \"*\"\n"));
    assert!(!ClusterConfig::parse(WHOLE).unwrap().node.learn_spaces);

    let other = problem(r#"["notes", "default"]"#, r#""notes""#);
    assert_eq!((other.key.as_str(), other.line), ("node.spaces", Some(5)));
    assert!(other.message.contains("a list of names"), "{}", other.message);
}

#[test]
fn a_peer_may_name_the_keys_that_it_had_before() {
    let old = "d".repeat(64);
    let entry =
        |ids: &str| WHOLE.replacen("\n[gossip]", &format!("replaces = [{ids}]\n\n[gossip]"), 1);
    let config = ClusterConfig::parse(&entry(&format!("'{old}'"))).unwrap();
    let replaced = config.peers.iter().map(|peer| peer.replaces.len()).collect::<Vec<_>>();
    assert_eq!((replaced, config.node.replaces.len()), (vec![1, 1], 1));
    assert_eq!(config.peers[1].replaces[0].to_string(), old);
    let printed = config.to_string();
    assert_eq!(ClusterConfig::parse(&printed).unwrap().to_string(), printed);

    let refused = problems(&entry(&format!("'{old}', 'x'")));
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert_eq!((refused[0].key.as_str(), refused[0].line), ("peers.1.replaces.1", Some(22)));
    let many = vec![format!("'{old}'"); 17].join(", ");
    assert!(problems(&entry(&many))[0].message.contains("at most 16"));
}

#[test]
fn every_key_is_taken() {
    let config = ClusterConfig::parse(WHOLE).unwrap();
    assert_eq!(config.node.name, "node-a");
    let spaces: Vec<_> = config.node.spaces.iter().map(SpaceId::as_str).collect();
    assert_eq!(spaces, ["default", "notes"]);
    assert_eq!(config.peers[0].address.as_deref(), Some("node-b.example:7701"));
    assert_eq!(config.peers[1].address, None);
    assert_eq!(config.gossip.interval, Duration::from_secs(5));
    assert_eq!((config.gossip.fanout, config.gossip.max_patterns_per_sync), (2, 50));
    assert!(!config.gossip.enable_compression);
    assert_eq!(config.merkle_tree.depth, BaseDepth::Eight);
    assert_eq!(config.merkle_tree.hash, AnyHasher::Blake3);
    assert_eq!(config.conflict.strategy, StrategyChoice::ConfidenceWeighted);
    assert_eq!(config.http.unwrap().listen.to_string(), "127.0.0.1:7801");
    let limits = config.limits;
    assert_eq!(limits.send_rate, Some(5000 << 10));
    assert_eq!(limits.quiet_hours, Some(QuietHours::new(22 * 60 + 30, 6 * 60, 64 << 10)));
    assert_eq!(limits.peer.bytes, Rate { per_second: 16 << 20, burst: 128 << 20 });
    assert_eq!(limits.peer.records, Rate { per_second: 1_000, burst: 10_000 });
    let millis = Duration::from_millis;
    let MembershipConfig::Swim(times) = config.membership else { panic!("{config:?}") };
    let times = [times.probe_interval, times.probe_timeout, times.suspicion];
    assert_eq!(times, [millis(2000), millis(500), millis(8000)]);
    assert_eq!(config.store.path.as_deref(), Some(Path::new("state")));
    assert_eq!(config.store.settle, Duration::from_secs(30));
    assert_eq!(config.store.cache_bytes, 1 << 20);
    assert_eq!(config.retention.max_age, Some(Duration::from_secs(90 * 86_400)));
    assert_eq!(config.retention.max_patterns, Some(5_000));
}

#[test]
fn optional_keys_have_defaults() {
    let least = "[node]\nname='a'\nlisten='[::1]:0'\n[tls]\nca='1'\ncertificate='2'\nkey='3'\n";
    let config = ClusterConfig::parse(least).unwrap();
    assert_eq!(config.node.spaces, [SpaceId::new("default").unwrap()]);
    assert_eq!(config.gossip.interval, Duration::from_secs(60));
    assert_eq!((config.gossip.fanout, config.gossip.max_patterns_per_sync), (3, 100));
    assert!(config.gossip.enable_compression && config.peers.is_empty());
    assert_eq!(config.merkle_tree.depth.slots(), 4_096);
    assert_eq!(config.merkle_tree.hash, AnyHasher::Sha256);
    assert_eq!(config.conflict.strategy, StrategyChoice::ConfidenceVoting);
    assert_eq!(config.limits, RateLimits::default());
    assert_eq!(config.membership, MembershipConfig::Static);
    assert_eq!(config.store.path, None);
    assert_eq!(config.store.settle, DEFAULT_SETTLE);
    assert_eq!(config.store.cache_bytes, 256 << 10);
    assert_eq!(config.store.caps, Caps::default());
    assert_eq!(config.retention, Retention::default());
}

#[test]
fn invalid_value_is_refused_by_key_and_line() {
    for (from, to, key, line, part) in [
        ("settle_seconds = 30", "settle_seconds = -1", "store.settle_seconds", 64, "10"),
        ("cache_kib = 1024", "cache_kib = 63", "store.cache_kib", 65, "256"),
        ("fanout = 2", "fanout = 0", "gossip.fanout", 25, "1..=64"),
        ("interval_seconds = 5", "interval_seconds = 0", "gossip.interval_seconds", 24, "60"),
        ("interval_seconds = 5", "interval_seconds = -1", "gossip.interval_seconds", 24, "-1"),
        ("_sync = 50", "_sync = 0", "gossip.max_patterns_per_sync", 26, "100"),
        ("depth = 8", "depth = 13", "merkle_tree.depth", 30, "16"),
        ("leaf_count = 256", "leaf_count = 4096", "merkle_tree.leaf_count", 31, "2^8"),
        ("\"blake3\"", "\"md5\"", "merkle_tree.hash", 32, "sha256"),
        ("confidence-weighted", "coin", "conflict.strategy", 36, "confidence-voting"),
        ("127.0.0.1:7701", "localhost", "node.listen", 4, "127.0.0.1:7701"),
        ("node-b.example:7701", "node-b", "peers.0.address", 16, "10.0.0.2:7701"),
        ("node-b.example:7701", ":7701", "peers.0.address", 16, "host"),
        ("node-b.example:7701", "b:0", "peers.0.address", 16, "port"),
        ("node-b.example:7701", "::1:7701", "peers.0.address", 16, "host"),
        ("bbbb\"", "bbbz\"", "peers.0.node_id", 15, "certs show"),
        ("bbbb\"", "bb\"", "peers.0.node_id", 15, "certs show"),
        ("\"node-c\"", "\"node-b\"", "peers.1.name", 20, "once"),
        ("name = \"node-c\"", "", "peers.1.name", 19, "missing"),
        ("\"node-a\"", "\"a\\u001B[2J\"", "node.name", 3, "control"),
        ("\"node-c\"", "\"c\\u202E\"", "peers.1.name", 20, "control"),
        ("\"notes\"", "\"default\"", "node.spaces.1", 5, "twice"),
        ("\"notes\"", "\"No Tes\"", "node.spaces.0", 5, "a-z"),
        ("[\"notes\", \"default\"]", "[]", "node.spaces", 5, "1024"),
        ("ca = \"ca.pem\"", "ca = \"\"", "tls.ca", 9, "empty"),
        (
            "_kib_per_second = 5000",
            "_kib_per_second = 0",
            "limits.send_kib_per_second",
            49,
            "leave",
        ),
        ("22:30-06:00", "22:30-24:00", "limits.quiet_hours", 50, "09:00-17:00"),
        ("22:30-06:00", "at night", "limits.quiet_hours", 50, "UTC"),
        ("_per_second = 16", "_per_second = 0", "limits.peer_mib_per_second", 52, "default is 32"),
        ("\"swim\"", "\"magic\"", "membership.kind", 57, "static"),
        ("_ms = 2000", "_ms = 1000", "membership.probe_interval_ms", 58, "at least 1500"),
        ("_ms = 8000", "_ms = 1000", "membership.suspicion_ms", 60, "at least 2000"),
        ("path = \"state\"", "path = \"\"", "store.path", 63, "empty"),
        ("_days = 90", "_days = 0", "retention.max_age_days", 76, "leave it out"),
        ("_patterns = 5000", "_patterns = -1", "retention.max_patterns", 77, "leave it out"),
    ] {
        let found = problem(from, to);
        assert_eq!((found.key.as_str(), found.line), (key, Some(line)), "{found:?}");
        assert!(found.message.contains(part), "{found:?}");
    }
}

#[test]
fn all_problems_are_reported_in_file_order() {
    let wrong = WHOLE.replace("fanout = 2", "fanot = 2\nfanout = 0").replace("ca = \"ca.pem\"", "");
    let wrong = wrong.replace("[conflict]", "[conflikt]");
    let keys: Vec<_> = problems(&wrong).into_iter().map(|p| (p.key, p.line)).collect();
    let expected = [
        ("tls.ca", Some(8)),
        ("gossip.fanot", Some(25)),
        ("gossip.fanout", Some(26)),
        ("conflikt", Some(36)),
    ];
    assert_eq!(keys, expected.map(|(key, line)| (key.to_owned(), line)));
}

#[test]
fn wrong_type_hides_no_other_problem() {
    let wrong = WHOLE
        .replace("name = \"node-a\"", "name = 5")
        .replace("interval_seconds = 5", "interval_seconds = [5]")
        .replace("fanout = 2", "fanout = 0")
        .replace("leaf_count = 256", "leaf_count = 7")
        .replace("\"f16\"", "\"f8\"")
        .replace("name = \"node-c\"", "name = false\nreplaces = [1]")
        .replace("kind = \"swim\"", "kin = 1")
        .replace("probe_timeout_ms = 500", "probe_timeout_ms = 1");
    let keys: Vec<_> = problems(&wrong).into_iter().map(|p| (p.key, p.line)).collect();
    let expected = [
        ("node.name", 3),
        ("peers.1.name", 20),
        ("peers.1.replaces", 21),
        ("gossip.interval_seconds", 25),
        ("gossip.fanout", 26),
        ("merkle_tree.leaf_count", 32),
        ("merkle_tree.precision", 34),
        ("membership.kin", 58),
        ("membership.probe_timeout_ms", 60),
    ];
    assert_eq!(keys, expected.map(|(key, line)| (key.to_owned(), Some(line))));
    let section = format!("tls = 1\n{}", WHOLE.replace("[tls]", "[tles]"));
    let keys: Vec<_> = problems(&section).into_iter().map(|p| p.key).collect();
    assert_eq!(keys, ["tls", "tles"]);
}

/// Reported keys begin with the name of the section, and reported lines are those of the file.
#[test]
fn section_is_read_like_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("engram.toml");
    let sections =
        WHOLE.replace("\n[", "\n[host.gossip.").replace("[host.gossip.[", "[[host.gossip.");
    fs::write(&path, format!("port = 1\n{sections}")).unwrap();
    let config = ClusterConfig::load_section(&path, "host.gossip").unwrap();
    assert_eq!((config.gossip.fanout, config.peers.len()), (2, 2));
    assert_eq!(config.tls.ca, folder.path().join("ca.pem"));
    let variable = ("ENGRAM_GOSSIP__FANOUT".into(), "7".into());
    let config = ClusterConfig::load_section_with(&path, "host.gossip", [variable]).unwrap();
    assert_eq!(config.gossip.fanout, 7);

    let wrong = sections.replace("fanout = 2", "fanout = \"x\"").replace("depth = 8", "depth = 9");
    fs::write(&path, wrong).unwrap();
    let error = ClusterConfig::load_section(&path, "host.gossip").unwrap_err().to_string();
    assert!(error.contains("host.gossip.gossip.fanout (line 25): invalid type"), "{error}");
    assert!(error.contains("host.gossip.merkle_tree.depth (line 30): 9 is not"), "{error}");
    let variable = ("ENGRAM_GOSSIP__SPEED".into(), "7".into());
    let error = ClusterConfig::load_section_with(&path, "host.gossip", [variable]).unwrap_err();
    assert!(error.to_string().contains("\n  ENGRAM_GOSSIP__SPEED: there is no"), "{error}");
    let error = ClusterConfig::load_section(&path, "gossip").unwrap_err();
    assert!(matches!(&error, ConfigError::NoSection { section, .. } if section == "gossip"));
}

#[test]
fn syntax_and_type_errors_name_the_line() {
    let found = problem("fanout = 2", "fanout = \"two\"");
    assert_eq!((found.key.as_str(), found.line), ("gossip.fanout", Some(25)));
    assert!(found.message.ends_with("expected an integer"), "{}", found.message);
    let found = problem("fanout = 2", "fanout = ");
    assert_eq!(found.line, Some(25), "{found:?}");
}

#[test]
fn a_missing_file_is_named() {
    let error = ClusterConfig::load(Path::new("no/such/cluster.toml")).unwrap_err();
    assert!(error.to_string().contains("no/such/cluster.toml"), "{error}");
}

#[test]
fn paths_are_relative_to_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cluster.toml");
    fs::write(&path, WHOLE).unwrap();
    let config = ClusterConfig::load(&path).unwrap();
    assert_eq!(config.tls.ca, folder.path().join("ca.pem"));
    assert_eq!(config.store.path, Some(folder.path().join("state")));
    fs::write(&path, "[nod]").unwrap();
    let error = ClusterConfig::load(&path).unwrap_err().to_string();
    assert!(error.starts_with(&path.display().to_string()), "{error}");
}

#[test]
fn remote_page_needs_allow_remote() {
    let open = "listen = \"0.0.0.0:7801\"";
    let problem = problem("listen = \"127.0.0.1:7801\"", open);
    assert_eq!(problem.key, "http.listen");
    assert!(problem.message.contains("allow_remote = true"), "{problem:?}");
    let meant = WHOLE
        .replace("listen = \"127.0.0.1:7801\"", open)
        .replace("allow_remote = false", "allow_remote = true");
    assert!(ClusterConfig::parse(&meant).unwrap().http.unwrap().listen.ip().is_unspecified());
}

fn with_variables(
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<ClusterConfig, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cluster.toml");
    fs::write(&path, WHOLE).unwrap();
    ClusterConfig::load_with(&path, variables)
}

fn with(variables: &[(&str, &str)]) -> Result<ClusterConfig, ConfigError> {
    let variables = variables.iter().map(|(name, value)| ((*name).into(), (*value).into()));
    with_variables(variables)
}

#[test]
fn variables_override_single_values() {
    let config = with(&[
        ("ENGRAM_GOSSIP__FANOUT", "7"),
        ("ENGRAM_GOSSIP__ENABLE_COMPRESSION", "true"),
        ("ENGRAM_NODE__NAME", "node-z"),
        ("ENGRAM_NODE__LISTEN", "127.0.0.1:9"),
        ("ENGRAM_NODE__SPACES", "[\"other\"]"),
        ("ENGRAM_MERKLE_TREE__HASH", "sha256"),
        ("ENGRAM_SEED", "not a key of ours"),
        ("PATH", "/bin"),
    ]);
    let config = config.unwrap();
    assert_eq!((config.gossip.fanout, config.gossip.enable_compression), (7, true));
    assert_eq!((&*config.node.name, config.node.listen.port()), ("node-z", 9));
    assert_eq!(config.node.spaces, [SpaceId::new("other").unwrap()]);
    assert_eq!(config.merkle_tree.hash, AnyHasher::Sha256);
    assert_eq!(config.gossip.max_patterns_per_sync, 50, "other keys keep the file's values");
}

#[test]
fn a_text_may_look_like_a_number() {
    for name in ["123456789012", "true", "nan", "0x1f", "[1]"] {
        assert_eq!(with(&[("ENGRAM_NODE__NAME", name)]).unwrap().node.name, name);
    }
}

#[test]
#[cfg(unix)]
fn non_utf8_variable_is_refused_or_foreign() {
    use std::os::unix::ffi::OsStringExt as _;
    let bytes = || OsString::from_vec(b"caf\xe9".to_vec());
    let others = [(bytes(), "x".into()), ("LC_NAME".into(), bytes())];
    assert!(with_variables(others).is_ok());
    let error = with_variables([("ENGRAM_NODE__NAME".into(), bytes())]);
    let error = error.unwrap_err().to_string();
    assert!(error.contains("ENGRAM_NODE__NAME: its value is not UTF-8"), "{error}");
}

#[test]
fn invalid_variable_is_reported_by_name() {
    let error = with(&[
        ("ENGRAM_GOSSIP__FANOUT", "0"),
        ("ENGRAM_GOSSIP__SPEED", "9"),
        ("ENGRAM_GOSIP__FANOUT", "3"),
        ("ENGRAM_PEERS__NAME", "x"),
        ("ENGRAM_GOSSIP__INTERVAL_SECONDS", "soon"),
    ]);
    let error = error.unwrap_err().to_string();
    for part in [
        "gossip.fanout (ENGRAM_GOSSIP__FANOUT): 0 is not in 1..=64",
        "ENGRAM_GOSSIP__SPEED: there is no such key",
        "ENGRAM_GOSIP__FANOUT: there is no such key",
        "ENGRAM_PEERS__NAME: there is no such key",
        "gossip.interval_seconds (ENGRAM_GOSSIP__INTERVAL_SECONDS): \"soon\" is not a time",
    ] {
        assert!(error.contains(part), "{part} in {error}");
    }
}

#[test]
fn printed_config_parses_to_the_same() {
    let least =
        "[node]\nname='a \"b\"'\nlisten='[::1]:0'\n[tls]\nca='1'\ncertificate='2'\nkey='3'\n";
    for text in [WHOLE, least] {
        let printed = ClusterConfig::parse(text).unwrap().to_string();
        let again = ClusterConfig::parse(&printed).unwrap();
        assert_eq!(again.to_string(), printed);
        assert_eq!(format!("{again:?}"), format!("{:?}", ClusterConfig::parse(text).unwrap()));
    }
    let printed = ClusterConfig::parse(least).unwrap().to_string();
    assert!(printed.contains("interval_seconds = 60") && printed.contains("leaf_count = 4096"));
}
