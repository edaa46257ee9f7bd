#!/usr/bin/env -S python3 -B
"""cdr.py PROGRAM DIR [CASE...]: what the mysql_cdr receiver costs, beside a real MariaDB whose data stay in DIR.

The tables are made the first time, which takes minutes; `cdr.py fill DIR` does only that. Measured are, or some of them:

  backlog   2,000,000 rows read from the beginning: rows a second until the page shows all of them, most resident memory;
            by key and by time
  insert    an INSERT into a MyISAM table of 2,000,000 rows, one each 5 ms, while they are read, and while nobody reads;
            the table has a hole, so that MyISAM lets no INSERT go on beside a SELECT
  poll      a look that finds nothing new on 10,000,000 rows: time of the server (its own statistics of the account) and CPU of
            the collector
  binlog    from before an INSERT to the arrival of its log record at an HTTP server, mode: binlog
  traces    1,400,000 channel events of 100,000 calls read from the beginning, by key and by time: events a second until the
            traces of all calls are made but those of the last minute, which wait for late events; most resident memory
  open      20,000 calls that are open, of nine events each: resident memory before and after they are read
"""

import http.server
import pathlib
import re
import statistics
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests/real/mysql"))
import server  # noqa: E402
from capture import create  # noqa: E402
from client import Client  # noqa: E402
from collector import Collector  # noqa: E402

KEY = "id INT NOT NULL AUTO_INCREMENT PRIMARY KEY,"
BACKLOG, POLLED = 2_000_000, 10_000_000
# Four calls a second, a minute each, the last of them a minute before the tables were made.
ROW = """
SELECT NOW() - INTERVAL ({rows} - seq) DIV 4 + 120 SECOND, CONCAT('"Caller ', seq % 1000, '" <49301', seq % 100000, '>'),
  CONCAT('49301', seq % 100000), CONCAT(2000 + seq % 50), 'from-trunk', CONCAT('PJSIP/carrier-', HEX(seq)),
  CONCAT('PJSIP/', 2000 + seq % 50, '-', HEX(seq + 1)), ELT(1 + seq % 3, 'Dial', 'Queue', 'Hangup'), 'PJSIP/2001,20,tT', seq % 120,
  seq % 120, ELT(1 + seq % 4, 'ANSWERED', 'NO ANSWER', 'ANSWERED', 'BUSY'), 3, '', CONCAT(1790000000 + seq DIV 4, '.', seq), ''
FROM seq_1_to_{rows}
"""
TABLES = {
    "backlog": (BACKLOG, ""),
    "backlog_key": (BACKLOG, KEY),
    "myisam": (BACKLOG, ""),
    "polled": (POLLED, ""),
    "polled_key": (POLLED, KEY),
}
# A call, event by event: its second, the channel's place in it, the type, the application. An open call has those of before
# its end.
CALL = [
    (0, 0, "CHAN_START", "", ""), (0, 0, "APP_START", "Dial", "PJSIP/2001,20,tT"), (0, 1, "CHAN_START", "", ""),
    (4, 1, "ANSWER", "AppDial", "(Outgoing Line)"), (4, 0, "ANSWER", "Dial", "PJSIP/2001,20,tT"),
    (4, 1, "BRIDGE_ENTER", "AppDial", "(Outgoing Line)"), (4, 0, "BRIDGE_ENTER", "Dial", "PJSIP/2001,20,tT"),
    (30, 0, "DTMF", "Dial", "PJSIP/2001,20,tT"), (31, 0, "DTMF", "Dial", "PJSIP/2001,20,tT"),
    (60, 1, "BRIDGE_EXIT", "AppDial", "(Outgoing Line)"), (60, 0, "BRIDGE_EXIT", "Dial", "PJSIP/2001,20,tT"),
    (60, 1, "CHAN_END", "AppDial", "(Outgoing Line)"), (60, 0, "CHAN_END", "", ""), (60, 0, "LINKEDID_END", "", ""),
]
CALLS, OPEN_CALLS, OPEN_EVENTS = 100_000, 20_000, 9
# Calls that ended within `settle` and the minute that reading must be past the end of a call.
LATE = 4 * 70
# Four calls a second; the last of them a minute ago.
EVENT = """
SELECT type, NOW(6) - INTERVAL ({calls} - seq) DIV 4 + 120 SECOND + INTERVAL seconds SECOND, 'Caller', CONCAT('49301', seq % 100000),
  CONCAT(2000 + seq % 50), 'from-trunk', CONCAT('PJSIP/carrier', channel, '-', HEX(2 * seq + channel)), app, data,
  CONCAT(1790000000 + seq DIV 4, '.', 2 * seq + channel), CONCAT(1790000000 + seq DIV 4, '.', 2 * seq),
  CASE type WHEN 'DTMF' THEN '{{"digit":"5"}}' WHEN 'BRIDGE_ENTER' THEN CONCAT('{{"bridge_id":"', seq, '","bridge_technology":"simple_bridge"}}')
  WHEN 'BRIDGE_EXIT' THEN CONCAT('{{"bridge_id":"', seq, '"}}') ELSE '' END
FROM seq_1_to_{calls} JOIN call_events WHERE n < {events} ORDER BY 2, seq, n
"""
EVENT_COLUMNS = "eventtype, eventtime, cid_name, cid_num, exten, context, channame, appname, appdata, uniqueid, linkedid, extra"
# Calls, events of each, the key, the index.
EVENT_TABLES = {
    "events_key": (CALLS, len(CALL), KEY, ""),
    "events": (CALLS, len(CALL), "", ", KEY (eventtime)"),
    "events_open": (OPEN_CALLS, OPEN_EVENTS, KEY, ""),
}
COLUMNS = (
    "calldate, clid, src, dst, dcontext, channel, dstchannel, lastapp, lastdata, duration, billsec, disposition, amaflags,"
    " accountcode, uniqueid, userfield"
)
SETTINGS = {"database": "bench", "server_metrics": "false", "collection_interval": "100ms"}
OPTIONS = ["--innodb-buffer-pool-size=2G", "--userstat=ON", "--default-time-zone=+00:00"]


