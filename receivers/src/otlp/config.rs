//! Settings of the OTLP receiver.

use otelcol_confmap::{GoDuration, present};
use otelcol_net::config::{
    CorsConfig, GrpcServerConfig, Headers, HttpServerConfig, HttpServerKeepalive, ServerTls,
};
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

/// OTLP/HTTP: an HTTP server (README of `crates/net`) and the paths of the signals.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct HttpConfig {
    /// `host:port`, `:port`, or a path where `transport` is `unix`.
    pub endpoint: String,
    /// `tcp`, `tcp4`, `tcp6` or `unix`.
    pub transport: String,
    /// TLS; plain text where absent.
    pub tls: Option<ServerTls>,
    /// Answers to browsers of other origins.
    pub cors: Option<CorsConfig>,
    /// Largest body in bytes, before and after decompression. Zero: 20 MiB.
    pub max_request_body_size: usize,
    /// Accepted for otelcol's files; nothing reads the headers further on.
    pub include_metadata: bool,
    /// Added to each response.
    pub response_headers: Headers,
    /// Encodings a body may come in. Empty: all there are.
    pub compression_algorithms: Vec<String>,
    /// Time for a whole request. Zero: no limit, but a body must not stall.
    pub read_timeout: GoDuration,
    /// Time for the headers of a request. Zero: `read_timeout`.
    pub read_header_timeout: GoDuration,
    /// Time from the headers of a request to the last byte of its response. Zero: no limit.
    pub write_timeout: GoDuration,
    /// otelcol's newer way to write the next two.
    pub keepalive: Option<HttpServerKeepalive>,
    /// How long a connection may wait for its next request. Zero: `read_timeout`.
    pub idle_timeout: GoDuration,
    /// Whether a connection may carry more than one request.
    pub keep_alives_enabled: bool,
    /// The path of traces.
    pub traces_url_path: String,
    /// The path of metrics.
    pub metrics_url_path: String,
    /// The path of logs.
    pub logs_url_path: String,
}

impl Default for HttpConfig {
    fn default() -> Self {
        let server = HttpServerConfig::default();
        Self {
            endpoint: HTTP_ENDPOINT.to_owned(),
            transport: server.transport,
            tls: None,
            cors: None,
            max_request_body_size: 0,
            include_metadata: false,
            response_headers: server.response_headers,
            compression_algorithms: Vec::new(),
            read_timeout: GoDuration::default(),
            // otelcol has no limit for these two here. A client that says nothing would keep its connection for ever.
            read_header_timeout: GoDuration::from_secs(60),
            idle_timeout: GoDuration::from_secs(300),
            write_timeout: GoDuration::default(),
            keepalive: None,
            keep_alives_enabled: true,
            traces_url_path: "/v1/traces".to_owned(),
            metrics_url_path: "/v1/metrics".to_owned(),
            logs_url_path: "/v1/logs".to_owned(),
        }
    }
}

impl HttpConfig {
    /// The part that concerns the server.
    pub(super) fn server(&self) -> HttpServerConfig {
        HttpServerConfig {
            endpoint: self.endpoint.clone(),
            transport: self.transport.clone(),
            tls: self.tls.clone(),
            cors: self.cors.clone(),
            max_request_body_size: self.max_request_body_size,
            include_metadata: self.include_metadata,
            response_headers: self.response_headers.clone(),
            compression_algorithms: self.compression_algorithms.clone(),
            read_timeout: self.read_timeout,
            read_header_timeout: self.read_header_timeout,
            write_timeout: self.write_timeout,
            keepalive: self.keepalive.clone(),
            idle_timeout: self.idle_timeout,
            keep_alives_enabled: self.keep_alives_enabled,
        }
    }

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
