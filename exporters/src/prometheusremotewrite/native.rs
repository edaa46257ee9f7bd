//! Native histograms: from exponential ones, and from explicit bounds as custom buckets.
//!
//! Source: the specification of native histograms of Prometheus, and OpenTelemetry's of exponential histograms.

use std::collections::BTreeMap;

use otelcol_pdata::model::metrics::ExponentialHistogramDataPoint;
use otelcol_pdata::model::metrics::exponential_histogram_data_point::Buckets;

use super::proto::{BucketSpan, Histogram};

/// The finest and the coarsest resolution of Prometheus.
const MAX_SCHEMA: i32 = 8;
const MIN_SCHEMA: i32 = -4;

/// Explicit bounds.
const CUSTOM_SCHEMA: i32 = -53;

/// What counts as zero where a point does not say (client_golang's default).
const ZERO_THRESHOLD: f64 = 1e-128;

/// A gap of this many empty buckets is filled, a longer one begins a new span (client_golang).
const FILLED_GAP: i32 = 2;

/// Buckets by their number; bucket n ends at 2^(n * 2^-schema).
type Counts = BTreeMap<i32, u64>;

/// An exponential histogram in Prometheus' resolution.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Exponential {
    schema: i32,
    zero_threshold: f64,
    zero_count: u64,
    positive: Counts,
    negative: Counts,
    sum: f64,
    count: u64,
}

impl Exponential {
    /// None for a scale below -4, and for counts that do not add up: Prometheus takes neither.
    pub(super) fn of(point: &ExponentialHistogramDataPoint) -> Option<Self> {
        if point.scale < MIN_SCHEMA {
            return None;
        }
        let schema = point.scale.min(MAX_SCHEMA);
        let shift = u32::try_from(point.scale - schema).ok()?;
        let exponential = Self {
            schema,
            zero_threshold: if point.zero_threshold == 0.0 { ZERO_THRESHOLD } else { point.zero_threshold },
            zero_count: point.zero_count,
            positive: counts(point.positive.as_ref(), shift)?,
            negative: counts(point.negative.as_ref(), shift)?,
            sum: point.sum.unwrap_or_default(),
            count: point.count,
        };
        let buckets = exponential.positive.values().chain(exponential.negative.values());
        let total = buckets.fold(exponential.zero_count, |sum, count| sum.saturating_add(*count));
        (total == exponential.count).then_some(exponential)
    }

    /// Adds another one, in the coarser resolution of both.
    pub(super) fn add(&mut self, other: &Self) {
        let schema = self.schema.min(other.schema);
        self.coarsen(schema);
        let mut other = other.clone();
        other.coarsen(schema);
        self.zero_threshold = self.zero_threshold.max(other.zero_threshold);
        self.zero_count = self.zero_count.saturating_add(other.zero_count);
        self.sum += other.sum;
        self.count = self.count.saturating_add(other.count);
        for (mine, theirs) in [(&mut self.positive, other.positive), (&mut self.negative, other.negative)] {
            for (bucket, count) in theirs {
                let sum = mine.entry(bucket).or_default();
                *sum = sum.saturating_add(count);
            }
        }
    }

    fn coarsen(&mut self, schema: i32) {
        let shift = self.schema - schema;
        if shift == 0 {
            return;
        }
        for counts in [&mut self.positive, &mut self.negative] {
            let mut merged = Counts::new();
            for (bucket, count) in std::mem::take(counts) {
                let sum = merged.entry(((bucket - 1) >> shift) + 1).or_default();
                *sum = count.saturating_add(*sum);
            }
            *counts = merged;
        }
        self.schema = schema;
    }

    pub(super) fn to_histogram(&self) -> Histogram {
        let (positive_spans, positive_deltas) = layout(&self.positive);
        let (negative_spans, negative_deltas) = layout(&self.negative);
        Histogram {
            count: self.count,
            sum: self.sum,
            schema: self.schema,
            zero_threshold: self.zero_threshold,
            zero_count: self.zero_count,
            negative_spans,
            negative_deltas,
            positive_spans,
            positive_deltas,
            ..Histogram::default()
        }
    }
}

/// OTLP's bucket 0 begins at 1, where Prometheus' bucket 0 ends: numbers are one higher here. None for numbers that
/// 32 bits do not hold.
fn counts(buckets: Option<&Buckets>, shift: u32) -> Option<Counts> {
    let mut counts = Counts::new();
    let Some(buckets) = buckets else { return Some(counts) };
    for (index, count) in buckets.bucket_counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let number = i64::from(buckets.offset) + i64::try_from(index).ok()?;
        let bucket = i32::try_from((number >> shift.min(63)) + 1).ok()?;
        let sum = counts.entry(bucket).or_default();
        *sum = count.checked_add(*sum)?;
    }
    Some(counts)
}

