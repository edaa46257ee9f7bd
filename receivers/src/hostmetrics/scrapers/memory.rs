//! `memory`: use of memory and of huge pages.

use super::Source;
use crate::hostmetrics::proc::{Host, MemInfo, parse_low_watermark, parse_meminfo};
use crate::hostmetrics::recorder::Recorder;

const AVAILABLE: usize = 0;
const DIRTY: usize = 1;
const LIMIT: usize = 2;
const HUGE_LIMIT: usize = 3;
const HUGE_PAGE_SIZE: usize = 4;
const HUGE_RESERVED: usize = 5;
const HUGE_SURPLUS: usize = 6;
const HUGE_USAGE: usize = 7;
const HUGE_UTILIZATION: usize = 8;
const SHARED: usize = 9;
const PAGE_SIZE: usize = 10;
const USAGE: usize = 11;
const UTILIZATION: usize = 12;

/// Keeps nothing between scrapes.
#[derive(Debug)]
pub(super) struct MemorySource;

impl Source for MemorySource {
    fn scrape(&mut self, host: &mut Host, recorder: &mut Recorder) {
        let info = match host.parse("meminfo", parse_meminfo) {
            Ok(info) => info,
            Err(error) => return recorder.fail_all(error),
        };
        let available = info.available.unwrap_or_else(|| {
            let pages = host.parse("zoneinfo", parse_low_watermark).ok();
            info.estimate_available(pages.map(|pages| pages.saturating_mul(page_size())))
        });
        record_usage(&info, available, recorder);
        record_huge_pages(&info, recorder);
        recorder.count(AVAILABLE, available, &[]);
        recorder.count(DIRTY, info.dirty, &[]);
        recorder.count(LIMIT, info.total, &[]);
        recorder.count(SHARED, info.shared, &[]);
        recorder.count(PAGE_SIZE, page_size(), &[]);
    }
}

fn record_usage(info: &MemInfo, available: u64, recorder: &mut Recorder) {
    let states = [
        ("used", info.total.saturating_sub(available)),
        ("free", info.free),
        ("buffered", info.buffers),
        ("cached", info.cached()),
        ("slab_reclaimable", info.slab_reclaimable.unwrap_or(0)),
        ("slab_unreclaimable", info.slab_unreclaimable),
    ];
    for (state, bytes) in states {
        recorder.count(USAGE, bytes, &[state]);
        recorder.double(UTILIZATION, ratio(bytes, info.total), &[state]);
    }
}

fn record_huge_pages(info: &MemInfo, recorder: &mut Recorder) {
    recorder.count(HUGE_PAGE_SIZE, info.huge_page_size, &[]);
    recorder.count(HUGE_LIMIT, info.huge_total, &[]);
    recorder.count(HUGE_RESERVED, info.huge_reserved, &[]);
    recorder.count(HUGE_SURPLUS, info.huge_surplus, &[]);
    let used = info.huge_total.saturating_sub(info.huge_free);
    for (state, pages) in [("free", info.huge_free), ("used", used)] {
        recorder.count(HUGE_USAGE, pages, &[state]);
        if info.huge_total > 0 {
            recorder.double(HUGE_UTILIZATION, ratio(pages, info.huge_total), &[state]);
        }
    }
}

fn page_size() -> u64 {
    rustix::param::page_size() as u64
}

/// `part / whole` (which is not 0) with as many decimals as the larger of them has digits: contrib cuts what the
/// numbers cannot tell.
#[expect(clippy::cast_precision_loss, reason = "memory has less than 2^53 bytes")]
fn ratio(part: u64, whole: u64) -> f64 {
    let decimals = part.max(whole).ilog10() + 1;
    let scale = 10_f64.powi(decimals.cast_signed());
    (part as f64 / whole as f64 * scale).round() / scale
}
