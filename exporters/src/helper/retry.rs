//! How long to wait before the next attempt.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use super::config::RetryConfig;

/// The growing waits between the attempts to send one batch.
#[derive(Debug)]
pub(crate) struct Backoff {
    current: Duration,
    longest: Duration,
    multiplier: f64,
    randomization: f64,
}

impl Backoff {
    pub(crate) fn new(config: &RetryConfig) -> Self {
        Self {
            current: config.first(),
            longest: config.max_interval.get(),
            multiplier: config.multiplier,
            randomization: config.randomization_factor,
        }
    }

    /// The next wait; `random` in [0, 1) chooses within the randomized range.
    pub(crate) fn next(&mut self, random: f64) -> Duration {
        let now = self.current;
        let grown = now.as_secs_f64() * self.multiplier;
        self.current =
            if grown < self.longest.as_secs_f64() { Duration::from_secs_f64(grown) } else { self.longest };
        now.mul_f64(1.0 + self.randomization * (2.0 * random - 1.0))
    }
}

/// A number in [0, 1). Keeps many exporters from knocking at the same instant; not for secrets.
pub(crate) fn random() -> f64 {
    let bits = RandomState::new().build_hasher().finish() >> 11;
    #[expect(clippy::cast_precision_loss, reason = "53 bits are exact in an f64")]
    let number = bits as f64;
    number / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(backoff: &mut Backoff, random: f64) -> f64 {
        backoff.next(random).as_secs_f64()
    }

    #[test]
    fn waits_grow_to_the_longest() {
        let mut backoff = Backoff::new(&RetryConfig::default());
        let waits: Vec<f64> = (0..7).map(|_| seconds(&mut backoff, 0.5)).collect();
        assert_eq!(waits, [5.0, 7.5, 11.25, 16.875, 25.3125, 30.0, 30.0]);
    }

    #[test]
    fn waits_are_spread_around_the_interval() {
        let first = |random| seconds(&mut Backoff::new(&RetryConfig::default()), random);
        assert_eq!(first(0.0), 2.5);
        assert_eq!(first(1.0), 7.5);
        let drawn: Vec<f64> = (0..100).map(|_| random()).collect();
        assert!(drawn.iter().all(|number| (0.0..1.0).contains(number)));
        assert!(drawn.windows(2).any(|pair| pair[0] != pair[1]));
    }
}
