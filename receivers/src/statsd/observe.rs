//! What timings, histograms and distributions become: the settings, and the values gathered for one series.

use std::sync::Arc;

use regex::Regex;

use super::config::{HistogramConfig, Mapping};
use super::exponential::Exponential;

/// Percentiles of a summary that names none, as in otelcol.
const PERCENTILES: &[f64] = &[0.0, 10.0, 50.0, 90.0, 95.0, 100.0];

const DEFAULT_MAX_SIZE: usize = 160;

/// What a type becomes.
#[derive(Clone, Debug)]
pub(super) enum Observer {
    /// Each value is sent by itself.
    Gauge,
    Summary(Arc<[f64]>),
    Histogram(Shape),
}

/// Which histogram a name gets.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    max_size: usize,
    rules: Vec<(Regex, Arc<[f64]>)>,
    for_the_rest: Option<Arc<[f64]>>,
}

/// The observers of the two groups of types. A group that no mapping names has none, and its lines are refused.
#[derive(Clone, Debug, Default)]
pub(super) struct Observers {
    /// `ms`
    pub(super) timing: Option<Observer>,
    /// `h` and `d`
    pub(super) values: Option<Observer>,
}

impl Observers {
    /// Reads settings that were validated before; the last mapping of a type wins.
    pub(super) fn new(mappings: &[Mapping]) -> Self {
        let mut observers = Self::default();
        for mapping in mappings {
            let observer = Observer::new(mapping);
            match mapping.statsd_type.as_str() {
                "timing" | "timer" => observers.timing = Some(observer),
                _ => observers.values = Some(observer),
            }
        }
        observers
    }
}

impl Observer {
    fn new(mapping: &Mapping) -> Self {
        match mapping.observer_type.as_str() {
            "summary" if mapping.summary.percentiles.is_empty() => Self::Summary(PERCENTILES.into()),
            "summary" => Self::Summary(mapping.summary.percentiles.as_slice().into()),
            "histogram" => Self::Histogram(Shape::new(&mapping.histogram)),
            _ => Self::Gauge,
        }
    }

    /// The empty gathering for a series of this name.
    pub(super) fn open(&self, name: &str) -> Observed {
        match self {
            Self::Gauge => Observed::Points(Vec::new()),
            Self::Summary(percentiles) => {
                Observed::Summary { percentiles: Arc::clone(percentiles), samples: Vec::new() }
            }
            Self::Histogram(shape) => Observed::Histogram(Box::new(Histogram::new(shape.counts(name)))),
        }
    }
}

impl Shape {
    fn new(config: &HistogramConfig) -> Self {
        let rules = config.explicit_buckets.iter().filter_map(|rule| {
            Some((Regex::new(&rule.matcher_pattern).ok()?, rule.buckets.as_slice().into()))
        });
        Self {
            max_size: usize::try_from(config.max_size)
                .ok()
                .filter(|size| *size > 0)
                .unwrap_or(DEFAULT_MAX_SIZE),
            rules: rules.collect(),
            for_the_rest: (!config.explicit.is_empty()).then(|| config.explicit.as_slice().into()),
        }
    }

    fn counts(&self, name: &str) -> Counts {
        let rule = self.rules.iter().find(|(pattern, _)| pattern.is_match(name)).map(|(_, bounds)| bounds);
        match rule.or(self.for_the_rest.as_ref()) {
            Some(bounds) => {
                Counts::Explicit { bounds: Arc::clone(bounds), counts: vec![0.0; bounds.len() + 1] }
            }
            None => Counts::Exponential(Exponential::new(self.max_size)),
        }
    }
}

/// Values of one series in one interval.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Observed {
    /// Each value with its time of arrival in nanoseconds since 1970.
    Points(Vec<(f64, u64)>),
    /// Each value with its weight.
    Summary {
        percentiles: Arc<[f64]>,
        samples: Vec<(f64, f64)>,
    },
    Histogram(Box<Histogram>),
}

impl Observed {
    /// Adds a value that stands for `1 / rate` values.
    pub(super) fn add(&mut self, value: f64, rate: f64, now: u64) {
        match self {
            Self::Points(points) => points.push((value, now)),
            Self::Summary { samples, .. } => samples.push((value, 1.0 / rate)),
            Self::Histogram(histogram) => histogram.add(value, 1.0 / rate),
        }
    }

