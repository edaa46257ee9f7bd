//! Sampling of equal messages, as zap's sampler does it.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

const TICK: Duration = Duration::from_secs(1);
/// Messages that share a place by chance share a count.
const PLACES: u64 = 4096;

/// Lets the first messages of a second through, and every so many-th after them.
#[derive(Debug)]
pub(crate) struct Sampler {
    initial: u64,
    thereafter: u64,
    hasher: RandomState,
    counts: Mutex<Vec<Count>>,
}

#[derive(Debug, Clone, Copy)]
struct Count {
    until: Instant,
    seen: u64,
}

impl Sampler {
    pub(crate) fn new(initial: u64, thereafter: u64) -> Self {
        Self { initial, thereafter, hasher: RandomState::new(), counts: Mutex::default() }
    }

    /// Whether this message is written.
    pub(crate) fn admits(&self, message: &str) -> bool {
        if self.thereafter == 1 {
            return true;
        }
        let now = Instant::now();
        let place = usize::try_from(self.hasher.hash_one(message) % PLACES).unwrap_or(0);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.is_empty() {
            counts.resize(usize::try_from(PLACES).unwrap_or(1), Count { until: now, seen: 0 });
        }
        let count = &mut counts[place];
        if count.until <= now {
            *count = Count { until: now + TICK, seen: 0 };
        }
        count.seen += 1;
        count.seen <= self.initial
            || (self.thereafter > 0 && (count.seen - self.initial).is_multiple_of(self.thereafter))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn equal_messages_are_sampled_each_second() {
        let sampler = Sampler::new(2, 3);
        let pass = |sampler: &Sampler| (1..=10).filter(|_| sampler.admits("m")).count();
        // 1, 2, then 5 and 8.
        assert_eq!(pass(&sampler), 4);
        // 11, 14, 17 and 20.
        assert_eq!(pass(&sampler), 4);
        tokio::time::advance(TICK).await;
        assert_eq!(pass(&sampler), 4);
        let none_thereafter = Sampler::new(2, 0);
        assert_eq!(pass(&none_thereafter), 2);
        let all = Sampler::new(2, 1);
        assert_eq!(pass(&all), 10);
    }
}
