//! Compression of bodies and gRPC messages. Decompression never gives more than it is asked for, and stops as
//! soon as it would.

use std::fmt;
use std::io::{self, Read, Write};

use bytes::{Bytes, BytesMut};
use serde::de::{Deserialize, Deserializer, Error as _};

/// A way to compress. In files: the names otelcol has; `""` is the same as `none`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
    /// Snappy: block format in HTTP, framing format in gRPC (as otelcol has them).
    Snappy,
    /// Snappy's framing format in HTTP.
    SnappyFramed,
    /// RFC 1950, under the name HTTP gave it.
    Deflate,
    /// RFC 1950.
    Zlib,
    /// LZ4 frame format.
    Lz4,
}

/// A name that is no compression of otelcol's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "unsupported compression type {0:?}, expected one of none, gzip, zstd, snappy, x-snappy-framed, deflate, zlib, lz4"
)]
pub struct UnknownCompression(pub String);

impl Compression {
    /// Every way there is, none included.
    pub const ALL: [Compression; 8] = [
        Compression::None,
        Compression::Gzip,
        Compression::Zstd,
        Compression::Snappy,
        Compression::SnappyFramed,
        Compression::Deflate,
        Compression::Zlib,
        Compression::Lz4,
    ];

    /// The name in files, in `Content-Encoding` and in `grpc-encoding`.
    pub fn name(self) -> &'static str {
        match self {
            Compression::None => "none",
            Compression::Gzip => "gzip",
            Compression::Zstd => "zstd",
            Compression::Snappy => "snappy",
            Compression::SnappyFramed => "x-snappy-framed",
            Compression::Deflate => "deflate",
            Compression::Zlib => "zlib",
            Compression::Lz4 => "lz4",
        }
    }

    /// The way with this name, in any case; `""` and `identity` are none.
    pub fn from_name(name: &str) -> Result<Self, UnknownCompression> {
        if name.is_empty() || name.eq_ignore_ascii_case("identity") {
            return Ok(Compression::None);
        }
        let known = Compression::ALL.into_iter().find(|c| c.name().eq_ignore_ascii_case(name));
        known.ok_or_else(|| UnknownCompression(name.to_owned()))
    }

    /// The way a gRPC peer means with a `grpc-encoding` of this name: its snappy is the framing format.
    /// None where gRPC has no such encoding.
    pub(crate) fn for_grpc(self) -> Option<Self> {
        match self {
            Compression::None | Compression::Gzip | Compression::Zstd | Compression::Deflate => Some(self),
            Compression::Snappy => Some(Compression::SnappyFramed),
            Compression::SnappyFramed | Compression::Zlib | Compression::Lz4 => None,
        }
    }

    /// Whether `level` means something for this way; the error is otelcol's text.
    pub fn check_level(self, level: i32) -> Result<(), String> {
        let fits = match self {
            Compression::None | Compression::Zstd => true,
            Compression::Gzip | Compression::Zlib | Compression::Deflate => (-2..=9).contains(&level),
            Compression::Snappy | Compression::SnappyFramed | Compression::Lz4 => level == 0,
        };
        if fits {
            return Ok(());
        }
        Err(format!("unsupported parameters {{Level:{level}}} for compression type {:?}", self.name()))
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Compression {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Compression::from_name(&name).map_err(D::Error::custom)
    }
}

/// Why a body could not be decompressed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecompressError {
    /// It would give more than this many bytes.
    #[error("decompressed size is larger than the limit of {limit} bytes")]
    TooLarge {
        /// The most that was allowed.
        limit: usize,
    },
    /// It is not what its encoding says.
    #[error("invalid {encoding} data: {reason}")]
    Corrupt {
        /// The encoding it was said to have.
        encoding: Compression,
        /// What the decoder found.
        reason: String,
    },
}

/// All chunks one after another, compressed. `level` 0 and below is the encoder's default.
///
/// An error can only come from the encoder itself (no memory for its state).
pub fn compress(kind: Compression, level: i32, chunks: &[Bytes]) -> io::Result<Bytes> {
    let out = match kind {
        Compression::None => return Ok(concat(chunks)),
        Compression::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), deflate_level(level));
            write_all(&mut encoder, chunks)?;
            encoder.finish()?
        }
        Compression::Zlib | Compression::Deflate => {
            let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), deflate_level(level));
            write_all(&mut encoder, chunks)?;
            encoder.finish()?
        }
        Compression::Zstd => {
            let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), level.clamp(0, 22))?;
            // The size in the frame header lets the other side refuse or allocate at once.
            encoder.set_pledged_src_size(Some(total(chunks) as u64))?;
            encoder.include_contentsize(true)?;
            write_all(&mut encoder, chunks)?;
            encoder.finish()?
        }
        Compression::Snappy => {
            snap::raw::Encoder::new().compress_vec(&concat(chunks)).map_err(io::Error::other)?
        }
        Compression::SnappyFramed => {
            let mut encoder = snap::write::FrameEncoder::new(Vec::new());
            write_all(&mut encoder, chunks)?;
            encoder.into_inner().map_err(snap::write::IntoInnerError::into_error)?
        }
        Compression::Lz4 => {
            let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
            write_all(&mut encoder, chunks)?;
            encoder.finish().map_err(io::Error::other)?
        }
    };
    Ok(Bytes::from(out))
}

