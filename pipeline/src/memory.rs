//! How much memory the process uses, by its allocator's own account, and whether there is room for more.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use otelcol_net::{Admission, Permit, Status};
use tokio::time::Instant;

/// The process's memory: what its allocator has given out, by the account of the binary that chose it, and what was
/// admitted to come in. Clones share the account.
#[derive(Clone)]
pub struct Memory {
    allocated: Arc<dyn Fn() -> u64 + Send + Sync>,
    ledger: Arc<Ledger>,
}

/// Limits, and what is on its way into memory.
#[derive(Default)]
struct Ledger {
    in_flight: AtomicU64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    limits: Vec<Limit>,
    next: u64,
    measured: u64,
    at: Option<Instant>,
}

#[derive(Clone, Copy)]
struct Limit {
    number: u64,
    bytes: u64,
    again_after: Duration,
}

/// A measurement is trusted for this long. Asking the allocator takes microseconds.
const FRESH: Duration = Duration::from_millis(10);

impl Memory {
    /// Memory accounted by `allocated`, in bytes.
    pub fn from_fn(allocated: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self { allocated: Arc::new(allocated), ledger: Arc::default() }
    }

    /// Bytes that are allocated now.
    pub fn allocated(&self) -> u64 {
        (self.allocated)()
    }

    /// Admits nothing beyond `bytes` as long as the limit lives; of several limits the lowest counts. Whoever is not
    /// admitted is told to come again after `again_after`.
    pub fn limit(&self, bytes: u64, again_after: Duration) -> MemoryLimit {
        let mut state = self.ledger.state();
        state.next += 1;
        let number = state.next;
        state.limits.push(Limit { number, bytes, again_after });
        MemoryLimit { ledger: Arc::clone(&self.ledger), number }
    }

    /// Counts `bytes` that are about to be read as in use until the guard is dropped.
    ///
    /// What is allocated already and what was admitted have to stay below the lowest limit. That which was admitted and
    /// allocated counts twice: rather too early than too late.
    ///
    /// # Errors
    /// There is no room now; the wait that the limit asks for.
    pub fn admit(&self, bytes: usize) -> Result<Admitted, Duration> {
        let bytes = bytes as u64;
        let in_flight = self.ledger.in_flight.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let admitted = Admitted { ledger: Arc::clone(&self.ledger), bytes };
        let mut state = self.ledger.state();
        let Some(limit) = state.limits.iter().min_by_key(|limit| limit.bytes).copied() else {
            return Ok(admitted);
        };
        if state.at.is_none_or(|at| at.elapsed() >= FRESH) {
            state.measured = self.allocated();
            state.at = Some(Instant::now());
        }
        if state.measured.saturating_add(in_flight) < limit.bytes {
            Ok(admitted)
        } else {
            Err(limit.again_after)
        }
    }
}

impl Ledger {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A limit that holds as long as this lives.
pub struct MemoryLimit {
    ledger: Arc<Ledger>,
    number: u64,
}

impl Drop for MemoryLimit {
    fn drop(&mut self) {
        self.ledger.state().limits.retain(|limit| limit.number != self.number);
    }
}

/// Bytes that were admitted; dropping it gives them back.
pub struct Admitted {
    ledger: Arc<Ledger>,
    bytes: u64,
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.ledger.in_flight.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Admission for Memory {
    fn admit(&self, bytes: usize) -> Result<Permit, Status> {
        match Self::admit(self, bytes) {
            Ok(admitted) => Ok(Box::new(admitted)),
            Err(after) => Err(Status::unavailable(REFUSED).retry_after(after)),
        }
    }
}

/// What senders are told, in otelcol's words.
const REFUSED: &str = "data refused due to high memory usage";

impl Default for Memory {
    /// The resident set of the process, for hosts that do not name their allocator.
    fn default() -> Self {
        Self::from_fn(|| resident_bytes().unwrap_or(0))
    }
}

/// The resident set size of this process in bytes, from `/proc/self/statm` (proc(5): pages).
pub(crate) fn resident_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Memory")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_comes_in_stays_below_the_lowest_limit() {
        let used = Arc::new(AtomicU64::new(100));
        let allocated = Arc::clone(&used);
        let memory = Memory::from_fn(move || allocated.load(Ordering::Relaxed));
        drop(memory.admit(1 << 40).unwrap());
        let limit = memory.limit(1000, Duration::from_secs(5));
        let higher = memory.limit(2000, Duration::from_secs(7));
        let first = memory.clone().admit(899).unwrap();
        assert_eq!(memory.admit(1).err(), Some(Duration::from_secs(5)));
        drop(first);
        let second = memory.admit(899).unwrap();
        // What was admitted is allocated now: counted twice until it is let go.
        used.store(999, Ordering::Relaxed);
        drop(second);
        drop(memory.admit(800).unwrap());
        tokio::time::advance(FRESH).await;
        assert!(memory.admit(1).is_err());
        drop(limit);
        drop(memory.admit(1000).unwrap());
        drop(higher);
        memory.admit(1 << 40).unwrap();
        assert_eq!(memory.ledger.in_flight.load(Ordering::Relaxed), 0);
    }
}
