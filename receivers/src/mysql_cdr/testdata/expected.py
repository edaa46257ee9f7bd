#!/usr/bin/env python3
"""Counts the calls of the captured tables: `expected.py > expected.json`. Knows nothing of the receiver."""

import collections
import csv
import datetime
import json
import pathlib
import re

HERE = pathlib.Path(__file__).parent
ORDER = ["ANSWERED", "BUSY", "CONGESTION", "FAILED", "NO ANSWER"]
BOUNDS = [5, 10, 30, 60, 120, 300, 600, 1800]
ANSWER_BOUNDS = [1, 2, 5, 10, 15, 20, 30, 45, 60, 120]


def read(name):
    with open(HERE / f"{name}.csv", newline="") as file:
        return list(csv.DictReader(file))


def trunk(row):
    """Technology and peer of the channel that was called: without its serial, and without a number behind a second slash."""
    found = re.fullmatch(r"([^/]+)/(.+?)(?:/.*)?(?:-[0-9a-f]+)?(?:;[12])?", row["dstchannel"] or "")
    return found.groups() if found else (None, None)


def answer_time(row):
    """Seconds from the start of a call to its answer."""
    if "answer" not in row:
        return int(row["duration"]) - int(row["billsec"])
    start, answer = (datetime.datetime.fromisoformat(row[column]) for column in ("start", "answer"))
    return int((answer - start).total_seconds())


def weight(row):
    """Of a call's rows the one with the best ending counts, of equal endings the longest; then the one that began first, and
    what is left is the order of their texts."""
    technology, peer = trunk(row)
    return (
        ORDER.index(row["disposition"]), -int(row["duration"]), -int(row["billsec"]), row.get("start") or row["calldate"],
        answer_time(row) if row["disposition"] == "ANSWERED" else 0, row["dcontext"], row["lastapp"], technology or "",
        "" if technology in (None, "Local") else peer,
    )


def by(best):
    """The calls by what labels tell of them: name of the series, labels, calls."""
    counts = collections.Counter()
    for row in best:
        ending, (technology, peer) = row["disposition"], trunk(row)
        counts["calls_by_context", ("context", row["dcontext"]), ("disposition", ending)] += 1
        counts["calls_by_application", ("application", row["lastapp"])] += 1
        counts["calls_by_hour", ("hour", (row.get("start") or row["calldate"])[11:13])] += 1
        if technology:
            counts["calls_by_technology", ("technology", technology), ("disposition", ending)] += 1
        if technology not in (None, "Local"):
            counts["calls_by_trunk", ("trunk", f"{technology}/{peer}"), ("disposition", ending)] += 1
    return [[name, labels, count] for (name, *labels), count in sorted(counts.items())]


def count(rows):
    """What rows come to, each a dictionary of its columns' texts."""
    calls = collections.defaultdict(list)
    for row in rows:
        calls[row.get("linkedid") or row["uniqueid"]].append(row)
    best = [min(rows, key=weight) for rows in calls.values()]
    durations = [int(row["duration"]) for row in best]
    answered = [row for row in best if row["disposition"] == "ANSWERED"]
    answers = [answer_time(row) for row in answered]
    return {
        "rows": len(rows),
        "calls": len(calls),
        "dispositions": {ending: sum(row["disposition"] == ending for row in best) for ending in ORDER},
        "duration_sum": sum(durations),
        "duration_buckets": [sum(duration <= bound for duration in durations) for bound in BOUNDS] + [len(durations)],
        "billsec_sum": sum(int(row["billsec"]) for row in best),
        "answer_time_sum": sum(answers),
        "answer_time_buckets": [sum(time <= bound for time in answers) for bound in ANSWER_BOUNDS] + [len(answers)],
        "short_calls": sum(int(row["billsec"]) < 10 for row in answered),
        "by": by(best),
    }


if __name__ == "__main__":
    names = ["scenarios_cdr", "scenarios_cdr_alembic", "load_cdr", "load_cdr_alembic"]
    lines = [f'"{name}": {json.dumps(count(read(name)))}' for name in names]
    print("{\n" + ",\n".join(lines) + "\n}")
