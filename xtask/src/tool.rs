//! Subcommands of cargo that do not come with Rust. Everything else works without them.

use std::process::Stdio;

use crate::command::cargo;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Tool {
    /// The crate that brings it.
    pub(crate) name: &'static str,
}

impl Tool {
    pub(crate) const DENY: Self = Self { name: "cargo-deny" };
    pub(crate) const FUZZ: Self = Self { name: "cargo-fuzz" };
    pub(crate) const NEXTEST: Self = Self { name: "cargo-nextest" };
    pub(crate) const SEMVER: Self = Self { name: "cargo-semver-checks" };

    pub(crate) fn is_here(self) -> bool {
        let mut probe = cargo([self.name.trim_start_matches("cargo-"), "--version"]);
        let status = probe.stdout(Stdio::null()).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    }

    /// As [`Self::is_here`]; if it is not, says what is skipped and how to have it.
    pub(crate) fn is_here_or_say(self) -> bool {
        let is_here = self.is_here();
        if !is_here {
            eprintln!("skipped: {} is not installed; cargo install {}", self.name, self.name);
        }
        is_here
    }
}
