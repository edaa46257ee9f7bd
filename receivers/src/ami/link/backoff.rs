//! The waits between connections.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use crate::ami::config::Reconnect;

/// Grows while connections fail. Many receivers that lost one Asterisk together come back apart.
#[derive(Debug)]
pub(super) struct Backoff {
    settings: Reconnect,
    next: Duration,
}

impl Backoff {
    pub(super) fn new(settings: &Reconnect) -> Self {
        Self { settings: settings.clone(), next: settings.initial_interval.get() }
    }

    /// The wait after a connection that failed or was lost after it had been `up`. A server that takes a login and closes
    /// at once is no better than one that is not there.
    pub(super) fn lost(&mut self, up: Duration) -> Duration {
        if up > self.settings.max_interval.get() {
            self.next = self.settings.initial_interval.get();
        }
        let wait = self.next;
        self.next = wait.mul_f64(self.settings.multiplier).min(self.settings.max_interval.get());
        self.spread(wait)
    }

    /// The wait after a login that was refused.
    pub(super) fn refused(&self) -> Duration {
        self.spread(self.settings.refused_interval.get())
    }

    fn spread(&self, wait: Duration) -> Duration {
        let random = (RandomState::new().hash_one(0_u8) >> 32) as f64 / f64::from(u32::MAX);
        wait.mul_f64(1.0 + self.settings.randomization_factor * (2.0 * random - 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_begin_anew_after_a_connection_that_held() {
        let mut backoff = Backoff::new(&Reconnect { randomization_factor: 0.0, ..Reconnect::default() });
        let mut waits = |up: u64| backoff.lost(Duration::from_secs(up)).as_secs_f64();
        let failing: Vec<f64> = (0..10).map(|_| waits(1)).collect();
        assert_eq!(failing[..5], [1.0, 1.5, 2.25, 3.375, 5.0625]);
        assert_eq!(failing[9], 30.0);
        assert_eq!((waits(31), waits(1)), (1.0, 1.5));
        assert_eq!(backoff.refused(), Duration::from_secs(300));
    }

    #[test]
    fn waits_are_spread() {
        let backoff = Backoff::new(&Reconnect::default());
        let waits: Vec<f64> = (0..100).map(|_| backoff.refused().as_secs_f64()).collect();
        assert!(waits.iter().all(|wait| (150.0..=450.0).contains(wait)), "{waits:?}");
        assert!(waits.windows(2).any(|pair| pair[0] != pair[1]));
    }
}
