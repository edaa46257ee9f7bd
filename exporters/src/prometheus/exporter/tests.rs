use std::sync::atomic::{AtomicU64, Ordering};
use std::time::UNIX_EPOCH;

use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderName, StatusCode};
use otelcol_confmap::Node;
use otelcol_net::config::HttpClientConfig;
use otelcol_net::{HttpClient, HttpReply};
use otelcol_pdata::model::metrics::metric::Data;
use otelcol_pdata::model::metrics::{
    AggregationTemporality, Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum,
    number_data_point,
};
use otelcol_pdata::model::string;
use otelcol_pipeline::status::Board;
use otelcol_pipeline::{Clock, Kind, Shared};

use super::*;

const SECOND: u64 = 1_000_000_000;

/// An exporter on a port of its own, with a clock that the test sets.
struct Bench {
    shared: Shared,
    now: Arc<AtomicU64>,
}

struct Running {
    exporter: Arc<Exporter>,
    url: String,
}

impl Bench {
    fn new() -> Self {
        let now = Arc::new(AtomicU64::new(1_700_000_000 * SECOND));
        let time = Arc::clone(&now);
        let clock = Clock::from_fn(move || UNIX_EPOCH + Duration::from_nanos(time.load(Ordering::SeqCst)));
        Self { shared: Shared { clock, ..Shared::default() }, now }
    }

    fn pass(&self, seconds: u64) {
        self.now.fetch_add(seconds * SECOND, Ordering::SeqCst);
    }

    async fn start(&self, settings: &str) -> Running {
        let settings = format!("endpoint: 127.0.0.1:0\n{settings}");
        let config: Config = Node::from_yaml(&settings, "test.yaml").unwrap().decode("").unwrap();
        let context = Context::new(&self.shared, Kind::Exporter, "prometheus".parse().unwrap(), "");
        let exporter = make(context, config);
        exporter.start(&Host::new(Default::default(), Board::default())).await.unwrap();
        let address = exporter.socket.lock().unwrap().as_ref().unwrap().local_addr().unwrap();
        Running { exporter, url: format!("http://{address}") }
    }

    fn count(&self, name: &str, reason: &str) -> f64 {
        self.shared.telemetry.value(name, &[("exporter", "prometheus"), ("reason", reason)]).unwrap()
    }
}

