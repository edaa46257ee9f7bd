use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use otelcol_net::HttpResponse;
use otelcol_pdata::Signal;
use otelcol_pipeline::status::Status;
use otelcol_pipeline::{
    Collector, Component, ComponentConfig, ComponentError, Context, ExporterFactory, Factories, Host,
    ReceiverFactory, Settings, Shared,
};
use otelcol_testkit::{ManualClock, PATIENCE, Sink};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::answer::Health;
use super::{ResponseBody, factory, is_at, is_verbose};

fn health(healthy: bool) -> Health {
    let failed = Status::Permanent("receive panicked: x".to_owned());
    let components = vec![
        ("exporter otlp".to_owned(), Status::Ok),
        ("receiver ami".to_owned(), if healthy { Status::Ok } else { failed }),
    ];
    Health { healthy, components }
}

fn text(response: &HttpResponse) -> (u16, String, String) {
    let content_type = response.headers["content-type"].to_str().unwrap().to_owned();
    (response.status.as_u16(), content_type, String::from_utf8(response.body.concat()).unwrap())
}

fn json(healthy: bool, verbose: bool) -> String {
    let since = SystemTime::UNIX_EPOCH + Duration::new(1_764_000_000, 626_077_894);
    let (status, content_type, body) =
        text(&health(healthy).json(since, Duration::from_millis(3_152), verbose));
    assert_eq!(status, if healthy { 200 } else { 503 });
    assert_eq!(content_type, "application/json");
    body
}

#[test]
fn the_answer_is_contribs() {
    assert_eq!(
        json(true, false),
        r#"{"status":"Server available","upSince":"2025-11-24T16:00:00.626077894Z","uptime":"3.152s"}"#
    );
}

#[test]
fn an_unhealthy_answer_names_what_is_not_well() {
    assert_eq!(
        json(false, false),
        r#"{"status":"Server not available","upSince":"0001-01-01T00:00:00Z","uptime":"","components":{"receiver ami":"permanent error: receive panicked: x"}}"#
    );
}

#[test]
fn a_healthy_answer_names_what_keeps_trying() {
    let away = Status::Recoverable("connection refused".to_owned());
    let components = vec![("exporter otlp".to_owned(), away), ("receiver ami".to_owned(), Status::Ok)];
    let degraded = Health { healthy: true, components };
    let (status, _, body) = text(&degraded.json(SystemTime::UNIX_EPOCH, Duration::from_secs(2), false));
    assert_eq!(status, 200);
    assert_eq!(
        body,
        r#"{"status":"Server available","upSince":"1970-01-01T00:00:00Z","uptime":"2s","components":{"exporter otlp":"recoverable error: connection refused"}}"#
    );
}

#[test]
fn all_components_are_listed_where_asked_for() {
    assert!(json(true, true).ends_with(r#","components":{"exporter otlp":"ok","receiver ami":"ok"}}"#));
    assert!(json(false, true).contains(r#"{"exporter otlp":"ok","receiver ami":"permanent error"#));
    let asks = ["verbose", "verbose=1", "a=b&verbose"];
    assert!(asks.into_iter().all(|query| is_verbose(Some(query))));
    assert!(!is_verbose(None) && !is_verbose(Some("verbosely=1")));
}

#[test]
fn the_body_can_be_set() {
    let body = ResponseBody { healthy: "yes".to_owned(), unhealthy: "no".to_owned() };
    let plain = |status, text: &str| (status, "text/plain; charset=utf-8".to_owned(), text.to_owned());
    assert_eq!(text(&health(true).text(&body)), plain(200, "yes"));
    assert_eq!(text(&health(false).text(&body)), plain(503, "no"));
}

#[test]
fn a_path_with_a_slash_at_its_end_stands_for_all_below() {
    assert!(is_at("/", "/anything") && is_at("/health/", "/health/x") && is_at("/health", "/health"));
    assert!(!is_at("/health", "/health/x") && !is_at("/health/", "/"));
}

/// Panics in the background where it is told to.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(default)]
struct Fragile {
    panics: bool,
}

impl ComponentConfig for Fragile {}

struct Receiver(Context, Fragile);

#[async_trait]
impl Component for Receiver {
    async fn start(&self, _host: &Host) -> Result<(), ComponentError> {
        let panics = self.1.panics;
        self.0.tasks.spawn("receive", async move { assert!(!panics, "as told") });
        Ok(())
    }
}

async fn running(socket: &Path, receiver: &str, extension: &str) -> Collector {
    let clock = ManualClock::at(1_764_000_000);
    let factories = Factories {
        receivers: vec![ReceiverFactory::receiver("fragile", &[Signal::Traces], |context, config, _| {
            Ok(Arc::new(Receiver(context, config)))
        })],
        exporters: vec![ExporterFactory::exporter(
            "sink",
            &[Signal::Traces],
            |_, _: otelcol_pipeline::NoConfig, _| Ok(Sink::new()),
        )],
        extensions: vec![factory()],
        ..Factories::default()
    };
    let yaml = format!(
        "yaml:{{receivers: {{fragile: {receiver}}}, exporters: {{sink: {{}}}}, \
         extensions: {{health_check: {{transport: unix, endpoint: '{}'{extension}}}}}, \
         service: {{extensions: [health_check], telemetry: {{metrics: {{level: none}}}}, \
         pipelines: {{traces: {{receivers: [fragile], exporters: [sink]}}}}}}}}",
        socket.display()
    );
    let shared = Shared { clock: clock.clock(), ..Shared::default() };
    let mut collector =
        Collector::new(Settings { factories, config: vec![yaml], shared, ..Settings::default() });
    collector.start().await.unwrap();
    collector
}

/// The status and the body.
async fn get(socket: &Path, path: &str) -> (u16, String) {
    let mut stream = UnixStream::connect(socket).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

#[tokio::test]
async fn a_running_collector_is_healthy() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("s");
    let mut collector = running(&socket, "{}", "").await;
    let expected = r#"{"status":"Server available","upSince":"2025-11-24T16:00:00Z","uptime":"0s"}"#;
    assert_eq!(get(&socket, "/").await, (200, expected.to_owned()));
    assert!(get(&socket, "/?verbose").await.1.contains(r#""receiver fragile":"#));
    collector.shutdown().await;
    drop(collector);
    assert!(UnixStream::connect(&socket).await.is_err());
}

#[tokio::test]
async fn a_panic_turns_health_red() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("s");
    let extension = ", path: /health, response_body: {healthy: fine, unhealthy: broken}";
    let mut collector = running(&socket, "{panics: true}", extension).await;
    let red = async {
        while get(&socket, "/health").await.0 == 200 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, red).await.unwrap();
    assert_eq!(get(&socket, "/health").await, (503, "broken".to_owned()));
    let (status, body) = get(&socket, "/health?verbose").await;
    assert_eq!(status, 503);
    assert!(body.contains(r#""receiver fragile":"permanent error: receive panicked: as told""#), "{body}");
    assert_eq!(get(&socket, "/").await, (404, "404 page not found\n".to_owned()));
    collector.shutdown().await;
}

#[test]
fn wrong_settings_are_named() {
    let config = super::Config { endpoint: String::new(), path: "x".to_owned(), ..super::Config::default() };
    let messages: Vec<String> = config.validate().into_iter().map(|issue| issue.message).collect();
    assert_eq!(messages, ["http endpoint required", "path must start with /"]);
}
