//! `/proc/diskstats` (Documentation/admin-guide/iostats.rst).

use std::borrow::Cow;

use super::{Malformed, fields, lines, numbers};

/// Counters of one block device since boot. A sector has 512 bytes, whatever the disk's own size is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DiskStats<'a> {
    /// `sda`, `sda1`, `dm-0`.
    pub(crate) device: Cow<'a, str>,
    /// What was read.
    pub(crate) read: Direction,
    /// What was written.
    pub(crate) write: Direction,
    /// Requests given to the device and not done.
    pub(crate) in_flight: u64,
    /// Milliseconds with a request in flight.
    pub(crate) io_millis: u64,
    /// Milliseconds times requests in flight.
    pub(crate) weighted_io_millis: u64,
}

/// One of a device's two directions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Direction {
    /// Requests done.
    pub(crate) operations: u64,
    /// Requests that were merged into another one.
    pub(crate) merged: u64,
    /// Bytes.
    pub(crate) bytes: u64,
    /// Milliseconds that requests took, added up.
    pub(crate) millis: u64,
}

impl Direction {
    fn new([operations, merged, sectors, millis]: [u64; 4]) -> Self {
        Self { operations, merged, bytes: sectors.saturating_mul(512), millis }
    }
}

/// Every device that was used since boot. Lines of fewer fields (partitions before kernel 2.6.25) are no devices.
pub(crate) fn parse_diskstats(bytes: &[u8]) -> impl Iterator<Item = Result<DiskStats<'_>, Malformed>> {
    lines(bytes).filter(|line| fields(line).nth(13).is_some()).filter_map(|line| match disk_line(line) {
        Some(disk) if disk.is_unused() => None,
        Some(disk) => Some(Ok(disk)),
        None => Some(Err(Malformed::new("major, minor, device and eleven numbers", line))),
    })
}

fn disk_line(line: &[u8]) -> Option<DiskStats<'_>> {
    let mut fields = fields(line).skip(2);
    let device = String::from_utf8_lossy(fields.next()?);
    let read = Direction::new(numbers(&mut fields)?);
    let write = Direction::new(numbers(&mut fields)?);
    let [in_flight, io_millis, weighted_io_millis] = numbers(&mut fields)?;
    Some(DiskStats { device, read, write, in_flight, io_millis, weighted_io_millis })
}

impl DiskStats<'_> {
    fn is_unused(&self) -> bool {
        let none = Direction::default();
        let idle = self.in_flight == 0 && self.io_millis == 0 && self.weighted_io_millis == 0;
        idle && self.read == none && self.write == none
    }
}
