//! Settings of the `ami` receiver. What concerns metrics, traces and logs alone stands beside them.

use std::collections::BTreeMap;

use otelcol_asterisk::redaction;
use otelcol_confmap::{GoDuration, Opaque};
use otelcol_net::config::ClientTls;
use otelcol_pipeline::{Claim, ComponentConfig, ConfigIssue};
use serde::Deserialize;

use super::book::BookConfig;
pub use super::book::{Buckets, DialerConfig, SessionConfig, StateLimits};
pub use super::logs::LogsConfig;
use super::metrics;
pub use super::metrics::config::{CountBy, MetricSetting};
pub use super::traces::{TracesConfig, TracesLimits};
use super::wire::FrameLimits;

/// The classes that `Events:` and `read =` know (main/manager.c).
const CLASSES: [&str; 21] = [
    "system",
    "call",
    "log",
    "verbose",
    "command",
    "agent",
    "user",
    "config",
    "dtmf",
    "reporting",
    "cdr",
    "dialplan",
    "originate",
    "agi",
    "cc",
    "aoc",
    "test",
    "security",
    "message",
    "all",
    "off",
];

/// Largest `limits::event_bytes`.
const MOST_EVENT_BYTES: usize = 64 * 1024 * 1024;

/// Settings.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Where Asterisk's manager listens: `host:port`.
    pub endpoint: String,
    /// The section of manager.conf.
    pub username: String,
    /// Its `secret`.
    pub password: Opaque,
    /// How to log in.
    pub auth: Auth,
    /// TLS to Asterisk's `tlsbindaddr`; absent: none.
    #[serde(deserialize_with = "otelcol_confmap::present")]
    pub tls: Option<ClientTls>,
    /// Event classes to ask for. Empty: what the enabled metrics, traces and logs need.
    pub events: Vec<String>,
    /// How long things may take.
    pub timeouts: Timeouts,
    /// How a dead connection is noticed.
    pub keepalive: Keepalive,
    /// How soon to try again.
    pub reconnect: Reconnect,
    /// How often the lists are read again while connected. Zero: only after a login, a reload and a boot of Asterisk.
    pub resync_interval: GoDuration,
    /// How often metrics are sent.
    pub collection_interval: GoDuration,
    /// Tells the calls of several Asterisk systems apart. Empty: Asterisk's own `systemname`, else the host's name.
    pub system_name: String,
    /// More attributes of the resource of all three signals, and other values for its own.
    pub resource_attributes: BTreeMap<String, String>,
    /// What becomes of phone numbers and names in spans and log records.
    pub redaction: redaction::Settings,
    /// Metrics by name: whether each is sent.
    pub metrics: BTreeMap<String, MetricSetting>,
    /// What `asterisk.calls.total` and `asterisk.calls.active` count.
    pub count_by: CountBy,
    /// What goes into the trace of a call.
    pub traces: TracesConfig,
    /// Which events become log records.
    pub logs: LogsConfig,
    /// How agents' sessions with a dialer are recognised.
    pub dialer: DialerConfig,
    /// Bounds of histograms.
    pub buckets: Buckets,
    /// How much is tracked.
    pub state: StateLimits,
    /// How much is taken from the connection and kept for the outputs.
    pub limits: Limits,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            endpoint: "localhost:5038".to_owned(),
            username: String::new(),
            password: Opaque::default(),
            auth: Auth::Auto,
            tls: None,
            events: Vec::new(),
            timeouts: Timeouts::default(),
            keepalive: Keepalive::default(),
            reconnect: Reconnect::default(),
            resync_interval: GoDuration::from_secs(300),
            collection_interval: GoDuration::from_secs(15),
            system_name: String::new(),
            resource_attributes: BTreeMap::new(),
            redaction: redaction::Settings::default(),
            metrics: BTreeMap::new(),
            count_by: CountBy::default(),
            traces: TracesConfig::default(),
            logs: LogsConfig::default(),
            dialer: DialerConfig::default(),
            buckets: Buckets::default(),
            state: StateLimits::default(),
            limits: Limits::default(),
        }
    }
}

