//! JSON to wire bytes.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use serde::de::{
    DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Unexpected, Visitor,
};

use crate::schema::{self, Field, Kind, Message, Presence};
use crate::{Batch, Signal, WireError, wire};

/// Reads an OTLP/JSON request.
///
/// As otelcol: names in lowerCamelCase or snake_case, numbers also as strings, enums also by name, ids in hex of either
/// case, bytes in base64; unknown names are skipped. `null` stands for absence, as the protobuf JSON mapping has it.
///
/// # Errors
///
/// [`WireError::Json`] with line and column, or [`WireError::Invalid`] where the JSON holds what OTLP does not allow,
/// for example a metric of two kinds. The sender is at fault: otelcol answers HTTP 400.
pub fn from_json(signal: Signal, json: &[u8]) -> Result<Batch, WireError> {
    let mut out = Vec::with_capacity(json.len() / 2);
    let error = |error: serde_json::Error| WireError::Json { signal, reason: error.to_string() };
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let request = MessageVisitor { schema: schema::request(signal), out: &mut out };
    deserializer.deserialize_map(request).map_err(error)?;
    deserializer.end().map_err(error)?;
    Batch::from_wire(signal, Bytes::from(out))
}

/// Reads an object as the payload of a message. Its depth is bounded by serde_json's own limit of 128.
struct MessageVisitor<'a> {
    schema: &'static Message,
    out: &'a mut Vec<u8>,
}

impl<'de> Visitor<'de> for MessageVisitor<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object, {}", self.schema.name)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(known) = map.next_key_seed(Name(self.schema))? {
            match known {
                Some(field) => {
                    map.next_value_seed(Value { field, place: Place::Field, out: &mut *self.out })?;
                }
                None => _ = map.next_value::<IgnoredAny>()?,
            }
        }
        Ok(())
    }
}

/// Reads the name of a field; of an unknown field, nothing.
struct Name(&'static Message);

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Option<&'static Field>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name {
    type Value = Option<&'static Field>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a field")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.fields.iter().find(|field| field.json == name || is_snake_case_of(name, field.json)))
    }
}

fn is_snake_case_of(name: &str, json: &str) -> bool {
    let mut name = name.bytes();
    json.bytes().all(|byte| {
        if byte.is_ascii_uppercase() {
            name.next() == Some(b'_') && name.next() == Some(byte.to_ascii_lowercase())
        } else {
            name.next() == Some(byte)
        }
    }) && name.next().is_none()
}

/// Reads a value and appends it.
struct Value<'a> {
    field: &'static Field,
    place: Place,
    out: &'a mut Vec<u8>,
}

