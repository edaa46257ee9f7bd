//! What a file holds: a header with version, length and checksum, then keys and values.
//!
//! ```text
//! 8   "otelkv" 0 1            name and version of the format
//! 8   length                  of all that follows the checksum, little-endian
//! 32  SHA-256                 of all that follows it
//! then, for each key in order: length u32, key, length u32, value
//! ```
//!
//! Values are large and pass through in pieces: nobody but who asks for one has it in memory.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;

use sha2::{Digest, Sha256};

/// Where the values of a file are, by key.
pub(super) type Index = BTreeMap<String, Stored>;

/// A value in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stored {
    offset: u64,
    length: u32,
    checksum: u32,
}

/// A value of a file that is to be written.
#[derive(Debug)]
pub(super) enum Content {
    /// A new one.
    New(Vec<u8>),
    /// One that the old file has.
    Old(Stored),
}

/// What a file is to hold, by key.
pub(super) type Contents = BTreeMap<String, Content>;

const MAGIC: [u8; 8] = *b"otelkv\0\x01";
const HEADER: usize = 48;
const PIECE: usize = 64 * 1024;

impl Content {
    fn len(&self) -> usize {
        match self {
            Self::New(value) => value.len(),
            Self::Old(stored) => stored.length as usize,
        }
    }
}

impl Stored {
    /// Hands on the value in pieces.
    ///
    /// # Errors
    /// It cannot be read, is not what was written, or `put` failed.
    fn pass(self, file: &File, mut put: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        let mut piece = vec![0; PIECE.min(self.length as usize)];
        let (mut at, mut left) = (self.offset, self.length as usize);
        let mut checksum = crc32fast::Hasher::new();
        while left > 0 {
            let piece = &mut piece[..PIECE.min(left)];
            file.read_exact_at(piece, at)?;
            checksum.update(piece);
            put(piece)?;
            at += piece.len() as u64;
            left -= piece.len();
        }
        if checksum.finalize() == self.checksum {
            Ok(())
        } else {
            Err(io::Error::other("a value is not what was written"))
        }
    }

    /// The value.
    ///
    /// # Errors
    /// It cannot be read, or is not what was written.
    pub(super) fn read(self, file: &File) -> io::Result<Vec<u8>> {
        let mut value = Vec::with_capacity(self.length as usize);
        self.pass(file, |piece| {
            value.extend_from_slice(piece);
            Ok(())
        })?;
        Ok(value)
    }
}

/// The size of a file with this content.
pub(super) fn size(contents: &Contents) -> u64 {
    let parts: usize = contents.iter().map(|(key, content)| 8 + key.len() + content.len()).sum();
    (HEADER + parts) as u64
}

/// What passes through it, and where it is.
struct Digesting<'o, O> {
    out: &'o mut O,
    digest: Sha256,
    at: u64,
}

impl<O: Write> Digesting<'_, O> {
    fn put(&mut self, part: &[u8]) -> io::Result<()> {
        self.digest.update(part);
        self.at += part.len() as u64;
        self.out.write_all(part)
    }

    fn length(&mut self, length: usize) -> io::Result<u32> {
        let length = u32::try_from(length).map_err(|_| io::Error::other("a value is larger than 4 GiB"))?;
        self.put(&length.to_le_bytes())?;
        Ok(length)
    }
}

/// Writes a file at the beginning of `out`; `old` is the one with the old values.
///
/// # Errors
/// `out` cannot be written to, `old` cannot be read, or a key or value is too long (4 GiB).
pub(super) fn write(
    contents: &Contents,
    old: Option<&File>,
    out: &mut (impl Write + Seek),
) -> io::Result<Index> {
    out.write_all(&[0; HEADER])?;
    let mut parts = Digesting { out, digest: Sha256::new(), at: HEADER as u64 };
    let mut index = Index::new();
    for (key, content) in contents {
        parts.length(key.len())?;
        parts.put(key.as_bytes())?;
        let length = parts.length(content.len())?;
        let offset = parts.at;
        let checksum = match (content, old) {
            (Content::New(value), _) => {
                parts.put(value)?;
                crc32fast::hash(value)
            }
            (Content::Old(stored), Some(old)) => {
                stored.pass(old, |piece| parts.put(piece))?;
                stored.checksum
            }
            (Content::Old(_), None) => return Err(io::Error::other("there is no file with the old values")),
        };
        index.insert(key.clone(), Stored { offset, length, checksum });
    }
    let Digesting { out, digest, at } = parts;
    out.seek(SeekFrom::Start(0))?;
    out.write_all(&MAGIC)?;
    out.write_all(&(at - HEADER as u64).to_le_bytes())?;
    out.write_all(&digest.finalize())?;
    Ok(index)
}