    /// How many values are held one by one.
    pub(super) fn samples(&self) -> usize {
        match self {
            Self::Points(points) => points.len(),
            Self::Summary { samples, .. } => samples.len(),
            Self::Histogram(_) => 0,
        }
    }

    /// Whether values are held one by one.
    pub(super) fn keeps_samples(&self) -> bool {
        !matches!(self, Self::Histogram(_))
    }

    /// An empty gathering of the same kind.
    pub(super) fn emptied(&self) -> Self {
        match self {
            Self::Points(_) => Self::Points(Vec::new()),
            Self::Summary { percentiles, .. } => {
                Self::Summary { percentiles: Arc::clone(percentiles), samples: Vec::new() }
            }
            Self::Histogram(histogram) => Self::Histogram(Box::new(histogram.emptied())),
        }
    }

    /// Takes the values out and leaves an empty gathering of the same kind.
    pub(super) fn take(&mut self) -> Self {
        let empty = self.emptied();
        std::mem::replace(self, empty)
    }

    /// Adds the values of an earlier gathering of the same series.
    pub(super) fn merge_earlier(&mut self, earlier: Self) {
        match (self, earlier) {
            (Self::Points(mine), Self::Points(mut earlier)) => {
                earlier.append(mine);
                *mine = earlier;
            }
            (Self::Summary { samples: mine, .. }, Self::Summary { samples: earlier, .. }) => {
                mine.extend(earlier);
            }
            (Self::Histogram(mine), Self::Histogram(earlier)) => mine.merge(*earlier),
            // A series keeps its kind as long as it lives.
            _ => {}
        }
    }
}

/// A histogram with what OTLP wants beside the buckets.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Histogram {
    pub(super) sum: f64,
    pub(super) min: f64,
    pub(super) max: f64,
    pub(super) counts: Counts,
}

/// Buckets; see [`Exponential`] for why counts are no integers.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Counts {
    Explicit { bounds: Arc<[f64]>, counts: Vec<f64> },
    Exponential(Exponential),
}

impl Histogram {
    fn new(counts: Counts) -> Self {
        Self { sum: 0.0, min: f64::INFINITY, max: f64::NEG_INFINITY, counts }
    }

    fn emptied(&self) -> Self {
        Self::new(match &self.counts {
            Counts::Explicit { bounds, counts } => {
                Counts::Explicit { bounds: Arc::clone(bounds), counts: vec![0.0; counts.len()] }
            }
            Counts::Exponential(exponential) => Counts::Exponential(exponential.emptied()),
        })
    }

    fn add(&mut self, value: f64, weight: f64) {
        self.sum += value * weight;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        match &mut self.counts {
            Counts::Explicit { bounds, counts } => {
                // A bound belongs to the bucket below it (OTLP: `(-inf, b0], (b0, b1], ...`).
                let at = bounds.partition_point(|bound| *bound < value);
                if let Some(count) = counts.get_mut(at) {
                    *count += weight;
                }
            }
            Counts::Exponential(exponential) => exponential.add(value, weight),
        }
    }

    fn merge(&mut self, other: Self) {
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        match (&mut self.counts, other.counts) {
            (Counts::Explicit { counts: mine, .. }, Counts::Explicit { counts, .. }) => {
                for (mine, count) in mine.iter_mut().zip(counts) {
                    *mine += count;
                }
            }
            (Counts::Exponential(mine), Counts::Exponential(other)) => mine.merge(other),
            // The shape follows from the name.
            _ => {}
        }
    }
}

