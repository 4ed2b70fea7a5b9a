//! Hosts in network namespaces, connected by a router over links that may lose, delay, reorder or
//! duplicate packets, or limit their size or rate.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};

use crate::command::said;

/// How the network treats packets.
pub(crate) enum Shape {
    /// Each host sends through this `tc` queue.
    Queue(&'static str),
    /// The maximum packet size of each link, in bytes.
    Mtu(u32),
    /// The router drops packets from the first host to the second.
    OneWay,
}

/// The number of hosts.
const HOSTS: usize = 3;

/// The namespace of a host, counted from 0.
pub(crate) fn name(host: usize) -> String {
    format!("host-{host}")
}

/// The listen address of a host's node.
pub(crate) fn address(host: usize) -> String {
    format!("10.77.{host}.2:7701")
}

/// Creates a command that runs its arguments in new user, network and mount namespaces, as their root.
pub(crate) fn apart() -> Command {
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--net", "--mount"]);
    command
}

/// Creates the hosts and the router in the namespaces of this process, which must be new.
pub(crate) fn lay(shape: &Shape) -> Result<()> {
    // `ip` stores the names of namespaces below /run, which is private here.
    run("mount -t tmpfs tmpfs /run")?;
    fs::create_dir_all("/run/netns").context("/run/netns: cannot be created")?;
    run("ip link set lo up")?;
    let mtu = if let Shape::Mtu(mtu) = shape { *mtu } else { 1500 };
    for host in 0..HOSTS {
        let (us, gate, link) = (name(host), format!("10.77.{host}.1"), format!("link-{host}"));
        run(&format!("ip netns add {us}"))?;
        run(&format!(
            "ip link add {link} mtu {mtu} type veth peer name eth0 mtu {mtu} netns {us}"
        ))?;
        run(&format!("ip address add {gate}/24 dev {link}"))?;
        run(&format!("ip link set {link} up"))?;
        run(&format!("ip -n {us} address add 10.77.{host}.2/24 dev eth0"))?;
        run(&format!("ip -n {us} link set lo up"))?;
        run(&format!("ip -n {us} link set eth0 up"))?;
        run(&format!("ip -n {us} route add default via {gate}"))?;
        if let Shape::Queue(queue) = shape {
            run(&format!("tc -n {us} qdisc add dev eth0 root {queue}"))?;
        }
    }
    if let Shape::OneWay = shape {
        run("ip rule add from 10.77.0.0/24 to 10.77.1.0/24 blackhole")?;
    }
    let forward = "/proc/sys/net/ipv4/ip_forward";
    fs::write(forward, "1").with_context(|| format!("{forward}: cannot be set"))
}

fn run(line: &str) -> Result<()> {
    let mut words = line.split(' ');
    let mut command = Command::new(words.next().unwrap_or_default());
    said(command.args(words)).map(|_| ())
}
