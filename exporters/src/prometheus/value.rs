//! What a series holds and how a new point changes it.

use super::reason::{Conflict, Dropped};

/// Most buckets of a histogram and quantiles of a summary; more are a mistake or an attack.
const MAX_PARTS: usize = 4096;

/// The last state of a series, cumulative whatever the points were.
#[derive(Debug)]
pub(super) enum Value {
    Number(f64),
    Histogram(Box<HistogramValue>),
    Summary(Box<SummaryValue>),
}

#[derive(Debug, PartialEq)]
pub(super) struct HistogramValue {
    pub(super) bounds: Box<[f64]>,
    /// One more than bounds, or none: a point without buckets, or an exponential histogram.
    pub(super) counts: Box<[u64]>,
    pub(super) sum: f64,
    pub(super) count: u64,
}

#[derive(Debug, PartialEq)]
pub(super) struct SummaryValue {
    pub(super) quantiles: Box<[(f64, f64)]>,
    pub(super) sum: f64,
    pub(super) count: u64,
}

/// A point's value as it came.
#[derive(Clone, Copy, Debug)]
pub(super) enum Sample<'a> {
    Number(f64),
    Histogram { bounds: &'a [f64], counts: &'a [u64], sum: f64, count: u64 },
    Summary { quantiles: &'a [(f64, f64)], sum: f64, count: u64 },
}

impl Sample<'_> {
    /// Whether it can be served. `delta_counter`: it is to be added to a counter.
    pub(super) fn check(&self, delta_counter: bool) -> Result<(), Dropped> {
        let valid = match *self {
            Sample::Number(value) => !delta_counter || value >= 0.0,
            Sample::Histogram { bounds, counts, .. } => {
                bounds.len() <= MAX_PARTS
                    && bounds.is_sorted_by(|a, b| a < b)
                    && !bounds.first().is_some_and(|bound| bound.is_nan())
                    && (counts.len() == bounds.len() + 1 || (counts.is_empty() && bounds.is_empty()))
            }
            Sample::Summary { quantiles, .. } => quantiles.len() <= MAX_PARTS,
        };
        if valid { Ok(()) } else { Err(Dropped::InvalidValue) }
    }

    /// The value of a series that begins with this point.
    pub(super) fn to_value(self) -> Value {
        match self {
            Sample::Number(value) => Value::Number(value),
            Sample::Histogram { bounds, counts, sum, count } => Value::Histogram(Box::new(HistogramValue {
                bounds: bounds.into(),
                counts: counts.into(),
                sum,
                count,
            })),
            Sample::Summary { quantiles, sum, count } => {
                let mut quantiles: Box<[(f64, f64)]> = quantiles.into();
                quantiles.sort_by(|a, b| a.0.total_cmp(&b.0));
                Value::Summary(Box::new(SummaryValue { quantiles, sum, count }))
            }
        }
    }
}

impl Value {
    /// Takes a point over, in place where its shape is the same.
    pub(super) fn replace(&mut self, sample: Sample<'_>) {
        match (&mut *self, sample) {
            (Value::Number(value), Sample::Number(new)) => *value = new,
            (Value::Histogram(value), Sample::Histogram { bounds, counts, sum, count })
                if *value.bounds == *bounds && value.counts.len() == counts.len() =>
            {
                value.counts.copy_from_slice(counts);
                value.sum = sum;
                value.count = count;
            }
            (value, sample) => *value = sample.to_value(),
        }
    }

    /// Adds a delta point. A histogram whose bounds changed begins again with it.
    pub(super) fn add(&mut self, sample: Sample<'_>) -> Option<Conflict> {
        match (&mut *self, sample) {
            (Value::Number(value), Sample::Number(delta)) => *value += delta,
            (Value::Histogram(value), Sample::Histogram { bounds, counts, sum, count })
                if *value.bounds == *bounds && value.counts.len() == counts.len() =>
            {
                for (total, delta) in value.counts.iter_mut().zip(counts) {
                    *total = total.saturating_add(*delta);
                }
                value.sum += sum;
                value.count = value.count.saturating_add(count);
            }
            (value, sample) => {
                *value = sample.to_value();
                return Some(Conflict::BoundsChanged);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram<'a>(bounds: &'a [f64], counts: &'a [u64], sum: f64) -> Sample<'a> {
        Sample::Histogram { bounds, counts, sum, count: counts.iter().sum() }
    }

    fn counts(value: &Value) -> (Vec<u64>, f64, u64) {
        let Value::Histogram(value) = value else { panic!("no histogram: {value:?}") };
        (value.counts.to_vec(), value.sum, value.count)
    }

    #[test]
    fn deltas_add_up_until_the_bounds_change() {
        let mut value = histogram(&[1.0, 2.0], &[1, 0, 2], 9.5).to_value();
        assert_eq!(value.add(histogram(&[1.0, 2.0], &[0, 4, 1], 10.5)), None);
        assert_eq!(counts(&value), (vec![1, 4, 3], 20.0, 8));
        assert_eq!(value.add(histogram(&[1.0, 3.0], &[0, 4, 1], 10.5)), Some(Conflict::BoundsChanged));
        assert_eq!(counts(&value), (vec![0, 4, 1], 10.5, 5));
        let mut number = Sample::Number(2.0).to_value();
        assert_eq!(number.add(Sample::Number(0.5)), None);
        assert!(matches!(number, Value::Number(2.5)));
    }

    #[test]
    fn impossible_values_are_refused() {
        for (bounds, counts, valid) in [
            (&[1.0, 2.0][..], &[1, 2, 3][..], true),
            (&[], &[], true),
            (&[], &[7], true),
            (&[1.0, f64::INFINITY], &[1, 2, 0], true),
            (&[1.0, 1.0], &[1, 2, 3], false),
            (&[2.0, 1.0], &[1, 2, 3], false),
            (&[f64::NAN], &[1, 2], false),
            (&[1.0, f64::NAN], &[1, 2, 3], false),
            (&[1.0], &[1], false),
            (&[1.0], &[], false),
        ] {
            assert_eq!(histogram(bounds, counts, 0.0).check(true).is_ok(), valid, "{bounds:?} {counts:?}");
        }
        assert_eq!(Sample::Number(-1.0).check(true), Err(Dropped::InvalidValue));
        assert_eq!(Sample::Number(f64::NAN).check(true), Err(Dropped::InvalidValue));
        assert_eq!(Sample::Number(-1.0).check(false), Ok(()));
    }
}
