//! `mode: binlog`: rows from the stream of replication, as soon as they are committed and without a query.

use std::time::Duration;

use futures_util::StreamExt as _;
use mysql_async::binlog::events::{Event, RowsEventData, TableMapEvent};
use mysql_async::binlog::value::BinlogValue;
use mysql_async::{BinlogStream, BinlogStreamRequest, Row, Value};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::config::Mode;
use super::connect::{Db, DbError, Flavor, explain};
use super::read::binlog::{Follower, Meaning, column_names, column_text, is_before, is_named, places};
use super::row::TableRow;
use super::run::{Entry, LeftOut, Worker};
use super::schema::parts;
use super::table::{BinlogPosition, Reader};

/// The server says that it lives this often when nothing happens.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// A record is written at most this often, and never takes more than a tenth of the time.
const COMMIT: Duration = Duration::from_millis(50);
/// A position that moved without a row of ours is written this often.
const IDLE_COMMIT: Duration = Duration::from_secs(30);
/// The server no longer has the log that is asked for (`ER_MASTER_FATAL_ERROR_READING_BINLOG`).
const LOG_GONE: u16 = 1236;

/// What to do about rows that MariaDB compresses.
const UNCOMPRESSED: &str = "mode: binlog cannot read compressed rows: set log_bin_compress=OFF on the server";

/// What to do about rows that are logged as the statement that wrote them.
const AS_ROWS: &str =
    "mode: binlog cannot read rows that are logged as statements: set binlog_format=ROW in all sessions";

/// Where the log ends now.
///
/// # Errors
/// The log is off or not of a kind that holds rows, or the account may not see it.
pub(super) async fn log_end(db: &mut Db) -> Result<BinlogPosition, DbError> {
    let what = "check the binary log";
    let format: Option<(String, String)> =
        db.first(what, "SELECT @@GLOBAL.binlog_format, @@GLOBAL.binlog_row_image").await?;
    let (format, image) = format.unwrap_or_default();
    if format != "ROW" || image != "FULL" {
        return Err(DbError::Table(format!(
            "mode: binlog needs binlog_format=ROW and binlog_row_image=FULL on the server, found {format} and {image}"
        )));
    }
    if db.flavor == Flavor::MariaDb {
        let compressed: Option<bool> = db.first(what, "SELECT @@GLOBAL.log_bin_compress").await?;
        if compressed == Some(true) {
            return Err(DbError::Table(UNCOMPRESSED.to_owned()));
        }
    }
    let statements = match db.flavor {
        Flavor::MariaDb => ["SHOW MASTER STATUS", "SHOW BINLOG STATUS"],
        Flavor::MySql => ["SHOW BINARY LOG STATUS", "SHOW MASTER STATUS"],
    };
    let mut rows: Result<Vec<Row>, DbError> = db.rows(what, statements[0]).await;
    // Servers from before the other name.
    if matches!(rows, Err(DbError::Refused { code: 1064, .. })) {
        rows = db.rows(what, statements[1]).await;
    }
    let row = rows?.into_iter().next();
    let of = |place: usize| row.as_ref().and_then(|row| row.as_ref(place)).and_then(super::row::text);
    match (of(0), of(1).and_then(|offset| offset.parse().ok())) {
        (Some(file), Some(offset)) => Ok(BinlogPosition::new(file.into_owned(), offset)),
        _ => Err(DbError::Table(
            "mode: binlog needs the server's binary log, which is off: set log_bin".to_owned(),
        )),
    }
}

/// The stream, and what is not in the records yet.
struct Replication {
    stream: BinlogStream,
    follower: Follower,
    /// Rows of the transaction under way that were not taken yet.
    rows: Vec<LogRow>,
    /// How many rows of each table it has so far.
    counts: Vec<u64>,
    /// When the server was heard last.
    heard: Instant,
    commit_at: Option<Instant>,
    last_commit: Instant,
    commit_took: Duration,
}

/// A row of the log.
struct LogRow {
    /// Its table's place among the receiver's.
    n: usize,
    /// Its number among the rows of the table in its transaction, from 1.
    nth: u64,
    /// What it says; else how many columns it has, which are not those of the table now.
    row: Result<TableRow, usize>,
}

