//! The work of an instance: connect, look at each table, write the record, show what is in it, wait.

use std::hash::{BuildHasher as _, Hasher as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use otelcol_pdata::Batch;
use otelcol_pipeline::storage::{StorageClient, StorageOp};
use otelcol_pipeline::{Context, Output};
use tokio::time::Instant;

use super::config::{Config, Mode, StartAt, TableConfig};
use super::connect::{Backoff, Db, DbError};
use super::logs::LogWriter;
use super::read::by_id::ById;
use super::read::window::{Ask, Window};
use super::record;
use super::report::Report;
use super::row::{CdrRow, Decoder};
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
    pub(super) config: TableConfig,
    /// What was counted; none before the first look.
    pub(super) table: Option<Table>,
    /// How it is read; none before the server was asked.
    pub(super) source: Option<Source>,
    /// Rows are in the state whose logs are not on their way yet.
    unsent: bool,
    full_at: Option<u64>,
    committed: Instant,
}

/// The work of one instance.
pub(super) struct Worker {
    pub(super) context: Context,
    pub(super) config: Config,
    pub(super) logs: Option<(Output, LogWriter)>,
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
    /// A worker that has done nothing yet.
    ///
    /// # Errors
    /// A zone is unknown.
    pub(super) fn new(
        context: &Context,
        config: Config,
        logs: Option<(Output, LogWriter)>,
        storage: Option<Arc<dyn StorageClient>>,
        shown: Arc<Mutex<Shown>>,
    ) -> Self {
        let born = Instant::now();
        let entry = |table: TableConfig| Entry {
            config: table,
            table: None,
            source: None,
            unsent: false,
            full_at: None,
            committed: born,
        };
        let entries = config.tables().into_iter().map(entry).collect();
        Self {
            context: context.clone(),
            logs,
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

    fn settings(&self, entry: usize) -> Result<Settings, String> {
        let zone = self.entries.get(entry).map_or("", |entry| entry.config.timezone.as_str());
        Ok(Settings::new(&self.config, Zone::named(zone)?))
    }

    /// Takes up what an earlier run or instance left: `records` are in the order of the tables.
    ///
    /// # Errors
    /// A zone is unknown. A record that cannot be read is an error too: counting anew would count twice.
    pub(super) fn restore(&mut self, records: Vec<Option<Vec<u8>>>) -> Result<(), String> {
        let now = self.now();
        let mut shown = Vec::new();
        for (n, bytes) in records.into_iter().enumerate() {
            let settings = self.settings(n)?;
            let rules = settings.rules.clone();
            let Some(entry) = self.entries.get_mut(n) else { break };
            if let Some(bytes) = bytes {
                let table = record::read(&bytes, settings, now).map_err(|error| {
                    format!("the record of table {} cannot be read: {error}", entry.config.name)
                })?;
                entry.table = Some(table);
            }
            let totals = entry.table.as_ref().map(|table| Arc::new(table.totals.clone()));
            shown.push(ShownTable { name: entry.config.name.clone(), rules, totals });
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
            // While rows cannot be read, calls wait for theirs. Replication settles by itself when it has caught up.
            let has_read = result.is_ok() && self.config.mode == Mode::Poll;
            self.settle(if has_read { begun.wall_ms } else { 0 }).await;
            let is_well = result.is_ok();
            let wait = match result {
                Ok(()) => {
                    backoff.reset();
                    let identities = self.entries.iter().filter_map(|entry| entry.table.as_ref());
                    let identities =
                        identities.map(|table| table.rows.len() + table.calls.sizes().1).sum::<usize>();
                    self.report.looked(took, identities);
                    if let Some(db) = &self.db {
                        self.report.works(&db.version);
                    }
                    // A slow server is asked less often.
                    self.config.poll_interval.get().max((took * 2).min(LONGEST_WAIT))
                }
                Err(error) => {
                    self.failed(&error).await;
                    backoff.wait()
                }
            };
            if self.config.mode == Mode::Binlog && self.db.is_some() && is_well {
                if let Err(error) = self.replicate().await {
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
        for entry in &mut self.entries {
            entry.source = None;
            if let Some(Table { reader: Reader::Time(window), .. }) = &mut entry.table {
                window.abandon();
            }
        }
    }

    /// Counts calls that were due when the look began, which has found all rows of before, and writes records that changed.
    async fn settle(&mut self, due_ms: u64) {
        let now = self.now();
        for n in 0..self.entries.len() {
            if let Some(table) = self.entries.get_mut(n).and_then(|entry| entry.table.as_mut()) {
                table.settle(now, due_ms, None);
            }
            self.commit(n).await;
        }
    }

    /// One look at all tables.
    async fn look(&mut self) -> Result<(), DbError> {
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
        let result = self.look_with(&mut db).await;
        self.db = Some(db);
        result
    }

    async fn look_with(&mut self, db: &mut Db) -> Result<(), DbError> {
        let mut failed = None;
        for n in 0..self.entries.len() {
            // One table that cannot be read does not keep the others from being read.
            match self.look_at(db, n).await {
                Err(error) if error.ends_connection() => return Err(error),
                Err(error) => failed = failed.or(Some(error)),
                Ok(()) => {}
            }
        }
        self.read_stats(db).await?;
        failed.map_or(Ok(()), Err)
    }

    /// Reads the server's figures if it is time.
    pub(super) async fn read_stats(&mut self, db: &mut Db) -> Result<(), DbError> {
        let every = self.config.collection_interval.get();
        if !self.config.server_metrics || self.stats_at.is_some_and(|at| at.elapsed() < every) {
            return Ok(());
        }
        self.stats_at = Some(Instant::now());
        let names: Vec<String> = self.entries.iter().map(|entry| entry.config.name.clone()).collect();
        let mono_ms = self.now().mono_ms;
        let stats = server::read(db, &self.config.database, &names, &mut self.growth, mono_ms).await?;
        self.shown().server = Some(stats);
        Ok(())
    }

    async fn look_at(&mut self, db: &mut Db, n: usize) -> Result<(), DbError> {
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
        let decoder = source.decoder(table.seed, self.logs.is_some(), self.config.limits.value_bytes);
        if source.by_key {
            self.look_by_key(db, n, &source, &decoder).await?;
        } else {
            self.look_by_time(db, n, &source, &decoder).await?;
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
        let all = self.logs.is_some();
        let source = Source::open(db, &self.config, &entry.config, all).await?;
        tracing::info!(
            receiver = %self.context.id, table = source.name,
            by = if source.by_key { "key" } else { "time" },
            "reading CDR table"
        );
        let now = self.now();
        let mut settings = self.settings(n).map_err(DbError::Table)?;
        if source.layout.time_is_utc {
            settings.rules.zone = Zone::utc();
        }
        let start = self.config.start().map_err(DbError::Table)?;
        let Some(entry) = self.entries.get_mut(n) else { return Ok(()) };
        match &mut entry.table {
            Some(table) => {
                table.settings = settings;
                if table.read_by_key(source.by_key) {
                    tracing::info!(receiver = %self.context.id, table = source.name, "the table is read in another way than before");
                    if let (true, Some(floor)) = (source.by_key, table.floor) {
                        table.reader = Reader::Id(ById::after(source.key_before(db, floor).await?));
                    }
                }
                if let Reader::Id(by_id) = &table.reader {
                    let highest = source.highest_key(db).await?;
                    if highest.is_some_and(|highest| highest < by_id.high()) {
                        tracing::warn!(
                            receiver = %self.context.id, table = source.name, highest, read = by_id.high(),
                            "the table's keys begin anew: it was emptied or restored, and is read from its beginning"
                        );
                        table.begin_again(Reader::Id(ById::default()));
                    }
                }
            }
            None => {
                let longest = settings.longest_call;
                let is_marking = start == StartAt::Now && !source.by_key;
                let (reader, floor) = match (source.by_key, start) {
                    (true, StartAt::Now) => {
                        (Reader::Id(ById::after(source.highest_key(db).await?.unwrap_or(0))), None)
                    }
                    (true, StartAt::Beginning) => (Reader::Id(ById::after(0)), None),
                    (true, StartAt::Time(time)) => {
                        (Reader::Id(ById::after(source.key_before(db, time).await?)), Some(time))
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
        entry.full_at = None;
        Ok(())
    }

    async fn look_by_key(
        &mut self,
        db: &mut Db,
        n: usize,
        source: &Source,
        decoder: &Decoder,
    ) -> Result<(), DbError> {
        let Some(Reader::Id(by_id)) = self.reader(n) else { return Ok(()) };
        let mut after = by_id.begin();
        loop {
            let now = self.now();
            let (rows, last) = source.chunk_by_key(db, decoder, after, now.seconds()).await?;
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

    async fn look_by_time(
        &mut self,
        db: &mut Db,
        n: usize,
        source: &Source,
        decoder: &Decoder,
    ) -> Result<(), DbError> {
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

    fn table(&mut self, n: usize) -> Option<&mut Table> {
        self.entries.get_mut(n)?.table.as_mut()
    }

    fn reader(&mut self, n: usize) -> Option<&mut Reader> {
        self.table(n).map(|table| &mut table.reader)
    }

    /// Counts the rows of a chunk and sends the logs of those that are new.
    async fn take(&mut self, n: usize, rows: &[CdrRow]) {
        let now = self.now();
        let Some(table) = self.table(n) else { return };
        let new = table.chunk(rows, now);
        self.after_rows(n, rows, &new).await;
    }

    /// What follows when rows have been counted.
    pub(super) async fn after_rows(&mut self, n: usize, rows: &[CdrRow], new: &[bool]) {
        let Some(entry) = self.entries.get_mut(n) else { return };
        let Some(table) = &mut entry.table else { return };
        let odd = std::mem::take(&mut table.oddities);
        if odd != Oddities::default() {
            self.report.odd(&entry.config.name, odd);
        }
        let (Some((output, writer)), Some(source)) = (&self.logs, &entry.source) else { return };
        let new: Vec<&CdrRow> = rows.iter().zip(new).filter(|(_, new)| **new).map(|(row, _)| row).collect();
        if new.is_empty() {
            return;
        }
        entry.unsent = true;
        let batch = Batch::from_logs(writer.resource_logs(source, &new, self.context.clock.unix_nanos()));
        deliver(output, batch, &self.report).await;
        entry.unsent = false;
    }

    async fn commit_in_time(&mut self, n: usize) {
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
        table.totals.forget(&table.settings.rules, i64::try_from(now).unwrap_or(i64::MAX));
        if let Some(storage) = &self.storage {
            let written = match record::write(table) {
                Ok(bytes) => storage
                    .write(vec![StorageOp::Set(record::key(&entry.config.name), bytes)])
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
        let totals = Arc::new(table.totals.clone());
        let rules = table.settings.rules.clone();
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shown) = shown.tables.get_mut(n) {
            shown.totals = Some(totals);
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
