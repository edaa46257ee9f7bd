//! The receiver ended at any moment, and the server too: the counts are the truth each time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::collector::{Memory, Running, difference};
use crate::database::{Captured, Kind, Server};
use crate::replay::{SETTLE, Way, table};

/// Numbers that follow from a seed (xorshift64).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// `tests/real/mysql/kills.py` does the same to the program itself, with as many seeds as it is told.
const SEEDS: u64 = 25;
const AT_A_TIME: usize = 8;

/// Replays with two to five kills behind random calls, and random pauses. Calls are counted all the while.
fn one(server: &Server, way: Way, captured: &Captured, capture: &str, seed: u64) {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let database = format!("restart_{way:?}_{seed}").to_lowercase();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut conn = runtime.block_on(table(server, &database, captured, way));
    let memory = Memory::default();
    let settings = way.settings(server, &database, SETTLE);
    let mut running = Running::start(&settings, &memory);
    running.wait_for("the first record", |shown| shown.contains_key("asterisk.cdr.rows"));
    let calls = captured.calls().count() as u64;
    let kills: Vec<u64> = (0..2 + random.below(4)).map(|_| random.below(calls)).collect();
    for (n, rows) in captured.calls().enumerate() {
        runtime.block_on(async {
            captured.insert_call(&mut conn, "calls", rows).await;
            tokio::time::sleep(Duration::from_micros(random.below(8000))).await;
        });
        if kills.contains(&(n as u64)) {
            running.kill();
            runtime.block_on(async { tokio::time::sleep(Duration::from_millis(random.below(20))).await });
            running = Running::start(&settings, &memory);
        }
    }
    running.wait_for(&format!("the truth of {database}"), |shown| difference(shown, "", capture).is_empty());
    // A last one while nothing happens: nothing is counted again.
    running.kill();
    let running = Running::start(&settings, &memory);
    running.wait_for("a look", |shown| shown.contains_key("asterisk.cdr.rows"));
    runtime.block_on(async { tokio::time::sleep(Duration::from_millis(400)).await });
    assert_eq!(difference(&running.stop(), "", capture), [""; 0], "{database}");
    runtime.block_on(async {
        use mysql_async::prelude::Queryable as _;
        conn.query_drop(format!("DROP DATABASE {database}")).await.unwrap();
    });
}

fn all(kind: Kind, way: Way, capture: &'static str) {
    let Some(server) = Server::shared(kind) else { return };
    let captured = Captured::read(capture);
    let next = Arc::new(AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            let (next, captured) = (Arc::clone(&next), &captured);
            scope.spawn(move || {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= SEEDS {
                        return;
                    }
                    one(server, way, captured, capture, seed);
                }
            });
        }
    });
}

#[test]
fn killed_while_reading_by_time() {
    all(Kind::MariaDb, Way::Time, "scenarios_cdr_alembic");
}

#[test]
fn killed_while_reading_by_key() {
    all(Kind::MariaDb, Way::Key, "scenarios_cdr");
}

#[test]
fn killed_while_replicating() {
    all(Kind::MariaDb, Way::Binlog, "scenarios_cdr_alembic");
}

/// The server is stopped, then killed, in the middle of a replay.
fn server_restarts(kind: Kind, way: Way) {
    let Some(server) = Server::start(kind) else { return };
    let captured = Captured::read("scenarios_cdr_alembic");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut conn = runtime.block_on(table(&server, "calls", &captured, way));
    let running = Running::start(&way.settings(&server, "calls", SETTLE), &Memory::default());
    running.wait_for("the first record", |shown| shown.contains_key("asterisk.cdr.rows"));
    let mut written = 0;
    for (n, rows) in captured.calls().enumerate() {
        if n == 24 || n == 48 {
            drop(conn);
            server.order(if n == 24 { "stop" } else { "kill" });
            running.wait_for_state("error");
            server.order("start");
            conn = runtime.block_on(server.conn(Some("calls")));
        }
        runtime.block_on(captured.insert_call(&mut conn, "calls", rows));
        written += rows.len();
        // What a killed server has not written to its disk is lost to everyone.
        if n == 47 {
            running
                .wait_for("all of before", |shown| shown.get("asterisk.cdr.rows") == Some(&(written as f64)));
            runtime.block_on(async { tokio::time::sleep(Duration::from_millis(1500)).await });
        }
    }
    running.wait_for("the truth", |shown| difference(shown, "", "scenarios_cdr_alembic").is_empty());
    assert_eq!(difference(&running.stop(), "", "scenarios_cdr_alembic"), [""; 0]);
}

