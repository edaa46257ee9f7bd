//! What is known of one table: where reading is, which rows and calls were seen, and what they add up to. No input or
//! output happens here, and the time is what the caller says.

use serde::{Deserialize, Serialize};

use super::book::{self, Book};
use super::cel::{self, Place};
use super::config::{Config, TableKind};
use super::read::by_id::ById;
use super::read::window::Window;
use super::row::TableRow;
use super::seen::Seen;
use super::time::{Naive, SteadyClock, Zone};
use super::totals::Rules;

/// Rows of so many seconds ahead of all others, and of the clock, do not move it.
const AHEAD: i64 = 24 * 3600;

/// The time, by two clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Now {
    /// Milliseconds since 1970.
    pub(super) wall_ms: u64,
    /// Milliseconds since some moment of this process; no step moves it.
    pub(super) mono_ms: u64,
}

impl Now {
    /// Seconds since 1970.
    pub(super) fn seconds(self) -> i64 {
        i64::try_from(self.wall_ms / 1000).unwrap_or(i64::MAX)
    }
}

/// Settings that the state depends on.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) rules: Rules,
    pub(super) settle_ms: u64,
    pub(super) lookback_ms: u64,
    /// Seconds.
    pub(super) longest_call: i64,
    /// Seconds.
    pub(super) short_window: i64,
    pub(super) identities: usize,
    /// Rows are known by what is in them also where they have keys: replication brings the rows of a look again.
    pub(super) by_content: bool,
    /// The rows are channel events.
    pub(super) events: Option<cel::Rules>,
}

impl Settings {
    pub(super) fn new(config: &Config, kind: &TableKind, zone: Zone) -> Self {
        let seconds = |duration: &otelcol_confmap::GoDuration| {
            i64::try_from(duration.get().as_secs().max(1)).unwrap_or(i64::MAX / 4)
        };
        let millis = |duration: &otelcol_confmap::GoDuration| {
            u64::try_from(duration.get().as_millis()).unwrap_or(u64::MAX / 4)
        };
        // Events are written when they happen: what comes under an earlier time took so long to be committed.
        let (settle, longest_call, short_window) = match kind {
            TableKind::Cdr(_) => (&config.settle, &config.longest_call, &config.short_window),
            TableKind::Cel(_) => (&config.traces.settle, &config.lookback, &config.lookback),
        };
        Self {
            rules: Rules {
                duration_buckets: config.duration_buckets.clone(),
                answer_time_buckets: config.answer_time_buckets.clone(),
                short_call_ms: millis(&config.short_call),
                label_values: config.limits.label_values,
                zone,
            },
            settle_ms: millis(settle),
            lookback_ms: millis(&config.lookback),
            longest_call: seconds(longest_call),
            short_window: seconds(short_window),
            identities: config.limits.identities,
            by_content: config.mode == super::config::Mode::Binlog,
            events: matches!(kind, TableKind::Cel(_)).then(|| book::rules(&config.traces)),
        }
    }
}

/// A place in the server's binary log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct BinlogPosition {
    /// Name of the file.
    pub(super) file: String,
    /// Offset of the next event.
    pub(super) offset: u64,
    /// Rows of the table that were taken of the transaction that begins there.
    #[serde(default)]
    pub(super) rows: u64,
}

impl BinlogPosition {
    /// Between two transactions.
    pub(super) fn new(file: String, offset: u64) -> Self {
        Self { file, offset, rows: 0 }
    }
}

/// How rows are looked for in the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reader {
    /// By key.
    Id(ById),
    /// By time.
    Time(Window),
}

/// What became of the rows of a chunk that count for nothing, or not fully.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Oddities {
    /// Their calls had been counted.
    pub(super) late: u64,
    /// They are older than what is remembered.
    pub(super) too_old: u64,
    /// They had no valid time.
    pub(super) no_time: u64,
    /// How often identities had to be forgotten early because there were too many.
    pub(super) forgotten: u64,
}

