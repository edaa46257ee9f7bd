//! The settings.

use std::collections::BTreeMap;

use otelcol_confmap::{GoDuration, present};
use otelcol_net::config::{CorsConfig, Headers, HttpServerConfig, HttpServerKeepalive, ServerTls};
use otelcol_pipeline::{ComponentConfig, ConfigIssue};
use otelcol_prometheus_text::{MetricNamer, Strategy, label_name};
use serde::Deserialize;

use super::labels::LabelRules;
use super::registry::Rules;
use super::selection::Selection;
use crate::helper::QueueConfig;

/// Settings of the prometheus exporter: otelcol's keys, and `repeat_namespace` and `max_series`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct Config {
    /// `host:port` to serve `/metrics` on. Required.
    pub endpoint: String,
    /// `tcp` (default), `tcp4`, `tcp6` or `unix`.
    pub transport: String,
    /// TLS; plain text where absent.
    #[serde(deserialize_with = "present")]
    pub tls: Option<ServerTls>,
    /// Answers to browsers of other origins.
    #[serde(deserialize_with = "present")]
    pub cors: Option<CorsConfig>,
    /// Largest request body in bytes; 0 means 20 MiB.
    pub max_request_body_size: usize,
    /// Accepted for otelcol's files; without effect.
    pub include_metadata: bool,
    /// Added to each response.
    pub response_headers: Headers,
    /// Encodings a request body may come in.
    pub compression_algorithms: Vec<String>,
    /// Time for a whole request. Zero: no limit.
    pub read_timeout: GoDuration,
    /// Time for the headers of a request.
    pub read_header_timeout: GoDuration,
    /// Time for a response.
    pub write_timeout: GoDuration,
    /// Connections between requests.
    #[serde(deserialize_with = "present")]
    pub keepalive: Option<HttpServerKeepalive>,
    /// How long a connection may wait for its next request.
    pub idle_timeout: GoDuration,
    /// Whether a connection may carry more than one request.
    pub keep_alives_enabled: bool,

    /// Accepted for otelcol's files; without effect: points are taken into memory at once, there is nothing to wait for.
    #[serde(deserialize_with = "present")]
    pub sending_queue: Option<QueueConfig>,
    /// Put before each name that does not begin with it.
    pub namespace: String,
    /// Put the namespace also before names that begin with it already, as otelcol does.
    pub repeat_namespace: bool,
    /// Labels of each series.
    pub const_labels: BTreeMap<String, String>,
    /// Write the time of each point behind its value.
    pub send_timestamps: bool,
    /// How long a series is served after its last point. Zero: for ever.
    pub metric_expiration: GoDuration,
    /// Resource attributes as labels, the older way.
    pub resource_to_telemetry_conversion: ResourceConversion,
    /// Resource attributes as labels, by patterns.
    pub resource_constant_labels: ResourceConversion,
    /// Offer OpenMetrics to scrapers that ask for it.
    pub enable_open_metrics: bool,
    /// Leave out the `otel_scope_*` labels.
    pub without_scope_info: bool,
    /// Add units and types to names; `translation_strategy` wins over it.
    pub add_metric_suffixes: bool,
    /// How names are made; empty: by `add_metric_suffixes`.
    pub translation_strategy: String,
    /// Most series kept; points of further ones are dropped and counted.
    pub max_series: usize,
}

/// Which resource attributes become labels.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ResourceConversion {
    /// All of them. Only in `resource_to_telemetry_conversion`.
    pub enabled: bool,
    /// But for those that `job` and `instance` show. Only in `resource_to_telemetry_conversion`.
    pub exclude_service_attributes: bool,
    /// Those that match one of these; `*` and `?` stand for any characters and any one.
    pub included: Vec<String>,
    /// But for those that match one of these.
    pub excluded: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        let http = HttpServerConfig::default();
        Self {
            endpoint: http.endpoint,
            transport: http.transport,
            tls: http.tls,
            cors: http.cors,
            max_request_body_size: http.max_request_body_size,
            include_metadata: http.include_metadata,
            response_headers: http.response_headers,
            compression_algorithms: http.compression_algorithms,
            read_timeout: http.read_timeout,
            read_header_timeout: http.read_header_timeout,
            write_timeout: http.write_timeout,
            keepalive: http.keepalive,
            idle_timeout: http.idle_timeout,
            keep_alives_enabled: http.keep_alives_enabled,
            sending_queue: None,
            namespace: String::new(),
            repeat_namespace: false,
            const_labels: BTreeMap::new(),
            send_timestamps: false,
            metric_expiration: GoDuration::from_secs(300),
            resource_to_telemetry_conversion: ResourceConversion::default(),
            resource_constant_labels: ResourceConversion::default(),
            enable_open_metrics: false,
            without_scope_info: false,
            add_metric_suffixes: true,
            translation_strategy: String::new(),
            max_series: 1_000_000,
        }
    }
}

impl ResourceConversion {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn has_patterns(&self) -> bool {
        !self.included.is_empty() || !self.excluded.is_empty()
    }

    fn has_flags(&self) -> bool {
        self.enabled || self.exclude_service_attributes
    }

    fn selection(&self) -> Selection {
        if self.has_patterns() {
            Selection::Patterns { included: self.included.clone(), excluded: self.excluded.clone() }
        } else if self.enabled && self.exclude_service_attributes {
            Selection::AllButService
        } else if self.enabled {
            Selection::All
        } else {
            Selection::None
        }
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
        if self.resource_constant_labels.has_flags() {
            issue(
                "resource_constant_labels",
                "enabled and exclude_service_attributes are not supported under resource_constant_labels; use included and excluded instead".to_owned(),
            );
        }
        if !self.resource_to_telemetry_conversion.is_empty() && !self.resource_constant_labels.is_empty() {
            issue(
                "resource_to_telemetry_conversion",
                "cannot configure both resource_to_telemetry_conversion and resource_constant_labels; resource_to_telemetry_conversion is deprecated".to_owned(),
            );
        }
        let older = &self.resource_to_telemetry_conversion;
        if older.has_flags() && older.has_patterns() {
            issue(
                "resource_to_telemetry_conversion",
                "cannot configure both legacy enabled/exclude_service_attributes and included/excluded patterns; enabled and exclude_service_attributes are deprecated".to_owned(),
            );
        }
        if !self.translation_strategy.is_empty() && Strategy::parse(&self.translation_strategy).is_none() {
            issue(
                "translation_strategy",
                format!(
                    "invalid translation_strategy: {}, expected UnderscoreEscapingWithSuffixes, UnderscoreEscapingWithoutSuffixes, NoUTF8EscapingWithSuffixes or NoTranslation",
                    self.translation_strategy
                ),
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
    }
}

impl Config {
    fn strategy(&self) -> Strategy {
        let by_suffixes = if self.add_metric_suffixes {
            Strategy::UnderscoreEscapingWithSuffixes
        } else {
            Strategy::UnderscoreEscapingWithoutSuffixes
        };
        Strategy::parse(&self.translation_strategy).unwrap_or(by_suffixes)
    }

    /// Whether names may hold characters that a scraper has to ask for.
    pub(super) fn has_utf8_names(&self) -> bool {
        !self.strategy().escapes()
    }

    pub(super) fn rules(&self) -> Rules {
        let strategy = self.strategy();
        let resource = if self.resource_constant_labels.is_empty() {
            self.resource_to_telemetry_conversion.selection()
        } else {
            self.resource_constant_labels.selection()
        };
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
        HttpServerConfig {
            endpoint: self.endpoint.trim().to_owned(),
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
