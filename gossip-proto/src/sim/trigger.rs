//! When an advert leads to a session.

use core::time::Duration;
use std::vec::Vec;

use super::Adverts;
use crate::RootAdvert;

/// The adverts of one peer, turned into sessions.
#[derive(Debug, Default)]
pub(super) struct Trigger {
    /// The latest advert that differed.
    pub(super) heard: Option<RootAdvert>,
    /// When it is looked at, if that is scheduled.
    pub(super) due: Option<Duration>,
    /// The roots that the running session fetches, if an advert called for it.
    pub(super) chased: Vec<[u8; 8]>,
    not_before: Duration,
    fruitless: u32,
}

impl Trigger {
    /// Plans to look at the advert, unless that is planned already. Returns when.
    pub(super) fn plan(&mut self, at: Duration) -> Option<Duration> {
        if self.due.is_some() {
            return None;
        }
        let at = at.max(self.not_before);
        self.due = Some(at);
        Some(at)
    }

    /// A session with the peer has ended; it brought something, or nothing.
    pub(super) fn end(&mut self, now: Duration, adverts: &Adverts, progress: Progress) {
        let triggered = !self.chased.is_empty();
        self.chased.clear();
        self.fruitless = match progress {
            Progress::Some => 0,
            Progress::None => self.fruitless + u32::from(triggered),
        };
        self.not_before = now + adverts.gap * (1 << self.fruitless.min(MAX_DOUBLINGS));
    }
}

/// Whether a session moved anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    Some,
    None,
}

const MAX_DOUBLINGS: u32 = 6;
