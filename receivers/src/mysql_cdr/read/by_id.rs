//! Reading by an auto-increment key.
//!
//! Keys are given out when a row is inserted and show when its transaction commits, so a lower one can come after a
//! higher one. A gap among the keys is therefore kept open for a while: reading begins before the oldest open gap each
//! time, and rows that were read are known by their keys.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

/// Rows that ended this much before now were inserted long ago, whatever zone their times are in.
const OLD: i64 = 26 * 3600;

/// The keys that were read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::mysql_cdr) struct ById {
    /// All keys up to this one were read or will never come.
    low: u64,
    /// The keys above it that were read: first to last.
    ranges: BTreeMap<u64, u64>,
    /// Highest key at earlier looks, with milliseconds of this process's time.
    #[serde(skip)]
    looks: VecDeque<(u64, u64)>,
    /// Where this look is.
    #[serde(skip)]
    cursor: u64,
    /// Keys up to this one belong to rows of long ago.
    #[serde(skip)]
    old: u64,
}

impl ById {
    /// Begins after `key`.
    pub(in crate::mysql_cdr) fn after(key: u64) -> Self {
        Self { low: key, ..Self::default() }
    }

    /// Begins a look; the rows above the returned key are to be read, in the order of their keys.
    pub(in crate::mysql_cdr) fn begin(&mut self) -> u64 {
        self.cursor = self.low;
        self.cursor
    }

    /// After which key the next chunk begins.
    pub(in crate::mysql_cdr) fn cursor(&self) -> u64 {
        self.cursor
    }

    /// Notes a row, in the order of keys; false if it was read before. `end` is when its call ended, `now` the time.
    pub(in crate::mysql_cdr) fn row(&mut self, key: u64, end: i64, now: i64) -> bool {
        self.cursor = self.cursor.max(key);
        if end < now - OLD {
            self.old = self.old.max(key);
        }
        self.insert(key)
    }

    fn insert(&mut self, key: u64) -> bool {
        if key <= self.low {
            return false;
        }
        let before = self.ranges.range(..=key).next_back().map(|(first, last)| (*first, *last));
        let first = match before {
            Some((_, last)) if key <= last => return false,
            Some((first, last)) if last + 1 == key => first,
            _ => key,
        };
        let last = self.ranges.remove(&(key + 1)).unwrap_or(key);
        self.ranges.insert(first, last);
        true
    }

    /// Ends a look that reached the last row. Gaps below what was the highest key `lookback_ms` ago are closed.
    pub(in crate::mysql_cdr) fn end(&mut self, mono_ms: u64, lookback_ms: u64) {
        let high = self.ranges.last_key_value().map_or(self.low, |(_, last)| *last);
        // A stream ends a look with each transaction.
        if self.looks.back().is_none_or(|(at, _)| mono_ms.saturating_sub(*at) >= lookback_ms / 64) {
            self.looks.push_back((mono_ms, high));
        }
        let mut closed = self.old;
        while let Some((at, high)) = self.looks.front().copied() {
            if at + lookback_ms > mono_ms {
                break;
            }
            closed = closed.max(high);
            self.looks.pop_front();
        }
        self.close(closed);
    }

    /// Closes gaps among rows of long ago, in the middle of a look.
    pub(in crate::mysql_cdr) fn close_old(&mut self) {
        self.close(self.old);
    }

    /// Closes the oldest gaps until there are no more than `ranges` of keys. True if there were.
    pub(in crate::mysql_cdr) fn keep(&mut self, ranges: usize) -> bool {
        let Some(excess) = self.ranges.len().checked_sub(ranges).filter(|excess| *excess > 0) else {
            return false;
        };
        let last = self.ranges.values().nth(excess - 1).copied();
        self.close(last.unwrap_or(0));
        true
    }

    fn close(&mut self, up_to: u64) {
        self.low = self.low.max(up_to);
        while let Some(entry) = self.ranges.first_entry() {
            if *entry.key() > self.low + 1 {
                break;
            }
            self.low = self.low.max(*entry.get());
            entry.remove();
        }
    }

    /// All keys up to this one were read or will never come.
    pub(in crate::mysql_cdr) fn low(&self) -> u64 {
        self.low
    }

    /// The highest key that was read.
    pub(in crate::mysql_cdr) fn high(&self) -> u64 {
        self.ranges.last_key_value().map_or(self.low, |(_, last)| (*last).max(self.low))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn look(by_id: &mut ById, keys: &[u64], mono_ms: u64) -> Vec<u64> {
        let from = by_id.begin();
        let new = keys.iter().copied().filter(|key| *key > from && by_id.row(*key, 0, 0)).collect();
        by_id.end(mono_ms, 1000);
        new
    }

    #[test]
    fn a_lower_key_that_commits_late_is_read() {
        let mut by_id = ById::after(10);
        assert_eq!(look(&mut by_id, &[11, 13], 0), [11, 13]);
        assert_eq!(look(&mut by_id, &[11, 12, 13, 14], 500), [12, 14]);
        assert_eq!((by_id.low, by_id.ranges.len()), (14, 0));
    }

    #[test]
    fn a_gap_is_closed_in_time() {
        let mut by_id = ById::after(0);
        look(&mut by_id, &[1, 3], 0);
        look(&mut by_id, &[3, 5], 600);
        assert_eq!(by_id.begin(), 1);
        look(&mut by_id, &[3, 5], 1000);
        assert_eq!(by_id.begin(), 3, "the gap at 2 is a second old, the one at 4 is not");
        assert_eq!(look(&mut by_id, &[3, 4, 5], 1500), [4]);
        assert_eq!(by_id.begin(), 5);
    }

    #[test]
    fn gaps_of_long_ago_are_not_waited_for() {
        let mut by_id = ById::after(0);
        by_id.begin();
        for key in [1, 5, 9] {
            assert!(by_id.row(key, 0, 27 * 3600));
        }
        by_id.close_old();
        assert_eq!((by_id.low, by_id.ranges.len()), (9, 0));
    }

    #[test]
    fn too_many_gaps_are_closed() {
        let mut by_id = ById::after(0);
        look(&mut by_id, &[2, 4, 6, 8], 0);
        assert!(by_id.keep(2));
        assert_eq!((by_id.low, by_id.high()), (4, 8));
        assert!(!by_id.keep(2));
    }

    proptest! {
        /// Against a plain set: whatever the order of commits, each key is read once, also over a record.
        #[test]
        fn each_key_once(commits in proptest::collection::vec((1_u64..60, any::<bool>()), 1..80)) {
            let mut by_id = ById::after(0);
            let mut table = std::collections::BTreeSet::new();
            let mut read = Vec::new();
            for (n, (key, restart)) in commits.iter().enumerate() {
                table.insert(*key);
                if *restart {
                    let record = serde_json::to_vec(&by_id).unwrap();
                    by_id = serde_json::from_slice(&record).unwrap();
                }
                let keys: Vec<u64> = table.iter().copied().collect();
                read.extend(look(&mut by_id, &keys, n as u64));
            }
            read.sort_unstable();
            prop_assert_eq!(read, table.into_iter().collect::<Vec<_>>());
        }
    }
}
