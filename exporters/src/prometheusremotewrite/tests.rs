use std::collections::VecDeque;
use std::sync::{Mutex as StdMutex, PoisonError};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::StatusCode;
use otelcol_confmap::Resolver;
use otelcol_net::config::HttpServerConfig;
use otelcol_net::{HttpRequest, HttpResponse, HttpService, Listener, serve_http};
use otelcol_pdata::model;
use otelcol_pdata::model::common::KeyValue;
use otelcol_pdata::model::metrics::exponential_histogram_data_point::Buckets;
use otelcol_pdata::model::metrics::metric::Data;
use otelcol_pdata::model::metrics::{
    self, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint, Metric,
    NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary, SummaryDataPoint, exemplar,
    number_data_point, summary_data_point,
};
use otelcol_pdata::model::resource::Resource;
use otelcol_pipeline::{ComponentConfig, Kind};
use prost::Message as _;
use tokio_util::sync::CancellationToken;

use super::proto::{RequestV2, WriteRequest};
use super::*;

const DELTA: i32 = 1;
const CUMULATIVE: i32 = 2;
/// 2023-11-14T22:13:20Z.
const NOW_MS: i64 = 1_700_000_000_000;
const NOW: u64 = 1_700_000_000_000_000_000;
const SECOND: u64 = 1_000_000_000;

fn config(yaml: &str) -> Config {
    let resolved = Resolver::new(vec![format!("yaml:{yaml}")], Vec::new()).resolve().unwrap();
    resolved.root.decode("prometheusremotewrite").unwrap()
}

fn number(value: f64, attributes: Vec<KeyValue>) -> NumberDataPoint {
    NumberDataPoint {
        time_unix_nano: NOW,
        start_time_unix_nano: NOW - 10 * SECOND,
        value: Some(number_data_point::Value::AsDouble(value)),
        attributes,
        ..NumberDataPoint::default()
    }
}

fn metric(name: &str, unit: &str, data: Data) -> Metric {
    Metric { name: name.to_owned(), unit: unit.to_owned(), data: Some(data), ..Metric::default() }
}

fn sum(temporality: i32, points: Vec<NumberDataPoint>) -> Data {
    Data::Sum(Sum { data_points: points, aggregation_temporality: temporality, is_monotonic: true })
}

fn gauge(points: Vec<NumberDataPoint>) -> Data {
    Data::Gauge(Gauge { data_points: points })
}

fn histogram(temporality: i32, bounds: &[f64], counts: &[u64], total: f64) -> HistogramDataPoint {
    let _ = temporality;
    HistogramDataPoint {
        time_unix_nano: NOW,
        explicit_bounds: bounds.to_vec(),
        bucket_counts: counts.to_vec(),
        count: counts.iter().sum(),
        sum: Some(total),
        ..HistogramDataPoint::default()
    }
}

fn block(resource: Vec<KeyValue>, metrics: Vec<Metric>) -> ResourceMetrics {
    ResourceMetrics {
        resource: Some(Resource { attributes: resource, ..Resource::default() }),
        scope_metrics: vec![ScopeMetrics { metrics, ..ScopeMetrics::default() }],
        ..ResourceMetrics::default()
    }
}

/// The series as text: `name{labels} value @time`, in the order of the names.
fn lines(rules: &Rules, totals: &mut Totals, blocks: &[ResourceMetrics]) -> (Vec<String>, usize) {
    let converted = Converter::new(rules, totals, NOW).convert(&blocks.iter().collect::<Vec<_>>());
    let mut lines = Vec::new();
    for (labels, series) in &converted.series {
        assert!(labels.is_sorted(), "{labels:?}");
        let name = &labels.iter().find(|(name, _)| name == "__name__").unwrap().1;
        let others: Vec<String> = labels
            .iter()
            .filter(|(name, _)| name != "__name__")
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        for sample in &series.samples {
            assert_eq!(sample.timestamp, NOW_MS);
            lines.push(format!("{name}{{{}}} {}", others.join(","), sample.value));
        }
        for histogram in &series.histograms {
            assert_eq!(histogram.timestamp, NOW_MS);
            let (count, sum, schema) = (histogram.count, histogram.sum, histogram.schema);
            lines.push(format!(
                "{name}{{{}}} native count={count} sum={sum} schema={schema}",
                others.join(",")
            ));
        }
    }
    lines.sort();
    (lines, converted.dropped)
}

