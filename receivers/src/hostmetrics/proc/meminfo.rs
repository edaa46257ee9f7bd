//! `/proc/meminfo` and what `/proc/zoneinfo` adds on old kernels.

use super::{Malformed, fields, lines, number};

/// Memory in bytes, huge pages in pages. What a kernel does not write is 0, or `None` where that matters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct MemInfo {
    /// `MemTotal`; never 0.
    pub(crate) total: u64,
    /// `MemFree`.
    pub(crate) free: u64,
    /// `MemAvailable`: kernel 3.14, and 3.10 of CentOS 7.
    pub(crate) available: Option<u64>,
    /// `Buffers`.
    pub(crate) buffers: u64,
    /// `Cached`, without slabs.
    pub(crate) page_cache: u64,
    /// `Active(file)`.
    pub(crate) active_file: Option<u64>,
    /// `Inactive(file)`.
    pub(crate) inactive_file: Option<u64>,
    /// `SReclaimable`.
    pub(crate) slab_reclaimable: Option<u64>,
    /// `SUnreclaim`.
    pub(crate) slab_unreclaimable: u64,
    /// `Dirty`.
    pub(crate) dirty: u64,
    /// `Shmem`.
    pub(crate) shared: u64,
    /// `HugePages_Total`.
    pub(crate) huge_total: u64,
    /// `HugePages_Free`.
    pub(crate) huge_free: u64,
    /// `HugePages_Rsvd`.
    pub(crate) huge_reserved: u64,
    /// `HugePages_Surp`.
    pub(crate) huge_surplus: u64,
    /// `Hugepagesize`, bytes.
    pub(crate) huge_page_size: u64,
}

/// Every value that is measured; lines of other kernels are passed over.
pub(crate) fn parse_meminfo(bytes: &[u8]) -> Result<MemInfo, Malformed> {
    let mut info = MemInfo::default();
    for line in lines(bytes) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            continue;
        };
        let (key, rest) = (&line[..colon], &line[colon + 1..]);
        let value = || memory_value(rest).ok_or_else(|| Malformed::new("a number, and kB or nothing", line));
        match key {
            b"MemTotal" => info.total = value()?,
            b"MemFree" => info.free = value()?,
            b"MemAvailable" => info.available = Some(value()?),
            b"Buffers" => info.buffers = value()?,
            b"Cached" => info.page_cache = value()?,
            b"Active(file)" => info.active_file = Some(value()?),
            b"Inactive(file)" => info.inactive_file = Some(value()?),
            b"SReclaimable" => info.slab_reclaimable = Some(value()?),
            b"SUnreclaim" => info.slab_unreclaimable = value()?,
            b"Dirty" => info.dirty = value()?,
            b"Shmem" => info.shared = value()?,
            b"HugePages_Total" => info.huge_total = value()?,
            b"HugePages_Free" => info.huge_free = value()?,
            b"HugePages_Rsvd" => info.huge_reserved = value()?,
            b"HugePages_Surp" => info.huge_surplus = value()?,
            b"Hugepagesize" => info.huge_page_size = value()?,
            _ => {}
        }
    }
    if info.total == 0 {
        return Err(Malformed::new("a MemTotal above 0", lines(bytes).next().unwrap_or_default()));
    }
    Ok(info)
}

fn memory_value(rest: &[u8]) -> Option<u64> {
    let mut fields = fields(rest);
    let value = number(fields.next()?)?;
    match fields.next() {
        Some(b"kB") => Some(value.saturating_mul(1024)),
        None => Some(value),
        Some(_) => None,
    }
}

/// The `low` watermarks of all zones of `/proc/zoneinfo`, added up, in pages.
pub(crate) fn parse_low_watermark(bytes: &[u8]) -> Result<u64, Malformed> {
    let mut pages = 0_u64;
    for line in lines(bytes) {
        let mut fields = fields(line);
        if fields.next() == Some(b"low") {
            let low =
                fields.next().and_then(number).ok_or_else(|| Malformed::new("low and a number", line))?;
            pages = pages.saturating_add(low);
        }
    }
    Ok(pages)
}

impl MemInfo {
    /// `Cached` as `free(1)` and contrib mean it: page cache and the slabs that can be given back.
    pub(crate) fn cached(&self) -> u64 {
        self.page_cache.saturating_add(self.slab_reclaimable.unwrap_or(0))
    }

    /// Memory that programs can have without swapping, estimated as the kernel itself does since 3.14
    /// (`si_mem_available`): not all of the cache can be given up before the low watermark is reached.
    /// `low_watermark` in bytes, `None` if it cannot be had.
    pub(crate) fn estimate_available(&self, low_watermark: Option<u64>) -> u64 {
        let (Some(active), Some(inactive), Some(slab), Some(low)) =
            (self.active_file, self.inactive_file, self.slab_reclaimable, low_watermark)
        else {
            return self.free.saturating_add(self.cached());
        };
        let files = active.saturating_add(inactive);
        let usable = |cache: u64| cache - (cache / 2).min(low);
        self.free.saturating_sub(low).saturating_add(usable(files)).saturating_add(usable(slab))
    }
}