#[test]
fn mariadb_restarts_while_it_is_read_by_time() {
    server_restarts(Kind::MariaDb, Way::Time);
}

#[test]
fn mariadb_restarts_while_it_is_read_by_key() {
    server_restarts(Kind::MariaDb, Way::Key);
}

#[test]
fn mariadb_restarts_while_it_is_replicated() {
    server_restarts(Kind::MariaDb, Way::Binlog);
}

#[test]
fn mysql_restarts_while_it_is_replicated() {
    server_restarts(Kind::MySql, Way::Binlog);
}

/// The server no longer has the log where reading was: the table is read instead.
#[test]
fn the_log_is_gone() {
    use mysql_async::prelude::Queryable as _;

    let Some(server) = Server::start(Kind::MariaDb) else { return };
    let captured = Captured::read("scenarios_cdr_alembic");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut conn = runtime.block_on(table(&server, "calls", &captured, Way::Binlog));
    runtime.block_on(conn.query_drop("CREATE INDEX by_start ON calls (start)")).unwrap();
    let memory = Memory::default();
    let settings = Way::Binlog.settings(&server, "calls", SETTLE);
    let running = Running::start(&settings, &memory);
    running.wait_for("the first record", |shown| shown.contains_key("asterisk.cdr.rows"));
    let mut write = |captured: &[&[Vec<Option<String>>]], more: &str| {
        runtime.block_on(async {
            for rows in captured {
                Captured::read("scenarios_cdr_alembic").insert_call(&mut conn, "calls", rows).await;
            }
            if !more.is_empty() {
                conn.query_drop(more).await.unwrap();
            }
        });
    };
    let calls: Vec<_> = captured.calls().collect();
    write(&calls[..20], "");
    running.wait_for("some rows", |shown| shown.get("asterisk.cdr.rows").is_some_and(|rows| *rows > 15.0));
    running.kill();
    write(&calls[20..40], "RESET MASTER");
    write(&calls[40..50], "");
    let running = Running::start(&settings, &memory);
    running.wait_for("the gap", |_| running.gaps() == 1.0);
    write(&calls[50..], "");
    running.wait_for("the truth", |shown| difference(shown, "", "scenarios_cdr_alembic").is_empty());
    assert_eq!(running.gaps(), 1.0);
    assert_eq!(difference(&running.stop(), "", "scenarios_cdr_alembic"), [""; 0]);
}

/// The server begins to compress what it logs: nothing is lost that is written by the time it no longer does.
#[test]
fn the_log_is_compressed_for_a_while() {
    use mysql_async::prelude::Queryable as _;

    let Some(server) = Server::start(Kind::MariaDb) else { return };
    let captured = Captured::read("scenarios_cdr_alembic");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut conn = runtime.block_on(table(&server, "calls", &captured, Way::Binlog));
    runtime.block_on(conn.query_drop("CREATE INDEX by_start ON calls (start)")).unwrap();
    let running = Running::start(&Way::Binlog.settings(&server, "calls", SETTLE), &Memory::default());
    running.wait_for("the first record", |shown| shown.contains_key("asterisk.cdr.rows"));
    for (n, rows) in captured.calls().enumerate() {
        let change = match n {
            20 => "SET GLOBAL log_bin_compress=ON, GLOBAL log_bin_compress_min_len=10",
            40 => "SET GLOBAL log_bin_compress=OFF",
            _ => "DO 0",
        };
        runtime.block_on(async {
            conn.query_drop(change).await.unwrap();
            captured.insert_call(&mut conn, "calls", rows).await;
        });
        if n == 39 {
            running.wait_for_state("set log_bin_compress=OFF");
        }
    }
    running.wait_for("the truth", |shown| difference(shown, "", "scenarios_cdr_alembic").is_empty());
    assert_eq!(difference(&running.stop(), "", "scenarios_cdr_alembic"), [""; 0]);
}

/// Two with one number throw each other out of the server. Neither is in a hurry to come again, and both say why.
#[test]
fn two_of_one_server_id() {
    let Some(server) = Server::shared(Kind::MySql) else { return };
    let captured = Captured::read("scenarios_cdr_alembic");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(table(server, "one_id", &captured, Way::Binlog));
    let settings = Way::Binlog.settings(server, "one_id", SETTLE) + "server_id: 77\n";
    let [first, second] = [(), ()].map(|()| Running::start(&settings, &Memory::default()));
    for running in [&first, &second] {
        running.wait_for_state("same server");
    }
    let gaps = first.gaps() + second.gaps();
    assert!(gaps < 20.0, "{gaps} times");
    first.stop();
    second.stop();
}