fn converted(yaml: &str, blocks: &[ResourceMetrics]) -> (Vec<String>, usize) {
    lines(&config(yaml).rules(), &mut Totals::new(100), blocks)
}

#[test]
fn each_kind_of_metric_is_the_series_that_otelcol_makes_of_it() {
    let at = |quantile, value| summary_data_point::ValueAtQuantile { quantile, value };
    let summary = SummaryDataPoint {
        time_unix_nano: NOW,
        count: 4,
        sum: 6.5,
        quantile_values: vec![at(0.5, 1.0), at(0.99, 3.0)],
        ..SummaryDataPoint::default()
    };
    let exponential = ExponentialHistogramDataPoint {
        time_unix_nano: NOW,
        count: 3,
        sum: Some(5.0),
        scale: 2,
        positive: Some(Buckets { offset: 0, bucket_counts: vec![1, 2] }),
        ..ExponentialHistogramDataPoint::default()
    };
    let blocks = [block(
        vec![
            model::string("service.name", "pbx"),
            model::string("service.instance.id", "i1"),
            model::string("host.name", "h"),
        ],
        vec![
            metric(
                "asterisk.channels.count",
                "{channel}",
                gauge(vec![number(47.0, vec![model::string("tech", "PJSIP"), model::string("empty", "")])]),
            ),
            metric("asterisk.calls", "", sum(CUMULATIVE, vec![number(3.0, vec![])])),
            metric(
                "latency",
                "s",
                Data::Histogram(Histogram {
                    data_points: vec![histogram(CUMULATIVE, &[0.5, 10.0], &[1, 2, 4], 99.5)],
                    aggregation_temporality: CUMULATIVE,
                }),
            ),
            metric("quantiles", "By", Data::Summary(Summary { data_points: vec![summary] })),
            metric(
                "native",
                "",
                Data::ExponentialHistogram(ExponentialHistogram {
                    data_points: vec![exponential],
                    aggregation_temporality: CUMULATIVE,
                }),
            ),
        ],
    )];
    let id = "instance=i1,job=pbx";
    let mut expected = vec![
        format!("asterisk_calls_total{{{id}}} 3"),
        "asterisk_channels_count{instance=i1,job=pbx,tech=PJSIP} 47".to_owned(),
        "latency_seconds_bucket{instance=i1,job=pbx,le=+Inf} 7".to_owned(),
        "latency_seconds_bucket{instance=i1,job=pbx,le=0.5} 1".to_owned(),
        "latency_seconds_bucket{instance=i1,job=pbx,le=10} 3".to_owned(),
        format!("latency_seconds_count{{{id}}} 7"),
        format!("latency_seconds_sum{{{id}}} 99.5"),
        format!("native{{{id}}} native count=3 sum=5 schema=2"),
        "quantiles_bytes{instance=i1,job=pbx,quantile=0.5} 1".to_owned(),
        "quantiles_bytes{instance=i1,job=pbx,quantile=0.99} 3".to_owned(),
        format!("quantiles_bytes_count{{{id}}} 4"),
        format!("quantiles_bytes_sum{{{id}}} 6.5"),
        "target_info{host_name=h,instance=i1,job=pbx} 1".to_owned(),
    ];
    expected.sort();
    assert_eq!(converted("endpoint: http://x", &blocks), (expected, 0));
}

