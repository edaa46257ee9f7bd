//! Counters and gauges of the collector itself, by name and labels.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// A sum that only grows. Clones share the value.
#[derive(Debug, Clone, Default)]
pub struct Counter(Arc<AtomicU64>);

impl Counter {
    /// Adds `n`.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// Adds one.
    pub fn inc(&self) {
        self.add(1);
    }

    /// The sum so far.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Takes over a total that something else counts (the kernel, say).
    pub fn set_total(&self, total: u64) {
        self.0.store(total, Ordering::Relaxed);
    }
}

/// A value that goes up and down. Clones share the value.
#[derive(Debug, Clone, Default)]
pub struct Gauge(Arc<AtomicU64>);

impl Gauge {
    /// Sets the value.
    pub fn set(&self, value: f64) {
        self.0.store(value.to_bits(), Ordering::Relaxed);
    }

    /// The value.
    pub fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }
}

/// How values are spread over fixed bounds. Clones share the counts.
#[derive(Debug, Clone)]
pub struct Histogram(Arc<HistogramState>);

#[derive(Debug)]
pub(crate) struct HistogramState {
    bounds: &'static [f64],
    buckets: Mutex<Buckets>,
}

#[derive(Debug, Default, Clone)]
pub(crate) struct Buckets {
    pub(crate) counts: Vec<u64>,
    pub(crate) sum: f64,
}

impl Histogram {
    fn new(bounds: &'static [f64]) -> Self {
        let buckets = Buckets { counts: vec![0; bounds.len() + 1], sum: 0.0 };
        Self(Arc::new(HistogramState { bounds, buckets: Mutex::new(buckets) }))
    }

    /// Counts one value.
    pub fn record(&self, value: f64) {
        let at = self.0.bounds.partition_point(|bound| *bound < value);
        let mut buckets = self.0.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        buckets.counts[at] += 1;
        buckets.sum += value;
    }

    pub(crate) fn bounds(&self) -> &'static [f64] {
        self.0.bounds
    }

    /// The counts of each bucket, the last one unbounded, and the sum of the values.
    pub(crate) fn buckets(&self) -> Buckets {
        self.0.buckets.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[derive(Debug, Clone)]
pub(crate) enum Instrument {
    Counter(Counter),
    FloatCounter(Gauge),
    Gauge(Gauge),
    Histogram(Histogram),
}

pub(crate) type Labels = Vec<(&'static str, String)>;

#[derive(Debug)]
pub(crate) struct Family {
    pub(crate) help: &'static str,
    pub(crate) series: BTreeMap<Labels, Instrument>,
}

type Hook = Box<dyn Fn() -> bool + Send + Sync>;

#[derive(Default)]
struct Registry {
    families: Mutex<BTreeMap<&'static str, Family>>,
    hooks: Mutex<Vec<Hook>>,
}

/// The self metrics of one collector. Clones share them.
///
/// Names are otelcol's (`otelcol_receiver_accepted_spans`); counters have no `_total`, as it serves them by default.
#[derive(Clone, Default)]
pub struct Telemetry(Arc<Registry>);

impl Telemetry {
    /// The counter with this name and these labels, made at the first call.
    pub fn counter(
        &self,
        name: &'static str,
        help: &'static str,
        labels: &[(&'static str, &str)],
    ) -> Counter {
        let made = self.instrument(name, help, labels, || Instrument::Counter(Counter::default()));
        if let Instrument::Counter(counter) = made { counter } else { Counter::default() }
    }

    /// The gauge with this name and these labels, made at the first call.
    pub fn gauge(&self, name: &'static str, help: &'static str, labels: &[(&'static str, &str)]) -> Gauge {
        let made = self.instrument(name, help, labels, || Instrument::Gauge(Gauge::default()));
        if let Instrument::Gauge(gauge) = made { gauge } else { Gauge::default() }
    }

    /// A counter that something else counts, in parts of one (seconds); set through the gauge's `set`.
    pub(crate) fn float_counter(&self, name: &'static str, help: &'static str) -> Gauge {
        let made = self.instrument(name, help, &[], || Instrument::FloatCounter(Gauge::default()));
        if let Instrument::FloatCounter(counter) = made { counter } else { Gauge::default() }
    }

    /// The histogram with this name and these labels, made at the first call with ascending `bounds`.
    pub fn histogram(
        &self,
        name: &'static str,
        help: &'static str,
        labels: &[(&'static str, &str)],
        bounds: &'static [f64],
    ) -> Histogram {
        let made = self.instrument(name, help, labels, || Instrument::Histogram(Histogram::new(bounds)));
        if let Instrument::Histogram(histogram) = made { histogram } else { Histogram::new(bounds) }
    }

    /// Runs `hook` before each collection, to bring gauges up to date, until it gives false: what it speaks of is gone.
    pub fn on_collect(&self, hook: impl Fn() -> bool + Send + Sync + 'static) {
        self.0.hooks.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(hook));
    }

    /// The value of the series with this name and these labels, as a number; of a histogram the sum.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let mut wanted: Vec<(&str, &str)> = labels.to_vec();
        wanted.sort_unstable();
        self.with_families(|families| {
            let family = families.get(name)?;
            let (_, instrument) = family.series.iter().find(|(labels, _)| {
                labels.iter().map(|(k, v)| (*k, v.as_str())).eq(wanted.iter().copied())
            })?;
            Some(match instrument {
                #[expect(
                    clippy::cast_precision_loss,
                    reason = "self metrics are read as f64 by Prometheus anyway"
                )]
                Instrument::Counter(counter) => counter.get() as f64,
                Instrument::Gauge(gauge) | Instrument::FloatCounter(gauge) => gauge.get(),
                Instrument::Histogram(histogram) => histogram.buckets().sum,
            })
        })
    }

    pub(crate) fn with_families<T>(&self, read: impl FnOnce(&BTreeMap<&'static str, Family>) -> T) -> T {
        self.0.hooks.lock().unwrap_or_else(PoisonError::into_inner).retain(|hook| hook());
        read(&self.0.families.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn instrument(
        &self,
        name: &'static str,
        help: &'static str,
        labels: &[(&'static str, &str)],
        make: impl FnOnce() -> Instrument,
    ) -> Instrument {
        let mut labels: Labels = labels.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
        labels.sort_unstable();
        let mut families = self.0.families.lock().unwrap_or_else(PoisonError::into_inner);
        let family = families.entry(name).or_insert_with(|| Family { help, series: BTreeMap::new() });
        family.series.entry(labels).or_insert_with(make).clone()
    }
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Telemetry")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_series_for_one_name_and_set_of_labels() {
        let telemetry = Telemetry::default();
        telemetry.counter("otelcol_x", "x", &[("a", "1"), ("b", "2")]).add(2);
        telemetry.counter("otelcol_x", "x", &[("b", "2"), ("a", "1")]).inc();
        assert_eq!(telemetry.value("otelcol_x", &[("b", "2"), ("a", "1")]), Some(3.0));
        assert_eq!(telemetry.value("otelcol_x", &[("a", "1")]), None);
    }

    #[test]
    fn hooks_run_before_a_collection() {
        let telemetry = Telemetry::default();
        let gauge = telemetry.gauge("otelcol_g", "g", &[]);
        telemetry.on_collect(move || {
            gauge.set(gauge.get() + 1.5);
            gauge.get() < 3.0
        });
        assert_eq!(telemetry.value("otelcol_g", &[]), Some(1.5));
        assert_eq!(telemetry.value("otelcol_g", &[]), Some(3.0));
        assert_eq!(telemetry.value("otelcol_g", &[]), Some(3.0));
    }
}
