#!/usr/bin/env python3
"""summary.py DIR: medians of ours.jsonl and of a peer's in DIR and the ratio of ours to it, a table row a measurement."""
import json
import statistics
import sys
from pathlib import Path

KEYS = ("test", "made_of", "signal", "per_packet", "rate_asked", "items_per_req", "series", "encoding")
FIGURES = ("cpu_us_per_event", "cpu_s_per_M_received", "cpu_s_per_M", "cpu_ms_mean", "loss_pct", "items_s", "rss_mib", "hwm_mib", "cpu_s")


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
ours = medians(results / "ours.jsonl")
alone = dict(ours)
for peer, title in (("go", "Go 0.161"), ("bridge", "the guide's bridge")):
    peers = medians(results / f"{peer}.jsonl")
    if peers:
        print(f"| measurement | figure | ours | {title} | ratio |\n| --- | --- | --- | --- | --- |")
    for key in (key for key in ours if key in peers):
        alone.pop(key, None)
        for figure, value in ours[key].items():
            theirs = peers[key].get(figure)
            ratio = f"{value / theirs:.3f}" if theirs else ""
            name = " ".join(str(v) for _, v in key)
            print(f"| {name} | {figure} | {value} | {'' if theirs is None else theirs} | {ratio} |")
if alone:
    print("| measurement | figure | ours |\n| --- | --- | --- |")
for key, figures in alone.items():
    for figure, value in figures.items():
        print(f"| {' '.join(str(v) for _, v in key)} | {figure} | {value} |")