#[test]
fn settings_change_names_and_labels() {
    let blocks = [block(
        vec![model::string("service.name", "pbx"), model::string("host.name", "h")],
        vec![metric("calls", "", sum(CUMULATIVE, vec![number(1.0, vec![model::string("region", "own")])]))],
    )];
    let one = |yaml: &str| converted(yaml, &blocks).0.remove(0);
    assert_eq!(
        one(
            "{namespace: asterisk, external_labels: {region: x, cluster: c, job: y}, target_info: {enabled: false}}"
        ),
        "asterisk_calls_total{cluster=c,job=pbx,region=own} 1"
    );
    assert_eq!(
        one(
            "{resource_to_telemetry_conversion: {enabled: true, exclude_service_attributes: true}, target_info: {enabled: false}}"
        ),
        "calls_total{host_name=h,job=pbx,region=own} 1"
    );
    assert_eq!(one("{add_metric_suffixes: false}"), "calls{job=pbx,region=own} 1");
    assert_eq!(
        one(
            "{translation_strategy: NoTranslation, protobuf_message: io.prometheus.write.v2.Request, resource_constant_labels: {included: [host.*]}}"
        ),
        "calls{host.name=h,job=pbx,region=own} 1"
    );
    let buckets = Data::Histogram(Histogram {
        data_points: vec![histogram(CUMULATIVE, &[1.0], &[1, 2], 9.0)],
        aggregation_temporality: CUMULATIVE,
    });
    let external = "external_labels: {__name__: evil, le: mine, quantile: '0', cluster: c}";
    assert_eq!(
        converted(external, &[block(vec![], vec![metric("wait", "s", buckets)])]).0,
        [
            "wait_seconds_bucket{cluster=c,le=+Inf,quantile=0} 3",
            "wait_seconds_bucket{cluster=c,le=1,quantile=0} 1",
            "wait_seconds_count{cluster=c,le=mine,quantile=0} 3",
            "wait_seconds_sum{cluster=c,le=mine,quantile=0} 9",
        ],
        "they give way to all others"
    );
    let (both, _) = converted("endpoint: http://x", &blocks);
    assert_eq!(both[1], "target_info{host_name=h,job=pbx} 1");
    let unnamed = [block(vec![model::string("host.name", "h")], blocks[0].scope_metrics[0].metrics.clone())];
    assert_eq!(converted("{}", &unnamed).0, ["calls_total{region=own} 1"], "no target without a name");
}

#[test]
fn deltas_are_added_up() {
    let rules = config("{}").rules();
    let mut totals = Totals::new(2);
    let batch = |n: f64| {
        [block(
            vec![],
            vec![
                metric("calls", "", sum(DELTA, vec![number(n, vec![])])),
                metric(
                    "t",
                    "",
                    Data::Histogram(Histogram {
                        data_points: vec![histogram(DELTA, &[1.0], &[2, 1], n)],
                        aggregation_temporality: DELTA,
                    }),
                ),
                metric("third", "", sum(DELTA, vec![number(n, vec![])])),
            ],
        )]
    };
    let (first, dropped) = lines(&rules, &mut totals, &batch(2.0));
    assert_eq!(dropped, 1, "the third is one too many");
    assert_eq!(
        first,
        ["calls_total{} 2", "t_bucket{le=+Inf} 3", "t_bucket{le=1} 2", "t_count{} 3", "t_sum{} 2"]
    );
    totals.commit();
    let (second, _) = lines(&rules, &mut totals, &batch(3.0));
    let expected = ["calls_total{} 5", "t_bucket{le=+Inf} 6", "t_bucket{le=1} 4", "t_count{} 6", "t_sum{} 5"];
    assert_eq!(second, expected);
    totals.roll_back();
    assert_eq!(lines(&rules, &mut totals, &batch(3.0)).0, expected, "the same batch again");
}

#[test]
fn what_can_not_be_is_dropped_alone_and_told() {
    let stale = NumberDataPoint { flags: 1, ..number(1.0, vec![]) };
    let blocks = [block(
        vec![],
        vec![
            metric("good", "", gauge(vec![number(1.0, vec![model::string("", "x")]), number(2.0, vec![])])),
            metric("unset", "", sum(0, vec![number(1.0, vec![])])),
            metric("negative", "", sum(DELTA, vec![number(-1.0, vec![])])),
            metric("gone", "", gauge(vec![stale])),
            metric(
                "bad",
                "",
                Data::Histogram(Histogram {
                    data_points: vec![histogram(CUMULATIVE, &[2.0, 1.0], &[1, 1, 1], 1.0)],
                    aggregation_temporality: CUMULATIVE,
                }),
            ),
        ],
    )];
    let (found, dropped) = converted("{}", &blocks);
    assert_eq!((found, dropped), (vec!["gone{} NaN".to_owned(), "good{} 2".to_owned()], 4));
}