/// Explicit buckets as custom ones. What the buckets do not count of `count` is above all bounds.
pub(super) fn custom(bounds: &[f64], counts: &[u64], sum: f64, count: u64) -> Histogram {
    let bounds = if bounds.last() == Some(&f64::INFINITY) { &bounds[..bounds.len() - 1] } else { bounds };
    let mut buckets = Counts::new();
    let mut total = 0_u64;
    for (bucket, count) in (0..).zip(counts.iter().take(bounds.len() + 1)) {
        total = total.saturating_add(*count);
        if *count > 0 {
            buckets.insert(bucket, *count);
        }
    }
    let rest = count.saturating_sub(total);
    if rest > 0
        && let Ok(last) = i32::try_from(bounds.len())
    {
        *buckets.entry(last).or_default() += rest;
    }
    let (positive_spans, positive_deltas) = layout(&buckets);
    Histogram {
        count: total + rest,
        sum,
        schema: CUSTOM_SCHEMA,
        positive_spans,
        positive_deltas,
        custom_values: bounds.to_vec(),
        ..Histogram::default()
    }
}

/// Runs of buckets, and each count as its difference to the one before.
fn layout(counts: &Counts) -> (Vec<BucketSpan>, Vec<i64>) {
    let mut spans: Vec<BucketSpan> = Vec::new();
    let mut deltas = Vec::with_capacity(counts.len());
    let mut before = 0_u64;
    let mut next = 0_i32;
    let mut push = |deltas: &mut Vec<i64>, count: u64| {
        deltas.push(count.wrapping_sub(before).cast_signed());
        before = count;
    };
    for (bucket, count) in counts {
        let gap = bucket.saturating_sub(next);
        match spans.last_mut() {
            Some(span) if gap <= FILLED_GAP => {
                (0..gap).for_each(|_| push(&mut deltas, 0));
                span.length += gap.unsigned_abs() + 1;
            }
            _ => spans.push(BucketSpan { offset: gap, length: 1 }),
        }
        push(&mut deltas, *count);
        next = bucket.saturating_add(1);
    }
    (spans, deltas)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(scale: i32, offset: i32, counts: &[u64]) -> ExponentialHistogramDataPoint {
        ExponentialHistogramDataPoint {
            scale,
            count: counts.iter().sum(),
            sum: Some(1.5),
            positive: Some(Buckets { offset, bucket_counts: counts.to_vec() }),
            ..ExponentialHistogramDataPoint::default()
        }
    }

    fn spans(histogram: &Histogram) -> (Vec<(i32, u32)>, Vec<i64>) {
        let spans = histogram.positive_spans.iter().map(|span| (span.offset, span.length)).collect();
        (spans, histogram.positive_deltas.clone())
    }

    #[test]
    fn buckets_are_runs_of_differences() {
        let histogram = Exponential::of(&point(0, 1, &[4, 2, 0, 0, 0, 1])).unwrap().to_histogram();
        assert_eq!(spans(&histogram), (vec![(2, 2), (3, 1)], vec![4, -2, -1]));
        assert_eq!((histogram.schema, histogram.count, histogram.zero_threshold), (0, 7, 1e-128));
        let short_gap = Exponential::of(&point(0, -3, &[1, 0, 0, 3])).unwrap().to_histogram();
        assert_eq!(spans(&short_gap), (vec![(-2, 4)], vec![1, -1, 0, 3]));
    }

    #[test]
    fn a_finer_scale_is_made_coarser_and_one_that_is_too_coarse_refused() {
        // Scale 10 to 8: four buckets in one. Offset -2: buckets -2 and -1 are below 1.
        let histogram = Exponential::of(&point(10, -2, &[1, 2, 3, 4, 5, 6, 7])).unwrap().to_histogram();
        assert_eq!(histogram.schema, 8);
        assert_eq!(spans(&histogram), (vec![(0, 3)], vec![3, 15, -11]));
        assert_eq!(Exponential::of(&point(-5, 0, &[1])), None);
        assert_eq!(Exponential::of(&point(0, i32::MAX, &[1])), None);
        let mut wrong = point(0, 0, &[1]);
        wrong.count = 2;
        assert_eq!(Exponential::of(&wrong), None, "Prometheus refuses counts that do not add up");
    }

    #[test]
    fn a_sum_has_the_coarser_resolution() {
        let mut sum = Exponential::of(&point(1, 0, &[1, 1, 1, 1])).unwrap();
        sum.add(&Exponential::of(&point(0, 1, &[5])).unwrap());
        let expected = Exponential::of(&point(0, 0, &[2, 7])).unwrap();
        assert_eq!((sum.schema, &sum.positive, sum.count), (0, &expected.positive, 9));
        assert_eq!(sum.sum, 3.0);
    }

    #[test]
    fn explicit_bounds_are_custom_values() {
        let histogram = custom(&[1.0, 5.0], &[0, 2, 1], 12.0, 4);
        assert_eq!((histogram.schema, histogram.count), (-53, 4));
        assert_eq!(histogram.custom_values, [1.0, 5.0]);
        assert_eq!(spans(&histogram), (vec![(1, 2)], vec![2, 0]), "the fourth is above all bounds");
        assert_eq!(custom(&[1.0, f64::INFINITY], &[1, 0, 0], 1.0, 1).custom_values, [1.0]);
    }
}
