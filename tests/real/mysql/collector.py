"""The program with a `mysql_cdr` receiver and a `prometheus` exporter, as a process that can be ended at any moment."""

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
service:
  extensions: [file_storage]
  pipelines:
    metrics: {{receivers: [mysql_cdr], exporters: [prometheus]}}{logs}
  telemetry: {{metrics: {{level: none}}}}
"""


class Collector:
    def __init__(self, program, folder, endpoint, sink=None, **settings):
        """With `sink`, the address of an OTLP/HTTP server, rows go there as log records."""
        self.program, self.folder, self.endpoint, self.sink = program, pathlib.Path(folder), endpoint, sink
        (self.port,) = free_ports(1)
        self.process = None
        self.configure(**settings)

    def configure(self, **settings):
        """Settings are those of the receiver, by name. They hold from the next start on."""
        lines = "\n    ".join(f"{name}: {value}" for name, value in {"username": "root", **settings}.items())
        logs = "\n    logs: {receivers: [mysql_cdr], exporters: [otlphttp]}" if self.sink else ""
        config = CONFIG.format(
            folder=self.folder, endpoint=self.endpoint, port=self.port, settings=lines, logs=logs, sink=self.sink or "http://localhost:4318"
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

    def page(self):
        """All series of the page: name and labels, value. Nothing while there is no page."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=PATIENCE) as reply:
                page = reply.read().decode()
        except OSError:
            assert self.process.poll() is None, self.log()
            return {}
        lines = [line.rsplit(" ", 1) for line in page.splitlines() if line and not line.startswith("#")]
        return {series: float(value) for series, value in lines}

    def until_right(self, wrong):
        """Waits until `wrong`, which is asked what is wrong with the page, says nothing."""
        end = time.monotonic() + PATIENCE
        while found := wrong(self.page()):
            if time.monotonic() > end:
                raise AssertionError(f"{self.folder}: {found}\n{self.log()[-4000:]}")
            time.sleep(0.02)
