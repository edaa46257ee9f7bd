//! Arbitrary requests of the three signals: every field of OTLP, with its defaults well represented.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use prost::Message as _;

use crate::Signal;
use crate::model::common::any_value::Value;
use crate::model::common::*;
use crate::model::logs::*;
use crate::model::metrics::exponential_histogram_data_point::Buckets;
use crate::model::metrics::summary_data_point::ValueAtQuantile;
use crate::model::metrics::*;
use crate::model::resource::Resource;
use crate::model::trace::span::{Event, Link};
use crate::model::trace::*;

/// A signal and the body of a request of it.
pub(super) fn request() -> impl Strategy<Value = (Signal, Vec<u8>)> {
    prop_oneof![
        traces().prop_map(|model| (Signal::Traces, model.encode_to_vec())),
        metrics().prop_map(|model| (Signal::Metrics, model.encode_to_vec())),
        logs().prop_map(|model| (Signal::Logs, model.encode_to_vec())),
    ]
}

/// Two bodies of one signal.
pub(super) fn two_requests() -> impl Strategy<Value = (Signal, Vec<u8>, Vec<u8>)> {
    prop_oneof![
        (traces(), traces()).prop_map(|(a, b)| (Signal::Traces, a.encode_to_vec(), b.encode_to_vec())),
        (metrics(), metrics()).prop_map(|(a, b)| (Signal::Metrics, a.encode_to_vec(), b.encode_to_vec())),
        (logs(), logs()).prop_map(|(a, b)| (Signal::Logs, a.encode_to_vec(), b.encode_to_vec())),
    ]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![2 => Just(String::new()), 6 => "[a-z.]{1,12}", 1 => "\\PC{0,4}", 1 => "[\u{0}-\u{7f}]{0,200}"]
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), 1..200u64, any::<u64>()]
}

fn small() -> impl Strategy<Value = u32> {
    prop_oneof![3 => Just(0), 1 => any::<u32>()]
}

fn float() -> impl Strategy<Value = f64> {
    prop_oneof![Just(0.0), Just(-0.0), -10.0..10.0, any::<f64>()]
}

fn id(size: usize) -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![Just(Vec::new()), Just(vec![0; size]), vec(any::<u8>(), size)]
}

fn value() -> impl Strategy<Value = AnyValue> {
    let leaf = prop_oneof![
        4 => text().prop_map(Value::StringValue),
        1 => any::<bool>().prop_map(Value::BoolValue),
        1 => any::<i64>().prop_map(Value::IntValue),
        1 => float().prop_map(Value::DoubleValue),
        1 => vec(any::<u8>(), 0..4).prop_map(Value::BytesValue),
        1 => any::<i32>().prop_map(Value::StringValueStrindex),
    ];
    let leaf = option::weighted(0.9, leaf).prop_map(|value| AnyValue { value });
    leaf.prop_recursive(3, 8, 3, |inner| {
        let pair = (text(), option::of(inner.clone()));
        let pair = pair.prop_map(|(key, value)| KeyValue { key, value, key_strindex: 0 });
        prop_oneof![
            vec(inner, 0..3).prop_map(|values| Value::ArrayValue(ArrayValue { values })),
            vec(pair, 0..3).prop_map(|values| Value::KvlistValue(KeyValueList { values })),
        ]
        .prop_map(|value| AnyValue { value: Some(value) })
    })
}

fn attributes() -> impl Strategy<Value = Vec<KeyValue>> {
    let index = prop_oneof![4 => Just(0), 1 => any::<i32>()];
    let pair = (text(), option::weighted(0.9, value()), index);
    vec(pair.prop_map(|(key, value, key_strindex)| KeyValue { key, value, key_strindex }), 0..3)
}

fn resource() -> impl Strategy<Value = Option<Resource>> {
    let entity = (text(), text(), vec(text(), 0..2), vec(text(), 0..2));
    let entity = entity.prop_map(|(schema_url, r#type, id_keys, description_keys)| EntityRef {
        schema_url,
        r#type,
        id_keys,
        description_keys,
    });
    let resource = (attributes(), small(), vec(entity, 0..2));
    option::weighted(
        0.8,
        resource.prop_map(|(attributes, dropped_attributes_count, entity_refs)| Resource {
            attributes,
            dropped_attributes_count,
            entity_refs,
        }),
    )
}

