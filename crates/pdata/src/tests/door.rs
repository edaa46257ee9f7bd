//! What is refused at the door, and in which words.

use bytes::Bytes;
use prost::Message as _;

use crate::model::logs::LogsData;
use crate::model::metrics::MetricsData;
use crate::model::trace::TracesData;
use crate::{Batch, Signal, WireError, wire};

/// A length-delimited field.
fn field(number: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    wire::write_header(number, payload.len(), &mut out);
    out.extend_from_slice(payload);
    out
}

/// `payload` within messages at these field numbers, the outermost first.
fn within(path: &[u32], payload: &[u8]) -> Vec<u8> {
    path.iter().rev().fold(payload.to_vec(), |inner, number| field(*number, &inner))
}

fn span(payload: &[u8]) -> Vec<u8> {
    within(&[1, 2, 2], payload)
}

fn accept(signal: Signal, body: Vec<u8>) -> Batch {
    Batch::from_wire(signal, Bytes::from(body)).unwrap()
}

fn refusal(signal: Signal, body: Vec<u8>) -> String {
    Batch::from_wire(signal, Bytes::from(body)).unwrap_err().to_string()
}

#[test]
fn a_refusal_names_the_place() {
    let cases: &[(&[u8], &str)] = &[
        (&[0x0a, 3, 1, 2, 3], "Span.traceId at byte 6: expected an id of 16 bytes or none, found 3 bytes"),
        (&[0x12, 1, 1], "Span.spanId at byte 6: expected an id of 8 bytes or none, found 1 bytes"),
        (&[0x22, 1, 1], "Span.parentSpanId at byte 6: expected an id of 8 bytes or none, found 1 bytes"),
        (&[0x2a, 2, b'x', 0xff], "Span.name at byte 6: expected valid UTF-8"),
        (&[0x28, 1], "Span.name at byte 6: expected wire type 2, found 0"),
        (&[0x32, 1, 1], "Span.kind at byte 6: expected wire type 0, found 2"),
        (&[0x38, 1], "Span.startTimeUnixNano at byte 6: expected wire type 1, found 0"),
        (&[0x2a, 5, b'x'], "Span at byte 6: the field ends after the bytes that hold it"),
        (&[0x39, 1, 2, 3], "Span at byte 6: the field ends after the bytes that hold it"),
        (&[0x30, 0x80], "Span at byte 6: the field ends after the bytes that hold it"),
        (&[0x30, 1, 0x80], "Span at byte 8: the field ends after the bytes that hold it"),
        (
            &[0x30, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2],
            "Span at byte 6: expected a varint of at most 64 bits",
        ),
        (
            &[0x30, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0],
            "Span at byte 6: expected a varint of at most 64 bits",
        ),
        (&[0x02, 0], "Span at byte 6: expected a field number from 1 to 536870911"),
        (&[0x82, 0x80, 0x80, 0x80, 0x10, 0], "Span at byte 6: expected a field number from 1 to 536870911"),
        (&[0x4b, 0x4c], "Span at byte 6: expected wire type 0, 1, 2 or 5, found 3"),
        (&[0xa3, 6, 0xa4, 6], "Span at byte 6: expected wire type 0, 1, 2 or 5, found 3"),
        (&[0x4c], "Span at byte 6: expected wire type 0, 1, 2 or 5, found 4"),
        (&[0x4e], "Span at byte 6: expected wire type 0, 1, 2 or 5, found 6"),
    ];
    for (payload, expected) in cases {
        let message = refusal(Signal::Traces, span(payload));
        assert_eq!(message, format!("invalid OTLP traces request: {expected}"), "{payload:x?}");
    }
}

