//! The decoded model: the generated OTLP types, and the few helpers that everyone who builds or reads them needs.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

pub use opentelemetry_proto::tonic::common::v1 as common;
pub use opentelemetry_proto::tonic::logs::v1 as logs;
pub use opentelemetry_proto::tonic::metrics::v1 as metrics;
pub use opentelemetry_proto::tonic::resource::v1 as resource;
pub use opentelemetry_proto::tonic::trace::v1 as trace;

use common::any_value::Value;
use common::{AnyValue, KeyValue};

/// An attribute with a string value.
pub fn string(key: impl Into<String>, value: impl Into<String>) -> KeyValue {
    key_value(key, Value::StringValue(value.into()))
}

/// An attribute with an integer value.
pub fn int(key: impl Into<String>, value: i64) -> KeyValue {
    key_value(key, Value::IntValue(value))
}

/// An attribute with a floating point value.
pub fn double(key: impl Into<String>, value: f64) -> KeyValue {
    key_value(key, Value::DoubleValue(value))
}

/// An attribute with a boolean value.
pub fn bool(key: impl Into<String>, value: bool) -> KeyValue {
    key_value(key, Value::BoolValue(value))
}

/// An attribute with any value.
pub fn key_value(key: impl Into<String>, value: Value) -> KeyValue {
    KeyValue { key: key.into(), value: Some(AnyValue { value: Some(value) }), key_strindex: 0 }
}

/// The value of the first attribute called `key`. An attribute without a value counts as absent.
pub fn attr<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a AnyValue> {
    attributes.iter().find(|kv| kv.key == key).and_then(|kv| kv.value.as_ref())
}

/// A value as text, the way otelcol's `pcommon.Value.AsString` writes it: strings as they are, maps and lists as JSON,
/// bytes in base64, nothing for an empty value.
pub fn as_string(value: &AnyValue) -> String {
    match &value.value {
        None => String::new(),
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::BytesValue(bytes)) => BASE64.encode(bytes),
        Some(Value::DoubleValue(number)) => double_as_string(*number),
        Some(_) => {
            let mut out = String::new();
            write_json(value, &mut out);
            out
        }
    }
}

/// A floating point number as text, the way otelcol writes it: the shortest digits that read back equal, with an
/// exponent below 1e-6 and from 1e21 on; `NaN`, `Infinity` and `-Infinity`.
pub fn double_as_string(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "Infinity".to_owned() } else { "-Infinity".to_owned() };
    }
    if !needs_exponent(number) {
        return number.to_string();
    }
    let text = format!("{number:e}");
    if text.contains("e-") { text } else { text.replace('e', "e+") }
}

/// Whether Go's JSON encoders write a number with an exponent.
pub(crate) fn needs_exponent(number: f64) -> bool {
    let magnitude = number.abs();
    magnitude != 0.0 && !(1e-6..1e21).contains(&magnitude)
}

fn write_json(value: &AnyValue, out: &mut String) {
    match &value.value {
        None => out.push_str("null"),
        Some(Value::StringValue(text)) => write_json_string(text, out),
        Some(Value::BoolValue(flag)) => out.push_str(if *flag { "true" } else { "false" }),
        Some(Value::IntValue(number)) => _ = write!(out, "{number}"),
        Some(Value::StringValueStrindex(index)) => _ = write!(out, "{index}"),
        Some(Value::DoubleValue(number)) if number.is_finite() => out.push_str(&double_as_string(*number)),
        Some(Value::DoubleValue(number)) => write_json_string(&double_as_string(*number), out),
        Some(Value::BytesValue(bytes)) => write_json_string(&BASE64.encode(bytes), out),
        Some(Value::ArrayValue(list)) => {
            out.push('[');
            for (n, element) in list.values.iter().enumerate() {
                if n > 0 {
                    out.push(',');
                }
                write_json(element, out);
            }
            out.push(']');
        }
        Some(Value::KvlistValue(map)) => write_json_map(&map.values, out),
    }
}

