//! One table in the server: finding out what it offers, and the queries that read it.

use mysql_async::{Row, Value};

use super::config::{Config, Mode, StartAt, TableSpec};
use super::connect::{Db, DbError};
use super::read::window::Ask;
use super::row::{Decoder, Keep, TableRow, text};
use super::schema::{Column, Index, Layout, Role, create_index, parts, qualified};
use super::time::{self, Naive, Zone};

/// How a table is read, with everything a query needs.
#[derive(Debug, Clone)]
pub(super) struct Source {
    /// The table's name in the settings.
    pub(super) name: String,
    /// The table, as a condition on `information_schema`.
    condition: String,
    /// Its columns.
    pub(super) layout: Layout,
    /// Zone of its times.
    pub(super) zone: Zone,
    /// Whether it is read by key.
    pub(super) by_key: bool,
    /// Rows of one query.
    chunk_rows: usize,
}

/// A text in SQL, whatever is in it.
fn literal(text: &str) -> String {
    let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("CONVERT(x'{hex}' USING utf8mb4)")
}

/// A database and a table as conditions on `information_schema`.
pub(super) fn schema_condition(database: &str, table: &str) -> String {
    let (database, table) = parts(database, table);
    format!("TABLE_SCHEMA={} AND TABLE_NAME={}", literal(database), literal(table))
}

/// The columns and indexes of a table.
///
/// # Errors
/// There is no such table, or the account may not read it.
pub(super) async fn describe(
    db: &mut Db,
    database: &str,
    table: &str,
) -> Result<(Vec<Column>, Vec<Index>), DbError> {
    let condition = schema_condition(database, table);
    let what = format!("columns of {table}");
    let sql = format!(
        "SELECT COLUMN_NAME, DATA_TYPE, IFNULL(CHARACTER_MAXIMUM_LENGTH,0), EXTRA, IFNULL(CHARACTER_SET_NAME,''), COLUMN_TYPE \
         FROM information_schema.COLUMNS WHERE {condition} ORDER BY ORDINAL_POSITION"
    );
    let columns: Vec<(String, String, u64, String, String, String)> = db.rows(&what, &sql).await?;
    let qualified = qualified(database, table);
    let read = format!("read {qualified}");
    db.run(&read, &format!("SELECT 1 FROM {qualified} LIMIT 0")).await?;
    let columns: Vec<Column> = columns
        .into_iter()
        .enumerate()
        .map(|(ordinal, (name, data_type, length, extra, charset, column_type))| Column {
            name,
            data_type: data_type.to_lowercase(),
            length,
            auto_increment: extra.to_lowercase().contains("auto_increment"),
            unsigned: column_type.to_lowercase().contains("unsigned"),
            // MariaDB puts it into a comment.
            compressed: column_type.contains(" COMPRESSED*/"),
            charset,
            ordinal,
        })
        .collect();
    let sql = format!(
        "SELECT INDEX_NAME, COLUMN_NAME FROM information_schema.STATISTICS WHERE {condition} AND SEQ_IN_INDEX=1 \
         AND INDEX_TYPE='BTREE' ORDER BY INDEX_NAME='PRIMARY' DESC, INDEX_NAME"
    );
    let indexes: Vec<(String, Option<String>)> = db.rows(&what, &sql).await?;
    let indexes =
        indexes.into_iter().filter_map(|(name, column)| Some(Index { name, column: column? })).collect();
    Ok((columns, indexes))
}

impl Source {
    /// Finds out how to read a table. With `all` every column is read.
    ///
    /// # Errors
    /// The table, a column, a right or an index is missing.
    pub(super) async fn open(
        db: &mut Db,
        config: &Config,
        table: &TableSpec,
        all: bool,
    ) -> Result<Self, DbError> {
        let (columns, indexes) = describe(db, &config.database, &table.name).await?;
        let qualified = qualified(&config.database, &table.name);
        let shape = table.kind.shape();
        let layout = Layout::new(qualified, &columns, &indexes, &shape, all, config.limits.value_bytes)
            .map_err(DbError::Table)?;
        let compressed = columns.iter().find(|column| column.compressed);
        if let (Mode::Binlog, Some(column)) = (config.mode, compressed) {
            return Err(DbError::Table(format!(
                "mode: binlog cannot read table {}, whose column {} is COMPRESSED: change the column, or use mode: poll",
                layout.table, column.name
            )));
        }
        let zone = Zone::named(&table.timezone).map_err(DbError::Table)?;
        let by_key = layout.id_index.is_some();
        let source = Self {
            name: table.name.clone(),
            condition: schema_condition(&config.database, &table.name),
            layout,
            zone,
            by_key,
            chunk_rows: config.chunk_rows,
        };
        let sql = format!("SELECT {} FROM {} LIMIT 0", source.layout.select(), source.layout.table);
        db.run(&format!("read columns of {}", source.layout.table), &sql).await?;
        if config.mode == Mode::Poll && !config.allow_table_scan {
            source.check_plan(db).await?;
        }
        Ok(source)
    }

