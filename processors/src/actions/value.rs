//! What hash and convert make of a value.

use otelcol_pdata::model::as_string;
use otelcol_pdata::model::common::AnyValue;
use otelcol_pdata::model::common::any_value::Value;
use sha2::{Digest, Sha256};

/// The types that convert knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    String,
    Int,
    Double,
}

impl Target {
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text {
            "string" => Some(Self::String),
            "int" => Some(Self::Int),
            "double" => Some(Self::Double),
            _ => None,
        }
    }
}

/// The value in another type; `None` where it has that type already or can not have it.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a double becomes the nearest integer towards zero, as in contrib"
)]
#[expect(
    clippy::cast_precision_loss,
    reason = "an integer above 2^53 becomes the nearest double, as in contrib"
)]
pub(super) fn convert(value: &AnyValue, target: Target) -> Option<Value> {
    let inner = value.value.as_ref();
    match (target, inner) {
        (Target::String, Some(Value::StringValue(_))) => None,
        (Target::String, _) => Some(Value::StringValue(as_string(value))),
        (Target::Int, Some(Value::DoubleValue(number))) => Some(Value::IntValue(*number as i64)),
        (Target::Int, Some(Value::BoolValue(flag))) => Some(Value::IntValue(i64::from(*flag))),
        (Target::Int, Some(Value::StringValue(text))) => text.parse().ok().map(Value::IntValue),
        (Target::Double, Some(Value::IntValue(number))) => Some(Value::DoubleValue(*number as f64)),
        (Target::Double, Some(Value::BoolValue(flag))) => {
            Some(Value::DoubleValue(f64::from(u8::from(*flag))))
        }
        (Target::Double, Some(Value::StringValue(text))) => text.parse().ok().map(Value::DoubleValue),
        (Target::Int | Target::Double, _) => None,
    }
}

/// The SHA-256 of a scalar in lower-case hex; nothing for an empty value, bytes, lists and maps, as in contrib.
pub(super) fn hash(value: &AnyValue) -> Value {
    let digest = match &value.value {
        Some(Value::StringValue(text)) => Sha256::digest(text.as_bytes()),
        Some(Value::BoolValue(flag)) => Sha256::digest([u8::from(*flag)]),
        Some(Value::IntValue(number)) => Sha256::digest(number.to_le_bytes()),
        Some(Value::DoubleValue(number)) => Sha256::digest(number.to_bits().to_le_bytes()),
        _ => return Value::StringValue(String::new()),
    };
    Value::StringValue(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}
