//! By replication: transactions of many rows, ones that are rolled back, and rows that wait for the pipeline or their table.

use std::time::Duration;

use mysql_async::prelude::Queryable as _;
use otelcol_testkit::Answer;

use crate::alter::{TABLE, counted, insert, runtime, settings};
use crate::collector::{Memory, Running, Shown};
use crate::database::{Kind, Server};

fn rows(shown: &Shown) -> f64 {
    shown.get("asterisk.cdr.rows").copied().unwrap_or_default()
}

fn of_table(shown: &Shown, name: &str, table: &str) -> f64 {
    shown.get(&format!("asterisk.cdr.{name}{{table={table}}}")).copied().unwrap_or_default()
}

/// `rows` rows of long ago, one each hour, of which nobody remembers all.
fn many(table: &str, rows: f64) -> String {
    format!(
        "INSERT INTO {table} SELECT '2001-01-01' + INTERVAL seq HOUR, 1, 'BUSY', seq FROM seq_1_to_{rows}"
    )
}

/// One transaction of many rows, with an end in the middle of it: by a kill, and in order.
#[test]
fn a_transaction_of_many_rows_is_counted_once() {
    const ROWS: f64 = 12_000.0;
    let Some(server) = Server::shared(Kind::MariaDb) else { return };
    let runtime = runtime();
    let mut conn = runtime.block_on(server.database("many_rows"));
    runtime.block_on(conn.query_drop(TABLE)).unwrap();
    let memory = Memory::default();
    let settings = settings(server, "many_rows", "chunk_rows: 100\nlongest_call: 1h");
    let start = || Running::start(&settings, &memory);
    let running = start();
    running.wait_for("the first batch", |shown| shown.contains_key("asterisk.cdr.rows"));
    runtime.block_on(conn.query_drop(many("cdr", ROWS))).unwrap();
    let killed_at = rows(&running.wait_for("some rows", |shown| rows(shown) > 0.0));
    running.kill();
    let running = start();
    let stopped_at = rows(&running.wait_for("more rows", |shown| rows(shown) > killed_at));
    running.stop();
    let running = start();
    running.wait_for("all rows", |shown| counted(shown) == [0.0, ROWS, 0.0, ROWS]);
    let shown = running.stop();
    assert_eq!((rows(&shown), counted(&shown)), (ROWS, [0.0, ROWS, 0.0, ROWS]), "{killed_at} {stopped_at}");
}

/// However long calls wait for their rows, those of a long transaction that were over long before its newest row are counted:
/// not all of them are held in memory.
#[test]
fn calls_of_a_long_transaction_do_not_all_wait() {
    const ROWS: f64 = 3_000.0;
    let Some(server) = Server::shared(Kind::MariaDb) else { return };
    let runtime = runtime();
    let mut conn = runtime.block_on(server.database("long_one"));
    runtime.block_on(conn.query_drop(TABLE)).unwrap();
    let settings = settings(server, "long_one", "chunk_rows: 100").replace("settle: 100ms", "settle: 30m");
    let running = Running::start(&settings, &Memory::default());
    running.wait_for("the first batch", |shown| shown.contains_key("asterisk.cdr.rows"));
    runtime.block_on(conn.query_drop(many("cdr", ROWS))).unwrap();
    running.wait_for("most calls", |shown| counted(shown)[1] >= ROWS - 200.0);
    assert_eq!(rows(&running.stop()), ROWS);
}