impl Worker {
    /// Reads the stream until it ends, which it does with an error, until then, or until the columns of a table
    /// must be asked for again.
    pub(super) async fn replicate(&mut self, until: Option<Instant>) -> Result<(), DbError> {
        let read = self.entries.iter().filter(|entry| entry.is_read);
        let positions = read.filter_map(|entry| entry.table.as_ref()?.binlog.clone());
        let Some(first) = positions.reduce(|a, b| if is_before(&b, &a) { b } else { a }) else {
            return Err(DbError::Table("no table can be replicated".to_owned()));
        };
        let stream = self.open_stream(&first).await?;
        self.was_not_read(|entry| entry.read_until.map_or(Duration::MAX, |until| until.elapsed()));
        let now = Instant::now();
        let mut replication = Replication {
            stream,
            follower: Follower::at(first),
            rows: Vec::new(),
            counts: vec![0; self.entries.len()],
            heard: now,
            commit_at: None,
            last_commit: now,
            commit_took: Duration::ZERO,
        };
        let result = self.follow(&mut replication, until).await;
        for entry in self.entries.iter_mut().filter(|entry| entry.is_read) {
            entry.read_until = Some(Instant::now());
        }
        let _ = tokio::time::timeout(Duration::from_secs(1), replication.stream.close()).await;
        if let Err(DbError::Refused { code: LOG_GONE, reason, .. }) = &result {
            self.gap(reason);
        }
        result
    }

    /// The log cannot be read where reading was: the tables are, then the log from its end. What to end the stream with.
    fn gap(&mut self, reason: &str) -> std::io::Error {
        self.report.replication_gap(reason);
        for table in self.entries.iter_mut().filter_map(|entry| entry.table.as_mut()) {
            table.binlog = None;
        }
        std::io::Error::other(reason)
    }

