//! Settings of the `otlphttp` exporter.

use otelcol_confmap::GoDuration;
use otelcol_net::Compression;
use otelcol_net::config::HttpClientConfig;
use otelcol_pdata::Signal;
use otelcol_pipeline::{ComponentConfig, ConfigIssue};
use serde::Deserialize;

use crate::helper::http_client::{client_issues, http_exporter_config, url_issue};

/// The form of request bodies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// Protobuf.
    #[default]
    Proto,
    /// OTLP/JSON.
    Json,
}

http_exporter_config! {
    /// Settings: those of an HTTP client, the queue and the repeats, flat as otelcol has them.
    pub struct Config {
        /// URL for traces instead of `endpoint` + `/v1/traces`.
        pub traces_endpoint: String = String::new(),
        /// URL for metrics instead of `endpoint` + `/v1/metrics`.
        pub metrics_endpoint: String = String::new(),
        /// URL for logs instead of `endpoint` + `/v1/logs`.
        pub logs_endpoint: String = String::new(),
        /// The form of request bodies.
        pub encoding: Encoding = Encoding::Proto,
    }
    defaults {
        timeout: GoDuration::from_secs(30),
        compression: Compression::Gzip,
    }
}

impl Config {
    fn own_url(&self, signal: Signal) -> &str {
        match signal {
            Signal::Traces => &self.traces_endpoint,
            Signal::Metrics => &self.metrics_endpoint,
            Signal::Logs => &self.logs_endpoint,
        }
    }

    /// Where batches of a signal go; None where nothing is set for it.
    pub fn url(&self, signal: Signal) -> Option<String> {
        let own = self.own_url(signal);
        if !own.is_empty() {
            return Some(own.to_owned());
        }
        let base = self.endpoint.strip_suffix('/').unwrap_or(&self.endpoint);
        (!base.is_empty()).then(|| format!("{base}/v1/{signal}"))
    }
}

impl ComponentConfig for Config {
    fn validate(&self) -> Vec<ConfigIssue> {
        let mut issues = Vec::new();
        let named = [
            ("endpoint", &self.endpoint),
            ("traces_endpoint", &self.traces_endpoint),
            ("metrics_endpoint", &self.metrics_endpoint),
            ("logs_endpoint", &self.logs_endpoint),
        ];
        if named.iter().all(|(_, url)| url.is_empty()) {
            issues.push(ConfigIssue::new("", "at least one endpoint must be specified"));
        }
        for (key, url) in named.into_iter().filter(|(_, url)| !url.is_empty()) {
            issues.extend(url_issue(key, url, &format!("{key} must be a valid URL")));
        }
        issues.extend(client_issues("", &HttpClientConfig::from(self)));
        issues.extend(self.sending_queue.validate("sending_queue"));
        issues.extend(self.retry_on_failure.validate("retry_on_failure"));
        issues
    }
}