fn scope() -> impl Strategy<Value = Option<InstrumentationScope>> {
    let scope = (text(), text(), attributes(), small());
    option::weighted(
        0.7,
        scope.prop_map(|(name, version, attributes, dropped_attributes_count)| InstrumentationScope {
            name,
            version,
            attributes,
            dropped_attributes_count,
        }),
    )
}

fn traces() -> impl Strategy<Value = TracesData> {
    let scope_spans = (scope(), vec(span(), 0..5), text());
    let scope_spans =
        scope_spans.prop_map(|(scope, spans, schema_url)| ScopeSpans { scope, spans, schema_url });
    let block = (resource(), vec(scope_spans, 0..3), text());
    let block = block.prop_map(|(resource, scope_spans, schema_url)| ResourceSpans {
        resource,
        scope_spans,
        schema_url,
    });
    vec(block, 0..4).prop_map(|resource_spans| TracesData { resource_spans })
}

fn span() -> impl Strategy<Value = Span> {
    let ids = (id(16), id(8), id(8), text(), text());
    let times = (number(), number(), small(), -1..7i32);
    let event = (number(), text(), attributes(), small());
    let event = event.prop_map(|(time_unix_nano, name, attributes, dropped_attributes_count)| Event {
        time_unix_nano,
        name,
        attributes,
        dropped_attributes_count,
    });
    let link = (id(16), id(8), text(), attributes(), small(), small());
    let link = link.prop_map(|(trace_id, span_id, trace_state, attributes, dropped, flags)| Link {
        trace_id,
        span_id,
        trace_state,
        attributes,
        dropped_attributes_count: dropped,
        flags,
    });
    let status = option::of((text(), 0..3i32).prop_map(|(message, code)| Status { message, code }));
    let lists = (attributes(), vec(event, 0..2), vec(link, 0..2), status);
    (ids, times, lists, (small(), small(), small())).prop_map(|(ids, times, lists, dropped)| Span {
        trace_id: ids.0,
        span_id: ids.1,
        parent_span_id: ids.2,
        trace_state: ids.3,
        name: ids.4,
        start_time_unix_nano: times.0,
        end_time_unix_nano: times.1,
        flags: times.2,
        kind: times.3,
        attributes: lists.0,
        events: lists.1,
        links: lists.2,
        status: lists.3,
        dropped_attributes_count: dropped.0,
        dropped_events_count: dropped.1,
        dropped_links_count: dropped.2,
    })
}

fn logs() -> impl Strategy<Value = LogsData> {
    let scope_logs = (scope(), vec(record(), 0..5), text());
    let scope_logs =
        scope_logs.prop_map(|(scope, log_records, schema_url)| ScopeLogs { scope, log_records, schema_url });
    let block = (resource(), vec(scope_logs, 0..3), text());
    let block = block.prop_map(|(resource, scope_logs, schema_url)| ResourceLogs {
        resource,
        scope_logs,
        schema_url,
    });
    vec(block, 0..4).prop_map(|resource_logs| LogsData { resource_logs })
}

fn record() -> impl Strategy<Value = LogRecord> {
    let head = (number(), number(), 0..25i32, text(), option::of(value()));
    let tail = (attributes(), small(), small(), id(16), id(8), text());
    (head, tail).prop_map(|(head, tail)| LogRecord {
        time_unix_nano: head.0,
        observed_time_unix_nano: head.1,
        severity_number: head.2,
        severity_text: head.3,
        body: head.4,
        attributes: tail.0,
        dropped_attributes_count: tail.1,
        flags: tail.2,
        trace_id: tail.3,
        span_id: tail.4,
        event_name: tail.5,
    })
}

fn metrics() -> impl Strategy<Value = MetricsData> {
    let scope_metrics = (scope(), vec(metric(), 0..4), text());
    let scope_metrics =
        scope_metrics.prop_map(|(scope, metrics, schema_url)| ScopeMetrics { scope, metrics, schema_url });
    let block = (resource(), vec(scope_metrics, 0..3), text());
    let block = block.prop_map(|(resource, scope_metrics, schema_url)| ResourceMetrics {
        resource,
        scope_metrics,
        schema_url,
    });
    vec(block, 0..4).prop_map(|resource_metrics| MetricsData { resource_metrics })
}

