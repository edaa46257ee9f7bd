#!/usr/bin/env python3
"""send.py GRPC_ENDPOINT HTTP_ENDPOINT: sends traces, metrics and logs with the OpenTelemetry SDK, over gRPC and then over
HTTP, and prints for each export a JSON line {"signal", "protocol", "body"}: what the SDK itself encodes for the same data,
as base64 of the OTLP request. Exits with 1 if an export does not succeed."""
import base64
import json
import logging
import sys

from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as GrpcLogs
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcMetrics
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpans
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as HttpLogs
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpMetrics
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpSpans
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import Link, SpanKind, Status, StatusCode

GRPC, HTTP = sys.argv[1], sys.argv[2]
RESOURCE = Resource({"service.name": "ami-bridge", "host.name": "dialer01", "sites": ["a", "b"], "rack": 7})


class Tap:
    """Passes what an exporter is given on to it, and prints what the SDK encodes for it."""

    def __init__(self, exporter, signal, protocol, encode):
        self.exporter, self.signal, self.protocol, self.encode = exporter, signal, protocol, encode

    def export(self, data, *args, **kwargs):
        result = self.exporter.export(data, *args, **kwargs)
        if result.name != "SUCCESS":
            sys.exit(f"{self.signal} over {self.protocol}: {result}")
        body = base64.b64encode(self.encode(data).SerializeToString()).decode()
        print(json.dumps({"signal": self.signal, "protocol": self.protocol, "body": body}), flush=True)
        return result

    def shutdown(self, *args, **kwargs):
        self.exporter.shutdown()

    def force_flush(self, *args, **kwargs):
        return True


def traces(exporter, protocol):
    provider = TracerProvider(resource=RESOURCE)
    provider.add_span_processor(SimpleSpanProcessor(Tap(exporter, "traces", protocol, encode_spans)))
    tracer = provider.get_tracer("ami-bridge", "1.2", schema_url="https://opentelemetry.io/schemas/1.27.0")
    with tracer.start_as_current_span("asterisk.call", kind=SpanKind.SERVER) as call:
        call.set_attribute("asterisk.channel", "PJSIP/1001-0000002a")
        call.set_attribute("asterisk.caller_id", "Zoë <+4930>")
        call.add_event("ringing", {"asterisk.position": 2, "ok": True, "wait": 1.5})
        link = Link(call.get_span_context(), {"why": "transfer"})
        with tracer.start_as_current_span("asterisk.dial", links=[link]) as dial:
            dial.set_status(Status(StatusCode.ERROR, "BUSY"))


def metrics(exporter, protocol):
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], resource=RESOURCE)
    meter = provider.get_meter("ami-bridge", "1.2")
    meter.create_counter("asterisk.calls.total", description="Total calls").add(3, {"channel_type": "PJSIP"})
    meter.create_up_down_counter("asterisk.calls.active").add(-1)
    histogram = meter.create_histogram("asterisk.call.duration_ms", unit="ms")
    for value in (3, 800, 120_000):
        histogram.record(value, {"cause": "16"})
    Tap(exporter, "metrics", protocol, encode_metrics).export(reader.get_metrics_data())


def logs(exporter, protocol):
    provider = LoggerProvider(resource=RESOURCE)
    provider.add_log_record_processor(SimpleLogRecordProcessor(Tap(exporter, "logs", protocol, encode_logs)))
    logger = logging.getLogger(f"ami-{protocol}")
    logger.propagate = False
    logger.addHandler(LoggingHandler(logger_provider=provider))
    logger.setLevel(logging.INFO)
    logger.warning("trunk %s is unreachable", "carrier-a", extra={"asterisk.peer": "carrier-a", "attempt": 3})
    logger.error("Zeile mit Umlaut: größer\nund zweite Zeile")


for protocol, build in (
    ("grpc", lambda signal, cls: cls(endpoint=GRPC, insecure=True)),
    ("http", lambda signal, cls: cls(endpoint=f"{HTTP}/v1/{signal}")),
):
    kinds = {"grpc": (GrpcSpans, GrpcMetrics, GrpcLogs), "http": (HttpSpans, HttpMetrics, HttpLogs)}[protocol]
    for send, signal, kind in zip((traces, metrics, logs), ("traces", "metrics", "logs"), kinds):
        send(build(signal, kind), protocol)
