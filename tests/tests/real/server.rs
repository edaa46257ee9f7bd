//! Servers that launchers of `tests/real` start, and a collector that sends to them.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use otelcol_net::GrpcClient;
use otelcol_net::config::{ClientTls, GrpcClientConfig};
use otelcol_pdata::{Batch, Signal};
use otelcol_testkit::grpc_path;
use otelcol_tests::{Running, free_port, get};
use serde_json::Value;

/// A server of another; it ends with this.
pub(crate) struct Server {
    /// What its launcher said: `PID`, and where it can be reached.
    at: BTreeMap<String, String>,
}

impl Server {
    /// Starts `tests/real/NAME` with its data in `dir`. None: it can not be had here and need not, so the test is skipped.
    pub(crate) fn start(name: &str, dir: &Path) -> Option<Self> {
        Self::start_with(name, dir, &[])
    }

    /// The same with variables in its launcher's environment.
    pub(crate) fn start_with(name: &str, dir: &Path, environment: &[(&str, &str)]) -> Option<Self> {
        let mut launcher = Command::new(super::script(&format!("{name}/start.sh")));
        launcher.arg(dir).envs(environment.iter().copied());
        let said = super::run_or_skip(launcher)?;
        let pairs = said.lines().map(|line| line.split_once('=').unwrap());
        Some(Self { at: pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect() })
    }

    /// What its launcher said of `key`.
    pub(crate) fn at(&self, key: &str) -> &str {
        &self.at[key]
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It is gone already, or goes now.
        let _ = Command::new("kill").args(["-9", self.at("PID")]).status();
    }
}

/// The JSON behind `url`.
pub(crate) async fn json(url: &str) -> Result<Value, String> {
    let text = get(url).await?;
    serde_json::from_str(&text).map_err(|why| format!("{why}: {text}"))
}

/// A collector that takes OTLP and sends it on.
pub(crate) struct Collector {
    running: Running,
    client: GrpcClient,
}

impl Collector {
    /// `exporters` is the section of that name, each of which has `signal`; in flow style and without the outer braces.
    pub(crate) async fn start(signal: Signal, exporters: &str, names: &str) -> Self {
        let port = free_port();
        let running = Running::start(&format!(
            "receivers: {{otlp: {{protocols: {{grpc: {{endpoint: '127.0.0.1:{port}'}}}}}}}}\n\
             exporters: {{{exporters}}}\n\
             service:\n  telemetry: {{metrics: {{level: none}}}}\n  \
             pipelines: {{{signal}: {{receivers: [otlp], exporters: [{names}]}}}}\n"
        ))
        .await
        .unwrap();
        let client = GrpcClient::new(&GrpcClientConfig {
            endpoint: format!("127.0.0.1:{port}"),
            tls: ClientTls { insecure: true, ..ClientTls::default() },
            ..GrpcClientConfig::default()
        })
        .unwrap();
        Self { running, client }
    }

    /// Sends a batch, which is accepted then.
    pub(crate) async fn send(&self, batch: &Batch) {
        let path = grpc_path(batch.signal());
        self.client.call(path, batch.wire_chunks(), Duration::from_secs(10)).await.unwrap();
    }

    /// Ends when everything is sent.
    pub(crate) async fn stop(mut self) {
        self.running.collector.shutdown().await;
    }
}

/// Sends `batch` through an exporter, and returns when the backend has it.
pub(crate) async fn send_through(exporter: &str, batch: &Batch) {
    let name = exporter.split(':').next().unwrap();
    let collector = Collector::start(batch.signal(), exporter, name).await;
    collector.send(batch).await;
    collector.stop().await;
}
