//! Remote write into a real Prometheus: what is read back through its API is what was sent.

use std::time::{Duration, SystemTime};

use otelcol_net::GrpcClient;
use otelcol_net::config::{ClientTls, GrpcClientConfig};
use otelcol_pdata::Batch;
use otelcol_pdata::model::metrics::exponential_histogram_data_point::Buckets;
use otelcol_pdata::model::metrics::metric::Data;
use otelcol_pdata::model::metrics::{
    Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint,
    Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary, SummaryDataPoint, exemplar,
    number_data_point, summary_data_point::ValueAtQuantile,
};
use otelcol_pdata::model::resource::Resource;
use otelcol_pdata::model::{self, common::KeyValue};
use otelcol_tests::{Running, eventually, free_port, get};
use serde_json::Value;

use super::Server;

const DELTA: i32 = 1;
const CUMULATIVE: i32 = 2;
const SECOND: u64 = 1_000_000_000;
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    since.as_secs() * SECOND
}

fn number(value: f64, time: u64, attributes: Vec<KeyValue>) -> NumberDataPoint {
    NumberDataPoint {
        time_unix_nano: time,
        start_time_unix_nano: time - 30 * SECOND,
        value: Some(number_data_point::Value::AsDouble(value)),
        attributes,
        ..NumberDataPoint::default()
    }
}

fn sum(temporality: i32, data_points: Vec<NumberDataPoint>) -> Data {
    Data::Sum(Sum { data_points, aggregation_temporality: temporality, is_monotonic: true })
}

fn metric(name: &str, unit: &str, data: Data) -> Metric {
    let description = format!("About {name}.");
    Metric {
        name: name.to_owned(),
        unit: unit.to_owned(),
        description,
        data: Some(data),
        ..Metric::default()
    }
}

fn exemplar(value: f64, time: u64) -> Exemplar {
    let bytes = (0..TRACE.len()).step_by(2).map(|at| u8::from_str_radix(&TRACE[at..at + 2], 16).unwrap());
    Exemplar {
        time_unix_nano: time,
        trace_id: bytes.collect(),
        span_id: vec![0x11; 8],
        value: Some(exemplar::Value::AsDouble(value)),
        ..Exemplar::default()
    }
}

fn everything(time: u64) -> Batch {
    let explicit = HistogramDataPoint {
        time_unix_nano: time,
        start_time_unix_nano: time - 30 * SECOND,
        explicit_bounds: vec![0.5, 10.0],
        bucket_counts: vec![1, 2, 4],
        count: 7,
        sum: Some(99.5),
        exemplars: vec![exemplar(3.0, time)],
        ..HistogramDataPoint::default()
    };
    let exponential = ExponentialHistogramDataPoint {
        time_unix_nano: time,
        start_time_unix_nano: time - 30 * SECOND,
        count: 12,
        sum: Some(40.0),
        scale: 0,
        zero_count: 2,
        positive: Some(Buckets { offset: 0, bucket_counts: vec![4, 0, 0, 0, 5] }),
        negative: Some(Buckets { offset: 1, bucket_counts: vec![1] }),
        ..ExponentialHistogramDataPoint::default()
    };
    let summary = SummaryDataPoint {
        time_unix_nano: time,
        count: 4,
        sum: 6.5,
        quantile_values: vec![ValueAtQuantile { quantile: 0.99, value: 3.0 }],
        ..SummaryDataPoint::default()
    };
    let metrics = vec![
        metric(
            "asterisk.channels.count",
            "{channel}",
            Data::Gauge(Gauge {
                data_points: vec![
                    number(11.0, time - 20 * SECOND, vec![model::string("tech", "PJSIP")]),
                    number(12.0, time, vec![model::string("tech", "PJSIP")]),
                    number(3.0, time, vec![model::string("tech", "Größe \"x\"\\")]),
                ],
            }),
        ),
        metric("asterisk.calls", "", sum(CUMULATIVE, vec![number(300.0, time, vec![])])),
        metric(
            "asterisk.hangups",
            "",
            sum(DELTA, vec![number(2.0, time - 10 * SECOND, vec![]), number(5.0, time, vec![])]),
        ),
        metric(
            "asterisk.wait",
            "s",
            Data::Histogram(Histogram { data_points: vec![explicit], aggregation_temporality: CUMULATIVE }),
        ),
        metric(
            "asterisk.native",
            "s",
            Data::ExponentialHistogram(ExponentialHistogram {
                data_points: vec![exponential],
                aggregation_temporality: CUMULATIVE,
            }),
        ),
        metric("asterisk.summary", "By", Data::Summary(Summary { data_points: vec![summary] })),
    ];
    let attributes = vec![
        model::string("service.name", "pbx"),
        model::string("service.instance.id", "one"),
        model::string("host.name", "dialer-1"),
    ];
    Batch::from_metrics(vec![ResourceMetrics {
        resource: Some(Resource { attributes, ..Resource::default() }),
        scope_metrics: vec![ScopeMetrics { metrics, ..ScopeMetrics::default() }],
        ..ResourceMetrics::default()
    }])
}

