//! Five nodes, each in a separate process: one crashes, one leaves, both return.
//!
//! Each process is this test binary, configured through its environment.

use std::collections::BTreeMap;
use std::env;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use crate::common::store::{Store, parameters};
use crate::common::{Cluster, DEADLINE, Ready, quiet, roster};
use engram_gossip_net::{Event, Gossip, Identity, Liveness, Member, NodeId, Swim, SwimConfig};

const NODES: usize = 5;
/// The environment variable that names the folder with a process's credentials and roster.
const PROCESS: &str = "GOSSIP_TEST_PROCESS";

fn swim_config() -> SwimConfig {
    let mut config = SwimConfig::default();
    config.probe_interval = Duration::from_millis(300);
    config.probe_timeout = Duration::from_millis(100);
    config.suspicion = Duration::from_millis(1500);
    config
}

/// The body of one process, not a separate test. Prints the changes that its membership reports.
#[tokio::test]
async fn a_process_of_the_cluster() {
    let Ok(folder) = env::var(PROCESS) else { return };
    let read = |name: &str| std::fs::read_to_string(format!("{folder}/{name}")).unwrap();
    let identity =
        Identity::from_pem(&read("ca.pem"), &read("node.pem"), &read("node.key")).unwrap();
    let mut config = quiet();
    config.listen = read("listen").parse().unwrap();
    let members = read("roster").lines().map(parse_member).collect::<Vec<_>>();
    let store = Store::new(identity.node_id(), &["space"]);
    let swim = Arc::new(Swim::new(swim_config()).unwrap());
    let gossip =
        Gossip::bind_with(config, identity, roster(members), parameters(), store, swim).unwrap();
    let mut events = gossip.events();
    println!("listening {}", gossip.local_addr());
    let (quit, mut quitting) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || {
        // If the parent process dies, standard input ends, and this node leaves.
        let mut line = String::new();
        _ = std::io::stdin().read_line(&mut line);
        _ = quit.send(());
    });
    loop {
        tokio::select! {
            event = events.next() => match event {
                Some(Event::Member { peer, liveness, incarnation }) => {
                    println!("saw {peer} {liveness:?} {}", incarnation.unwrap_or_default());
                }
                Some(_) => {}
                None => return,
            },
            _ = quitting.recv() => return gossip.shutdown().await,
        }
    }
}

fn parse_member(line: &str) -> Member {
    let (id, address) = line.split_once(' ').unwrap();
    Member { id: id.parse().unwrap(), name: id[..8].into(), address: Some(address.into()) }
}

/// An output line of a process: the observing process, the observed node, its liveness and its
/// incarnation.
type Seen = (usize, NodeId, String, u64);

/// The processes and their output.
struct Processes {
    folder: std::path::PathBuf,
    ready: Vec<Ready>,
    addresses: Vec<String>,
    running: BTreeMap<usize, (Child, ChildStdin)>,
    said: mpsc::Receiver<Seen>,
    says: mpsc::Sender<Seen>,
    /// The latest report of each process about each node.
    views: BTreeMap<(usize, NodeId), (String, u64)>,
}

