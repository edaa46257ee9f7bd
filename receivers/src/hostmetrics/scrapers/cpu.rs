//! `cpu`: time, utilization, frequency and number of CPUs.

use std::collections::HashSet;

use super::Source;
use crate::hostmetrics::error::ScrapeError;
use crate::hostmetrics::proc::{self, CpuTimes, Host};
use crate::hostmetrics::recorder::Recorder;

const FREQUENCY: usize = 0;
const LOGICAL_COUNT: usize = 1;
const PHYSICAL_COUNT: usize = 2;
const TIME: usize = 3;
const UTILIZATION: usize = 4;

/// Keeps the times of the last scrape, from which the utilization is counted.
#[derive(Debug, Default)]
pub(super) struct CpuSource {
    times: Vec<CpuTimes>,
    previous: Vec<CpuTimes>,
}

impl Source for CpuSource {
    fn scrape(&mut self, host: &mut Host, recorder: &mut Recorder) {
        std::mem::swap(&mut self.times, &mut self.previous);
        if let Err(error) = host.parse("stat", |bytes| proc::cpu_times(bytes, &mut self.times)) {
            self.times.clear();
            recorder.fail_all(error);
            return;
        }
        self.record_times(recorder);
        recorder.count(LOGICAL_COUNT, self.times.len() as u64, &[]);
        if recorder.is_enabled(PHYSICAL_COUNT) {
            match self.physical_count(host) {
                Ok(count) => recorder.count(PHYSICAL_COUNT, count, &[]),
                Err(error) => recorder.fail(1, error),
            }
        }
        if recorder.is_enabled(FREQUENCY) {
            match host.parse("cpuinfo", |bytes| Ok(proc::frequencies(bytes))) {
                Ok(frequencies) => {
                    for (cpu, mhz) in frequencies {
                        recorder.double(FREQUENCY, mhz * 1_000_000.0, &[&format!("cpu{cpu}")]);
                    }
                }
                Err(error) => recorder.fail(1, error),
            }
        }
    }
}

impl CpuSource {
    fn record_times(&self, recorder: &mut Recorder) {
        let ticks_per_second = rustix::param::clock_ticks_per_second();
        for times in &self.times {
            let cpu = format!("cpu{}", times.cpu);
            for (state, ticks) in states(times) {
                recorder.double(TIME, ratio(ticks, ticks_per_second), &[&cpu, state]);
            }
            let Some(before) = self.previous.iter().find(|before| before.cpu == times.cpu) else {
                continue;
            };
            // The kernel lets idle and iowait run backwards by a tick now and then: no time has passed there.
            let passed = states(times).into_iter().zip(states(before));
            let passed = passed.map(|((state, now), (_, before))| (state, now.saturating_sub(before)));
            let elapsed = passed.clone().map(|(_, ticks)| ticks).sum();
            for (state, ticks) in passed {
                let utilization = if elapsed == 0 { 0.0 } else { ratio(ticks, elapsed) };
                recorder.double(UTILIZATION, utilization, &[&cpu, state]);
            }
        }
    }

    /// Cores: threads of one core have the same list of siblings. Without `/sys`, what `/proc/cpuinfo` says.
    fn physical_count(&self, host: &mut Host) -> Result<u64, ScrapeError> {
        for list in ["core_cpus_list", "thread_siblings_list"] {
            let mut cores = HashSet::new();
            for times in &self.times {
                let path = host.sys(&format!("devices/system/cpu/cpu{}/topology/{list}", times.cpu));
                if let Ok(siblings) = host.read(&path) {
                    cores.insert(siblings.trim_ascii().to_vec());
                }
            }
            if !cores.is_empty() {
                return Ok(cores.len() as u64);
            }
        }
        host.parse("cpuinfo", |bytes| Ok(proc::physical_cores(bytes)))
    }
}

/// Times by contrib's names and in its order. Guests are in `user` and `nice` already.
fn states(times: &CpuTimes) -> [(&'static str, u64); 8] {
    [
        ("user", times.user),
        ("system", times.system),
        ("idle", times.idle),
        ("interrupt", times.interrupt),
        ("nice", times.nice),
        ("softirq", times.softirq),
        ("steal", times.steal),
        ("wait", times.wait),
    ]
}

#[expect(clippy::cast_precision_loss, reason = "ticks fill 53 bits after two million years")]
fn ratio(ticks: u64, of: u64) -> f64 {
    ticks as f64 / of as f64
}
