//! What is wrong with the account, the table or the rows: an error that says so, or the right value.

use mysql_async::Conn;
use mysql_async::prelude::Queryable as _;
use otelcol_pdata::Signal;
use otelcol_pdata::model::{as_string, attr};

use crate::collector::{Memory, Running, Shown};
use crate::database::{Captured, Kind, Server};
use crate::replay::KEY;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Runtime::new().unwrap()
}

fn settings(server: &Server, database: &str, more: &str) -> String {
    format!(
        "endpoint: '127.0.0.1:{}'\ndatabase: {database}\ntimezone: UTC\nstart_at: beginning\npoll_interval: 30ms\nsettle: 100ms\n\
         collection_interval: 50ms\nserver_metrics: false\n{more}\n",
        server.port
    )
}

async fn account(conn: &mut Conn, name: &str, grant: &str) {
    conn.query_drop(format!("CREATE OR REPLACE USER {name}@'127.0.0.1' IDENTIFIED BY 'right'"))
        .await
        .unwrap();
    if !grant.is_empty() {
        conn.query_drop(format!("GRANT {grant} TO {name}@'127.0.0.1'")).await.unwrap();
    }
}

/// Settings behind those of [`settings`], what is set up, and what the state says.
fn refused(database: &str, set_up: &[&str], grant: &str, more: &str, said: &str) {
    let Some(server) = Server::shared(Kind::MariaDb) else { return };
    let runtime = runtime();
    runtime.block_on(async {
        let mut conn = server.database(database).await;
        for sql in set_up {
            conn.query_drop(*sql).await.unwrap();
        }
        account(&mut conn, database, grant).await;
    });
    let running = Running::start(
        &settings(server, database, &format!("username: {database}\n{more}")),
        &Memory::default(),
    );
    running.wait_for_state(said);
    running.stop();
}

const TABLE: &str = "CREATE TABLE cdr (id INT AUTO_INCREMENT PRIMARY KEY, calldate DATETIME, duration INT, disposition VARCHAR(45), uniqueid VARCHAR(150))";
const PASSWORD: &str = "password: right";

#[test]
fn a_wrong_password() {
    refused(
        "wrong_password",
        &[TABLE],
        "",
        "password: wrong",
        "Access denied for user 'wrong_password'@'127.0.0.1' (using password: YES) (error 1045); check username and password",
    );
}

#[test]
fn a_missing_right() {
    refused(
        "missing_right",
        &[TABLE, "CREATE TABLE other (n INT)"],
        "SELECT ON missing_right.other",
        PASSWORD,
        "SELECT command denied to user 'missing_right'@'127.0.0.1' for table `missing_right`.`cdr` (error 1142); the account needs the GRANT",
    );
}

#[test]
fn a_missing_table() {
    refused(
        "missing_table",
        &[],
        "SELECT ON missing_table.*",
        PASSWORD,
        "Table 'missing_table.cdr' doesn't exist (error 1146); check `table`",
    );
}

#[test]
fn a_missing_column() {
    refused(
        "missing_column",
        &[
            "CREATE TABLE cdr (id INT AUTO_INCREMENT PRIMARY KEY, calldate DATETIME, duration INT, uniqueid VARCHAR(150))",
        ],
        "SELECT ON missing_column.*",
        PASSWORD,
        "table `missing_column`.`cdr` has no column for the disposition: expected disposition",
    );
}

#[test]
fn a_missing_index() {
    refused(
        "missing_index",
        &[
            "CREATE TABLE cdr (`we``ird` DATETIME, duration INT, disposition VARCHAR(45), uniqueid VARCHAR(150))",
        ],
        "SELECT ON missing_index.*",
        "password: right\ncolumns: {time: 'we`ird'}",
        "run CREATE INDEX otelcol_time ON `missing_index`.`cdr` (`we``ird`); or set allow_table_scan: true",
    );
}

#[test]
fn a_compressed_column() {
    refused(
        "compressed_column",
        &[&TABLE.replace("disposition VARCHAR(45)", "disposition VARCHAR(45) COMPRESSED")],
        "SELECT, REPLICATION SLAVE, BINLOG MONITOR ON *.*",
        "password: right\nmode: binlog",
        "cannot read table `compressed_column`.`cdr`, whose column disposition is COMPRESSED",
    );
}

#[test]
fn no_server() {
    let running = Running::start(
        "endpoint: /nonexistent/mysqld.sock\nusername: x\ncollection_interval: 50ms",
        &Memory::default(),
    );
    running.wait_for_state("/nonexistent/mysqld.sock: connect:");
    assert_eq!(running.stop()["mysql.up"], 0.0);
}