#[test]
fn exemplars_are_in_the_bucket_of_their_value() {
    let exemplar = |value: f64| metrics::Exemplar {
        time_unix_nano: NOW,
        trace_id: vec![0xab; 16],
        span_id: vec![1; 8],
        value: Some(exemplar::Value::AsDouble(value)),
        ..metrics::Exemplar::default()
    };
    let mut point = histogram(CUMULATIVE, &[1.0, 5.0], &[1, 1, 1], 1.0);
    point.exemplars = vec![exemplar(0.5), exemplar(5.0), exemplar(7.0)];
    let data = Data::Histogram(Histogram { data_points: vec![point], aggregation_temporality: CUMULATIVE });
    let blocks = [block(vec![], vec![metric("t", "", data)])];
    let mut totals = Totals::new(1);
    let rules = config("{}").rules();
    let converted = Converter::new(&rules, &mut totals, NOW).convert(&blocks.iter().collect::<Vec<_>>());
    let mut found = Vec::new();
    for (labels, series) in &converted.series {
        for exemplar in &series.exemplars {
            let le = labels.iter().find(|(name, _)| name == "le").unwrap();
            assert_eq!(exemplar.labels[0], ("trace_id".to_owned(), "ab".repeat(16)));
            assert_eq!(exemplar.labels[1], ("span_id".to_owned(), "01".repeat(8)));
            found.push((le.1.clone(), exemplar.value));
        }
    }
    assert_eq!(found, [("1".to_owned(), 0.5), ("5".to_owned(), 5.0), ("+Inf".to_owned(), 7.0)]);
}

/// Keeps what is written, and answers as told.
#[derive(Default)]
struct Store {
    requests: StdMutex<Vec<(HeaderMap, Bytes)>>,
    answers: StdMutex<VecDeque<u16>>,
}

impl HttpService for Store {
    fn call(&self, request: HttpRequest) -> BoxFuture<'_, HttpResponse> {
        let answer = self.answers.lock().unwrap().pop_front().unwrap_or(204);
        if answer == 204 {
            self.requests.lock().unwrap().push((request.headers, request.body));
        }
        let mut response = HttpResponse::text(StatusCode::from_u16(answer).unwrap(), "as told");
        response.headers.insert("x-prometheus-remote-write-samples-written", HeaderValue::from_static("7"));
        Box::pin(std::future::ready(response))
    }
}

struct Rig {
    store: Arc<Store>,
    exporter: Arc<dyn ConsumerComponent>,
    context: Context,
    _stop: tokio_util::sync::DropGuard,
}

async fn rig(yaml: &str, answers: &[u16]) -> Rig {
    let store =
        Arc::new(Store { answers: StdMutex::new(answers.iter().copied().collect()), ..Store::default() });
    let listener = Listener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/api/v1/write", listener.local_addr().unwrap());
    let stop = CancellationToken::new();
    let server =
        serve_http(listener, &HttpServerConfig::default(), Arc::clone(&store) as _, None, None, stop.clone());
    tokio::runtime::Handle::current().spawn(server.unwrap());
    let context = Context::detached(Kind::Exporter, "prometheusremotewrite");
    let quick = "retry_on_failure: {initial_interval: 1ms, max_interval: 1ms}, ";
    let retry = if yaml.contains("retry_on_failure") { "" } else { quick };
    let config = config(&format!("{{endpoint: '{url}', {retry}{yaml}}}"));
    assert_eq!(config.validate(), []);
    let exporter = create(context.clone(), config, Signal::Metrics).unwrap();
    exporter.start(&Host::default()).await.unwrap();
    Rig { store, exporter, context, _stop: stop.drop_guard() }
}

impl Rig {
    async fn send(&self, blocks: Vec<ResourceMetrics>) -> Result<(), ConsumeError> {
        self.exporter.consume(Batch::from_metrics(blocks)).await
    }

