//! Settings of the `statsd` receiver. Names and texts are those of otelcol's where it has them.

use std::time::Duration;

use otelcol_confmap::GoDuration;
use otelcol_pipeline::{Claim, ComponentConfig, ComponentId, ConfigIssue};
use regex::Regex;
use serde::Deserialize;

use super::transport::Transport;

/// Settings of the receiver; the README tells what each means.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a setting of otelcol's")]
pub struct Config {
    /// Address to listen on, or the path of a Unix socket.
    pub endpoint: String,
    /// `udp`, `udp4`, `udp6`, `tcp`, `tcp4`, `tcp6` or `unixgram`.
    pub transport: String,
    /// Mode of the Unix socket.
    pub socket_permissions: u32,
    /// Bytes of the kernel's receive buffer to ask for; 0 asks for [`DEFAULT_RECV_BUFFER`].
    pub socket_buffer_size: usize,
    /// How often what was collected is sent.
    pub aggregation_interval: GoDuration,
    /// Adds the attribute `metric_type`.
    pub enable_metric_type: bool,
    /// Takes tags without a value.
    pub enable_simple_tags: bool,
    /// Sends counters as sums that only grow, and refuses negative increments. Left out, the feature gate
    /// `receiver.statsd.monotonicCounterDefault` decides, which is on.
    pub is_monotonic_counter: Option<bool>,
    /// Leaves the port out of [`client_address`](Self::client_address).
    pub enable_ip_only_aggregation: bool,
    /// Leaves the client out of the identity of everything but gauges.
    pub ignore_host: bool,
    /// How counters are sent: `int`, `float` or `stochastic_int`.
    pub counter_type: String,
    /// What timings, histograms and distributions become.
    pub timer_histogram_mapping: Vec<Mapping>,
    /// Puts the client's address on the resource.
    pub client_address: bool,
    /// Whether a gauge lives on between intervals.
    pub keep_gauges: bool,
    /// For how long a kept gauge is sent after its last update; 0 is for ever.
    pub gauge_expiration: GoDuration,
    /// Storage extension that keeps gauges over a restart.
    pub storage: Option<String>,
    /// What is special about Asterisk's own names.
    pub asterisk: AsteriskConfig,
    /// Limits.
    pub limits: Limits,
}

/// Bytes of the kernel's receive buffer that are asked for by default.
pub const DEFAULT_RECV_BUFFER: usize = 8 << 20;

const DEFAULT_ENDPOINT: &str = "localhost:8125";
const DEFAULT_SOCKET: &str = "/var/run/statsd-receiver.sock";

/// What one StatsD type becomes.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Mapping {
    /// `timing`, `timer`, `histogram` or `distribution`.
    pub statsd_type: String,
    /// `gauge`, `summary` or `histogram`.
    pub observer_type: String,
    /// For `histogram`.
    pub histogram: HistogramConfig,
    /// For `summary`.
    pub summary: SummaryConfig,
}

/// Shape of a histogram.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct HistogramConfig {
    /// Buckets of an exponential histogram; 0 is 160.
    pub max_size: i32,
    /// Bucket bounds by metric name.
    pub explicit_buckets: Vec<ExplicitBuckets>,
    /// Bucket bounds for every name that no matcher takes.
    pub explicit: Vec<f64>,
}

/// Bucket bounds for metrics whose name matches.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ExplicitBuckets {
    /// Regular expression that is searched in the name.
    pub matcher_pattern: String,
    /// Upper bounds, ascending.
    pub buckets: Vec<f64>,
}

/// Content of a summary.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct SummaryConfig {
    /// Percentiles, 0 to 100.
    pub percentiles: Vec<f64>,
}

/// What is special about Asterisk's own names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct AsteriskConfig {
    /// What becomes of ids in names.
    pub names: Names,
    /// What becomes of the gauges that count channels, endpoints and bridges.
    pub state_gauges: StateGauges,
}

/// What becomes of names with ids in them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Names {
    /// They stay as they are.
    #[default]
    Verbatim,
    /// One metric for all, and the ids as its attributes.
    Attributes,
}

/// What becomes of the gauges that count channels, endpoints and bridges.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StateGauges {
    /// They are sent as any other.
    #[default]
    Keep,
    /// They are left to the `ami` receiver, which can ask Asterisk.
    Drop,
}

/// What is held in memory at most.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Series (metric and tags) at a time, kept gauges included.
    pub series: usize,
    /// Bytes of a line.
    pub line_bytes: usize,
    /// Tags of a line.
    pub tags: usize,
    /// Values kept one by one in an interval: for summaries, gauge observers and sets.
    pub samples: usize,
    /// TCP connections at a time.
    pub connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { series: 100_000, line_bytes: 8192, tags: 64, samples: 1_000_000, connections: 256 }
    }
}

impl Default for Config {
    fn default() -> Self {
        let gauge = |statsd_type: &str| Mapping {
            statsd_type: statsd_type.to_owned(),
            observer_type: "gauge".to_owned(),
            ..Mapping::default()
        };
        Self {
            endpoint: DEFAULT_ENDPOINT.to_owned(),
            transport: "udp".to_owned(),
            socket_permissions: 0o622,
            socket_buffer_size: 0,
            aggregation_interval: GoDuration::from_secs(60),
            enable_metric_type: false,
            enable_simple_tags: false,
            is_monotonic_counter: None,
            enable_ip_only_aggregation: false,
            ignore_host: false,
            counter_type: "int".to_owned(),
            timer_histogram_mapping: ["timer", "histogram", "distribution"].map(gauge).to_vec(),
            client_address: false,
            keep_gauges: true,
            gauge_expiration: GoDuration::from_secs(7 * 24 * 3600),
            storage: None,
            asterisk: AsteriskConfig::default(),
            limits: Limits::default(),
        }
    }
}

