//! Writers that overtake each other, several tables, accounts and connections of other kinds.

use mysql_async::prelude::Queryable as _;

use crate::collector::{Memory, Running, Shown, difference};
use crate::database::{Captured, Kind, Server};
use crate::replay::KEY;

fn settings(endpoint: &str, database: &str, more: &str) -> String {
    format!(
        "endpoint: '{endpoint}'\ndatabase: {database}\ntimezone: UTC\nstart_at: beginning\nstorage: memory\npoll_interval: 30ms\n\
         full_interval: 200ms\nsettle: 500ms\ncollection_interval: 50ms\n{more}\n"
    )
}

fn calls(shown: &Shown) -> f64 {
    shown.get("asterisk.cdr.duration_count").copied().unwrap_or_default()
}

/// Two writers: the one with the lower key commits last.
fn overtaken(kind: Kind, database: &str, mode: &str) {
    let Some(server) = Server::shared(kind) else { return };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let captured = Captured::read("scenarios_cdr");
    let (mut slow, mut fast) = runtime.block_on(async {
        let mut slow = server.database(database).await;
        captured.create(&mut slow, "cdr", KEY, "").await;
        (slow, server.conn(Some(database)).await)
    });
    let endpoint = format!("127.0.0.1:{}", server.port);
    let running = Running::start(
        &settings(&endpoint, database, &format!("username: root\nmode: {mode}")),
        &Memory::default(),
    );
    running.wait_for("the first record", |shown| shown.contains_key("asterisk.cdr.rows"));
    let insert = |id: &str| {
        format!(
            "INSERT INTO cdr (calldate, duration, disposition, uniqueid) VALUES (UTC_TIMESTAMP(), 1, 'ANSWERED', '{id}')"
        )
    };
    runtime.block_on(async {
        slow.query_drop("BEGIN").await.unwrap();
        slow.query_drop(insert("slow")).await.unwrap();
        fast.query_drop(insert("fast")).await.unwrap();
    });
    running.wait_for("the fast one", |shown| calls(shown) == 1.0);
    runtime.block_on(async {
        slow.query_drop("COMMIT").await.unwrap();
        let keys: Vec<String> = fast.query("SELECT uniqueid FROM cdr ORDER BY id").await.unwrap();
        assert_eq!(keys, ["slow", "fast"]);
    });
    running.wait_for("the slow one", |shown| calls(shown) == 2.0);
    assert_eq!(calls(&running.stop()), 2.0);
}

#[test]
fn a_lower_key_that_commits_last_in_mariadb() {
    overtaken(Kind::MariaDb, "overtaken", "poll");
}

#[test]
fn a_lower_key_that_commits_last_in_mysql() {
    overtaken(Kind::MySql, "overtaken", "poll");
}

#[test]
fn a_lower_key_that_commits_last_by_replication() {
    overtaken(Kind::MariaDb, "overtaken_binlog", "binlog");
}

#[test]
fn a_lower_key_that_commits_last_in_mysql_by_replication() {
    overtaken(Kind::MySql, "overtaken_binlog", "binlog");
}

/// The rows of one transaction are taken together: a call that waits for no others has all of them.
fn one_transaction(kind: Kind, database: &str) {
    let Some(server) = Server::shared(kind) else { return };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut conn = runtime.block_on(server.database(database));
    runtime.block_on(Captured::read("scenarios_cdr").create(&mut conn, "cdr", "", ""));
    let endpoint = format!("127.0.0.1:{}", server.port);
    let settings =
        settings(&endpoint, database, "username: root\nmode: binlog").replace("settle: 500ms", "settle: 0s");
    let running = Running::start(&settings, &Memory::default());
    running.wait_for("the first record", |shown| shown.contains_key("asterisk.cdr.rows"));
    runtime.block_on(async {
        for sql in [
            "BEGIN",
            "INSERT INTO cdr (calldate, duration, disposition, uniqueid) VALUES (UTC_TIMESTAMP(), 1, 'NO ANSWER', 'one')",
            "SAVEPOINT half",
            "INSERT INTO cdr (calldate, duration, disposition, uniqueid) VALUES (UTC_TIMESTAMP(), 2, 'ANSWERED', 'one')",
            "COMMIT",
        ] {
            conn.query_drop(sql).await.unwrap();
        }
    });
    let shown = running.wait_for("both rows", |shown| shown.get("asterisk.cdr.rows") == Some(&2.0));
    assert_eq!(shown.get("asterisk.cdr.calls{disposition=ANSWERED}"), Some(&1.0), "{shown:#?}");
    assert_eq!(running.stop()["asterisk.cdr.duration_sum"], 2.0);
}