/// What `data` holds, if that is at most `max` bytes.
///
/// The output buffer never grows past `max`; a decoder's own window comes on top (8 MiB for zstd and lz4 at most).
/// `snappy` is taken in block and in framing format, as otelcol does.
pub fn decompress(kind: Compression, data: &[u8], max: usize) -> Result<Bytes, DecompressError> {
    let corrupt = |reason: String| DecompressError::Corrupt { encoding: kind, reason };
    let read = |reader: &mut dyn Read| read_capped(reader, data.len(), max, &corrupt);
    match kind {
        Compression::None if data.len() > max => Err(DecompressError::TooLarge { limit: max }),
        Compression::None => Ok(Bytes::copy_from_slice(data)),
        Compression::Gzip => read(&mut flate2::bufread::MultiGzDecoder::new(data)),
        Compression::Zlib | Compression::Deflate => read(&mut flate2::bufread::ZlibDecoder::new(data)),
        Compression::Zstd => {
            let mut decoder =
                zstd::stream::read::Decoder::with_buffer(data).map_err(|e| corrupt(e.to_string()))?;
            // RFC 8878 3.1.1.1.2 asks decoders for 8 MiB; more would let a frame of ten bytes claim 128 MiB.
            decoder.window_log_max(ZSTD_WINDOW_LOG).map_err(|e| corrupt(e.to_string()))?;
            read(&mut decoder)
        }
        Compression::Snappy if !data.starts_with(SNAPPY_STREAM) => snappy_block(data, max, &corrupt),
        Compression::Snappy | Compression::SnappyFramed => read(&mut snap::read::FrameDecoder::new(data)),
        Compression::Lz4 if data.is_empty() => Ok(Bytes::new()),
        Compression::Lz4 => {
            read(&mut Lz4Frames(lz4_flex::frame::FrameDecoder::new(Source { rest: data, is_over: false })))
        }
    }
}

const ZSTD_WINDOW_LOG: u32 = 23;

/// First chunk of a stream in snappy's framing format (framing_format.txt, 4.1).
const SNAPPY_STREAM: &[u8] = b"\xff\x06\x00\x00sNaPpY";

/// No snappy element gives more than 64 bytes for 3 (format_description.txt, 2.2.2).
const SNAPPY_MAX_RATIO: usize = 22;

fn snappy_block(
    data: &[u8],
    max: usize,
    corrupt: &dyn Fn(String) -> DecompressError,
) -> Result<Bytes, DecompressError> {
    let claimed = snap::raw::decompress_len(data).map_err(|e| corrupt(e.to_string()))?;
    if claimed > max {
        return Err(DecompressError::TooLarge { limit: max });
    }
    if claimed > data.len().saturating_mul(SNAPPY_MAX_RATIO) {
        return Err(corrupt(format!("{} bytes can not hold the {claimed} they claim", data.len())));
    }
    let out = snap::raw::Decoder::new().decompress_vec(data).map_err(|e| corrupt(e.to_string()))?;
    Ok(Bytes::from(out))
}

/// Frames one after another. The decoder ends with the first, and takes one that was cut off between two blocks for a
/// whole one.
struct Lz4Frames<'a>(lz4_flex::frame::FrameDecoder<Source<'a>>);

impl Read for Lz4Frames<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            let n = self.0.read(into)?;
            let source = self.0.get_ref();
            if n == 0 && source.is_over {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "incomplete frame"));
            }
            if n > 0 || source.rest.is_empty() {
                return Ok(n);
            }
        }
    }
}

/// Compressed data, and whether more of it was asked for than there is.
struct Source<'a> {
    rest: &'a [u8],
    is_over: bool,
}

impl Read for Source<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.is_over |= self.rest.is_empty();
        self.rest.read(into)
    }
}

/// Reads to the end into a buffer that grows by doubling, up to `max` and never beyond.
fn read_capped(
    reader: &mut dyn Read,
    compressed: usize,
    max: usize,
    corrupt: &dyn Fn(String) -> DecompressError,
) -> Result<Bytes, DecompressError> {
    let mut out: Vec<u8> = Vec::new();
    let mut filled = 0;
    loop {
        if filled == out.len() {
            if filled == max {
                return match read_some(reader, &mut [0]).map_err(|e| corrupt(e.to_string()))? {
                    0 => Ok(Bytes::from(out)),
                    _ => Err(DecompressError::TooLarge { limit: max }),
                };
            }
            let next = if filled == 0 { compressed.saturating_mul(4).max(1024) } else { filled * 2 }.min(max);
            out.reserve_exact(next - filled);
            out.resize(next, 0);
        }
        let n = read_some(reader, &mut out[filled..]).map_err(|e| corrupt(e.to_string()))?;
        if n == 0 {
            out.truncate(filled);
            // What stays unused would be pinned as long as the message lives.
            if out.capacity() > filled + filled / 4 {
                out.shrink_to_fit();
            }
            return Ok(Bytes::from(out));
        }
        filled += n;
    }
}

fn read_some(reader: &mut dyn Read, into: &mut [u8]) -> io::Result<usize> {
    loop {
        match reader.read(into) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

fn deflate_level(level: i32) -> flate2::Compression {
    match level {
        // Go's Huffman coding alone, which zlib has not: the quickest is the nearest.
        -2 => flate2::Compression::fast(),
        1..=9 => flate2::Compression::new(level.unsigned_abs()),
        _ => flate2::Compression::default(),
    }
}

fn write_all(to: &mut impl Write, chunks: &[Bytes]) -> io::Result<()> {
    chunks.iter().try_for_each(|chunk| to.write_all(chunk))
}

fn total(chunks: &[Bytes]) -> usize {
    chunks.iter().map(Bytes::len).sum()
}

/// All chunks as one; a single one is not copied.
pub(crate) fn concat(chunks: &[Bytes]) -> Bytes {
    if let [only] = chunks {
        return only.clone();
    }
    let mut out = BytesMut::with_capacity(total(chunks));
    chunks.iter().for_each(|chunk| out.extend_from_slice(chunk));
    out.freeze()
}

#[cfg(test)]
mod tests;
