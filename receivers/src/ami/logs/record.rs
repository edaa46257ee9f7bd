//! Writes log records as OTLP, straight to the wire.
//!
//! Field numbers: `opentelemetry/proto/logs/v1/logs.proto` and `common/v1/common.proto`, version 1.9.

use otelcol_pdata::model::logs::SeverityNumber;
use prost::encoding::{encode_varint, encoded_len_varint};

const VARINT: u8 = 0;
const FIXED64: u8 = 1;
const LEN: u8 = 2;
const FIXED32: u8 = 5;

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
    out: &'o mut Vec<u8>,
}

impl<'o> RecordWriter<'o> {
    /// Begins a record in `out`, which is emptied. Times are nanoseconds since 1970.
    pub(super) fn new(out: &'o mut Vec<u8>, time: u64, observed: u64, severity: SeverityNumber) -> Self {
        out.clear();
        let mut writer = Self { out };
        writer.fixed64(1, time);
        writer.fixed64(11, observed);
        // Numbers of severities are small and positive.
        writer.varint(2, severity as u64);
        writer.bytes(3, text(severity).as_bytes());
        writer
    }

    /// The event's name.
    pub(super) fn event_name(&mut self, name: &str) {
        self.bytes(12, name.as_bytes());
    }

    /// The call that it belongs to.
    pub(super) fn call(&mut self, ids: &CallIds) {
        self.bytes(9, &ids.trace);
        self.bytes(10, &ids.span);
        self.tag(8, FIXED32);
        self.out.extend_from_slice(&TRACE_FLAGS.to_le_bytes());
    }

    /// The text.
    pub(super) fn body(&mut self, body: &str) {
        self.header(5, string_value_len(body));
        self.bytes(1, body.as_bytes());
    }

    /// An attribute that is text.
    pub(super) fn string(&mut self, key: &str, value: &str) {
        let value_len = string_value_len(value);
        self.attribute(key, value_len);
        self.bytes(1, value.as_bytes());
    }

    /// An attribute that is a number.
    pub(super) fn int(&mut self, key: &str, value: i64) {
        // int64 is written as its two's complement.
        let value = value as u64;
        self.attribute(key, 1 + encoded_len_varint(value));
        self.varint(3, value);
    }

    /// Key and begin of the value of an attribute.
    fn attribute(&mut self, key: &str, value_len: usize) {
        self.header(6, field_len(key.len()) + field_len(value_len));
        self.bytes(1, key.as_bytes());
        self.header(2, value_len);
    }

    fn fixed64(&mut self, field: u8, value: u64) {
        self.tag(field, FIXED64);
        self.out.extend_from_slice(&value.to_le_bytes());
    }

    fn varint(&mut self, field: u8, value: u64) {
        self.tag(field, VARINT);
        encode_varint(value, self.out);
    }

    fn bytes(&mut self, field: u8, bytes: &[u8]) {
        self.header(field, bytes.len());
        self.out.extend_from_slice(bytes);
    }

    fn header(&mut self, field: u8, len: usize) {
        push_header(self.out, field, len);
    }

    fn tag(&mut self, field: u8, wire_type: u8) {
        push_tag(self.out, field, wire_type);
    }
}

/// Appends tag and length of a field that holds `len` bytes.
pub(super) fn push_header(out: &mut Vec<u8>, field: u8, len: usize) {
    push_tag(out, field, LEN);
    encode_varint(len as u64, out);
}

/// Bytes of a field that holds `len` bytes; all field numbers here are below 16.
pub(super) fn field_len(len: usize) -> usize {
    1 + encoded_len_varint(len as u64) + len
}

fn push_tag(out: &mut Vec<u8>, field: u8, wire_type: u8) {
    out.push(field << 3 | wire_type);
}

fn string_value_len(text: &str) -> usize {
    field_len(text.len())
}

fn text(severity: SeverityNumber) -> &'static str {
    match severity {
        SeverityNumber::Debug => "DEBUG",
        SeverityNumber::Warn => "WARN",
        SeverityNumber::Error => "ERROR",
        _ => "INFO",
    }
}
