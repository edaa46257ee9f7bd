//! Captured rows, written in their true order while the receiver reads.

use std::time::Duration;

use crate::collector::{Memory, Running, difference};
use crate::database::{Captured, Kind, Server};

/// How a table is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Time,
    Key,
    Binlog,
}

/// Enough where the rows of a call are committed together.
pub(crate) const SETTLE: &str = "50ms";
pub(crate) const KEY: &str = "`id` INT NOT NULL AUTO_INCREMENT PRIMARY KEY,";

impl Way {
    /// The column and the index that make it so.
    pub(crate) fn of_table(self) -> (&'static str, &'static str) {
        match self {
            Self::Key => (KEY, ""),
            Self::Time | Self::Binlog => ("", ""),
        }
    }

    pub(crate) fn settings(self, server: &Server, database: &str, settle: &str) -> String {
        let mode = if self == Self::Binlog { "binlog" } else { "poll" };
        format!(
            "endpoint: '127.0.0.1:{}'\nusername: root\ndatabase: {database}\ntable: calls\nmode: {mode}\ntimezone: UTC\n\
             start_at: beginning\nstorage: memory\npoll_interval: 30ms\nfull_interval: 300ms\nlookback: 500ms\nsettle: {settle}\n\
             chunk_rows: 7\ncollection_interval: 50ms\nserver_metrics: false\n",
            server.port
        )
    }
}

/// Makes an empty table for a capture that can be read in this way.
pub(crate) async fn table(
    server: &Server,
    database: &str,
    captured: &Captured,
    way: Way,
) -> mysql_async::Conn {
    use mysql_async::prelude::Queryable as _;
    let mut conn = server.database(database).await;
    let (column, end) = way.of_table();
    captured.create(&mut conn, "calls", column, end).await;
    if way == Way::Time && captured.columns.contains(&"start".to_owned()) {
        conn.query_drop("CREATE INDEX by_start ON calls (start)").await.unwrap();
    }
    conn
}

fn replay(kind: Kind, capture: &str, way: Way) {
    let Some(server) = Server::shared(kind) else { return };
    let captured = Captured::read(capture);
    let database = format!("replay_{capture}_{way:?}").to_lowercase();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut conn = runtime.block_on(table(server, &database, &captured, way));
    // While rows are written, each call waits for its own, however long this machine takes to write them.
    let memory = Memory::default();
    let running = Running::start(&way.settings(server, &database, "10m"), &memory);
    running.wait_for("the first batch", |shown| shown.contains_key("asterisk.cdr.rows"));
    runtime.block_on(async {
        for row in &captured.rows {
            captured.insert(&mut conn, "calls", row).await;
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    let all = captured.rows.len() as f64;
    running.wait_for("all rows", |shown| shown.get("asterisk.cdr.rows") == Some(&all));
    running.stop();
    let running = Running::start(&way.settings(server, &database, SETTLE), &memory);
    running.wait_for("the truth", |shown| difference(shown, "", capture).is_empty());
    let last = running.stop();
    assert_eq!(difference(&last, "", capture), [""; 0]);
}

macro_rules! replays {
    ($($name:ident: $kind:ident $capture:literal $way:ident;)+) => {
        $(#[test]
        fn $name() {
            replay(Kind::$kind, $capture, Way::$way);
        })+
    };
}

replays! {
    mariadb_scenarios_are_77_uniqueids_by_time: MariaDb "scenarios_cdr" Time;
    mariadb_scenarios_are_77_uniqueids_by_key: MariaDb "scenarios_cdr" Key;
    mariadb_scenarios_are_77_uniqueids_by_replication: MariaDb "scenarios_cdr" Binlog;
    mariadb_scenarios_are_72_linkedids_by_time: MariaDb "scenarios_cdr_alembic" Time;
    mariadb_scenarios_are_72_linkedids_by_key: MariaDb "scenarios_cdr_alembic" Key;
    mariadb_scenarios_are_72_linkedids_by_replication: MariaDb "scenarios_cdr_alembic" Binlog;
    mariadb_load_is_200_uniqueids_by_time: MariaDb "load_cdr" Time;
    mariadb_load_is_200_uniqueids_by_key: MariaDb "load_cdr" Key;
    mariadb_load_is_200_uniqueids_by_replication: MariaDb "load_cdr" Binlog;
    mariadb_load_is_200_linkedids_by_time: MariaDb "load_cdr_alembic" Time;
    mariadb_load_is_200_linkedids_by_key: MariaDb "load_cdr_alembic" Key;
    mariadb_load_is_200_linkedids_by_replication: MariaDb "load_cdr_alembic" Binlog;
    newer_mariadb_scenarios_are_72_linkedids_by_time: NewerMariaDb "scenarios_cdr_alembic" Time;
    newer_mariadb_scenarios_are_72_linkedids_by_key: NewerMariaDb "scenarios_cdr_alembic" Key;
    newer_mariadb_scenarios_are_72_linkedids_by_replication: NewerMariaDb "scenarios_cdr_alembic" Binlog;
    mysql_scenarios_are_77_uniqueids_by_time: MySql "scenarios_cdr" Time;
    mysql_scenarios_are_77_uniqueids_by_key: MySql "scenarios_cdr" Key;
    mysql_scenarios_are_77_uniqueids_by_replication: MySql "scenarios_cdr" Binlog;
    mysql_scenarios_are_72_linkedids_by_time: MySql "scenarios_cdr_alembic" Time;
    mysql_scenarios_are_72_linkedids_by_key: MySql "scenarios_cdr_alembic" Key;
    mysql_scenarios_are_72_linkedids_by_replication: MySql "scenarios_cdr_alembic" Binlog;
    mysql_load_is_200_uniqueids_by_time: MySql "load_cdr" Time;
    mysql_load_is_200_uniqueids_by_key: MySql "load_cdr" Key;
    mysql_load_is_200_uniqueids_by_replication: MySql "load_cdr" Binlog;
    mysql_load_is_200_linkedids_by_time: MySql "load_cdr_alembic" Time;
    mysql_load_is_200_linkedids_by_key: MySql "load_cdr_alembic" Key;
    mysql_load_is_200_linkedids_by_replication: MySql "load_cdr_alembic" Binlog;
}