#[test]
fn reading_is_taken_up_when_the_table_appears() {
    let Some(server) = Server::shared(Kind::MariaDb) else { return };
    let runtime = runtime();
    let mut conn = runtime.block_on(server.database("appears"));
    let running = Running::start(&settings(server, "appears", "username: root"), &Memory::default());
    running.wait_for_state("doesn't exist");
    runtime.block_on(async {
        conn.query_drop(TABLE).await.unwrap();
        conn.query_drop("INSERT INTO cdr VALUES (NULL, UTC_TIMESTAMP(), 3, 'BUSY', '1795307195.0')")
            .await
            .unwrap();
    });
    running.wait_for("the call", |shown| shown.get("asterisk.cdr.calls{disposition=BUSY}") == Some(&1.0));
    // It ends three seconds after it was written.
    running.wait_for("its age", |shown| shown["asterisk.cdr.newest.age"] >= 1.0);
    assert!(running.stop()["asterisk.cdr.newest.age"] < 120.0);
}

/// A query that the server holds up is given up, by the server or by us, and the rows are read when it goes on.
fn held_up(kind: Kind, database: &str) {
    let Some(server) = Server::shared(kind) else { return };
    let runtime = runtime();
    let mut conn = runtime.block_on(async {
        let mut conn = server.database(database).await;
        conn.query_drop(TABLE).await.unwrap();
        conn
    });
    let running = Running::start(
        &settings(server, database, "username: root\nquery_timeout: 300ms"),
        &Memory::default(),
    );
    running.wait_for("the first batch", |shown| shown.contains_key("asterisk.cdr.rows"));
    runtime.block_on(async {
        conn.query_drop("LOCK TABLES cdr WRITE").await.unwrap();
        conn.query_drop("INSERT INTO cdr VALUES (NULL, UTC_TIMESTAMP(), 3, 'BUSY', '1795307195.0')")
            .await
            .unwrap();
    });
    running.wait_for_state("raise query_timeout or lower chunk_rows");
    runtime.block_on(conn.query_drop("UNLOCK TABLES")).unwrap();
    running.wait_for("the call", |shown| shown.get("asterisk.cdr.calls{disposition=BUSY}") == Some(&1.0));
    running.stop();
}

#[test]
fn a_query_that_mariadb_holds_up() {
    held_up(Kind::MariaDb, "held_up");
}

#[test]
fn a_query_that_mysql_holds_up() {
    held_up(Kind::MySql, "held_up");
}

/// The rows' log records by uniqueid: each with its attributes as text.
fn logged(running: &Running) -> Vec<(String, Vec<(String, String)>)> {
    let mut logged = Vec::new();
    for batch in running.sink.batches().iter().filter(|batch| batch.signal() == Signal::Logs) {
        for record in batch
            .logs()
            .unwrap()
            .iter()
            .flat_map(|block| &block.scope_logs)
            .flat_map(|scope| &scope.log_records)
        {
            let id = as_string(attr(&record.attributes, "asterisk.cdr.uniqueid").unwrap());
            let text = |kv: &otelcol_pdata::model::common::KeyValue| {
                (kv.key.clone(), as_string(kv.value.as_ref().unwrap()))
            };
            logged.push((id, record.attributes.iter().map(text).collect()));
        }
    }
    logged
}

