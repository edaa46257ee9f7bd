//! Traces from a table of channel events, written while the receiver reads, killed meanwhile, and beside CDRs.

use std::collections::BTreeMap;
use std::sync::Arc;

use mysql_async::Conn;
use mysql_async::prelude::Queryable as _;
use otelcol_pdata::Signal;
use otelcol_pdata::model::trace::Span;
use otelcol_pdata::model::{as_string, attr};
use otelcol_testkit::Sink;

use crate::collector::{Memory, Running};
use crate::database::{Captured, Kind, Server, testdata};
use crate::replay::{SETTLE, Way};

/// The captured events; without the key where the table has none.
fn events(way: Way) -> Captured {
    let mut captured = Captured::read("scenarios_cel");
    if way != Way::Key {
        captured.columns.remove(0);
        captured.rows.iter_mut().for_each(|row| _ = row.remove(0));
    }
    captured
}

/// An empty table of events, as Asterisk's own schema has it; without its key or with an index on its time.
async fn table(conn: &mut Conn, way: Way, index: bool) {
    let schema = testdata("schema.sql");
    let (_, rest) = schema.split_once("CREATE TABLE `cel` (").unwrap();
    let (columns, _) = rest.split_once("\n) ENGINE").unwrap();
    let is_kept = |line: &&str| way == Way::Key || !line.contains("`id`");
    let mut lines: Vec<&str> =
        columns.lines().filter(is_kept).map(|line| line.trim_end_matches(',')).collect();
    if index {
        lines.push("INDEX by_time (`eventtime`)");
    }
    lines.retain(|line| !line.trim().is_empty());
    conn.query_drop(format!("CREATE TABLE cel ({})", lines.join(","))).await.unwrap();
}

fn settings(way: Way, server: &Server, database: &str) -> String {
    // The ids of the golden file are those of a system of this name.
    way.settings(server, database, SETTLE) + "system_name: pbx\ntraces: {enabled: true, settle: 3s}\n"
}

/// Number of spans by trace, as in the golden file.
type Traces = BTreeMap<String, usize>;

fn golden() -> Traces {
    let text = testdata("traces/scenarios_cel.txt");
    let spans = |block: &str| block.lines().filter(|line| line.trim_start().starts_with("asterisk.")).count();
    text.split("trace ").skip(1).map(|block| (block[..32].to_owned(), spans(block))).collect()
}

fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn spans(sink: &Sink) -> Vec<Vec<Span>> {
    let batches = sink.batches().into_iter().filter(|batch| batch.signal() == Signal::Traces);
    let blocks = batches.map(|batch| batch.into_traces().unwrap());
    let scopes = blocks.map(|blocks| blocks.into_iter().flat_map(|block| block.scope_spans));
    scopes.map(|scopes| scopes.flat_map(|scope| scope.spans).collect()).collect()
}

/// Adds what was sent: a trace that is sent again is the same one.
fn add(traces: &mut Traces, sink: &Sink) {
    for batch in spans(sink) {
        let mut of_batch = Traces::new();
        for span in batch {
            *of_batch.entry(hex(&span.trace_id)).or_default() += 1;
        }
        for (id, spans) in of_batch {
            let before = traces.insert(id.clone(), spans);
            assert!(before.is_none_or(|before| before == spans), "{id}: {before:?} spans, then {spans}");
        }
    }
}

/// Waits until these and what was sent before are all.
fn wait_for(running: &Running, before: &Traces, expected: &Traces) {
    running.wait_for("every trace", |_| {
        let mut found = before.clone();
        add(&mut found, &running.sink);
        found == *expected
    });
}

/// Replays the events, with a kill before each of these rows.
fn replay(kind: Kind, way: Way, kills: &[usize]) {
    let Some(server) = Server::shared(kind) else { return };
    let captured = events(way);
    let database = format!("cel_{way:?}_{}", kills.len()).to_lowercase();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut conn = runtime.block_on(async {
        let mut conn = server.database(&database).await;
        Captured::read("scenarios_cdr_alembic").create(&mut conn, "calls", crate::replay::KEY, "").await;
        table(&mut conn, way, way != Way::Key).await;
        conn
    });
    let (settings, memory) = (settings(way, server, &database), Memory::default());
    let mut running = Running::start(&settings, &memory);
    running.wait_for("the first batch", |shown| shown.contains_key("asterisk.cdr.rows"));
    let mut traces = Traces::new();
    for (n, row) in captured.rows.iter().enumerate() {
        runtime.block_on(captured.insert(&mut conn, "cel", row));
        if kills.contains(&n) {
            let sink = Arc::clone(&running.sink);
            running.kill();
            add(&mut traces, &sink);
            running = Running::start(&settings, &memory);
        }
    }
    wait_for(&running, &traces, &golden());
    let sink = Arc::clone(&running.sink);
    running.stop();
    add(&mut traces, &sink);
    assert_eq!(traces, golden());
}