impl Config {
    /// Whether counters only grow.
    pub(super) fn monotonic_counters(&self) -> bool {
        self.is_monotonic_counter.unwrap_or(true)
    }

    /// The endpoint, or the transport's own default where it is empty (for `unixgram` also where it was left out).
    pub(super) fn address(&self, transport: Transport) -> &str {
        match self.endpoint.as_str() {
            "" | DEFAULT_ENDPOINT if transport == Transport::UnixGram => DEFAULT_SOCKET,
            "" => DEFAULT_ENDPOINT,
            endpoint => endpoint,
        }
    }

    /// The receive buffer to ask for, in bytes.
    pub(super) fn recv_buffer(&self) -> usize {
        if self.socket_buffer_size == 0 { DEFAULT_RECV_BUFFER } else { self.socket_buffer_size }
    }
}

impl ComponentConfig for Config {
    fn claims(&self) -> Vec<Claim> {
        let claim = Claim {
            subject: otelcol_asterisk::statsd::STATE_GAUGES,
            leave_with: Some("asterisk::state_gauges: drop"),
        };
        if self.asterisk.state_gauges == StateGauges::Keep { vec![claim] } else { Vec::new() }
    }

    fn validate(&self) -> Vec<ConfigIssue> {
        let mut issues = Vec::new();
        let mut issue = |key: &str, message: String| issues.push(ConfigIssue::new(key, message));
        if Transport::parse(&self.transport).is_none() {
            issue(
                "transport",
                format!(
                    "unsupported transport {:?}: expected udp, udp4, udp6, tcp, tcp4, tcp6 or unixgram",
                    self.transport
                ),
            );
        }
        if self.aggregation_interval.get() == Duration::ZERO {
            issue("aggregation_interval", "aggregation_interval must be a positive duration".to_owned());
        }
        if !matches!(self.counter_type.as_str(), "" | "int" | "float" | "stochastic_int") {
            issue(
                "counter_type",
                format!(
                    "invalid counter_type: {}, must be one of: int, float, stochastic_int",
                    self.counter_type
                ),
            );
        }
        if let Some(Err(error)) = self.storage.as_ref().map(|id| id.parse::<ComponentId>()) {
            issue("storage", error.to_string());
        }
        for (name, value) in [
            ("series", self.limits.series),
            ("line_bytes", self.limits.line_bytes),
            ("samples", self.limits.samples),
            ("connections", self.limits.connections),
        ] {
            if value == 0 {
                issue(&format!("limits::{name}"), "expected a number above 0".to_owned());
            }
        }
        for mapping in &self.timer_histogram_mapping {
            for message in mapping.faults() {
                issue("timer_histogram_mapping", message);
            }
        }
        issues
    }
}

impl Mapping {
    fn faults(&self) -> Vec<String> {
        if self.statsd_type.is_empty() || self.observer_type.is_empty() {
            return vec!["must specify object id for all TimerHistogramMappings".to_owned()];
        }
        let mut faults = Vec::new();
        if !matches!(self.statsd_type.as_str(), "timing" | "timer" | "histogram" | "distribution") {
            faults.push(format!(
                "statsd_type is not a supported mapping for histogram and timing metrics: {}",
                self.statsd_type
            ));
        }
        if !matches!(self.observer_type.as_str(), "gauge" | "summary" | "histogram") {
            faults.push(format!(
                "observer_type is not supported for histogram and timing metrics: {}",
                self.observer_type
            ));
        }
        if self.observer_type == "histogram" {
            faults.extend(self.histogram.faults());
        } else if self.histogram != HistogramConfig::default() {
            faults.push("histogram configuration requires observer_type: histogram".to_owned());
        }
        for percentile in &self.summary.percentiles {
            if !(0.0..=100.0).contains(percentile) {
                faults.push(format!("summary percentiles out of [0, 100] range: {percentile}"));
            }
        }
        if !self.summary.percentiles.is_empty() && self.observer_type != "summary" {
            faults.push("summary configuration requires observer_type: summary".to_owned());
        }
        faults
    }
}

impl HistogramConfig {
    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.max_size != 0 && !(2..=16_384).contains(&self.max_size) {
            faults.push(format!("histogram max_size out of range: {}", self.max_size));
        }
        for (number, rule) in self.explicit_buckets.iter().enumerate() {
            let name = format!("explicit bucket [{number}]");
            if rule.matcher_pattern.is_empty() {
                faults.push(format!("{name} matcher_pattern must not be empty"));
            }
            if let Err(error) = Regex::new(&rule.matcher_pattern) {
                faults.push(format!("{name} matcher_pattern is not a valid regular expression: {error}"));
            }
            if rule.buckets.is_empty() {
                faults.push(format!("{name} buckets must not be empty"));
            }
            faults.extend(bound_faults(&rule.buckets, &name));
        }
        faults.extend(bound_faults(&self.explicit, "explicit"));
        faults
    }
}

fn bound_faults(bounds: &[f64], name: &str) -> Option<String> {
    let ascending =
        bounds.windows(2).all(|pair| pair[0] < pair[1]) && bounds.iter().all(|bound| bound.is_finite());
    (!ascending).then(|| format!("{name} buckets are not unique or not ascendingly sorted {bounds:?}"))
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
