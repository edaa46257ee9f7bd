"""The program with a `mysql_cdr` receiver and exporters for what it makes, as a process that can be ended at any moment."""

import collections
import json
import os
import pathlib
import subprocess
import sys
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from free_ports import free_ports  # noqa: E402

PATIENCE = 60

CONFIG = """
extensions:
  file_storage: {{directory: {folder}/storage, create_directory: true}}
receivers:
  mysql_cdr:
    endpoint: {endpoint}
    storage: file_storage
    timezone: UTC
    {settings}
exporters:
  prometheus: {{endpoint: "127.0.0.1:{port}", without_scope_info: true}}
  otlphttp: {{endpoint: "{sink}"}}
  file: {{path: {folder}/traces.json, append: true}}
  nop:
service:
  extensions: [file_storage]
  pipelines:
    {pipelines}
  telemetry: {{metrics: {{address: "127.0.0.1:{own_port}"}}}}
"""
# What goes to which exporter.
SIGNALS = {"prometheus": "metrics", "otlphttp": "logs", "file": "traces", "nop": "traces"}


class Collector:
    def __init__(self, program, folder, endpoint, exporters=("prometheus",), sink="http://localhost:4318", **settings):
        """`exporters` are some of SIGNALS; `sink` is the address of an OTLP/HTTP server."""
        self.program, self.folder, self.endpoint = program, pathlib.Path(folder), endpoint
        self.exporters, self.sink = exporters, sink
        self.port, self.own_port = free_ports(2)
        self.process = None
        self.configure(**settings)

    def configure(self, **settings):
        """Settings are those of the receiver, by name. They hold from the next start on."""
        lines = "\n    ".join(f"{name}: {value}" for name, value in {"username": "root", **settings}.items())
        pipelines = [f"{SIGNALS[name]}: {{receivers: [mysql_cdr], exporters: [{name}]}}" for name in self.exporters]
        config = CONFIG.format(
            folder=self.folder, endpoint=self.endpoint, port=self.port, own_port=self.own_port, settings=lines,
            pipelines="\n    ".join(pipelines), sink=self.sink,
        )
        (self.folder / "config.yaml").write_text(config)

    def start(self):
        with open(self.folder / "collector.log", "a") as log:
            self.process = subprocess.Popen([self.program, "--config", self.folder / "config.yaml"], stdout=log, stderr=log)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.terminate()
        assert self.process.wait(PATIENCE) == 0, self.log()

    def log(self):
        return (self.folder / "collector.log").read_text()

    def page(self, own=False):
        """All series of the page, or of the one on which the program tells of itself: name and labels, value. Nothing
        while there is no page."""
        port = self.own_port if own else self.port
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE) as reply:
                page = reply.read().decode()
        except OSError:
            assert self.process.poll() is None, self.log()
            return {}
        lines = [line.rsplit(" ", 1) for line in page.splitlines() if line and not line.startswith("#")]
        return {series: float(value) for series, value in lines}

    def traces(self):
        """The spans in the file, as OTLP's JSON has them, by trace. Those of a repeated trace are there twice."""
        path, traces = self.folder / "traces.json", collections.defaultdict(list)
        text = path.read_text() if path.exists() else ""
        # The last line may be half of one.
        for line in text.split("\n")[:-1]:
            for resource in json.loads(line)["resourceSpans"]:
                for span in (span for scope in resource["scopeSpans"] for span in scope["spans"]):
                    traces[span["traceId"]].append(span)
        return traces

    def until_right(self, wrong, look=None):
        """Waits until `wrong`, which is asked what is wrong with the page, or with what `look` finds, says nothing."""
        end = time.monotonic() + PATIENCE
        while found := wrong((look or self.page)()):
            if time.monotonic() > end:
                raise AssertionError(f"{self.folder}: {found}\n{self.log()[-4000:]}")
            time.sleep(0.02)
