use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::Value;

/// The value of a plain scalar without a tag: YAML as go.yaml.in/yaml/v3 reads it into an `any`.
///
/// Dates stay text, which is the one difference: no setting takes Go's `time.Time`.
pub(crate) fn resolve_plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        ".nan" | ".NaN" | ".NAN" => return Value::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Value::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Value::Float(f64::NEG_INFINITY),
        _ => {}
    }
    resolve_number(text).unwrap_or_else(|| Value::String(text.to_owned()))
}

fn resolve_number(text: &str) -> Option<Value> {
    match text.as_bytes().first()? {
        b'.' => parse_float(text).map(Value::Float),
        b'0'..=b'9' | b'+' | b'-' => {
            let digits = text.replace('_', "");
            parse_integer(&digits).or_else(|| parse_float(&digits).map(Value::Float))
        }
        _ => None,
    }
}

/// A whole number as Go's `strconv.ParseInt` and `ParseUint` read it with base 0: decimal, `0x`,
/// `0b`, `0o`, and octal after a plain `0`.
pub(crate) fn parse_integer(text: &str) -> Option<Value> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => (Some('-'), &text[1..]),
        b'+' => (Some('+'), &text[1..]),
        _ => (None, text),
    };
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
        [b'0', b'b' | b'B', ..] => (2, &digits[2..]),
        [b'0', b'o' | b'O', ..] => (8, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    // Rust's parser takes a second sign.
    if !digits.starts_with(|c: char| c.is_digit(radix)) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, radix).ok()?;
    match sign {
        Some('-') => 0_i64.checked_sub_unsigned(magnitude).map(Value::Int),
        Some(_) => i64::try_from(magnitude).ok().map(Value::Int),
        None => Some(i64::try_from(magnitude).map_or(Value::Uint(magnitude), Value::Int)),
    }
}

/// Decimal notation only; a number that does not fit is no number, as in Go.
pub(crate) fn parse_float(text: &str) -> Option<f64> {
    let is_decimal = text.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
    let number: f64 = if is_decimal { text.parse().ok()? } else { return None };
    number.is_finite().then_some(number)
}

/// The value of a scalar with an explicit tag, given without the `tag:yaml.org,2002:` prefix.
///
/// # Errors
/// A text that is not of the type that the tag asks for.
pub(crate) fn resolve_tagged(tag: &str, text: &str) -> Result<Value, String> {
    let found = match tag {
        "null" | "bool" | "int" | "float" => resolve_plain(text),
        "binary" => return decode_binary(text),
        _ => return Ok(Value::String(text.to_owned())),
    };
    match (tag, found) {
        ("null", found @ Value::Null)
        | ("bool", found @ Value::Bool(_))
        | ("int", found @ (Value::Int(_) | Value::Uint(_)))
        | ("float", found @ Value::Float(_)) => Ok(found),
        ("float", Value::Int(number)) => Ok(Value::Float(number as f64)),
        (_, found) => Err(format!("cannot decode {} `{text}` as a !!{tag}", tag_of(&found))),
    }
}

fn decode_binary(text: &str) -> Result<Value, String> {
    let compact: String = text.split_ascii_whitespace().collect();
    let bytes = BASE64.decode(compact).map_err(|_| "!!binary value contains invalid base64 data")?;
    let text = String::from_utf8(bytes).map_err(|_| "expected UTF-8 in a !!binary value, got other bytes")?;
    Ok(Value::String(text))
}

fn tag_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "!!null",
        Value::Bool(_) => "!!bool",
        Value::Int(_) | Value::Uint(_) => "!!int",
        Value::Float(_) => "!!float",
        Value::String(_) => "!!str",
        Value::Seq(_) => "!!seq",
        Value::Map(_) => "!!map",
    }
}
