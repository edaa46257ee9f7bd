//! What a file holds: a header with version, length and checksum, then keys and values.
//!
//! ```text
//! 8   "otelkv" 0 1            name and version of the format
//! 8   length                  of all that follows the checksum, little-endian
//! 32  SHA-256                 of all that follows it
//! then, for each key in order: length u32, key, length u32, value
//! ```

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;

use sha2::{Digest, Sha256};

/// Keys and values. A value is shared by the versions of the file that hold it.
pub(super) type Entries = BTreeMap<String, Arc<Vec<u8>>>;

const MAGIC: [u8; 8] = *b"otelkv\0\x01";
const HEADER: usize = 48;

/// The size of a file with these entries.
pub(super) fn size(entries: &Entries) -> u64 {
    let entries: usize = entries.iter().map(|(key, value)| 8 + key.len() + value.len()).sum();
    (HEADER + entries) as u64
}

/// Writes the content of a file, of which no copy is made.
///
/// # Errors
/// `out` cannot be written to, or a key or value is too long (4 GiB).
pub(super) fn write(entries: &Entries, out: &mut impl Write) -> io::Result<()> {
    let mut digest = Sha256::new();
    parts(entries, |part| {
        digest.update(part);
        Ok(())
    })?;
    out.write_all(&MAGIC)?;
    out.write_all(&(size(entries) - HEADER as u64).to_le_bytes())?;
    out.write_all(&digest.finalize())?;
    parts(entries, |part| out.write_all(part))
}

fn parts(entries: &Entries, mut put: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    for part in entries.iter().flat_map(|(key, value)| [key.as_bytes(), value]) {
        let length = u32::try_from(part.len());
        let length = length.map_err(|_| io::Error::other("a value is larger than 4 GiB"))?;
        put(&length.to_le_bytes())?;
        put(part)?;
    }
    Ok(())
}

/// The entries of a file.
///
/// # Errors
/// How the content differs from what was written.
pub(super) fn decode(file: &[u8]) -> Result<Entries, String> {
    let Some((header, content)) = file.split_at_checked(HEADER) else {
        return Err(format!("expected a header of {HEADER} bytes, found {} bytes", file.len()));
    };
    if header[..8] != MAGIC {
        return Err("expected a file of this program and version, found another".to_owned());
    }
    let length = header[8..16].iter().rev().fold(0_u64, |length, byte| length << 8 | u64::from(*byte));
    if length != content.len() as u64 {
        return Err(format!("expected {length} bytes of content, found {}", content.len()));
    }
    if Sha256::digest(content)[..] != header[16..] {
        return Err("the checksum does not match the content".to_owned());
    }
    let mut rest = content;
    let mut entries = Entries::new();
    while !rest.is_empty() {
        let (key, value) =
            part(&mut rest).and_then(|key| Some((key, part(&mut rest)?))).ok_or("the content is cut")?;
        let key = std::str::from_utf8(key).map_err(|_| "a key is not UTF-8")?;
        entries.insert(key.to_owned(), Arc::new(value.to_vec()));
    }
    Ok(entries)
}

fn part<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, after) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let (part, after) = after.split_at_checked(length)?;
    *rest = after;
    Some(part)
}
