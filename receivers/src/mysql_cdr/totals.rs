//! The values that are shown: what was counted since the record began, and what happened lately.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::row::{Disposition, Leg};
use super::time::Zone;

/// What stands for the values of a label beyond its limit.
const OTHER: &str = "_other";
/// What stands for an empty value.
const NONE: &str = "";
const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// Calls by disposition.
pub(super) type ByDisposition = [u64; Disposition::ALL.len()];

/// A histogram of milliseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Histogram {
    /// Upper bounds, inclusive.
    pub(super) bounds_ms: Vec<u64>,
    /// Values by bucket; one more than bounds.
    pub(super) counts: Vec<u64>,
    /// Sum of the values.
    pub(super) sum_ms: u64,
}

impl Histogram {
    fn new(bounds: &[f64]) -> Self {
        let bounds_ms: Vec<u64> = bounds.iter().map(|bound| (bound * 1000.0).round() as u64).collect();
        Self { counts: vec![0; bounds_ms.len() + 1], bounds_ms, sum_ms: 0 }
    }

    fn add(&mut self, value_ms: u64) {
        let bucket = self.bounds_ms.partition_point(|bound| *bound < value_ms);
        if let Some(count) = self.counts.get_mut(bucket) {
            *count += 1;
        }
        self.sum_ms = self.sum_ms.saturating_add(value_ms);
    }

    /// How many values there are.
    pub(super) fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

/// Sums over the calls of a minute or an hour.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Slot {
    /// Calls by disposition.
    pub(super) calls: ByDisposition,
    /// Sum of durations.
    pub(super) duration_ms: u64,
    /// Sum of times after the answer, of all calls.
    pub(super) billsec_ms: u64,
}

impl Slot {
    fn add(&mut self, leg: &Leg) {
        self.calls[leg.disposition as usize] += 1;
        self.duration_ms += leg.duration();
        self.billsec_ms += leg.billsec();
    }

    fn merge(&mut self, other: &Self) {
        for (sum, more) in self.calls.iter_mut().zip(other.calls) {
            *sum += more;
        }
        self.duration_ms += other.duration_ms;
        self.billsec_ms += other.billsec_ms;
    }

    /// All calls.
    pub(super) fn total(&self) -> u64 {
        self.calls.iter().sum()
    }

    /// Calls that ended so.
    pub(super) fn of(&self, disposition: Disposition) -> u64 {
        self.calls[disposition as usize]
    }
}

/// What does not follow from the calls.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    /// Bounds of the histogram of durations, in seconds.
    pub(super) duration_buckets: Vec<f64>,
    /// Bounds of the histogram of answer times, in seconds.
    pub(super) answer_time_buckets: Vec<f64>,
    /// Answered calls below this are short, in milliseconds.
    pub(super) short_call_ms: u64,
    /// Values of a label.
    pub(super) label_values: usize,
    /// Zone of hours.
    pub(super) zone: Zone,
}

/// The values of one table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Totals {
    /// When counting began, in nanoseconds since 1970.
    pub(super) since: u64,
    /// Rows that were read.
    pub(super) rows: u64,
    /// Calls by disposition.
    pub(super) calls: ByDisposition,
    /// Durations.
    pub(super) duration: Histogram,
    /// Times from start to answer of answered calls.
    pub(super) answer_time: Histogram,
    /// Sum of times after the answer.
    pub(super) billsec_ms: u64,
    /// Answered calls that were short.
    pub(super) short_calls: u64,
    /// Calls by context.
    pub(super) by_context: BTreeMap<String, ByDisposition>,
    /// Calls by last application.
    pub(super) by_application: BTreeMap<String, u64>,
    /// Calls by technology of the destination.
    pub(super) by_technology: BTreeMap<String, ByDisposition>,
    /// Calls by technology and peer of the destination.
    pub(super) by_trunk: BTreeMap<String, ByDisposition>,
    /// Calls by hour of the day of their start.
    pub(super) by_hour: [u64; 24],
    /// Calls by minute of their end, UTC, of the last day.
    minutes: BTreeMap<i64, Slot>,
    /// Calls by hour of their start as the table's clock has it, of the last day.
    hours: BTreeMap<i64, Slot>,
    /// How many more calls are up from each second on, of the last hour.
    steps: BTreeMap<i64, i32>,
    /// Calls up before the first step.
    base: i64,
    /// End of the newest call, UTC.
    pub(super) newest: Option<i64>,
}

impl Totals {
    /// Nothing counted.
    pub(super) fn new(since: u64, rules: &Rules) -> Self {
        let mut new = Self { since, ..Self::default() };
        new.follow(rules);
        new
    }

    /// Takes over rules that changed since the record was written: a histogram with other bounds begins anew. True if
    /// one did.
    pub(super) fn follow(&mut self, rules: &Rules) -> bool {
        let mut changed = false;
        for (histogram, bounds) in [
            (&mut self.duration, &rules.duration_buckets),
            (&mut self.answer_time, &rules.answer_time_buckets),
        ] {
            let fresh = Histogram::new(bounds);
            if histogram.bounds_ms != fresh.bounds_ms {
                changed |= !histogram.counts.is_empty();
                *histogram = fresh;
            }
        }
        changed
    }

