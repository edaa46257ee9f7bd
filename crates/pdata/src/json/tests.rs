//! OTLP/JSON against otelcol's own files, which `testdata/golden.go` writes.

use bytes::Bytes;
use prost::Message as _;

use super::{from_json, to_json};
use crate::model::logs::LogsData;
use crate::model::metrics::MetricsData;
use crate::model::trace::{Span, TracesData};
use crate::{Batch, Signal, WireError};

fn golden(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/testdata/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// The bytes as prost writes them. Bytes, not models, because NaN is not equal to itself.
fn canonical(signal: Signal, body: &[u8]) -> Vec<u8> {
    match signal {
        Signal::Traces => TracesData::decode(body).unwrap().encode_to_vec(),
        Signal::Metrics => MetricsData::decode(body).unwrap().encode_to_vec(),
        Signal::Logs => LogsData::decode(body).unwrap().encode_to_vec(),
    }
}

#[test]
fn json_is_written_as_otelcol_writes_it() {
    for signal in Signal::ALL {
        let batch = Batch::from_wire(signal, Bytes::from(golden(&format!("{signal}.pb")))).unwrap();
        let written = String::from_utf8(to_json(&batch).unwrap()).unwrap();
        let expected = String::from_utf8(golden(&format!("{signal}.json"))).unwrap();
        assert_eq!(written, expected, "{signal}");
    }
}

#[test]
fn json_of_otelcol_is_read_back_as_what_it_was_written_from() {
    for signal in Signal::ALL {
        let batch = from_json(signal, &golden(&format!("{signal}.json"))).unwrap();
        let original = golden(&format!("{signal}.pb"));
        // JSON can not tell an absent message from an empty one where otelcol always writes one.
        let read = to_json(&batch).unwrap();
        assert_eq!(read, golden(&format!("{signal}.json")));
        let items = Batch::from_wire(signal, Bytes::from(original.clone())).unwrap().items();
        assert_eq!(batch.items(), items);
        let twice = from_json(signal, &read).unwrap();
        assert_eq!(canonical(signal, &twice.to_wire()), canonical(signal, &batch.to_wire()));
    }
}

#[test]
fn json_of_a_built_model_is_that_of_its_bytes() {
    let models = TracesData::decode(golden("traces.pb").as_slice()).unwrap().resource_spans;
    assert_eq!(to_json(&Batch::from_traces(models)).unwrap(), golden("traces.json"));
    assert_eq!(to_json(&Batch::from_traces(Vec::new())).unwrap(), b"{}");
}

fn read_span(fields: &str) -> Result<Span, WireError> {
    let json = format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{{fields}}}]}}]}}]}}"#);
    let blocks = from_json(Signal::Traces, json.as_bytes())?.into_traces()?;
    Ok(blocks[0].scope_spans[0].spans[0].clone())
}

#[test]
fn what_otelcol_accepts_is_accepted() {
    let json = br#" {"resource_spans":[{"resource":{"attributes":[{"key":"k","value":{"int_value":-5}}],
        "unknown":{"deeply":[{"nested":[1,2.5,null,true,"x"]}]}},"scope_spans":[{"spans":[{
        "trace_id":"000102030405060708090A0B0C0D0EFF","spanId":"","kind":"SPAN_KIND_CLIENT","flags":"257",
        "startTimeUnixNano":17,"end_time_unix_nano":"18446744073709551615","status":{"code":2},"droppedLinksCount":null,
        "attributes":null,"events":[{"attributes":[{"key":"d","value":{"doubleValue":"-Infinity"}},
        {"key":"e","value":{"doubleValue":3}},{"key":"b","value":{"bytesValue":"AAH+/w=="}},
        {"key":"n","value":{"doubleValue":"1e3"}}]}]}]}]}]}
    "#;
    let blocks = from_json(Signal::Traces, json).unwrap().into_traces().unwrap();
    let resource = blocks[0].resource.as_ref().unwrap();
    assert_eq!(resource.attributes, [crate::model::int("k", -5)]);
    let span = &blocks[0].scope_spans[0].spans[0];
    assert_eq!(span.trace_id, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255]);
    assert!(span.span_id.is_empty());
    assert_eq!((span.kind, span.flags, span.dropped_links_count), (3, 257, 0));
    assert_eq!((span.start_time_unix_nano, span.end_time_unix_nano), (17, u64::MAX));
    assert_eq!(span.status.as_ref().unwrap().code, 2);
    assert!(span.attributes.is_empty());
    let expected = [
        crate::model::double("d", f64::NEG_INFINITY),
        crate::model::double("e", 3.0),
        crate::model::key_value(
            "b",
            crate::model::common::any_value::Value::BytesValue(vec![0, 1, 254, 255]),
        ),
        crate::model::double("n", 1000.0),
    ];
    assert_eq!(span.events[0].attributes, expected);
}

