//! How much memory is in use: the last measurement and what came in after it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use otelcol_pipeline::Memory;
use tokio::time::Instant;

/// A measurement is trusted for this long under load. Asking the allocator takes microseconds, so that a collector
/// that runs at its limit spends less than a thousandth of its time on it.
const FRESH: Duration = Duration::from_millis(10);

/// The memory account of one component, shared by all its pipelines.
///
/// The check interval alone can not hold a limit: seconds of traffic pass between two checks. So each batch that is let
/// through is added to the last measurement, and when that sum reaches the limit, memory is measured again. The sum is
/// never below the truth by more than what the pipeline allocates on its own, which is what the spike limit is for.
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

    /// Books `bytes` if they fit below `limit`; otherwise gives the bytes in use. What is booked has been allocated by
    /// the time a measurement sees it, so a measurement starts the account anew.
    pub(super) fn admit(&self, bytes: u64, limit: u64, memory: &Memory) -> Result<(), u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.fits(bytes, limit) {
            state.since = state.since.saturating_add(bytes);
            return Ok(());
        }
        if state.at.is_none_or(|at| at.elapsed() >= FRESH) {
            state.measure(memory);
            // The batch is in memory already: the measurement holds it.
            if state.measured < limit {
                return Ok(());
            }
        }
        Err(state.measured.saturating_add(state.since))
    }
}

impl State {
    fn measure(&mut self, memory: &Memory) {
        self.measured = memory.allocated();
        self.at = Some(Instant::now());
        self.since = 0;
    }

    fn fits(&self, bytes: u64, limit: u64) -> bool {
        self.at.is_some() && self.measured.saturating_add(self.since).saturating_add(bytes) < limit
    }
}