#[test]
fn every_level_is_checked() {
    let not_utf8 = field(1, &[0xff]);
    let cases = [
        (Signal::Traces, vec![0x08, 1], "ExportTraceServiceRequest at byte 0: expected wire type 2, found 0"),
        (Signal::Metrics, vec![0x0a, 1], "ExportMetricsServiceRequest at byte 0: the field ends"),
        (Signal::Logs, within(&[1], &field(3, &[0xff])), "ResourceLogs.schemaUrl at byte 2"),
        (Signal::Traces, within(&[1, 1, 1], &not_utf8), "KeyValue.key at byte 6"),
        (Signal::Traces, within(&[1, 1, 3], &not_utf8), "EntityRef.schemaUrl at byte 6"),
        (Signal::Traces, within(&[1, 1, 3], &field(3, &[0xff])), "EntityRef.idKeys at byte 6"),
        (Signal::Traces, within(&[1, 2, 1], &not_utf8), "InstrumentationScope.name at byte 6"),
        (Signal::Traces, span(&within(&[9, 2], &not_utf8)), "AnyValue.stringValue at byte 10"),
        (Signal::Traces, span(&within(&[9, 2, 5, 1], &not_utf8)), "AnyValue.stringValue at byte 14"),
        (Signal::Traces, span(&within(&[9, 2, 6, 1], &not_utf8)), "KeyValue.key at byte 14"),
        (Signal::Traces, span(&within(&[11], &field(2, &[0xff]))), "Span.Event.name at byte 8"),
        (Signal::Traces, span(&within(&[13], &field(1, &[1]))), "Span.Link.traceId at byte 8"),
        (Signal::Traces, span(&within(&[15], &field(2, &[0xff]))), "Status.message at byte 8"),
        (Signal::Logs, within(&[1, 2, 2, 5], &not_utf8), "AnyValue.stringValue at byte 8"),
        (Signal::Logs, within(&[1, 2, 2], &field(9, &[1])), "LogRecord.traceId at byte 6"),
        (Signal::Metrics, within(&[1, 2, 2], &not_utf8), "Metric.name at byte 6"),
        (Signal::Metrics, within(&[1, 2, 2, 12], &not_utf8), "KeyValue.key at byte 8"),
        (Signal::Metrics, within(&[1, 2, 2, 5, 1, 5], &field(4, &[1])), "Exemplar.spanId at byte 12"),
        (Signal::Metrics, within(&[1, 2, 2, 9, 1], &field(6, &[1; 9])), "HistogramDataPoint.bucketCounts"),
        (Signal::Metrics, within(&[1, 2, 2, 10, 1, 8], &field(2, &[0x80])), "Buckets.bucketCounts"),
        (Signal::Metrics, within(&[1, 2, 2, 11, 1, 6], &[0x08, 1]), "ValueAtQuantile.quantile at byte 12"),
    ];
    for (signal, body, expected) in cases {
        let message = refusal(signal, body);
        assert!(message.contains(expected), "{message} should say {expected}");
    }
}

#[test]
fn the_lengths_within_an_attribute_add_up() {
    for bad in [&[0x0a, 1, b'k', 0x12, 3, 0x0a, 2, b'v'][..], &[0x0a, 1, b'k', 0x12, 4, 0x0a, 1, b'v']] {
        assert!(refusal(Signal::Traces, span(&field(9, bad))).contains("the field ends"));
    }
}

#[test]
fn numbers_in_attributes_are_read_to_their_end() {
    let attribute = |value: &[u8]| span(&field(9, &[field(1, b"key"), field(2, value)].concat()));
    let minus_one = [&[0x18][..], &[0xff; 9], &[1]].concat();
    let good: [&[u8]; 6] = [
        &[0x10, 1],
        &[0x18, 0],
        &[0x18, 0xac, 2],
        &minus_one,
        &[0x18, 1, 0x18, 2],
        &[0x21, 0, 0, 0, 0, 0, 0, 0xf8, 0x7f],
    ];
    for value in good {
        assert_eq!(accept(Signal::Traces, attribute(value)).traces().unwrap().len(), 1);
    }
    let too_long = [&[0x18][..], &[0xff; 9], &[2]].concat();
    let bad: [&[u8]; 4] = [&[0x10], &[0x18, 0xac], &too_long, &[0x21, 0, 0, 0, 0, 0, 0, 0]];
    for value in bad {
        assert!(refusal(Signal::Traces, attribute(value)).contains("AnyValue"), "{value:x?}");
    }
}

