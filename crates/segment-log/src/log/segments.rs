//! All segments of a log, and where its records are. Everything here blocks on the disk.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use otelcol_pipeline::storage::{LogRecord, StorageError};

use super::record::{HEADER, Header, SEGMENT_HEADER, scan};
use super::segment::{Segment, list};

/// The size at which the next segment begins, where the limit is not small.
const SEGMENT: u64 = 16 * 1024 * 1024;
const SMALLEST_SEGMENT: u64 = 64 * 1024;
/// Records that wait together are written together, up to this size.
const GROUP: usize = 1024 * 1024;

/// Where a log is and how it is written.
#[derive(Debug, Clone)]
pub struct Place {
    /// Its own directory.
    pub directory: PathBuf,
    /// All segments together, in bytes. Zero: no limit.
    pub max_size: u64,
    /// Whether an append is on the disk before it counts as done.
    pub fsync: bool,
}

impl Place {
    /// The longest payload that fits, in bytes.
    pub(super) fn longest(&self) -> u64 {
        let fits = self.max_size.saturating_sub((SEGMENT_HEADER + HEADER) as u64);
        u64::from(u32::MAX).min(if self.max_size == 0 { u64::MAX } else { fits })
    }
}

/// What was wrong with the files when a log was opened.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Damage {
    /// Records, or places between them, that are not what was written.
    pub(crate) corrupt: usize,
    /// Bytes of unfinished writes that were cut off.
    pub(crate) torn: u64,
}

/// Where a record is.
#[derive(Debug, Clone, Copy)]
struct Location {
    segment: u64,
    offset: u64,
    len: u32,
}

/// A record to be appended.
pub(super) struct Entry {
    pub(super) payload: Vec<Bytes>,
    pub(super) items: usize,
}

/// The files of a log.
#[derive(Debug)]
pub(super) struct Segments {
    place: Place,
    segments: BTreeMap<u64, Segment>,
    records: BTreeMap<u64, Location>,
    /// The segment that is written. A log that was opened begins a new one.
    active: Option<u64>,
    next: u64,
    buffer: Vec<u8>,
    /// Why a segment that was left in the middle of an append may not be on the disk.
    not_synced: Option<io::Error>,
}

impl Segments {
    /// Reads what is there.
    pub(super) fn open(place: Place) -> io::Result<(Self, Vec<LogRecord>, Damage)> {
        let mut all = Self {
            segments: BTreeMap::new(),
            records: BTreeMap::new(),
            active: None,
            next: 1,
            buffer: Vec::new(),
            not_synced: None,
            place,
        };
        let (mut records, mut damage) = (Vec::new(), Damage::default());
        for (number, path) in list(&all.place.directory)? {
            let mut segment = Segment::open(path)?;
            let found = scan(&fs::read(&segment.path)?);
            damage.corrupt += found.corrupt;
            if found.end < segment.end {
                damage.torn += segment.end - found.end;
                segment.cut(found.end)?;
            }
            all.next = all.next.max(number);
            for (offset, header) in found.records {
                all.next = all.next.max(header.number + 1);
                if header.done {
                    continue;
                }
                segment.live += 1;
                all.records.insert(header.number, Location { segment: number, offset, len: header.len });
                let (id, len) = (header.number, header.len as usize);
                records.push(LogRecord { id, items: header.items as usize, len });
            }
            all.segments.insert(number, segment);
            all.drop_if_done(number);
        }
        records.sort_unstable_by_key(|record| record.id);
        Ok((all, records, damage))
    }

    /// Makes the next append panic, where overflows do.
    #[cfg(test)]
    pub(super) fn overflow(&mut self) {
        self.next = u64::MAX;
    }

    /// Bytes on disk.
    pub(super) fn size(&self) -> u64 {
        self.segments.values().map(|segment| segment.end).sum()
    }