def fill(client):
    """Makes what is missing of the tables."""
    client.run("CREATE DATABASE IF NOT EXISTS bench", "USE bench")
    client.run("CREATE USER IF NOT EXISTS otelcol@localhost IDENTIFIED BY ''", "GRANT SELECT ON bench.* TO otelcol@localhost",
               "GRANT REPLICATION SLAVE, BINLOG MONITOR ON *.* TO otelcol@localhost")
    made = {row[0] for row in client.run("SHOW TABLES")}
    for table, (rows, key) in TABLES.items():
        if table in made:
            continue
        print(f"making {table}: {rows} rows", flush=True)
        engine = " ENGINE=MyISAM" if table == "myisam" else ""
        client.run("SET sql_log_bin=0", create("cdr", f"{table}_new", key) + engine,
                   f"INSERT INTO {table}_new ({COLUMNS}) {ROW.format(rows=rows)}", f"RENAME TABLE {table}_new TO {table}", "SET sql_log_bin=1")
    client.run("DELETE FROM myisam WHERE uniqueid LIKE '%.1000000'")
    missing = EVENT_TABLES.keys() - made
    if missing:
        client.run("CREATE TEMPORARY TABLE call_events (n INT, seconds INT, channel INT, type TEXT, app TEXT, data TEXT)",
                   *(f"INSERT INTO call_events VALUES {(n, *event)}" for n, event in enumerate(CALL)))
    for table in sorted(missing):
        calls, events, key, index = EVENT_TABLES[table]
        print(f"making {table}: {calls * events} events", flush=True)
        columns = re.sub(r"`id` .*?,|,\s*PRIMARY KEY \(`id`\)", "", create("cel", f"{table}_new", key, index))
        client.run("SET sql_log_bin=0", columns,
                   f"INSERT INTO {table}_new ({EVENT_COLUMNS}) {EVENT.format(calls=calls, events=events)}",
                   f"RENAME TABLE {table}_new TO {table}", "SET sql_log_bin=1")