#[test]
fn nesting_up_to_the_limit_decodes_and_beyond_is_refused() {
    // Request, block, scope, span, attribute: five levels; each list adds two.
    let nested = |lists: usize| {
        let mut path = vec![1, 2, 2, 9, 2];
        path.extend([5, 1].repeat(lists));
        within(&path, &[])
    };
    let deepest = nested(42);
    assert_eq!(accept(Signal::Traces, deepest.clone()).traces().unwrap().len(), 1);
    assert!(TracesData::decode(deepest.as_slice()).is_ok());
    let message = refusal(Signal::Traces, nested(43));
    assert!(message.ends_with("expected at most 90 levels of nested messages"), "{message}");
    assert!(refusal(Signal::Traces, nested(3_000)).contains("levels of nested messages"));
}

#[test]
fn a_plain_attribute_counts_its_levels_too() {
    let nested = |lists: usize| {
        let mut path = vec![1, 2, 2, 9, 2];
        path.extend([6, 1, 2].repeat(lists));
        path.extend([6, 1]);
        within(&path, &[field(1, b"key"), field(2, &field(1, b"value"))].concat())
    };
    assert_eq!(accept(Signal::Traces, nested(27)).items(), 1);
    assert!(refusal(Signal::Traces, nested(28)).contains("levels of nested messages"));
}

#[test]
fn requests_that_grow_out_of_proportion_are_refused() {
    let bombs = [
        (Signal::Traces, field(1, &[]).repeat(20_000)),
        (Signal::Traces, within(&[1, 2], &field(2, &[]).repeat(20_000))),
        (Signal::Metrics, within(&[1, 2, 2, 10], &field(1, &[]).repeat(20_000))),
        (Signal::Logs, within(&[1, 2], &field(2, &[]).repeat(20_000))),
    ];
    for (signal, bomb) in bombs {
        let limit = bomb.len() * 64 + (1 << 20);
        let message = refusal(signal, bomb);
        assert!(message.ends_with(&format!("a request that decodes to at most {limit} bytes")), "{message}");
    }
    let small = within(&[1, 2, 2], &[0x09, 0, 0, 0, 0, 0, 0, 0, 1]);
    assert_eq!(accept(Signal::Logs, small.repeat(20_000)).items(), 20_000);
}

#[test]
fn numbers_in_lists_come_packed_or_not() {
    let fixed = |n: u64| [&[0x31][..], &n.to_le_bytes()].concat();
    let packed = field(6, &[3u64.to_le_bytes(), 4u64.to_le_bytes()].concat());
    let histogram = within(&[1, 2, 2, 9, 1], &[fixed(1), fixed(2), packed].concat());
    let batch = accept(Signal::Metrics, histogram);
    let metric = &batch.metrics().unwrap()[0].scope_metrics[0].metrics[0];
    let Some(crate::model::metrics::metric::Data::Histogram(histogram)) = &metric.data else {
        panic!("expected a histogram")
    };
    assert_eq!(histogram.data_points[0].bucket_counts, [1, 2, 3, 4]);

    let varints = [&[0x10, 5, 0x10, 0xac, 2][..], &field(2, &[6, 0xac, 2])].concat();
    let batch = accept(Signal::Metrics, within(&[1, 2, 2, 10, 1, 8], &varints));
    let metric = &batch.metrics().unwrap()[0].scope_metrics[0].metrics[0];
    let Some(crate::model::metrics::metric::Data::ExponentialHistogram(histogram)) = &metric.data else {
        panic!("expected an exponential histogram")
    };
    assert_eq!(histogram.data_points[0].positive.as_ref().unwrap().bucket_counts, [5, 300, 6, 300]);
}

