//! Wire bytes to JSON.

use std::borrow::Cow;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::model::{double_as_string, needs_exponent};
use crate::schema::{self, Field, Kind, Message, Presence};
use crate::wire::{self, Fields};
use crate::{Batch, Fault, WireError};

/// Writes a batch as OTLP/JSON, byte for byte as otelcol's file exporter does: one object, no line break.
///
/// Fields that OTLP does not define have no JSON and are left out.
///
/// # Errors
///
/// None on a batch that was validated or built from models.
pub fn to_json(batch: &Batch) -> Result<Vec<u8>, WireError> {
    let body = batch.to_wire();
    let mut out = String::with_capacity(body.len() * 2);
    message(&body, schema::request(batch.signal()), &mut out)
        .map_err(|fault| WireError::Decode { signal: batch.signal(), reason: fault.to_string() })?;
    Ok(out.into_bytes())
}

fn message(bytes: &[u8], schema: &'static Message, out: &mut String) -> Result<(), Fault> {
    let mut found = known_fields(bytes, schema)?;
    keep_last_of_oneof(&mut found, schema);
    found.sort_by_key(|(place, _)| *place);
    let mut rest = found.as_slice();
    out.push('{');
    let start = out.len();
    for (place, field) in schema.fields.iter().enumerate() {
        let (group, after) = rest.split_at(rest.partition_point(|(other, _)| *other <= place));
        rest = after;
        let before = out.len();
        if before > start {
            out.push(',');
        }
        string(field.json, out);
        out.push(':');
        if !value(group, field, out)? {
            out.truncate(before);
        }
    }
    out.push('}');
    Ok(())
}

/// A field with its place in the table.
type Found<'a> = (usize, wire::Field<'a>);

/// The fields that OTLP defines, in the order of the bytes.
fn known_fields<'a>(bytes: &'a [u8], schema: &'static Message) -> Result<Vec<Found<'a>>, Fault> {
    let mut found = Vec::new();
    for field in Fields::of(bytes) {
        let field = field?;
        if let Some(place) = schema.fields.iter().position(|known| known.number == field.number) {
            found.push((place, field));
        }
    }
    Ok(found)
}

/// Of the members of a oneof only the last counts; occurrences of it before another member do not.
fn keep_last_of_oneof(found: &mut Vec<Found<'_>>, schema: &'static Message) {
    let is_member = |place: usize| schema.fields.get(place).is_some_and(|f| f.presence == Presence::OneOf);
    let Some((winner, _)) = found.iter().rev().find(|(place, _)| is_member(*place)).copied() else { return };
    let overruled = found.iter().rposition(|(place, _)| is_member(*place) && *place != winner);
    let mut at = 0;
    found.retain(|(place, _)| {
        at += 1;
        !is_member(*place) || overruled.is_none_or(|last| at - 1 > last)
    });
}

