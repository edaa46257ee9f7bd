//! Self metrics and log lines: each failure is counted, and logged when it begins and when it ends.

use std::collections::BTreeSet;

use otelcol_pipeline::telemetry::Counter;
use otelcol_pipeline::{ConsumeError, Context};

use super::error::ScrapeError;
use super::scrapers::{Outcome, Scrape};

/// Tells what the scrapes of one receiver gave.
pub(super) struct Reporter {
    receiver: String,
    scrapers: Vec<Counters>,
    failing: BTreeSet<(&'static str, String)>,
    is_refused: bool,
}

struct Counters {
    scraper: &'static str,
    scraped: Counter,
    errored: Counter,
}

impl Reporter {
    pub(super) fn new(context: &Context, scrapers: impl Iterator<Item = &'static str>) -> Self {
        let receiver = context.id.to_string();
        let counters = |scraper| {
            let labels = [("receiver", receiver.as_str()), ("scraper", scraper)];
            let counter = |name, help| context.telemetry.counter(name, help, &labels);
            Counters {
                scraper,
                scraped: counter(
                    "otelcol_scraper_scraped_metric_points",
                    "Number of metric points successfully scraped.",
                ),
                errored: counter(
                    "otelcol_scraper_errored_metric_points",
                    "Number of metric points that were unable to be scraped.",
                ),
            }
        };
        let scrapers = scrapers.map(counters).collect();
        Self { receiver, scrapers, failing: BTreeSet::new(), is_refused: false }
    }

    /// Counts and logs what a scrape gave.
    pub(super) fn report(&mut self, scrape: &Scrape) {
        let mut failing = BTreeSet::new();
        for Outcome { scraper, points, failures } in &scrape.outcomes {
            for failure in failures {
                self.note(&mut failing, scraper, &failure.error);
            }
            let errored: usize = failures.iter().map(|failure| failure.points).sum();
            for counters in self.scrapers.iter().filter(|counters| counters.scraper == *scraper) {
                counters.scraped.add(*points as u64);
                counters.errored.add(errored as u64);
            }
        }
        if let Some(error) = &scrape.no_boot_time {
            self.note(&mut failing, "start time", error);
        }
        for (scraper, subject) in self.failing.difference(&failing) {
            tracing::info!(receiver = %self.receiver, scraper, subject, "scraping works again");
        }
        self.failing = failing;
    }

    fn note(
        &self,
        failing: &mut BTreeSet<(&'static str, String)>,
        scraper: &'static str,
        error: &ScrapeError,
    ) {
        let key = (scraper, error.subject());
        if !self.failing.contains(&key) && !failing.contains(&key) {
            tracing::error!(
                receiver = %self.receiver, scraper, %error,
                "error scraping metrics; said once until it works again, counted in otelcol_scraper_errored_metric_points"
            );
        }
        failing.insert(key);
    }

    /// Logs when the pipeline begins to refuse scrapes; the output counts them.
    pub(super) fn delivered(&mut self, refused: Option<&ConsumeError>) {
        if let Some(error) = refused.filter(|_| !self.is_refused) {
            tracing::warn!(
                receiver = %self.receiver, %error,
                "the pipeline refuses a scrape, which is lost; said once until it takes one again, \
                 counted in otelcol_receiver_refused_metric_points"
            );
        }
        self.is_refused = refused.is_some();
    }
}