/// Values at percentiles, by the empirical distribution: the least value at or below which the given share of all
/// weight lies. `samples` must not be empty and are sorted here.
pub(super) fn quantiles(samples: &mut [(f64, f64)], percentiles: &[f64]) -> Vec<(f64, f64)> {
    samples.sort_by(|one, two| one.0.total_cmp(&two.0));
    let total: f64 = samples.iter().map(|(_, weight)| weight).sum();
    let at = |percentile: f64| {
        let wanted = percentile / 100.0 * total;
        let mut seen = 0.0;
        for (value, weight) in samples.iter() {
            seen += weight;
            if seen >= wanted {
                return *value;
            }
        }
        samples.last().map_or(0.0, |(value, _)| *value)
    };
    percentiles.iter().map(|percentile| (percentile / 100.0, at(*percentile))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statsd::config::{ExplicitBuckets, SummaryConfig};

    fn histogram(config: &HistogramConfig, name: &str, values: &[(f64, f64)]) -> Histogram {
        let mut histogram = Histogram::new(Shape::new(config).counts(name));
        for (value, weight) in values {
            histogram.add(*value, *weight);
        }
        histogram
    }

    #[test]
    fn the_guides_bounds_for_every_name() {
        let config = HistogramConfig { explicit: vec![10.0, 25.0, 50.0], ..HistogramConfig::default() };
        let filled =
            histogram(&config, "any.name", &[(10.0, 1.0), (10.5, 1.0), (50.0, 2.0), (51.0, 1.0), (0.0, 1.0)]);
        assert_eq!(
            filled.counts,
            Counts::Explicit { bounds: [10.0, 25.0, 50.0].into(), counts: vec![2.0, 1.0, 2.0, 1.0] }
        );
        assert_eq!((filled.sum, filled.min, filled.max), (171.5, 0.0, 51.0));
    }

    #[test]
    fn the_first_matcher_then_the_bounds_for_all_then_exponential() {
        let rule = |pattern: &str, bound| ExplicitBuckets {
            matcher_pattern: pattern.to_owned(),
            buckets: vec![bound],
        };
        let mut config = HistogramConfig {
            explicit_buckets: vec![rule("foo.*", 1.0), rule("rtt$", 2.0)],
            explicit: vec![3.0],
            ..HistogramConfig::default()
        };
        let bound = |config: &HistogramConfig, name| match Shape::new(config).counts(name) {
            Counts::Explicit { bounds, .. } => Some(bounds[0]),
            Counts::Exponential(_) => None,
        };
        assert_eq!(bound(&config, "a.foo.rtt"), Some(1.0));
        assert_eq!(bound(&config, "contacts.rtt"), Some(2.0));
        assert_eq!(bound(&config, "calltime"), Some(3.0));
        config.explicit.clear();
        assert_eq!(bound(&config, "calltime"), None);
    }

    #[test]
    fn mappings_by_type() {
        let mapping = |statsd_type: &str, observer_type: &str| Mapping {
            statsd_type: statsd_type.to_owned(),
            observer_type: observer_type.to_owned(),
            summary: SummaryConfig::default(),
            ..Mapping::default()
        };
        let observers = Observers::new(&[mapping("timer", "histogram")]);
        assert!(matches!(observers.timing, Some(Observer::Histogram(_))));
        assert!(observers.values.is_none());
        let observers = Observers::new(&[mapping("timing", "gauge"), mapping("distribution", "summary")]);
        assert!(matches!(observers.timing, Some(Observer::Gauge)));
        assert!(
            matches!(observers.values, Some(Observer::Summary(percentiles)) if *percentiles == *PERCENTILES)
        );
    }

    #[test]
    fn a_refused_interval_comes_back_before_the_new_one() {
        let mut points = Observed::Points(vec![(3.0, 30)]);
        points.merge_earlier(Observed::Points(vec![(1.0, 10), (2.0, 20)]));
        assert_eq!(points, Observed::Points(vec![(1.0, 10), (2.0, 20), (3.0, 30)]));

        let config = HistogramConfig { explicit: vec![10.0], ..HistogramConfig::default() };
        let mut mine = histogram(&config, "a", &[(5.0, 1.0)]);
        mine.merge(histogram(&config, "a", &[(50.0, 2.0), (1.0, 1.0)]));
        assert_eq!(mine, histogram(&config, "a", &[(5.0, 1.0), (50.0, 2.0), (1.0, 1.0)]));
    }

    #[test]
    fn quantiles_of_a_weighted_sample() {
        let mut samples = vec![(30.0, 1.0), (10.0, 1.0), (20.0, 2.0)];
        assert_eq!(
            quantiles(&mut samples, &[0.0, 25.0, 26.0, 75.0, 76.0, 100.0]),
            [(0.0, 10.0), (0.25, 10.0), (0.26, 20.0), (0.75, 20.0), (0.76, 30.0), (1.0, 30.0)]
        );
    }
}
