//! Base-2 exponential histogram that coarsens itself to stay within a number of buckets.
//!
//! Buckets, scales and the upper-inclusive bounds are those of the OTLP data model ("ExponentialHistogram"): bucket `i`
//! at scale `s` holds values in `(2^(i / 2^s), 2^((i + 1) / 2^s)]`. Counts are floating point until they are sent,
//! since a sampled value stands for `1 / rate` values.

use std::collections::VecDeque;

/// The finest scale, as in otelcol.
const MAX_SCALE: i32 = 20;

/// A distribution; see the module.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Exponential {
    max_size: usize,
    pub(super) scale: i32,
    pub(super) zero: f64,
    pub(super) positive: Buckets,
    pub(super) negative: Buckets,
}

/// Consecutive buckets of one sign.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Buckets {
    /// Index of the first bucket.
    pub(super) offset: i32,
    pub(super) counts: VecDeque<f64>,
}

impl Exponential {
    /// An empty distribution of at most `max_size` buckets for each sign, at least 2.
    pub(super) fn new(max_size: usize) -> Self {
        Self {
            max_size: max_size.max(2),
            scale: MAX_SCALE,
            zero: 0.0,
            positive: Buckets::default(),
            negative: Buckets::default(),
        }
    }

    /// An empty distribution with the same limit.
    pub(super) fn emptied(&self) -> Self {
        Self::new(self.max_size)
    }

    /// Adds a finite value that stands for `weight` values.
    pub(super) fn add(&mut self, value: f64, weight: f64) {
        if value == 0.0 {
            self.zero += weight;
            return;
        }
        let index = index(value.abs(), self.scale);
        let max_size = self.max_size;
        let excess = self.side(value).excess(index, index, max_size);
        self.coarsen(excess);
        self.side(value).add(index >> excess, weight);
    }

    /// Adds another distribution's counts.
    pub(super) fn merge(&mut self, mut other: Self) {
        self.zero += other.zero;
        self.coarsen((self.scale - other.scale).max(0).cast_unsigned());
        other.coarsen((other.scale - self.scale).max(0).cast_unsigned());
        let max_size = self.max_size;
        let excess = |mine: &Buckets, theirs: &Buckets| match theirs.range() {
            Some((low, high)) => mine.excess(low, high, max_size),
            None => 0,
        };
        let excess = excess(&self.positive, &other.positive).max(excess(&self.negative, &other.negative));
        self.coarsen(excess);
        other.coarsen(excess);
        for (mine, theirs) in [(&mut self.positive, other.positive), (&mut self.negative, other.negative)] {
            for (index, count) in (theirs.offset..).zip(theirs.counts).filter(|(_, count)| *count > 0.0) {
                mine.add(index, count);
            }
        }
    }

    fn side(&mut self, value: f64) -> &mut Buckets {
        if value > 0.0 { &mut self.positive } else { &mut self.negative }
    }

    /// Joins `2^by` neighbours into one bucket, everywhere.
    fn coarsen(&mut self, by: u32) {
        if by == 0 {
            return;
        }
        self.positive.coarsen(by);
        self.negative.coarsen(by);
        self.scale -= by.cast_signed();
    }
}

impl Buckets {
    /// First and last index.
    fn range(&self) -> Option<(i32, i32)> {
        // No more buckets than max_size, which is far below 2^31.
        let last = i32::try_from(self.counts.len()).ok()?.checked_sub(1).filter(|last| *last >= 0)?;
        Some((self.offset, self.offset + last))
    }

    /// By how many scales to coarsen so that these buckets and `low..=high` fit into `max_size`.
    fn excess(&self, low: i32, high: i32, max_size: usize) -> u32 {
        let (first, last) = self.range().unwrap_or((low, high));
        let (low, high) = (i64::from(low.min(first)), i64::from(high.max(last)));
        let fits = |by: &u32| usize::try_from((high >> by) - (low >> by)).is_ok_and(|span| span < max_size);
        (0..i32::BITS).find(fits).unwrap_or(i32::BITS - 1)
    }

    fn add(&mut self, index: i32, weight: f64) {
        let Some((first, last)) = self.range() else {
            self.offset = index;
            self.counts.push_back(weight);
            return;
        };
        for _ in index..first {
            self.counts.push_front(0.0);
        }
        for _ in last..index {
            self.counts.push_back(0.0);
        }
        self.offset = first.min(index);
        if let Some(count) = usize::try_from(index - self.offset).ok().and_then(|at| self.counts.get_mut(at))
        {
            *count += weight;
        }
    }

    fn coarsen(&mut self, by: u32) {
        if self.counts.is_empty() {
            return;
        }
        let old = std::mem::take(self);
        for (index, count) in (old.offset..).zip(old.counts) {
            self.add(index >> by, count);
        }
    }
}

/// The bucket of a positive finite value.
fn index(value: f64, scale: i32) -> i32 {
    let (fraction, exponent) = split(value);
    if scale <= 0 {
        // An exact power of two is the upper bound of the bucket below.
        let index = if fraction == 1.0 { exponent - 1 } else { exponent };
        return index >> -scale;
    }
    let steps = 1_i32 << scale;
    let base = exponent << scale;
    if fraction == 1.0 {
        return base - 1;
    }
    // In (0, steps]; rounding of the logarithm must not leave the octave.
    let step = (fraction.log2() * f64::from(steps)).ceil();
    base + (step as i32).clamp(1, steps) - 1
}

/// Splits a positive finite value into a fraction in [1, 2) and a power of two.
fn split(value: f64) -> (f64, i32) {
    const MANTISSA: u64 = (1 << 52) - 1;
    const BIAS: i32 = 1023;
    let bits = value.to_bits();
    let exponent = i32::try_from(bits >> 52 & 0x7ff).unwrap_or(0);
    if exponent == 0 {
        // Subnormal: bring it into the normal range first.
        let (fraction, exponent) = split(value * (1_u64 << 54) as f64);
        return (fraction, exponent - 54);
    }
    (f64::from_bits(bits & MANTISSA | 1.0_f64.to_bits()), exponent - BIAS)
}

#[cfg(test)]
#[path = "exponential_tests.rs"]
mod tests;
