#!/usr/bin/env -S python3 -B
"""run.py PROGRAM SUITE...: the collector beside a real Asterisk, with a real Jaeger and Loki behind it.

SUITE is `sid` for Asterisk 22, `bullseye` for 16. At each step of each call the gauges must equal what Asterisk's command line
shows; each call must have come to one trace in Jaeger and to the records of its events in Loki. Asterisk is killed and started
again in the middle.

Under CI what cannot be had is a failure, elsewhere a skip that is printed.
"""

import asyncio
import contextlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

import scenarios
import sip
import truth
from asterisk import HERE, Asterisk, Installation, NotAvailable, free_ports

SYSTEM = "real-pbx"
# What the root of a call says that did not end before everybody's ears.
MARKS = {"restart": {"asterisk.lost"}, "collector's end": {"asterisk.unfinished"}}
# What callers call themselves holds a number, which must not come through.
NUMBER, REDACTED = "4930123456", "Erika ***3456"
# How long something may take that takes milliseconds on an idle machine.
PATIENCE = 20

CONFIG = """
receivers:
  ami:
    endpoint: 127.0.0.1:{ami}
    username: otelcol
    password: correct-horse
    system_name: {system}
    collection_interval: 200ms
    resync_interval: 5s
    redaction: {{numbers: last4, names: keep}}
    reconnect: {{initial_interval: 100ms, max_interval: 500ms}}
exporters:
  prometheus: {{endpoint: "127.0.0.1:{page}"}}
  otlp: {{endpoint: "{otlp}", tls: {{insecure: true}}}}
  loki: {{endpoint: "{push}"}}
processors:
  batch: {{timeout: 100ms}}
service:
  pipelines:
    metrics: {{receivers: [ami], exporters: [prometheus]}}
    traces: {{receivers: [ami], processors: [batch], exporters: [otlp]}}
    logs: {{receivers: [ami], processors: [batch], exporters: [loki]}}
  telemetry: {{metrics: {{level: none}}}}
"""


def fetch(url):
    with urllib.request.urlopen(url, timeout=PATIENCE) as reply:
        return reply.read().decode()


class Backend:
    """A Jaeger or Loki, started by its script."""

    def __init__(self, name, folder):
        script = HERE.parent / name / "start.sh"
        started = subprocess.run([script, folder / name], stdout=subprocess.PIPE, text=True)
        if started.returncode != 0:
            raise NotAvailable(f"{script} failed")
        self.at = dict(line.split("=", 1) for line in started.stdout.split())

    def stop(self):
        os.kill(int(self.at["PID"]), 9)


class Collector:
    """The program under test."""

    def __init__(self, program, folder, asterisk, jaeger, loki):
        self.program, self.folder = program, folder
        (self.page_port,) = free_ports(1)
        (folder / "config.yaml").write_text(
            CONFIG.format(
                ami=asterisk.ami_port, system=SYSTEM, page=self.page_port, otlp=jaeger.at["OTLP_GRPC"], push=loki.at["PUSH"]
            )
        )

    def start(self):
        with open(self.folder / "collector.log", "w") as log:
            self.process = subprocess.Popen([self.program, "--config", self.folder / "config.yaml"], stdout=log, stderr=log)

    def stop(self):
        """Asks it to end, and returns its exit code."""
        self.process.terminate()
        return self.process.wait(PATIENCE)

    def values(self):
        """All series of the page: name and labels, value."""
        try:
            page = fetch(f"http://127.0.0.1:{self.page_port}/metrics")
        except OSError as error:
            if self.process.poll() is not None:
                raise AssertionError("the collector ended:\n" + (self.folder / "collector.log").read_text()) from error
            return {}
        lines = [line.rsplit(" ", 1) for line in page.splitlines() if line and not line.startswith("#")]
        return {series: float(value) for series, value in lines}

    def state(self):
        """What `truth.state` tells, as the gauges have it."""
        values = self.values()

        def total(name, **labels):
            parts = [f'{key}="{value}"' for key, value in labels.items()]
            of_name = [series for series in values if series.split("{")[0] == name and all(part in series for part in parts)]
            return int(sum(values[series] for series in of_name))

        return {
            "channels": total("asterisk_channels_count"),
            "calls": total("asterisk_calls_active"),
            "support": total("asterisk_queue_callers", queue="support"),
            "lonely": total("asterisk_queue_callers", queue="lonely"),
            "contacts": total("asterisk_endpoints_state_online"),
            "conferees": total("asterisk_conferences_participants"),
        }


