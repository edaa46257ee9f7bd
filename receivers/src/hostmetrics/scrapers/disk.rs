//! `disk`: bytes, operations and times of block devices.

use super::Source;
use crate::hostmetrics::error::ScrapeError;
use crate::hostmetrics::filter::Filter;
use crate::hostmetrics::proc::{DiskStats, Host, parse_diskstats};
use crate::hostmetrics::recorder::Recorder;

const IO: usize = 0;
const IO_TIME: usize = 1;
const MERGED: usize = 2;
const OPERATION_TIME: usize = 3;
const OPERATIONS: usize = 4;
const PENDING_OPERATIONS: usize = 5;
const WEIGHTED_IO_TIME: usize = 6;
const ALL: [usize; 7] =
    [IO, IO_TIME, MERGED, OPERATION_TIME, OPERATIONS, PENDING_OPERATIONS, WEIGHTED_IO_TIME];

/// Measures the devices that the filter accepts.
#[derive(Debug)]
pub(super) struct DiskSource {
    filter: Filter,
}

impl DiskSource {
    pub(super) fn new(filter: Filter) -> Self {
        Self { filter }
    }
}

impl Source for DiskSource {
    fn scrape(&mut self, host: &mut Host, recorder: &mut Recorder) {
        let path = host.proc("diskstats");
        let bytes = match host.read(&path) {
            Ok(bytes) => bytes,
            Err(error) => return recorder.fail_all(error),
        };
        for disk in parse_diskstats(bytes) {
            match disk {
                Ok(disk) if self.filter.accepts(&disk.device) => record(&disk, recorder),
                Ok(_) => {}
                Err(source) => recorder.fail(
                    recorder.enabled_among(&ALL),
                    ScrapeError::Malformed { path: path.clone(), source },
                ),
            }
        }
    }
}

fn record(disk: &DiskStats<'_>, recorder: &mut Recorder) {
    let device: &str = &disk.device;
    for (name, direction) in [("read", &disk.read), ("write", &disk.write)] {
        recorder.count(IO, direction.bytes, &[device, name]);
        recorder.count(OPERATIONS, direction.operations, &[device, name]);
        recorder.count(MERGED, direction.merged, &[device, name]);
        recorder.double(OPERATION_TIME, seconds(direction.millis), &[device, name]);
    }
    recorder.double(IO_TIME, seconds(disk.io_millis), &[device]);
    recorder.double(WEIGHTED_IO_TIME, seconds(disk.weighted_io_millis), &[device]);
    recorder.count(PENDING_OPERATIONS, disk.in_flight, &[device]);
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds fill 53 bits after 285,000 years")]
fn seconds(millis: u64) -> f64 {
    millis as f64 / 1000.0
}
