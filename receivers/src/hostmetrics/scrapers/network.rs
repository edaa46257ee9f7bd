//! `network`: counters of interfaces, TCP sockets by state, connection tracking.

use super::Source;
use crate::hostmetrics::error::{Malformed, ScrapeError};
use crate::hostmetrics::filter::Filter;
use crate::hostmetrics::proc::{Host, InterfaceStats, TCP_STATES, parse_net_dev, tcp_state};
use crate::hostmetrics::recorder::Recorder;

const CONNECTIONS: usize = 0;
const CONNTRACK_COUNT: usize = 1;
const CONNTRACK_MAX: usize = 2;
const DROPPED: usize = 3;
const ERRORS: usize = 4;
const IO: usize = 5;
const PACKETS: usize = 6;
const INTERFACE_METRICS: [usize; 4] = [DROPPED, ERRORS, IO, PACKETS];

/// Measures the interfaces that the filter accepts.
#[derive(Debug)]
pub(super) struct NetworkSource {
    filter: Filter,
}

impl NetworkSource {
    pub(super) fn new(filter: Filter) -> Self {
        Self { filter }
    }

    fn scrape_interfaces(&self, host: &mut Host, recorder: &mut Recorder) {
        let path = host.proc("net/dev");
        let missing = recorder.enabled_among(&INTERFACE_METRICS);
        let bytes = match host.read(&path) {
            Ok(bytes) => bytes,
            Err(error) => return recorder.fail(missing, error),
        };
        for interface in parse_net_dev(bytes) {
            match interface {
                Ok(interface) if self.filter.accepts(&interface.interface) => record(&interface, recorder),
                Ok(_) => {}
                Err(source) => recorder.fail(missing, ScrapeError::Malformed { path: path.clone(), source }),
            }
        }
    }
}

impl Source for NetworkSource {
    fn scrape(&mut self, host: &mut Host, recorder: &mut Recorder) {
        self.scrape_interfaces(host, recorder);
        if recorder.is_enabled(CONNECTIONS) {
            scrape_connections(host, recorder);
        }
        for (metric, file) in [(CONNTRACK_COUNT, "nf_conntrack_count"), (CONNTRACK_MAX, "nf_conntrack_max")] {
            if recorder.is_enabled(metric) {
                match host.parse(&format!("sys/net/netfilter/{file}"), single_number) {
                    Ok(value) => recorder.count(metric, value, &[]),
                    Err(error) => recorder.fail(1, error),
                }
            }
        }
    }
}

fn record(interface: &InterfaceStats<'_>, recorder: &mut Recorder) {
    let device: &str = &interface.interface;
    for (name, direction) in [("transmit", &interface.transmit), ("receive", &interface.receive)] {
        recorder.count(PACKETS, direction.packets, &[device, name]);
        recorder.count(DROPPED, direction.dropped, &[device, name]);
        recorder.count(ERRORS, direction.errors, &[device, name]);
        recorder.count(IO, direction.bytes, &[device, name]);
    }
}

fn scrape_connections(host: &mut Host, recorder: &mut Recorder) {
    let mut counts = [0_u64; TCP_STATES.len()];
    for (file, is_optional) in [("net/tcp", false), ("net/tcp6", true)] {
        let path = host.proc(file);
        // A kernel without IPv6 has no tcp6.
        if is_optional && !path.exists() {
            continue;
        }
        match count_states(host, &path, &mut counts) {
            Ok(None) => {}
            Ok(Some(source)) => recorder.fail(1, ScrapeError::Malformed { path, source }),
            Err(error) => return recorder.fail(1, error),
        }
    }
    for (state, count) in TCP_STATES.iter().zip(counts) {
        recorder.count(CONNECTIONS, count, &["tcp", state]);
    }
}

/// Adds the sockets of one file to `counts`. Gives the first line that could not be understood.
fn count_states(
    host: &mut Host,
    path: &std::path::Path,
    counts: &mut [u64; TCP_STATES.len()],
) -> Result<Option<Malformed>, ScrapeError> {
    let mut first_bad = None;
    let mut is_heading = true;
    host.each_line(path, |line| {
        if std::mem::take(&mut is_heading) {
            return;
        }
        match tcp_state(line) {
            Ok(state) => counts[state] += 1,
            Err(malformed) => first_bad = first_bad.take().or(Some(malformed)),
        }
    })?;
    Ok(first_bad)
}

fn single_number(bytes: &[u8]) -> Result<u64, Malformed> {
    let text = std::str::from_utf8(bytes.trim_ascii()).ok();
    text.and_then(|text| text.parse().ok()).ok_or_else(|| Malformed::new("one number", bytes))
}