#[test]
fn one_transaction_of_mariadb_by_replication() {
    one_transaction(Kind::MariaDb, "one_transaction");
}

#[test]
fn one_transaction_of_mysql_by_replication() {
    one_transaction(Kind::MySql, "one_transaction");
}

/// Both shapes at once in one instance, over a Unix socket, with an account that may only read and has a native or
/// caching_sha2 password.
fn both_tables(kind: Kind, database: &str, plugin: &str, password_file: &std::path::Path) {
    let Some(server) = Server::shared(kind) else { return };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (old, new) = (Captured::read("scenarios_cdr"), Captured::read("scenarios_cdr_alembic"));
    runtime.block_on(async {
        let mut conn = server.database(database).await;
        old.create(&mut conn, "cdr", "", "ENGINE=MyISAM").await;
        new.create(&mut conn, "cdr_alembic", "", "").await;
        conn.query_drop("CREATE INDEX by_start ON cdr_alembic (start)").await.unwrap();
        conn.query_drop(plugin).await.unwrap();
        conn.query_drop(format!("GRANT SELECT ON {database}.* TO reader@localhost")).await.unwrap();
        for (a, b) in old.rows.iter().zip(&new.rows) {
            old.insert(&mut conn, "cdr", a).await;
            new.insert(&mut conn, "cdr_alembic", b).await;
        }
    });
    std::fs::write(password_file, "geheim\n").unwrap();
    let more = format!(
        "username: reader\npassword_file: {}\ntables: [{{name: cdr}}, {{name: cdr_alembic}}]",
        password_file.display()
    );
    let running = Running::start(&settings(&server.socket, database, &more), &Memory::default());
    running.wait_for("both truths", |shown| {
        difference(shown, "cdr", "scenarios_cdr").is_empty()
            && difference(shown, "cdr_alembic", "scenarios_cdr_alembic").is_empty()
    });
    let last = running.stop();
    assert_eq!(last["mysql.up"], 1.0);
    for (name, least) in [
        ("mysql.global_status.threads_connected", 1.0),
        ("mysql.global_status.threads_running", 1.0),
        ("mysql.global_status.uptime", 1.0),
        ("mysql.global_status.slow_queries", 0.0),
        ("asterisk.cdr.table.rows{table=cdr}", 0.0),
        ("asterisk.cdr.table.rows{table=cdr_alembic}", 0.0),
        ("asterisk.cdr.table.size{table=cdr}", 1.0),
        ("asterisk.cdr.table.size{table=cdr_alembic}", 1.0),
    ] {
        assert!(last.get(name).is_some_and(|value| *value >= least), "{name}: {last:#?}");
    }
    // It is no replica.
    assert!(!last.contains_key("mysql.slave_status.seconds_behind_master"));
}

#[test]
fn both_tables_of_mariadb() {
    let folder = tempfile::tempdir().unwrap();
    let plugin = "CREATE OR REPLACE USER reader@localhost IDENTIFIED BY 'geheim'";
    both_tables(Kind::MariaDb, "two_tables", plugin, &folder.path().join("password"));
}

#[test]
fn both_tables_of_mysql_with_caching_sha2_password() {
    let folder = tempfile::tempdir().unwrap();
    let plugin = "CREATE USER reader@localhost IDENTIFIED WITH caching_sha2_password BY 'geheim'";
    both_tables(Kind::MySql, "two_tables", plugin, &folder.path().join("password"));
}

