#!/usr/bin/env -S python3 -B
"""cdr.py PROGRAM SUITE...: a real Asterisk writes CDR and CEL through ODBC while calls are made, and the receiver counts and
traces those calls.

SUITE is `sid` for Asterisk 22, `bullseye` for 16. Each writes a table of the old shape and one of Asterisk's own into a real
MariaDB, and its events with the names of their types and with the numbers; one collector asks for the rows, another has them
from replication. The counts of both must be the calls that were made, by how each is known to end, and what SQL and
testdata/expected.py find in the tables. There must be one trace a call, under the id that its linkedid gives, whose root says
how the call ended.

Under CI what cannot be had is a failure, elsewhere a skip that is printed.
"""

import asyncio
import collections
import contextlib
import os
import pathlib
import re
import sys
import tempfile
import time

import scenarios
import sip
import truth
from asterisk import HERE, Asterisk, Installation, NotAvailable

sys.path.insert(0, str(HERE.parent / "mysql"))
import server  # noqa: E402
from capture import count, create, differs, page  # noqa: E402
from client import Client  # noqa: E402
from collector import Collector  # noqa: E402

# How many calls each scenario makes, and how they end in CDR, which knows no cancel. Who gives up in a queue was answered by
# the queue, or not by the agent whose phone rings: whichever it was then.
ENDINGS = {
    scenarios.answered: (1, "ANSWERED"), scenarios.busy: (1, "BUSY"), scenarios.no_answer: (1, "NO ANSWER"),
    scenarios.cancelled: (1, "NO ANSWER"), scenarios.queued: (1, "ANSWERED"), scenarios.transferred: (1, "ANSWERED"),
    scenarios.conference: (2, "ANSWERED"), scenarios.burst: (scenarios.BURST, "ANSWERED"),
    scenarios.abandoned: (2, None),
}
GAVE_UP = {"ANSWERED", "NO ANSWER"}
TABLES = ("cdr", "cdr_alembic")
# How rows come, and from which table of events traces are made.
MODES = {"poll": "cel", "binlog": "cel_numbers"}
SYSTEM = "real-pbx"
SETTINGS = {
    "tables": "[{name: cdr}, {name: cdr_alembic}]", "poll_interval": "200ms", "collection_interval": "200ms", "system_name": SYSTEM,
}
PATIENCE = 20


def database(place, name):
    """A database with tables that Asterisk may write."""
    client = Client(place)
    client.run(
        f"CREATE DATABASE {name}", f"USE {name}", create("cdr", "cdr"), create("cdr_alembic", "cdr_alembic", end=", KEY (start)"),
        create("cel", "cel"), "CREATE TABLE cel_numbers LIKE cel", "ALTER TABLE cel_numbers MODIFY eventtype INT", "CREATE USER IF NOT EXISTS asterisk@'127.0.0.1' IDENTIFIED BY 'written'",
        f"GRANT SELECT, INSERT ON {name}.* TO asterisk@'127.0.0.1'",
    )
    return client


def rows(client, table):
    """All rows, each a dictionary of texts."""
    columns = [row[0] for row in client.run(f"SHOW COLUMNS FROM {table}")]
    return [dict(zip(columns, row, strict=True)) for row in client.run(f"SELECT * FROM {table}")]


async def make_calls(asterisk):
    """Plays all scenarios; how many calls ended how."""

    async def check(step, **expected):
        end = time.monotonic() + PATIENCE
        while True:
            true = await asyncio.to_thread(truth.state, asterisk)
            if all(true[key] == value for key, value in expected.items()):
                return
            assert time.monotonic() < end, f"{step}: expected {expected}, Asterisk shows {true}"
            await asyncio.sleep(0.05)

    made = collections.Counter()
    phones = scenarios.Phones(lambda user, password: sip.Phone(user, ("127.0.0.1", asterisk.sip_port), password))
    await phones.open()
    with contextlib.closing(phones):
        await phones.register()
        await check("registered", contacts=3)
        for scenario, (calls, ending) in ENDINGS.items():
            await asyncio.wait_for(scenario(phones, check), 120)
            made[ending] += calls
    return made


def dispositions():
    """How many traces of the calls that are made end how: a trace knows a cancel."""
    found = collections.Counter()
    for scenario, (calls, ending) in ENDINGS.items():
        found[scenarios.ALL.get(scenario, (ending,))[0]] += calls
    return found


