//! The check at the door: one pass over a body that accepts nothing the decoder would refuse later.
//!
//! After it, bytes of different clients can be concatenated without one client's bad record costing another's data.

use crate::block::Block;
use crate::schema::{self, Items, Kind, Message, Presence};
use crate::wire;
use crate::{Fault, Signal, WireError};

/// The deepest nesting of messages, the request included. prost, and protobuf for C++, Java and Python, stop at 100; what
/// passes here must pass there, also with a few levels around it.
pub(crate) const MAX_DEPTH: usize = 90;

/// How much memory the decoded model of a body may take: so many times the body, and a little for small ones.
///
/// Two bytes are an empty span, and the model of a span takes hundreds; telemetry takes five to twenty times its bytes.
const MAX_GROWTH: usize = 64;
const FREE_GROWTH: usize = 1 << 20;

/// A validating pass over one body.
pub(crate) struct Validator<'a> {
    signal: Signal,
    body: &'a [u8],
    items: usize,
    /// What lists take in the decoded model, in bytes; all else is in proportion to the body.
    decoded: usize,
}

/// A fault with the message and the field that have it. Built only where something is wrong.
type Located = Box<WireError>;

impl<'a> Validator<'a> {
    pub(crate) fn new(signal: Signal, body: &'a [u8]) -> Self {
        Validator { signal, body, items: 0, decoded: 0 }
    }

    /// The items seen so far.
    pub(crate) fn items(&self) -> usize {
        self.items
    }

    /// Checks a whole Resource block, given as a field of the request.
    pub(crate) fn block(&mut self, field: &wire::Field<'a>) -> Result<(), Located> {
        self.decoded += size_of::<Block>();
        self.message(field.payload, schema::block(self.signal), 1)?;
        let limit = self.body.len().saturating_mul(MAX_GROWTH).saturating_add(FREE_GROWTH);
        if self.decoded > limit {
            return Err(self.located(schema::request(self.signal), field, Fault::Growth(limit)));
        }
        Ok(())
    }

    /// Checks the field of a message of type `schema` that stands `depth` levels below the request.
    #[inline(always)]
    fn field(
        &mut self,
        field: &wire::Field<'a>,
        schema: &'static Message,
        depth: usize,
    ) -> Result<(), Located> {
        let Some(known) = schema.field(field.number) else { return Ok(()) };
        let expected = known.wire_type;
        if field.wire_type != expected {
            let packed =
                known.presence == Presence::Repeated && expected != wire::LEN && field.wire_type == wire::LEN;
            if !packed {
                let fault = Fault::Mismatch { expected, found: field.wire_type };
                return Err(self.located(schema, field, fault));
            }
            self.decoded += field.payload.len() * size_of::<u64>();
            return check_packed(field.payload, expected).map_err(|fault| self.located(schema, field, fault));
        }
        let fault = match known.kind {
            Kind::Message(inner) => {
                if known.presence == Presence::Repeated {
                    self.decoded += inner.size;
                }
                return self.message(field.payload, inner, depth + 1);
            }
            Kind::String => {
                if known.presence == Presence::Repeated {
                    self.decoded += size_of::<String>();
                }
                check_utf8(field.payload)
            }
            Kind::TraceId => check_id(field.payload, 16),
            Kind::SpanId => check_id(field.payload, 8),
            _ => Ok(()),
        };
        fault.map_err(|fault| self.located(schema, field, fault))
    }

    /// Checks a whole message of type `schema` that stands `depth` levels below the request.
    fn message(&mut self, bytes: &'a [u8], schema: &'static Message, depth: usize) -> Result<(), Located> {
        if depth >= MAX_DEPTH {
            return Err(self.at(schema.name.to_owned(), bytes, Fault::Depth(MAX_DEPTH)));
        }
        self.items += usize::from(schema.items == Items::One);
        let has_exclusive = std::ptr::eq(schema, &schema::METRIC);
        let mut exclusive = 0;
        let attributes_tag = if depth + 2 < MAX_DEPTH { schema.attributes_tag } else { NO_TAG };
        let mut rest = bytes;
        while let Some(tag) = rest.first() {
            if let Some(after) = schema.after_plain(rest) {
                rest = after;
                continue;
            }
            if *tag == attributes_tag
                && let Some((count, after)) = after_plain_attributes(rest, *tag)
            {
                self.decoded += count * schema::KEY_VALUE.size;
                rest = after;
                continue;
            }
            let (field, after) =
                wire::read_field(rest).map_err(|fault| self.at(schema.name.to_owned(), rest, fault))?;
            self.field(&field, schema, depth)?;
            if has_exclusive && schema.field(field.number).is_some_and(|f| f.presence == Presence::Exclusive)
            {
                exclusive += 1;
                if exclusive > 1 {
                    return Err(self.located(schema, &field, Fault::SecondData));
                }
            }
            rest = after;
        }
        Ok(())
    }

