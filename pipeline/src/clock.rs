//! Time as a value that tests can set.

use std::fmt;
use std::sync::{Arc, LazyLock};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Where a component takes the time from: that of day, which may be stepped, and one that is not. Waiting goes through
/// tokio's time, which tests can pause.
#[derive(Clone)]
pub struct Clock {
    wall: Arc<dyn Fn() -> SystemTime + Send + Sync>,
    steady: Arc<dyn Fn() -> u64 + Send + Sync>,
}

/// When the process first asked, in both times.
static START: LazyLock<(SystemTime, Instant)> = LazyLock::new(|| (SystemTime::now(), Instant::now()));

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        let steady = || nanos(START.0).saturating_add(saturating(START.1.elapsed().as_nanos()));
        Self { wall: Arc::new(SystemTime::now), steady: Arc::new(steady) }
    }

    /// A clock of the caller's own, which is taken to be steady.
    pub fn from_fn(now: impl Fn() -> SystemTime + Clone + Send + Sync + 'static) -> Self {
        let wall = now.clone();
        Self { wall: Arc::new(wall), steady: Arc::new(move || nanos(now())) }
    }

    /// The same time of day beside the steady time of `other`.
    #[must_use]
    pub fn steady_by(self, other: &Self) -> Self {
        Self { steady: Arc::clone(&other.steady), ..self }
    }

    /// The time now.
    pub fn now(&self) -> SystemTime {
        (self.wall)()
    }

    /// The time now in nanoseconds since 1970, as OTLP writes it.
    pub fn unix_nanos(&self) -> u64 {
        nanos(self.now())
    }

    /// A time in nanoseconds that goes on evenly when the time of day is stepped: for ages of things that stay within this
    /// process. Near the time since 1970, but not for people.
    pub fn steady_nanos(&self) -> u64 {
        (self.steady)()
    }
}

fn nanos(time: SystemTime) -> u64 {
    saturating(time.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos())
}

fn saturating(number: u128) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

impl Default for Clock {
    fn default() -> Self {
        Self::system()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}