#[test]
fn mariadb_by_key() {
    replay(Kind::MariaDb, Way::Key, &[]);
}

#[test]
fn mariadb_by_time() {
    replay(Kind::MariaDb, Way::Time, &[]);
}

#[test]
fn mariadb_by_replication() {
    replay(Kind::MariaDb, Way::Binlog, &[]);
}

#[test]
fn mysql_by_key() {
    replay(Kind::MySql, Way::Key, &[]);
}

#[test]
fn mysql_by_time() {
    replay(Kind::MySql, Way::Time, &[]);
}

#[test]
fn mysql_by_replication() {
    replay(Kind::MySql, Way::Binlog, &[]);
}

/// Before its first row, in the middle of calls, between two, and behind the last.
const KILLS: [usize; 7] = [0, 5, 14, 180, 333, 520, 705];

#[test]
fn killed_while_reading_by_key() {
    replay(Kind::MariaDb, Way::Key, &KILLS);
}

#[test]
fn killed_while_reading_by_time() {
    replay(Kind::MariaDb, Way::Time, &KILLS);
}

#[test]
fn killed_while_replicating() {
    replay(Kind::MariaDb, Way::Binlog, &KILLS);
}

/// CDRs and events of the same calls: each log record stands in the trace of its call, below whose root nothing is missing.
#[test]
fn log_records_of_cdrs_have_the_ids_of_the_traces() {
    let Some(server) = Server::shared(Kind::MariaDb) else { return };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (records, events) = (Captured::read("scenarios_cdr_alembic"), events(Way::Key));
    runtime.block_on(async {
        let mut conn = server.database("cel_and_cdr").await;
        records.create(&mut conn, "calls", crate::replay::KEY, "").await;
        table(&mut conn, Way::Key, false).await;
        for row in &records.rows {
            records.insert(&mut conn, "calls", row).await;
        }
        for row in &events.rows {
            events.insert(&mut conn, "cel", row).await;
        }
    });
    let running = Running::start(&settings(Way::Key, server, "cel_and_cdr"), &Memory::default());
    wait_for(&running, &Traces::new(), &golden());
    let sink = Arc::clone(&running.sink);
    running.stop();
    let roots: BTreeMap<Vec<u8>, Vec<u8>> = spans(&sink)
        .into_iter()
        .flatten()
        .filter(|span| span.parent_span_id.is_empty())
        .map(|span| (span.trace_id, span.span_id))
        .collect();
    let logs = sink.batches().into_iter().filter(|batch| batch.signal() == Signal::Logs);
    let blocks = logs.flat_map(|batch| batch.into_logs().unwrap());
    let scopes = blocks.flat_map(|block| block.scope_logs);
    let records: Vec<_> = scopes.flat_map(|scope| scope.log_records).collect();
    assert_eq!(records.len(), 90);
    let mut severities = BTreeMap::<String, usize>::new();
    for record in records {
        assert_eq!(roots.get(&record.trace_id), Some(&record.span_id), "{record:?}");
        let of = |column: &str| attr(&record.attributes, &format!("asterisk.cdr.{column}")).map(as_string);
        // Times are UTC here, and whole seconds.
        let end: jiff::Timestamp = (of("end").unwrap().replace(' ', "T") + "Z").parse().unwrap();
        assert_eq!(i128::from(record.time_unix_nano), end.as_nanosecond(), "{record:?}");
        assert_eq!(record.event_name, "asterisk.cdr");
        let ending = of("disposition").unwrap();
        *severities.entry(format!("{ending} {}", record.severity_text)).or_default() += 1;
    }
    // As many as `grep -c ,BUSY, scenarios_cdr_alembic.csv` and so on.
    let expected = [
        ("ANSWERED INFO", 52),
        ("BUSY INFO", 5),
        ("CONGESTION WARN", 3),
        ("FAILED ERROR", 3),
        ("NO ANSWER INFO", 27),
    ];
    assert_eq!(severities, BTreeMap::from(expected.map(|(what, records)| (what.to_owned(), records))));
}

