//! The section `service::telemetry`: the collector's own logs and metrics.

use std::collections::BTreeMap;
use std::fmt;

use otelcol_confmap::{ConfigError, GoDuration, Node};
use serde::Deserialize;

/// The collector's own telemetry.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct TelemetryConfig {
    /// Its log lines.
    pub logs: LogsConfig,
    /// Its metrics.
    pub metrics: MetricsConfig,
    /// Its spans, of which there are none.
    pub traces: TracesConfig,
    /// Attributes of the collector itself, shown in `target_info` and on log lines.
    pub resource: BTreeMap<String, Option<String>>,
}

/// How much a log shows: lines of this level and above.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Everything.
    Debug,
    /// What an operator may want to know.
    #[default]
    Info,
    /// What an operator should look at.
    #[serde(alias = "warning")]
    Warn,
    /// What does not work.
    #[serde(alias = "dpanic", alias = "panic", alias = "fatal")]
    Error,
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// Tab-separated text with fields as JSON, as zap's console encoder writes it.
    #[default]
    Console,
    /// A JSON object a line.
    Json,
}

/// `service::telemetry::logs`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct LogsConfig {
    /// The lowest level that is shown (default info).
    pub level: Level,
    /// The form of a line (default console).
    pub encoding: Encoding,
    /// `stderr` (default), `stdout`, or one file that lines are appended to.
    pub output_paths: Vec<String>,
    /// Fields that each line carries.
    pub initial_fields: BTreeMap<String, String>,
    /// Accepted for otelcol's sake: a line's place in the source is never shown.
    pub disable_caller: bool,
    /// Accepted for otelcol's sake: stack traces are never shown.
    pub disable_stacktrace: bool,
    /// Accepted for otelcol's sake: it changes only the two settings above.
    pub development: bool,
    /// Accepted for otelcol's sake: what repeats is gathered where it is logged, whatever it says.
    pub sampling: LogSampling,
    /// Accepted for otelcol's sake: where a log line can not be written there is no second place.
    pub error_output_paths: Vec<String>,
}

/// `service::telemetry::logs::sampling`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct LogSampling {
    /// Sample or not.
    pub enabled: bool,
    /// The time in which lines are counted.
    pub tick: GoDuration,
    /// Lines of a text that are written in it.
    pub initial: u64,
    /// Of those beyond, every so many-th is written.
    pub thereafter: u64,
}

/// `service::telemetry::traces`: accepted for otelcol's sake, whatever it says, as this collector makes no spans of its own.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct TracesConfig {
    /// `none` makes no spans.
    pub level: MetricsLevel,
    /// How a caller's span is found in its request.
    pub propagators: Vec<String>,
}

/// How many self metrics are made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum MetricsLevel {
    /// None are served.
    None,
    /// Same as normal.
    Basic,
    /// All.
    #[default]
    Normal,
    /// Same as normal.
    Detailed,
}

/// `service::telemetry::metrics`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct MetricsConfig {
    /// `none` serves no self metrics.
    pub level: MetricsLevel,
    /// The old form of a Prometheus reader: `host:port`.
    pub address: Option<String>,
    /// Where self metrics can be read.
    pub readers: Option<Vec<Reader>>,
}

/// A way to read the self metrics.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Reader {
    /// By scraping.
    pub pull: Option<Pull>,
}

/// A reader that is asked.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Pull {
    /// The form that it answers in.
    pub exporter: PullExporter,
}

/// The form of a pull reader; Prometheus is the only one.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct PullExporter {
    /// Prometheus text.
    pub prometheus: Option<PrometheusReader>,
}

/// A Prometheus endpoint for self metrics.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct PrometheusReader {
    /// The address to listen on (default localhost).
    pub host: String,
    /// The port (default 8888).
    pub port: u16,
    /// No `_total` behind counters (default true).
    pub without_type_suffix: bool,
    /// Accepted for otelcol's sake: names carry no unit, whatever it says.
    pub without_units: bool,
    /// Accepted for otelcol's sake: there are no scope labels, whatever it says.
    pub without_scope_info: bool,
}

impl Default for PrometheusReader {
    fn default() -> Self {
        Self {
            host: "localhost".to_owned(),
            port: 8888,
            without_type_suffix: true,
            without_units: true,
            without_scope_info: true,
        }
    }
}

impl fmt::Display for PrometheusReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') && !self.host.starts_with('[') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl MetricsConfig {
    /// The endpoints to serve self metrics on.
    pub(crate) fn endpoints(&self) -> Vec<(String, PrometheusReader)> {
        if self.level == MetricsLevel::None {
            return Vec::new();
        }
        if let Some(address) = &self.address {
            return vec![(address.clone(), PrometheusReader::default())];
        }
        let readers = match &self.readers {
            None => vec![PrometheusReader::default()],
            Some(readers) => readers
                .iter()
                .filter_map(|reader| reader.pull.as_ref().and_then(|pull| pull.exporter.prometheus.clone()))
                .collect(),
        };
        readers.into_iter().map(|reader| (reader.to_string(), reader)).collect()
    }
}

pub(crate) fn read(node: Option<&Node>, errors: &mut Vec<ConfigError>) -> TelemetryConfig {
    let Some(node) = node else { return TelemetryConfig::default() };
    match node.decode("service::telemetry") {
        Ok(config) => config,
        Err(found) => {
            errors.extend(found);
            TelemetryConfig::default()
        }
    }
}
