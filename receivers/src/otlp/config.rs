//! Settings of the OTLP receiver.

use otelcol_confmap::{GoDuration, present};
use otelcol_net::config::GrpcServerConfig;
use otelcol_pdata::Signal;
use otelcol_pipeline::{ComponentConfig, ConfigIssue};
use serde::Deserialize;

const GRPC_ENDPOINT: &str = "localhost:4317";
const HTTP_ENDPOINT: &str = "localhost:4318";

/// Settings of the OTLP receiver, under otelcol's names.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Config {
    /// What to listen for; at least one protocol.
    pub protocols: Protocols,
}

/// The protocols. A key with nothing behind it (`grpc:`) is the protocol with its defaults.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Protocols {
    /// OTLP/gRPC, on `localhost:4317`.
    #[serde(deserialize_with = "present")]
    pub grpc: Option<GrpcServerConfig>,
    /// OTLP/HTTP, protobuf and JSON, on `localhost:4318`.
    #[serde(deserialize_with = "present")]
    pub http: Option<HttpConfig>,
}

impl ComponentConfig for Config {
    fn validate(&self) -> Vec<ConfigIssue> {
        if self.protocols.grpc.is_none() && self.protocols.http.is_none() {
            let message = "must specify at least one protocol when using the OTLP receiver";
            return vec![ConfigIssue::new("", message)];
        }
        Vec::new()
    }
}

otelcol_net::http_server_config! {
    /// OTLP/HTTP: an HTTP server (README of `crates/net`) and the paths of the signals.
    pub struct HttpConfig {
        /// The path of traces.
        pub traces_url_path: String = "/v1/traces".to_owned(),
        /// The path of metrics.
        pub metrics_url_path: String = "/v1/metrics".to_owned(),
        /// The path of logs.
        pub logs_url_path: String = "/v1/logs".to_owned(),
    }
    defaults {
        endpoint: HTTP_ENDPOINT.to_owned(),
        // otelcol has no limit for these two here. A client that says nothing would keep its connection for ever.
        read_header_timeout: GoDuration::from_secs(60),
        idle_timeout: GoDuration::from_secs(300),
        write_timeout: GoDuration::default(),
    }
}

impl HttpConfig {
    /// The path of each signal, with a leading slash and without query and fragment, as otelcol reads it.
    pub(super) fn paths(&self) -> [(String, Signal); 3] {
        let clean = |path: &str| {
            let path = path.split(['?', '#']).next().unwrap_or_default();
            if path.starts_with('/') { path.to_owned() } else { format!("/{path}") }
        };
        [
            (clean(&self.traces_url_path), Signal::Traces),
            (clean(&self.metrics_url_path), Signal::Metrics),
            (clean(&self.logs_url_path), Signal::Logs),
        ]
    }
}

/// The settings of the gRPC server, with the endpoint of this receiver where none is set.
pub(super) fn grpc_server(config: &GrpcServerConfig) -> GrpcServerConfig {
    let mut config = config.clone();
    if config.endpoint.is_empty() {
        config.endpoint = GRPC_ENDPOINT.to_owned();
    }
    config
}
