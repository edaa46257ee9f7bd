//! Rows become calls: the rows of a call meet, then it is counted, once.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::row::Leg;
use super::seen::Seen;
use super::time::Naive;

/// A call whose rows are still awaited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Pending {
    /// The row that stands for it so far.
    leg: Leg,
    /// When it is counted if no other row comes, in milliseconds since 1970.
    due_ms: u64,
    /// End of its latest row, as the table's clock has it.
    last_end: Naive,
}

/// The calls of one table: those awaited, and those that were counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Calls {
    pending: HashMap<u64, Pending>,
    counted: Seen,
}

/// Rows of a call are taken to be all there when the reading has come this much past its end, on top of the delay.
pub(super) const MARGIN: i64 = 60;

/// What a row did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Added {
    /// It belongs to a call that waits for its rows.
    Waits,
    /// It came after its call had been counted.
    Late,
}

impl Calls {
    /// Adds a row that was not seen before.
    pub(super) fn add(&mut self, call: u64, leg: Leg, now_ms: u64, settle_ms: u64) -> Added {
        if self.counted.contains(call) {
            self.counted.insert(call, leg.naive);
            return Added::Late;
        }
        let (due_ms, last_end) = (now_ms.saturating_add(settle_ms), leg.naive_end());
        self.pending
            .entry(call)
            .and_modify(|pending| {
                pending.due_ms = due_ms;
                pending.last_end = pending.last_end.max(last_end);
                if leg < pending.leg {
                    pending.leg = leg.clone();
                }
            })
            .or_insert_with(|| Pending { leg, due_ms, last_end });
        Added::Waits
    }

    /// Notes a call that is not to be counted.
    pub(super) fn skip(&mut self, call: u64, time: Naive) {
        self.counted.insert(call, time);
    }

    /// Takes out the calls that were due by `due_ms`, in an order that follows from the calls alone. Among rows of long
    /// ago, `reached`, the time of the latest row read, stands for the clock.
    pub(super) fn settle(&mut self, due_ms: u64, settle_ms: u64, reached: Option<Naive>) -> Vec<Leg> {
        let settle = i64::try_from(settle_ms / 1000).unwrap_or(i64::MAX / 2);
        let passed = reached.map(|reached| reached.saturating_sub(settle).saturating_sub(MARGIN));
        let due = |pending: &Pending| {
            pending.due_ms <= due_ms || passed.is_some_and(|passed| pending.last_end < passed)
        };
        let mut settled: Vec<(u64, Leg)> = Vec::new();
        self.pending.retain(|call, pending| {
            let due = due(pending);
            if due {
                settled.push((*call, pending.leg.clone()));
            }
            !due
        });
        for (call, leg) in &settled {
            self.counted.insert(*call, leg.naive);
        }
        let mut legs: Vec<Leg> = settled.into_iter().map(|(_, leg)| leg).collect();
        legs.sort_unstable();
        legs
    }

    /// When the next call is due, in milliseconds since 1970.
    pub(super) fn next_due(&self) -> Option<u64> {
        self.pending.values().map(|pending| pending.due_ms).min()
    }

    /// A clock that was set back must not make calls wait for it to come round again.
    pub(super) fn due_by(&mut self, latest_ms: u64) {
        for pending in self.pending.values_mut() {
            pending.due_ms = pending.due_ms.min(latest_ms);
        }
    }

    /// Rows were not read for a while: calls wait for theirs anew.
    pub(super) fn due_after(&mut self, earliest_ms: u64) {
        for pending in self.pending.values_mut() {
            pending.due_ms = pending.due_ms.max(earliest_ms);
        }
    }

    /// Forgets counted calls of before `horizon`.
    pub(super) fn forget(&mut self, horizon: Naive) {
        self.counted.forget(horizon);
    }

    /// Forgets the oldest quarter of the counted calls if there are more than `limit`. True if it did.
    pub(super) fn keep(&mut self, limit: usize) -> bool {
        self.counted.len() > limit && self.counted.forget_quarter().is_some()
    }

    /// How many calls wait, and how many counted ones are remembered.
    pub(super) fn sizes(&self) -> (usize, usize) {
        (self.pending.len(), self.counted.len())
    }

    /// The calls that wait, for the record.
    pub(super) fn waiting(&self) -> Waiting {
        let mut waiting: Vec<_> =
            self.pending.iter().map(|(call, pending)| (*call, pending.clone())).collect();
        waiting.sort_unstable_by_key(|(call, _)| *call);
        Waiting(waiting)
    }

    /// The counted calls, for the record.
    pub(super) fn counted(&self) -> &Seen {
        &self.counted
    }

    /// The calls of a record.
    pub(super) fn from_record(waiting: Waiting, counted: Seen) -> Self {
        Self { pending: waiting.0.into_iter().collect(), counted }
    }
}

/// The calls that wait, as the record holds them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Waiting(Vec<(u64, Pending)>);
