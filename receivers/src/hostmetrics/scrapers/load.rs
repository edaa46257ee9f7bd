//! `load`: load averages.

use super::Source;
use crate::hostmetrics::error::ScrapeError;
use crate::hostmetrics::proc::{Host, cpu_times, parse_loadavg};
use crate::hostmetrics::recorder::Recorder;

const FIFTEEN_MINUTES: usize = 0;
const ONE_MINUTE: usize = 1;
const FIVE_MINUTES: usize = 2;

/// Load as the kernel counts it, or divided by the number of CPUs.
#[derive(Debug)]
pub(super) struct LoadSource {
    per_cpu: bool,
}

impl LoadSource {
    pub(super) fn new(per_cpu: bool) -> Self {
        Self { per_cpu }
    }

    fn divisor(&self, host: &mut Host) -> Result<f64, ScrapeError> {
        if !self.per_cpu {
            return Ok(1.0);
        }
        let mut cpus = Vec::new();
        host.parse("stat", |bytes| cpu_times(bytes, &mut cpus))?;
        Ok(f64::from(u32::try_from(cpus.len()).unwrap_or(u32::MAX)))
    }
}

impl Source for LoadSource {
    fn scrape(&mut self, host: &mut Host, recorder: &mut Recorder) {
        let loads = host.parse("loadavg", parse_loadavg);
        match loads.and_then(|loads| Ok((loads, self.divisor(host)?))) {
            Ok(([one, five, fifteen], divisor)) => {
                recorder.double(ONE_MINUTE, one / divisor, &[]);
                recorder.double(FIVE_MINUTES, five / divisor, &[]);
                recorder.double(FIFTEEN_MINUTES, fifteen / divisor, &[]);
            }
            Err(error) => recorder.fail_all(error),
        }
    }
}
