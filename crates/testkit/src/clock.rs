//! A clock that stands until it is set.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use otelcol_pipeline::Clock;

/// The time of day as a test sets it. Clones share the time.
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<AtomicU64>);

impl ManualClock {
    /// A clock that stands at this time, in seconds since 1970.
    pub fn at(seconds: u64) -> Self {
        Self(Arc::new(AtomicU64::new(seconds * 1_000_000_000)))
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        let nanos = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        self.0.fetch_add(nanos, Ordering::Relaxed);
    }

    /// Moves the clock back.
    pub fn step_back(&self, by: Duration) {
        let nanos = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        self.0.fetch_sub(nanos, Ordering::Relaxed);
    }

    /// The clock as components take it.
    pub fn clock(&self) -> Clock {
        let nanos = Arc::clone(&self.0);
        Clock::from_fn(move || UNIX_EPOCH + Duration::from_nanos(nanos.load(Ordering::Relaxed)))
    }
}
