//! What the rows of a table add up to: calls that are counted, or calls whose traces are made.

use super::calls::{Added, Calls};
use super::cel::{self, Events, Held, Place, Taken};
use super::row::{Body, TableRow};
use super::table::{Now, Settings};
use super::time::Naive;
use super::totals::Totals;

/// What is known of the calls of a table.
#[derive(Debug, Clone)]
pub(super) enum Book {
    /// Of a table of call detail records.
    Cdr(Box<Tally>),
    /// Of a table of channel events.
    Cel(Events),
}

/// Calls that are counted.
#[derive(Debug, Clone)]
pub(super) struct Tally {
    pub(super) totals: Totals,
    pub(super) calls: Calls,
}

impl Book {
    /// Nothing is known.
    pub(super) fn new(settings: &Settings, now: Now) -> Self {
        match &settings.events {
            Some(_) => Self::Cel(Events::default()),
            None => Self::Cdr(Box::new(Tally {
                totals: Totals::new(now.wall_ms.saturating_mul(1_000_000), &settings.rules),
                calls: Calls::default(),
            })),
        }
    }

    /// Takes a row that was there before the first start: its call is not to be counted.
    pub(super) fn mark(&mut self, row: &TableRow) {
        if let (Self::Cdr(tally), Body::Cdr(cdr)) = (self, &row.body) {
            tally.calls.skip(cdr.call, cdr.leg.naive);
        }
    }

    /// Takes a row; true if it came too late for its call.
    pub(super) fn take(&mut self, row: &TableRow, place: Place, now: Now, settings: &Settings) -> bool {
        match (self, &row.body) {
            (Self::Cdr(tally), Body::Cdr(cdr)) => {
                tally.totals.row(&cdr.leg, now.seconds());
                let added = tally.calls.add(cdr.call, cdr.leg.clone(), now.wall_ms, settings.settle_ms);
                added == Added::Late
            }
            (Self::Cel(events), Body::Cel(event)) => {
                let due_ms = now.wall_ms.saturating_add(settings.settle_ms);
                let taken = settings.events.as_ref().map(|rules| events.take(event, place, due_ms, rules));
                taken == Some(Taken::Late)
            }
            _ => false,
        }
    }

    /// Settles the calls that were due by `due_ms`; true if there were any. Among rows of long ago, `reached`, the time of
    /// the latest row read, stands for the clock; open calls are as old as `newest`, that of all rows, makes them.
    pub(super) fn settle(
        &mut self,
        now: Now,
        due_ms: u64,
        [reached, newest]: [Option<Naive>; 2],
        settings: &Settings,
    ) -> bool {
        let latest_ms = now.wall_ms.saturating_add(settings.settle_ms);
        match self {
            Self::Cdr(tally) => {
                tally.calls.due_by(latest_ms);
                let settled = tally.calls.settle(due_ms, settings.settle_ms, reached);
                for leg in &settled {
                    tally.totals.call(leg, &settings.rules, now.seconds());
                }
                !settled.is_empty()
            }
            Self::Cel(events) => {
                events.due_by(latest_ms);
                let Some(rules) = &settings.events else { return false };
                events.settle(due_ms, settings.settle_ms, [reached, newest], rules)
            }
        }
    }

    /// When the next call is due, in milliseconds since 1970.
    pub(super) fn next_due(&self) -> Option<u64> {
        match self {
            Self::Cdr(tally) => tally.calls.next_due(),
            Self::Cel(events) => events.next_due(),
        }
    }

    /// Rows were not read for a while: calls wait for theirs anew.
    pub(super) fn due_after(&mut self, earliest_ms: u64) {
        match self {
            Self::Cdr(tally) => tally.calls.due_after(earliest_ms),
            Self::Cel(events) => events.due_after(earliest_ms),
        }
    }

    /// Forgets calls of before `horizon`.
    pub(super) fn forget(&mut self, horizon: Naive) {
        match self {
            Self::Cdr(tally) => tally.calls.forget(horizon),
            Self::Cel(events) => events.forget(horizon),
        }
    }

    /// Forgets the oldest calls if there are more than `limit`. True if it did.
    pub(super) fn keep(&mut self, limit: usize) -> bool {
        match self {
            Self::Cdr(tally) => tally.calls.keep(limit),
            Self::Cel(events) => events.keep(limit),
        }
    }

    /// Calls that wait for more rows.
    pub(super) fn waiting(&self) -> usize {
        match self {
            Self::Cdr(tally) => tally.calls.sizes().0,
            Self::Cel(events) => events.open(),
        }
    }

    /// Calls that are remembered.
    pub(super) fn identities(&self) -> usize {
        match self {
            Self::Cdr(tally) => tally.calls.sizes().1,
            Self::Cel(events) => events.len(),
        }
    }

    /// What was counted, where that is what the rows are for.
    pub(super) fn totals(&self) -> Option<&Totals> {
        match self {
            Self::Cdr(tally) => Some(&tally.totals),
            Self::Cel(_) => None,
        }
    }

    /// From where rows are needed again after a restart, where not all that they say is in the record.
    pub(super) fn held(&self) -> Option<Held> {
        match self {
            Self::Cdr(_) => None,
            Self::Cel(events) => events.held(),
        }
    }
}

/// Rules for the calls of a table of channel events.
pub(super) fn rules(config: &super::config::TracesConfig) -> cel::Rules {
    let call_age = i64::try_from(config.limits.call_age.get().as_secs()).unwrap_or(i64::MAX / 4);
    cel::Rules { limits: config.limits.clone(), call_age }
}