/// The state of one table.
#[derive(Debug, Clone)]
pub(super) struct Table {
    pub(super) settings: Settings,
    pub(super) book: Book,
    /// Rows that were read, by content.
    pub(super) rows: Seen,
    pub(super) reader: Reader,
    /// Rows of before this count for nothing.
    pub(super) floor: Option<Naive>,
    /// Time of the newest row.
    pub(super) newest: Option<Naive>,
    pub(super) binlog: Option<BinlogPosition>,
    /// When the latest of the rows was written that replication has brought since this was asked last.
    pub(super) reached: Option<Naive>,
    /// Keeps this record's hashes apart from another's.
    pub(super) seed: u64,
    /// Rows are noted but not counted: they were there before the first start.
    pub(super) marking: bool,
    /// Something changed since the record was written.
    pub(super) dirty: bool,
    pub(super) oddities: Oddities,
    pub(super) steady: SteadyClock,
    /// What is older was forgotten; nothing else.
    pub(super) forgotten_at: Option<Naive>,
}

impl Table {
    /// Nothing is known.
    pub(super) fn new(settings: Settings, reader: Reader, floor: Option<Naive>, seed: u64, now: Now) -> Self {
        let book = Book::new(&settings, now);
        let steady = SteadyClock::new(now.seconds(), now.mono_ms, settings.longest_call);
        Self {
            settings,
            book,
            rows: Seen::default(),
            reader,
            floor,
            newest: None,
            binlog: None,
            reached: None,
            seed,
            marking: false,
            dirty: true,
            oddities: Oddities::default(),
            steady,
            forgotten_at: None,
        }
    }

    /// Reads in another way from now on, and goes on where it was: by time from what is remembered, by key from the first
    /// row of that time. True if it was another way.
    pub(super) fn read_by_key(&mut self, by_key: bool, now: Now) -> bool {
        let is_by_key = matches!(self.reader, Reader::Id(_));
        if is_by_key == by_key {
            return false;
        }
        let reader = if by_key { Reader::Id(ById::default()) } else { Reader::Time(Window::default()) };
        self.begin_again(reader, now);
        true
    }

    /// Reads the table again as far back as rows and calls are remembered.
    pub(super) fn begin_again(&mut self, reader: Reader, now: Now) {
        let remembered = self.past(now).map(|past| past.saturating_sub(self.settings.longest_call));
        self.floor = self.floor.max(remembered);
        self.reader = reader;
        self.dirty = true;
    }

    /// Takes rows of a chunk, in the order they were read; for each, whether it is new.
    pub(super) fn chunk(&mut self, rows: &[TableRow], now: Now) -> Vec<bool> {
        let new: Vec<bool> = rows.iter().map(|row| self.row(row, now)).collect();
        let ahead = self.ahead(now);
        let reached = match &self.reader {
            // Rows come in the order in which they were written: when their calls ended.
            Reader::Id(_) => rows.iter().map(|row| row.written).filter(|written| *written <= ahead).max(),
            Reader::Time(window) => window.reached().filter(|reached| *reached <= ahead),
        };
        if let Reader::Id(by_id) = &mut self.reader {
            by_id.close_old();
        }
        // More rows of calls that are due may follow.
        self.settle(now, 0, reached);
        self.forget(now, true);
        new
    }

    /// Takes a row that replication brought.
    pub(super) fn replicated(&mut self, row: &TableRow, now: Now) -> bool {
        if let (Reader::Id(by_id), Some(key)) = (&mut self.reader, row.id) {
            by_id.row(key, row.written_utc, now.seconds());
        }
        let new = self.fresh(row, now);
        if row.written <= self.ahead(now) {
            self.reached = self.reached.max(Some(row.written));
        }
        self.forget(now, false);
        new
    }

    fn row(&mut self, row: &TableRow, now: Now) -> bool {
        let by_key = match (&mut self.reader, row.id) {
            (Reader::Id(by_id), Some(key)) => {
                if !by_id.row(key, row.written_utc, now.seconds()) {
                    return false;
                }
                true
            }
            (Reader::Time(window), _) => {
                // The server sorts what is no time before all times.
                window.row(if row.has_time { row.time } else { Naive::MIN });
                false
            }
            (Reader::Id(_), None) => false,
        };
        self.dirty = true;
        if by_key && !self.settings.by_content && self.rows.len() == 0 {
            return self.count(row, now);
        }
        self.fresh(row, now)
    }

