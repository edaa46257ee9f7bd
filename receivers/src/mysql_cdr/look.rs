//! One look at a table: what it offers, where the first look begins, reading by key or by time.

use std::hash::{BuildHasher as _, Hasher as _};

use otelcol_pipeline::Context;

use super::config::{Mode, StartAt, TableKind};
use super::connect::{Db, DbError};
use super::read::by_id::ById;
use super::read::window::{Ask, Window};
use super::replicate::log_end;
use super::row::{Decoder, Keep};
use super::run::Worker;
use super::source::Source;
use super::table::{BinlogPosition, Now, Reader, Table};
use super::time::Zone;

/// A table that is looked at.
struct Looked<'s> {
    /// Its place among the receiver's.
    n: usize,
    source: &'s Source,
    decoder: &'s Decoder,
}

impl Worker {
    /// What is kept of the rows of a table.
    pub(super) fn keep(&self, n: usize) -> Keep {
        match self.entries.get(n).map(|entry| &entry.spec.kind) {
            Some(TableKind::Cel(_)) => Keep::Cel,
            _ => Keep::Cdr { values: self.logs.is_some() },
        }
    }

    pub(super) async fn look_at(&mut self, db: &mut Db, n: usize) -> Result<(), DbError> {
        self.open(db, n).await?;
        let end_of_log = self.begin_replication(db, n).await?;
        if self.config.mode == Mode::Binlog && end_of_log.is_none() {
            return Ok(());
        }
        let Some(entry) = self.entries.get(n) else { return Ok(()) };
        let (Some(source), Some(table)) = (entry.source.clone(), entry.table.as_ref()) else { return Ok(()) };
        if !source.is_readable(&self.config) {
            // Replication alone: rows of before it began are not read.
            tracing::warn!(
                receiver = %self.context.id, table = source.name,
                "no index begins with the time or a key: only rows that are written from now on are read"
            );
            return self.replicate_from(n, end_of_log).await;
        }
        let decoder = source.decoder(table.seed, self.keep(n), self.config.limits.value_bytes);
        let looked = Looked { n, source: &source, decoder: &decoder };
        if source.by_key {
            self.look_by_key(db, looked).await?;
        } else {
            self.look_by_time(db, looked).await?;
        }
        self.replicate_from(n, end_of_log).await
    }

    /// Writes the record after a look; replication goes on at `end_of_log`.
    async fn replicate_from(&mut self, n: usize, end_of_log: Option<BinlogPosition>) -> Result<(), DbError> {
        if let (Some(table), Some(position)) = (self.table(n), end_of_log) {
            table.binlog = Some(position);
            table.marking = false;
            table.dirty = true;
        }
        self.commit(n).await;
        Ok(())
    }

    /// Asks the server about a table that is not known yet, and decides where the first look begins.
    async fn open(&mut self, db: &mut Db, n: usize) -> Result<(), DbError> {
        let Some(entry) = self.entries.get(n) else { return Ok(()) };
        if entry.source.is_some() {
            return Ok(());
        }
        let all = self.logs.is_some() && matches!(entry.spec.kind, TableKind::Cdr(_));
        let described_at = match self.config.mode {
            Mode::Binlog => Some(log_end(db).await?),
            Mode::Poll => None,
        };
        let source = Source::open(db, &self.config, &entry.spec, all).await?;
        tracing::info!(
            receiver = %self.context.id, table = source.name,
            by = if source.by_key { "key" } else { "time" },
            of = if matches!(entry.spec.kind, TableKind::Cel(_)) { "channel events" } else { "CDRs" },
            "reading table"
        );
        let now = self.now();
        let mut settings = self.settings(&entry.spec).map_err(DbError::Table)?;
        if source.layout.time_is_utc {
            settings.rules.zone = Zone::utc();
        }
        let start = self.config.start().map_err(DbError::Table)?;
        let Some(entry) = self.entries.get_mut(n) else { return Ok(()) };
        match &mut entry.table {
            Some(table) => {
                table.settings = settings;
                if table.read_by_key(source.by_key, now) {
                    tracing::info!(receiver = %self.context.id, table = source.name, "the table is read in another way than before");
                    if let (true, Some(floor)) = (source.by_key, table.floor) {
                        table.reader = Reader::Id(ById::after(source.key_before(db, floor).await?));
                    }
                }
                // Looks see to it by themselves, and replication makes none.
                if let (Mode::Binlog, Reader::Id(by_id)) = (self.config.mode, &table.reader)
                    && let Some(highest) = source.begins_anew(db, by_id.high()).await?
                {
                    begin_anew(&self.context, &source, table, highest, now);
                }
            }
            None => {
                let longest = settings.longest_call;
                let are_events = settings.events.is_some();
                let is_marking = start == StartAt::Now && !source.by_key && !are_events;
                let (reader, floor) = match (source.by_key, start) {
                    (true, StartAt::Now) => {
                        (Reader::Id(ById::after(source.highest_key(db).await?.unwrap_or(0))), None)
                    }
                    (true, StartAt::Beginning) => (Reader::Id(ById::after(0)), None),
                    (true, StartAt::Time(time)) => {
                        (Reader::Id(ById::after(source.key_before(db, time).await?)), Some(time))
                    }
                    // Nothing is written under a time before that of what is there.
                    (false, StartAt::Now) if are_events => {
                        let newest = source.newest(db).await?.map(|newest| newest.saturating_add(1));
                        // One of a time to come says nothing.
                        let today = settings.rules.zone.to_naive(now.seconds());
                        (Reader::Time(Window::default()), newest.map(|newest| newest.min(today)))
                    }
                    (false, start) => {
                        let floor = source.first_floor(db, start, longest, now.seconds()).await?;
                        (Reader::Time(Window::default()), floor)
                    }
                };
                let seed = std::hash::RandomState::new().build_hasher().finish();
                let mut table = Table::new(settings, reader, floor, seed, now);
                table.marking = is_marking;
                entry.table = Some(table);
            }
        }
        entry.source = Some(source);
        entry.described_at = described_at;
        entry.full_at = None;
        entry.shrunk_at = None;
        Ok(())
    }