fn odd_rows(kind: Kind, database: &str, charset: &str, binlog: bool) {
    let Some(server) = Server::shared(kind) else { return };
    let runtime = runtime();
    let captured = Captured::read("scenarios_cdr_alembic");
    let mut conn = runtime.block_on(server.database(database));
    runtime.block_on(async {
        captured.create(&mut conn, "cdr", KEY, &format!("CHARACTER SET {charset}")).await;
        conn.query_drop("ALTER TABLE cdr ADD note LONGTEXT CHARACTER SET utf8mb4, ADD n INT UNSIGNED")
            .await
            .unwrap();
    });
    let mode = if binlog { "mode: binlog" } else { "" };
    let running =
        Running::start(&settings(server, database, &format!("username: root\n{mode}")), &Memory::default());
    running.wait_for("the first batch", |shown| shown.contains_key("asterisk.cdr.rows"));
    runtime.block_on(async {
        conn.query_drop("SET sql_mode='', NAMES utf8mb4").await.unwrap();
        for sql in [
            "INSERT INTO cdr (start, duration, billsec, disposition, uniqueid, clid) VALUES ('2026-11-22 00:00:00', 5, 4, 'ANSWERED', 'name', 'Zoë Müller €')",
            "INSERT INTO cdr (uniqueid) VALUES ('nulls')",
            "INSERT INTO cdr (start, answer, `end`, duration, disposition, uniqueid) VALUES ('0000-00-00 00:00:00', '0000-00-00 00:00:00', '0000-00-00 00:00:00', 3, 'BUSY', '1795307195.7')",
            "INSERT INTO cdr (start, duration, disposition, uniqueid, note, n) VALUES ('2026-11-22 00:00:01', 2, 'FAILED', 'long', REPEAT('📞', 262144), 4294967295)",
        ] {
            conn.query_drop(sql).await.unwrap();
        }
    });
    let wanted: [(&str, f64); 4] = [("ANSWERED", 1.0), ("OTHER", 1.0), ("BUSY", 1.0), ("FAILED", 1.0)];
    let is_wanted = |shown: &Shown| {
        wanted.iter().all(|(ending, count)| {
            shown.get(&format!("asterisk.cdr.calls{{disposition={ending}}}")) == Some(count)
        })
    };
    running.wait_for("four calls", is_wanted);
    let logged = logged(&running);
    let of = |id: &str, column: &str| {
        let (_, attributes) = logged.iter().find(|(uniqueid, _)| uniqueid == id).unwrap();
        let key = format!("asterisk.cdr.{column}");
        attributes.iter().find(|(name, _)| *name == key).map(|(_, value)| value.clone())
    };
    assert_eq!(of("name", "clid").unwrap(), "Zoë Müller €");
    assert_eq!(of("name", "src"), None);
    assert_eq!(of("nulls", "disposition"), None);
    let note = of("long", "note").unwrap();
    assert!(note.chars().all(|character| character == '📞'), "{note}");
    assert_eq!((note.len(), of("long", "n").unwrap()), (4096, "4294967295".to_owned()));
    running.stop();
}

#[test]
fn odd_rows_of_a_latin1_table() {
    odd_rows(Kind::MariaDb, "odd_latin1", "latin1", false);
}

#[test]
fn odd_rows_of_a_latin1_table_by_replication() {
    odd_rows(Kind::MariaDb, "odd_latin1_binlog", "latin1", true);
}

#[test]
fn odd_rows_of_a_utf8mb4_table() {
    odd_rows(Kind::MySql, "odd_utf8mb4", "utf8mb4", false);
}

#[test]
fn odd_rows_of_a_utf8mb4_table_by_replication() {
    odd_rows(Kind::MySql, "odd_utf8mb4_binlog", "utf8mb4", true);
}

/// Text of another character set, and bytes that are no text.
fn other_texts(database: &str, mode: &str, clid: &str) {
    let Some(server) = Server::shared(Kind::MariaDb) else { return };
    let runtime = runtime();
    let mut conn = runtime.block_on(server.database(database));
    runtime.block_on(async {
        conn.query_drop(TABLE).await.unwrap();
        conn.query_drop(
            "ALTER TABLE cdr ADD clid VARCHAR(80) CHARACTER SET cp1251, ADD dst VARBINARY(80), ADD userfield VARCHAR(80) CHARACTER SET utf16",
        )
        .await
        .unwrap();
    });
    let running =
        Running::start(&settings(server, database, &format!("username: root\n{mode}")), &Memory::default());
    running.wait_for("the first batch", |shown| shown.contains_key("asterisk.cdr.rows"));
    runtime.block_on(async {
        conn.query_drop("SET NAMES utf8mb4").await.unwrap();
        conn.query_drop(
            "INSERT INTO cdr VALUES (NULL, '2026-11-22 00:00:00', 3, 'BUSY', '1795307195.0', 'Зоя', x'5A6FEB', '☎')",
        )
        .await
        .unwrap();
    });
    running.wait_for("the call", |shown| shown.get("asterisk.cdr.calls{disposition=BUSY}") == Some(&1.0));
    let logged = logged(&running);
    let of = |column: &str| {
        let key = format!("asterisk.cdr.{column}");
        logged[0].1.iter().find(|(name, _)| *name == key).map(|(_, value)| value.as_str())
    };
    assert_eq!((logged.len(), of("clid"), of("dst")), (1, Some(clid), Some("Zo\u{fffd}")));
    if mode.is_empty() {
        assert_eq!(of("userfield"), Some("☎"));
    }
    running.stop();
}

#[test]
fn texts_in_other_character_sets() {
    other_texts("other_texts", "", "Зоя");
}