class Run:
    """One Asterisk and all around it."""

    def __init__(self, asterisk, collector, jaeger, loki):
        self.asterisk, self.collector, self.jaeger, self.loki = asterisk, collector, jaeger, loki
        self.steps = 0
        self.linkedids = {}
        self.channels = {}

    async def check(self, step, **expected):
        """Waits until Asterisk shows what is expected, and the gauges show the same."""
        end = time.monotonic() + PATIENCE
        while True:
            true = await asyncio.to_thread(truth.state, self.asterisk)
            seen = await asyncio.to_thread(self.collector.state)
            as_expected = all(true[key] == value for key, value in expected.items())
            if as_expected and true == seen:
                self.steps += 1
                return
            if time.monotonic() > end:
                raise AssertionError(f"{step}: expected {expected}\nAsterisk shows {true}\nthe gauges   {seen}")
            await asyncio.sleep(0.05)

    async def play(self, phones, listener):
        """All scenarios; what each came to is in Asterisk's events, and on the page."""
        for scenario, (disposition, count) in scenarios.ALL.items():
            name = scenario.__name__
            phones.redirect = listener.redirect
            before = await asyncio.to_thread(self.collector.values)
            known = set(listener.calls())

            async def check(step, **expected):
                await self.check(f"{name}, {step}", **expected)

            await asyncio.wait_for(scenario(phones, check), 120)
            calls = {linkedid: channels for linkedid, channels in listener.calls().items() if linkedid not in known}
            assert len(calls) == count, f"{name}: expected {count} calls, found {calls}"
            self.linkedids.update(dict.fromkeys(calls, name))
            self.channels.update(calls)
            if disposition:
                await self.check_counters(name, before, disposition, count)
            print(f"  {name}: as Asterisk has it", flush=True)

    async def check_counters(self, name, before, disposition, count):
        """Calls are counted once each, under the right disposition, and as abandoned in a queue only those that were."""
        expected = {
            "asterisk_calls_total": count,
            "asterisk_calls_by_disposition_total": count,
            "asterisk_queue_abandoned_total": count if name == "abandoned" else 0,
        }
        series = {
            "asterisk_queue_abandoned_total": lambda text: True,
            "asterisk_calls_total": lambda text: True,
            "asterisk_calls_by_disposition_total": lambda text: f'disposition="{disposition}"' in text,
        }
        end = time.monotonic() + PATIENCE
        while True:
            after = await asyncio.to_thread(self.collector.values)
            grown = {
                metric: sum(
                    value - before.get(key, 0) for key, value in after.items() if key.split("{")[0] == metric and of_it(key)
                )
                for metric, of_it in series.items()
            }
            if grown == expected:
                return
            assert time.monotonic() < end, f"{name}: expected {expected} more, {disposition}, found {grown}"
            await asyncio.sleep(0.1)

    async def restart(self, phones):
        """Asterisk dies with a call up and one in the queue, and comes back."""
        call = phones.carrier.call("2001")
        there = await phones.annas_phone_rings()
        there.answer()
        await call.wait("up")
        waiting = phones.carrier.call("3001")
        await waiting.wait("up")
        await self.check("restart, before", calls=2, lonely=1)
        await asyncio.to_thread(self.asterisk.stop, hard=True)
        await asyncio.to_thread(self.asterisk.start)
        await phones.register()
        await self.check("restart, after", channels=0, calls=0, lonely=0, contacts=3)
        print("  restart: the gauges are true again", flush=True)

    async def stop(self, phones, listener):
        """The collector ends while a call is up."""
        known = set(listener.calls())
        call = phones.carrier.call("2001")
        (await phones.annas_phone_rings()).answer()
        await call.wait("up")
        await self.check("the collector's end", channels=2, calls=1)
        self.linkedids.update((linkedid, "collector's end") for linkedid in listener.calls() if linkedid not in known)
        status = await asyncio.to_thread(self.collector.stop)
        assert status == 0, f"the collector ended with {status}"

    def traces(self, listener_calls):
        """Each call is one trace, whose root and channels are there."""
        end = time.monotonic() + PATIENCE
        missing = dict(listener_calls)
        while missing:
            for linkedid in list(missing):
                spans = self.trace(linkedid)
                if spans:
                    self.look_at_trace(linkedid, spans, missing.pop(linkedid))
            assert time.monotonic() < end, f"no trace of {[(self.linkedids.get(id), id) for id in missing]}"
            time.sleep(0.2)

    def trace(self, linkedid):
        try:
            reply = json.loads(fetch(f"{self.jaeger.at['QUERY']}/api/traces/{truth.trace_id(SYSTEM, linkedid)}"))
        except urllib.error.HTTPError:
            return None
        return reply["data"][0]["spans"] if reply.get("data") else None

    def look_at_trace(self, linkedid, spans, channels):
        name = self.linkedids.get(linkedid, "restart")
        roots = [span for span in spans if not span["references"]]
        assert [root["operationName"] for root in roots] == ["asterisk.call"], f"{name}: roots {roots}"
        tags = [{tag["key"]: tag["value"] for tag in span["tags"]} for span in spans]
        root = tags[spans.index(roots[0])]
        # What is not over has come to nothing yet.
        disposition, _ = scenarios.BY_NAME.get(name, (None if name == "collector's end" else "ANSWERED", 0))
        assert root.get("asterisk.disposition") == disposition, f"{name}: expected {disposition}, found {root}"
        failed = disposition not in ("ANSWERED", "CANCEL", None) or name == "abandoned"
        marks = {key for key in ("asterisk.lost", "asterisk.unfinished", "asterisk.found") if root.get(key)}
        assert marks == MARKS.get(name, set()), f"{name}: {root}"
        if name != "restart":
            assert bool(root.get("error")) == failed, f"{name}: {root}"
        names = {span["operationName"] for span in spans}
        uniqueids = {tag["asterisk.uniqueid"] for tag in tags if "asterisk.uniqueid" in tag}
        assert linkedid in uniqueids, f"{name}: {uniqueids}"
        assert root["asterisk.caller_name"] == REDACTED, f"{name}: {root}"
        assert NUMBER not in json.dumps(spans), f"{name}: a number came through: {spans}"
        wanted = scenarios.SPANS.get(name, set())
        assert wanted <= names, f"{name}: expected spans {wanted}, found {sorted(names)}"
        assert len(spans) > len(channels), f"{name}: {len(spans)} spans for {channels}"

    def logs(self, hangups):
        """Each channel's end is one record in Loki, with the trace of its call."""
        expected = {truth.trace_id(SYSTEM, linkedid): count for linkedid, count in hangups.items()}
        query = urllib.parse.urlencode({"query": '{exporter="OTLP"} |= "Hangup channel="', "limit": 5000, "since": "1h"})
        end = time.monotonic() + PATIENCE
        while True:
            reply = json.loads(fetch(f"{self.loki.at['QUERY']}/loki/api/v1/query_range?{query}"))
            assert NUMBER not in json.dumps(reply), f"a number came through: {reply}"
            found = {}
            for stream in reply["data"]["result"]:
                for _, line in stream["values"]:
                    record = json.loads(line)
                    if record["attributes"]["asterisk.event"] == "Hangup":
                        found[record["traceid"]] = found.get(record["traceid"], 0) + 1
            if all(found.get(trace) == count for trace, count in expected.items()):
                return sum(expected.values())
            assert time.monotonic() < end, f"hangups in Loki: expected {expected}, found {found}"
            time.sleep(0.2)