    async fn look_by_key(&mut self, db: &mut Db, looked: Looked<'_>) -> Result<(), DbError> {
        let Looked { n, source, decoder } = looked;
        let Some(Reader::Id(by_id)) = self.reader(n) else { return Ok(()) };
        let mut after = by_id.begin();
        loop {
            let now = self.now();
            let (rows, last) = source.chunk_by_key(db, decoder, after, now.seconds()).await?;
            if rows.is_empty() {
                if self.begins_anew(db, n, source).await? {
                    after = 0;
                    continue;
                }
            } else if let Some(entry) = self.entries.get_mut(n) {
                entry.shrunk_at = None;
            }
            self.take(n, &rows).await;
            let now = self.now();
            let Some(Table { reader: Reader::Id(by_id), settings, .. }) = self.table(n) else {
                return Ok(());
            };
            after = by_id.cursor();
            if last {
                by_id.end(now.mono_ms, settings.lookback_ms);
                return Ok(());
            }
            self.commit_in_time(n).await;
        }
    }

    /// Nothing is above the keys that were read: because nothing is new, or because the table was emptied and its keys begin
    /// anew. A replica that is asked in turn with others, or in place of one that is gone, may be behind for a moment.
    async fn begins_anew(&mut self, db: &mut Db, n: usize, source: &Source) -> Result<bool, DbError> {
        let Some(Reader::Id(by_id)) = self.reader(n) else { return Ok(false) };
        let highest = source.begins_anew(db, by_id.high()).await?;
        let now = self.now();
        let Some(entry) = self.entries.get_mut(n) else { return Ok(false) };
        let Some(table) = &mut entry.table else { return Ok(false) };
        let Some(highest) = highest else {
            entry.shrunk_at = None;
            return Ok(false);
        };
        let since = *entry.shrunk_at.get_or_insert(now.mono_ms);
        if now.mono_ms.saturating_sub(since) < table.settings.lookback_ms {
            return Ok(false);
        }
        entry.shrunk_at = None;
        begin_anew(&self.context, source, table, highest, now);
        Ok(true)
    }

    async fn look_by_time(&mut self, db: &mut Db, looked: Looked<'_>) -> Result<(), DbError> {
        let Looked { n, source, decoder } = looked;
        self.begin_look(n);
        loop {
            let Some(Reader::Time(window)) = self.reader(n) else { return Ok(()) };
            match window.ask() {
                None => break,
                Some(ask @ Ask::Count { .. }) => {
                    let rows = source.count(db, ask).await?;
                    if let Some(Reader::Time(window)) = self.reader(n) {
                        window.counted(rows);
                    }
                }
                Some(Ask::Newest) => {
                    let newest = source.newest(db).await?;
                    if let Some(Reader::Time(window)) = self.reader(n) {
                        window.newest(newest);
                    }
                }
                Some(Ask::Rows { from, to, skip }) => {
                    let now = self.now().seconds();
                    let (rows, last) = source.chunk_by_time(db, decoder, (from, to, skip), now).await?;
                    self.take(n, &rows).await;
                    if let Some(Reader::Time(window)) = self.reader(n) {
                        window.chunk(last);
                    }
                    self.commit_in_time(n).await;
                }
            }
        }
        if let Some(table) = self.table(n) {
            table.dirty |= table.marking;
            table.marking = false;
        }
        Ok(())
    }

    fn begin_look(&mut self, n: usize) {
        let now = self.now();
        let full_every = u64::try_from(self.config.full_interval.get().as_millis()).unwrap_or(u64::MAX);
        let Some(entry) = self.entries.get_mut(n) else { return };
        let is_full = entry.full_at.is_none_or(|at| now.mono_ms.saturating_sub(at) >= full_every);
        let Some(table) = &mut entry.table else { return };
        let short = table.from(table.settings.short_window, now);
        let full = table.from(table.settings.longest_call, now);
        let newest = table.from(0, now);
        let (floor, everything) = (table.floor, table.marking || table.newest.is_none());
        let Reader::Time(window) = &mut table.reader else { return };
        if everything {
            window.begin_all(floor.unwrap_or(i64::MIN));
        } else if is_full {
            window.begin_full(full, newest);
        } else {
            window.begin_short(short);
        }
        if is_full {
            entry.full_at = Some(now.mono_ms);
        }
    }
}

fn begin_anew(context: &Context, source: &Source, table: &mut Table, highest: u64, now: Now) {
    let Reader::Id(by_id) = &table.reader else { return };
    tracing::warn!(
        receiver = %context.id, table = source.name, highest, read = by_id.high(),
        "the table's keys begin anew: it was emptied or restored, and is read from its beginning"
    );
    table.begin_again(Reader::Id(ById::default()), now);
}
