#!/usr/bin/env python3
"""Runs the Go collector on the cases beside this file and shows where its /metrics differs from want.txt.

  compare.py COLLECTOR [--write] [case ...]

--write keeps what the Go collector says in otelcol.txt of each case that differs, and removes the file where none does.
Ports 14398 (OTLP/HTTP) and 14399 (/metrics) of 127.0.0.1 are used.
"""
import difflib, pathlib, subprocess, sys, tempfile, time, urllib.request

HERE = pathlib.Path(__file__).parent


def post(body):
    url = "http://127.0.0.1:14398/v1/metrics"
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    urllib.request.urlopen(request, timeout=10).read()


def scrape(accept):
    request = urllib.request.Request("http://127.0.0.1:14399/metrics", headers={"Accept": accept} if accept else {})
    return urllib.request.urlopen(request, timeout=10).read().decode()


def answer(collector, case):
    config = (case / "config.yaml").read_text()
    accept = config.split("\n")[0].removeprefix("# accept: ") if config.startswith("# accept:") else ""
    settings = "".join(f"    {line}\n" for line in config.replace("127.0.0.1:0", "127.0.0.1:14399").splitlines())
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write("receivers:\n  otlp: {protocols: {http: {endpoint: '127.0.0.1:14398'}}}\n")
        file.write("exporters:\n  prometheus:\n" + settings)
        file.write("service:\n  telemetry: {metrics: {level: none}, logs: {level: error}}\n")
        file.write("  pipelines: {metrics: {receivers: [otlp], exporters: [prometheus]}}\n")
        file.flush()
        process = subprocess.Popen([collector, "--config", file.name])
        try:
            deadline = time.time() + 30
            while True:
                try:
                    scrape("")
                    break
                except OSError:
                    if time.time() > deadline or process.poll() is not None:
                        raise
                    time.sleep(0.05)
            for batch in sorted(case.glob("input*.json")):
                post(batch.read_bytes())
            return scrape(accept)
        finally:
            process.terminate()
            process.wait()


def main():
    arguments = [a for a in sys.argv[1:] if a != "--write"]
    write = "--write" in sys.argv
    cases = [HERE / name for name in arguments[1:]] or sorted(p.parent for p in HERE.glob("*/config.yaml"))
    for case in cases:
        got, kept = answer(arguments[0], case), case / "otelcol.txt"
        want = (case / "want.txt").read_text() if (case / "want.txt").exists() else ""
        print(f"{case.name}: {'equal' if got == want else 'DIFFERENT'}", flush=True)
        if got == want:
            kept.unlink(missing_ok=True)
            continue
        sys.stdout.writelines(difflib.unified_diff(got.splitlines(True), want.splitlines(True), "otelcol", "want.txt"))
        if write:
            kept.write_text(got)


main()
