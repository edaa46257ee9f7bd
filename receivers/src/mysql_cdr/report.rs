//! Self metrics and log lines.

use std::sync::atomic::{AtomicBool, Ordering};

use otelcol_pipeline::Context;
use otelcol_pipeline::status::Status;
use otelcol_pipeline::telemetry::{Counter, Gauge};

use super::connect::DbError;
use super::run::LeftOut;
use super::table::Oddities;

/// What an instance says about itself.
#[derive(Debug)]
pub(super) struct Report {
    context: Context,
    late: Noted,
    too_old: Noted,
    no_time: Noted,
    unreadable: Counter,
    forgotten: Noted,
    errors: Counter,
    storage_errors: Counter,
    log_drops: Noted,
    traces: Counter,
    cut_open: Noted,
    cut_age: Noted,
    cut_spans: Noted,
    replication_gaps: Counter,
    poll_seconds: Gauge,
    identities: Gauge,
    failing: AtomicBool,
}

#[derive(Debug)]
struct Noted {
    counter: Counter,
    said: AtomicBool,
}

impl Noted {
    fn add(&self, count: u64) -> bool {
        self.counter.add(count);
        count > 0 && !self.said.swap(true, Ordering::Relaxed)
    }
}

impl Report {
    pub(super) fn new(context: &Context) -> Self {
        let receiver = context.id.to_string();
        let label = [("receiver", receiver.as_str())];
        let telemetry = &context.telemetry;
        let odd_rows = |reason: &str| {
            telemetry.counter(
                "otelcol_receiver_mysql_cdr_odd_rows",
                "Rows that did not count, or not as they should, by reason.",
                &[("receiver", receiver.as_str()), ("reason", reason)],
            )
        };
        let odd = |reason: &str| Noted { counter: odd_rows(reason), said: AtomicBool::new(false) };
        let cut = |reason: &str| {
            Noted {
            counter: telemetry.counter(
                "otelcol_receiver_mysql_cdr_traces_cut",
                "Calls without a whole trace (open_calls: none; age: sent before the call's end) and spans that were left out \
                 (spans), by the limit that was reached.",
                &[("receiver", receiver.as_str()), ("reason", reason)],
            ),
            said: AtomicBool::new(false),
        }
        };
        Self {
            traces: telemetry.counter(
                "otelcol_receiver_mysql_cdr_traces",
                "Traces of calls that were sent.",
                &label,
            ),
            cut_open: cut("open_calls"),
            cut_age: cut("age"),
            cut_spans: cut("spans"),
            late: odd("late"),
            too_old: odd("too_old"),
            no_time: odd("no_time"),
            unreadable: odd_rows("unreadable"),
            forgotten: Noted {
                counter: telemetry.counter(
                    "otelcol_receiver_mysql_cdr_forgotten",
                    "How often identities were forgotten early because of limits::identities.",
                    &label,
                ),
                said: AtomicBool::new(false),
            },
            errors: telemetry.counter(
                "otelcol_receiver_mysql_cdr_errors",
                "Attempts to connect or to read that failed.",
                &label,
            ),
            storage_errors: telemetry.counter(
                "otelcol_receiver_mysql_cdr_storage_errors",
                "Records that could not be written; they are written again.",
                &label,
            ),
            log_drops: Noted {
                counter: telemetry.counter(
                    "otelcol_receiver_mysql_cdr_dropped_records",
                    "Log records and spans that the pipeline refused for good.",
                    &label,
                ),
                said: AtomicBool::new(false),
            },
            replication_gaps: telemetry.counter(
                "otelcol_receiver_mysql_cdr_replication_gaps",
                "How often the server no longer had the binary log where reading was.",
                &label,
            ),
            poll_seconds: telemetry.gauge(
                "otelcol_receiver_mysql_cdr_poll_seconds",
                "How long the last look at the tables took.",
                &label,
            ),
            identities: telemetry.gauge(
                "otelcol_receiver_mysql_cdr_identities",
                "Rows and calls that are remembered.",
                &label,
            ),
            failing: AtomicBool::new(false),
            context: context.clone(),
        }
    }

