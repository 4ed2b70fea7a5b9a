//! Real processes that probe each other: they detect nodes that crash, leave or return.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::UdpSocket;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, SystemTime};

use engram_gossip_net::{ClusterCa, Validity};
use serde_json::Value;

const NAMES: [&str; 3] = ["node-a", "node-b", "node-c"];
/// A wait that takes this long fails the test.
const DEADLINE: Duration = Duration::from_secs(60);
const MEMBERSHIP: &str = "[membership]\nkind = 'swim'\nprobe_interval_ms = 300\n\
                          probe_timeout_ms = 100\nsuspicion_ms = 900\n";

/// Processes, and the latest view that each has of each of the others.
struct Members {
    folder: tempfile::TempDir,
    running: BTreeMap<usize, (Child, ChildStdin)>,
    said: Receiver<(usize, Value)>,
    says: Sender<(usize, Value)>,
    seen: BTreeMap<(usize, String), (String, u64)>,
}

impl Members {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: String, text: &str| fs::write(folder.path().join(name), text).unwrap();
        let validity = Validity::days_from(SystemTime::now(), 1);
        let ca = ClusterCa::generate("test", validity).unwrap();
        write("ca.pem".into(), ca.certificate_pem());
        let sockets = NAMES.map(|_| UdpSocket::bind("127.0.0.1:0").unwrap());
        let ids = NAMES.map(|name| {
            let issued = ca.issue_node(name, validity).unwrap();
            write(format!("{name}.pem"), &issued.certificate_pem);
            write(format!("{name}.key"), &issued.key_pem);
            issued.node_id
        });
        let addresses = sockets.map(|socket| socket.local_addr().unwrap());
        for (at, name) in NAMES.iter().enumerate() {
            let peers = (0..NAMES.len()).filter(|peer| *peer != at).map(|peer| {
                let (name, id, address) = (NAMES[peer], ids[peer], addresses[peer]);
                format!("[[peers]]\nname = '{name}'\nnode_id = '{id}'\naddress = '{address}'\n")
            });
            let text = format!(
                "[node]\nname = '{name}'\nlisten = '{}'\n{MEMBERSHIP}\
                 [tls]\nca = 'ca.pem'\ncertificate = '{name}.pem'\nkey = '{name}.key'\n{}",
                addresses[at],
                peers.collect::<String>()
            );
            write(format!("{name}.toml"), &text);
        }
        let (says, said) = channel();
        let (running, seen) = (BTreeMap::new(), BTreeMap::new());
        let mut members = Self { folder, running, said, says, seen };
        (0..NAMES.len()).for_each(|node| members.run(node));
        members
    }

    fn run(&mut self, node: usize) {
        let mut child = Command::new(env!("CARGO_BIN_EXE_engram-node"))
            .args(["run", "--events", "--control", "--config"])
            .arg(self.folder.path().join(format!("{}.toml", NAMES[node])))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let says = self.says.clone();
        thread::spawn(move || {
            for event in lines.map_while(Result::ok).filter_map(|l| serde_json::from_str(&l).ok()) {
                _ = says.send((node, event));
            }
        });
        let stdin = child.stdin.take().unwrap();
        self.running.insert(node, (child, stdin));
    }

    /// Ends a process: stops it cleanly with the request `last_words`, or kills it if that is
    /// `None`.
    fn end(&mut self, node: usize, last_words: Option<&str>) {
        let (mut child, mut stdin) = self.running.remove(&node).unwrap();
        match last_words {
            Some(words) => writeln!(stdin, "{words}").unwrap(),
            None => child.kill().unwrap(),
        }
        child.wait().unwrap();
    }

    /// Waits until all others see `whom` with this liveness, in incarnation `life` or a later one.
    /// Returns the latest incarnation that they see.
    fn until_all_see(&mut self, whom: usize, liveness: &str, life: u64) -> u64 {
        let others: Vec<_> = self.running.keys().copied().filter(|node| *node != whom).collect();
        let key = |node: &usize| (*node, NAMES[whom].to_owned());
        let so = |(seen, incarnation): &(String, u64)| seen == liveness && *incarnation >= life;
        while !others.iter().all(|node| self.seen.get(&key(node)).is_some_and(so)) {
            let (node, event) =
                self.said.recv_timeout(DEADLINE).expect("all others report the change in time");
            if event["event"] == "member" {
                let peer = event["peer"].as_str().unwrap().to_owned();
                let seen = event["liveness"].as_str().unwrap().to_owned();
                let incarnation = event["incarnation"].as_u64().unwrap_or_default();
                self.seen.insert((node, peer), (seen, incarnation));
            }
        }
        others.iter().map(|node| self.seen[&key(node)].1).max().unwrap()
    }
}

impl Drop for Members {
    fn drop(&mut self) {
        for (child, _) in self.running.values_mut() {
            _ = child.kill();
            _ = child.wait();
        }
    }
}

#[test]
fn membership_reports_crash_leave_and_return() {
    let mut members = Members::start();
    let first = members.until_all_see(2, "alive", 0);
    members.end(2, None);
    members.until_all_see(2, "down", first);
    members.run(2);
    let second = members.until_all_see(2, "alive", first + 1);
    members.end(2, Some(r#"{"command":"stop"}"#));
    members.until_all_see(2, "down", second);
    members.until_all_see(1, "alive", 0);
}
