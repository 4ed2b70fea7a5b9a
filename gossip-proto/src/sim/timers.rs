//! Sessions by the clock.

use core::time::Duration;
use std::vec::Vec;

use super::event::Event;
use super::{Host, Pace, World};

impl<H: Host> World<H> {
    /// Starts the clocks of a node that has just begun to live.
    pub(super) fn start_timers(&mut self, node: usize) {
        let life = self.nodes[node].life;
        if let Some(timer) = self.climate.schedule.timer {
            let phase = match timer.pace {
                Pace::Together => Duration::ZERO,
                Pace::Spread => self.random.duration(timer.interval),
            };
            self.queue.schedule(self.now + phase, Event::Interval { node, life });
        }
        if let Some(adverts) = self.climate.schedule.adverts {
            let phase = self.random.duration(adverts.interval);
            self.queue.schedule(self.now + phase, Event::Ping { node, life });
        }
    }

    pub(super) fn on_interval(&mut self, node: usize) {
        let Some(timer) = self.climate.schedule.timer else { return };
        let life = self.nodes[node].life;
        let peers: Vec<_> = self.nodes[node].timer.choose(timer.fanout);
        self.queue.schedule(self.now + timer.interval, Event::Interval { node, life });
        match timer.pace {
            Pace::Together => peers.into_iter().for_each(|peer| self.open(node, peer)),
            Pace::Spread => {
                let step = timer.interval / u32::try_from(peers.len()).unwrap_or(u32::MAX).max(1);
                for (peer, turn) in peers.into_iter().zip(0_u32..) {
                    let at = self.now + step * turn + self.random.duration(timer.interval / 10);
                    self.queue.schedule(at, Event::Turn { node, life, peer });
                }
            }
        }
    }
}
