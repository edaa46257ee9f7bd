//! Settings of the health check.

use otelcol_confmap::GoDuration;
use otelcol_net::config::{CorsConfig, Headers, HttpServerConfig, HttpServerKeepalive, ServerTls};
use otelcol_pipeline::{ComponentConfig, ConfigIssue};
use serde::Deserialize;

/// Settings of the health check, under contrib's names: an HTTP server, a path and the answers.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct Config {
    /// `host:port`, `:port`, or a path where `transport` is `unix`.
    pub endpoint: String,
    /// `tcp`, `tcp4`, `tcp6` or `unix`.
    pub transport: String,
    /// TLS; plain text where absent.
    pub tls: Option<ServerTls>,
    /// Answers to browsers of other origins.
    pub cors: Option<CorsConfig>,
    /// Largest body of a request in bytes. Zero: 20 MiB.
    pub max_request_body_size: usize,
    /// No effect here.
    pub include_metadata: bool,
    /// Added to each response.
    pub response_headers: Headers,
    /// Encodings a body may come in. Empty: all there are.
    pub compression_algorithms: Vec<String>,
    /// Time for a whole request. Zero: no limit.
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
    /// Where the answer is. With a slash at its end: there and below.
    pub path: String,
    /// Answers in other words than JSON.
    pub response_body: Option<ResponseBody>,
    /// contrib's counting of exporter failures, deprecated and without effect there too.
    pub check_collector_pipeline: CheckCollectorPipeline,
}

/// The whole body of an answer.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct ResponseBody {
    /// While the collector is healthy.
    pub healthy: String,
    /// While it is not.
    pub unhealthy: String,
}

/// contrib's deprecated section; no effect here, where components report their state by themselves.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct CheckCollectorPipeline {
    /// No effect here.
    pub enabled: bool,
    /// No effect here.
    pub interval: GoDuration,
    /// No effect here.
    pub exporter_failure_threshold: u64,
}

impl Default for CheckCollectorPipeline {
    fn default() -> Self {
        Self { enabled: false, interval: GoDuration::from_secs(300), exporter_failure_threshold: 5 }
    }
}

impl Default for Config {
    fn default() -> Self {
        let server = HttpServerConfig::default();
        Self {
            endpoint: "localhost:13133".to_owned(),
            transport: server.transport,
            tls: None,
            cors: None,
            max_request_body_size: 0,
            include_metadata: false,
            response_headers: server.response_headers,
            compression_algorithms: Vec::new(),
            read_timeout: server.read_timeout,
            read_header_timeout: server.read_header_timeout,
            write_timeout: server.write_timeout,
            keepalive: None,
            idle_timeout: server.idle_timeout,
            keep_alives_enabled: false,
            path: "/".to_owned(),
            response_body: None,
            check_collector_pipeline: CheckCollectorPipeline::default(),
        }
    }
}

impl ComponentConfig for Config {
    fn validate(&self) -> Vec<ConfigIssue> {
        let mut issues = Vec::new();
        if self.endpoint.is_empty() {
            issues.push(ConfigIssue::new("endpoint", "http endpoint required"));
        }
        if !self.path.starts_with('/') {
            issues.push(ConfigIssue::new("path", "path must start with /"));
        }
        issues
    }
}

impl Config {
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
}