fn write_json_map(values: &[KeyValue], out: &mut String) {
    let mut sorted: Vec<&KeyValue> = values.iter().collect();
    sorted.sort_by(|a, b| a.key.cmp(&b.key));
    // Of equal keys the last wins, as in a Go map.
    let mut first = true;
    for (n, kv) in sorted.iter().enumerate() {
        if sorted.get(n + 1).is_some_and(|next| next.key == kv.key) {
            continue;
        }
        out.push(if first { '{' } else { ',' });
        first = false;
        write_json_string(&kv.key, out);
        out.push(':');
        write_json(kv.value.as_ref().unwrap_or(&AnyValue { value: None }), out);
    }
    out.push_str(if first { "{}" } else { "}" });
}

/// Appends `text` as a JSON string with the escapes that Go's encoder uses: beyond JSON's own, U+2028 and U+2029.
fn write_json_string(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\0'..='\u{1f}' | '\u{2028}' | '\u{2029}' => _ = write!(out, "\\u{:04x}", character as u32),
            other => out.push(other),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::common::{ArrayValue, KeyValueList};
    use super::*;

    fn any(value: Value) -> AnyValue {
        AnyValue { value: Some(value) }
    }

    #[test]
    fn values_are_text_as_otelcol_writes_them() {
        let cases = [
            (Value::StringValue("as \"is\"\n".to_owned()), "as \"is\"\n"),
            (Value::BoolValue(true), "true"),
            (Value::IntValue(i64::MIN), "-9223372036854775808"),
            (Value::DoubleValue(1.0), "1"),
            (Value::DoubleValue(-0.0), "-0"),
            (Value::DoubleValue(0.000_001), "0.000001"),
            (Value::DoubleValue(1.5e-7), "1.5e-7"),
            (Value::DoubleValue(1e20), "100000000000000000000"),
            (Value::DoubleValue(1e21), "1e+21"),
            (Value::DoubleValue(f64::NAN), "NaN"),
            (Value::DoubleValue(f64::NEG_INFINITY), "-Infinity"),
            (Value::BytesValue(vec![0, 1, 254, 255]), "AAH+/w=="),
            (Value::ArrayValue(ArrayValue::default()), "[]"),
            (Value::KvlistValue(KeyValueList::default()), "{}"),
        ];
        for (value, expected) in cases {
            assert_eq!(as_string(&any(value)), expected);
        }
        assert_eq!(as_string(&AnyValue { value: None }), "");
    }

    /// The map of `testdata/golden.go`.
    #[test]
    fn a_map_is_json_as_otelcol_writes_it() {
        let list = ArrayValue { values: vec![any(Value::BoolValue(true))] };
        let text =
            "quote \" backslash \\ tab \t newline \n cr \r bell \u{7} bs \u{8} ff \u{c} <&> é \u{2028} 😀";
        let values = vec![
            string("b", "overruled by the one after it"),
            string("b", text),
            double("a", 1e21),
            double("c", 1.5e-7),
            KeyValue { key: "e".to_owned(), value: None, key_strindex: 0 },
            key_value("bytes", Value::BytesValue(vec![0, 1, 254, 255])),
            key_value("s", Value::ArrayValue(list)),
            key_value("m", Value::KvlistValue(KeyValueList::default())),
        ];
        let written = as_string(&any(Value::KvlistValue(KeyValueList { values })));
        assert_eq!(written, include_str!("../testdata/as_string.txt"));
    }

    #[test]
    fn attributes_are_found_by_key() {
        let attributes = [int("a", 1), bool("b", true), int("a", 2)];
        assert_eq!(attr(&attributes, "a"), Some(&any(Value::IntValue(1))));
        assert_eq!(attr(&attributes, "b"), Some(&any(Value::BoolValue(true))));
        assert_eq!(attr(&attributes, "c"), None);
    }
}
