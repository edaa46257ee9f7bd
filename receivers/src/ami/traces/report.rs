//! Self metrics of the traces, and what is said once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use otelcol_pipeline::Context;
use otelcol_pipeline::telemetry::Counter;

/// Why a trace is not whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// So many calls were open that another one got no trace.
    OpenCalls,
    /// The call lasted longer than the limit: its trace was sent as it was.
    Age,
}

/// Self metrics of one receiver's traces; clones share them.
#[derive(Clone, Debug)]
pub(super) struct Report(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    receiver: String,
    finished: Counter,
    open_calls: (Counter, AtomicBool),
    age: (Counter, AtomicBool),
    spans: (Counter, AtomicBool),
}

impl Report {
    /// Registers the metrics, so that they stand at 0 from the start.
    pub(super) fn new(context: &Context) -> Self {
        let receiver = context.id.to_string();
        let label = [("receiver", receiver.as_str())];
        let cut = |reason: &str| {
            let counter = context.telemetry.counter(
                "otelcol_ami_traces_cut",
                "Calls without a whole trace (open_calls: none; age: sent before the call's end) and spans that were left out \
                 (spans), by the limit that was reached.",
                &[("receiver", receiver.as_str()), ("reason", reason)],
            );
            (counter, AtomicBool::new(false))
        };
        Self(Arc::new(Inner {
            finished: context.telemetry.counter(
                "otelcol_ami_traces",
                "Traces of calls that were finished.",
                &label,
            ),
            open_calls: cut("open_calls"),
            age: cut("age"),
            spans: cut("spans"),
            receiver,
        }))
    }

    pub(super) fn finished(&self) {
        self.0.finished.inc();
    }

    pub(super) fn cut(&self, cut: Cut, linkedid: &str) {
        let receiver = &self.0.receiver;
        let ((counter, said), setting) = match cut {
            Cut::OpenCalls => (&self.0.open_calls, "open_calls"),
            Cut::Age => (&self.0.age, "call_age"),
        };
        counter.inc();
        if !said.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                %receiver, linkedid,
                "a call has no whole trace because traces::limits::{setting} was reached; further ones are counted in \
                 otelcol_ami_traces_cut"
            );
        }
    }

    pub(super) fn dropped_spans(&self, count: u32, linkedid: &str) {
        let (counter, said) = &self.0.spans;
        counter.add(u64::from(count));
        if !said.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                receiver = %self.0.receiver, linkedid, count,
                "spans of a call were left out because traces::limits::spans_per_call was reached; further ones are \
                 counted in otelcol_ami_traces_cut"
            );
        }
    }
}