    async fn open_stream(&self, position: &BinlogPosition) -> Result<BinlogStream, DbError> {
        let mut db = Db::connect(&self.config).await?;
        let heartbeat =
            format!("SET @master_heartbeat_period={0}, @source_heartbeat_period={0}", HEARTBEAT.as_nanos());
        db.run("set up replication", &heartbeat).await?;
        let address = self.config.endpoint.clone();
        let server_id = match self.config.server_id {
            // Two replicas of one number throw each other out: one that nobody is likely to have.
            0 => {
                0x4000_0000
                    | (db.connection_id() & 0x00ff_ffff)
                    | (u32::from(self.salt()) << 24 & 0x3f00_0000)
            }
            id => id,
        };
        let request = BinlogStreamRequest::new(server_id)
            .with_filename(position.file.as_bytes())
            .with_pos(position.offset);
        let limit = self.config.query_timeout.get();
        let stream = tokio::time::timeout(limit, db.into_conn().get_binlog_stream(request)).await;
        match stream {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(error)) => Err(explain(&address, "replicate", error)),
            Err(_) => Err(DbError::Timeout { address, what: "replicate".to_owned(), limit }),
        }
    }

    async fn follow(&mut self, replication: &mut Replication, until: Option<Instant>) -> Result<(), DbError> {
        loop {
            // Between two transactions, or parts of a long one.
            let is_even = replication.rows.is_empty();
            if is_even && until.is_some_and(|until| until <= Instant::now()) {
                return Ok(());
            }
            let stats_due = Instant::now() + self.config.collection_interval.get();
            let wake = [replication.commit_at, self.next_due(), until].into_iter().flatten().min();
            let wake = wake.filter(|_| is_even).unwrap_or(stats_due).min(stats_due);
            let silence = replication.heard + 4 * HEARTBEAT;
            tokio::select! {
                event = timeout_at(silence, replication.stream.next()) => {
                    let event = event
                        .map_err(|_| self.broken("the server is silent"))?
                        .ok_or_else(|| self.broken("the server ended the stream"))?
                        .map_err(|error| explain(&self.config.endpoint, "replicate", error))?;
                    let read = Instant::now();
                    self.event(replication, &event).await.map_err(|error| self.broken(error))?;
                    self.was_not_read(|_| read.elapsed());
                    replication.heard = Instant::now();
                    if self.entries.iter().any(|entry| entry.is_read && entry.source.is_none()) {
                        return Ok(());
                    }
                }
                () = sleep_until(wake) => {}
            }
            let read = Instant::now();
            if replication.rows.is_empty() {
                self.commit_replicated(replication).await;
            }
            if let Some(mut db) = self.db.take() {
                self.read_stats(&mut db).await?;
                self.db = Some(db);
            }
            self.was_not_read(|_| read.elapsed());
        }
    }

    /// When the next call is due, of tables that are read.
    fn next_due(&self) -> Option<Instant> {
        let read = self.entries.iter().filter(|entry| entry.is_read);
        let due = read.filter_map(|entry| entry.table.as_ref()?.book.next_due()).min()?;
        Some(Instant::now() + Duration::from_millis(due.saturating_sub(self.now().wall_ms) + 1))
    }

    /// Nothing was read for so long, because of the server, the pipeline or the storage: what was written meanwhile comes
    /// before calls that were due.
    fn was_not_read(&mut self, pause: impl Fn(&Entry) -> Duration) {
        let now = self.now().wall_ms;
        for entry in &mut self.entries {
            let pause = pause(entry).as_millis();
            let Some(table) = &mut entry.table else { continue };
            let settle_ms = table.settings.settle_ms;
            if pause > u128::from(settle_ms / 8) {
                table.book.due_after(now.saturating_add(settle_ms));
            }
        }
    }

    fn broken(&self, reason: impl std::fmt::Display) -> DbError {
        DbError::Connection { address: self.config.endpoint.clone(), reason: format!("replicate: {reason}") }
    }

    /// Rows of a transaction are held until it is over, or until they are many.
    async fn event(&mut self, replication: &mut Replication, event: &Event) -> std::io::Result<()> {
        let is_over = match replication.follower.event(event)? {
            Meaning::Nothing => return Ok(()),
            Meaning::Compressed => return Err(self.gap(UNCOMPRESSED)),
            Meaning::Inserted(statement) => {
                let mut tables =
                    self.entries.iter().map(|entry| parts(&self.config.database, &entry.spec.name));
                let is_ours = tables.any(|table| is_named(&statement, table));
                return if is_ours { Err(self.gap(AS_ROWS)) } else { Ok(()) };
            }
            Meaning::Rows(rows) => {
                self.read(replication, &rows)?;
                false
            }
            Meaning::Moved => true,
            Meaning::Undone => {
                replication.rows.clear();
                true
            }
            Meaning::Stated(statement) => {
                self.stated(&statement, replication.follower.position());
                true
            }
        };
        if is_over || replication.rows.len() >= self.config.chunk_rows {
            self.apply(std::mem::take(&mut replication.rows)).await;
        }
        if is_over {
            replication.counts.fill(0);
            replication.commit_at = replication.commit_at.or(Some(Instant::now()));
        }
        Ok(())
    }

    /// Reads rows that were inserted and that their table does not know yet.
    fn read(&mut self, replication: &mut Replication, rows: &RowsEventData<'_>) -> std::io::Result<()> {
        if !matches!(rows, RowsEventData::WriteRowsEvent(_) | RowsEventData::WriteRowsEventV1(_)) {
            return Ok(());
        }
        let Replication { stream, follower, rows: held, counts, .. } = replication;
        let Some(map) = stream.get_tme(rows.table_id()) else { return Ok(()) };
        let Some(n) = self.entry_of(map) else { return Ok(()) };
        let Some(taken) = self.taken(n, follower) else { return Ok(()) };
        let decoded = self.decode(n, rows, map)?;
        let (Some(entry), Some(count)) = (self.entries.get_mut(n), counts.get_mut(n)) else { return Ok(()) };
        let is_described = entry.described_at.as_ref().is_some_and(|at| follower.is_known(at));
        if !is_described && decoded.iter().any(Result::is_err) {
            entry.source = None;
            return Ok(());
        }
        for row in decoded {
            *count += 1;
            if *count > taken {
                held.push(LogRow { n, nth: *count, row });
            }
        }
        Ok(())
    }

    /// How many rows of the transaction under way a table has. `None`: all, or it is not read.
    fn taken(&mut self, n: usize, follower: &Follower) -> Option<u64> {
        let entry = self.entries.get_mut(n).filter(|entry| entry.is_read && entry.source.is_some())?;
        let begin = follower.position();
        let known = entry.table.as_mut()?.binlog.get_or_insert_with(|| begin.clone());
        if is_before(known, begin) {
            *known = begin.clone();
        }
        (!follower.is_known(known)).then_some(known.rows)
    }

    fn entry_of(&self, map: &TableMapEvent<'_>) -> Option<usize> {
        let (database, table) = (map.database_name(), map.table_name());
        self.entries
            .iter()
            .position(|entry| parts(&self.config.database, &entry.spec.name) == (&*database, &*table))
    }

    /// Each row; one whose columns are not those of the table is how many it has.
    fn decode(
        &self,
        n: usize,
        rows: &RowsEventData<'_>,
        map: &TableMapEvent<'_>,
    ) -> std::io::Result<Vec<Result<TableRow, usize>>> {
        let Some(entry) = self.entries.get(n) else { return Ok(Vec::new()) };
        let (Some(source), Some(table)) = (&entry.source, &entry.table) else { return Ok(Vec::new()) };
        let decoder = source.decoder(table.seed, self.keep(n), self.config.limits.value_bytes);
        let now = self.now().seconds();
        let total = usize::try_from(map.columns_count()).unwrap_or(usize::MAX);
        let places = places(&source.layout, total, &column_names(map)?);
        let mut decoded = Vec::new();
        for row in rows.rows(map) {
            let (_, Some(row)) = row? else { continue };
            let Some(places) = &places else {
                decoded.push(Err(total));
                continue;
            };
            let values: Vec<Option<Value>> = places
                .iter()
                .map(|place| match row.as_ref((*place)?)? {
                    BinlogValue::Value(value) => Some(value.clone()),
                    other => Value::try_from(other.clone().into_owned()).ok(),
                })
                .collect();
            let text =
                |place: usize| column_text(values.get(place)?.as_ref()?, source.layout.columns.get(place)?);
            decoded.push(Ok(decoder.decode(text, now)));
        }
        Ok(decoded)
    }

    /// A statement that ends at `position` can have changed the tables that it names.
    fn stated(&mut self, statement: &str, position: &BinlogPosition) {
        for entry in &mut self.entries {
            let is_new = entry.described_at.as_ref().is_none_or(|at| is_before(at, position));
            if is_new && is_named(statement, parts(&self.config.database, &entry.spec.name)) {
                entry.source = None;
            }
        }
    }

    /// Takes rows. A table's position says how many were taken of the transaction, so that they count once whatever happens
    /// before its end.
    async fn apply(&mut self, rows: Vec<LogRow>) {
        for LogRow { n, nth, row } in rows {
            let now = self.now();
            let Some(entry) = self.entries.get_mut(n) else { continue };
            let Some(table) = &mut entry.table else { continue };
            let new = row.as_ref().is_ok_and(|row| table.replicated(row, now));
            if let Some(known) = &mut table.binlog {
                known.rows = nth;
            }
            match row {
                Ok(row) => self.after_rows(n, std::slice::from_ref(&row), &[new]).await,
                Err(columns) => entry.left_out = LeftOut { rows: entry.left_out.rows + 1, columns },
            }
        }
    }

    async fn commit_replicated(&mut self, replication: &mut Replication) {
        let now = self.now();
        let at = Instant::now();
        let mut rows = false;
        let position = replication.follower.position().clone();
        // The calls of one that is not read wait for their rows.
        for entry in self.entries.iter_mut().filter(|entry| entry.is_read) {
            // All rows that were written before the table was asked for its columns are behind.
            let is_behind = entry.described_at.as_ref().is_some_and(|at| !is_before(&position, at));
            if let Some(source) = entry.source.as_ref().filter(|_| is_behind && entry.left_out.rows > 0) {
                let left_out = std::mem::take(&mut entry.left_out);
                self.report.unreadable(&source.name, left_out, source.layout.total);
            }
            let Some(table) = &mut entry.table else { continue };
            let many = table.book.waiting() > self.config.chunk_rows;
            let reached = table.reached.take().filter(|_| many);
            table.settle(now, now.wall_ms, reached);
            if let Reader::Id(by_id) = &mut table.reader {
                by_id.end(now.mono_ms, table.settings.lookback_ms);
            }
            rows |= table.dirty;
        }
        let pause = if rows { COMMIT.max(replication.commit_took * 10) } else { IDLE_COMMIT };
        if replication.last_commit + pause > at {
            replication.commit_at = Some(replication.last_commit + pause);
            return;
        }
        for n in 0..self.entries.len() {
            self.send_traces(n).await;
            let entry = self.entries.get_mut(n).filter(|entry| entry.is_read);
            if let Some(table) = entry.and_then(|entry| entry.table.as_mut()) {
                let is_behind = table.binlog.as_ref().is_none_or(|known| is_before(known, &position));
                if is_behind {
                    table.binlog = Some(position.clone());
                    table.dirty = true;
                }
            }
            self.commit(n).await;
        }
        replication.commit_at = None;
        replication.last_commit = at;
        replication.commit_took = at.elapsed();
    }

    /// Notes where the log ends before the table is read, so that no row falls between the two.
    pub(super) async fn begin_replication(
        &mut self,
        db: &mut Db,
        n: usize,
    ) -> Result<Option<BinlogPosition>, DbError> {
        let unknown = self
            .entries
            .get(n)
            .and_then(|entry| entry.table.as_ref())
            .is_some_and(|table| table.binlog.is_none());
        if self.config.mode != Mode::Binlog || !unknown {
            return Ok(None);
        }
        log_end(db).await.map(Some)
    }
}
