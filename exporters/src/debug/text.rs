//! Values as otelcol's text forms write them.

use std::fmt::Write as _;

use otelcol_pdata::model::as_string;
use otelcol_pdata::model::common::any_value::Value;
use otelcol_pdata::model::common::{AnyValue, KeyValue};

/// `key=value` of each attribute.
pub(super) fn pairs(attributes: &[KeyValue]) -> Vec<String> {
    attributes
        .iter()
        .map(|attribute| format!("{}={}", attribute.key, plain(attribute.value.as_ref())))
        .collect()
}

/// A value as text, nothing where there is none.
pub(super) fn plain(value: Option<&AnyValue>) -> String {
    value.map(as_string).unwrap_or_default()
}

/// `Str(text)`: the type of a value and its text.
pub(super) fn typed(value: Option<&AnyValue>) -> String {
    let kind = match value.and_then(|value| value.value.as_ref()) {
        None | Some(Value::StringValueStrindex(_)) => "Empty",
        Some(Value::StringValue(_)) => "Str",
        Some(Value::BoolValue(_)) => "Bool",
        Some(Value::IntValue(_)) => "Int",
        Some(Value::DoubleValue(_)) => "Double",
        Some(Value::KvlistValue(_)) => "Map",
        Some(Value::ArrayValue(_)) => "Slice",
        Some(Value::BytesValue(_)) => "Bytes",
    };
    format!("{kind}({})", plain(value))
}

/// A number as Go's `%v`: the shortest digits that read back equal, `1e+06` and `1e-07` for the large and the small.
pub(super) fn shortest(number: f64) -> String {
    let mut out = Vec::new();
    otelcol_prometheus_text::write_float(&mut out, number);
    String::from_utf8_lossy(&out).into_owned()
}

/// A number as Go's `%f`: six decimals.
pub(super) fn fixed(number: f64) -> String {
    if number.is_finite() { format!("{number:.6}") } else { shortest(number) }
}

/// An id in hexadecimal, nothing for one of zeros.
pub(super) fn id(bytes: &[u8]) -> String {
    if bytes.iter().all(|byte| *byte == 0) {
        return String::new();
    }
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        _ = write!(out, "{byte:02x}");
        out
    })
}

/// `2025-01-01 00:00:01.5 +0000 UTC`: nanoseconds since 1970, of which Go takes the 64 bits as signed.
pub(super) fn time(nanos: u64) -> String {
    let signed = nanos.cast_signed();
    let Ok(time) = jiff::Timestamp::from_nanosecond(i128::from(signed)) else { return String::new() };
    let time = time.to_string();
    // RFC 3339 without trailing zeros in the fraction, which is all that Go's form differs in.
    format!("{} +0000 UTC", time.trim_end_matches('Z').replace('T', " "))
}

/// The upper or lower bound of a bucket of an exponential histogram (OTLP data model: base 2^(2^-scale)).
pub(super) fn bucket_bound(scale: i32, index: f64) -> f64 {
    (index * (std::f64::consts::LN_2 * 2_f64.powi(-scale))).exp()
}
