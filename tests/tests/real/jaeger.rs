//! A real Jaeger 2: the trace that its API shows is the trace that was sent, to the nanosecond.

use otelcol_pdata::Batch;
use otelcol_pdata::model::trace::ResourceSpans;
use serde_json::{Value, json};

use super::server::{Server, json as get, send_through};

/// A call with a failed root, a leg with an event, and a link to another trace. Attributes are in the order of their
/// names, as Jaeger shows them.
fn call(trace_id: &str) -> Value {
    json!([{
        "resource": {"attributes": [
            {"key": "host.name", "value": {"stringValue": "dialer-1"}},
            {"key": "service.name", "value": {"stringValue": "pbx"}},
        ]},
        "scopeSpans": [{
            "scope": {"name": "ami", "version": "1.2"},
            "spans": [{
                "traceId": trace_id,
                "spanId": "00f067aa0ba902b7",
                "traceState": "vendor=a",
                "flags": 257,
                "name": "asterisk.call",
                "kind": 2,
                "startTimeUnixNano": "1795827600123456789",
                "endTimeUnixNano": "1795827601358024680",
                "attributes": [
                    {"key": "answered", "value": {"boolValue": false}},
                    {"key": "cause", "value": {"intValue": "-17"}},
                    {"key": "mos", "value": {"doubleValue": 4.25}},
                    {"key": "name", "value": {"stringValue": "Größe \"x\"\\"}},
                    {"key": "path", "value": {"arrayValue": {"values": [{"stringValue": "ivr"}, {"intValue": "2"}]}}},
                ],
                "status": {"message": "user busy", "code": 2},
            }, {
                "traceId": trace_id,
                "spanId": "00f067aa0ba902b8",
                "parentSpanId": "00f067aa0ba902b7",
                "name": "asterisk.leg",
                "kind": 3,
                "startTimeUnixNano": "1795827600223456789",
                "endTimeUnixNano": "1795827600323456788",
                "events": [{
                    "timeUnixNano": "1795827600223457999",
                    "name": "ringing",
                    "attributes": [{"key": "n", "value": {"intValue": "7"}}],
                }],
                "links": [{
                    "traceId": "aaf92f3577b34da6a3ce929d0e0e4736",
                    "spanId": "11f067aa0ba902b7",
                    "attributes": [{"key": "why", "value": {"stringValue": "transfer"}}],
                }],
                "status": {"code": 1},
            }],
        }],
    }])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jaeger_has_what_was_sent() {
    let dir = tempfile::tempdir().unwrap();
    let Some(jaeger) = Server::start("jaeger", dir.path()) else { return };
    let (query, grpc, http) = (jaeger.at("QUERY"), jaeger.at("OTLP_GRPC"), jaeger.at("OTLP_HTTP"));
    for (number, exporter) in [
        format!("otlp: {{endpoint: '{grpc}', tls: {{insecure: true}}}}"),
        format!("otlphttp: {{endpoint: '{http}'}}"),
        format!("otlphttp: {{endpoint: '{http}', encoding: json, compression: none}}"),
    ]
    .into_iter()
    .enumerate()
    {
        let id = format!("{number}bf92f3577b34da6a3ce929d0e0e4736");
        let sent = call(&id);
        let spans: Vec<ResourceSpans> = serde_json::from_value(sent.clone()).unwrap();
        send_through(&exporter, &Batch::from_traces(spans)).await;
        let found = get(&format!("{query}/api/v3/traces/{id}")).await.unwrap();
        assert_eq!(found, json!({"result": {"resourceSpans": sent}}), "{exporter}");
        as_shown(&get(&format!("{query}/api/traces/{id}")).await.unwrap()["data"][0], &id);
    }
}

/// What Jaeger's own pages show: microseconds, tags and references.
fn as_shown(trace: &Value, id: &str) {
    // In any order.
    let spans = trace["spans"].as_array().unwrap();
    let named = |name: &str| spans.iter().find(|span| span["operationName"] == name).unwrap();
    let (root, leg) = (named("asterisk.call"), named("asterisk.leg"));
    let tag = |key: &str| {
        let tags = root["tags"].as_array().unwrap().iter();
        tags.filter(|tag| tag["key"] == key).map(|tag| tag["value"].clone()).collect::<Vec<_>>()
    };
    assert_eq!((spans.len(), &root["traceID"], &leg["traceID"]), (2, &json!(id), &json!(id)));
    assert_eq!(root["references"], json!([]));
    assert_eq!(
        (&root["startTime"], &root["duration"]),
        (&json!(1_795_827_600_123_456_u64), &json!(1_234_567))
    );
    assert_eq!(tag("error"), [json!(true)]);
    assert_eq!(tag("otel.status_description"), [json!("user busy")]);
    assert_eq!(tag("span.kind"), [json!("server")]);
    assert_eq!(tag("mos"), [json!(4.25)]);
    let references = [
        ("CHILD_OF", id, "00f067aa0ba902b7"),
        ("FOLLOWS_FROM", "aaf92f3577b34da6a3ce929d0e0e4736", "11f067aa0ba902b7"),
    ];
    let references =
        references.map(|(kind, trace, span)| json!({"refType": kind, "traceID": trace, "spanID": span}));
    assert_eq!(leg["references"], json!(references));
    assert_eq!(leg["logs"][0]["timestamp"], 1_795_827_600_223_457_u64);
    assert_eq!(trace["processes"]["p1"]["serviceName"], "pbx");
}
