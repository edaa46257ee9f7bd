//! Settings of the metrics.

use serde::Deserialize;

/// What is said of one metric under `metrics`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct MetricSetting {
    /// Whether it is sent. Left out, the metric's default counts.
    pub enabled: Option<bool>,
}

/// `count_by`: what `asterisk.calls.total` and `asterisk.calls.active` count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CountBy {
    /// Calls: all channels of one Linkedid are one.
    #[default]
    Call,
    /// Channels, as a program does that counts `Newchannel` and `Hangup`.
    Channel,
}