/// One table could not be read while another went on, and is behind it in the log.
fn two_tables(kind: Kind, database: &str) {
    const ROWS: f64 = 3_000.0;
    let Some(server) = Server::shared(kind) else { return };
    let runtime = runtime();
    let mut conn = runtime.block_on(server.database(database));
    runtime.block_on(async {
        conn.query_drop(TABLE).await.unwrap();
        conn.query_drop(TABLE.replace("cdr", "other")).await.unwrap();
    });
    let memory = Memory::default();
    let more = "chunk_rows: 100\nlongest_call: 1h\ntables: [{name: cdr}, {name: other}]";
    let start = || Running::start(&settings(server, database, more), &memory);
    let all = |cdr: f64, other: f64| {
        move |shown: &Shown| {
            (of_table(shown, "rows", "cdr"), of_table(shown, "rows", "other")) == (cdr * ROWS, other * ROWS)
        }
    };
    let running = start();
    running.wait_for("the first batch", |shown| shown.contains_key("asterisk.cdr.rows{table=other}"));
    runtime.block_on(conn.query_drop("ALTER TABLE other CHANGE disposition hidden VARCHAR(45)")).unwrap();
    running.wait_for_state("no column for the disposition");
    runtime.block_on(async {
        conn.query_drop("BEGIN").await.unwrap();
        for table in ["cdr", "other"] {
            conn.query_drop(many(table, ROWS)).await.unwrap();
        }
        conn.query_drop("COMMIT").await.unwrap();
    });
    running.wait_for("one table", all(1.0, 0.0));
    running.kill();
    runtime.block_on(conn.query_drop("ALTER TABLE other CHANGE hidden disposition VARCHAR(45)")).unwrap();
    let running = start();
    running.wait_for("some of the other", |shown| of_table(shown, "rows", "other") > 0.0);
    running.kill();
    let running = start();
    running.wait_for("both", all(1.0, 1.0));
    runtime.block_on(async {
        for table in ["cdr", "other"] {
            conn.query_drop(many(table, ROWS).replace("2001", "2011")).await.unwrap();
        }
    });
    running.wait_for("both again", all(2.0, 2.0));
    assert!(all(2.0, 2.0)(&running.stop()));
}

#[test]
fn a_table_that_is_behind_another() {
    two_tables(Kind::MariaDb, "behind");
}

#[test]
fn a_table_that_is_behind_another_of_a_newer_mariadb() {
    two_tables(Kind::NewerMariaDb, "behind");
}

/// The log has rows that were undone: a temporary table, which stays, makes the server write them.
fn rolled_back(kind: Kind, database: &str) {
    let Some(server) = Server::shared(kind) else { return };
    let runtime = runtime();
    let mut conn = runtime.block_on(server.database(database));
    runtime.block_on(conn.query_drop(TABLE)).unwrap();
    let running = Running::start(&settings(server, database, ""), &Memory::default());
    running.wait_for("the first batch", |shown| shown.contains_key("asterisk.cdr.rows"));
    runtime.block_on(async {
        conn.query_drop("BEGIN").await.unwrap();
        insert(&mut conn, "BUSY", 100, "undone").await;
        conn.query_drop("CREATE TEMPORARY TABLE t (a INT)").await.unwrap();
        conn.query_drop("ROLLBACK").await.unwrap();
        insert(&mut conn, "ANSWERED", 10, "done").await;
        let kept: Vec<String> = conn.query("SELECT uniqueid FROM cdr").await.unwrap();
        assert_eq!(kept, ["done"]);
    });
    running.wait_for("the call", |shown| counted(shown)[0] == 1.0);
    assert_eq!(counted(&running.stop()), [1.0, 0.0, 0.0, 10.0]);
}

#[test]
fn a_transaction_that_is_rolled_back() {
    rolled_back(Kind::MariaDb, "rolled_back");
}

#[test]
fn a_transaction_that_is_rolled_back_in_mysql() {
    rolled_back(Kind::MySql, "rolled_back");
}

/// While the pipeline takes nothing no rows are read: those of a call meet behind that.
fn held_by_the_pipeline(database: &str, mode: &str) {
    let Some(server) = Server::shared(Kind::MariaDb) else { return };
    let runtime = runtime();
    let mut conn = runtime.block_on(server.database(database));
    runtime.block_on(async {
        conn.query_drop(TABLE).await.unwrap();
        conn.query_drop("CREATE INDEX by_time ON cdr (calldate)").await.unwrap();
    });
    let settings = settings(server, database, "").replace("mode: binlog", mode);
    let running = Running::start(&settings, &Memory::default());
    running.wait_for("the first batch", |shown| shown.contains_key("asterisk.cdr.rows"));
    running.sink.answer(Answer::Block);
    runtime.block_on(async {
        insert(&mut conn, "BUSY", 1, "a").await;
        insert(&mut conn, "ANSWERED", 10, "a").await;
        // Much longer than a call waits for its rows.
        tokio::time::sleep(Duration::from_millis(500)).await;
    });
    running.sink.answer(Answer::Accept);
    running.wait_for("both rows", |shown| rows(shown) == 2.0 && counted(shown)[3] > 0.0);
    assert_eq!(running.odd_rows("late"), 0.0);
    assert_eq!(counted(&running.stop()), [1.0, 0.0, 0.0, 10.0]);
}

#[test]
fn rows_that_wait_for_the_pipeline() {
    held_by_the_pipeline("held_poll", "mode: poll");
}

