//! Optional programs that do not come with Rust.

use std::process::{Command, Stdio};

use crate::command::cargo;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Tool {
    /// The crate of a cargo subcommand, or a program.
    pub(crate) name: &'static str,
    /// Installation instructions.
    install: &'static str,
}

impl Tool {
    pub(crate) const DENY: Self = Self { name: "cargo-deny", install: "cargo install cargo-deny" };
    pub(crate) const FUZZ: Self = Self { name: "cargo-fuzz", install: "cargo install cargo-fuzz" };
    pub(crate) const NEXTEST: Self =
        Self { name: "cargo-nextest", install: "cargo install cargo-nextest" };
    pub(crate) const SEMVER: Self =
        Self { name: "cargo-semver-checks", install: "cargo install cargo-semver-checks" };
    pub(crate) const PROMTOOL: Self =
        Self { name: "promtool", install: "it comes with Prometheus (Debian: prometheus)" };
    pub(crate) const BUILDAH: Self = Self { name: "buildah", install: "Debian: buildah" };
    pub(crate) const SYSTEMD_ANALYZE: Self =
        Self { name: "systemd-analyze", install: "it comes with systemd" };

    pub(crate) fn is_here(self) -> bool {
        let mut probe = match self.name.strip_prefix("cargo-") {
            Some(subcommand) => cargo([subcommand, "--version"]),
            None => {
                let mut probe = Command::new(self.name);
                probe.arg("--version");
                probe
            }
        };
        let status = probe.stdout(Stdio::null()).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    }

    /// Like [`Self::is_here`]; if the tool is missing, also prints that the check is skipped and how to install the
    /// tool.
    pub(crate) fn is_here_or_say(self) -> bool {
        let is_here = self.is_here();
        if !is_here {
            eprintln!("skipped: {} is not installed; {}", self.name, self.install);
        }
        is_here
    }
}
