//! What the server says about itself and the size of the tables.

use std::collections::{HashMap, VecDeque};

use mysql_async::{Row, Value};

use super::connect::{Db, DbError, Flavor};
use super::row::text;

/// Figures of the server; what it does not tell is `None`.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct ServerStats {
    pub(super) threads_connected: Option<u64>,
    pub(super) threads_running: Option<u64>,
    pub(super) slow_queries: Option<u64>,
    /// Seconds.
    pub(super) uptime: Option<u64>,
    /// Seconds; only a replica has it.
    pub(super) replication_lag: Option<u64>,
    pub(super) tables: Vec<TableStats>,
}

/// Figures of one table.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct TableStats {
    pub(super) name: String,
    pub(super) rows: Option<u64>,
    pub(super) bytes: Option<u64>,
    pub(super) bytes_per_hour: Option<f64>,
}

/// Sizes of tables over the last hour.
#[derive(Debug, Default)]
pub(super) struct Growth(HashMap<String, VecDeque<(u64, u64)>>);

const HOUR_MS: u64 = 3_600_000;

impl Growth {
    /// Notes a size; bytes an hour since the oldest size of the last hour, once a minute has passed.
    pub(super) fn add(&mut self, table: &str, bytes: u64, mono_ms: u64) -> Option<f64> {
        let sizes = self.0.entry(table.to_owned()).or_default();
        // One a minute is enough for an hour's slope.
        if sizes.back().is_none_or(|(at, _)| mono_ms.saturating_sub(*at) >= 60_000) {
            sizes.push_back((mono_ms, bytes));
        }
        while sizes.front().is_some_and(|(at, _)| mono_ms.saturating_sub(*at) > HOUR_MS) {
            sizes.pop_front();
        }
        let (at, first) = sizes.front().copied()?;
        let passed = mono_ms.saturating_sub(at);
        (passed >= 60_000).then(|| (bytes as f64 - first as f64) * HOUR_MS as f64 / passed as f64)
    }
}

/// Reads the figures. What the account may not see is left out.
///
/// # Errors
/// The connection broke.
pub(super) async fn read(
    db: &mut Db,
    database: &str,
    tables: &[String],
    growth: &mut Growth,
    mono_ms: u64,
) -> Result<ServerStats, DbError> {
    let sql = "SHOW GLOBAL STATUS WHERE Variable_name IN ('Threads_connected','Threads_running','Slow_queries','Uptime')";
    let status: HashMap<String, String> =
        db.rows::<(String, String)>("server status", sql).await?.into_iter().collect();
    let of = |name: &str| status.get(name).and_then(|value| value.parse().ok());
    let mut stats = ServerStats {
        threads_connected: of("Threads_connected"),
        threads_running: of("Threads_running"),
        slow_queries: of("Slow_queries"),
        uptime: of("Uptime"),
        replication_lag: replication_lag(db).await?,
        tables: Vec::new(),
    };
    for table in tables {
        let sql = format!(
            "SELECT TABLE_ROWS, IFNULL(DATA_LENGTH,0)+IFNULL(INDEX_LENGTH,0) FROM information_schema.TABLES WHERE {}",
            super::source::schema_condition(database, table)
        );
        let Some((rows, bytes)) = db.first::<(Option<u64>, Option<u64>)>("size of the table", &sql).await?
        else {
            continue;
        };
        let bytes_per_hour = bytes.and_then(|bytes| growth.add(table, bytes, mono_ms));
        stats.tables.push(TableStats { name: table.clone(), rows, bytes, bytes_per_hour });
    }
    Ok(stats)
}

async fn replication_lag(db: &mut Db) -> Result<Option<u64>, DbError> {
    let sql = match db.flavor {
        Flavor::MariaDb => "SHOW SLAVE STATUS",
        Flavor::MySql => "SHOW REPLICA STATUS",
    };
    let rows: Vec<Row> = match db.rows("replication status", sql).await {
        Ok(rows) => rows,
        // Only a replica has something to say, and only an account that may ask for it hears it.
        Err(DbError::Refused { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    let lag = rows.first().and_then(|row| {
        ["Seconds_Behind_Source", "Seconds_Behind_Master"]
            .iter()
            .find_map(|name| row.get_opt::<Value, _>(*name).and_then(Result::ok))
    });
    Ok(lag.as_ref().and_then(text).and_then(|seconds| seconds.parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_that_of_the_last_hour() {
        let mut growth = Growth::default();
        assert_eq!(growth.add("cdr", 1000, 0), None);
        assert_eq!(growth.add("cdr", 1500, 59_000), None);
        assert_eq!(growth.add("cdr", 2000, 1_800_000), Some(2000.0));
        assert_eq!(growth.add("cdr", 4000, 3_660_000), Some(2000.0 * 3_600_000.0 / 1_860_000.0));
        assert_eq!(growth.add("cel", 1, 3_660_000), None);
    }
}
