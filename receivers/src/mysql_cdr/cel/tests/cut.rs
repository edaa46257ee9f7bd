//! A replay of captured rows, cut off after each step: what the last record holds, read again, leads to the same traces as
//! no cut.

use std::collections::BTreeMap;

use super::made_up::transfer;
use super::{Captured, NOW, table, writer, written};
use crate::call_trace::tree::{by_trace, trees};
use crate::mysql_cdr::book::Book;
use crate::mysql_cdr::cel::TracesConfig;
use crate::mysql_cdr::cel::writer::TraceWriter;
use crate::mysql_cdr::read::by_id::ById;
use crate::mysql_cdr::read::window::{Ask, Window};
use crate::mysql_cdr::record;
use crate::mysql_cdr::row::TableRow;
use crate::mysql_cdr::table::{Now, Reader, Table};

const NEVER: usize = usize::MAX - 1;

/// A table and the receiver's state of it, with what would be on disk, and the traces that were sent.
struct World {
    written: Vec<TableRow>,
    chunk: usize,
    table: Table,
    writer: TraceWriter,
    disk: Vec<u8>,
    ms: u64,
    steps: usize,
    cut: usize,
    sent: BTreeMap<Vec<u8>, String>,
    repeats: usize,
}

impl World {
    fn now(&self) -> Now {
        Now { wall_ms: NOW.wall_ms + self.ms, mono_ms: self.ms }
    }

    /// Sends what is over and writes the record; at the step to cut at, the record of before is what the next run finds, and
    /// at the next one that of then.
    fn step(&mut self) {
        self.steps += 1;
        let Book::Cel(events) = &mut self.table.book else { unreachable!() };
        let spans = written(&mut self.writer, events, &TracesConfig::default());
        for (id, trace) in by_trace(&spans) {
            let spans: Vec<_> = trace.into_iter().cloned().collect();
            let tree = trees(&spans);
            if let Some(before) = self.sent.insert(id, tree.clone()) {
                assert_eq!(before, tree, "the same call in two ways, cut at step {}", self.cut);
                self.repeats += 1;
            }
        }
        let bytes = record::write(&self.table).unwrap();
        if self.steps != self.cut {
            self.disk = bytes;
        }
        if self.was_cut(self.steps - 1) {
            self.table = record::read(&self.disk, self.table.settings.clone(), self.now()).unwrap();
        }
    }

    /// Whether a run ended since then.
    fn was_cut(&self, steps: usize) -> bool {
        (steps + 1..=self.steps).any(|step| step == self.cut || step == self.cut + 1)
    }

    fn look(&mut self) {
        self.ms += 1000;
        let (steps, begun) = (self.steps, self.now());
        let by_key = match &mut self.table.reader {
            Reader::Id(by_id) => Some(by_id.begin()),
            Reader::Time(_) => None,
        };
        let mut after = by_key.unwrap_or_default();
        if by_key.is_none() {
            let from = self.table.from(self.table.settings.short_window, begun);
            let (floor, newest) = (self.table.floor, self.table.newest);
            let Reader::Time(window) = &mut self.table.reader else { unreachable!() };
            match newest {
                None => window.begin_all(floor.unwrap_or(i64::MIN)),
                Some(_) => window.begin_short(from),
            }
        }
        loop {
            let is_last = if by_key.is_some() { self.chunk_by_key(&mut after) } else { self.chunk_by_time() };
            if is_last {
                break;
            }
            self.step();
            if self.was_cut(steps) {
                return;
            }
        }
        self.table.settle(self.now(), begun.wall_ms, None);
        self.step();
    }

    fn chunk_by_key(&mut self, after: &mut u64) -> bool {
        let rows = self.written.iter().filter(|row| row.id.unwrap() > *after).take(self.chunk);
        let rows: Vec<TableRow> = rows.cloned().collect();
        let now = self.now();
        self.table.chunk(&rows, now);
        let Reader::Id(by_id) = &mut self.table.reader else { unreachable!() };
        *after = by_id.cursor();
        if rows.len() < self.chunk {
            by_id.end(now.mono_ms, 5000);
        }
        rows.len() < self.chunk
    }