impl Running {
    async fn get(&self, path: &str, headers: &[(HeaderName, &'static str)]) -> HttpReply {
        let headers: String = headers.iter().map(|(name, value)| format!("  {name}: {value:?}\n")).collect();
        let config = Node::from_yaml(&format!("headers:\n{headers}"), "client.yaml").unwrap();
        let config: HttpClientConfig = config.decode("").unwrap();
        let client = HttpClient::new(&config).unwrap();
        client.get(&format!("{}{path}", self.url), Duration::from_secs(10), 1 << 20).await.unwrap()
    }

    async fn metrics(&self) -> String {
        String::from_utf8(self.get("/metrics", &[]).await.body.to_vec()).unwrap()
    }

    async fn send(&self, metrics: Vec<Metric>) {
        let scope_metrics = vec![ScopeMetrics { metrics, ..Default::default() }];
        let batch = Batch::from_metrics(vec![ResourceMetrics { scope_metrics, ..Default::default() }]);
        self.exporter.consume(batch).await.unwrap();
    }

    async fn stop(&self) {
        self.exporter.shutdown(Instant::now() + Duration::from_secs(5)).await.unwrap();
    }
}

fn point(value: f64, time: u64) -> NumberDataPoint {
    NumberDataPoint {
        time_unix_nano: time,
        attributes: vec![string("queue", "sales")],
        value: Some(number_data_point::Value::AsDouble(value)),
        ..Default::default()
    }
}

fn gauge(name: &str, value: f64) -> Metric {
    let data = Data::Gauge(Gauge { data_points: vec![point(value, 0)] });
    Metric { name: name.to_owned(), description: "D".to_owned(), data: Some(data), ..Default::default() }
}

fn delta(name: &str, value: f64, time: u64) -> Metric {
    let data = Data::Sum(Sum {
        data_points: vec![point(value, time)],
        aggregation_temporality: AggregationTemporality::Delta as i32,
        is_monotonic: true,
    });
    Metric { name: name.to_owned(), data: Some(data), ..Default::default() }
}

#[tokio::test]
async fn serves_what_it_was_sent() {
    let bench = Bench::new();
    let running = bench.start("namespace: asterisk\nwithout_scope_info: true").await;
    assert_eq!(running.metrics().await, "");
    running.send(vec![gauge("channels", 47.0)]).await;
    let want =
        "# HELP asterisk_channels D\n# TYPE asterisk_channels gauge\nasterisk_channels{queue=\"sales\"} 47\n";
    let reply = running.get("/metrics", &[]).await;
    assert_eq!(reply.status, StatusCode::OK);
    assert_eq!(reply.headers[CONTENT_TYPE], "text/plain; version=0.0.4; charset=utf-8; escaping=underscores");
    assert_eq!(reply.headers.get(CONTENT_ENCODING), None);
    assert_eq!(reply.body, want);
    assert_eq!(running.get("/", &[]).await.status, StatusCode::NOT_FOUND);
    running.stop().await;
}

#[tokio::test]
async fn compresses_and_negotiates() {
    let bench = Bench::new();
    let running = bench.start("enable_open_metrics: true\nwithout_scope_info: true").await;
    running.send((0..3000).map(|n| gauge(&format!("gauge_{n:04}"), f64::from(n))).collect()).await;
    let plain = running.metrics().await;
    assert_eq!(plain.lines().count(), 9000);

    let reply = running.get("/metrics", &[(ACCEPT_ENCODING, "gzip")]).await;
    assert_eq!(reply.headers[CONTENT_ENCODING], "gzip");
    let mut text = String::new();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&reply.body[..]), &mut text).unwrap();
    assert_eq!(text, plain);

    let reply = running.get("/metrics", &[(ACCEPT, "application/openmetrics-text;version=1.0.0")]).await;
    assert_eq!(
        reply.headers[CONTENT_TYPE],
        "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores"
    );
    assert!(reply.body.ends_with(b"gauge_2999{queue=\"sales\"} 2999.0\n# EOF\n"));
    running.stop().await;
}

#[tokio::test]
async fn series_expire_after_their_last_point() {
    let bench = Bench::new();
    let running = bench.start("metric_expiration: 5m\nwithout_scope_info: true").await;
    running.send(vec![gauge("old", 1.0), gauge("kept", 1.0)]).await;
    bench.pass(200);
    running.send(vec![gauge("kept", 2.0)]).await;
    bench.pass(100);
    assert!(running.metrics().await.contains("old{"), "300 s after its point");
    bench.pass(1);
    let text = running.metrics().await;
    assert_eq!(text, "# HELP kept D\n# TYPE kept gauge\nkept{queue=\"sales\"} 2\n");
    Exporter::sweep(&running.exporter.registry, &running.exporter.stats, bench.shared.clock.steady_nanos());
    let series =
        bench.shared.telemetry.value("otelcol_exporter_prometheus_series", &[("exporter", "prometheus")]);
    assert_eq!(series, Some(1.0));
    running.stop().await;
}