async def beside(program, suite, folder):
    """Everything against one Asterisk."""
    installation = Installation(suite)
    installation.fetch()
    asterisk = Asterisk(installation, folder / "asterisk")
    with contextlib.ExitStack() as stack:
        jaeger = Backend("jaeger", folder)
        stack.callback(jaeger.stop)
        loki = Backend("loki", folder)
        stack.callback(loki.stop)
        stack.callback(asterisk.stop)
        asterisk.start()
        version = re.search(r"Asterisk (\S+)", asterisk.cli("core show version"))[1]
        print(f"Asterisk {version}", flush=True)
        collector = Collector(program, folder, asterisk, jaeger, loki)
        collector.start()
        stack.callback(collector.process.kill)
        phones = scenarios.Phones(lambda user, password: sip.Phone(user, ("127.0.0.1", asterisk.sip_port), password))
        await phones.open()
        stack.callback(phones.close)
        run = Run(asterisk, collector, jaeger, loki)
        listener = truth.Listener(asterisk.ami_port)
        await listener.start()
        stack.callback(listener.stop)
        await phones.register()
        await run.check("registered", contacts=3, channels=0)
        await run.play(phones, listener)
        await run.restart(phones)
        after = truth.Listener(asterisk.ami_port)
        await after.start()
        stack.callback(after.stop)
        await run.play(phones, after)
        await run.stop(phones, after)
        calls = {**listener.calls(), **after.calls()}
        hangups = listener.hangups() + after.hangups()
        await asyncio.to_thread(run.traces, calls)
        records = await asyncio.to_thread(run.logs, hangups)
        print(f"  {run.steps} states, {len(calls)} calls in Jaeger, {records} hangups in Loki", flush=True)


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    program = pathlib.Path(sys.argv[1]).resolve()
    skipped = 0
    for suite in sys.argv[2:]:
        with tempfile.TemporaryDirectory(prefix="asterisk-") as folder:
            try:
                asyncio.run(beside(program, suite, pathlib.Path(folder)))
            except NotAvailable as reason:
                if os.environ.get("CI"):
                    raise
                print(f"run.py: skipped {suite}: {reason}")
                skipped += 1
            except BaseException:
                log = pathlib.Path(folder) / "collector.log"
                if log.exists():
                    sys.stderr.write(log.read_text()[-8000:])
                raise
    if not skipped:
        print("run.py: passed")


if __name__ == "__main__":
    main()
