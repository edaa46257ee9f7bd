//! Settings of the `loki` exporter.

use std::collections::BTreeMap;

use otelcol_confmap::GoDuration;
use otelcol_net::Compression;
use otelcol_net::config::HttpClientConfig;
use otelcol_pipeline::{ComponentConfig, ConfigIssue};
use serde::Deserialize;

use crate::helper::http_client::{client_issues, http_exporter_config, url_issue};

/// `default_labels_enabled`: labels that are there without being asked for. All are on unless switched off.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct DefaultLabels {
    /// `exporter="OTLP"`.
    pub exporter: bool,
    /// `job`: `service.namespace/service.name`, or the name alone.
    pub job: bool,
    /// `instance`: `service.instance.id`.
    pub instance: bool,
    /// `level`: the attribute `level`, else the severity (`INFO`).
    pub level: bool,
}

impl Default for DefaultLabels {
    fn default() -> Self {
        Self { exporter: true, job: true, instance: true, level: true }
    }
}

/// `labels`: more labels. Each maps an attribute's name to a label's; an empty label name is the attribute's own.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Labels {
    /// Attributes of the resource or, where it has none of the name, of the record.
    pub attributes: BTreeMap<String, String>,
    /// Attributes of the resource only.
    pub resource: BTreeMap<String, String>,
    /// Fields of the record: `traceID`, `spanID`, `severity`, `severityN`.
    pub record: BTreeMap<String, String>,
}

/// The fields that `labels::record` can name.
const RECORD_FIELDS: [&str; 4] = ["traceID", "spanID", "severity", "severityN"];

http_exporter_config! {
    /// Settings: those of an HTTP client, the queue and the repeats, flat as 0.96's lokiexporter has them.
    pub struct Config {
        /// Labels that are there without being asked for.
        pub default_labels_enabled: DefaultLabels = DefaultLabels::default(),
        /// More labels.
        pub labels: Labels = Labels::default(),
    }
    defaults {
        timeout: GoDuration::from_secs(30),
        compression: Compression::None,
    }
}

impl ComponentConfig for Config {
    fn validate(&self) -> Vec<ConfigIssue> {
        let rule = "\"endpoint\" must be a valid URL, such as http://loki:3100/loki/api/v1/push";
        let mut issues = Vec::from_iter(url_issue("endpoint", &self.endpoint, rule));
        for field in self.labels.record.keys().filter(|field| !RECORD_FIELDS.contains(&field.as_str())) {
            let known = RECORD_FIELDS.join(", ");
            issues.push(ConfigIssue::new(
                format!("labels::record::{field}"),
                format!(
                    "expected one of {known}, found {field:?}; attributes belong under labels::attributes"
                ),
            ));
        }
        issues.extend(client_issues("", &HttpClientConfig::from(self)));
        issues.extend(self.sending_queue.validate("sending_queue"));
        issues.extend(self.retry_on_failure.validate("retry_on_failure"));
        issues
    }
}