/// One answer of the API, from `data` on.
async fn api(base: &str, path: &str) -> Result<Value, String> {
    let text = get(&format!("{base}{path}")).await?;
    let answer: Value = serde_json::from_str(&text).map_err(|e| format!("{e}: {text}"))?;
    Ok(answer["data"].clone())
}

/// `name` at `time` as (labels without name, job and instance; value), sorted.
async fn series(base: &str, name: &str, time: u64) -> Vec<(String, String)> {
    let time = time / SECOND;
    let data = api(base, &format!("/api/v1/query?query={name}&time={time}")).await.unwrap();
    let result = data["result"].as_array().unwrap();
    let mut found: Vec<(String, String)> = result
        .iter()
        .map(|series| {
            let labels = series["metric"].as_object().unwrap().iter();
            assert_eq!(series["metric"]["job"], "pbx");
            assert_eq!(series["metric"]["instance"], "one");
            assert_eq!(series["metric"]["cluster"], "c1", "the external label");
            let own = labels
                .filter(|(name, _)| !matches!(name.as_str(), "__name__" | "job" | "instance" | "cluster"))
                .map(|(name, value)| format!("{name}={}", value.as_str().unwrap()));
            (own.collect::<Vec<_>>().join(","), series["value"][1].as_str().unwrap().to_owned())
        })
        .collect();
    found.sort();
    found
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(labels, value)| ((*labels).to_owned(), (*value).to_owned())).collect()
}