/// Why there is no index of a file.
#[derive(Debug)]
pub(super) enum ReadError {
    /// It cannot be read.
    Io(io::Error),
    /// How the content differs from what was written.
    Corrupt(String),
}

impl From<io::Error> for ReadError {
    fn from(why: io::Error) -> Self {
        Self::Io(why)
    }
}

/// Where the values are in a file of `size` bytes, all of which is read.
///
/// # Errors
/// It cannot be read, or is not what was written.
pub(super) fn read(file: &mut impl Read, size: u64) -> Result<Index, ReadError> {
    let corrupt = |why: &str| ReadError::Corrupt(why.to_owned());
    let Some(length) = size.checked_sub(HEADER as u64) else {
        return Err(ReadError::Corrupt(format!("expected a header of {HEADER} bytes, found {size} bytes")));
    };
    let mut header = [0; HEADER];
    file.read_exact(&mut header)?;
    if header[..8] != MAGIC {
        return Err(corrupt("expected a file of this program and version, found another"));
    }
    let expected = header[8..16].iter().rev().fold(0_u64, |length, byte| length << 8 | u64::from(*byte));
    if expected != length {
        return Err(ReadError::Corrupt(format!("expected {expected} bytes of content, found {length}")));
    }
    let mut parts = Parts { file, digest: Sha256::new(), at: HEADER as u64, left: length };
    let mut index = Index::new();
    let mut is_cut = false;
    while parts.left > 0 && !is_cut {
        is_cut = match parts.entry()? {
            Some((key, stored)) => index.insert(key, stored).is_some(),
            None => true,
        };
    }
    // What is behind a wrong length counts for the checksum, too, which tells more.
    parts.rest()?;
    if parts.digest.finalize()[..] != header[16..] {
        return Err(corrupt("the checksum does not match the content"));
    }
    if is_cut { Err(corrupt("the keys and values are not what this program writes")) } else { Ok(index) }
}

/// What is left of the content.
struct Parts<'f, F> {
    file: &'f mut F,
    digest: Sha256,
    at: u64,
    left: u64,
}

impl<F: Read> Parts<'_, F> {
    /// A key and where its value is; `None` if there is none that is valid.
    fn entry(&mut self) -> io::Result<Option<(String, Stored)>> {
        let Some(length) = self.length()? else { return Ok(None) };
        let mut key = Vec::new();
        self.take(length.into(), |piece| key.extend_from_slice(piece))?;
        let Some(length) = self.length()? else { return Ok(None) };
        let offset = self.at;
        let mut checksum = crc32fast::Hasher::new();
        self.take(length.into(), |piece| checksum.update(piece))?;
        let stored = Stored { offset, length, checksum: checksum.finalize() };
        Ok(String::from_utf8(key).ok().map(|key| (key, stored)))
    }

    /// A length of something that is there.
    fn length(&mut self) -> io::Result<Option<u32>> {
        let mut length = [0; 4];
        if self.left < 4 {
            return Ok(None);
        }
        let mut filled = 0;
        self.take(4, |piece| {
            length[filled..filled + piece.len()].copy_from_slice(piece);
            filled += piece.len();
        })?;
        let length = u32::from_le_bytes(length);
        Ok((u64::from(length) <= self.left).then_some(length))
    }

    fn rest(&mut self) -> io::Result<()> {
        self.take(self.left, |_| {})
    }

    /// Takes so many of the bytes that are left, in pieces.
    fn take(&mut self, mut bytes: u64, mut each: impl FnMut(&[u8])) -> io::Result<()> {
        let mut piece = vec![0; PIECE.min(usize::try_from(bytes).unwrap_or(PIECE))];
        while bytes > 0 {
            let piece = &mut piece[..PIECE.min(usize::try_from(bytes).unwrap_or(PIECE))];
            self.file.read_exact(piece)?;
            self.digest.update(&*piece);
            each(piece);
            self.at += piece.len() as u64;
            self.left -= piece.len() as u64;
            bytes -= piece.len() as u64;
        }
        Ok(())
    }
}
