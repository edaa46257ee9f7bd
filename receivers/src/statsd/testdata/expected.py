#!/usr/bin/env python3
"""Makes expected.json: what the StatsD captures of this folder add up to, by plain sums over their datagrams.

  ./expected.py > expected.json

Each capture is cut into INTERVALS runs of datagrams. A gauge is known from its first datagram on and has at the end of each
run the sum of its increments since its last absolute value. Counters (c, m) and timers (ms) are summed over the whole
capture, sets (s) are counted in each run. Left out, and counted: negative counters; a contact's round trip time of -1, which
says that the contact did not answer. Nothing here is shared with the receiver.
"""
import base64, glob, gzip, json, os, re, sys
from fractions import Fraction

INTERVALS = 5
BOUNDS = [10, 25, 50, 100, 250, 500, 1000, 5000, 10000]  # the guide's


def datagrams(path):
    with gzip.open(path, "rt") as lines:
        return [base64.b64decode(json.loads(line)["b64"]) for line in lines]


def one(path):
    packets = datagrams(path)
    out = dict(datagrams=len(packets), accepted=0, refused={}, intervals=[], counters={}, timers={}, unreachable={})
    gauges = {}
    for run in range(INTERVALS):
        sets = {}
        for packet in packets[run * len(packets) // INTERVALS:(run + 1) * len(packets) // INTERVALS]:
            for line in packet.decode().split("\n"):
                if not line:
                    continue
                head, kind, *rest = line.split("|")
                name, value = head.rsplit(":", 1)
                times = Fraction(1)
                for part in rest:
                    assert part[0] == "@", line
                    times = 1 / Fraction(part[1:])
                out["accepted"] += 1
                if kind == "g":
                    gauges[name] = (gauges.get(name, 0) if value[0] in "+-" else 0) + Fraction(value)
                elif kind in ("c", "m"):
                    if Fraction(value) < 0:
                        out["accepted"] -= 1
                        out["refused"]["negative_counter"] = out["refused"].get("negative_counter", 0) + 1
                        continue
                    out["counters"][name] = out["counters"].get(name, 0) + Fraction(value) * times
                elif kind == "ms":
                    if Fraction(value) == -1 and re.search(r"PJSIP\.contacts\..*\.rtt$", name):
                        out["unreachable"][name[:-3] + "unreachable"] = out["unreachable"].get(name[:-3] + "unreachable", 0) + 1
                        continue
                    assert Fraction(value) >= 0, line
                    timer = out["timers"].setdefault(name, dict(count=0, sum=0, min=None, max=None, buckets=[0] * (len(BOUNDS) + 1)))
                    number = Fraction(value)
                    timer["count"] += 1
                    timer["sum"] += number
                    timer["min"] = number if timer["min"] is None else min(timer["min"], number)
                    timer["max"] = number if timer["max"] is None else max(timer["max"], number)
                    timer["buckets"][sum(1 for bound in BOUNDS if number > bound)] += 1
                elif kind == "s":
                    sets.setdefault(name, set()).add(value)
                else:
                    raise SystemExit(f"{path}: {line}")
        out["intervals"].append(dict(gauges=dict(gauges), sets={name: len(members) for name, members in sets.items()}))
    assert all(total.denominator == 1 for total in out["counters"].values())
    return out


here = os.path.dirname(os.path.abspath(__file__))
files = sorted(glob.glob(os.path.join(here, "*.jsonl.gz")))
number = lambda value: int(value) if value.denominator == 1 else float(value)
json.dump({os.path.basename(path): one(path) for path in files}, sys.stdout, indent=1, sort_keys=True, ensure_ascii=False, default=number)
print()