/// Sends everything by `message`, and reads it back.
async fn round_trip(message: &str) {
    let dir = tempfile::tempdir().unwrap();
    let Some(prometheus) = Server::start("prometheus/up.sh", dir.path()) else { return };
    let base = format!("http://127.0.0.1:{}", prometheus.port);
    let port = free_port();
    let mut running = Running::start(&format!(
        "receivers:\n  otlp: {{protocols: {{grpc: {{endpoint: '127.0.0.1:{port}'}}}}}}\n\
         exporters:\n  prometheusremotewrite:\n    endpoint: '{base}/api/v1/write'\n    protobuf_message: {message}\n    \
         send_metadata: true\n    external_labels: {{cluster: c1}}\n    retry_on_failure: {{max_elapsed_time: 5s, max_interval: 1s}}\n    \
         max_batch_size_bytes: 1500\n\
         service:\n  pipelines: {{metrics: {{receivers: [otlp], exporters: [prometheusremotewrite]}}}}\n  \
         telemetry: {{metrics: {{level: none}}}}\n"
    ))
    .await
    .unwrap();
    let client = GrpcClient::new(&GrpcClientConfig {
        endpoint: format!("127.0.0.1:{port}"),
        tls: ClientTls { insecure: true, ..ClientTls::default() },
        ..GrpcClientConfig::default()
    })
    .unwrap();
    let time = now();
    let path = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";
    client.call(path, everything(time).wire_chunks(), Duration::from_secs(10)).await.unwrap();
    eventually(|| async {
        let found = api(&base, &format!("/api/v1/query?query=target_info&time={}", time / SECOND)).await?;
        let arrived = found["result"].as_array().is_some_and(|result| !result.is_empty());
        if arrived { Ok(()) } else { Err(found.to_string()) }
    })
    .await;

    assert_eq!(
        series(&base, "asterisk_channels_count", time).await,
        pairs(&[("tech=Größe \"x\"\\", "3"), ("tech=PJSIP", "12")])
    );
    assert_eq!(
        series(&base, "asterisk_channels_count", time - 20 * SECOND).await,
        pairs(&[("tech=PJSIP", "11")])
    );
    assert_eq!(series(&base, "asterisk_calls_total", time).await, pairs(&[("", "300")]));
    assert_eq!(series(&base, "asterisk_hangups_total", time - 10 * SECOND).await, pairs(&[("", "2")]));
    assert_eq!(series(&base, "asterisk_hangups_total", time).await, pairs(&[("", "7")]));
    assert_eq!(
        series(&base, "asterisk_wait_seconds_bucket", time).await,
        pairs(&[("le=+Inf", "7"), ("le=0.5", "1"), ("le=10", "3")])
    );
    assert_eq!(series(&base, "asterisk_wait_seconds_sum", time).await, pairs(&[("", "99.5")]));
    assert_eq!(series(&base, "asterisk_wait_seconds_count", time).await, pairs(&[("", "7")]));
    assert_eq!(series(&base, "asterisk_summary_bytes", time).await, pairs(&[("quantile=0.99", "3")]));
    assert_eq!(series(&base, "asterisk_summary_bytes_count", time).await, pairs(&[("", "4")]));
    assert_eq!(series(&base, "target_info", time).await, pairs(&[("host_name=dialer-1", "1")]));

    let native = api(&base, &format!("/api/v1/query?query=asterisk_native_seconds&time={}", time / SECOND))
        .await
        .unwrap();
    let native = &native["result"][0]["histogram"][1];
    assert_eq!((native["count"].as_str(), native["sum"].as_str()), (Some("12"), Some("40")));
    // Bounds and counts by hand from base 2: (1,2] 4, (16,32] 5, [-4,-2) 1, and the zero bucket.
    let buckets: Vec<(String, String, String)> = native["buckets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|b| [1, 2, 3].map(|at| b[at].as_str().unwrap().to_owned()).into())
        .collect();
    let expected = [("-4", "-2", "1"), ("-1e-128", "1e-128", "2"), ("1", "2", "4"), ("16", "32", "5")];
    assert_eq!(buckets, expected.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned())));

    let (start, end) = (time / SECOND - 60, time / SECOND + 60);
    let found = api(
        &base,
        &format!("/api/v1/query_exemplars?query=asterisk_wait_seconds_bucket&start={start}&end={end}"),
    )
    .await
    .unwrap();
    let found = &found[0];
    assert_eq!(found["seriesLabels"]["le"], "10");
    let exemplar = &found["exemplars"][0];
    assert_eq!(exemplar["labels"]["trace_id"], TRACE);
    assert_eq!(exemplar["labels"]["span_id"], "1111111111111111");
    assert_eq!(exemplar["value"], "3");
    assert_eq!(exemplar["timestamp"].as_f64().unwrap(), (time / SECOND) as f64);
    running.collector.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prometheus_has_what_was_sent_by_remote_write_1() {
    round_trip("prometheus.WriteRequest").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prometheus_has_what_was_sent_by_remote_write_2() {
    round_trip("io.prometheus.write.v2.Request").await;
}
