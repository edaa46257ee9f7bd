//! Protobuf's wire format, no further than OTLP needs it.
//!
//! Source: <https://protobuf.dev/programming-guides/encoding/>.

use crate::Fault;

pub(crate) const VARINT: u8 = 0;
pub(crate) const FIXED64: u8 = 1;
pub(crate) const LEN: u8 = 2;
pub(crate) const FIXED32: u8 = 5;

/// One field of a message, as it stands in the bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field<'a> {
    pub(crate) number: u32,
    pub(crate) wire_type: u8,
    /// Tag, length and payload.
    pub(crate) raw: &'a [u8],
    /// The payload alone; of a varint, its bytes.
    pub(crate) payload: &'a [u8],
}

/// The fields of a message, in the order in which they stand. After an error the iterator ends.
#[derive(Clone)]
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(crate) fn of(message: &'a [u8]) -> Self {
        Fields { rest: message }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, Fault>;

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let (field, rest) = match read_field(self.rest) {
            Ok((field, rest)) => (Ok(field), rest),
            Err(fault) => (Err(fault), &[][..]),
        };
        self.rest = rest;
        Some(field)
    }
}

/// Reads the field that `bytes` begin with, and returns what follows it too.
#[inline(always)]
pub(crate) fn read_field(bytes: &[u8]) -> Result<(Field<'_>, &[u8]), Fault> {
    let (key, after_key) = read_varint(bytes)?;
    let wire_type = (key & 7) as u8;
    let number = match u32::try_from(key >> 3) {
        Ok(number) if (1..1 << 29).contains(&number) => number,
        _ => return Err(Fault::FieldNumber),
    };
    let (start, len) = match wire_type {
        LEN => {
            let (len, size) = read_varint(bytes.get(after_key..).unwrap_or_default())?;
            (after_key + size, usize::try_from(len).map_err(|_| Fault::Truncated)?)
        }
        VARINT => (after_key, read_varint(bytes.get(after_key..).unwrap_or_default())?.1),
        FIXED64 => (after_key, 8),
        FIXED32 => (after_key, 4),
        other => return Err(Fault::WireType(other)),
    };
    let payload = bytes.get(start..).and_then(|b| b.get(..len)).ok_or(Fault::Truncated)?;
    let (raw, rest) = bytes.split_at(start + len);
    Ok((Field { number, wire_type, raw, payload }, rest))
}

/// Reads a varint: its value and its size in bytes.
#[inline(always)]
pub(crate) fn read_varint(bytes: &[u8]) -> Result<(u64, usize), Fault> {
    match bytes {
        [first, ..] if *first < 0x80 => Ok((u64::from(*first), 1)),
        _ => read_long_varint(bytes),
    }
}

fn read_long_varint(bytes: &[u8]) -> Result<(u64, usize), Fault> {
    let mut value = 0u64;
    for (at, byte) in bytes.iter().take(10).enumerate() {
        let bits = u64::from(byte & 0x7f);
        if at == 9 && *byte > 1 {
            return Err(Fault::Varint);
        }
        value |= bits << (7 * at);
        if *byte < 0x80 {
            return Ok((value, at + 1));
        }
    }
    Err(if bytes.len() < 10 { Fault::Truncated } else { Fault::Varint })
}

/// Appends a varint.
pub(crate) fn write_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends the tag and the length of a length-delimited field.
pub(crate) fn write_header(number: u32, len: usize, out: &mut Vec<u8>) {
    write_varint(u64::from(number) << 3 | u64::from(LEN), out);
    write_varint(len as u64, out);
}

/// The size of a varint, in bytes.
pub(crate) fn varint_len(value: u64) -> usize {
    ((64 - (value | 1).leading_zeros()) as usize).div_ceil(7)
}

/// The size of a length-delimited field with its tag and length, in bytes.
pub(crate) fn field_len(number: u32, len: usize) -> usize {
    varint_len(u64::from(number) << 3) + varint_len(len as u64) + len
}