#[test]
fn a_metric_has_one_kind_of_data() {
    let gauge = field(5, &field(1, &[]));
    let sum = field(7, &field(1, &[]));
    assert_eq!(accept(Signal::Metrics, within(&[1, 2, 2], &gauge)).items(), 1);
    for second in [&sum, &gauge] {
        let message = refusal(Signal::Metrics, within(&[1, 2, 2], &[gauge.clone(), second.clone()].concat()));
        assert!(message.contains("found a second data field"), "{message}");
    }
}

#[test]
fn an_empty_request_is_an_empty_batch() {
    for signal in Signal::ALL {
        let batch = accept(signal, Vec::new());
        assert!(batch.is_empty());
        assert_eq!(
            (batch.signal(), batch.resources(), batch.wire_len(), batch.pinned_bytes()),
            (signal, 0, 0, 0)
        );
        assert_eq!(batch.wire_chunks(), Vec::<Bytes>::new());
        assert_eq!(batch.split(1, 1).len(), 1);
    }
}

#[test]
fn a_model_is_asked_for_by_the_right_signal() {
    let batch = accept(Signal::Logs, within(&[1, 2, 2], &[]));
    let expected = WireError::Signal { expected: Signal::Traces, found: Signal::Logs };
    assert_eq!(batch.traces(), Err(expected.clone()));
    assert_eq!(batch.clone().into_traces(), Err(expected.clone()));
    assert_eq!(expected.to_string(), "expected a batch of traces, found a batch of logs");
    assert_eq!(batch.logs().unwrap().len(), 1);
}

#[test]
fn all_kinds_of_metrics_count_their_points() {
    let body: Vec<u8> = [5, 7, 9, 10, 11]
        .into_iter()
        .enumerate()
        .flat_map(|(n, kind)| within(&[1, 2, 2, kind], &field(1, &[]).repeat(n + 1)))
        .collect();
    assert_eq!(accept(Signal::Metrics, body.clone()).items(), 1 + 2 + 3 + 4 + 5);
    let model = MetricsData::decode(body.as_slice()).unwrap();
    assert_eq!(Batch::from_metrics(model.resource_metrics).items(), 15);
    let logs = within(&[1, 2], &field(2, &[]).repeat(7));
    let model = LogsData::decode(logs.as_slice()).unwrap();
    assert_eq!(accept(Signal::Logs, logs).items(), 7);
    assert_eq!(Batch::from_logs(model.resource_logs).items(), 7);
}

#[test]
fn text_of_every_attribute_is_checked() {
    let attribute =
        |key: &[u8], value: &[u8]| field(9, &[field(1, key), field(2, &field(1, value))].concat());
    let plain = attribute(b"key", b"value");
    let good: [(&[u8], &[u8]); 5] = [
        ("schlüssel".as_bytes(), b"v"),
        (b"k", "大阪☎".as_bytes()),
        (b"", b""),
        (b"k", &[b'x'; 127]),
        (&[b'x'; 200], b"v"),
    ];
    for (key, value) in good {
        let batch = accept(Signal::Traces, span(&[&plain[..], &attribute(key, value), &plain].concat()));
        let found = &batch.traces().unwrap()[0].scope_spans[0].spans[0].attributes;
        let expected =
            crate::model::string(std::str::from_utf8(key).unwrap(), std::str::from_utf8(value).unwrap());
        assert_eq!((found.len(), &found[1]), (3, &expected));
    }
    // The last one is a character cut in two by the end of its key.
    let bad: [(&[u8], &[u8], &str); 4] = [
        (b"k\xff", b"v", "KeyValue.key"),
        (b"k", b"\xc3", "AnyValue.stringValue"),
        (b"k", &[0x80; 130], "AnyValue.stringValue"),
        (b"\xc2", b"\xa0", "KeyValue.key"),
    ];
    for (key, value, place) in bad {
        for at in 0..4 {
            let mut attributes = [plain.as_slice(); 4];
            let wrong = attribute(key, value);
            attributes[at] = &wrong;
            let message = refusal(Signal::Traces, span(&attributes.concat()));
            assert!(message.contains(place) && message.contains("UTF-8"), "{message}");
        }
    }
}
