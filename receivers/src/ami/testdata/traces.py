#!/usr/bin/env python3
"""What each transcript tells, counted from its bytes alone: the number of spans that its traces must have.

Writes traces/expected.tsv beside this file. A line: folder, transcript, and for each kind of span its number.

    calls   distinct Linkedids of Newchannel
    legs    Newchannel
    dials   distinct channels that are dialled (DestUniqueid of DialBegin and DialEnd)
    waits   QueueCallerJoin       rings   AgentCalled        conferences  ConfbridgeJoin
    parks   ParkedCall            agi     AGIExecStart       holds        Hold
    failed  legs that ended with a cause that is a failure
    ended   calls all of whose channels hung up

Transcripts without a Newchannel are left out, and those whose lists tell of channels that began before.
"""

import base64
import gzip
import json
import pathlib

HERE = pathlib.Path(__file__).parent
COLUMNS = "calls legs dials waits rings conferences parks agi holds failed ended".split()
# Causes by which nothing failed: clearing, busy, no answer, rejected, redirected, answered elsewhere, unspecified ones.
FINE = {0, 16, 17, 18, 19, 21, 23, 26, 31, 127}


def events(path):
    data = b"".join(
        base64.b64decode(line["b64"])
        for line in map(json.loads, gzip.open(path))
        if line["dir"] == "s2c"
    )
    for message in data.split(b"\r\n\r\n")[:-1]:
        fields = {}
        for line in message.split(b"\r\n"):
            key, _, value = line.decode("utf-8", "replace").partition(":")
            fields.setdefault(key, value[1:] if value.startswith(" ") else value)
        if "Event" in fields:
            yield fields


def count(path):
    row = dict.fromkeys(COLUMNS, 0)
    calls, dialled = {}, set()
    simple = {
        "Newchannel": "legs", "QueueCallerJoin": "waits", "AgentCalled": "rings", "ConfbridgeJoin": "conferences",
        "ParkedCall": "parks", "AGIExecStart": "agi", "Hold": "holds",
    }  # fmt: skip
    for event in events(path):
        name = event["Event"]
        if name == "CoreShowChannel":
            return None
        if name in simple:
            row[simple[name]] += 1
        if name == "Newchannel":
            calls.setdefault(event["Linkedid"], set()).add(event["Uniqueid"])
        if name in ("DialBegin", "DialEnd"):
            dialled.add(event["DestUniqueid"])
        if name == "Hangup":
            row["failed"] += int(event["Cause"]) not in FINE
            for channels in calls.values():
                channels.discard(event["Uniqueid"])
    row["calls"] = len(calls)
    row["dials"] = len(dialled)
    row["ended"] = sum(not channels for channels in calls.values())
    return row if calls else None


def main():
    lines = ["\t".join(["folder", "transcript", *COLUMNS])]
    for folder in ("asterisk16", "asterisk22"):
        for path in sorted((HERE / "captures" / folder).glob("*.jsonl.gz")):
            row = count(path)
            if row:
                lines.append("\t".join([folder, path.name.removesuffix(".jsonl.gz"), *(str(row[c]) for c in COLUMNS)]))
    (HERE / "traces").mkdir(exist_ok=True)
    (HERE / "traces" / "expected.tsv").write_text("\n".join(lines) + "\n")


main()