    /// Takes a row unless one like it was taken.
    fn fresh(&mut self, row: &TableRow, now: Now) -> bool {
        if self.is_old(row) || !self.rows.insert(row.identity, row.time) {
            return false;
        }
        self.dirty = true;
        self.count_known(row, now)
    }

    fn count(&mut self, row: &TableRow, now: Now) -> bool {
        !self.is_old(row) && self.count_known(row, now)
    }

    fn is_old(&mut self, row: &TableRow) -> bool {
        let old = row.has_time && self.floor.is_some_and(|floor| row.time < floor);
        self.oddities.too_old += u64::from(old);
        old
    }

    fn count_known(&mut self, row: &TableRow, now: Now) -> bool {
        if !row.has_time {
            self.oddities.no_time += 1;
        } else {
            self.note(row.time, now);
        }
        if self.marking {
            self.book.mark(row);
            return false;
        }
        let place = Place { id: row.id, time: row.time, log: self.binlog.clone() };
        self.oddities.late += u64::from(self.book.take(row, place, now, &self.settings));
        true
    }

    /// Counts the calls that were due by `due_ms`, in milliseconds since 1970: the caller has read all rows of before.
    pub(super) fn settle(&mut self, now: Now, due_ms: u64, reached: Option<Naive>) {
        let past = self.past(now);
        self.dirty |= self.book.settle(now, due_ms, [reached, past], &self.settings);
    }

    /// Notes the time of a row.
    fn note(&mut self, time: Naive, now: Now) {
        let ours = self.today(now).saturating_add(AHEAD);
        let is_ahead = time > self.ahead(now);
        match self.newest {
            // Of the first row nobody could tell: its clock was wrong.
            Some(newest) if newest > ours && time <= ours => self.newest = Some(time),
            newest if !is_ahead => self.newest = newest.max(Some(time)),
            _ => {}
        }
    }

    /// The time of the newest row, or of our clock, whichever is earlier: another one's may be ahead.
    fn past(&mut self, now: Now) -> Option<Naive> {
        let today = self.today(now);
        self.newest.map(|newest| newest.min(today))
    }

    /// A row of a later time than this is one of a clock that is wrong: it is ahead of our clock and of all other rows.
    fn ahead(&mut self, now: Now) -> Naive {
        let Some(newest) = self.newest else { return Naive::MAX };
        newest.max(self.today(now)).saturating_add(AHEAD)
    }

    /// What a clock on the wall of the table shows.
    fn today(&mut self, now: Now) -> Naive {
        let steady = self.steady.now(now.seconds(), now.mono_ms);
        self.settings.rules.zone.to_naive(steady)
    }

    /// Where a look begins that goes `back` seconds.
    pub(super) fn from(&mut self, back: i64, now: Now) -> Naive {
        let from = self.past(now).unwrap_or_else(|| self.today(now)).saturating_sub(back);
        self.floor.map_or(from, |floor| floor.max(from))
    }

    /// Forgets rows and calls that are older than the longest call. What a look finds that is older counts for nothing from
    /// then on; replication brings each row once, however old.
    fn forget(&mut self, now: Now, by_look: bool) {
        if self.newest.is_none() {
            return self.keep();
        }
        let floor = self.floor.take();
        let horizon = self.from(self.settings.longest_call, now);
        self.floor = floor;
        if self.forgotten_at.is_some_and(|last| horizon < last + self.settings.longest_call / 64) {
            return self.keep();
        }
        self.forgotten_at = Some(horizon);
        self.book.forget(horizon);
        self.rows.forget(horizon);
        if let Reader::Time(window) = &mut self.reader {
            window.forget(horizon);
            if by_look {
                self.floor = self.floor.max(Some(horizon));
            }
        }
        self.keep();
    }

    fn keep(&mut self) {
        let limit = self.settings.identities;
        if self.book.keep(limit) {
            self.oddities.forgotten += 1;
        }
        if self.rows.len() > limit
            && let Some(newest_gone) = self.rows.forget_quarter()
        {
            self.oddities.forgotten += 1;
            if let Reader::Time(window) = &mut self.reader {
                window.forget(newest_gone + 1);
                self.floor = self.floor.max(Some(newest_gone + 1));
            }
        }
        if let Reader::Id(by_id) = &mut self.reader
            && by_id.keep(limit)
        {
            self.oddities.forgotten += 1;
        }
    }
}
