//! A replay of captured rows against the state of a table alone, cut off after each step: what the last record holds,
//! read again, leads to the same counts as no cut.

use std::borrow::Cow;

use super::book::{Book, Tally};
use super::config::{Columns, Config, TableKind};
use super::read::by_id::ById;
use super::read::window::{Ask, Window};
use super::record;
use super::row::tests::decoder;
use super::row::{Disposition, TableRow};
use super::table::{Now, Reader, Settings, Table};
use super::time::Zone;

const CHUNK: usize = 7;
const BEGIN_MS: u64 = 1_795_310_000_000;

/// The rows of `scenarios_cdr_alembic.csv` that matter, in the order in which they were written.
fn captured() -> Vec<TableRow> {
    let columns = ["start", "duration", "billsec", "disposition", "uniqueid", "linkedid", "sequence", "id"];
    let decoder = decoder(&columns, Zone::utc());
    let text = include_str!("testdata/scenarios_cdr_alembic.csv");
    let mut rows = Vec::new();
    for (n, line) in text.lines().skip(1).enumerate() {
        // The columns behind the ones with commas in them are counted from the end: start is the twelfth from there.
        let fields: Vec<&str> = line.rsplitn(13, ',').collect();
        let values = [
            fields[11],
            fields[8],
            fields[7],
            fields[6],
            fields[3],
            fields[2],
            fields[0],
            &(n + 1).to_string(),
        ]
        .map(str::to_owned);
        rows.push(decoder.decode(|place| Some(Cow::Owned(values[place].clone())), 0));
    }
    assert_eq!(rows.len(), 90);
    rows
}

/// A table and the receiver's state of it, with what would be on disk.
struct World {
    written: Vec<TableRow>,
    /// Rows that are written behind the next query of a look.
    to_come: Vec<TableRow>,
    table: Table,
    disk: Vec<u8>,
    ms: u64,
    /// How much the clock on the wall is ahead.
    ahead_ms: i64,
    steps: usize,
    cut: usize,
}

impl World {
    fn now(&self) -> Now {
        Now { wall_ms: (BEGIN_MS + self.ms).saturating_add_signed(self.ahead_ms), mono_ms: self.ms }
    }

    /// Writes the record; at the step to cut at, the state of before it or of after it is what the next run finds.
    fn commit(&mut self) {
        self.steps += 1;
        let bytes = record::write(&self.table).unwrap();
        if self.steps != self.cut {
            self.disk = bytes;
        }
        if self.steps == self.cut || self.steps == self.cut + 1 {
            self.table = record::read(&self.disk, self.table.settings.clone(), self.now()).unwrap();
        }
    }

    fn look(&mut self) {
        self.ms += 1000;
        let (steps, begun) = (self.steps, self.now().wall_ms);
        match &mut self.table.reader {
            Reader::Id(by_id) => {
                let mut after = by_id.begin();
                loop {
                    let rows: Vec<TableRow> = self
                        .written
                        .iter()
                        .filter(|row| row.id.unwrap() > after)
                        .take(CHUNK)
                        .cloned()
                        .collect();
                    let now = self.now();
                    self.table.chunk(&rows, now);
                    let Reader::Id(by_id) = &mut self.table.reader else { unreachable!() };
                    after = by_id.cursor();
                    if rows.len() < CHUNK {
                        by_id.end(now.mono_ms, 5000);
                        break;
                    }
                    self.commit();
                    if self.was_cut(steps) {
                        return;
                    }
                }
            }
            Reader::Time(_) => {
                let (floor, newest) = (self.table.floor, self.table.newest);
                let from = self.table.from(self.table.settings.longest_call, self.now());
                let Reader::Time(window) = &mut self.table.reader else { unreachable!() };
                match newest {
                    None => window.begin_all(floor.unwrap_or(i64::MIN)),
                    Some(newest) => window.begin_full(from, newest),
                }
                if !self.look_by_time(steps) {
                    return;
                }
            }
        }
        self.table.settle(self.now(), begun, None);
        self.commit();
    }

    fn look_by_time(&mut self, steps: usize) -> bool {
        loop {
            let Reader::Time(window) = &mut self.table.reader else { unreachable!() };
            let mut sorted = self.written.clone();
            sorted.sort_by_key(|row| row.time);
            let within = |from: i64, to: Option<i64>| {
                sorted.iter().filter(move |row| row.time >= from && to.is_none_or(|to| row.time < to))
            };
            match window.ask() {
                None => return true,
                Some(Ask::Newest) => window.newest(sorted.last().map(|row| row.time)),
                Some(Ask::Count { from, to }) => window.counted(within(from, to).count() as u64),
                Some(Ask::Rows { from, to, skip }) => {
                    let rows: Vec<TableRow> = within(from, to).skip(skip).take(CHUNK).cloned().collect();
                    self.table.chunk(&rows, self.now());
                    let Reader::Time(window) = &mut self.table.reader else { unreachable!() };
                    window.chunk(rows.len() < CHUNK);
                    self.written.append(&mut self.to_come);
                    self.commit();
                    if self.was_cut(steps) {
                        return false;
                    }
                }
            }
        }
    }