fn metric() -> impl Strategy<Value = Metric> {
    use metric::Data;
    let temporality = || 0..3i32;
    let data = prop_oneof![
        vec(number_point(), 0..4).prop_map(|data_points| Data::Gauge(Gauge { data_points })),
        (vec(number_point(), 0..4), temporality(), any::<bool>()).prop_map(
            |(data_points, aggregation_temporality, is_monotonic)| Data::Sum(Sum {
                data_points,
                aggregation_temporality,
                is_monotonic
            })
        ),
        (vec(histogram_point(), 0..4), temporality()).prop_map(|(data_points, aggregation_temporality)| {
            Data::Histogram(Histogram { data_points, aggregation_temporality })
        }),
        (vec(exponential_point(), 0..4), temporality()).prop_map(|(data_points, aggregation_temporality)| {
            Data::ExponentialHistogram(ExponentialHistogram { data_points, aggregation_temporality })
        }),
        vec(summary_point(), 0..4).prop_map(|data_points| Data::Summary(Summary { data_points })),
    ];
    (text(), text(), text(), option::weighted(0.9, data), attributes()).prop_map(
        |(name, description, unit, data, metadata)| Metric { name, description, unit, data, metadata },
    )
}

fn exemplars() -> impl Strategy<Value = Vec<Exemplar>> {
    let value = prop_oneof![
        float().prop_map(exemplar::Value::AsDouble),
        any::<i64>().prop_map(exemplar::Value::AsInt)
    ];
    let exemplar = (attributes(), number(), option::of(value), id(8), id(16));
    let exemplar = exemplar.prop_map(|(filtered_attributes, time_unix_nano, value, span_id, trace_id)| {
        Exemplar { filtered_attributes, time_unix_nano, value, span_id, trace_id }
    });
    vec(exemplar, 0..2)
}

fn number_point() -> impl Strategy<Value = NumberDataPoint> {
    use number_data_point::Value;
    let value = prop_oneof![float().prop_map(Value::AsDouble), any::<i64>().prop_map(Value::AsInt)];
    (attributes(), number(), number(), option::of(value), exemplars(), small()).prop_map(
        |(attributes, start_time_unix_nano, time_unix_nano, value, exemplars, flags)| NumberDataPoint {
            attributes,
            start_time_unix_nano,
            time_unix_nano,
            value,
            exemplars,
            flags,
        },
    )
}

fn histogram_point() -> impl Strategy<Value = HistogramDataPoint> {
    let head = (attributes(), number(), number(), number(), exemplars(), small());
    let buckets = (vec(number(), 0..4), vec(float(), 0..4));
    let sums = (option::of(float()), option::of(float()), option::of(float()));
    (head, buckets, sums).prop_map(|(head, buckets, sums)| HistogramDataPoint {
        attributes: head.0,
        start_time_unix_nano: head.1,
        time_unix_nano: head.2,
        count: head.3,
        exemplars: head.4,
        flags: head.5,
        bucket_counts: buckets.0,
        explicit_bounds: buckets.1,
        sum: sums.0,
        min: sums.1,
        max: sums.2,
    })
}

fn exponential_point() -> impl Strategy<Value = ExponentialHistogramDataPoint> {
    let head = (attributes(), number(), number(), number(), exemplars(), small());
    let buckets = || {
        let buckets = (any::<i32>(), vec(number(), 0..4));
        option::of(buckets.prop_map(|(offset, bucket_counts)| Buckets { offset, bucket_counts }))
    };
    let sums = (option::of(float()), option::of(float()), option::of(float()), float());
    (head, (any::<i32>(), number(), buckets(), buckets()), sums).prop_map(|(head, middle, sums)| {
        ExponentialHistogramDataPoint {
            attributes: head.0,
            start_time_unix_nano: head.1,
            time_unix_nano: head.2,
            count: head.3,
            exemplars: head.4,
            flags: head.5,
            scale: middle.0,
            zero_count: middle.1,
            positive: middle.2,
            negative: middle.3,
            sum: sums.0,
            min: sums.1,
            max: sums.2,
            zero_threshold: sums.3,
        }
    })
}

fn summary_point() -> impl Strategy<Value = SummaryDataPoint> {
    let quantile = (float(), float()).prop_map(|(quantile, value)| ValueAtQuantile { quantile, value });
    let head = (attributes(), number(), number(), number(), float(), small());
    (head, vec(quantile, 0..3)).prop_map(|(head, quantile_values)| SummaryDataPoint {
        attributes: head.0,
        start_time_unix_nano: head.1,
        time_unix_nano: head.2,
        count: head.3,
        sum: head.4,
        flags: head.5,
        quantile_values,
    })
}
