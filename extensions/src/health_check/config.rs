//! Settings of the health check.

use otelcol_confmap::GoDuration;
use otelcol_pipeline::{ComponentConfig, ConfigIssue};
use serde::Deserialize;

otelcol_net::http_server_config! {
    /// Settings of the health check, under contrib's names: an HTTP server, a path and the answers.
    pub struct Config {
        /// Where the answer is. With a slash at its end: there and below.
        pub path: String = "/".to_owned(),
        /// Answers in other words than JSON.
        pub response_body: Option<ResponseBody> = None,
        /// contrib's counting of exporter failures, deprecated and without effect there too.
        pub check_collector_pipeline: CheckCollectorPipeline = CheckCollectorPipeline::default(),
    }
    defaults {
        endpoint: "localhost:13133".to_owned(),
        keep_alives_enabled: false,
    }
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