    /// Notes that a row was read; `now` is UTC.
    pub(super) fn row(&mut self, leg: &Leg, now: i64) {
        self.rows += 1;
        // A clock that is ahead by a day is wrong.
        if leg.end() <= now.saturating_add(DAY) {
            self.newest = self.newest.max(Some(leg.end()));
        }
    }

    /// Counts a call; `now` is UTC.
    pub(super) fn call(&mut self, leg: &Leg, rules: &Rules, now: i64) {
        let disposition = leg.disposition as usize;
        self.calls[disposition] += 1;
        self.duration.add(leg.duration());
        self.billsec_ms = self.billsec_ms.saturating_add(leg.billsec());
        if let Some(answer_time) = leg.answer_time {
            self.answer_time.add(u64::try_from(answer_time).unwrap_or(0));
        }
        if leg.disposition == Disposition::Answered && leg.billsec() < rules.short_call_ms {
            self.short_calls += 1;
        }
        labelled(&mut self.by_context, &leg.context, rules)[disposition] += 1;
        *labelled(&mut self.by_application, &leg.application, rules) += 1;
        if !leg.technology.is_empty() {
            labelled(&mut self.by_technology, &leg.technology, rules)[disposition] += 1;
        }
        if !leg.trunk.is_empty() {
            let trunk = format!("{}/{}", leg.technology, leg.trunk);
            labelled(&mut self.by_trunk, &trunk, rules)[disposition] += 1;
        }
        let hour = usize::try_from(leg.naive.rem_euclid(DAY) / HOUR).unwrap_or(0);
        self.by_hour[hour] += 1;
        self.lately(leg, rules, now);
    }

    fn lately(&mut self, leg: &Leg, rules: &Rules, now: i64) {
        let (start, end) = (leg.start, leg.end());
        // A clock that is ahead by a day is wrong.
        let recent = |time: i64| (now - DAY..=now + DAY).contains(&time);
        if recent(end) {
            self.minutes.entry(end.div_euclid(60)).or_default().add(leg);
        }
        if recent(start) {
            self.hours.entry(leg.naive.div_euclid(HOUR)).or_default().add(leg);
        }
        if recent(end) && end > now - HOUR && end > start {
            *self.steps.entry(start.max(now - HOUR)).or_default() += 1;
            *self.steps.entry(end).or_default() -= 1;
        }
        self.forget(rules, now);
    }

    /// Forgets what is no longer lately; `now` is UTC.
    pub(super) fn forget(&mut self, rules: &Rules, now: i64) {
        let first_minute = (now - DAY).div_euclid(60);
        while self.minutes.first_key_value().is_some_and(|(minute, _)| *minute < first_minute) {
            self.minutes.pop_first();
        }
        let first_hour = (rules.zone.to_naive(now) - DAY).div_euclid(HOUR) + 1;
        while self.hours.first_key_value().is_some_and(|(hour, _)| *hour < first_hour) {
            self.hours.pop_first();
        }
        while self.steps.first_key_value().is_some_and(|(second, _)| *second < now - HOUR) {
            self.base += self.steps.pop_first().map_or(0, |(_, step)| i64::from(step));
        }
    }

    /// The calls that ended in the last `window` seconds before `now`, UTC.
    pub(super) fn window(&self, now: i64, window: i64) -> Slot {
        let mut sum = Slot::default();
        // The minute under way and as many whole ones as the window has.
        for (_, slot) in self.minutes.range((now - window).div_euclid(60) + 1..) {
            sum.merge(slot);
        }
        sum
    }

    /// The hours of the last day, by hour of the day of the calls' start, with `now` in UTC.
    pub(super) fn hourly(&self, rules: &Rules, now: i64) -> Vec<(i64, Slot)> {
        let last = rules.zone.to_naive(now).div_euclid(HOUR);
        (last - 23..=last)
            .map(|hour| (hour.rem_euclid(24), self.hours.get(&hour).cloned().unwrap_or_default()))
            .collect()
    }

    /// Most calls at a time in the last hour, among those that have ended.
    pub(super) fn peak(&self, now: i64) -> u64 {
        let (mut up, mut peak) = (self.base, 0);
        for (second, step) in &self.steps {
            // Those that were up when the hour began are among it.
            if *second > now - HOUR {
                peak = peak.max(up);
            }
            up += i64::from(*step);
            if *second >= now - HOUR {
                peak = peak.max(up);
            }
        }
        u64::try_from(peak).unwrap_or(0)
    }
}

fn labelled<'a, V: Default>(map: &'a mut BTreeMap<String, V>, value: &str, rules: &Rules) -> &'a mut V {
    let full = map.len() >= rules.label_values && !map.contains_key(value);
    let key = if full {
        OTHER
    } else if value.is_empty() {
        NONE
    } else {
        value
    };
    map.entry(key.to_owned()).or_default()
}

#[cfg(test)]
#[path = "totals_tests.rs"]
pub(super) mod tests;