    #[cold]
    fn located(&self, schema: &Message, field: &wire::Field<'_>, fault: Fault) -> Located {
        let place = match schema.field(field.number) {
            Some(known) => format!("{}.{}", schema.name, known.json),
            None => format!("{} field {}", schema.name, field.number),
        };
        self.at(place, field.raw, fault)
    }

    /// A fault in `place`, which begins where `bytes` begin within the body.
    #[cold]
    pub(crate) fn at(&self, place: String, bytes: &[u8], fault: Fault) -> Located {
        let offset = (bytes.as_ptr() as usize).saturating_sub(self.body.as_ptr() as usize);
        Box::new(WireError::Invalid { signal: self.signal, place, offset, fault })
    }
}

/// The tag of no field.
const NO_TAG: u8 = 0;

/// How many attributes are looked at together.
const RUN: usize = 64;

/// Passes over the first attributes in `bytes`, fields with this tag, if they are what most are: below 128 bytes, with a key
/// and a string or a number. Returns how many there were and what follows them.
#[inline(always)]
fn after_plain_attributes(bytes: &[u8], tag: u8) -> Option<(usize, &[u8])> {
    let mut count = 0;
    let mut rest = bytes;
    while count < RUN
        && let Some((attribute, after)) = short_field(rest, tag)
        && let Some((_, [0x0a, text_len, text @ ..])) = key_and_value(attribute)
        && usize::from(*text_len) == text.len()
    {
        count += 1;
        rest = after;
    }
    if count > 0 {
        // What is not text in these are tags and lengths below 128, which are ASCII too: all strings are UTF-8 if, and
        // only if, the whole is.
        let run = bytes.get(..bytes.len() - rest.len())?;
        return check_utf8(run).is_ok().then_some((count, rest));
    }
    let (attribute, after) = short_field(bytes, tag)?;
    let (key, value) = key_and_value(attribute)?;
    (is_number(value) && check_utf8(key).is_ok()).then_some((1, after))
}

/// The payload of the field at the start of `bytes`, if it has this tag and less than 128 bytes, and what follows it.
#[inline(always)]
fn short_field(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    match bytes {
        [first, len @ ..0x80, after @ ..] if *first == tag => after.split_at_checked(usize::from(*len)),
        _ => None,
    }
}

/// The key and the bytes of the value, if an attribute below 128 bytes is just these two.
#[inline(always)]
fn key_and_value(attribute: &[u8]) -> Option<(&[u8], &[u8])> {
    let [0x0a, key_len, rest @ ..] = attribute else { return None };
    let (key, [0x12, value_len, value @ ..]) = rest.split_at_checked(usize::from(*key_len))? else {
        return None;
    };
    (usize::from(*value_len) == value.len()).then_some((key, value))
}

/// Whether the value is a bool, an integer or a double, and nothing else.
#[inline(always)]
fn is_number(value: &[u8]) -> bool {
    match value {
        [0x10 | 0x18, first @ .., last] => {
            first.len() < 9 && first.iter().all(|b| *b >= 0x80) && *last < 0x80
        }
        [0x21, double @ ..] => double.len() == 8,
        _ => false,
    }
}

#[inline(always)]
fn check_utf8(bytes: &[u8]) -> Result<(), Fault> {
    if bytes.is_ascii() || simdutf8::basic::from_utf8(bytes).is_ok() { Ok(()) } else { Err(Fault::Utf8) }
}

#[inline(always)]
fn check_id(bytes: &[u8], expected: usize) -> Result<(), Fault> {
    match bytes.len() {
        0 => Ok(()),
        found if found == expected => Ok(()),
        found => Err(Fault::IdSize { expected, found }),
    }
}

fn check_packed(mut bytes: &[u8], wire_type: u8) -> Result<(), Fault> {
    if wire_type == wire::FIXED64 {
        return if bytes.len().is_multiple_of(8) { Ok(()) } else { Err(Fault::Packed(bytes.len())) };
    }
    while !bytes.is_empty() {
        let (_, size) = wire::read_varint(bytes)?;
        bytes = bytes.get(size..).unwrap_or_default();
    }
    Ok(())
}