#[derive(Clone, Copy, PartialEq)]
enum Place {
    /// The value of a field: an array, if the field is repeated.
    Field,
    /// One element of an array, with a tag of its own.
    Element,
    /// One number of an array, packed: without a tag.
    Packed,
}

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.field.kind {
            _ if self.is_list() => "an array",
            Kind::Bool => "true or false",
            Kind::Int32 | Kind::Sint32 => "a 32-bit integer",
            Kind::Uint32 | Kind::Fixed32 => "an unsigned 32-bit integer",
            Kind::Int64 | Kind::Sfixed64 => "a 64-bit integer",
            Kind::Uint64 | Kind::Fixed64 => "an unsigned 64-bit integer",
            Kind::Enum(_) => "the number or the name of an enum value",
            Kind::Double => "a number, \"NaN\" or \"Infinity\"",
            Kind::String => "a string",
            Kind::Bytes => "bytes in base64",
            Kind::TraceId => "a trace id of 32 hex digits",
            Kind::SpanId => "a span id of 16 hex digits",
            Kind::Message(_) => "an object",
        };
        write!(f, "{what} in {}", self.field.json)
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        match (self.place, self.field.kind) {
            (Place::Field, _) => Ok(()),
            (_, Kind::Message(_)) => self.put_bytes(&[]),
            _ => Err(E::invalid_type(Unexpected::Unit, &self)),
        }
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<(), E> {
        match self.field.kind {
            Kind::Bool => self.put(u64::from(flag)),
            _ => Err(E::invalid_type(Unexpected::Bool(flag), &self)),
        }
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        self.integer(i128::from(number), Unexpected::Unsigned(number))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<(), E> {
        self.integer(i128::from(number), Unexpected::Signed(number))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<(), E> {
        match self.field.kind {
            Kind::Double => self.put(number.to_bits()),
            _ => Err(E::invalid_type(Unexpected::Float(number), &self)),
        }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        let invalid = Unexpected::Str(text);
        match self.field.kind {
            Kind::String => self.put_bytes(text.as_bytes()),
            Kind::Bytes => match BASE64.decode(text) {
                Ok(bytes) => self.put_bytes(&bytes),
                Err(_) => Err(E::invalid_value(invalid, &self)),
            },
            Kind::TraceId => self.id::<16, E>(text),
            Kind::SpanId => self.id::<8, E>(text),
            Kind::Double => match text.parse::<f64>() {
                Ok(number) => self.put(number.to_bits()),
                Err(_) => Err(E::invalid_value(invalid, &self)),
            },
            Kind::Enum(names) => match names.iter().find(|(name, _)| *name == text) {
                Some((_, number)) => self.put(i64::from(*number) as u64),
                None => Err(E::invalid_value(invalid, &self)),
            },
            Kind::Bool | Kind::Message(_) => Err(E::invalid_type(invalid, &self)),
            _ => match text.parse::<i128>() {
                Ok(number) => self.integer(number, invalid),
                Err(_) => Err(E::invalid_value(invalid, &self)),
            },
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        if !self.is_list() {
            return Err(A::Error::invalid_type(Unexpected::Seq, &self));
        }
        let field = self.field;
        if field.wire_type == wire::LEN {
            while seq
                .next_element_seed(Value { field, place: Place::Element, out: &mut *self.out })?
                .is_some()
            {}
            return Ok(());
        }
        let mut packed = Vec::new();
        while seq.next_element_seed(Value { field, place: Place::Packed, out: &mut packed })?.is_some() {}
        if !packed.is_empty() {
            wire::write_header(field.number, packed.len(), self.out);
            self.out.append(&mut packed);
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        let Kind::Message(schema) = self.field.kind else {
            return Err(A::Error::invalid_type(Unexpected::Map, &self));
        };
        let mut payload = Vec::new();
        MessageVisitor { schema, out: &mut payload }.visit_map(map)?;
        self.put_bytes(&payload)
    }
}

impl Value<'_> {
    fn is_list(&self) -> bool {
        self.place == Place::Field && self.field.presence == Presence::Repeated
    }

    fn integer<E: Error>(self, number: i128, found: Unexpected<'_>) -> Result<(), E> {
        let bits = match self.field.kind {
            Kind::Int32 | Kind::Enum(_) => i32::try_from(number).ok().map(|n| i64::from(n) as u64),
            Kind::Sint32 => i32::try_from(number).ok().map(|n| u64::from(((n << 1) ^ (n >> 31)) as u32)),
            Kind::Uint32 | Kind::Fixed32 => u32::try_from(number).ok().map(u64::from),
            Kind::Int64 | Kind::Sfixed64 => i64::try_from(number).ok().map(|n| n as u64),
            Kind::Uint64 | Kind::Fixed64 => u64::try_from(number).ok(),
            Kind::Double => Some((number as f64).to_bits()),
            _ => return Err(E::invalid_type(found, &self)),
        };
        match bits {
            Some(bits) => self.put(bits),
            None => Err(E::invalid_value(found, &self)),
        }
    }

    fn id<const N: usize, E: Error>(self, text: &str) -> Result<(), E> {
        let mut id = [0; N];
        if text.is_empty() {
            return self.put_bytes(&[]);
        }
        if text.len() != 2 * N || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(E::invalid_value(Unexpected::Str(text), &self));
        }
        for (byte, digits) in id.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let value = |digit: &u8| char::from(*digit).to_digit(16).unwrap_or_default() as u8;
            *byte = digits.iter().fold(0, |high, digit| high << 4 | value(digit));
        }
        self.put_bytes(&id)
    }

    /// Appends a number, given as the bits of its varint or of its fixed size.
    fn put<E: Error>(self, bits: u64) -> Result<(), E> {
        if self.is_list() {
            return Err(E::invalid_type(Unexpected::Other("a single number"), &self));
        }
        if bits == 0 && self.place == Place::Field && self.field.presence == Presence::Plain {
            return Ok(());
        }
        let wire_type = self.field.wire_type;
        if self.place != Place::Packed {
            wire::write_varint(u64::from(self.field.number) << 3 | u64::from(wire_type), self.out);
        }
        match wire_type {
            wire::FIXED64 => self.out.extend_from_slice(&bits.to_le_bytes()),
            wire::FIXED32 => self.out.extend_from_slice(&(bits as u32).to_le_bytes()),
            _ => wire::write_varint(bits, self.out),
        }
        Ok(())
    }

    /// Appends a string, bytes, an id or a message.
    fn put_bytes<E: Error>(self, payload: &[u8]) -> Result<(), E> {
        if self.is_list() {
            return Err(E::invalid_type(Unexpected::Other("a single value"), &self));
        }
        if !payload.is_empty() || self.field.presence != Presence::Plain {
            wire::write_header(self.field.number, payload.len(), self.out);
            self.out.extend_from_slice(payload);
        }
        Ok(())
    }
}
