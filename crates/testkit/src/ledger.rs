//! Books about spans: each has a number, so that what was accepted can be compared with what arrived, one by one.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use otelcol_pdata::Batch;

use crate::samples;

/// Gives numbers to spans and keeps those that were accepted.
#[derive(Debug)]
pub struct Ledger {
    next: AtomicU64,
    accepted: Mutex<BTreeSet<u64>>,
}

/// What became of the accepted spans.
#[derive(Debug, PartialEq, Eq)]
pub struct Tally {
    /// Spans that were accepted.
    pub accepted: usize,
    /// Accepted ones that arrived, each counted once.
    pub delivered: usize,
    /// Accepted ones that did not arrive.
    pub missing: Vec<u64>,
    /// Arrivals beyond the first of a span.
    pub duplicates: usize,
    /// Spans that arrived though their sender was not told that they are accepted.
    pub unasked: usize,
}

impl Default for Ledger {
    fn default() -> Self {
        Self { next: AtomicU64::new(1), accepted: Mutex::default() }
    }
}

impl Ledger {
    /// A batch of spans that were not seen before, and their numbers.
    pub fn batch(&self, spans: u64) -> (Range<u64>, Batch) {
        let first = self.next.fetch_add(spans, Ordering::Relaxed);
        let numbers = first..first + spans;
        (numbers.clone(), samples::numbered_spans(numbers))
    }

    /// Notes that these were accepted.
    pub fn accept(&self, numbers: Range<u64>) {
        self.accepted().extend(numbers);
    }

    /// How many were accepted.
    pub fn len(&self) -> usize {
        self.accepted().len()
    }

    /// Whether none was accepted.
    pub fn is_empty(&self) -> bool {
        self.accepted().is_empty()
    }

    /// Compares with what arrived.
    ///
    /// # Panics
    /// The batches are not of spans.
    #[expect(clippy::expect_used, reason = "a test with other batches is wrong")]
    pub fn tally(&self, arrived: &[Batch]) -> Tally {
        let mut times: BTreeMap<u64, usize> = BTreeMap::new();
        for batch in arrived {
            let spans = batch.traces().expect("batches of spans");
            let spans = spans.iter().flat_map(|block| &block.scope_spans).flat_map(|scope| &scope.spans);
            for span in spans {
                let number = span.span_id.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
                *times.entry(number).or_default() += 1;
            }
        }
        let accepted = self.accepted();
        let missing: Vec<u64> =
            accepted.iter().filter(|number| !times.contains_key(number)).copied().collect();
        let delivered = accepted.len() - missing.len();
        Tally {
            accepted: accepted.len(),
            delivered,
            missing,
            duplicates: times.values().map(|times| times - 1).sum(),
            unasked: times.len() - delivered,
        }
    }

    fn accepted(&self) -> MutexGuard<'_, BTreeSet<u64>> {
        self.accepted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
