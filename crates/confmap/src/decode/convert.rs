//! Conversions between scalar types: those of mapstructure with `WeaklyTypedInput`, which otelcol
//! used up to 0.104. Newer releases refuse some of them; none takes a value differently.

use std::borrow::Cow;

use super::error::DecodeError;
use crate::scalar::{parse_float, parse_integer};
use crate::{Node, Value};

pub(super) fn unconvertible(expected: &str, value: &Value) -> DecodeError {
    DecodeError::invalid(format!("expected type '{expected}', got unconvertible type '{}'", value.kind()))
}

pub(super) fn to_bool(value: &Value) -> Result<bool, DecodeError> {
    match value {
        Value::Bool(flag) => Ok(*flag),
        Value::Int(number) => Ok(*number != 0),
        Value::Uint(number) => Ok(*number != 0),
        Value::Float(number) => Ok(*number != 0.0),
        Value::Null => Ok(false),
        Value::String(text) => match text.as_str() {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
            "" | "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
            _ => Err(unconvertible("bool", value)),
        },
        Value::Seq(_) | Value::Map(_) => Err(unconvertible("bool", value)),
    }
}

/// `expected` is the name of the target type in error texts. Fractions are cut, as in Go.
pub(super) fn to_integer<T: TryFrom<i128>>(value: &Value, expected: &str) -> Result<T, DecodeError> {
    let number = match value {
        Value::Int(number) => i128::from(*number),
        Value::Uint(number) => i128::from(*number),
        Value::Float(number) if number.is_finite() => *number as i128,
        Value::Bool(flag) => i128::from(*flag),
        Value::Null => 0,
        Value::String(text) if text.is_empty() => 0,
        Value::String(text) => match parse_integer(text) {
            Some(number) => return to_integer(&number, expected),
            None => return Err(unconvertible(expected, value)),
        },
        Value::Float(_) | Value::Seq(_) | Value::Map(_) => return Err(unconvertible(expected, value)),
    };
    T::try_from(number).map_err(|_| {
        DecodeError::invalid(format!("cannot parse value as '{expected}': {number} overflows {expected}"))
    })
}

pub(super) fn to_float(value: &Value) -> Result<f64, DecodeError> {
    match value {
        Value::Float(number) => Ok(*number),
        Value::Int(number) => Ok(*number as f64),
        Value::Uint(number) => Ok(*number as f64),
        Value::Bool(flag) => Ok(f64::from(u8::from(*flag))),
        Value::Null => Ok(0.0),
        Value::String(text) if text.is_empty() => Ok(0.0),
        Value::String(text) => parse_float(text).ok_or_else(|| unconvertible("float64", value)),
        Value::Seq(_) | Value::Map(_) => Err(unconvertible("float64", value)),
    }
}

pub(super) fn to_text(node: &Node) -> Result<Cow<'_, str>, DecodeError> {
    if let Some(text) = node.as_str() {
        return Ok(text.into());
    }
    Ok(match &node.value {
        Value::String(text) => text.as_str().into(),
        Value::Int(number) => number.to_string().into(),
        Value::Uint(number) => number.to_string().into(),
        Value::Float(number) => number.to_string().into(),
        Value::Bool(flag) => if *flag { "1" } else { "0" }.into(),
        Value::Null => "".into(),
        Value::Seq(_) | Value::Map(_) => return Err(unconvertible("string", &node.value)),
    })
}

/// The elements of a list: a text is split at commas, a single value is a list of one.
pub(super) fn to_list(node: &Node) -> Cow<'_, [Node]> {
    let one = |node: &Node| Cow::Owned(vec![node.clone()]);
    match &node.value {
        Value::Seq(items) => items.into(),
        Value::Null => Vec::new().into(),
        Value::String(text) if text.is_empty() => Vec::new().into(),
        Value::String(text) => {
            let part = |part: &str| Node::new(Value::String(part.to_owned()), node.location.clone());
            text.split(',').map(part).collect::<Vec<_>>().into()
        }
        Value::Map(map) if map.is_empty() => Vec::new().into(),
        _ => one(node),
    }
}
