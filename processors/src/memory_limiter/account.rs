//! How much memory is in use: the last measurement and what came in after it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use otelcol_pipeline::Memory;
use tokio::time::Instant;

/// A measurement is trusted for this long under load. Asking the allocator takes microseconds, so that a collector
/// that runs at its limit spends less than a thousandth of its time on it.
const FRESH: Duration = Duration::from_millis(10);

/// What comes in may take this many times its size while it is in the pipeline: decoded records, encoded requests.
const GROWTH: u64 = 8;

/// The memory account of one component, shared by all its pipelines.
///
/// The check interval alone can not hold a limit: seconds of traffic pass between two checks. So what is let through is
/// added up, and memory is measured again before that could have grown up to the limit.
#[derive(Debug, Default)]
pub(super) struct Account(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    measured: u64,
    at: Option<Instant>,
    since: u64,
}

impl Account {
    /// Measures now and gives the bytes in use.
    pub(super) fn measure(&self, memory: &Memory) -> u64 {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.measure(memory);
        state.measured
    }

    /// Books `bytes` while memory in use is below `limit`; otherwise gives the bytes in use. What is booked has been
    /// allocated by the time a measurement sees it, so a measurement begins the account anew.
    pub(super) fn admit(&self, bytes: u64, limit: u64, memory: &Memory) -> Result<(), u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let since = state.since.saturating_add(bytes);
        let is_close = since > limit.saturating_sub(state.measured) / GROWTH;
        if is_close && state.at.is_none_or(|at| at.elapsed() >= FRESH) {
            state.measure(memory);
            // The batch is in memory already: the measurement holds it.
            return if state.measured < limit { Ok(()) } else { Err(state.measured) };
        }
        let used = state.measured.saturating_add(since);
        if used >= limit {
            return Err(used);
        }
        state.since = since;
        Ok(())
    }
}

impl State {
    fn measure(&mut self, memory: &Memory) {
        self.measured = memory.allocated();
        self.at = Some(Instant::now());
        self.since = 0;
    }
}
