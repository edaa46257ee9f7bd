//! What a file holds: a header with version, length and checksum, then keys and values.
//!
//! ```text
//! 8   "otelkv" 0 1            name and version of the format
//! 8   length                  of all that follows the checksum, little-endian
//! 32  SHA-256                 of all that follows it
//! then, for each key in order: length u32, key, length u32, value
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use sha2::{Digest, Sha256};

/// Keys and values. A value is shared by the versions of the file that hold it.
pub(super) type Entries = BTreeMap<String, Arc<[u8]>>;

const MAGIC: [u8; 8] = *b"otelkv\0\x01";
const HEADER: usize = 48;

/// The size of a file with these entries.
pub(super) fn size(entries: &Entries) -> u64 {
    let entries: usize = entries.iter().map(|(key, value)| 8 + key.len() + value.len()).sum();
    (HEADER + entries) as u64
}

/// The content of a file; `None` where a key or value is too long for it (4 GiB).
pub(super) fn encode(entries: &Entries) -> Option<Vec<u8>> {
    let mut file = vec![0; HEADER];
    for (key, value) in entries {
        for part in [key.as_bytes(), value] {
            file.extend_from_slice(&u32::try_from(part.len()).ok()?.to_le_bytes());
            file.extend_from_slice(part);
        }
    }
    let length = (file.len() - HEADER) as u64;
    let digest = Sha256::digest(&file[HEADER..]);
    file[..8].copy_from_slice(&MAGIC);
    file[8..16].copy_from_slice(&length.to_le_bytes());
    file[16..HEADER].copy_from_slice(&digest);
    Some(file)
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
        entries.insert(key.to_owned(), value.into());
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
