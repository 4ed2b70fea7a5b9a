//! The causes that were published since a peer was last connected or got another address.

use crate::HandshakeError;

/// Maximum number of causes that are remembered per peer. Beyond it, the oldest is forgotten.
const MAX_CAUSES: usize = 16;

/// The causes in the published `Event::Unreachable`s of a peer, oldest first.
#[derive(Default)]
pub(super) struct Told(Vec<HandshakeError>);

impl Told {
    /// Remembers a cause. Returns whether it is new and must therefore be published.
    pub(super) fn is_new(&mut self, cause: &HandshakeError) -> bool {
        if self.0.contains(cause) {
            return false;
        }
        if self.0.len() >= MAX_CAUSES {
            self.0.remove(0);
        }
        self.0.push(cause.clone());
        true
    }

    /// Forgets all causes, because the peer was connected or got another address.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alternating_causes_are_each_new_once() {
        let mut told = Told::default();
        let causes = [HandshakeError::TimedOut, HandshakeError::Busy];
        let new =
            |told: &mut Told| (0..10).filter(|at| told.is_new(&causes[at % causes.len()])).count();
        assert_eq!(new(&mut told), 2);
        told.clear();
        assert_eq!(new(&mut told), 2);
    }

    #[test]
    fn remembered_causes_are_bounded() {
        let mut told = Told::default();
        let cause = |n: usize| HandshakeError::Address(n.to_string());
        assert!((0..1_000).all(|n| told.is_new(&cause(n))));
        assert_eq!(told.0.len(), MAX_CAUSES);
        assert!(!told.is_new(&cause(999)));
    }
}