/// `auth`: how to log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Auth {
    /// By MD5 challenge where Asterisk offers it, else with the password itself.
    Auto,
    /// By MD5 challenge or not at all.
    Md5,
    /// With the password itself, which only TLS hides.
    Plain,
}

/// `timeouts`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct Timeouts {
    /// From the first packet to the end of the TLS handshake.
    pub connect: GoDuration,
    /// From there to Asterisk's answer to the login.
    pub login: GoDuration,
    /// Until the answer to an action, and between the rows of a list.
    pub action: GoDuration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: GoDuration::from_secs(10),
            login: GoDuration::from_secs(10),
            action: GoDuration::from_secs(20),
        }
    }
}

/// `keepalive`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct Keepalive {
    /// After so long without a message Asterisk is pinged.
    pub interval: GoDuration,
    /// After so long without a message behind that, the connection is given up.
    pub timeout: GoDuration,
}

impl Default for Keepalive {
    fn default() -> Self {
        Self { interval: GoDuration::from_secs(15), timeout: GoDuration::from_secs(10) }
    }
}

/// `reconnect`: the waits between connections, named as otelcol names those of `retry_on_failure`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct Reconnect {
    /// The first wait.
    pub initial_interval: GoDuration,
    /// The longest wait. After a connection that lasted longer the first wait is the next one.
    pub max_interval: GoDuration,
    /// How much longer each wait is than the one before.
    pub multiplier: f64,
    /// Each wait is made longer or shorter at random by up to this part of it.
    pub randomization_factor: f64,
    /// The wait after a login that was refused. Hosts of Asterisk ban addresses that try too often.
    pub refused_interval: GoDuration,
}

impl Default for Reconnect {
    fn default() -> Self {
        Self {
            initial_interval: GoDuration::from_secs(1),
            max_interval: GoDuration::from_secs(30),
            multiplier: 1.5,
            randomization_factor: 0.5,
            refused_interval: GoDuration::from_secs(300),
        }
    }
}

/// `limits` of what is read and of what waits for the outputs.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Bytes of one line.
    pub line_bytes: usize,
    /// Headers of one event.
    pub headers: usize,
    /// Bytes of one event.
    pub event_bytes: usize,
    /// Bytes of spans, and of log records, that wait for a pipeline that is slow; further ones are dropped and counted.
    pub queue_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        let FrameLimits { line_bytes, headers, event_bytes } = FrameLimits::default();
        Self { line_bytes, headers, event_bytes, queue_bytes: 64 * 1024 * 1024 }
    }
}

impl Limits {
    /// Those of the parser.
    pub(super) fn frame(&self) -> FrameLimits {
        FrameLimits { line_bytes: self.line_bytes, headers: self.headers, event_bytes: self.event_bytes }
    }
}

impl Config {
    /// What the book is told.
    pub(super) fn book(&self) -> BookConfig {
        BookConfig { limits: self.state.clone(), dialer: self.dialer.clone(), buckets: self.buckets.clone() }
    }
}

impl ComponentConfig for Config {
    fn claims(&self) -> Vec<Claim> {
        vec![Claim { subject: otelcol_asterisk::statsd::STATE_GAUGES, leave_with: None }]
    }

