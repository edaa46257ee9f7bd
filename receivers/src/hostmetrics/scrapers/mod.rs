//! The scrapers: each reads its files once a scrape and records its metrics.

mod cpu;
mod disk;
mod load;
mod memory;
mod network;

use std::time::{Duration, Instant};

use otelcol_pdata::model::metrics::ResourceMetrics;

use super::config::ScrapersConfig;
use super::error::ScrapeError;
use super::filter::FilterError;
use super::proc::{self, Host};
use super::recorder::{Failure, Recorder};

/// Reads files and records what they say. What it cannot read it reports as a failure and goes on.
trait Source: Send {
    fn scrape(&mut self, host: &mut Host, recorder: &mut Recorder);
}

struct Scraper {
    name: &'static str,
    source: Box<dyn Source>,
    recorder: Recorder,
}

/// The scrapers that the settings name, sorted by name.
pub(super) struct Scrapers {
    host: Host,
    scrapers: Vec<Scraper>,
    version: &'static str,
    timeout: Duration,
    boot_nanos: Option<u64>,
}

/// What one scraper gave in one scrape.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) scraper: &'static str,
    pub(super) points: usize,
    pub(super) failures: Vec<Failure>,
}

/// What one scrape gave.
#[derive(Debug)]
pub(super) struct Scrape {
    pub(super) metrics: Vec<ResourceMetrics>,
    pub(super) outcomes: Vec<Outcome>,
    /// Why the points have no start time, if they have none.
    pub(super) no_boot_time: Option<ScrapeError>,
}

impl Scrapers {
    /// For the files of `host`; `version` is what the scopes state. A zero `timeout` is none.
    pub(super) fn new(
        host: Host,
        config: &ScrapersConfig,
        version: &'static str,
        timeout: Duration,
    ) -> Result<Self, FilterError> {
        let mut scrapers = Vec::new();
        let mut add = |name, source, recorder| scrapers.push(Scraper { name, source, recorder });
        if let Some(cpu) = &config.cpu {
            add(
                "cpu",
                Box::new(cpu::CpuSource::default()) as Box<dyn Source>,
                Recorder::new("cpu", &cpu.metrics),
            );
        }
        if let Some(disk) = &config.disk {
            add(
                "disk",
                Box::new(disk::DiskSource::new(disk.filter()?)),
                Recorder::new("disk", &disk.metrics),
            );
        }
        if let Some(load) = &config.load {
            add(
                "load",
                Box::new(load::LoadSource::new(load.cpu_average)),
                Recorder::new("load", &load.metrics),
            );
        }
        if let Some(memory) = &config.memory {
            add("memory", Box::new(memory::MemorySource), Recorder::new("memory", &memory.metrics));
        }
        if let Some(network) = &config.network {
            let source = network::NetworkSource::new(network.filter()?);
            add("network", Box::new(source), Recorder::new("network", &network.metrics));
        }
        Ok(Self { host, scrapers, version, timeout, boot_nanos: None })
    }

    /// Names of the scrapers.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.scrapers.iter().map(|scraper| scraper.name)
    }

    /// Runs them all; points are of the time `now_nanos` (unix).
    pub(super) fn scrape(&mut self, now_nanos: u64) -> Scrape {
        let begun = Instant::now();
        let no_boot_time = self.read_boot_time().err();
        let mut scrape = Scrape { metrics: Vec::new(), outcomes: Vec::new(), no_boot_time };
        for scraper in &mut self.scrapers {
            let recorder = &mut scraper.recorder;
            recorder.begin(self.boot_nanos.unwrap_or(0), now_nanos);
            if !self.timeout.is_zero() && begun.elapsed() >= self.timeout {
                recorder.fail_all(ScrapeError::Timeout(format!("{:?}", self.timeout)));
            } else {
                scraper.source.scrape(&mut self.host, recorder);
            }
            let recorded = recorder.finish(self.version);
            scrape.metrics.extend(recorded.metrics);
            scrape.outcomes.push(Outcome {
                scraper: scraper.name,
                points: recorded.points,
                failures: recorded.failures,
            });
        }
        scrape
    }

    // Read once: the kernel derives it from the wall clock, and a start time that moves when the clock is set looks
    // like a restart of every counter.
    fn read_boot_time(&mut self) -> Result<(), ScrapeError> {
        if self.boot_nanos.is_none() {
            let seconds = self.host.parse("stat", proc::boot_time)?;
            self.boot_nanos = Some(seconds.saturating_mul(1_000_000_000));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
