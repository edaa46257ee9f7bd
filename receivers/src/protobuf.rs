//! Protobuf written straight to the wire: what spans and log records have in common.
//!
//! A model of the message would be a dozen allocations an item, on the task that reads from Asterisk. Field numbers of
//! values and attributes: `opentelemetry/proto/common/v1/common.proto`, version 1.9.

use bytes::Bytes;
use otelcol_pdata::model::resource::Resource;
use otelcol_pdata::{Batch, Signal, WireError};
use prost::Message as _;
use prost::encoding::{encode_varint, encoded_len_varint};

const VARINT: u8 = 0;
const FIXED64: u8 = 1;
const LEN: u8 = 2;
const FIXED32: u8 = 5;

/// Memory that is kept for the items of the next batch, in bytes.
const KEPT: usize = 64 * 1024;

/// The batch of one resource and one scope, whose spans or log records are `items`, each with its tag and length. They are
/// empty afterwards.
///
/// # Errors
/// The items are no valid OTLP, which is a bug of who wrote them.
pub(crate) fn batch(
    signal: Signal,
    resource: &Resource,
    scope: &[u8],
    items: &mut Vec<u8>,
) -> Result<Batch, WireError> {
    let resource = resource.encode_to_vec();
    let of_scope_len = field_len(scope.len()) + items.len();
    let of_resource_len = field_len(resource.len()) + field_len(of_scope_len);
    let mut wire = Vec::with_capacity(field_len(of_resource_len));
    let mut out = Protobuf(&mut wire);
    out.header(1, of_resource_len);
    out.bytes(1, &resource);
    out.header(2, of_scope_len);
    out.bytes(1, scope);
    wire.extend_from_slice(items);
    items.clear();
    items.shrink_to(KEPT);
    Batch::from_wire(signal, Bytes::from(wire))
}

/// Appends fields to a message.
#[derive(Debug)]
pub(crate) struct Protobuf<'o>(pub(crate) &'o mut Vec<u8>);

impl Protobuf<'_> {
    pub(crate) fn fixed64(&mut self, field: u8, value: u64) {
        self.tag(field, FIXED64);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn fixed32(&mut self, field: u8, value: u32) {
        self.tag(field, FIXED32);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn varint(&mut self, field: u8, value: u64) {
        self.tag(field, VARINT);
        encode_varint(value, self.0);
    }

    pub(crate) fn bytes(&mut self, field: u8, bytes: &[u8]) {
        self.header(field, bytes.len());
        self.0.extend_from_slice(bytes);
    }

    /// Tag and length of a field that holds `len` bytes.
    pub(crate) fn header(&mut self, field: u8, len: usize) {
        self.tag(field, LEN);
        encode_varint(len as u64, self.0);
    }

    /// An `AnyValue` that is text.
    pub(crate) fn string_value(&mut self, field: u8, text: &str) {
        self.header(field, field_len(text.len()));
        self.bytes(1, text.as_bytes());
    }

    /// An attribute that is text.
    pub(crate) fn string(&mut self, field: u8, key: &str, value: &str) {
        self.attribute(field, key, field_len(value.len()));
        self.bytes(1, value.as_bytes());
    }

    /// An attribute that is true or false.
    pub(crate) fn bool(&mut self, field: u8, key: &str, value: bool) {
        self.attribute(field, key, 2);
        self.varint(2, value.into());
    }

    /// An attribute that is a whole number.
    pub(crate) fn int(&mut self, field: u8, key: &str, value: i64) {
        // int64 is written as its two's complement.
        let value = value as u64;
        self.attribute(field, key, 1 + encoded_len_varint(value));
        self.varint(3, value);
    }

    /// An attribute that is a number.
    pub(crate) fn double(&mut self, field: u8, key: &str, value: f64) {
        self.attribute(field, key, 9);
        self.fixed64(4, value.to_bits());
    }

    /// An attribute that is a list of texts.
    pub(crate) fn strings(&mut self, field: u8, key: &str, values: &[impl AsRef<str>]) {
        let len = values.iter().map(|value| field_len(field_len(value.as_ref().len()))).sum();
        self.attribute(field, key, field_len(len));
        self.header(5, len);
        for value in values {
            self.string_value(1, value.as_ref());
        }
    }

    /// Key and begin of the value of an attribute.
    fn attribute(&mut self, field: u8, key: &str, value_len: usize) {
        self.header(field, field_len(key.len()) + field_len(value_len));
        self.bytes(1, key.as_bytes());
        self.header(2, value_len);
    }

    fn tag(&mut self, field: u8, wire_type: u8) {
        encode_varint(u64::from(field) << 3 | u64::from(wire_type), self.0);
    }
}

/// Bytes of a field that holds `len` bytes and whose number is below 16.
pub(crate) fn field_len(len: usize) -> usize {
    1 + encoded_len_varint(len as u64) + len
}
