//! Why bytes are not a batch.

use crate::Signal;

/// What is wrong with a request, or with what was asked of a batch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The body breaks the protobuf encoding or the OTLP schema. The sender is at fault; sending it again is useless.
    #[error("invalid OTLP {signal} request: {place} at byte {offset}: {fault}")]
    Invalid {
        /// The signal of the request.
        signal: Signal,
        /// The message and field concerned, for example `Span.name`.
        place: String,
        /// Where the field begins, counted in bytes from the start of the body.
        offset: usize,
        /// What was expected and what was found.
        fault: Fault,
    },
    /// The model of one signal was asked of a batch of another.
    #[error("expected a batch of {expected}, found a batch of {found}")]
    Signal {
        /// The signal asked for.
        expected: Signal,
        /// The signal of the batch.
        found: Signal,
    },
    /// A validated block does not decode. Never seen: the validator is at least as strict as the decoder.
    #[error("can not decode a block of {signal}: {reason}")]
    Decode {
        /// The signal of the batch.
        signal: Signal,
        /// The decoder's own words.
        reason: String,
    },
    /// A body is not the JSON that OTLP describes.
    #[error("invalid OTLP/JSON {signal} request: {reason}")]
    Json {
        /// The signal of the request.
        signal: Signal,
        /// What was expected and what was found, with line and column.
        reason: String,
    },
}

/// One way in which a field can be malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The bytes end before the field does.
    #[error("the field ends after the bytes that hold it")]
    Truncated,
    /// A varint with more than ten bytes, or with more than 64 bits.
    #[error("expected a varint of at most 64 bits")]
    Varint,
    /// A tag with field number 0 or above 2^29-1.
    #[error("expected a field number from 1 to 536870911")]
    FieldNumber,
    /// A wire type that proto3 does not have: groups, and the reserved 6 and 7.
    #[error("expected wire type 0, 1, 2 or 5, found {0}")]
    WireType(u8),
    /// A known field with the wire type of another.
    #[error("expected wire type {expected}, found {found}")]
    Mismatch {
        /// The wire type of the schema.
        expected: u8,
        /// The wire type in the body.
        found: u8,
    },
    /// A string field that is no UTF-8.
    #[error("expected valid UTF-8")]
    Utf8,
    /// A trace or span id of another size.
    #[error("expected an id of {expected} bytes or none, found {found} bytes")]
    IdSize {
        /// 16 for a trace id, 8 for a span id.
        expected: usize,
        /// The size in the body, in bytes.
        found: usize,
    },
    /// A packed list of fixed size numbers with a part of a number at its end.
    #[error("expected a multiple of 8 bytes, found {0} bytes")]
    Packed(usize),
    /// Messages within messages beyond the limit.
    #[error("expected at most {0} levels of nested messages")]
    Depth(usize),
    /// Bytes that mean far more memory than they take: requests of empty records.
    #[error("expected a request that decodes to at most {0} bytes")]
    Growth(usize),
    /// A metric with two data fields.
    #[error("expected one kind of data in a metric, found a second data field")]
    SecondData,
}