class Run:
    """The collector beside the server."""

    def __init__(self, program, place, exporters=("prometheus",), sink="http://localhost:4318", **settings):
        self.folder = tempfile.TemporaryDirectory(prefix="cdr-bench-")
        self.collector = Collector(
            program, self.folder.name, place["SOCKET"], exporters, sink, username="otelcol", **{**SETTINGS, **settings}
        )

    def __enter__(self):
        self.collector.start()
        return self.collector

    def __exit__(self, *_):
        self.collector.kill()
        self.folder.cleanup()


def proc(pid, name):
    return pathlib.Path(f"/proc/{pid}/{name}").read_text()


def status_mib(pid, key):
    return int(next(line for line in proc(pid, "status").splitlines() if line.startswith(key)).split()[1]) / 1024


def cpu_seconds(pid):
    """On all threads, to the nanosecond."""
    return sum(int(path.read_text().split()[0]) for path in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def rows_of(page):
    return page.get("asterisk_cdr_rows_total", 0)


def backlog(program, place, _):
    for how, table in (("key", "backlog_key"), ("time", "backlog")):
        begun = time.monotonic()
        with Run(program, place, table=table, start_at="beginning") as collector:
            collector.until_right(lambda page: rows_of(page) < BACKLOG)
            took = time.monotonic() - begun
            pid = collector.process.pid
            print(f"backlog by {how}: {BACKLOG / took:,.0f} rows/s ({took:.2f} s), collector {cpu_seconds(pid):.2f} s of CPU,"
                  f" {status_mib(pid, 'VmHWM'):.1f} MiB at most", flush=True)


def inserts(client, is_over):
    """Milliseconds that each INSERT took."""
    took = []
    while not is_over():
        begun = time.monotonic()
        client.run("INSERT INTO myisam (calldate, disposition, uniqueid) VALUES (NOW(), 'FAILED', 'bench')")
        took.append(1000 * (time.monotonic() - begun))
        time.sleep(0.005)
    return took


def insert(program, place, client):
    end = time.monotonic() + 10
    alone = inserts(client, lambda: time.monotonic() > end)
    with Run(program, place, table="myisam", start_at="beginning") as collector:
        collector.until_right(lambda page: "no rows" if rows_of(page) == 0 else "")
        beside = inserts(client, lambda: rows_of(collector.page()) >= BACKLOG - 1)
    client.run("DELETE FROM myisam WHERE uniqueid = 'bench'")
    for what, took in (("alone", alone), ("beside a backlog", beside)):
        print(f"insert {what}: {len(took)} INSERTs, median {statistics.median(took):.2f} ms, longest {max(took):.1f} ms", flush=True)


def account(client):
    columns = "SELECT_COMMANDS, BUSY_TIME, CPU_TIME"
    return [float(value) for value in client.run(f"SELECT {columns} FROM information_schema.USER_STATISTICS WHERE USER='otelcol'")[0]]


def poll(program, place, client):
    for how, table in (("key", "polled_key"), ("time", "polled")):
        with Run(program, place, table=table, start_at="now", poll_interval="50ms") as collector:
            collector.until_right(lambda page: "" if "asterisk_cdr_rows_total" in page else "no page")
            pid = collector.process.pid
            time.sleep(2)  # the first look goes further back
            before, cpu = account(client), cpu_seconds(pid)
            time.sleep(20)
            after, cpu = account(client), cpu_seconds(pid) - cpu
        looks = after[0] - before[0]
        busy, work = (1000 * (after[n] - before[n]) / looks for n in (1, 2))
        print(f"poll by {how}: {looks:.0f} looks, each {busy:.2f} ms of the server ({work:.2f} ms CPU), {1000 * cpu / looks:.2f} ms CPU of the"
              " collector", flush=True)


class Sink(http.server.BaseHTTPRequestHandler):
    """Takes everything, and notes when."""

    protocol_version = "HTTP/1.1"
    came = threading.Semaphore(0)

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        Sink.came.release()
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def binlog(program, place, client):
    sink = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Sink)
    threading.Thread(target=sink.serve_forever, daemon=True).start()
    client.run("CREATE OR REPLACE TABLE logged LIKE backlog_key")
    took = []
    address, both = f"http://127.0.0.1:{sink.server_port}", ("prometheus", "otlphttp")
    with Run(program, place, both, address, table="logged", start_at="beginning", mode="binlog") as collector:
        collector.until_right(lambda page: "" if "asterisk_cdr_rows_total" in page else "no page")
        time.sleep(1)
        for n in range(500):
            begun = time.monotonic()
            client.run(f"INSERT INTO logged (calldate, disposition, uniqueid) VALUES (NOW(), 'FAILED', '1790000000.{n}')")
            assert Sink.came.acquire(timeout=10), "no log record came"
            took.append(1000 * (time.monotonic() - begun))
            time.sleep(0.02)
    sink.shutdown()
    took.sort()
    print(f"binlog: {len(took)} rows, from before the INSERT to the log record's arrival median {statistics.median(took):.1f} ms,"
          f" 99 % {took[len(took) * 99 // 100]:.1f} ms, longest {took[-1]:.1f} ms", flush=True)