    fn was_cut(&self, steps: usize) -> bool {
        (steps + 1..=self.steps).any(|step| step == self.cut || step == self.cut + 1)
    }
}

/// What was counted.
fn tally(table: &Table) -> &Tally {
    let Book::Cdr(tally) = &table.book else { unreachable!() };
    tally
}

/// Nothing is written and nothing was read.
fn world(reader: Reader, cut: usize) -> World {
    let settings = Settings::new(&Config::default(), &TableKind::Cdr(Columns::default()), Zone::utc());
    let mut table = Table::new(settings, reader, None, 7, Now { wall_ms: BEGIN_MS, mono_ms: 0 });
    let disk = record::write(&table).unwrap();
    table.dirty = false;
    World { written: Vec::new(), to_come: Vec::new(), table, disk, ms: 0, ahead_ms: 0, steps: 0, cut }
}

/// Replays all rows, eleven between two looks, and cuts at one step. The world at its end.
fn replay(reader: Reader, cut: usize) -> World {
    let mut world = world(reader, cut);
    for (n, row) in captured().into_iter().enumerate() {
        world.written.push(row);
        if n % 11 == 10 {
            world.look();
        }
    }
    for _ in 0..40 {
        world.look();
    }
    world
}

fn check(reader: fn() -> Reader) {
    let whole = replay(reader(), usize::MAX - 1);
    let calls = &tally(&whole.table).totals.calls;
    assert_eq!((calls.iter().sum::<u64>(), calls[Disposition::Answered as usize]), (72, 43));
    for cut in 0..whole.steps {
        let world = replay(reader(), cut);
        assert_eq!(
            tally(&world.table).totals,
            tally(&whole.table).totals,
            "cut at step {cut} of {}",
            whole.steps
        );
    }
}

#[test]
fn by_key_a_cut_anywhere_changes_nothing() {
    check(|| Reader::Id(ById::default()));
}

#[test]
fn by_time_a_cut_anywhere_changes_nothing() {
    check(|| Reader::Time(Window::default()));
}

/// The clock is set in the middle of the replay and set right again later; a restart lies between.
#[test]
fn a_clock_that_is_set_changes_nothing() {
    const HOUR_MS: i64 = 3_600_000;
    for reader in [|| Reader::Id(ById::default()), || Reader::Time(Window::default())] {
        let whole = replay(reader(), usize::MAX - 1);
        for ahead_ms in [HOUR_MS, -HOUR_MS, 20 * 365 * 24 * HOUR_MS, -20 * 365 * 24 * HOUR_MS] {
            let mut world = world(reader(), 6);
            for (n, row) in captured().into_iter().enumerate() {
                world.written.push(row);
                world.ahead_ms = if (30..60).contains(&n) { ahead_ms } else { 0 };
                if n % 11 == 10 {
                    world.look();
                }
            }
            for _ in 0..40 {
                world.look();
            }
            let (found, expected) = (&tally(&world.table).totals, &tally(&whole.table).totals);
            assert_eq!(
                (found.rows, &found.calls),
                (expected.rows, &expected.calls),
                "ahead by {ahead_ms} ms"
            );
            assert_eq!(found.duration, expected.duration, "ahead by {ahead_ms} ms");
        }
    }
}

/// A look that is under way sees rows of times to come, and not those written before them that lie behind it.
#[test]
fn rows_that_are_written_during_a_look_meet_those_of_their_call() {
    let decoder = decoder(&["start", "duration", "disposition", "uniqueid"], Zone::utc());
    let row = |minute: u32, second: u32, duration: u32, call: &str| {
        let start = format!("2026-11-22 00:{minute:02}:{second:02}");
        let values = [start, duration.to_string(), "ANSWERED".to_owned(), call.to_owned()];
        decoder.decode(|place| Some(Cow::Owned(values[place].clone())), 0)
    };
    let mut world = world(Reader::Time(Window::default()), usize::MAX - 1);
    world.written = (0..CHUNK as u32).map(|second| row(0, second, 10, &second.to_string())).collect();
    world.to_come = [row(0, 0, 20, "0"), row(30, 0, 5, "later")].into();
    for _ in 0..40 {
        world.look();
    }
    let (table, calls) = (&world.table, CHUNK as u64 + 1);
    let totals = &tally(table).totals;
    assert_eq!((totals.rows, totals.duration.count()), (calls + 1, calls));
    assert_eq!(table.oddities.late, 0);
    assert_eq!(totals.duration.sum_ms, 1000 * (20 + 10 * (CHUNK as u64 - 1) + 5));
}

