//! The work of an instance: connect, look at each table (`look`), send what is new, write the record, show what is in it,
//! wait.

use std::hash::{BuildHasher as _, Hasher as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use otelcol_pdata::Batch;
use otelcol_pipeline::storage::{StorageClient, StorageOp};
use otelcol_pipeline::{Context, Output};
use tokio::time::Instant;

use super::book::Book;
use super::cel::TraceWriter;
use super::config::{Config, Mode, TableSpec};
use super::connect::{Backoff, Db, DbError};
use super::logs::LogWriter;
use super::record;
use super::report::Report;
use super::row::{Body, TableRow};
use super::server::{self, Growth, ServerStats};
use super::source::Source;
use super::table::{BinlogPosition, Now, Oddities, Reader, Settings, Table};
use super::time::Zone;
use super::totals::{Rules, Totals};

/// A record is written this often during a long look.
const COMMIT: Duration = Duration::from_secs(1);
/// The longest wait after a look that took long.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// The wait before a batch is offered again, if the pipeline names none.
const RETRY: Duration = Duration::from_millis(500);

/// What metrics are made of: only what the record holds.
#[derive(Debug, Default)]
pub(super) struct Shown {
    /// Each table with its rules and values.
    pub(super) tables: Vec<ShownTable>,
    /// Whether the server answers.
    pub(super) up: bool,
    /// Its figures.
    pub(super) server: Option<ServerStats>,
}

/// What is shown of one table.
#[derive(Debug, Clone)]
pub(super) struct ShownTable {
    pub(super) name: String,
    pub(super) rules: Rules,
    pub(super) totals: Option<Arc<Totals>>,
}

/// A table of the settings, and what is known of it.
pub(super) struct Entry {
    pub(super) spec: TableSpec,
    /// What was counted; none before the first look.
    pub(super) table: Option<Table>,
    /// How it is read; none before the server was asked.
    pub(super) source: Option<Source>,
    /// Rows are in the state whose logs are not on their way yet.
    unsent: bool,
    pub(super) full_at: Option<u64>,
    /// The last look has found all rows that were there when it began, or left them to replication.
    pub(super) is_read: bool,
    /// Since when the highest key of all is below one that was read.
    pub(super) shrunk_at: Option<u64>,
    /// Where the binary log ended before the table was asked for its columns.
    pub(super) described_at: Option<BinlogPosition>,
    /// Rows of the binary log that could not be read.
    pub(super) left_out: LeftOut,
    /// Until when its rows were read from the binary log.
    pub(super) read_until: Option<Instant>,
    committed: Instant,
}

/// Rows of the binary log from when the table had other columns.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LeftOut {
    pub(super) rows: u64,
    /// How many columns the last of them has.
    pub(super) columns: usize,
}

/// The work of one instance.
pub(super) struct Worker {
    pub(super) context: Context,
    pub(super) config: Config,
    pub(super) logs: Option<(Output, LogWriter)>,
    pub(super) traces: Option<(Output, TraceWriter)>,
    pub(super) storage: Option<Arc<dyn StorageClient>>,
    pub(super) shown: Arc<Mutex<Shown>>,
    pub(super) report: Report,
    pub(super) entries: Vec<Entry>,
    pub(super) db: Option<Db>,
    born: Instant,
    growth: Growth,
    stats_at: Option<Instant>,
    /// When the look under way began to ask the server.
    asked_at: Instant,
}

impl Worker {
    /// A worker that has done nothing yet, for these tables.
    pub(super) fn new(
        context: &Context,
        config: Config,
        tables: Vec<TableSpec>,
        logs: Option<(Output, LogWriter)>,
        traces: Option<(Output, TraceWriter)>,
        storage: Option<Arc<dyn StorageClient>>,
        shown: Arc<Mutex<Shown>>,
    ) -> Self {
        let born = Instant::now();
        let entry = |spec: TableSpec| Entry {
            spec,
            table: None,
            source: None,
            unsent: false,
            full_at: None,
            is_read: false,
            shrunk_at: None,
            described_at: None,
            left_out: LeftOut::default(),
            read_until: None,
            committed: born,
        };
        let entries = tables.into_iter().map(entry).collect();
        Self {
            context: context.clone(),
            logs,
            traces,
            storage,
            shown,
            report: Report::new(context),
            entries,
            db: None,
            born,
            growth: Growth::default(),
            stats_at: None,
            asked_at: born,
            config,
        }
    }