/// Writes the value of a field from all its occurrences; false if it is to be left out.
fn value(occurrences: &[Found<'_>], field: &Field, out: &mut String) -> Result<bool, Fault> {
    if field.presence == Presence::Repeated {
        return list(occurrences, field, out);
    }
    let Some((_, last)) = occurrences.last() else {
        return match field.kind {
            Kind::Message(inner) if field.presence == Presence::Always => {
                message(&[], inner, out).map(|()| true)
            }
            _ => Ok(false),
        };
    };
    if let Kind::Message(inner) = field.kind {
        let merged = match occurrences {
            [(_, only)] => Cow::Borrowed(only.payload),
            many => Cow::Owned(many.iter().map(|(_, field)| field.payload).collect::<Vec<_>>().concat()),
        };
        return message(&merged, inner, out).map(|()| true);
    }
    let (is_default, _) = scalar(last.payload, field.kind, out)?;
    Ok(!is_default || field.presence != Presence::Plain)
}

fn list(occurrences: &[Found<'_>], field: &Field, out: &mut String) -> Result<bool, Fault> {
    out.push('[');
    let mut count = 0;
    for (_, occurrence) in occurrences {
        let mut payload = occurrence.payload;
        let packed = occurrence.wire_type == wire::LEN && field.wire_type != wire::LEN;
        while !packed || !payload.is_empty() {
            if count > 0 {
                out.push(',');
            }
            count += 1;
            match field.kind {
                Kind::Message(inner) => message(payload, inner, out)?,
                kind => {
                    let (_, size) = scalar(payload, kind, out)?;
                    payload = payload.get(size..).unwrap_or_default();
                }
            }
            if !packed {
                break;
            }
        }
    }
    out.push(']');
    Ok(count > 0)
}

/// Writes the scalar at the beginning of `bytes`. Says whether it is the default of its type, and its size in bytes.
fn scalar(bytes: &[u8], kind: Kind, out: &mut String) -> Result<(bool, usize), Fault> {
    let (number, size) = match kind.wire_type() {
        wire::VARINT => wire::read_varint(bytes)?,
        wire::FIXED32 => (u64::from(u32::from_le_bytes(array(bytes)?)), 4),
        wire::FIXED64 => (u64::from_le_bytes(array(bytes)?), 8),
        _ => (0, bytes.len()),
    };
    let is_default = match kind {
        Kind::Bool => {
            out.push_str(if number != 0 { "true" } else { "false" });
            number == 0
        }
        Kind::Int32 | Kind::Enum(_) => put(number as i32, out),
        Kind::Uint32 | Kind::Fixed32 => put(number as u32, out),
        Kind::Sint32 => put((number as u32 >> 1) as i32 ^ -(number as i32 & 1), out),
        Kind::Int64 | Kind::Sfixed64 => put_quoted(number as i64, out),
        Kind::Uint64 | Kind::Fixed64 => put_quoted(number, out),
        Kind::Double => double(f64::from_bits(number), out),
        Kind::String => {
            string(std::str::from_utf8(bytes).map_err(|_| Fault::Utf8)?, out);
            bytes.is_empty()
        }
        Kind::Bytes => {
            out.push('"');
            BASE64.encode_string(bytes, out);
            out.push('"');
            bytes.is_empty()
        }
        Kind::TraceId | Kind::SpanId => {
            out.push('"');
            for byte in bytes {
                _ = write!(out, "{byte:02x}");
            }
            out.push('"');
            bytes.iter().all(|byte| *byte == 0)
        }
        Kind::Message(inner) => {
            message(bytes, inner, out)?;
            false
        }
    };
    Ok((is_default, size))
}

fn array<const N: usize>(bytes: &[u8]) -> Result<[u8; N], Fault> {
    bytes.first_chunk().copied().ok_or(Fault::Truncated)
}

fn put<T: std::fmt::Display + Default + PartialEq + Copy>(number: T, out: &mut String) -> bool {
    _ = write!(out, "{number}");
    number == T::default()
}

/// 64-bit integers are strings, because JSON numbers do not hold them everywhere.
fn put_quoted<T: std::fmt::Display + Default + PartialEq + Copy>(number: T, out: &mut String) -> bool {
    _ = write!(out, "\"{number}\"");
    number == T::default()
}

/// As [`double_as_string`], but for two digits of exponent at least.
fn double(number: f64, out: &mut String) -> bool {
    let text = double_as_string(number);
    if !number.is_finite() {
        string(&text, out);
    } else if needs_exponent(number)
        && text.as_bytes().get(text.len() - 2).is_some_and(|b| !b.is_ascii_digit())
    {
        let (front, digit) = text.split_at(text.len() - 1);
        _ = write!(out, "{front}0{digit}");
    } else {
        out.push_str(&text);
    }
    number == 0.0
}

/// Writes a string with the few escapes that otelcol's encoder uses.
fn string(text: &str, out: &mut String) {
    out.push('"');
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|byte| byte < b' ' || byte == b'"' || byte == b'\\') {
        let (plain, special) = rest.split_at(at);
        out.push_str(plain);
        let (special, after) = special.split_at(1);
        match special {
            "\n" => out.push_str("\\n"),
            "\r" => out.push_str("\\r"),
            "\t" => out.push_str("\\t"),
            "\"" | "\\" => {
                out.push('\\');
                out.push_str(special);
            }
            control => _ = write!(out, "\\u{:04x}", control.as_bytes().first().copied().unwrap_or_default()),
        }
        rest = after;
    }
    out.push_str(rest);
    out.push('"');
}