#[test]
fn another_way_of_reading_counts_nothing_twice() {
    let whole = replay(Reader::Time(Window::default()), usize::MAX - 1);
    for (from, by_key) in [(Reader::Time(Window::default()), true), (Reader::Id(ById::default()), false)] {
        let mut world = replay(from, usize::MAX - 1);
        let now = world.now();
        assert!(world.table.read_by_key(by_key, now));
        for _ in 0..40 {
            world.look();
        }
        assert_eq!(tally(&world.table).totals.calls, tally(&whole.table).totals.calls, "to by_key: {by_key}");
    }
}

/// Rows that replication brings are forgotten as those of looks are.
#[test]
fn what_is_remembered_of_replication_is_that_of_the_longest_call() {
    let decoder = decoder(&["start", "duration", "disposition", "uniqueid"], Zone::utc());
    for reader in [Reader::Id(ById::default()), Reader::Time(Window::default())] {
        let mut world = world(reader, usize::MAX - 1);
        let begin = i64::try_from(BEGIN_MS / 1000).unwrap();
        for hour in 0..200 {
            world.ms = hour * 3_600_000;
            let start = super::time::format(begin + hour as i64 * 3600);
            let values = [start, "9".to_owned(), "BUSY".to_owned(), hour.to_string()];
            let row = decoder.decode(|place| Some(Cow::Owned(values[place].clone())), 0);
            let now = world.now();
            assert!(world.table.replicated(&row, now));
            world.table.settle(now, u64::MAX, None);
        }
        assert_eq!(tally(&world.table).totals.rows, 200);
        let (rows, calls) = (world.table.rows.len(), world.table.book.identities());
        assert!((12..=14).contains(&rows) && (12..=14).contains(&calls), "{rows} rows, {calls} calls");
    }
}

/// A row of an Asterisk whose clock was wrong stays at the end of the table: it tells nothing of how far reading has come.
#[test]
fn behind_a_row_of_a_time_to_come_calls_wait_for_their_rows() {
    let decoder = decoder(&["id", "start", "duration", "disposition", "uniqueid"], Zone::utc());
    let row = |id: u32, start: &str, call: &str| {
        let values = [&id.to_string(), start, "9", "BUSY", call].map(str::to_owned);
        decoder.decode(|place| Some(Cow::Owned(values[place].clone())), 0)
    };
    for reader in [Reader::Id(ById::default()), Reader::Time(Window::default())] {
        let mut world = world(reader, usize::MAX - 1);
        world.written.push(row(1, "2026-11-22 01:13:00", "of before"));
        world.look();
        world
            .written
            .extend([row(2, "2026-11-22 01:13:05", "two rows"), row(3, "2031-01-01 00:00:00", "to come")]);
        world.look();
        world.written.push(row(4, "2026-11-22 01:13:06", "two rows"));
        for _ in 0..40 {
            world.look();
        }
        let (totals, late) = (&tally(&world.table).totals, world.table.oddities.late);
        assert_eq!((totals.rows, totals.calls.iter().sum::<u64>(), late), (4, 3, 0));
    }
}

/// Nothing tells how old such rows are, but not more of them are remembered than the limit says.
#[test]
fn rows_without_a_time_are_remembered_up_to_the_limit() {
    let decoder = decoder(&["start", "duration", "disposition", "uniqueid"], Zone::utc());
    for reader in [Reader::Id(ById::default()), Reader::Time(Window::default())] {
        let mut world = world(reader, usize::MAX - 1);
        world.table.settings.identities = 100;
        for n in 0..1000 {
            let values = ["0000-00-00 00:00:00".to_owned(), "9".to_owned(), "BUSY".to_owned(), n.to_string()];
            let row = decoder.decode(|place| Some(Cow::Owned(values[place].clone())), n);
            assert!(world.table.replicated(&row, world.now()));
            world.table.settle(world.now(), u64::MAX, None);
        }
        let (rows, calls) = (world.table.rows.len(), world.table.book.identities());
        assert!(rows <= 100 && calls <= 100, "{rows} rows, {calls} calls");
    }
}

/// What is remembered then does not begin in the future.
#[test]
fn a_table_that_begins_anew_behind_a_row_of_a_time_to_come() {
    let decoder = decoder(&["id", "start", "duration", "disposition", "uniqueid"], Zone::utc());
    let row = |id: u32, start: &str, call: &str| {
        let values = [&id.to_string(), start, "9", "BUSY", call].map(str::to_owned);
        decoder.decode(|place| Some(Cow::Owned(values[place].clone())), 0)
    };
    let mut world = world(Reader::Id(ById::default()), usize::MAX - 1);
    world.written =
        [row(1, "2026-11-22 01:13:00", "of before"), row(2, "2026-11-22 21:00:00", "to come")].into();
    world.look();
    let now = world.now();
    world.table.begin_again(Reader::Id(ById::default()), now);
    world.written = [row(1, "2026-11-22 01:13:05", "of after")].into();
    world.look();
    assert_eq!((tally(&world.table).totals.rows, world.table.oddities.too_old), (3, 0));
}