def wrong_traces(traces, linkedids):
    """What is wrong with them."""
    missing = {linkedid for linkedid in linkedids if truth.trace_id(SYSTEM, linkedid) not in traces}
    if missing or len(traces) > len(linkedids):
        return f"expected {len(linkedids)} traces, found {len(traces)}; missing are those of {missing}"
    found = collections.Counter()
    for spans in traces.values():
        roots = {span["spanId"]: span for span in spans if not span.get("parentSpanId")}
        assert len(roots) == 1, f"roots {roots}"
        (root,) = roots.values()
        attributes = {attribute["key"]: attribute["value"] for attribute in root["attributes"]}
        found[attributes["asterisk.disposition"]["stringValue"]] += 1
    return "" if found == dispositions() else f"traces end so: {found}, expected {dispositions()}"


def settings(name, mode, settle="10s"):
    traces = f"{{enabled: true, table: {MODES[mode]}, settle: 1s}}"
    return {**SETTINGS, "database": name, "mode": mode, "settle": settle, "traces": traces}


async def beside(program, place, suite, folder):
    """Everything with one Asterisk; a line that says what was seen."""
    installation = Installation(suite)
    installation.fetch()
    name = f"asterisk_{suite}"
    client = database(place, name)
    asterisk = Asterisk(installation, folder / suite, (place["PORT"], name))
    collectors = []
    with contextlib.ExitStack() as stack:
        stack.callback(asterisk.stop)
        await asyncio.to_thread(asterisk.start)
        version = re.search(r"Asterisk (\S+)", asterisk.cli("core show version"))[1]
        for mode in MODES:
            place_of = folder / f"{suite}-{mode}"
            place_of.mkdir()
            collector = Collector(program, place_of, place["SOCKET"], ("prometheus", "file"), **settings(name, mode))
            collector.start()
            stack.callback(collector.process.kill)
            collectors.append((mode, collector))
        for _, collector in collectors:
            await asyncio.to_thread(collector.until_right, lambda page: not all(f'table="{table}"' in str(page) for table in TABLES))
        made = await make_calls(asterisk)
        await asyncio.to_thread(asterisk.stop)  # which writes what it has
        written = {table: count(rows(client, table)) for table in TABLES}
        found = collections.Counter(written["cdr_alembic"]["dispositions"])
        beyond = found - made
        gave_up = made.pop(None)
        assert made <= found and beyond.total() == gave_up and beyond.keys() <= GAVE_UP, f"{version}: made {made}, found {found}"
        linkedids = [row[0] for row in client.run("SELECT DISTINCT linkedid FROM cdr_alembic")]
        assert len(linkedids) == made.total() + gave_up, f"{version}: {len(linkedids)} linkedids of {made}"
        for mode, collector in collectors:
            # Nothing more comes: no call needs to wait for other rows of its own.
            collector.stop()
            collector.configure(**settings(name, mode, settle="100ms"))
            collector.start()
            stack.callback(collector.process.kill)
            for table in TABLES:
                expected = page(written[table], table)
                await asyncio.to_thread(collector.until_right, lambda found, expected=expected: differs(found, expected))
            await asyncio.to_thread(collector.until_right, lambda traces: wrong_traces(traces, linkedids), collector.traces)
            collector.stop()
    events = client.run("SELECT COUNT(*), COUNT(DISTINCT linkedid) FROM cel")[0]
    client.close()
    counts = ", ".join(f"{calls} {ending}" for ending, calls in found.items() if calls)
    print(f"  Asterisk {version}: {counts}; {written['cdr']['rows']} rows a table, by {' and '.join(MODES)}; {events[0]} events of"
          f" {events[1]} calls: {len(linkedids)} traces from names and from numbers", flush=True)


async def run(program, suites, folder):
    place = await asyncio.to_thread(server.start, "mariadb", folder / "server", [])
    try:
        await asyncio.gather(*(beside(program, place, suite, folder) for suite in suites))
    finally:
        server.stop(folder / "server")


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    with tempfile.TemporaryDirectory(prefix="cdr-") as folder:
        try:
            asyncio.run(run(pathlib.Path(sys.argv[1]).resolve(), sys.argv[2:], pathlib.Path(folder)))
        except NotAvailable as reason:
            if os.environ.get("CI"):
                raise
            print(f"cdr.py: skipped: {reason}")
            return
    print("cdr.py: passed")


if __name__ == "__main__":
    main()