/// Rows that come to a replica are counted there, and how far it is behind is told, by an account with the README's rights.
fn replica(kind: Kind, right: &str, [change, start]: [&str; 2]) {
    let (Some(source), Some(replica)) = (Server::shared(kind), Server::start(kind)) else { return };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let captured = Captured::read("scenarios_cdr");
    let mut written = runtime.block_on(async {
        let mut conn = source.database("replicated").await;
        let end: mysql_async::Row = match conn.query_first("SHOW MASTER STATUS").await {
            Ok(row) => row.unwrap(),
            Err(_) => conn.query_first("SHOW BINARY LOG STATUS").await.unwrap().unwrap(),
        };
        let (file, offset): (String, u64) = (end.get(0).unwrap(), end.get(1).unwrap());
        let change = change
            .replace("{port}", &source.port.to_string())
            .replace("{file}", &file)
            .replace("{offset}", &offset.to_string());
        let mut follows = replica.database("replicated").await;
        for sql in [
            "CREATE USER reader@localhost IDENTIFIED BY 'geheim'",
            "GRANT SELECT ON replicated.* TO reader@localhost",
            &format!("GRANT {right} ON *.* TO reader@localhost"),
            "SET GLOBAL server_id=2",
            &change,
            start,
        ] {
            follows.query_drop(sql).await.unwrap();
        }
        captured.create(&mut conn, "cdr", KEY, "").await;
        conn
    });
    let more = "username: reader\npassword: geheim";
    let running = Running::start(&settings(&replica.socket, "replicated", more), &Memory::default());
    let lag = "mysql.slave_status.seconds_behind_master";
    running.wait_for("the lag", |shown| shown.get(lag) == Some(&0.0));
    runtime.block_on(async {
        for row in &captured.rows {
            captured.insert(&mut written, "cdr", row).await;
        }
    });
    running.wait_for("the truth", |shown| difference(shown, "", "scenarios_cdr").is_empty());
    running.stop();
}

#[test]
fn a_replica_of_mariadb() {
    let change = "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={port}, MASTER_USER='root', \
                  MASTER_LOG_FILE='{file}', MASTER_LOG_POS={offset}, MASTER_USE_GTID=no";
    replica(Kind::MariaDb, "SLAVE MONITOR", [change, "START SLAVE"]);
}

#[test]
fn a_replica_of_mysql() {
    let change = "CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT={port}, SOURCE_USER='root', \
                  SOURCE_LOG_FILE='{file}', SOURCE_LOG_POS={offset}, GET_SOURCE_PUBLIC_KEY=1";
    replica(Kind::MySql, "REPLICATION CLIENT", [change, "START REPLICA"]);
}

/// `start_at: <time>`, by key, by time, and by time without an index where that is allowed.
#[test]
fn reading_begins_at_the_time_that_is_told() {
    let Some(server) = Server::shared(Kind::MariaDb) else { return };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    const FROM: &str = "2026-11-22 00:28:00";
    let captured = Captured::read("scenarios_cdr");
    let place = captured.columns.iter().position(|column| column == "calldate").unwrap();
    let later = captured.rows.iter().filter(|row| row[place].as_deref().unwrap() >= FROM).count();
    assert!((1..90).contains(&later), "{later}");
    for (database, column, set_up, more) in [
        ("from_key", KEY, "DO 0", ""),
        ("from_time", "", "DO 0", ""),
        ("from_scan", "", "ALTER TABLE cdr DROP KEY calldate", "allow_table_scan: true"),
    ] {
        runtime.block_on(async {
            let mut conn = server.database(database).await;
            captured.create(&mut conn, "cdr", column, "").await;
            conn.query_drop(set_up).await.unwrap();
            for row in &captured.rows {
                captured.insert(&mut conn, "cdr", row).await;
            }
        });
        let settings =
            settings(&format!("127.0.0.1:{}", server.port), database, &format!("username: root\n{more}"))
                .replace("start_at: beginning", &format!("start_at: '{FROM}'"));
        let running = Running::start(&settings, &Memory::default());
        running.wait_for("the rows", |shown| shown.get("asterisk.cdr.rows") == Some(&(later as f64)));
        running.stop();
    }
}

/// `start_at: now` leaves out what is there, in each way of reading.
#[test]
fn now_is_now() {
    let Some(server) = Server::shared(Kind::MariaDb) else { return };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let captured = Captured::read("scenarios_cdr");
    for (database, column, mode) in [
        ("now_time", "", "poll"),
        ("now_key", KEY, "poll"),
        ("now_binlog", "", "binlog"),
        ("now_both", KEY, "binlog"),
    ] {
        let mut conn = runtime.block_on(server.database(database));
        let insert = |id: &'static str| {
            format!(
                "INSERT INTO cdr (calldate, duration, disposition, uniqueid) VALUES (UTC_TIMESTAMP() - INTERVAL 5 MINUTE, 1, 'BUSY', '{id}')"
            )
        };
        runtime.block_on(async {
            captured.create(&mut conn, "cdr", column, "").await;
            conn.query_drop(insert("before")).await.unwrap();
        });
        let endpoint = format!("127.0.0.1:{}", server.port);
        let more = format!("username: root\nmode: {mode}");
        let settings = settings(&endpoint, database, &more).replace("start_at: beginning", "start_at: now");
        let memory = Memory::default();
        let running = Running::start(&settings, &memory);
        running.wait_for("the first record", |shown| shown.contains_key("asterisk.cdr.rows"));
        runtime.block_on(conn.query_drop(insert("after"))).unwrap();
        running.wait_for("the call", |shown| calls(shown) == 1.0);
        running.kill();
        let running = Running::start(&settings, &memory);
        runtime.block_on(conn.query_drop(insert("later"))).unwrap();
        running.wait_for("the other call", |shown| calls(shown) == 2.0);
        assert_eq!(calls(&running.stop()), 2.0, "{database}");
    }
}

