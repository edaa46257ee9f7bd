//! A real Loki 3: labels, lines, times and structured metadata that its API shows are those that were sent.

use std::collections::BTreeMap;
use std::time::Duration;

use otelcol_net::HttpClient;
use otelcol_net::config::HttpClientConfig;
use otelcol_pdata::Batch;
use otelcol_pdata::model::logs::ResourceLogs;
use otelcol_tests::eventually;
use serde_json::{Value, json};

use super::metrics::{SECOND, encoded, now};
use super::server::{Server, send_through};

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Two records of one phone system. `hints` are attributes of the second that say how it is shown.
fn records(time: u64, hints: &Value) -> Batch {
    let mut attributes = vec![
        json!({"key": "asterisk.event", "value": {"stringValue": "Hangup"}}),
        json!({"key": "cause", "value": {"intValue": "17"}}),
    ];
    attributes.extend(hints.as_array().unwrap().clone());
    let logs: Vec<ResourceLogs> = serde_json::from_value(json!([{
        "resource": {"attributes": [
            {"key": "service.name", "value": {"stringValue": "pbx"}},
            {"key": "service.instance.id", "value": {"stringValue": "one"}},
            {"key": "host.name", "value": {"stringValue": "dialer-1"}},
        ]},
        "scopeLogs": [{"scope": {"name": "ami", "version": "1.2"}, "logRecords": [{
            "timeUnixNano": (time + 123_456_789).to_string(),
            "observedTimeUnixNano": (time + 200_000_000).to_string(),
            "severityNumber": 9,
            "severityText": "INFO",
            "body": {"stringValue": "trunk \"a\" is unreachable: größer"},
        }, {
            "timeUnixNano": (time + 123_456_790).to_string(),
            "observedTimeUnixNano": (time + 200_000_000).to_string(),
            "severityNumber": 17,
            "severityText": "ERROR",
            "body": {"stringValue": "call ended"},
            "attributes": attributes,
            "traceId": "4bf92f3577b34da6a3ce929d0e0e4736",
            "spanId": "00f067aa0ba902b7",
            "flags": 1,
        }]}],
    }]))
    .unwrap();
    Batch::from_logs(logs)
}

/// One entry: labels of its stream, time, line, structured metadata.
type Entry = (BTreeMap<String, String>, String, String, BTreeMap<String, String>);

fn map(value: &Value) -> BTreeMap<String, String> {
    serde_json::from_value(value.clone()).unwrap_or_default()
}

/// The entries of a query in the order of their times.
async fn entries(base: &str, query: &str, time: u64) -> Result<Vec<Entry>, String> {
    // Without it Loki shows structured metadata among the labels.
    let headers =
        serde_json::from_value(json!({"X-Loki-Response-Encoding-Flags": "categorize-labels"})).unwrap();
    let client = HttpClient::new(&HttpClientConfig { headers, ..HttpClientConfig::default() }).unwrap();
    let (query, start, end) = (encoded(query), time - 60 * SECOND, time + 60 * SECOND);
    let url =
        format!("{base}/loki/api/v1/query_range?query={query}&start={start}&end={end}&direction=forward");
    let reply = client.get(&url, PATIENCE, 1 << 20).await.map_err(|why| why.to_string())?;
    let text = String::from_utf8_lossy(&reply.body).into_owned();
    let answer: Value = serde_json::from_str(&text).map_err(|why| format!("{why}: {text}"))?;
    let mut found = Vec::new();
    for stream in answer["data"]["result"].as_array().ok_or(text)? {
        for value in stream["values"].as_array().unwrap() {
            let part = |at: usize| value[at].as_str().unwrap().to_owned();
            found.push((map(&stream["stream"]), part(0), part(1), map(&value[2]["structuredMetadata"])));
        }
    }
    found.sort_by(|a, b| a.1.cmp(&b.1));
    Ok(found)
}