    /// Appends the entries and gives the number of each, or why it is not there.
    pub(super) fn append(&mut self, entries: &[Entry]) -> Vec<Result<u64, StorageError>> {
        let mut results = Vec::with_capacity(entries.len());
        if entries.is_empty() {
            // That a batch was sent need not be on the disk at once: it would only be sent again.
            return results;
        }
        let mut group = Vec::new();
        for entry in entries {
            if self.buffer.len() >= GROUP {
                self.write(&mut group, &mut results);
            }
            if let Err(why) = self.make_room(entry, &mut group, &mut results) {
                self.write(&mut group, &mut results);
                results.push(Err(why));
                continue;
            }
            group.push(self.encode(entry));
        }
        self.write(&mut group, &mut results);
        // A log at rest holds no memory.
        self.buffer = Vec::new();
        let kept = self.not_synced.take().map_or_else(|| self.sync_active(), Err);
        if let Err(why) = kept.and_then(|()| self.find_active()) {
            let why = self.failed(&why);
            for result in &mut results {
                if let Ok(number) = *result {
                    self.remove(number);
                    *result = Err(why.clone());
                }
            }
        }
        results
    }

    /// Sees to a segment that takes the entry.
    fn make_room(
        &mut self,
        entry: &Entry,
        group: &mut Vec<Header>,
        results: &mut Vec<Result<u64, StorageError>>,
    ) -> Result<(), StorageError> {
        let len: usize = entry.payload.iter().map(Bytes::len).sum();
        if u32::try_from(len).is_err() {
            return Err(self.failed(&"a batch is larger than 4 GiB"));
        }
        let need = (HEADER + len) as u64;
        let written = self.buffer.len() as u64;
        let is_full = |segment: &Segment| {
            segment.full
                || (segment.end > SEGMENT_HEADER as u64 && segment.end + written + need > self.segment_size())
        };
        if self.active.and_then(|active| self.segments.get(&active)).is_none_or(is_full) {
            self.write(group, results);
            self.begin_segment()?;
        }
        let limit = self.place.max_size;
        let size = self.size() + self.buffer.len() as u64;
        if limit > 0 && size + need > limit {
            return Err(self.failed(&format!(
                "the queue's storage is full: {size} bytes of {limit} (max_size) are taken"
            )));
        }
        Ok(())
    }

    fn segment_size(&self) -> u64 {
        match self.place.max_size {
            0 => SEGMENT,
            limit => (limit / 8).clamp(SMALLEST_SEGMENT, SEGMENT),
        }
    }

    fn begin_segment(&mut self) -> Result<(), StorageError> {
        if let Err(why) = self.sync_active() {
            self.not_synced.get_or_insert(why);
        }
        if let Some(full) = self.active.take() {
            self.drop_if_done(full);
        }
        let limit = self.place.max_size;
        if limit > 0 && self.size() + SEGMENT_HEADER as u64 > limit {
            return Err(self.failed(&format!("the queue's storage is full: max_size is {limit} bytes")));
        }
        let segment = Segment::create(&self.place.directory, self.next, self.place.fsync);
        self.segments.insert(self.next, segment.map_err(|why| self.failed(&why))?);
        self.active = Some(self.next);
        Ok(())
    }

    /// Puts an entry behind those that are to be written together.
    fn encode(&mut self, entry: &Entry) -> Header {
        let mut checksum = crc32fast::Hasher::new();
        let mut len = 0;
        for part in &entry.payload {
            checksum.update(part);
            len += part.len();
        }
        let header = Header {
            number: self.next,
            len: u32::try_from(len).unwrap_or(u32::MAX),
            items: u32::try_from(entry.items).unwrap_or(u32::MAX),
            checksum: checksum.finalize(),
            done: false,
        };
        self.next += 1;
        self.buffer.extend_from_slice(&header.encode());
        entry.payload.iter().for_each(|part| self.buffer.extend_from_slice(part));
        header
    }