#[tokio::test]
async fn a_clock_that_is_stepped_expires_nothing() {
    let steady = Bench::new();
    let stepped = Bench::new();
    let clock = stepped.shared.clock.clone().steady_by(&steady.shared.clock);
    let bench = Bench { shared: Shared { clock, ..Shared::default() }, now: Arc::clone(&stepped.now) };
    let running = bench.start("metric_expiration: 5m\nwithout_scope_info: true").await;
    running.send(vec![delta("calls", 5.0, 10)]).await;
    bench.pass(86_400);
    steady.pass(299);
    running.send(vec![delta("calls", 2.0, 20)]).await;
    assert!(running.metrics().await.contains("calls_total{queue=\"sales\"} 7\n"));
    stepped.now.store(0, Ordering::SeqCst);
    steady.pass(300);
    assert!(running.metrics().await.contains("calls_total{queue=\"sales\"} 7\n"));
    steady.pass(1);
    assert_eq!(running.metrics().await, "");
    running.stop().await;
}

#[tokio::test]
async fn a_counter_outlives_a_quiet_time_below_the_expiration() {
    let bench = Bench::new();
    let running = bench.start("metric_expiration: 12h\nwithout_scope_info: true").await;
    running.send(vec![delta("calls", 5.0, 10)]).await;
    for _ in 0..3 {
        bench.pass(8 * 3600);
        assert!(running.metrics().await.contains("calls_total{queue=\"sales\"} "));
        running.send(vec![delta("calls", 1.0, bench.now.load(Ordering::SeqCst))]).await;
    }
    assert!(running.metrics().await.contains("calls_total{queue=\"sales\"} 8\n"));
    running.stop().await;
}

