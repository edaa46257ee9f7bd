//! Finished calls as batches of traces.

use otelcol_asterisk::redaction::Redactor;
use otelcol_pdata::model::resource::Resource;
use otelcol_pdata::{Batch, WireError};

use super::build::trace_of;
use super::config::TracesConfig;
use super::open::Events;
use crate::call_trace::otlp::Writer;
use crate::mysql_cdr::metrics::SCOPE;
use crate::mysql_cdr::system::System;

/// Calls of one batch.
const CALLS: usize = 256;

/// Writes traces.
#[derive(Debug)]
pub(in crate::mysql_cdr) struct TraceWriter {
    system: System,
    config: TracesConfig,
    writer: Writer,
    resource: Resource,
}

/// Traces of the calls that were finished first.
#[derive(Debug)]
pub(in crate::mysql_cdr) struct Traces {
    /// Their spans; none if nothing is known of any of their channels. That they are no valid OTLP is a bug here.
    pub(in crate::mysql_cdr) batch: Result<Option<Batch>, WireError>,
    /// How many calls they are of.
    pub(in crate::mysql_cdr) calls: usize,
    /// Spans that a limit left out.
    pub(in crate::mysql_cdr) dropped_spans: u64,
}

impl TraceWriter {
    /// A writer; `system` is what the ids of traces are derived with.
    pub(in crate::mysql_cdr) fn new(
        system: System,
        config: TracesConfig,
        redactor: Redactor,
        version: &str,
        resource: Resource,
    ) -> Self {
        let writer = Writer::new(redactor, Vec::new(), SCOPE, version);
        Self { system, config, writer, resource }
    }

    /// The traces of the calls that were finished first; `None` if there are none.
    pub(in crate::mysql_cdr) fn traces(&mut self, events: &Events) -> Option<Traces> {
        let (mut calls, mut dropped_spans) = (0, 0);
        for call in events.finished(CALLS) {
            calls += 1;
            if let Some(trace) = trace_of(call, &self.system, &self.config) {
                dropped_spans += u64::from(trace.dropped_spans);
                self.writer.write(&trace);
            }
        }
        let batch = self.writer.take(&self.resource);
        (calls > 0).then_some(Traces { batch, calls, dropped_spans })
    }
}
