//! OTLP/JSON, read into wire bytes and written from wire bytes by the schema tables: no model in between.
//!
//! Source: <https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>; order and omission of fields, and what
//! is accepted beyond the specification, as otelcol 0.161 (`pdata/internal/generated_proto_*.go`).

mod decode;
mod encode;
#[cfg(test)]
mod tests;

pub use decode::from_json;
pub use encode::to_json;