def reads_events(program, place, table):
    """The collector, only in a traces pipeline; settings as they are by default."""
    traces = f"{{enabled: true, table: {table}}}"
    return Run(program, place, ("nop",), start_at="beginning", traces=traces, poll_interval="1s")


def own(collector, name):
    page = collector.page(own=True)
    return next((value for series, value in page.items() if series.startswith(f"otelcol_receiver_mysql_cdr_{name}")), 0)


def traces(program, place, _):
    for how, table in (("key", "events_key"), ("time", "events")):
        begun = time.monotonic()
        with reads_events(program, place, table) as collector:
            collector.until_right(lambda made: made < CALLS - LATE, lambda: own(collector, "traces"))
            took = time.monotonic() - begun
            pid = collector.process.pid
            print(f"traces by {how}: {CALLS * len(CALL) / took:,.0f} events/s, {CALLS / took:,.0f} traces/s ({took:.2f} s), collector"
                  f" {cpu_seconds(pid):.2f} s of CPU, {status_mib(pid, 'VmHWM'):.1f} MiB at most", flush=True)


def open_calls(program, place, client):
    client.run("CREATE OR REPLACE TABLE no_events LIKE events_open")
    resident = {}
    for table, calls in (("no_events", 0), ("events_open", OPEN_CALLS)):
        with reads_events(program, place, table) as collector:
            looks = lambda: own(collector, "poll_seconds") > 0 and own(collector, "identities")
            collector.until_right(lambda found: found is False or found < calls, looks)
            time.sleep(5)  # what was needed only to read is given back
            resident[table] = status_mib(collector.process.pid, "VmRSS")
    none, all_of_them = resident["no_events"], resident["events_open"]
    print(f"open: {OPEN_CALLS} open calls of {OPEN_EVENTS} events: {none:.1f} -> {all_of_them:.1f} MiB resident,"
          f" {1024 * (all_of_them - none) / OPEN_CALLS:.2f} KiB a call", flush=True)


CASES = {"backlog": backlog, "insert": insert, "poll": poll, "binlog": binlog, "traces": traces, "open": open_calls}


def main():
    if len(sys.argv) < 3 or not set(sys.argv[3:]) <= CASES.keys():
        sys.exit(__doc__)
    place = server.start("mariadb", sys.argv[2], OPTIONS)
    try:
        client = Client(place)
        fill(client)
        if sys.argv[1] != "fill":
            program = pathlib.Path(sys.argv[1]).resolve()
            client.run("FLUSH TABLES")
            for case in sys.argv[3:] or CASES:
                CASES[case](program, place, client)
        client.close()
    finally:
        server.stop(sys.argv[2])


if __name__ == "__main__":
    main()