#[test]
fn texts_in_other_character_sets_by_replication() {
    other_texts("other_texts_binlog", "mode: binlog", "\u{fffd}\u{fffd}\u{fffd}");
}

/// One table that cannot be read keeps no call of another one waiting.
fn beside_a_missing_table(database: &str, mode: &str) {
    let Some(server) = Server::shared(Kind::MariaDb) else { return };
    let runtime = runtime();
    let mut conn = runtime.block_on(server.database(database));
    let insert = |id: &str| format!("INSERT INTO cdr VALUES (NULL, UTC_TIMESTAMP(), 3, 'BUSY', '{id}')");
    runtime.block_on(async {
        conn.query_drop(TABLE).await.unwrap();
        conn.query_drop(insert("1795307195.0")).await.unwrap();
    });
    let more = format!("username: root\nmode: {mode}\ntables: [{{name: cdr}}, {{name: missing}}]");
    let running = Running::start(&settings(server, database, &more), &Memory::default());
    running.wait_for_state("doesn't exist");
    let busy = |shown: &Shown| shown.get("asterisk.cdr.calls{table=cdr,disposition=BUSY}").copied();
    running.wait_for("the call of before", |shown| busy(shown) == Some(1.0));
    runtime.block_on(async { conn.query_drop(insert("1795307196.1")).await.unwrap() });
    running.wait_for("another one", |shown| busy(shown) == Some(2.0));
    runtime.block_on(async {
        conn.query_drop(TABLE.replace("cdr", "missing")).await.unwrap();
        conn.query_drop(insert("1795307197.2").replace("cdr", "missing")).await.unwrap();
        conn.query_drop(insert("1795307198.3")).await.unwrap();
    });
    running.wait_for("both tables", |shown| {
        let late = shown.get("asterisk.cdr.calls{table=missing,disposition=BUSY}");
        (busy(shown), late) == (Some(3.0), Some(&1.0))
    });
    running.stop();
}

#[test]
fn a_table_beside_a_missing_one() {
    beside_a_missing_table("beside_missing", "poll");
}

#[test]
fn a_table_beside_a_missing_one_by_replication() {
    beside_a_missing_table("beside_missing_binlog", "binlog");
}

/// One table whose queries are held up keeps no call of another one waiting.
fn beside_a_locked_table(kind: Kind, database: &str, mode: &str) {
    let Some(server) = Server::shared(kind) else { return };
    let runtime = runtime();
    let (mut conn, mut other) = runtime.block_on(async {
        let mut conn = server.database(database).await;
        conn.query_drop(TABLE).await.unwrap();
        conn.query_drop(TABLE.replace("cdr", "other")).await.unwrap();
        conn.query_drop("LOCK TABLES cdr WRITE").await.unwrap();
        (conn, server.conn(Some(database)).await)
    });
    let insert = |table: &str, id: &str| {
        format!("INSERT INTO {table} VALUES (NULL, UTC_TIMESTAMP(), 3, 'BUSY', '{id}')")
    };
    let more = format!(
        "username: root\nmode: {mode}\nquery_timeout: 300ms\ntables: [{{name: cdr}}, {{name: other}}]"
    );
    let running = Running::start(&settings(server, database, &more), &Memory::default());
    running.wait_for_state("raise query_timeout");
    let busy = |shown: &Shown, table: &str| {
        shown.get(&format!("asterisk.cdr.calls{{table={table},disposition=BUSY}}")).copied()
    };
    for (n, id) in ["1795307195.0", "1795307196.1"].into_iter().enumerate() {
        runtime.block_on(other.query_drop(insert("other", id))).unwrap();
        running.wait_for("the call beside it", |shown| busy(shown, "other") == Some((n + 1) as f64));
    }
    runtime.block_on(async {
        conn.query_drop(insert("cdr", "1795307197.2")).await.unwrap();
        conn.query_drop("UNLOCK TABLES").await.unwrap();
    });
    running.wait_for("both tables", |shown| {
        (busy(shown, "cdr"), busy(shown, "other")) == (Some(1.0), Some(2.0))
    });
    running.stop();
}

#[test]
fn a_table_beside_a_locked_one() {
    beside_a_locked_table(Kind::MariaDb, "beside_locked", "poll");
}

#[test]
fn a_table_beside_a_locked_one_by_replication() {
    beside_a_locked_table(Kind::MariaDb, "beside_locked_binlog", "binlog");
}

#[test]
fn a_table_of_mysql_beside_a_locked_one() {
    beside_a_locked_table(Kind::MySql, "beside_locked", "poll");
}