#[test]
fn numbers_in_lists_come_as_numbers_or_strings() {
    let json = br#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"h","histogram":{
        "aggregationTemporality":"AGGREGATION_TEMPORALITY_CUMULATIVE","dataPoints":[
        {"count":"3","sum":0,"bucketCounts":["1",2],"explicitBounds":[1.5,"2.5"]}]}}]}]}]}"#;
    let blocks = from_json(Signal::Metrics, json).unwrap().into_metrics().unwrap();
    let Some(crate::model::metrics::metric::Data::Histogram(histogram)) =
        &blocks[0].scope_metrics[0].metrics[0].data
    else {
        panic!("expected a histogram");
    };
    assert_eq!(histogram.aggregation_temporality, 2);
    let point = &histogram.data_points[0];
    assert_eq!((point.count, point.sum), (3, Some(0.0)));
    assert_eq!(point.bucket_counts, [1, 2]);
    assert_eq!(point.explicit_bounds, [1.5, 2.5]);
}

#[test]
fn faults_are_named_with_their_place() {
    let cases = [
        (r#""traceId":"abcd""#, "expected a trace id of 32 hex digits in traceId"),
        (r#""spanId":"zz00000000000000""#, "expected a span id of 16 hex digits in spanId"),
        (r#""kind":"KIND""#, "expected the number or the name of an enum value in kind"),
        (r#""startTimeUnixNano":-1"#, "expected an unsigned 64-bit integer in startTimeUnixNano"),
        (r#""startTimeUnixNano":1.5"#, "expected an unsigned 64-bit integer in startTimeUnixNano"),
        (r#""flags":4294967296"#, "expected an unsigned 32-bit integer in flags"),
        (r#""name":5"#, "expected a string in name"),
        (r#""attributes":{}"#, "expected an array in attributes"),
        (r#""attributes":"x""#, "expected an array in attributes"),
        (r#""status":[]"#, "expected an object in status"),
        (
            r#""attributes":[{"key":"k","value":{"bytesValue":"%"}}]"#,
            "expected bytes in base64 in bytesValue",
        ),
        (r#""attributes":[{"key":"k","value":{"boolValue":"true"}}]"#, "expected true or false in boolValue"),
    ];
    for (fields, expected) in cases {
        let error = read_span(fields).unwrap_err().to_string();
        assert!(error.starts_with("invalid OTLP/JSON traces request: "), "{error}");
        assert!(error.contains(expected), "{fields}: {error}");
        assert!(error.contains("at line 1 column "), "{error}");
    }
    for json in
        ["", "[]", "null", "{", r#"{"resourceSpans":[{]}"#, "{}x", "{\"resourceSpans\":[{\"a\":\"\u{1}\"}]}"]
    {
        let error = from_json(Signal::Traces, json.as_bytes()).unwrap_err();
        assert!(matches!(error, WireError::Json { signal: Signal::Traces, .. }), "{json}: {error}");
    }
}

#[test]
fn a_metric_of_two_kinds_is_refused() {
    let json = br#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"gauge":{},"sum":{}}]}]}]}"#;
    let error = from_json(Signal::Metrics, json).unwrap_err().to_string();
    assert!(error.contains("found a second data field"), "{error}");
}

#[test]
fn nesting_is_bounded() {
    let nested = |depth: usize| {
        let open = r#"{"arrayValue":{"values":["#.repeat(depth);
        let close = "]}}".repeat(depth);
        read_span(&format!(r#""attributes":[{{"key":"k","value":{open}{{}}{close}}}]"#))
    };
    assert_eq!(nested(20).unwrap().attributes.len(), 1);
    assert!(nested(60).unwrap_err().to_string().contains("recursion limit exceeded"));
    assert!(nested(100_000).is_err());
}
