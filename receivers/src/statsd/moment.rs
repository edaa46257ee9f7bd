//! A moment by two clocks.

use otelcol_pipeline::Clock;

/// Now, in nanoseconds since 1970.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    /// The time of day, which backends are told.
    pub(super) wall: u64,
    /// For ages within this process, which no step of the time of day changes.
    pub(super) steady: u64,
}

impl Moment {
    pub(super) fn now(clock: &Clock) -> Self {
        Self { wall: clock.unix_nanos(), steady: clock.steady_nanos() }
    }

    /// The same by both clocks.
    #[cfg(test)]
    pub(super) fn at(nanos: u64) -> Self {
        Self { wall: nanos, steady: nanos }
    }

    /// The time of day of a steady time.
    pub(super) fn wall_of(self, steady: u64) -> u64 {
        self.wall.saturating_sub(self.steady.saturating_sub(steady))
    }

    /// The steady time of a time of day; now, where that is still to come.
    pub(super) fn steady_of(self, wall: u64) -> u64 {
        self.steady.saturating_sub(self.wall.saturating_sub(wall))
    }
}