/// Twelve scrapers ask for 8 MB and never read: more than may be answered at a time, and more than sockets hold.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scrapers_that_do_not_read_hold_up_neither_batches_nor_other_scrapers() {
    use tokio::io::AsyncWriteExt;

    let bench = Bench::new();
    let running = bench.start("write_timeout: 1s\nwithout_scope_info: true").await;
    let padding = "x".repeat(2_000);
    let attributes = |n| vec![string("n", format!("{n}{padding}"))];
    let points = (0..4_000).map(|n| NumberDataPoint { attributes: attributes(n), ..point(1.0, 0) });
    let data = Some(Data::Gauge(Gauge { data_points: points.collect() }));
    running.send(vec![Metric { name: "large".to_owned(), data, ..Default::default() }]).await;

    let address = running.url.strip_prefix("http://").unwrap();
    let mut stuck = Vec::new();
    for _ in 0..12 {
        let mut scraper = tokio::net::TcpStream::connect(address).await.unwrap();
        scraper.write_all(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        stuck.push(scraper);
    }
    let client = HttpClient::new(&HttpClientConfig::default()).unwrap();
    let url = format!("{}/metrics", running.url);
    let good = client.get(&url, Duration::from_secs(30), 16 << 20);
    let batches = async {
        for n in 0..200 {
            let send = running.send(vec![gauge("small", f64::from(n))]);
            tokio::time::timeout(Duration::from_secs(5), send).await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    let (good, ()) = tokio::join!(good, batches);
    let text = String::from_utf8(good.unwrap().body.to_vec()).unwrap();
    assert_eq!(text.lines().filter(|line| line.starts_with("large{")).count(), 4_000);
    // All of them are cut in the end, and with them go what was rendered for them.
    let again = client.get(&url, Duration::from_secs(30), 16 << 20).await.unwrap();
    assert!(again.body.len() > 8_000_000);
    drop(stuck);
    running.stop().await;
}

#[tokio::test]
async fn a_reload_keeps_sums_and_socket() {
    let bench = Bench::new();
    let first = bench.start("without_scope_info: true").await;
    first.send(vec![delta("calls", 5.0, 10)]).await;
    first.stop().await;
    let second = bench.start("without_scope_info: true\nsend_timestamps: true").await;
    assert_eq!(second.url, first.url);
    second.send(vec![delta("calls", 2.0, 20_000_000)]).await;
    assert!(second.metrics().await.contains("calls_total{queue=\"sales\"} 7 20\n"));
    second.stop().await;
    let third = bench.start("without_scope_info: true\nnamespace: other").await;
    assert_eq!(third.metrics().await, "", "other names: the sums can not be taken over");
    third.stop().await;
}

#[tokio::test]
async fn a_reload_that_fails_leaves_the_sums_to_the_old_settings() {
    let bench = Bench::new();
    let first = bench.start("without_scope_info: true").await;
    first.send(vec![delta("calls", 5.0, 10)]).await;
    first.stop().await;
    let settings = "{endpoint: \"127.0.0.1:0\", tls: {cert_file: /nowhere.pem, key_file: /nowhere.key}}";
    let config: Config = Node::from_yaml(settings, "test.yaml").unwrap().decode("").unwrap();
    let bad = make(Context::new(&bench.shared, Kind::Exporter, "prometheus".parse().unwrap(), ""), config);
    let error = bad.start(&Host::default()).await.unwrap_err().to_string();
    assert!(error.starts_with("failed to load TLS config: "), "{error}");
    bad.shutdown(Instant::now() + Duration::from_secs(5)).await.unwrap();
    let again = bench.start("without_scope_info: true").await;
    assert!(again.metrics().await.contains("calls_total{queue=\"sales\"} 5\n"));
    again.stop().await;
}

#[tokio::test]
async fn what_is_dropped_is_counted() {
    let bench = Bench::new();
    let running = bench.start("max_series: 2").await;
    running.send(vec![gauge("a", 1.0), gauge("b", 1.0), gauge("c", 1.0), gauge("d", 1.0)]).await;
    running.send(vec![delta("x", -1.0, 5), delta("a_", 1.0, 5), gauge("...", 1.0)]).await;
    assert_eq!(bench.count("otelcol_exporter_prometheus_dropped_points", "series_limit"), 4.0);
    assert_eq!(bench.count("otelcol_exporter_prometheus_dropped_points", "invalid_name"), 1.0);
    let sent =
        bench.shared.telemetry.value("otelcol_exporter_sent_metric_points", &[("exporter", "prometheus")]);
    assert_eq!(sent, Some(2.0));
    let failed = bench
        .shared
        .telemetry
        .value("otelcol_exporter_send_failed_metric_points", &[("exporter", "prometheus")]);
    assert_eq!(failed, Some(5.0));
    running.stop().await;
}

#[tokio::test]
async fn a_taken_port_is_an_error_that_names_it() {
    let bench = Bench::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = taken.local_addr().unwrap().to_string();
    let context = Context::new(&bench.shared, Kind::Exporter, "prometheus".parse().unwrap(), "");
    let exporter = make(context, Config { endpoint: endpoint.clone(), ..Config::default() });
    let error = exporter.start(&Host::default()).await.unwrap_err().to_string();
    assert_eq!(error, format!("listen tcp {endpoint}: bind: address already in use"));
}

#[test]
fn wrong_settings_are_named() {
    use otelcol_pipeline::ComponentConfig as _;
    let issues = |settings: &str| -> Vec<(String, String)> {
        let config: Config = Node::from_yaml(settings, "test.yaml").unwrap().decode("").unwrap();
        config.validate().into_iter().map(|issue| (issue.key, issue.message)).collect()
    };
    assert_eq!(issues("endpoint: localhost:1"), []);
    assert_eq!(
        issues("{endpoint: localhost:1, tls: , sending_queue: {queue_size: 5}, keepalive: {enabled: false}}"),
        []
    );
    let all = issues(
        "{resource_constant_labels: {enabled: true}, translation_strategy: Nope, const_labels: {\"__x__\": y}, max_series: 0}",
    );
    let keys: Vec<&str> = all.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(
        keys,
        ["endpoint", "const_labels", "max_series", "resource_constant_labels", "translation_strategy"]
    );
    assert_eq!(all[0].1, "expecting a non-blank address to run the Prometheus metrics handler");
    let both = issues(
        "{endpoint: a:1, resource_constant_labels: {included: [a]}, resource_to_telemetry_conversion: {enabled: true}}",
    );
    assert_eq!(both[0].0, "resource_to_telemetry_conversion");
}