    /// The time.
    pub(super) fn now(&self) -> Now {
        Now {
            wall_ms: self.context.clock.unix_nanos() / 1_000_000,
            mono_ms: u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX),
        }
    }

    /// A number that two instances seldom share.
    pub(super) fn salt(&self) -> u8 {
        std::hash::RandomState::new().build_hasher().finish().to_le_bytes()[0]
    }

    pub(super) fn settings(&self, spec: &TableSpec) -> Result<Settings, String> {
        Ok(Settings::new(&self.config, &spec.kind, Zone::named(&spec.timezone)?))
    }

    /// Takes up what an earlier run or instance left: `records` are in the order of the tables.
    ///
    /// # Errors
    /// A zone is unknown. A record that cannot be read is an error too: counting anew would count twice.
    pub(super) fn restore(&mut self, records: Vec<Option<Vec<u8>>>) -> Result<(), String> {
        let now = self.now();
        let mut shown = Vec::new();
        for (n, bytes) in records.into_iter().enumerate() {
            let Some(spec) = self.entries.get(n).map(|entry| &entry.spec) else { break };
            let settings = self.settings(spec)?;
            let rules = settings.rules.clone();
            let Some(entry) = self.entries.get_mut(n) else { break };
            if let Some(bytes) = bytes {
                let table = record::read(&bytes, settings, now).map_err(|error| {
                    format!("the record of table {} cannot be read: {error}", entry.spec.name)
                })?;
                entry.table = Some(table);
            }
            let totals = entry.table.as_ref().and_then(|table| table.book.totals().cloned()).map(Arc::new);
            shown.push(ShownTable { name: entry.spec.name.clone(), rules, totals });
        }
        self.shown().tables = shown;
        Ok(())
    }

    fn shown(&self) -> std::sync::MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Works until the receiver stops; the records of tables whose rows are all on their way.
    pub(super) async fn run(mut self) -> Vec<Option<Vec<u8>>> {
        let stop = self.context.tasks.stop_token().clone();
        stop.run_until_cancelled(self.work()).await;
        for entry in 0..self.entries.len() {
            self.commit(entry).await;
        }
        let records = self.entries.iter().map(|entry| {
            let table = entry.table.as_ref().filter(|table| !entry.unsent && !table.marking)?;
            record::write(table).ok()
        });
        let records = records.collect();
        if let Some(db) = self.db.take() {
            db.close().await;
        }
        records
    }

    async fn work(&mut self) {
        let mut backoff = Backoff::new(Duration::from_secs(1));
        loop {
            let begun = self.now();
            let result = self.look().await;
            let took = self.asked_at.elapsed();
            // Replication settles by itself when it has caught up.
            self.settle(if self.config.mode == Mode::Poll { begun.wall_ms } else { 0 }).await;
            let some_are_read = self.entries.iter().any(|entry| entry.is_read);
            let is_well = result.is_ok();
            // A slow server is asked less often.
            let next_look = self.config.poll_interval.get().max((took * 2).min(LONGEST_WAIT));
            let wait = match result {
                Ok(()) => {
                    backoff.reset();
                    let identities = self.entries.iter().filter_map(|entry| entry.table.as_ref());
                    let identities =
                        identities.map(|table| table.rows.len() + table.book.identities()).sum::<usize>();
                    self.report.looked(took, identities);
                    if let Some(db) = &self.db {
                        self.report.works(&db.version);
                    }
                    next_look
                }
                // Where a table alone is what is wrong, the others are read or replicated until it is time to look again.
                Err(error) if some_are_read && self.db.is_some() => {
                    self.report.fails(&error);
                    self.give_up(|entry| !entry.is_read);
                    if self.config.mode == Mode::Poll { next_look } else { backoff.wait() }
                }
                Err(error) => {
                    self.failed(&error).await;
                    backoff.wait()
                }
            };
            if self.config.mode == Mode::Binlog && self.db.is_some() {
                let until = (!is_well).then(|| Instant::now() + wait);
                if let Err(error) = self.replicate(until).await {
                    self.failed(&error).await;
                    self.settle(0).await;
                    tokio::time::sleep(backoff.wait()).await;
                }
                continue;
            }
            tokio::time::sleep(wait).await;
        }
    }

    async fn failed(&mut self, error: &DbError) {
        self.report.fails(error);
        if let Some(db) = self.db.take() {
            if error.ends_connection() {
                self.shown().up = false;
            } else {
                db.close().await;
            }
        } else {
            self.shown().up = matches!(error, DbError::Table(_));
        }
        self.give_up(|_| true);
    }

    /// Ends the look at these tables; the server is asked about them again.
    fn give_up(&mut self, which: impl Fn(&Entry) -> bool) {
        for entry in self.entries.iter_mut().filter(|entry| which(entry)) {
            entry.source = None;
            if let Some(Table { reader: Reader::Time(window), .. }) = &mut entry.table {
                window.abandon();
            }
        }
    }

    /// Counts calls that were due when the look began, which has found all rows of before, and writes records that changed.
    /// While the rows of a table cannot be read, its calls wait for theirs.
    async fn settle(&mut self, due_ms: u64) {
        let now = self.now();
        for n in 0..self.entries.len() {
            let Some(entry) = self.entries.get_mut(n) else { return };
            let due_ms = if entry.is_read { due_ms } else { 0 };
            if let Some(table) = &mut entry.table {
                table.settle(now, due_ms, None);
            }
            self.send_traces(n).await;
            self.commit(n).await;
        }
    }

    /// One look at all tables.
    async fn look(&mut self) -> Result<(), DbError> {
        self.entries.iter_mut().for_each(|entry| entry.is_read = false);
        let mut db = match self.db.take() {
            Some(db) => db,
            None => {
                let db = Db::connect(&self.config).await?;
                tracing::info!(receiver = %self.context.id, endpoint = %self.config.endpoint, version = db.version, "connected to the CDR database");
                db
            }
        };
        self.shown().up = true;
        self.asked_at = Instant::now();
        let failed = self.look_with(&mut db).await?;
        self.db = Some(db);
        failed.map_or(Ok(()), Err)
    }

    /// What is wrong with a table, if anything is.
    ///
    /// # Errors
    /// The server cannot be asked at all.
    async fn look_with(&mut self, db: &mut Db) -> Result<Option<DbError>, DbError> {
        let mut failed = None;
        for n in 0..self.entries.len() {
            // One table that cannot be read does not keep the others from being read.
            let result = self.look_at(db, n).await;
            if let Some(entry) = self.entries.get_mut(n) {
                entry.is_read = result.is_ok();
            }
            if let Err(error) = result {
                if error.ends_connection() {
                    *db = Db::connect(&self.config).await?;
                }
                failed = failed.or(Some(error));
            }
        }
        match self.read_stats(db).await {
            Err(error) if error.ends_connection() => Err(error),
            result => Ok(failed.or(result.err())),
        }
    }

    /// Reads the server's figures if it is time.
    pub(super) async fn read_stats(&mut self, db: &mut Db) -> Result<(), DbError> {
        let every = self.config.collection_interval.get();
        if !self.config.server_metrics || self.stats_at.is_some_and(|at| at.elapsed() < every) {
            return Ok(());
        }
        self.stats_at = Some(Instant::now());
        let names: Vec<String> = self.entries.iter().map(|entry| entry.spec.name.clone()).collect();
        let mono_ms = self.now().mono_ms;
        let stats = server::read(db, &self.config.database, &names, &mut self.growth, mono_ms).await?;
        self.shown().server = Some(stats);
        Ok(())
    }

    pub(super) fn table(&mut self, n: usize) -> Option<&mut Table> {
        self.entries.get_mut(n)?.table.as_mut()
    }

    pub(super) fn reader(&mut self, n: usize) -> Option<&mut Reader> {
        self.table(n).map(|table| &mut table.reader)
    }

    /// Counts the rows of a chunk and sends what is new.
    pub(super) async fn take(&mut self, n: usize, rows: &[TableRow]) {
        let now = self.now();
        let Some(table) = self.table(n) else { return };
        let new = table.chunk(rows, now);
        self.after_rows(n, rows, &new).await;
    }

    /// What follows when rows have been counted.
    pub(super) async fn after_rows(&mut self, n: usize, rows: &[TableRow], new: &[bool]) {
        let Some(entry) = self.entries.get_mut(n) else { return };
        let Some(table) = &mut entry.table else { return };
        let odd = std::mem::take(&mut table.oddities);
        if odd != Oddities::default() {
            self.report.odd(&entry.spec.name, odd);
        }
        self.send_logs(n, rows, new).await;
        self.send_traces(n).await;
    }

    /// Sends the logs of rows that are new.
    async fn send_logs(&mut self, n: usize, rows: &[TableRow], new: &[bool]) {
        let Some(entry) = self.entries.get_mut(n) else { return };
        let (Some((output, writer)), Some(source)) = (&self.logs, &entry.source) else { return };
        let new = rows.iter().zip(new).filter(|(_, new)| **new);
        let new: Vec<_> = new
            .filter_map(|(row, _)| match &row.body {
                Body::Cdr(cdr) => Some(cdr),
                Body::Cel(_) => None,
            })
            .collect();
        if new.is_empty() {
            return;
        }
        entry.unsent = true;
        let batch = Batch::from_logs(writer.resource_logs(source, &new, self.context.clock.unix_nanos()));
        deliver(output, batch, &self.report).await;
        entry.unsent = false;
    }

    /// Sends the traces of calls that are over. Until they are on their way, the record has their rows read again.
    pub(super) async fn send_traces(&mut self, n: usize) {
        let Some(table) = self.entries.get_mut(n).and_then(|entry| entry.table.as_mut()) else { return };
        let (Book::Cel(events), Some(rules)) = (&mut table.book, &table.settings.events) else { return };
        let Some((output, writer)) = &mut self.traces else { return };
        self.report.cut(events.take_cut());
        while let Some(traces) = writer.traces(events) {
            match traces.batch {
                Ok(Some(batch)) => deliver(output, batch, &self.report).await,
                Ok(None) => {}
                Err(error) => self.report.dropped(traces.calls, &error.to_string()),
            }
            events.were_sent(traces.calls, rules);
            table.dirty = true;
            self.report.sent_traces(traces.calls, traces.dropped_spans);
        }
    }

    pub(super) async fn commit_in_time(&mut self, n: usize) {
        if self.entries.get(n).is_some_and(|entry| entry.committed.elapsed() >= COMMIT) {
            self.commit(n).await;
        }
    }

    /// Writes the record of a table that changed, and shows it.
    pub(super) async fn commit(&mut self, n: usize) {
        let Some(entry) = self.entries.get_mut(n) else { return };
        let Some(table) = entry.table.as_mut().filter(|table| table.dirty && !table.marking) else { return };
        if entry.unsent {
            return;
        }
        let now = self.context.clock.unix_nanos() / 1_000_000_000;
        if let Book::Cdr(tally) = &mut table.book {
            tally.totals.forget(&table.settings.rules, i64::try_from(now).unwrap_or(i64::MAX));
        }
        if let Some(storage) = &self.storage {
            let written = match record::write(table) {
                Ok(bytes) => storage
                    .write(vec![StorageOp::Set(record::key(&entry.spec.name), bytes)])
                    .await
                    .map_err(|error| error.to_string()),
                Err(error) => Err(error),
            };
            if let Err(error) = written {
                self.report.not_stored(&error);
                return;
            }
        }
        table.dirty = false;
        entry.committed = Instant::now();
        let totals = table.book.totals().cloned().map(Arc::new);
        let rules = table.settings.rules.clone();
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shown) = shown.tables.get_mut(n) {
            shown.totals = totals;
            shown.rules = rules;
        }
    }
}

/// Offers a batch until it is taken or refused for good.
pub(super) async fn deliver(output: &Output, batch: Batch, report: &Report) {
    let records = batch.items();
    loop {
        match output.consume(batch.clone()).await {
            Ok(()) => return,
            Err(error) if error.is_permanent() => return report.dropped(records, &error.to_string()),
            Err(error) => tokio::time::sleep(error.after().unwrap_or(RETRY)).await,
        }
    }
}
