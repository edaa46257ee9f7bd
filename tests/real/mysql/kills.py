#!/usr/bin/env -S python3 -B
"""kills.py PROGRAM [SEEDS]: the program is killed while rows are written, and counts each call once.

Captured rows are written in their true order with random pauses, while the program is killed (SIGKILL) two to five times at
random moments and started again. /metrics after the last start must be the truth, counted from the capture by
testdata/expected.py. All of it SEEDS times (10) for each way of reading: by time, by key, by replication.

Under CI a server that cannot be had is a failure, elsewhere a skip that is printed.
"""

import concurrent.futures
import os
import pathlib
import random
import sys
import tempfile
import threading
import time

import server
from capture import Capture, count, create, differs, insert, page
from client import Client
from collector import Collector

# For each way: the capture, what comes before and behind the columns of its table, and settings.
WAYS = {
    "time": ("scenarios_cdr_alembic", "", ", KEY (start)", {}),
    "key": ("scenarios_cdr", "id INT NOT NULL AUTO_INCREMENT PRIMARY KEY,", "", {}),
    "binlog": ("scenarios_cdr_alembic", "", "", {"mode": "binlog"}),
}
SETTINGS = {
    "table": "calls", "start_at": "beginning", "poll_interval": "30ms", "full_interval": "300ms", "lookback": "500ms",
    "settle": "50ms", "chunk_rows": 7, "collection_interval": "50ms", "server_metrics": "false",
}
AT_A_TIME = 3


def write(client, capture, chance):
    """Writes all rows within a second or two."""
    for statements in capture.calls("calls"):
        client.run(*statements)
        time.sleep(chance.uniform(0, 0.04))


def one(program, place, folder, way, seed):
    chance = random.Random(f"{way} {seed}")
    name, first, end, settings = WAYS[way]
    capture, database = Capture(name), f"{way}_{seed}"
    folder = folder / database
    folder.mkdir()
    client = Client(place)
    client.run(f"CREATE DATABASE {database}", f"USE {database}", create(capture.shape, "calls", first, end))
    collector = Collector(program, folder, place["SOCKET"], database=database, **SETTINGS, **settings)
    collector.start()
    try:
        collector.until_right(lambda found: "" if "asterisk_cdr_rows_total" in found else "no first record")
        writer = threading.Thread(target=write, args=(client, capture, chance))
        writer.start()
        kills = 2 + chance.randrange(4)
        for _ in range(kills):
            time.sleep(chance.uniform(0, 3 / kills))
            collector.kill()
            collector.start()
        writer.join()
        collector.until_right(lambda found: differs(found, page(capture.expected)))
        collector.kill()
        collector.start()
        # When one more call is counted, all that came before it was looked at again.
        last = {column: "last" if column in ("uniqueid", "linkedid") else field for column, field in capture.rows[-1].items()}
        client.run(insert("calls", last))
        collector.until_right(lambda found: differs(found, page(count([*capture.rows, last]))))
        collector.stop()
    finally:
        if collector.process.poll() is None:
            collector.kill()
    client.run(f"DROP DATABASE {database}")
    client.close()
    return kills + 1


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    program, seeds = pathlib.Path(sys.argv[1]).resolve(), int(sys.argv[2]) if len(sys.argv) == 3 else 10
    with tempfile.TemporaryDirectory(prefix="kills-") as folder, concurrent.futures.ThreadPoolExecutor(AT_A_TIME) as pool:
        folder = pathlib.Path(folder)
        try:
            place = server.start("mariadb", folder / "server", [])
        except server.NotAvailable as reason:
            if os.environ.get("CI"):
                raise
            print(f"kills.py: skipped: {reason}")
            return
        try:
            for way in WAYS:
                begun = time.monotonic()
                kills = sum(pool.map(lambda seed: one(program, place, folder, way, seed), range(seeds)))
                print(f"kills.py: by {way}: {seeds} of {seeds} true, {kills} kills, {time.monotonic() - begun:.0f} s", flush=True)
        finally:
            server.stop(folder / "server")


if __name__ == "__main__":
    main()
