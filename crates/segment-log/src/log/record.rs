//! How a segment looks: a header, then records one after the other.
//!
//! ```text
//! 8   "otelseg" 1             name and version of the format
//! 8   number                  of the first record, little-endian like all numbers
//! then, for each record:
//! 4   F0 "REC"                where a reader finds the next record behind a damaged one
//! 4   CRC-32                  of the 24 bytes that follow
//! 8   number                  of the record; each is higher than the one before
//! 4   length                  of the payload
//! 4   items                   in the payload
//! 4   CRC-32                  of the payload
//! 4   zero                    for later versions
//! 4   state                   0: to be sent; 1: done. Outside of the checksums, as it is overwritten in place
//!     payload
//! ```

use memchr::memmem;

/// The size of a segment's header.
pub(super) const SEGMENT_HEADER: usize = 16;
/// The size of a record's header.
pub(super) const HEADER: usize = 36;
/// Where the state stands in a record's header.
pub(super) const STATE: u64 = 32;
/// The state of a record that is not needed any more.
pub(super) const DONE: [u8; 4] = 1_u32.to_le_bytes();

const MAGIC: [u8; 8] = *b"otelseg\x01";
const MARK: [u8; 4] = *b"\xf0REC";
/// No log lives long enough for a higher number: who wrote it wants to see it overflow.
pub(super) const HIGHEST: u64 = u64::MAX >> 1;

/// What stands before a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) number: u64,
    pub(super) len: u32,
    pub(super) items: u32,
    pub(super) checksum: u32,
    pub(super) done: bool,
}

impl Header {
    pub(super) fn encode(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..4].copy_from_slice(&MARK);
        bytes[8..16].copy_from_slice(&self.number.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.len.to_le_bytes());
        bytes[20..24].copy_from_slice(&self.items.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.checksum.to_le_bytes());
        let own = crc32fast::hash(&bytes[8..32]);
        bytes[4..8].copy_from_slice(&own.to_le_bytes());
        if self.done {
            bytes[32..].copy_from_slice(&DONE);
        }
        bytes
    }

    /// The header at the start of `bytes`. None where there is none that is whole.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; HEADER] = bytes.first_chunk()?;
        if bytes[..4] != MARK || u32_at(bytes, 4) != crc32fast::hash(&bytes[8..32]) {
            return None;
        }
        let number = u64::from(u32_at(bytes, 8)) | u64::from(u32_at(bytes, 12)) << 32;
        (number <= HIGHEST).then(|| Self {
            number,
            len: u32_at(bytes, 16),
            items: u32_at(bytes, 20),
            checksum: u32_at(bytes, 24),
            done: bytes[32..] == DONE,
        })
    }

    /// Whether `payload` is what was written.
    pub(super) fn matches(&self, payload: &[u8]) -> bool {
        payload.len() as u64 == u64::from(self.len) && crc32fast::hash(payload) == self.checksum
    }
}

fn u32_at(bytes: &[u8; HEADER], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// What a segment begins with.
pub(super) fn segment_header(first: u64) -> [u8; SEGMENT_HEADER] {
    let mut bytes = [0; SEGMENT_HEADER];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..].copy_from_slice(&first.to_le_bytes());
    bytes
}

/// What is in a segment.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Scan {
    /// Whole records, done ones too, and where they begin.
    pub(super) records: Vec<(u64, Header)>,
    /// Places where something else stood than what was written.
    pub(super) corrupt: usize,
    /// The end of the last whole record. What follows was being written when the process ended.
    pub(super) end: u64,
}

/// Reads a segment. Whatever the bytes are: records behind a damaged place are found.
pub(super) fn scan(segment: &[u8]) -> Scan {
    let mut scan = Scan { end: SEGMENT_HEADER as u64, ..Scan::default() };
    if segment.len() < SEGMENT_HEADER {
        scan.end = 0;
        return scan;
    }
    if segment[..8] != MAGIC {
        scan.corrupt += 1;
    }
    let mut at = SEGMENT_HEADER;
    let mut last = 0;
    while at < segment.len() {
        let Some((begin, header)) = next_header(segment, at, last) else { break };
        if begin > at {
            scan.corrupt += 1;
        }
        let payload = segment.get(begin + HEADER..begin + HEADER + header.len as usize);
        // Cut short, which only the last one can be. What looks like a record in it is what a client sent.
        let Some(payload) = payload else { break };
        last = header.number;
        at = begin + HEADER + payload.len();
        scan.end = at as u64;
        if header.done || header.matches(payload) {
            scan.records.push((begin as u64, header));
        } else {
            scan.corrupt += 1;
        }
    }
    scan
}

/// The first header at or behind `from` with a number above `last`.
fn next_header(segment: &[u8], from: usize, last: u64) -> Option<(usize, Header)> {
    let rest = segment.get(from..)?;
    let mut places = memmem::find_iter(rest, &MARK).map(|place| from + place);
    places.find_map(|place| {
        let header = Header::decode(&segment[place..])?;
        (header.number > last).then_some((place, header))
    })
}