    fn requests(&self) -> Vec<(HeaderMap, Bytes)> {
        self.store.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn metric(&self, name: &str) -> f64 {
        self.context.telemetry.value(name, &[("exporter", "prometheusremotewrite")]).unwrap()
    }
}

fn calls(values: &[f64]) -> Vec<ResourceMetrics> {
    let points = values.iter().enumerate();
    let points = points.map(|(n, value)| number(*value, vec![model::int("n", n as i64)])).collect();
    let mut metric = metric("calls", "s", sum(CUMULATIVE, points));
    metric.description = "Calls.".to_owned();
    vec![block(vec![], vec![metric])]
}

const SYNC: &str = "remote_write_queue: {enabled: false}";

#[tokio::test]
async fn version_1_is_written_as_its_specification_says() {
    let rig = rig(&format!("{SYNC}, send_metadata: true, headers: {{X-Scope-OrgID: pbx}}"), &[]).await;
    rig.send(calls(&[1.0, 2.0])).await.unwrap();
    let requests = rig.requests();
    assert_eq!(requests.len(), 2);
    let headers = &requests[0].0;
    assert_eq!(headers["content-type"], "application/x-protobuf");
    assert_eq!(headers["content-encoding"], "snappy");
    assert_eq!(headers["x-prometheus-remote-write-version"], "0.1.0");
    assert_eq!(headers["x-scope-orgid"], "pbx");
    let decoded: Vec<WriteRequest> =
        requests.iter().map(|(_, body)| WriteRequest::decode(body.clone()).unwrap()).collect();
    let metadata = decoded.iter().flat_map(|request| &request.metadata).next().unwrap();
    assert_eq!((metadata.kind, metadata.metric_family_name.as_str()), (1, "calls_seconds_total"));
    assert_eq!((metadata.help.as_str(), metadata.unit.as_str()), ("Calls.", "seconds"));
    let series: Vec<_> = decoded.iter().flat_map(|request| &request.timeseries).collect();
    assert_eq!(series.len(), 2);
    let labels: Vec<_> = series[1].labels.iter().map(|l| (l.name.as_str(), l.value.as_str())).collect();
    assert_eq!(labels, [("__name__", "calls_seconds_total"), ("n", "1")]);
    let sample = series[1].samples[0];
    assert_eq!((sample.value, sample.timestamp, sample.start_timestamp), (2.0, NOW_MS, 0));
    assert_eq!(rig.metric("otelcol_exporter_prometheusremotewrite_translated_time_series"), 2.0);
}

#[tokio::test]
async fn version_2_has_symbols_metadata_and_starts() {
    let rig = rig(&format!("{SYNC}, protobuf_message: io.prometheus.write.v2.Request"), &[]).await;
    rig.send(calls(&[1.0, 2.0])).await.unwrap();
    let (headers, body) = rig.requests().remove(0);
    assert_eq!(headers["content-type"], "application/x-protobuf;proto=io.prometheus.write.v2.Request");
    assert_eq!(headers["x-prometheus-remote-write-version"], "2.0.0");
    let request = RequestV2::decode(body).unwrap();
    assert_eq!(request.symbols, ["", "__name__", "calls_seconds_total", "n", "0", "Calls.", "seconds", "1"]);
    assert_eq!(request.timeseries[0].labels_refs, [1, 2, 3, 4]);
    assert_eq!(request.timeseries[1].labels_refs, [1, 2, 3, 7]);
    let metadata = request.timeseries[1].metadata.unwrap();
    assert_eq!((metadata.kind, metadata.help_ref, metadata.unit_ref), (1, 5, 6));
    assert_eq!(request.timeseries[1].samples[0].start_timestamp, NOW_MS - 10_000);
    assert_eq!(rig.metric("otelcol_exporter_prometheusremotewrite_written_samples"), 7.0);
}

#[tokio::test]
async fn a_large_batch_is_several_requests_and_only_those_that_failed_are_repeated() {
    let (log, _guard) = otelcol_testkit::LogCapture::start();
    let yaml = format!("{SYNC}, max_batch_size_bytes: 300, max_batch_request_parallelism: 1");
    let rig = rig(&yaml, &[204, 503, 429, 204]).await;
    rig.send(calls(&[1.0, 2.0, 3.0, 4.0, 5.0])).await.unwrap();
    assert_eq!(log.lines("ERROR").len(), 1, "{:?}", log.lines("ERROR"));
    assert!(log.lines("ERROR")[0].starts_with("Exporting failed."));
    assert!(log.lines("INFO").iter().any(|line| line.starts_with("Exporting works again.")));
    let requests = rig.requests();
    assert!(requests.len() >= 3, "{}", requests.len());
    let mut values = Vec::new();
    for (_, body) in requests {
        assert!(body.len() <= 300, "{}", body.len());
        let series = WriteRequest::decode(body).unwrap().timeseries;
        values.extend(series.iter().map(|series| series.samples[0].value));
    }
    values.sort_by(f64::total_cmp);
    assert_eq!(values, [1.0, 2.0, 3.0, 4.0, 5.0], "each once");
    assert_eq!(rig.metric("otelcol_exporter_sent_metric_points"), 5.0);
}

#[tokio::test]
async fn what_was_taken_of_a_batch_is_not_lost_with_the_rest() {
    let yaml = "max_batch_size_bytes: 300, max_batch_request_parallelism: 1, retry_on_failure: {initial_interval: 1ms, max_interval: 1ms, max_elapsed_time: 50ms}";
    let rig = rig(yaml, &[&[204][..], &[503; 100_000]].concat()).await;
    rig.send(calls(&[1.0, 2.0, 3.0, 4.0, 5.0])).await.unwrap();
    rig.exporter.shutdown(tokio::time::Instant::now() + otelcol_testkit::PATIENCE).await.unwrap();
    let requests = rig.requests();
    assert_eq!(requests.len(), 1);
    let taken = WriteRequest::decode(requests[0].1.clone()).unwrap().timeseries.len() as f64;
    assert!(taken < 5.0, "{taken}");
    assert_eq!(rig.metric("otelcol_exporter_sent_metric_points"), taken);
    assert_eq!(rig.metric("otelcol_exporter_send_failed_metric_points"), 5.0 - taken);
    let lost =
        [("exporter", "prometheusremotewrite"), ("data_type", "metrics"), ("reason", "retries_exhausted")];
    assert_eq!(rig.context.telemetry.value("otelcol_exporter_dropped_items", &lost), Some(5.0 - taken));
}

#[tokio::test]
async fn a_batch_that_its_sender_offers_again_counts_once() {
    let rig = rig(&format!("{SYNC}, retry_on_failure: {{enabled: false}}"), &[503]).await;
    let deltas = || vec![block(vec![], vec![metric("calls", "", sum(DELTA, vec![number(2.0, vec![])]))])];
    assert!(!rig.send(deltas()).await.unwrap_err().is_permanent());
    rig.send(deltas()).await.unwrap();
    rig.send(deltas()).await.unwrap();
    let totals: Vec<f64> = rig
        .requests()
        .into_iter()
        .map(|(_, body)| WriteRequest::decode(body).unwrap().timeseries[0].samples[0].value)
        .collect();
    assert_eq!(totals, [2.0, 4.0]);
}

#[tokio::test]
async fn a_log_keeps_what_the_endpoint_does_not_take_until_it_does() {
    let dir = tempfile::tempdir().unwrap();
    let wal = format!(
        "wal: {{directory: '{}/made', buffer_size: 100, truncate_frequency: 45s}}",
        dir.path().display()
    );
    let refused = [503; 50];
    // What would give up elsewhere does not where there is a log.
    let rig = rig(&format!("{SYNC}, {wal}"), &refused).await;
    for n in [1.0, 2.0] {
        rig.send(calls(&[n])).await.unwrap();
    }
    while rig.requests().len() < 2 {
        tokio::task::yield_now().await;
    }
    let values = rig.requests().into_iter();
    let values: Vec<f64> =
        values.map(|(_, body)| WriteRequest::decode(body).unwrap().timeseries[0].samples[0].value).collect();
    assert_eq!(values, [1.0, 2.0], "in their order");
    rig.exporter.shutdown(tokio::time::Instant::now() + Duration::from_secs(5)).await.unwrap();
    let folder = dir.path().join("made/exporter_prometheusremotewrite__metrics.queue");
    let files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(files, ["lock"]);
}

#[tokio::test]
async fn a_refusal_for_good_is_not_repeated() {
    let rig = rig(SYNC, &[400]).await;
    let error = rig.send(calls(&[1.0])).await.unwrap_err();
    assert!(error.is_permanent());
    assert!(error.to_string().ends_with("was answered with HTTP 400: as told"), "{error}");
    assert_eq!(rig.metric("otelcol_exporter_prometheusremotewrite_sent_batches"), 1.0);
}

#[tokio::test]
async fn headers_of_the_sender_are_sent_on() {
    let rig = rig(&format!("{SYNC}, include_metadata_keys: [X-Tenant]"), &[]).await;
    let mut client = Client::default();
    client.metadata.append("x-tenant", "a");
    client.metadata.append("x-other", "b");
    let batch = Batch::from_metrics(calls(&[1.0])).with_client(Some(Arc::new(client)));
    rig.exporter.consume(batch).await.unwrap();
    let (headers, _) = rig.requests().remove(0);
    assert_eq!(headers["x-tenant"], "a");
    assert!(!headers.contains_key("x-other"));
}

#[test]
fn settings_that_can_not_be_are_told() {
    for (yaml, key, text) in [
        ("{}", "endpoint", "invalid endpoint: expected http(s)://host[:port][/path], found \"\""),
        (
            "{endpoint: 'http://x:', http: {endpoint: 'http://me:S3CRET@x:99999/w?token=S3CRET'}}",
            "http::endpoint",
            "invalid endpoint: expected a port up to 65535 after the host's colon, found \"http://[REDACTED]@x:99999/w\"",
        ),
        ("{endpoint: 'http://x', compression: gzip}", "compression", "compression type must be snappy"),
        (
            "{endpoint: 'http://x', remote_write_queue: {queue_size: 0}}",
            "remote_write_queue::queue_size",
            "a 0 size queue will drop all the data",
        ),
        (
            "{endpoint: 'http://x', wal: {buffer_size: 100}}",
            "wal::directory",
            "expected the path of a directory, found none",
        ),
        (
            "{endpoint: 'http://x', wal: {directory: /w}, remote_write_queue: {storage: file_storage}}",
            "wal",
            "`wal` and `remote_write_queue::storage` both keep the queue on disk: leave one out",
        ),
        (
            "{endpoint: 'http://x', translation_strategy: NoTranslation}",
            "translation_strategy",
            "translation strategy NoTranslation requires Prometheus Remote Write 2.0 (UTF-8 support)",
        ),
        (
            "{endpoint: 'http://x', external_labels: {cluster: ''}}",
            "external_labels",
            "expected a value for \"cluster\", found none",
        ),
        (
            "{endpoint: 'http://x', include_metadata_keys: [content-Type]}",
            "include_metadata_keys",
            "entry \"content-Type\" collides with a reserved remote write header",
        ),
    ] {
        let issues: Vec<_> = config(yaml).validate().into_iter().map(|i| (i.key, i.message)).collect();
        assert_eq!(issues, [(key.to_owned(), text.to_owned())], "{yaml}");
    }
    let nested = config("{endpoint: 'http://flat', http: {endpoint: 'http://nested', headers: {a: b}}}");
    assert_eq!(nested.client().endpoint, "http://nested");
    assert_eq!(nested.validate(), []);
}

#[test]
fn the_first_wait_is_short_whatever_else_is_said_of_repeats() {
    let context = Context::detached(Kind::Exporter, "prometheusremotewrite");
    for (retry, first) in [
        ("", 50),
        (", retry_on_failure: {enabled: true}", 50),
        (", retry_on_failure: {max_elapsed_time: 1s, max_interval: 200ms}", 50),
        (", retry_on_failure: {initial_interval: 7ms}", 7),
    ] {
        let config = config(&format!("{{endpoint: 'http://localhost:9/write'{retry}}}"));
        assert_eq!(config.validate(), []);
        let retry = config.settings(&context).retry.unwrap();
        assert_eq!(retry.first(), Duration::from_millis(first));
    }
}