impl Processes {
    fn start() -> Self {
        let cluster = Cluster::new();
        let ready: Vec<_> = (0..NODES).map(|n| cluster.issue(&format!("node-{n}"))).collect();
        // Hold each free port until all are known, so that they differ.
        let held: Vec<_> =
            ready.iter().map(|_| std::net::UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
        let addresses: Vec<_> =
            held.iter().map(|socket| socket.local_addr().unwrap().to_string()).collect();
        drop(held);
        let folder = env::temp_dir().join(format!("gossip-processes-{}", std::process::id()));
        let (says, said) = mpsc::channel();
        let views = BTreeMap::new();
        let running = BTreeMap::new();
        let mut processes = Self { folder, ready, addresses, running, said, says, views };
        (0..NODES).for_each(|n| processes.spawn(n));
        processes
    }

    fn id(&self, n: usize) -> NodeId {
        self.ready[n].id()
    }

    fn spawn(&mut self, n: usize) {
        let folder = self.folder.join(n.to_string());
        std::fs::create_dir_all(&folder).unwrap();
        let ready = &self.ready[n];
        let line = |n: usize| format!("{} {}\n", self.id(n), self.addresses[n]);
        let others: String = (0..NODES).filter(|other| *other != n).map(line).collect();
        for (name, text) in [
            ("ca.pem", &ready.ca_pem),
            ("node.pem", &ready.credentials.certificate_pem),
            ("node.key", &ready.credentials.key_pem),
            ("listen", &self.addresses[n]),
            ("roster", &others),
        ] {
            std::fs::write(folder.join(name), text).unwrap();
        }
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "processes::a_process_of_the_cluster", "--nocapture"])
            .env(PROCESS, &folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let says = self.says.clone();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                // The harness may have printed the start of a line.
                let Some(at) = line.find("saw ") else { continue };
                let words: Vec<_> = line[at..].split(' ').collect();
                let [_, peer, liveness, incarnation] = words[..] else { continue };
                let incarnation = incarnation.parse().unwrap();
                _ = says.send((n, peer.parse().unwrap(), liveness.into(), incarnation));
            }
        });
        let stdin = child.stdin.take().unwrap();
        self.running.insert(n, (child, stdin));
    }

    /// Kills a process, as `kill -9` does, so that it announces nothing.
    fn crash(&mut self, n: usize) {
        let (mut child, _stdin) = self.running.remove(&n).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        self.views.retain(|(who, _), _| *who != n);
    }

    fn leave(&mut self, n: usize) {
        let (mut child, mut stdin) = self.running.remove(&n).unwrap();
        writeln!(stdin, "quit").unwrap();
        child.wait().unwrap();
        self.views.retain(|(who, _), _| *who != n);
    }

    /// Waits until every other running process reports this liveness of `whom`, in the incarnation
    /// `life` or a later one. Returns the elapsed time.
    fn until_all_see(&mut self, whom: usize, liveness: Liveness, life: u64) -> Duration {
        let (begun, whom) = (Instant::now(), self.ready[whom].id());
        let liveness = format!("{liveness:?}");
        let us = |n: &usize| self.ready[*n].id() == whom;
        let watchers: Vec<_> = self.running.keys().copied().filter(|n| !us(n)).collect();
        while !watchers.iter().all(|n| {
            let view = self.views.get(&(*n, whom));
            view.is_some_and(|(seen, incarnation)| *seen == liveness && *incarnation >= life)
        }) {
            let (n, peer, seen, incarnation) =
                self.said.recv_timeout(DEADLINE).expect("the reports arrive in time");
            self.views.insert((n, peer), (seen, incarnation));
        }
        begun.elapsed()
    }

    fn life(&self, of: usize) -> u64 {
        self.views[&(0, self.id(of))].1
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        for (child, _) in self.running.values_mut() {
            _ = child.kill();
            _ = child.wait();
        }
        _ = std::fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn five_processes_see_crash_leave_and_return() {
    if env::var(PROCESS).is_ok() {
        return;
    }
    let mut processes = Processes::start();
    (0..NODES).for_each(|n| _ = processes.until_all_see(n, Liveness::Alive, 0));

    let first = processes.life(4);
    processes.crash(4);
    let noticed = processes.until_all_see(4, Liveness::Down, first);
    println!("all nodes detect the crash after {noticed:?}");
    assert!(noticed >= swim_config().suspicion, "the crashed node had time to answer");
    processes.spawn(4);
    let back = processes.until_all_see(4, Liveness::Alive, first + 1);
    println!("the crashed node is back after {back:?}, in incarnation {}", processes.life(4));

    let second = processes.life(3);
    processes.leave(3);
    let noticed = processes.until_all_see(3, Liveness::Down, second);
    println!("all nodes see the other node leave after {noticed:?}");
    assert!(noticed < swim_config().suspicion, "a leaving node is not suspected first");
    processes.spawn(3);
    processes.until_all_see(3, Liveness::Alive, second + 1);
    (0..3).for_each(|n| _ = processes.until_all_see(n, Liveness::Alive, 0));
}
