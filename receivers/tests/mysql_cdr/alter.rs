//! By replication: tables whose columns change.

use mysql_async::Conn;
use mysql_async::prelude::Queryable as _;

use crate::collector::{Memory, Running, Shown};
use crate::database::{Kind, Server};

pub(crate) const TABLE: &str =
    "CREATE TABLE cdr (calldate DATETIME, duration INT, disposition VARCHAR(45), uniqueid VARCHAR(150))";

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Runtime::new().unwrap()
}

pub(crate) fn settings(server: &Server, database: &str, more: &str) -> String {
    format!(
        "endpoint: '127.0.0.1:{}'\nusername: root\ndatabase: {database}\nmode: binlog\ntimezone: UTC\nstart_at: beginning\n\
         storage: memory\npoll_interval: 30ms\nsettle: 100ms\ncollection_interval: 50ms\nserver_metrics: false\n{more}\n",
        server.port
    )
}

pub(crate) async fn insert(conn: &mut Conn, disposition: &str, duration: u32, id: &str) {
    conn.query_drop(format!(
        "INSERT INTO cdr (calldate, duration, disposition, uniqueid) VALUES ('2026-11-22 00:00:00', {duration}, '{disposition}', '{id}')"
    ))
    .await
    .unwrap();
}

/// How many calls ended so, answered, busy and failed, and how long all lasted.
pub(crate) fn counted(shown: &Shown) -> [f64; 4] {
    let calls = |ending: &str| format!("asterisk.cdr.calls{{disposition={ending}}}");
    [calls("ANSWERED"), calls("BUSY"), calls("FAILED"), "asterisk.cdr.duration_sum".to_owned()]
        .map(|name| shown.get(&name).copied().unwrap_or_default())
}

fn started(server: &Server, database: &str, memory: &Memory) -> Running {
    let running = Running::start(&settings(server, database, ""), memory);
    running.wait_for("the first batch", |shown| shown.contains_key("asterisk.cdr.rows"));
    running
}

/// The columns move while the log is read, with and without a change of their number.
fn altered_while_connected(kind: Kind, database: &str) {
    let Some(server) = Server::shared(kind) else { return };
    let runtime = runtime();
    let mut conn = runtime.block_on(server.database(database));
    runtime.block_on(conn.query_drop(TABLE)).unwrap();
    let running = started(server, database, &Memory::default());
    runtime.block_on(insert(&mut conn, "BUSY", 1, "a"));
    for (n, sql) in [
        "ALTER TABLE cdr ADD COLUMN x VARCHAR(45) DEFAULT 'FAILED' FIRST",
        "ALTER TABLE cdr ADD COLUMN y INT DEFAULT 7 AFTER calldate",
        "ALTER TABLE cdr MODIFY COLUMN disposition VARCHAR(45) FIRST",
        "ALTER TABLE cdr DROP COLUMN y",
    ]
    .into_iter()
    .enumerate()
    {
        runtime.block_on(async {
            conn.query_drop(sql).await.unwrap();
            insert(&mut conn, "ANSWERED", 10, &format!("b{n}")).await;
        });
        // The stream has reached the end of the log before the next change.
        let answered = (n + 1) as f64;
        running.wait_for(sql, |shown| counted(shown) == [answered, 1.0, 0.0, 10.0 * answered + 1.0]);
    }
    let shown = running.stop();
    assert_eq!((counted(&shown), shown["asterisk.cdr.rows"]), ([4.0, 1.0, 0.0, 41.0], 5.0));
}

#[test]
fn a_table_of_mariadb_that_is_altered() {
    altered_while_connected(Kind::MariaDb, "altered");
}

#[test]
fn a_table_of_mysql_that_is_altered() {
    altered_while_connected(Kind::MySql, "altered");
}

/// Rows are written, then the table is altered, while nobody reads.
fn altered_meanwhile(server: &Server, database: &str, expected: [f64; 4], left_out: f64) {
    let runtime = runtime();
    let mut conn = runtime.block_on(server.database(database));
    let memory = Memory::default();
    runtime.block_on(async {
        conn.query_drop(TABLE).await.unwrap();
    });
    started(server, database, &memory).stop();
    runtime.block_on(async {
        insert(&mut conn, "BUSY", 1, "a").await;
        insert(&mut conn, "BUSY", 2, "b").await;
        conn.query_drop("ALTER TABLE cdr ADD COLUMN x VARCHAR(45) DEFAULT 'FAILED' FIRST").await.unwrap();
        insert(&mut conn, "ANSWERED", 10, "c").await;
    });
    let running = Running::start(&settings(server, database, ""), &memory);
    running.wait_for("all that can be read", |shown| counted(shown) == expected);
    assert_eq!(running.odd_rows("unreadable"), left_out);
    running.stop();
}

#[test]
fn rows_of_before_a_change_of_the_table_are_left_out() {
    let Some(server) = Server::shared(Kind::MariaDb) else { return };
    altered_meanwhile(server, "altered_meanwhile", [1.0, 0.0, 0.0, 10.0], 2.0);
}

#[test]
fn rows_of_before_a_change_of_the_table_are_read_by_the_names_in_the_log() {
    let Some(server) = Server::start(Kind::MariaDb) else { return };
    runtime().block_on(async {
        let mut conn = server.conn(None).await;
        conn.query_drop("SET GLOBAL binlog_row_metadata=FULL").await.unwrap();
    });
    altered_meanwhile(&server, "altered_named", [1.0, 2.0, 0.0, 13.0], 0.0);
}
