//! Settings of the `otlp` exporter.

use otelcol_confmap::GoDuration;
use otelcol_net::Compression;
use otelcol_net::config::{ClientTls, GrpcClientConfig, GrpcClientKeepalive, Headers};
use otelcol_pipeline::{ComponentConfig, ConfigIssue};
use serde::Deserialize;

use crate::helper::{QueueConfig, RetryConfig, Settings};

/// Settings: those of a gRPC client, the queue and the repeats, flat as otelcol has them.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct Config {
    /// `host:port`; `http://`, `https://` and `dns:///` may stand before it.
    pub endpoint: String,
    /// TLS; on unless `insecure`.
    pub tls: ClientTls,
    /// Compression of requests.
    pub compression: Compression,
    /// Sent with each call.
    pub headers: Headers,
    /// Pings. None unless set, as in otelcol.
    pub keepalive: Option<GrpcClientKeepalive>,
    /// No effect here: sizes a buffer of the Go implementation.
    pub read_buffer_size: usize,
    /// No effect here: sizes a buffer of the Go implementation.
    pub write_buffer_size: usize,
    /// Let a call wait for a connection up to its time limit.
    pub wait_for_ready: bool,
    /// `round_robin` or `pick_first`.
    pub balancer_name: String,
    /// `:authority` to send instead of the endpoint's.
    pub authority: String,
    /// User agent to send instead of the collector's.
    pub user_agent: String,
    /// Time for one attempt. Zero: no limit.
    pub timeout: GoDuration,
    /// What waits between the pipeline and the backend.
    pub sending_queue: QueueConfig,
    /// Repeats after an error that may pass.
    pub retry_on_failure: RetryConfig,
}

impl Default for Config {
    fn default() -> Self {
        let client = GrpcClientConfig::default();
        Self {
            endpoint: client.endpoint,
            tls: client.tls,
            compression: Compression::Gzip,
            headers: client.headers,
            keepalive: None,
            read_buffer_size: client.read_buffer_size,
            write_buffer_size: client.write_buffer_size,
            wait_for_ready: client.wait_for_ready,
            balancer_name: client.balancer_name,
            authority: client.authority,
            user_agent: client.user_agent,
            timeout: GoDuration::from_secs(5),
            sending_queue: QueueConfig::default(),
            retry_on_failure: RetryConfig::default(),
        }
    }
}

impl Config {
    /// The settings of the gRPC client, and what stands between the pipeline and the sender.
    pub fn into_parts(self) -> (GrpcClientConfig, Settings) {
        let settings = Settings {
            timeout: self.timeout.get(),
            queue: Some(self.sending_queue),
            retry: Some(self.retry_on_failure),
        };
        let client = GrpcClientConfig {
            endpoint: self.endpoint,
            tls: self.tls,
            compression: self.compression,
            headers: self.headers,
            keepalive: self.keepalive,
            read_buffer_size: self.read_buffer_size,
            write_buffer_size: self.write_buffer_size,
            wait_for_ready: self.wait_for_ready,
            balancer_name: self.balancer_name,
            authority: self.authority,
            user_agent: self.user_agent,
        };
        (client, settings)
    }
}

impl ComponentConfig for Config {
    fn validate(&self) -> Vec<ConfigIssue> {
        let mut issues = Vec::new();
        let schemes = ["http://", "https://", "dns:///", "dns://"];
        let bare =
            schemes.iter().find_map(|scheme| self.endpoint.strip_prefix(scheme)).unwrap_or(&self.endpoint);
        if bare.is_empty() {
            issues.push(ConfigIssue::new("", "requires a non-empty \"endpoint\""));
        }
        issues.extend(self.sending_queue.validate("sending_queue"));
        issues.extend(self.retry_on_failure.validate("retry_on_failure"));
        issues
    }
}