    /// Asks the server how it would read the table.
    async fn check_plan(&self, db: &mut Db) -> Result<(), DbError> {
        let table = &self.layout.table;
        let refusal = || {
            let column = self.layout.name(Role::Time).unwrap_or_default();
            let create = create_index(table, &column);
            DbError::Table(format!(
                "each look at table {table} would read all of it, because no index begins with {column}: run {create}; or set \
                 allow_table_scan: true"
            ))
        };
        let sql = if self.by_key {
            self.by_key_sql(0)
        } else if self.layout.time_index.is_some() {
            self.by_time_sql(1_000_000_000, None, 0)
        } else {
            return Err(refusal());
        };
        let plan: Vec<Row> = db.rows("explain the query", &format!("EXPLAIN {sql}")).await?;
        let scans = plan.iter().any(|row| {
            let of = |name: &str| row.get_opt::<Value, _>(name).and_then(Result::ok);
            matches!(of("type"), Some(Value::Bytes(how)) if how.eq_ignore_ascii_case(b"ALL"))
        });
        if scans { Err(refusal()) } else { Ok(()) }
    }

    /// Whether it can be read without reading all of it.
    pub(super) fn is_readable(&self, config: &Config) -> bool {
        self.by_key || self.layout.time_index.is_some() || config.allow_table_scan
    }

    /// Reads rows of this table with hashes of `seed`.
    pub(super) fn decoder(&self, seed: u64, keep: Keep, value_bytes: usize) -> Decoder {
        Decoder { layout: self.layout.clone(), zone: self.zone.clone(), seed, keep, value_bytes }
    }

    fn id(&self) -> String {
        self.layout.name(Role::Id).unwrap_or_default()
    }

    fn time(&self) -> String {
        self.layout.name(Role::Time).unwrap_or_default()
    }

    fn hint(index: Option<&String>) -> String {
        index.map_or_else(String::new, |index| format!(" FORCE INDEX ({})", super::schema::quoted(index)))
    }

    fn by_key_sql(&self, after: u64) -> String {
        let (id, table) = (self.id(), &self.layout.table);
        let hint = Self::hint(self.layout.id_index.as_ref());
        format!(
            "SELECT {} FROM {table}{hint} WHERE {id}>{after} ORDER BY {id} LIMIT {}",
            self.layout.select(),
            self.chunk_rows
        )
    }

    fn by_time_sql(&self, from: Naive, to: Option<Naive>, skip: usize) -> String {
        format!(
            "SELECT {} FROM {}{}{} ORDER BY {} LIMIT {skip},{}",
            self.layout.select(),
            self.layout.table,
            Self::hint(self.layout.time_index.as_ref()),
            self.time_condition(from, to),
            self.time(),
            self.chunk_rows
        )
    }