    /// True at the end of the look.
    fn chunk_by_time(&mut self) -> bool {
        let Reader::Time(window) = &mut self.table.reader else { unreachable!() };
        let within = |from: i64, to: Option<i64>| {
            self.written.iter().filter(move |row| row.time >= from && to.is_none_or(|to| row.time < to))
        };
        match window.ask() {
            None => true,
            Some(Ask::Newest) => {
                window.newest(self.written.iter().map(|row| row.time).max());
                self.chunk_by_time()
            }
            Some(Ask::Count { from, to }) => {
                window.counted(within(from, to).count() as u64);
                self.chunk_by_time()
            }
            Some(Ask::Rows { from, to, skip }) => {
                let mut sorted: Vec<&TableRow> = within(from, to).collect();
                sorted.sort_by_key(|row| row.time);
                let rows: Vec<TableRow> = sorted.into_iter().skip(skip).take(self.chunk).cloned().collect();
                let now = self.now();
                self.table.chunk(&rows, now);
                let Reader::Time(window) = &mut self.table.reader else { unreachable!() };
                window.chunk(rows.len() < self.chunk);
                false
            }
        }
    }
}

/// Replays rows, three between two looks, and cuts at one step. The world at its end.
fn replay(rows: &[TableRow], reader: Reader, chunk: usize, cut: usize) -> World {
    let config = TracesConfig::default();
    let table = table(&config, reader);
    let disk = record::write(&table).unwrap();
    let writer = writer(&config, &otelcol_asterisk::redaction::Settings::default());
    let (written, sent) = (Vec::new(), BTreeMap::new());
    let mut world = World { written, chunk, table, writer, disk, ms: 0, steps: 0, cut, sent, repeats: 0 };
    for rows in rows.chunks(3) {
        world.written.extend_from_slice(rows);
        world.look();
    }
    for _ in 0..20 {
        world.look();
    }
    world
}

fn check(rows: &[TableRow], calls: usize, chunk: usize, reader: fn() -> Reader) {
    let whole = replay(rows, reader(), chunk, NEVER);
    assert_eq!((whole.sent.len(), whole.repeats), (calls, 0));
    let mut repeats = 0;
    for cut in 0..whole.steps {
        let world = replay(rows, reader(), chunk, cut);
        let differs = |(id, tree): &(&Vec<u8>, &String)| whole.sent.get(*id) != Some(*tree);
        let other: Vec<&String> = world.sent.iter().filter(differs).map(|(_, tree)| tree).collect();
        let (sent, steps) = (world.sent.len(), whole.steps);
        assert!(
            other.is_empty() && sent == calls,
            "cut at step {cut} of {steps}: {sent} of {calls}, {other:?}"
        );
        repeats += world.repeats;
    }
    assert!(repeats > 0, "no cut came between a trace and its record");
}

/// Rows, and how many calls end in them: `cut -d, -f2 scenarios_cel.csv | head -241 | grep -c LINKEDID_END`.
const BY_KEY: (usize, usize) = (240, 31);
const BY_TIME: (usize, usize) = (120, 12);

#[test]
fn by_key_a_cut_anywhere_loses_no_trace() {
    check(&Captured::scenarios().read(true)[..BY_KEY.0], BY_KEY.1, 7, || Reader::Id(ById::default()));
    check(&transfer(true), 2, 7, || Reader::Id(ById::default()));
}

#[test]
fn by_time_a_cut_anywhere_loses_no_trace() {
    check(&Captured::scenarios().read(false)[..BY_TIME.0], BY_TIME.1, 50, || Reader::Time(Window::default()));
    check(&transfer(false), 2, 50, || Reader::Time(Window::default()));
}
