//! Writes log records as OTLP, straight to the wire.
//!
//! Field numbers: `opentelemetry/proto/logs/v1/logs.proto` and `common/v1/common.proto`, version 1.9.

use crate::ami::signal::At;
use crate::protobuf::Protobuf;
use otelcol_pdata::model::logs::SeverityNumber;

/// One that was sampled, in a trace whose id is random in its low 56 bits (W3C Trace Context level 2).
const TRACE_FLAGS: u32 = 0x03;

/// The ids of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CallIds {
    /// Its trace.
    pub(super) trace: [u8; 16],
    /// The trace's root span.
    pub(super) span: [u8; 8],
}

/// Writes one record, without its tag and length. An attribute is written when it is known.
#[derive(Debug)]
pub(super) struct RecordWriter<'o> {
    out: Protobuf<'o>,
}

impl<'o> RecordWriter<'o> {
    /// Begins a record in `out`, which is emptied.
    pub(super) fn new(out: &'o mut Vec<u8>, at: At, severity: SeverityNumber) -> Self {
        out.clear();
        let mut out = Protobuf(out);
        out.fixed64(1, at.happened);
        out.fixed64(11, at.received);
        // Numbers of severities are small and positive.
        out.varint(2, severity as u64);
        out.bytes(3, text(severity).as_bytes());
        Self { out }
    }

    /// The event's name.
    pub(super) fn event_name(&mut self, name: &str) {
        self.out.bytes(12, name.as_bytes());
    }

    /// The call that it belongs to.
    pub(super) fn call(&mut self, ids: &CallIds) {
        self.out.bytes(9, &ids.trace);
        self.out.bytes(10, &ids.span);
        self.out.fixed32(8, TRACE_FLAGS);
    }

    /// The text.
    pub(super) fn body(&mut self, body: &str) {
        self.out.string_value(5, body);
    }

    /// An attribute that is text.
    pub(super) fn string(&mut self, key: &str, value: &str) {
        self.out.string(6, key, value);
    }

    /// An attribute that is a number.
    pub(super) fn int(&mut self, key: &str, value: i64) {
        self.out.int(6, key, value);
    }
}

fn text(severity: SeverityNumber) -> &'static str {
    match severity {
        SeverityNumber::Debug => "DEBUG",
        SeverityNumber::Warn => "WARN",
        SeverityNumber::Error => "ERROR",
        _ => "INFO",
    }
}