    fn time_condition(&self, from: Naive, to: Option<Naive>) -> String {
        let time = self.time();
        let lower = (from > Naive::MIN).then(|| format!("{time}>='{}'", time::format(from)));
        let upper = to.map(|to| format!("{time}<'{}'", time::format(to)));
        let conditions: Vec<String> = lower.into_iter().chain(upper).collect();
        if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) }
    }

    fn decode(rows: &[Row], decoder: &Decoder, now: i64) -> Vec<TableRow> {
        rows.iter().map(|row| decoder.decode(|place| row.as_ref(place).and_then(text), now)).collect()
    }

    /// The next chunk by key, and whether it is the last for now.
    ///
    /// # Errors
    /// The query failed.
    pub(super) async fn chunk_by_key(
        &self,
        db: &mut Db,
        decoder: &Decoder,
        after: u64,
        now: i64,
    ) -> Result<(Vec<TableRow>, bool), DbError> {
        let rows: Vec<Row> = db.rows(&format!("read {}", self.layout.table), &self.by_key_sql(after)).await?;
        Ok((Self::decode(&rows, decoder, now), rows.len() < self.chunk_rows))
    }

    /// The next chunk by time, and whether it is the last for now.
    ///
    /// # Errors
    /// The query failed.
    pub(super) async fn chunk_by_time(
        &self,
        db: &mut Db,
        decoder: &Decoder,
        (from, to, skip): (Naive, Option<Naive>, usize),
        now: i64,
    ) -> Result<(Vec<TableRow>, bool), DbError> {
        let sql = self.by_time_sql(from, to, skip);
        let rows: Vec<Row> = db.rows(&format!("read {}", self.layout.table), &sql).await?;
        Ok((Self::decode(&rows, decoder, now), rows.len() < self.chunk_rows))
    }

    /// The answer to [`Ask::Count`].
    ///
    /// # Errors
    /// The query failed.
    pub(super) async fn count(&self, db: &mut Db, ask: Ask) -> Result<u64, DbError> {
        let Ask::Count { from, to } = ask else { return Ok(0) };
        let hint = Self::hint(self.layout.time_index.as_ref());
        let condition = self.time_condition(from, to);
        let sql = format!("SELECT COUNT(*) FROM {}{hint}{condition}", self.layout.table);
        Ok(db.first(&format!("count rows of {}", self.layout.table), &sql).await?.unwrap_or(0))
    }

    /// The highest key; `None` for an empty table.
    ///
    /// # Errors
    /// The query failed.
    pub(super) async fn highest_key(&self, db: &mut Db) -> Result<Option<u64>, DbError> {
        let sql = format!("SELECT MAX({}) FROM {}", self.id(), self.layout.table);
        let row: Option<Option<u64>> = db.first("highest key", &sql).await?;
        Ok(row.flatten())
    }

    /// The highest key, if the table's keys begin anew below `high`. Behind rows that were deleted they do not: the server
    /// goes on counting.
    ///
    /// # Errors
    /// A query failed.
    pub(super) async fn begins_anew(&self, db: &mut Db, high: u64) -> Result<Option<u64>, DbError> {
        let highest = self.highest_key(db).await?.unwrap_or(0);
        if highest >= high {
            return Ok(None);
        }
        let sql = format!("SELECT AUTO_INCREMENT FROM information_schema.TABLES WHERE {}", self.condition);
        let next: Option<Option<u64>> = db.first("next key", &sql).await?;
        Ok(next.flatten().is_none_or(|next| next <= high).then_some(highest))
    }

    /// The key to begin after so that no row from `from` on is left out; 0 if finding it would scan the table.
    ///
    /// # Errors
    /// The query failed.
    pub(super) async fn key_before(&self, db: &mut Db, from: Naive) -> Result<u64, DbError> {
        if self.layout.time_index.is_none() {
            return Ok(0);
        }
        let hint = Self::hint(self.layout.time_index.as_ref());
        let condition = self.time_condition(from, None);
        let sql = format!("SELECT MIN({}) FROM {}{hint}{condition}", self.id(), self.layout.table);
        let row: Option<Option<u64>> = db.first("first key", &sql).await?;
        match row.flatten() {
            Some(key) => Ok(key.saturating_sub(1)),
            None => Ok(self.highest_key(db).await?.unwrap_or(0)),
        }
    }

    /// The time of the newest row.
    ///
    /// # Errors
    /// The query failed.
    pub(super) async fn newest(&self, db: &mut Db) -> Result<Option<Naive>, DbError> {
        let sql = format!("SELECT MAX({}) FROM {}", self.time(), self.layout.table);
        let row: Option<Value> = db.first("newest row", &sql).await?;
        Ok(row.as_ref().and_then(text).and_then(|newest| time::parse(&newest)))
    }

    /// Where the first look begins; `None` is at the first row.
    ///
    /// # Errors
    /// The query failed.
    pub(super) async fn first_floor(
        &self,
        db: &mut Db,
        start: StartAt,
        longest_call: i64,
        now: i64,
    ) -> Result<Option<Naive>, DbError> {
        Ok(match start {
            StartAt::Beginning => None,
            StartAt::Time(time) => Some(time),
            StartAt::Now => {
                let today = self.zone.to_naive(now);
                let newest = self.newest(db).await?.unwrap_or(today);
                Some(newest.min(today).saturating_sub(longest_call))
            }
        })
    }
}