/// The same, when there are two.
async fn both(base: &str, query: &str, time: u64) -> [Entry; 2] {
    eventually(|| async {
        let found = entries(base, query, time).await?;
        found.try_into().map_err(|found| format!("{found:?}"))
    })
    .await
}

fn pairs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loki_has_what_was_sent() {
    let dir = tempfile::tempdir().unwrap();
    let Some(loki) = Server::start("loki", dir.path()) else { return };
    let base = loki.at("QUERY");
    let time = now();
    let times = [(time + 123_456_789).to_string(), (time + 123_456_790).to_string()];
    by_push(&loki, base, time, &times).await;

    let exporter = format!("otlphttp: {{endpoint: '{}'}}", loki.at("OTLP_HTTP"));
    send_through(&exporter, &records(time, &json!([]))).await;
    let found = both(base, "{service_name=\"pbx\",service_instance_id=\"one\"}", time).await;
    let of_all = [("host_name", "dialer-1"), ("scope_name", "ami"), ("scope_version", "1.2")];
    let observed = (time + 200_000_000).to_string();
    let first =
        [("severity_number", "9"), ("severity_text", "INFO"), ("observed_timestamp", observed.as_str())];
    let second = [
        ("severity_number", "17"),
        ("severity_text", "ERROR"),
        ("observed_timestamp", observed.as_str()),
        ("asterisk_event", "Hangup"),
        ("cause", "17"),
        ("trace_id", "4bf92f3577b34da6a3ce929d0e0e4736"),
        ("span_id", "00f067aa0ba902b7"),
        ("flags", "1"),
    ];
    let lines = ["trunk \"a\" is unreachable: größer", "call ended"];
    for (entry, (line, (own, at))) in
        found.into_iter().zip(lines.iter().zip([&first[..], &second[..]].iter().zip(&times)))
    {
        let (labels, found_at, found_line, mut metadata) = entry;
        assert_eq!(labels, pairs(&[("service_name", "pbx"), ("service_instance_id", "one")]));
        assert_eq!((&found_at, found_line.as_str()), (at, *line));
        // Loki's own guess.
        metadata.remove("detected_level");
        assert_eq!(metadata, pairs(&[&of_all[..], *own].concat()));
    }
}

/// By Loki's own push, which has no structured metadata here.
async fn by_push(loki: &Server, base: &str, time: u64, times: &[String; 2]) {
    let hints = json!([
        {"key": "loki.attribute.labels", "value": {"stringValue": "asterisk.event"}},
        {"key": "loki.format", "value": {"stringValue": "raw"}},
    ]);
    let push = loki.at("PUSH");
    let exporter = format!(
        "loki: {{endpoint: '{push}', labels: {{attributes: {{host.name: hostname}}, record: {{traceID: trace}}}}}}"
    );
    send_through(&exporter, &records(time, &hints)).await;
    let [first, second] = both(base, "{exporter=\"OTLP\"}", time).await;
    let of_all = [
        ("exporter", "OTLP"),
        ("job", "pbx"),
        ("instance", "one"),
        ("hostname", "dialer-1"),
        // Loki's own, from `job`.
        ("service_name", "pbx"),
    ];
    let (labels, at, line, _) = first;
    assert_eq!(labels, pairs(&[&of_all[..], &[("level", "INFO")][..]].concat()));
    assert_eq!(at, times[0]);
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["body"], "trunk \"a\" is unreachable: größer");
    assert_eq!(line["severity"], "INFO");
    assert_eq!(line["instrumentation_scope"], json!({"name": "ami", "version": "1.2"}));
    let (labels, at, line, _) = second;
    let own =
        [("level", "ERROR"), ("asterisk_event", "Hangup"), ("trace", "4bf92f3577b34da6a3ce929d0e0e4736")];
    assert_eq!(labels, pairs(&[&of_all[..], &own[..]].concat()));
    assert_eq!((&at, line.as_str()), (&times[1], "call ended"));
}