    fn validate(&self) -> Vec<ConfigIssue> {
        let mut issues = Vec::new();
        let mut issue = |key: &str, message: String| issues.push(ConfigIssue::new(key, message));
        if self.username.is_empty() {
            issue("username", "must be specified: the name of a section of manager.conf".to_owned());
        }
        for (key, text) in [("username", self.username.as_str()), ("password", self.password.expose())] {
            if text.contains(['\r', '\n', '\0']) {
                issue(key, "a line break or NUL can not be sent to Asterisk".to_owned());
            }
        }
        if let Err(error) = otelcol_net::StreamClient::new(&self.endpoint, None) {
            issue("endpoint", error.to_string());
        }
        for class in self.events.iter().filter(|class| !CLASSES.contains(&class.as_str())) {
            issue("events", format!("unknown class {class:?}, expected some of {}", CLASSES.join(", ")));
        }
        for (key, duration) in [
            ("timeouts::connect", self.timeouts.connect),
            ("timeouts::login", self.timeouts.login),
            ("timeouts::action", self.timeouts.action),
            ("keepalive::interval", self.keepalive.interval),
            ("keepalive::timeout", self.keepalive.timeout),
            ("reconnect::initial_interval", self.reconnect.initial_interval),
            ("reconnect::max_interval", self.reconnect.max_interval),
            ("reconnect::refused_interval", self.reconnect.refused_interval),
            ("collection_interval", self.collection_interval),
        ] {
            if duration.get().is_zero() {
                issue(key, "requires positive value".to_owned());
            }
        }
        if !(1.0..=100.0).contains(&self.reconnect.multiplier) {
            let found = self.reconnect.multiplier;
            issue("reconnect::multiplier", format!("expected a number from 1 to 100, found {found}"));
        }
        if !(0.0..=1.0).contains(&self.reconnect.randomization_factor) {
            let found = self.reconnect.randomization_factor;
            issue("reconnect::randomization_factor", format!("expected a number from 0 to 1, found {found}"));
        }
        for (key, limit, most) in [
            ("limits::line_bytes", self.limits.line_bytes, MOST_EVENT_BYTES),
            ("limits::headers", self.limits.headers, 100_000),
            ("limits::event_bytes", self.limits.event_bytes, MOST_EVENT_BYTES),
            ("limits::queue_bytes", self.limits.queue_bytes, usize::MAX),
        ] {
            if limit == 0 || limit > most {
                issue(key, format!("expected a number from 1 to {most}, found {limit}"));
            }
        }
        for found in self.redaction.issues() {
            issues.push(ConfigIssue::new(format!("redaction::{}", found.path), found.message));
        }
        for (path, message) in self.traces.issues() {
            issues.push(ConfigIssue::new(format!("traces::{path}"), message));
        }
        for name in metrics::unknown_names(&self.metrics) {
            let message = format!("no metric of this receiver is called {name:?}; the README lists them");
            issues.push(ConfigIssue::new(format!("metrics::{name}"), message));
        }
        issues.extend(self.book_issues());
        issues
    }
}

impl Config {
    fn book_issues(&self) -> Vec<ConfigIssue> {
        let mut issues = Vec::new();
        for (number, session) in self.dialer.agent_sessions.iter().enumerate() {
            let key = format!("dialer::agent_sessions::{number}");
            let patterns = [
                ("context", &session.context),
                ("extension", &session.extension),
                ("conference", &session.conference),
            ];
            if patterns.iter().all(|(_, pattern)| pattern.is_empty()) {
                let message =
                    "expected a regular expression for context, extension or conference, found none";
                issues.push(ConfigIssue::new(key.as_str(), message));
            }
            for (name, pattern) in patterns {
                if let Err(error) = regex::Regex::new(pattern) {
                    let message = format!("{pattern:?} is no regular expression: {error}");
                    issues.push(ConfigIssue::new(format!("{key}::{name}"), message));
                }
            }
        }
        for (key, bounds) in [
            ("call_duration_ms", &self.buckets.call_duration_ms),
            ("call_setup_ms", &self.buckets.call_setup_ms),
            ("queue_time_ms", &self.buckets.queue_time_ms),
            ("rtcp_ms", &self.buckets.rtcp_ms),
            ("rtcp_loss_percent", &self.buckets.rtcp_loss_percent),
            ("rtcp_mos", &self.buckets.rtcp_mos),
        ] {
            let ascending = bounds.windows(2).all(|pair| pair[0] < pair[1]);
            if !ascending || bounds.iter().any(|bound| !bound.is_finite()) {
                let message = format!("expected ascending finite numbers, found {bounds:?}");
                issues.push(ConfigIssue::new(format!("buckets::{key}"), message));
            }
        }
        for (key, limit) in [
            ("channels", self.state.channels),
            ("queues", self.state.queues),
            ("peers", self.state.peers),
            ("names", self.state.names),
        ] {
            if limit == 0 {
                issues.push(ConfigIssue::new(format!("state::{key}"), "expected at least 1, found 0"));
            }
        }
        issues
    }
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
