//! The settings.

use std::collections::BTreeMap;

use otelcol_confmap::{GoDuration, present};
use otelcol_net::config::HttpServerConfig;
use otelcol_pipeline::{ComponentConfig, ConfigIssue};
use otelcol_prometheus_text::{MetricNamer, Strategy, label_name};

use super::registry::Rules;
use crate::helper::QueueConfig;
use crate::translation::{
    LabelRules, ResourceConversion, resource_issues, selection, strategy, strategy_issue,
};

otelcol_net::http_server_config! {
    /// Settings of the prometheus exporter: otelcol's keys, and `repeat_namespace` and `max_series`.
    pub struct Config {
        /// Accepted for otelcol's files; without effect: points are taken into memory at once, there is nothing to wait for.
        #[serde(deserialize_with = "present")]
        pub sending_queue: Option<QueueConfig> = None,
        /// Put before each name that does not begin with it.
        pub namespace: String = String::new(),
        /// Put the namespace also before names that begin with it already, as otelcol does.
        pub repeat_namespace: bool = false,
        /// Labels of each series.
        pub const_labels: BTreeMap<String, String> = BTreeMap::new(),
        /// Write the time of each point behind its value.
        pub send_timestamps: bool = false,
        /// How long a series is served after its last point. Zero: for ever.
        pub metric_expiration: GoDuration = GoDuration::from_secs(300),
        /// Resource attributes as labels, the older way.
        pub resource_to_telemetry_conversion: ResourceConversion = ResourceConversion::default(),
        /// Resource attributes as labels, by patterns.
        pub resource_constant_labels: ResourceConversion = ResourceConversion::default(),
        /// Offer OpenMetrics to scrapers that ask for it.
        pub enable_open_metrics: bool = false,
        /// Leave out the `otel_scope_*` labels.
        pub without_scope_info: bool = false,
        /// Add units and types to names; `translation_strategy` wins over it.
        pub add_metric_suffixes: bool = true,
        /// How names are made; empty: by `add_metric_suffixes`.
        pub translation_strategy: String = String::new(),
        /// Most series kept; points of further ones are dropped and counted.
        pub max_series: usize = 1_000_000,
    }
}

impl ComponentConfig for Config {
    fn validate(&self) -> Vec<ConfigIssue> {
        let mut issues = Vec::new();
        let mut issue = |key: &str, message: String| issues.push(ConfigIssue::new(key, message));
        if self.endpoint.trim().is_empty() {
            issue(
                "endpoint",
                "expecting a non-blank address to run the Prometheus metrics handler".to_owned(),
            );
        }
        for name in self.const_labels.keys() {
            if label_name(name, self.strategy()).map_or(true, |name| name.starts_with("__")) {
                issue(
                    "const_labels",
                    format!("{name:?} can not be a label name, expected letters, digits and _"),
                );
            }
        }
        if self.max_series == 0 {
            issue("max_series", "must be at least 1".to_owned());
        }
        issues
            .extend(resource_issues(&self.resource_to_telemetry_conversion, &self.resource_constant_labels));
        issues.extend(strategy_issue(&self.translation_strategy));
        issues
    }
}

impl Config {
    fn strategy(&self) -> Strategy {
        strategy(&self.translation_strategy, self.add_metric_suffixes)
    }

    /// Whether names may hold characters that a scraper has to ask for.
    pub(super) fn has_utf8_names(&self) -> bool {
        !self.strategy().escapes()
    }

    pub(super) fn rules(&self) -> Rules {
        let strategy = self.strategy();
        let resource = selection(&self.resource_to_telemetry_conversion, &self.resource_constant_labels);
        let constant = self
            .const_labels
            .iter()
            .filter_map(|(name, value)| Some((label_name(name, strategy).ok()?, value.clone())))
            .collect();
        Rules {
            namer: MetricNamer::new(&self.namespace, strategy).repeat_namespace(self.repeat_namespace),
            labels: LabelRules { strategy, constant, scope: !self.without_scope_info, resource },
            expiration_ms: u64::try_from(self.metric_expiration.get().as_millis()).unwrap_or(u64::MAX),
            max_series: self.max_series,
            exemplars: self.enable_open_metrics,
        }
    }

    pub(super) fn http(&self) -> HttpServerConfig {
        HttpServerConfig { endpoint: self.endpoint.trim().to_owned(), ..HttpServerConfig::from(self) }
    }
}
