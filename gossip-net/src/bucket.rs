//! A token bucket: how much somebody may use in a burst, and how fast more accrues.

use std::time::Duration;

use tokio::time::Instant;

/// Holds up to `burst` tokens and gains one per `refill`.
#[derive(Debug)]
pub(crate) struct TokenBucket {
    burst: u32,
    refill: Duration,
    /// When the bucket was, or will be, empty: it is full once `burst` refills have passed since.
    empty_at: Instant,
}

impl TokenBucket {
    /// A full bucket.
    pub(crate) fn new(burst: u32, refill: Duration, now: Instant) -> Self {
        let full_after = refill.saturating_mul(burst);
        Self { burst, refill, empty_at: now.checked_sub(full_after).unwrap_or(now) }
    }

    /// Takes one token, if there is one.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        let full_after = self.refill.saturating_mul(self.burst);
        let oldest = now.checked_sub(full_after).unwrap_or(self.empty_at);
        let empty_at = self.empty_at.max(oldest) + self.refill;
        let granted = empty_at <= now;
        if granted {
            self.empty_at = empty_at;
        }
        granted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_granted_then_one_token_per_refill() {
        let refill = Duration::from_millis(100);
        let start = Instant::now() + Duration::from_secs(100);
        let mut bucket = TokenBucket::new(3, refill, start);
        let granted =
            |bucket: &mut TokenBucket, at: Instant| (0..10).filter(|_| bucket.take(at)).count();
        assert_eq!(granted(&mut bucket, start), 3);
        assert_eq!(granted(&mut bucket, start + refill), 1);
        assert_eq!(granted(&mut bucket, start + refill * 3), 2);
        assert_eq!(granted(&mut bucket, start + refill * 1000), 3);
    }
}
