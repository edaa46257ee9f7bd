#!/usr/bin/env python3
"""Compares what two collectors' hostmetrics receivers write, on the machine on which it runs.

    compare.py OTELCOL OTHER          runs both at once with every metric enabled
    compare.py OTELCOL.json OTHER.json compares what their file exporters wrote before

Must be equal: scopes, schema, resources, names, descriptions, units, types, temporality, monotony, start times, the set
of attributes of each metric. Values are printed where they differ by more than 5 %.
"""
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

OPTIONAL = {
    "cpu": ["system.cpu.utilization", "system.cpu.frequency", "system.cpu.physical.count"],
    "memory": ["system.linux.memory.available", "system.linux.memory.dirty", "system.memory.limit",
               "system.memory.linux.shared", "system.memory.page_size", "system.memory.utilization"]
              + ["system.memory.linux.hugepages." + name for name in
                 ("limit", "page_size", "reserved", "surplus", "usage", "utilization")],
    "disk": [], "load": [],
    "network": ["system.network.conntrack.count", "system.network.conntrack.max"],
}


def config(path):
    metrics = lambda names: {"metrics": {name: {"enabled": True} for name in names}} if names else None
    return json.dumps({
        "receivers": {"hostmetrics": {"collection_interval": "2s", "scrapers":
                                      {scraper: metrics(names) for scraper, names in OPTIONAL.items()}}},
        "exporters": {"file": {"path": path}},
        "service": {"telemetry": {"metrics": {"level": "none"}},
                    "pipelines": {"metrics": {"receivers": ["hostmetrics"], "exporters": ["file"]}}},
    })


def run(binaries):
    with tempfile.TemporaryDirectory() as folder:
        started = []
        for number, binary in enumerate(binaries):
            path = os.path.join(folder, f"{number}.yaml")
            with open(path, "w") as file:
                file.write(config(os.path.join(folder, f"{number}.json")))
            started.append(subprocess.Popen([binary, "--config", path], stderr=subprocess.DEVNULL))
        time.sleep(6)
        for process in started:
            process.send_signal(signal.SIGINT)
            process.wait()
        return [read(os.path.join(folder, f"{number}.json")) for number in range(len(binaries))]


def read(path):
    """The second scrape, in which the utilization is: metric -> what must be equal, and values by attributes."""
    batch = json.loads(open(path).read().splitlines()[1])
    metrics, values = {}, {}
    for resource in batch["resourceMetrics"]:
        for scope in resource["scopeMetrics"]:
            for metric in scope["metrics"]:
                kind = "sum" if "sum" in metric else "gauge"
                points = metric[kind]["dataPoints"]
                key = lambda point: tuple(sorted((a["key"], a["value"]["stringValue"]) for a in point.get("attributes", [])))
                metrics[metric["name"]] = {
                    "resource": resource["resource"], "schema": resource.get("schemaUrl"),
                    "scope": scope["scope"]["name"], "description": metric["description"], "unit": metric["unit"],
                    "kind": kind, "monotonic": metric[kind].get("isMonotonic"),
                    "temporality": metric[kind].get("aggregationTemporality"),
                    "start": {point["startTimeUnixNano"] for point in points},
                    "number": {"asInt" if "asInt" in point else "asDouble" for point in points},
                    "attributes": sorted(map(key, points)), "points": len(points),
                }
                for point in points:
                    values[metric["name"], key(point)] = float(point.get("asInt", point.get("asDouble")))
    return metrics, values


def main():
    arguments = sys.argv[1:]
    first, second = map(read, arguments) if arguments[0].endswith(".json") else run(arguments)
    differences = 0
    for name in sorted(first[0] | second[0]):
        a, b = first[0].get(name, {}), second[0].get(name, {})
        for field in sorted(a | b):
            if a.get(field) != b.get(field):
                differences += 1
                print(f"{name} {field}: {a.get(field)} != {b.get(field)}")
    for key in sorted(first[1].keys() & second[1].keys()):
        a, b = first[1][key], second[1][key]
        if abs(a - b) > 0.05 * max(abs(a), abs(b)):
            print(f"value of {key[0]} {dict(key[1])}: {a} and {b}")
    print(f"{len(first[0])} metrics with {len(first[1])} points: {differences} differences")
    sys.exit(differences > 0)


main()
