#!/usr/bin/env python3
"""Counts what the captured tables of channel events tell: `cel_expected.py > cel_expected.json`. Knows nothing of the receiver.

    calls         distinct linkedids         ended     of them with LINKEDID_END
    legs          distinct uniqueids         answers   ANSWER events
    answered      calls whose first channel, or one that was dialled, has ANSWER
    causes        HANGUP events by hangup cause
    dials         channels with an event inside AppDial, AppDial2 or AppQueue
    rings         of them with AppQueue
    waits         APP_START of Queue
    talks         bridges that two channels of a call are in, neither ConfBridge's nor a parking lot's
    conferences   BRIDGE_ENTER inside ConfBridge
    parks         PARK_START                 transfers BLINDTRANSFER
"""

import collections
import csv
import gzip
import json
import pathlib

HERE = pathlib.Path(__file__).parent
DIALLED = {"AppDial", "AppDial2", "AppQueue"}


def count(name):
    path = HERE / name
    with gzip.open(path, "rt", newline="") if path.suffix == ".gz" else open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    of = lambda kind, app=None: [r for r in rows if r["eventtype"] == kind and app in (None, r["appname"])]
    dialled = {row["uniqueid"] for row in rows if row["appname"] in DIALLED}
    answered = {
        row["linkedid"]
        for row in of("ANSWER")
        if row["uniqueid"] == row["linkedid"] or row["uniqueid"] in dialled
    }
    members = collections.defaultdict(set)
    for row in of("BRIDGE_ENTER"):
        extra = json.loads(row["extra"])
        if row["appname"] not in ("ConfBridge", "Park") and extra["bridge_technology"] != "holding_bridge":
            members[extra["bridge_id"]].add(row["uniqueid"])
    return {
        "calls": len({row["linkedid"] for row in rows}),
        "ended": len(of("LINKEDID_END")),
        "legs": len({row["uniqueid"] for row in rows}),
        "answers": len(of("ANSWER")),
        "answered": len(answered),
        "causes": collections.Counter(str(json.loads(row["extra"])["hangupcause"]) for row in of("HANGUP")),
        "dials": len(dialled),
        "rings": len({row["uniqueid"] for row in rows if row["appname"] == "AppQueue"}),
        "waits": len(of("APP_START", "Queue")),
        "talks": sum(len(channels) > 1 for channels in members.values()),
        "conferences": len(of("BRIDGE_ENTER", "ConfBridge")),
        "parks": len(of("PARK_START")),
        "transfers": len(of("BLINDTRANSFER")),
    }


names = ["scenarios_cel.csv", "load_cel.csv.gz"]
print(json.dumps({name.split(".")[0]: count(name) for name in names}, indent=2, sort_keys=True))
