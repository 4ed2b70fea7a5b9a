//! The law of sessions between two replicas.

use std::format;
use std::string::ToString;
use std::time::Duration;
use std::vec::Vec;

use super::law::{Checked, expect};
use super::{BrokenView, Replica, ViewLaw};
use crate::{Ending, KeyHalf, Parameters, Session, SessionConfig, SpaceId, View};

pub(super) fn convergence<R: Replica>(a: &R, b: &R) -> Checked {
    let mut endings = Vec::new();
    for attempt in 0..3 {
        let ending = session([attempt; 8], a.pin(), b.pin())?;
        let ended = ending == Ending::InSync;
        endings.push(ending);
        if ended {
            break;
        }
    }
    let equal = a.pin().summary().root == b.pin().summary().root;
    let in_sync = endings.last() == Some(&Ending::InSync);
    expect(ViewLaw::Convergence, equal && in_sync, || {
        format!("roots are equal: {equal}; the sessions ended {endings:?}")
    })
}

/// Runs one session over a perfect network; `half` is the opener's half of its key.
fn session<V: View>(half: KeyHalf, a: V, b: V) -> Checked<Ending> {
    let now = Duration::ZERO;
    let space = || SpaceId::new("default").expect("a valid name");
    let (config, parameters) = (SessionConfig::default, || Parameters::new("sha256", 12));
    let opened = Session::open(config(), parameters(), half, Vec::from([(space(), a)]), now);
    let accepted = Session::accept(config(), parameters(), [2; 8], Vec::from([(space(), b)]), now);
    let (Ok(mut a), Ok(mut b)) = (opened, accepted) else {
        unreachable!("the default configuration is valid")
    };
    loop {
        let from_a = a.poll_frame(now).map(|frame| b.handle_frame(&frame, now));
        let from_b = b.poll_frame(now).map(|frame| a.handle_frame(&frame, now));
        if let Some(Err(error)) = [&from_a, &from_b].into_iter().flatten().find(|r| r.is_err()) {
            let detail = format!("a session fails: {error}");
            return Err(BrokenView { law: ViewLaw::Convergence, detail });
        }
        match (a.outcome(), from_a.is_none() && from_b.is_none()) {
            (Some(outcome), true) => return Ok(outcome.result.clone()),
            (None, true) => {
                let detail = "a session stalls".to_string();
                return Err(BrokenView { law: ViewLaw::Convergence, detail });
            }
            (_, false) => {}
        }
    }
}