#[test]
fn rows_that_wait_for_the_pipeline_by_replication() {
    held_by_the_pipeline("held_binlog", "mode: binlog");
}

/// A call waits for its rows while its table cannot be read, and another one can.
#[test]
fn calls_of_a_table_that_cannot_be_read_for_a_while() {
    let Some(server) = Server::shared(Kind::MariaDb) else { return };
    let runtime = runtime();
    let mut conn = runtime.block_on(server.database("unread"));
    runtime.block_on(async {
        conn.query_drop(TABLE.replace("cdr", "other")).await.unwrap();
        conn.query_drop(TABLE).await.unwrap();
    });
    let more = "tables: [{name: cdr}, {name: other}]";
    let settings = settings(server, "unread", more).replace("settle: 100ms", "settle: 1s");
    let running = Running::start(&settings, &Memory::default());
    running.wait_for("the first batch", |shown| shown.contains_key("asterisk.cdr.rows{table=cdr}"));
    runtime.block_on(async {
        insert(&mut conn, "BUSY", 1, "a").await;
        conn.query_drop("ALTER TABLE cdr CHANGE disposition hidden VARCHAR(45)").await.unwrap();
    });
    running.wait_for_state("no column for the disposition");
    runtime.block_on(async {
        conn.query_drop("INSERT INTO cdr VALUES ('2026-11-22 00:00:00', 10, 'ANSWERED', 'a')").await.unwrap();
        tokio::time::sleep(Duration::from_millis(1500)).await;
        conn.query_drop("ALTER TABLE cdr CHANGE hidden disposition VARCHAR(45)").await.unwrap();
    });
    running.wait_for("the call", |shown| of_table(shown, "duration_count", "cdr") == 1.0);
    let shown = running.stop();
    assert_eq!(
        (of_table(&shown, "rows", "cdr"), of_table(&shown, "duration_sum", "cdr")),
        (2.0, 10.0),
        "{shown:#?}"
    );
}

/// A transaction that the server packed into one event.
#[test]
fn a_packed_transaction_of_mysql() {
    let Some(server) = Server::shared(Kind::MySql) else { return };
    let runtime = runtime();
    let mut conn = runtime.block_on(server.database("packed"));
    runtime.block_on(conn.query_drop(TABLE)).unwrap();
    let memory = Memory::default();
    let start = || Running::start(&settings(server, "packed", ""), &memory);
    let running = start();
    running.wait_for("the first batch", |shown| shown.contains_key("asterisk.cdr.rows"));
    let mut packed = |sql: &[&str]| {
        runtime.block_on(async {
            conn.query_drop("SET binlog_transaction_compression=ON").await.unwrap();
            conn.query_drop("BEGIN").await.unwrap();
            for id in sql {
                insert(&mut conn, "BUSY", 5, id).await;
            }
            conn.query_drop("COMMIT").await.unwrap();
        });
    };
    packed(&["a", "b"]);
    running.wait_for("two", |shown| counted(shown) == [0.0, 2.0, 0.0, 10.0]);
    running.kill();
    packed(&["c"]);
    let running = start();
    running.wait_for("one more", |shown| counted(shown) == [0.0, 3.0, 0.0, 15.0]);
    assert_eq!(rows(&running.stop()), 3.0);
}

/// A session that logs statements in place of rows: the table is read then.
#[test]
fn rows_that_are_logged_as_a_statement() {
    let Some(server) = Server::shared(Kind::MariaDb) else { return };
    let runtime = runtime();
    let mut conn = runtime.block_on(server.database("statements"));
    runtime.block_on(async {
        conn.query_drop(TABLE).await.unwrap();
        conn.query_drop("CREATE INDEX by_time ON cdr (calldate)").await.unwrap();
    });
    let running = Running::start(&settings(server, "statements", ""), &Memory::default());
    running.wait_for("the first batch", |shown| shown.contains_key("asterisk.cdr.rows"));
    runtime.block_on(async {
        for (format, id) in [("ROW", "a"), ("STATEMENT", "b"), ("ROW", "c")] {
            conn.query_drop(format!("SET SESSION binlog_format={format}")).await.unwrap();
            insert(&mut conn, "BUSY", 5, id).await;
        }
    });
    running.wait_for("all", |shown| counted(shown) == [0.0, 3.0, 0.0, 15.0]);
    assert_eq!(rows(&running.stop()), 3.0);
}
