#!/usr/bin/env python3
"""Counts the calls of the captured tables: `expected.py > expected.json`. Knows nothing of the receiver."""

import collections
import csv
import json
import pathlib

HERE = pathlib.Path(__file__).parent
ORDER = ["ANSWERED", "BUSY", "CONGESTION", "FAILED", "NO ANSWER"]
BOUNDS = [5, 10, 30, 60, 120, 300, 600, 1800]


def read(name):
    with open(HERE / f"{name}.csv", newline="") as file:
        return list(csv.DictReader(file))


def count(rows):
    """What rows come to, each a dictionary of its columns' texts."""
    calls = collections.defaultdict(list)
    for row in rows:
        calls[row.get("linkedid") or row["uniqueid"]].append(row)
    # Of a call's rows the best ending counts, and of equal endings the longest.
    best = [
        min(rows, key=lambda row: (ORDER.index(row["disposition"]), -int(row["duration"]), -int(row["billsec"])))
        for rows in calls.values()
    ]
    durations = [int(row["duration"]) for row in best]
    return {
        "rows": len(rows),
        "calls": len(calls),
        "dispositions": {ending: sum(row["disposition"] == ending for row in best) for ending in ORDER},
        "duration_sum": sum(durations),
        "duration_buckets": [sum(duration <= bound for duration in durations) for bound in BOUNDS] + [len(durations)],
        "billsec_sum": sum(int(row["billsec"]) for row in best),
    }


if __name__ == "__main__":
    names = ["scenarios_cdr", "scenarios_cdr_alembic", "load_cdr", "load_cdr_alembic"]
    print(json.dumps({name: count(read(name)) for name in names}, indent=2))