    /// Writes what was encoded. Where not all of it finds room, each record is tried alone.
    fn write(&mut self, group: &mut Vec<Header>, results: &mut Vec<Result<u64, StorageError>>) {
        if group.is_empty() {
            return;
        }
        let buffer = std::mem::take(&mut self.buffer);
        let together = self.write_active(&buffer);
        let alone = together.is_err() && group.len() > 1;
        let mut at = 0;
        for header in group.drain(..) {
            let end = at + HEADER + header.len as usize;
            let begin = match &together {
                _ if alone => self.write_active(&buffer[at..end]),
                Ok(begin) => Ok(begin + at as u64),
                Err(why) => Err(why.clone()),
            };
            at = end;
            results.push(begin.map(|offset| self.note(&header, offset)));
        }
        self.buffer = buffer;
        self.buffer.clear();
    }

    fn write_active(&mut self, bytes: &[u8]) -> Result<u64, StorageError> {
        let segment = self.active.and_then(|active| self.segments.get_mut(&active));
        let appended = segment.map_or_else(|| Err(io::ErrorKind::NotFound.into()), |s| s.append(bytes));
        appended.map_err(|why| self.failed(&why))
    }

    fn note(&mut self, header: &Header, offset: u64) -> u64 {
        if let Some(active) = self.active {
            self.records.insert(header.number, Location { segment: active, offset, len: header.len });
            if let Some(segment) = self.segments.get_mut(&active) {
                segment.live += 1;
            }
        }
        header.number
    }

    fn sync_active(&self) -> io::Result<()> {
        let segment = self.active.and_then(|active| self.segments.get(&active));
        segment.filter(|_| self.place.fsync).map_or(Ok(()), |segment| segment.file.sync_data())
    }

    /// Sees that what was written is where the next start finds it.
    fn find_active(&mut self) -> io::Result<()> {
        let segment = self.active.and_then(|active| self.segments.get_mut(&active));
        let Some(segment) = segment else { return Ok(()) };
        if segment.file.metadata()?.nlink() == 0 {
            segment.full = true;
            return Err(io::Error::other("somebody removed the file that was written to"));
        }
        Ok(())
    }

    /// Removes a record, and its segment with the last one.
    pub(super) fn remove(&mut self, number: u64) {
        let Some(location) = self.records.remove(&number) else { return };
        let Some(segment) = self.segments.get_mut(&location.segment) else { return };
        segment.live -= 1;
        // The last record of an old segment goes with the file.
        let goes = segment.live == 0 && self.active != Some(location.segment);
        if !goes && let Err(why) = segment.mark_done(location.offset) {
            tracing::warn!(file = %segment.path.display(), error = %why, "a sent batch can not be marked: it is sent again after a restart");
        }
        self.drop_if_done(location.segment);
    }

    /// Removes a segment without needed records, unless there is much room left in it.
    fn drop_if_done(&mut self, number: u64) {
        let Some(segment) = self.segments.get(&number) else { return };
        let is_active = self.active == Some(number) && !segment.full;
        let is_used = is_active && segment.end < self.segment_size() / 4;
        if segment.live > 0 || is_used {
            return;
        }
        if self.active == Some(number) {
            self.active = None;
        }
        self.delete(number);
    }

    fn delete(&mut self, number: u64) {
        let Some(segment) = self.segments.remove(&number) else { return };
        if let Err(why) = fs::remove_file(&segment.path) {
            tracing::warn!(file = %segment.path.display(), error = %why, "a file of the queue can not be removed");
        }
    }

    /// Leaves nothing behind where nothing is needed.
    pub(super) fn close(&mut self) {
        if let Some(active) = self.active.take() {
            self.drop_if_done(active);
        }
    }

    /// The file that holds a record, and where.
    pub(super) fn locate(&self, number: u64) -> Option<(Arc<File>, u64, usize)> {
        let location = self.records.get(&number)?;
        let segment = self.segments.get(&location.segment)?;
        Some((Arc::clone(&segment.file), location.offset, location.len as usize))
    }

    fn failed(&self, why: &dyn std::fmt::Display) -> StorageError {
        StorageError(format!("write {}: {why}", self.place.directory.display()))
    }
}
