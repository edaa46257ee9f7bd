//! Histograms with an example for each bucket.

use std::sync::Arc;

use crate::ami::signal::Nanos;

/// A measurement that a trace belongs to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Example {
    /// The call's Linkedid.
    pub(crate) linkedid: Arc<str>,
    /// What was measured.
    pub(crate) value: f64,
    /// When.
    pub(crate) at: Nanos,
}

/// Measurements since the start, by bucket.
#[derive(Clone, Debug)]
pub(crate) struct Histogram {
    /// Upper bounds, ascending; there is one bucket more than bounds.
    pub(crate) bounds: Arc<[f64]>,
    /// Measurements in each bucket.
    pub(crate) counts: Vec<u64>,
    /// Sum of all measurements.
    pub(crate) sum: f64,
    /// The last measurement in each bucket that belongs to a call.
    pub(crate) examples: Vec<Option<Example>>,
}

impl Histogram {
    pub(super) fn new(bounds: &Arc<[f64]>) -> Self {
        let buckets = bounds.len() + 1;
        Self { bounds: Arc::clone(bounds), counts: vec![0; buckets], sum: 0.0, examples: vec![None; buckets] }
    }

    /// Takes a measurement in; an upper bound belongs to its bucket.
    pub(super) fn record(&mut self, value: f64, call: Option<(&Arc<str>, Nanos)>) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        if let Some(count) = self.counts.get_mut(bucket) {
            *count += 1;
        }
        self.sum += value;
        if let (Some((linkedid, at)), Some(example)) = (call, self.examples.get_mut(bucket)) {
            *example = Some(Example { linkedid: Arc::clone(linkedid), value, at });
        }
    }

    /// How many measurements there are.
    pub(crate) fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_its_bucket_and_the_last_call_is_the_example() {
        let mut histogram = Histogram::new(&Arc::from([10.0, 20.0]));
        let call: Arc<str> = Arc::from("1.2");
        histogram.record(10.0, None);
        histogram.record(10.5, Some((&call, 7)));
        histogram.record(20.0, Some((&call, 8)));
        histogram.record(21.0, None);
        assert_eq!(
            (histogram.counts.as_slice(), histogram.sum, histogram.count()),
            (&[1, 2, 1][..], 61.5, 4)
        );
        let example = Example { linkedid: call, value: 20.0, at: 8 };
        assert_eq!(histogram.examples, [None, Some(example), None]);
    }
}