const INSERT: &str = "INSERT INTO cdr (calldate, duration, disposition, uniqueid) VALUES (UTC_TIMESTAMP(), 1, 'ANSWERED', UUID())";

/// A table that is emptied begins its keys anew, whether the receiver is connected meanwhile or not.
#[test]
fn a_table_that_is_emptied_while_it_is_read_by_key() {
    let Some(server) = Server::shared(Kind::MariaDb) else { return };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut conn = runtime.block_on(async {
        let mut conn = server.database("emptied").await;
        Captured::read("scenarios_cdr").create(&mut conn, "cdr", KEY, "").await;
        conn
    });
    let mut insert = |rows: usize, before: &str| {
        runtime.block_on(async {
            for sql in [before].into_iter().filter(|sql| !sql.is_empty()).chain(vec![INSERT; rows]) {
                conn.query_drop(sql).await.unwrap();
            }
        });
    };
    let endpoint = format!("127.0.0.1:{}", server.port);
    let settings = settings(&endpoint, "emptied", "username: root\nlookback: 300ms");
    let memory = Memory::default();
    let running = Running::start(&settings, &memory);
    insert(9, "");
    running.wait_for("the first ones", |shown| calls(shown) == 9.0);
    insert(4, "TRUNCATE TABLE cdr");
    running.wait_for("those behind them", |shown| calls(shown) == 13.0);
    running.kill();
    insert(0, "TRUNCATE TABLE cdr");
    let running = Running::start(&settings, &memory);
    running.wait_for_state("ok");
    runtime.block_on(async { tokio::time::sleep(std::time::Duration::from_millis(300)).await });
    insert(2, "");
    running.wait_for("those behind a restart", |shown| calls(shown) == 15.0);
    insert(1, "");
    running.wait_for("one more", |shown| calls(shown) == 16.0);
    assert_eq!(running.stop()["asterisk.cdr.rows"], 16.0);
}

/// The newest rows of a table are deleted: the keys go on, and what was read is not read again.
fn newest_rows_deleted(kind: Kind, database: &str) {
    let Some(server) = Server::shared(kind) else { return };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut conn = runtime.block_on(async {
        let mut conn = server.database(database).await;
        Captured::read("scenarios_cdr").create(&mut conn, "cdr", KEY, "").await;
        conn
    });
    let mut run = |sql: &[&str]| {
        runtime.block_on(async {
            for sql in sql {
                conn.query_drop(*sql).await.unwrap();
            }
            // Longer than the lookback, in which a table's keys are not taken to begin anew.
            tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        });
    };
    let endpoint = format!("127.0.0.1:{}", server.port);
    let settings = settings(&endpoint, database, "username: root\nlookback: 200ms");
    let memory = Memory::default();
    let running = Running::start(&settings, &memory);
    run(&[INSERT; 5]);
    running.wait_for("the first ones", |shown| calls(shown) == 5.0);
    run(&["DELETE FROM cdr WHERE id > 3"]);
    run(&[INSERT]);
    running.wait_for("one behind them", |shown| calls(shown) == 6.0);
    running.kill();
    run(&["DELETE FROM cdr WHERE id > 2"]);
    let running = Running::start(&settings, &memory);
    running.wait_for_state("ok");
    run(&[INSERT]);
    running.wait_for("one behind a restart", |shown| calls(shown) == 7.0);
    assert_eq!((running.odd_rows("late"), running.stop()["asterisk.cdr.rows"]), (0.0, 7.0));
}

#[test]
fn the_newest_rows_of_a_table_of_mariadb_are_deleted() {
    newest_rows_deleted(Kind::MariaDb, "newest_deleted");
}

#[test]
fn the_newest_rows_of_a_table_of_mysql_are_deleted() {
    newest_rows_deleted(Kind::MySql, "newest_deleted");
}
