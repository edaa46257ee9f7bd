#!/usr/bin/env python3
"""Writes <host>/expected.txt for each host tree beside this file: what the scrapers must give, all metrics enabled.

Written from proc(5) and contrib's metadata.yaml alone. Line: name|unit|kind|attributes|start|value.
Values are exact fractions until the last step.
"""
import math
import pathlib
import re
from fractions import Fraction

HERE = pathlib.Path(__file__).parent
TCP = {"01": "ESTABLISHED", "02": "SYN_SENT", "03": "SYN_RECV", "04": "FIN_WAIT_1", "05": "FIN_WAIT_2",
       "06": "TIME_WAIT", "07": "CLOSE", "08": "CLOSE_WAIT", "09": "LAST_ACK", "0A": "LISTEN", "0B": "CLOSING"}


def host(root):
    out = []
    text = lambda name: (root / name).read_text()
    stat = text("proc/stat")
    boot = int(re.search(r"^btime (\d+)", stat, re.M)[1])

    def point(name, unit, kind, value, **attributes):
        if isinstance(value, int):
            value = min(value, 2**63 - 1)
        attributes = ",".join(f"{key}={attributes[key]}" for key in sorted(attributes))
        out.append(f"{name}|{unit}|{kind}|{attributes}|{boot}000000000|{value if isinstance(value, int) else repr(float(value))}")

    # cpu
    cpus = [line.split() for line in re.findall(r"^cpu\d.*", stat, re.M)]
    columns = ["user", "nice", "system", "idle", "wait", "interrupt", "softirq", "steal"]
    for column, state in enumerate(columns, 1):
        ticks = sum(int(cpu[column]) if len(cpu) > column else 0 for cpu in cpus)
        point("system.cpu.time", "s", "counter", Fraction(ticks, 100), state=state)
    point("system.cpu.logical.count", "{cpu}", "updown", len(cpus))
    siblings = {(root / f"sys/devices/system/cpu/{cpu[0]}/topology/{name}").read_text()
                for cpu in cpus for name in ["core_cpus_list", "thread_siblings_list"]
                if (root / f"sys/devices/system/cpu/{cpu[0]}/topology/{name}").exists()}
    blocks = [dict(re.findall(r"^([^:\n]*\S)\s*:\s*(.*)$", block, re.M)) for block in text("proc/cpuinfo").split("\n\n")]
    blocks = [block for block in blocks if "processor" in block]
    sockets = {block.get("physical id"): int(block.get("cpu cores", 0)) for block in blocks}
    point("system.cpu.physical.count", "{cpu}", "updown", len(siblings) or sum(sockets.values()))
    for block in blocks:
        point("system.cpu.frequency", "Hz", "gauge", Fraction(block["cpu MHz"]) * 10**6, cpu="cpu" + block["processor"])

    # load
    for minutes, load in zip((1, 5, 15), text("proc/loadavg").split()):
        point(f"system.cpu.load_average.{minutes}m", "{thread}", "gauge", Fraction(load))

    # memory
    info = {}
    for key, number, unit in re.findall(r"^(\S+):\s+(\d+)( kB)?$", text("proc/meminfo"), re.M):
        info[key] = int(number) * (1024 if unit else 1)
    total, free = info["MemTotal"], info["MemFree"]
    slab = info.get("SReclaimable", 0)
    cached = info["Cached"] + slab
    if "MemAvailable" in info:
        available = info["MemAvailable"]
    elif "SReclaimable" in info:
        low = 4096 * sum(map(int, re.findall(r"^\s+low\s+(\d+)$", text("proc/zoneinfo"), re.M)))
        files = info["Active(file)"] + info["Inactive(file)"]
        available = free - low + files - min(files // 2, low) + slab - min(slab // 2, low)
    else:
        available = free + cached
    usage = {"used": total - available, "free": free, "buffered": info["Buffers"], "cached": cached,
             "slab_reclaimable": slab, "slab_unreclaimable": info.get("SUnreclaim", 0)}

    def ratio(part, whole):
        digits = len(str(max(part, whole)))
        return Fraction(math.floor(Fraction(part * 10**digits, whole) + Fraction(1, 2)), 10**digits)

    for state, value in usage.items():
        point("system.memory.usage", "By", "updown", value, state=state)
        point("system.memory.utilization", "1", "gauge", ratio(value, total), state=state)
    point("system.linux.memory.available", "By", "updown", available)
    point("system.linux.memory.dirty", "By", "updown", info["Dirty"])
    point("system.memory.limit", "By", "updown", total)
    point("system.memory.linux.shared", "By", "updown", info.get("Shmem", 0))
    point("system.memory.page_size", "By", "gauge", 4096)
    huge, huge_free = info["HugePages_Total"], info["HugePages_Free"]
    prefix = "system.memory.linux.hugepages."
    point(prefix + "limit", "{page}", "updown", huge)
    point(prefix + "page_size", "By", "updown", info["Hugepagesize"])
    point(prefix + "reserved", "{page}", "updown", info["HugePages_Rsvd"])
    point(prefix + "surplus", "{page}", "updown", info.get("HugePages_Surp", 0))
    for state, pages in (("free", huge_free), ("used", huge - huge_free)):
        point(prefix + "usage", "{page}", "updown", pages, **{prefix + "state": state})
        if huge:
            point(prefix + "utilization", "1", "gauge", ratio(pages, huge), **{prefix + "state": state})

    # disk
    for line in text("proc/diskstats").splitlines():
        fields = line.split()
        numbers = list(map(int, fields[3:14]))
        if len(numbers) < 11 or not any(numbers):
            continue
        device = fields[2]
        for direction, (operations, merged, sectors, millis) in (("read", numbers[:4]), ("write", numbers[4:8])):
            common = {"device": device, "direction": direction}
            point("system.disk.io", "By", "counter", sectors * 512, **common)
            point("system.disk.operations", "{operations}", "counter", operations, **common)
            point("system.disk.merged", "{operations}", "counter", merged, **common)
            point("system.disk.operation_time", "s", "counter", Fraction(millis, 1000), **common)
        point("system.disk.pending_operations", "{operations}", "updown", numbers[8], device=device)
        point("system.disk.io_time", "s", "counter", Fraction(numbers[9], 1000), device=device)
        point("system.disk.weighted_io_time", "s", "counter", Fraction(numbers[10], 1000), device=device)

    # network
    for line in text("proc/net/dev").splitlines()[2:]:
        device, _, rest = line.rpartition(":")
        numbers = list(map(int, rest.split()))
        for direction, (size, packets, errors, dropped) in (("receive", numbers[:4]), ("transmit", numbers[8:12])):
            common = {"device": device.strip(), "direction": direction}
            point("system.network.io", "By", "counter", size, **common)
            point("system.network.packets", "{packets}", "counter", packets, **common)
            point("system.network.errors", "{errors}", "counter", errors, **common)
            point("system.network.dropped", "{packets}", "counter", dropped, **common)
    states = [line.split()[3] for name in ("tcp", "tcp6") if (root / "proc/net" / name).exists()
              for line in text(f"proc/net/{name}").splitlines()[1:]]
    for code, state in TCP.items():
        point("system.network.connections", "{connections}", "updown", states.count(code), protocol="tcp", state=state)
    point("system.network.connections", "{connections}", "updown", 0, protocol="tcp", state="DELETE")
    for name in ("count", "max"):
        path = root / f"proc/sys/net/netfilter/nf_conntrack_{name}"
        if path.exists():
            point(f"system.network.conntrack.{name}", "{entries}", "updown", int(path.read_text()))
    return sorted(out)


for root in sorted(path.parent for path in HERE.glob("*/proc")):
    (root / "expected.txt").write_text("\n".join(host(root)) + "\n")