    /// Counts rows that are not as they should be.
    pub(super) fn odd(&self, table: &str, odd: Oddities) {
        let receiver = &self.context.id;
        if self.late.add(odd.late) {
            tracing::warn!(%receiver, table, "a row came after its call had been counted or its trace sent: raise settle; more are counted in otelcol_receiver_mysql_cdr_odd_rows");
        }
        if self.too_old.add(odd.too_old) {
            tracing::info!(%receiver, table, "rows of before start_at or longest_call are left out; they are counted in otelcol_receiver_mysql_cdr_odd_rows");
        }
        if self.no_time.add(odd.no_time) {
            tracing::warn!(%receiver, table, "a row has no valid time: its uniqueid's is used; more are counted in otelcol_receiver_mysql_cdr_odd_rows");
        }
        if self.forgotten.add(odd.forgotten) {
            tracing::warn!(%receiver, table, "more rows or calls within longest_call than limits::identities: the oldest are forgotten, and rows of theirs that come late count for nothing or twice");
        }
    }

    /// Rows of the binary log were left out: the table had other columns when they were written.
    pub(super) fn unreadable(&self, table: &str, left_out: LeftOut, expected: usize) {
        let LeftOut { rows, columns } = left_out;
        self.unreadable.add(rows);
        tracing::warn!(receiver = %self.context.id, table, rows, columns, expected, "rows of the binary log have another number of columns than the table has now and were left out; with binlog_row_metadata=FULL on the server the names of their columns are known");
    }

    /// The server can be worked with.
    pub(super) fn works(&self, version: &str) {
        if self.failing.swap(false, Ordering::Relaxed) {
            tracing::info!(receiver = %self.context.id, version, "reading CDRs again");
        }
        self.context.status.report(Status::Ok);
    }

    /// The server cannot be worked with for now. The first error of a row of them is an error, the rest are details.
    pub(super) fn fails(&self, error: &DbError) {
        self.errors.inc();
        self.context.status.report(Status::Recoverable(error.to_string()));
        if self.failing.swap(true, Ordering::Relaxed) {
            tracing::debug!(receiver = %self.context.id, %error, "still not reading CDRs");
        } else {
            tracing::error!(receiver = %self.context.id, %error, "cannot read CDRs; trying again");
        }
    }

    /// A record was not written.
    pub(super) fn not_stored(&self, error: &str) {
        self.storage_errors.inc();
        tracing::warn!(receiver = %self.context.id, error, "position and counts could not be stored; what was counted since is shown once they are");
    }

    /// Records or spans are lost for good.
    pub(super) fn dropped(&self, records: usize, error: &str) {
        if self.log_drops.add(records as u64) {
            tracing::error!(receiver = %self.context.id, records, error, "CDR records were refused for good; more are counted in otelcol_receiver_mysql_cdr_dropped_records");
        }
    }

    /// Calls got no whole trace: because too many were open, and because of their age.
    pub(super) fn cut(&self, (open_calls, age): (u64, u64)) {
        let receiver = &self.context.id;
        for (noted, count, setting) in
            [(&self.cut_open, open_calls, "open_calls"), (&self.cut_age, age, "call_age")]
        {
            if noted.add(count) {
                tracing::warn!(%receiver, "a call has no whole trace because traces::limits::{setting} was reached; further ones are counted in otelcol_receiver_mysql_cdr_traces_cut");
            }
        }
    }

    /// Traces are on their way, with spans left out.
    pub(super) fn sent_traces(&self, traces: usize, dropped_spans: u64) {
        self.traces.add(traces as u64);
        if self.cut_spans.add(dropped_spans) {
            tracing::warn!(receiver = %self.context.id, "spans of a call were left out because traces::limits::spans_per_call was reached; further ones are counted in otelcol_receiver_mysql_cdr_traces_cut");
        }
    }

    /// The binary log does not reach back to where reading was.
    pub(super) fn replication_gap(&self, error: &str) {
        self.replication_gaps.inc();
        tracing::warn!(receiver = %self.context.id, error, "the binary log cannot be read where reading was: the tables are read instead, then the log from its end");
    }

    /// A look is over.
    pub(super) fn looked(&self, took: std::time::Duration, identities: usize) {
        self.poll_seconds.set(took.as_secs_f64());
        self.identities.set(identities as f64);
    }
}
