//! Sums of delta points: remote write has cumulative values only.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::native::Exponential;

/// Totals of series that had no point for this long, in milliseconds, are forgotten; they begin again at zero.
const FORGET_AFTER: i64 = 3_600_000;

/// What has been added up for one series.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Total {
    Number(f64),
    Explicit { bounds: Vec<f64>, counts: Vec<u64>, sum: f64, count: u64 },
    Exponential(Exponential),
}

impl Total {
    /// Adds a point. One of another shape begins anew.
    fn add(&mut self, delta: Total) {
        match (&mut *self, delta) {
            (Total::Number(sum), Total::Number(delta)) => *sum += delta,
            (Total::Exponential(sum), Total::Exponential(delta)) => sum.add(&delta),
            (
                Total::Explicit { bounds, counts, sum, count },
                Total::Explicit { bounds: new_bounds, counts: new_counts, sum: new_sum, count: new_count },
            ) if *bounds == new_bounds && counts.len() == new_counts.len() => {
                for (total, delta) in counts.iter_mut().zip(new_counts) {
                    *total = total.saturating_add(delta);
                }
                *sum += new_sum;
                *count = count.saturating_add(new_count);
            }
            (total, delta) => *total = delta,
        }
    }
}

#[derive(Debug, Clone)]
struct Kept {
    total: Total,
    /// When adding up began, milliseconds since 1970.
    start: i64,
    /// The last point's arrival.
    touched: i64,
}

/// The totals of one exporter.
#[derive(Debug)]
pub(super) struct Totals {
    kept: HashMap<Box<[u8]>, Kept>,
    /// What was there before the batch that is under way, newest last.
    before: Vec<(Box<[u8]>, Option<Kept>)>,
    limit: usize,
    swept: i64,
}

impl Totals {
    /// At most `limit` series.
    pub(super) fn new(limit: usize) -> Self {
        Self { kept: HashMap::new(), before: Vec::new(), limit, swept: 0 }
    }

    /// Adds a point to the series `key`, and gives the total and when it began. None where there are too many series.
    pub(super) fn add(&mut self, key: &[u8], delta: Total, start: i64, now: i64) -> Option<(&Total, i64)> {
        self.sweep(now);
        let full = self.kept.len() >= self.limit;
        let kept = match self.kept.entry(key.into()) {
            Entry::Occupied(kept) => {
                self.before.push((key.into(), Some(kept.get().clone())));
                let kept = kept.into_mut();
                kept.total.add(delta);
                kept.touched = now;
                kept
            }
            Entry::Vacant(_) if full => return None,
            Entry::Vacant(place) => {
                self.before.push((key.into(), None));
                place.insert(Kept { total: delta, start, touched: now })
            }
        };
        Some((&kept.total, kept.start))
    }

    /// The batch under way is done with.
    pub(super) fn commit(&mut self) {
        self.before.clear();
    }

    /// The batch under way will come again.
    pub(super) fn roll_back(&mut self) {
        while let Some((key, before)) = self.before.pop() {
            match before {
                Some(kept) => self.kept.insert(key, kept),
                None => self.kept.remove(&key),
            };
        }
    }

    fn sweep(&mut self, now: i64) {
        if now.saturating_sub(self.swept) >= FORGET_AFTER / 4 {
            self.swept = now;
            self.kept.retain(|_, kept| now.saturating_sub(kept.touched) < FORGET_AFTER);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(totals: &mut Totals, key: &str, delta: f64, now: i64) -> Option<(f64, i64)> {
        let (total, start) = totals.add(key.as_bytes(), Total::Number(delta), now, now)?;
        let Total::Number(sum) = total else { panic!("{total:?}") };
        Some((*sum, start))
    }

    #[test]
    fn deltas_add_up_within_a_limit_and_are_forgotten_in_the_end() {
        let mut totals = Totals::new(2);
        assert_eq!(number(&mut totals, "a", 2.0, 1000), Some((2.0, 1000)));
        assert_eq!(number(&mut totals, "a", 3.0, 2000), Some((5.0, 1000)));
        assert_eq!(number(&mut totals, "b", 1.0, 2000), Some((1.0, 2000)));
        assert_eq!(number(&mut totals, "c", 1.0, 2000), None);
        totals.commit();
        number(&mut totals, "a", 1.0, 2500);
        number(&mut totals, "a", 1.0, 2500);
        totals.roll_back();
        assert_eq!(number(&mut totals, "a", 1.0, 3000), Some((6.0, 1000)));
        let later = 3000 + FORGET_AFTER;
        assert_eq!(number(&mut totals, "c", 1.0, later), Some((1.0, later)));
        assert_eq!(number(&mut totals, "a", 1.0, later), Some((1.0, later)));
    }

    #[test]
    fn a_histogram_with_other_bounds_begins_anew() {
        let explicit = |bounds: &[f64], counts: &[u64]| Total::Explicit {
            bounds: bounds.to_vec(),
            counts: counts.to_vec(),
            sum: 1.0,
            count: counts.iter().sum(),
        };
        let mut total = explicit(&[1.0], &[1, 2]);
        total.add(explicit(&[1.0], &[3, 4]));
        let Total::Explicit { counts, sum, count, .. } = &total else { panic!("{total:?}") };
        assert_eq!((counts.as_slice(), *sum, *count), (&[4, 6][..], 2.0, 10));
        total.add(explicit(&[2.0], &[1, 0]));
        assert_eq!(total, explicit(&[2.0], &[1, 0]));
    }
}
