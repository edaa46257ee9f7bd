//! Reading by time.
//!
//! A row is written when its call ends, under the time at which it began, so new rows turn up behind others: as far
//! behind as the longest call. A short look goes back a little and is made often; a full one goes back as far as the
//! longest call, in segments of an hour, and reads only segments whose number of rows is not the one that was read.

use std::collections::{BTreeMap, VecDeque};

use crate::mysql_cdr::time::Naive;

/// Seconds of one segment of a full look.
const SEGMENT: i64 = 3600;

/// What to ask the server next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::mysql_cdr) enum Ask {
    /// How many rows there are from a time on, up to before another.
    Count {
        /// Inclusive.
        from: Naive,
        /// Exclusive.
        to: Option<Naive>,
    },
    /// The time of the newest row.
    Newest,
    /// A chunk of rows in the order of their times.
    Rows {
        /// Inclusive.
        from: Naive,
        /// Exclusive.
        to: Option<Naive>,
        /// Rows at `from` to leave out.
        skip: usize,
    },
}

/// One look at the table.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Look {
    /// What is left of it, each with whether its rows are counted first.
    segments: VecDeque<Segment>,
    /// Reading is at this time, and has read so many rows of it.
    at: Option<(Naive, usize)>,
    /// Time of the newest row of before reading began, once it was asked for.
    newest: Option<Option<Naive>>,
}

impl Look {
    fn of(segments: VecDeque<Segment>) -> Self {
        Self { segments, at: None, newest: None }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Segment {
    from: Naive,
    to: Option<Naive>,
    counted: bool,
}

/// The rows that were read, by time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::mysql_cdr) struct Window {
    /// Rows at each second.
    known: BTreeMap<Naive, u64>,
    look: Option<Look>,
}

impl Window {
    /// What was read by an earlier run: the time of each row.
    pub(in crate::mysql_cdr) fn of(times: impl Iterator<Item = Naive>) -> Self {
        let mut known = BTreeMap::new();
        for time in times {
            *known.entry(time).or_default() += 1;
        }
        Self { known, look: None }
    }

    /// Begins a look that reads everything from `floor` on without counting first: for a table of which little is known.
    pub(in crate::mysql_cdr) fn begin_all(&mut self, floor: Naive) {
        let all = Segment { from: floor, to: None, counted: false };
        self.look = Some(Look::of([all].into()));
    }

    /// Begins a look at what is newer than `from`.
    pub(in crate::mysql_cdr) fn begin_short(&mut self, from: Naive) {
        let short = Segment { from, to: None, counted: true };
        self.look = Some(Look::of([short].into()));
    }

    /// Begins a look that goes back to `floor`; `newest` is the time of the newest row that is known.
    pub(in crate::mysql_cdr) fn begin_full(&mut self, floor: Naive, newest: Naive) {
        let mut segments = VecDeque::new();
        let mut from = floor;
        while from < newest {
            let to = (from + SEGMENT).min(newest);
            segments.push_back(Segment { from, to: Some(to), counted: true });
            from = to;
        }
        segments.push_back(Segment { from, to: None, counted: true });
        self.look = Some(Look::of(segments));
    }

    /// What to ask next; `None` at the end of the look.
    pub(in crate::mysql_cdr) fn ask(&self) -> Option<Ask> {
        let look = self.look.as_ref()?;
        let Segment { from, to, counted } = *look.segments.front()?;
        Some(match look.at {
            Some((at, skip)) => Ask::Rows { from: at, to, skip },
            None if counted => Ask::Count { from, to },
            None if look.newest.is_none() => Ask::Newest,
            None => Ask::Rows { from, to, skip: 0 },
        })
    }

    /// The answer to [`Ask::Count`].
    pub(in crate::mysql_cdr) fn counted(&mut self, rows: u64) {
        let Some(look) = &mut self.look else { return };
        let Some(segment) = look.segments.front_mut() else { return };
        let known: u64 = match segment.to {
            Some(to) => self.known.range(segment.from..to.max(segment.from)).map(|(_, count)| count).sum(),
            None => self.known.range(segment.from..).map(|(_, count)| count).sum(),
        };
        if rows == known {
            look.segments.pop_front();
        } else {
            segment.counted = false;
        }
    }

    /// The answer to [`Ask::Newest`].
    pub(in crate::mysql_cdr) fn newest(&mut self, newest: Option<Naive>) {
        if let Some(look) = &mut self.look {
            look.newest = Some(newest);
        }
    }

    /// The time that reading has come to, as far as rows of before it began tell. What is written meanwhile proves
    /// nothing: rows that were written just before it can lie behind where reading is.
    pub(in crate::mysql_cdr) fn reached(&self) -> Option<Naive> {
        let look = self.look.as_ref()?;
        let (at, _) = look.at?;
        Some(at.min(look.newest??))
    }

    /// Notes a row of a chunk, in order.
    pub(in crate::mysql_cdr) fn row(&mut self, time: Naive) {
        let Some(look) = &mut self.look else { return };
        let Some(segment) = look.segments.front() else { return };
        match &mut look.at {
            Some((at, count)) if *at >= time => *count += 1,
            at => {
                let from = at.map_or(segment.from, |(at, _)| at);
                pass(&mut self.known, from, time, *at);
                *at = Some((time, 1));
            }
        }
    }

    /// The chunk is over; `last` if it was shorter than asked for.
    pub(in crate::mysql_cdr) fn chunk(&mut self, last: bool) {
        let Some(look) = &mut self.look else { return };
        if !last {
            return;
        }
        let Some(segment) = look.segments.pop_front() else { return };
        let at = look.at.take();
        let from = at.map_or(segment.from, |(at, _)| at);
        pass(&mut self.known, from, segment.to.unwrap_or(Naive::MAX), at);
    }

    /// Drops a look that was not finished.
    pub(in crate::mysql_cdr) fn abandon(&mut self) {
        self.look = None;
    }

    /// Forgets rows of before `floor`.
    pub(in crate::mysql_cdr) fn forget(&mut self, floor: Naive) {
        self.known = self.known.split_off(&floor);
    }
}

/// The rows from `from` up to before `to` have been read: those of the second `at`, and no others.
fn pass(known: &mut BTreeMap<Naive, u64>, from: Naive, to: Naive, at: Option<(Naive, usize)>) {
    let gone: Vec<Naive> = known.range(from..to.max(from)).map(|(second, _)| *second).collect();
    for second in gone {
        known.remove(&second);
    }
    if let Some((second, count)) = at {
        known.insert(second, count as u64);
    }
}

#[cfg(test)]
#[path = "window_tests.rs"]
mod tests;
