#!/usr/bin/env python3
"""summary.py DIR: medians of ours.jsonl and go.jsonl in DIR and the ratio ours/go, a table row a measurement."""
import json
import statistics
import sys
from pathlib import Path

KEYS = ("test", "signal", "per_packet", "rate_asked", "items_per_req", "series", "encoding")
FIGURES = ("cpu_s_per_M_received", "cpu_s_per_M", "cpu_ms_mean", "loss_pct", "items_s", "rss_mib", "hwm_mib", "cpu_s")


def medians(path):
    groups = {}
    for line in path.read_text().splitlines() if path.exists() else []:
        row = json.loads(line)
        groups.setdefault(tuple((k, row[k]) for k in KEYS if k in row), []).append(row)
    return {
        key: {f: statistics.median(v) for f in FIGURES if (v := [r[f] for r in rows if r.get(f) is not None])}
        for key, rows in groups.items()
    }


results = Path(sys.argv[1])
ours, go = medians(results / "ours.jsonl"), medians(results / "go.jsonl")
print("| measurement | figure | ours | Go 0.161 | ratio |\n| --- | --- | --- | --- | --- |")
for key, mine in ours.items():
    for figure, value in mine.items():
        theirs = go.get(key, {}).get(figure)
        ratio = f"{value / theirs:.3f}" if theirs else ""
        name = " ".join(str(v) for _, v in key)
        print(f"| {name} | {figure} | {value} | {'' if theirs is None else theirs} | {ratio} |")