/// In a traces pipeline alone: no CDR table is missed, and the account needs no right to one.
#[test]
fn an_instance_for_traces_alone_reads_no_cdrs() {
    let Some(server) = Server::shared(Kind::MariaDb) else { return };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let events = events(Way::Key);
    runtime.block_on(async {
        let mut conn = server.database("cel_alone").await;
        table(&mut conn, Way::Key, false).await;
        conn.query_drop("CREATE OR REPLACE USER cel_alone@'127.0.0.1'").await.unwrap();
        conn.query_drop("GRANT SELECT ON cel_alone.cel TO cel_alone@'127.0.0.1'").await.unwrap();
        for row in &events.rows {
            events.insert(&mut conn, "cel", row).await;
        }
    });
    let settings = settings(Way::Key, server, "cel_alone").replace("username: root", "username: cel_alone");
    let running = Running::start_for(Signal::Traces, &settings, &Memory::default());
    wait_for(&running, &Traces::new(), &golden());
    let (sink, state) = (Arc::clone(&running.sink), running.state());
    running.stop();
    assert_eq!(state, "ok");
    assert!(sink.batches().iter().all(|batch| batch.signal() == Signal::Traces));
}

/// A table that is not there, or that no index helps with, is said, and does not keep CDRs from being read.
#[test]
fn a_missing_table_is_said_and_cdrs_are_read() {
    let Some(server) = Server::shared(Kind::MySql) else { return };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let captured = Captured::read("scenarios_cdr_alembic");
    let mut conn = runtime.block_on(async {
        let mut conn = server.database("cel_missing").await;
        captured.create(&mut conn, "calls", crate::replay::KEY, "").await;
        conn
    });
    let running = Running::start(&settings(Way::Key, server, "cel_missing"), &Memory::default());
    running.wait_for_state("Table 'cel_missing.cel' doesn't exist");
    runtime.block_on(captured.insert(&mut conn, "calls", &captured.rows[0]));
    running.wait_for("a row", |shown| shown.get("asterisk.cdr.rows") == Some(&1.0));
    runtime.block_on(table(&mut conn, Way::Time, false));
    running.wait_for_state("CREATE INDEX otelcol_time ON `cel_missing`.`cel` (`eventtime`)");
    running.stop();
}

/// An event of an Asterisk whose clock was wrong is in the table before the first start.
#[test]
fn behind_an_event_of_a_time_to_come() {
    let Some(server) = Server::shared(Kind::MariaDb) else { return };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let captured = events(Way::Time);
    let place = |name: &str| captured.columns.iter().position(|column| column == name).unwrap();
    let [time, linkedid] = ["eventtime", "linkedid"].map(place);
    let mut conn = runtime.block_on(async {
        let mut conn = server.database("cel_to_come").await;
        table(&mut conn, Way::Time, true).await;
        let mut wrong = captured.rows[0].clone();
        wrong[time] = Some("2031-01-01 00:00:00".to_owned());
        captured.insert(&mut conn, "cel", &wrong).await;
        conn
    });
    let settings = settings(Way::Time, server, "cel_to_come")
        .replace("start_at: beginning", "start_at: now")
        .replace("settle: 3s", "settle: 300ms");
    let running = Running::start_for(Signal::Traces, &settings, &Memory::default());
    running.wait_for_state("ok");
    let last = captured.rows.iter().rev().find(|row| row[linkedid] != captured.rows[0][linkedid]).unwrap();
    runtime.block_on(async {
        let now: String = conn.query_first("SELECT UTC_TIMESTAMP(6)").await.unwrap().unwrap();
        for row in captured.rows.iter().filter(|row| row[linkedid] == last[linkedid]) {
            let mut row = row.clone();
            row[time] = Some(now.clone());
            captured.insert(&mut conn, "cel", &row).await;
        }
    });
    running.wait_for("the trace", |_| !spans(&running.sink).is_empty());
    running.stop();
}
