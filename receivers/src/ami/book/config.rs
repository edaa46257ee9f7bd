//! Settings of what is known: bounds of the state, and how agents' sessions with a dialer are recognised.

use otelcol_confmap::GoDuration;
use serde::Deserialize;

/// What the book is told by the settings.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct BookConfig {
    /// Bounds.
    pub(crate) limits: StateLimits,
    /// Agents' sessions.
    pub(crate) dialer: DialerConfig,
    /// Bounds of histograms.
    pub(crate) buckets: Buckets,
}

/// Upper bounds of the histograms' buckets, ascending.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default)]
pub struct Buckets {
    /// `asterisk.call.duration_ms`.
    pub call_duration_ms: Vec<f64>,
    /// `asterisk.call.time_to_ringing_ms` and `asterisk.call.time_to_answer_ms`.
    pub call_setup_ms: Vec<f64>,
    /// `asterisk.queue.hold_time_ms` and `asterisk.queue.talk_time_ms`.
    pub queue_time_ms: Vec<f64>,
    /// `asterisk.rtcp.jitter_ms` and `asterisk.rtcp.round_trip_ms`.
    pub rtcp_ms: Vec<f64>,
    /// `asterisk.rtcp.loss_percent`.
    pub rtcp_loss_percent: Vec<f64>,
    /// `asterisk.rtcp.mos`.
    pub rtcp_mos: Vec<f64>,
}

impl Default for Buckets {
    fn default() -> Self {
        const SECOND: f64 = 1000.0;
        let seconds = |bounds: &[f64]| bounds.iter().map(|seconds| seconds * SECOND).collect();
        Self {
            call_duration_ms: seconds(&[
                1.0, 5.0, 10.0, 30.0, 60.0, 120.0, 180.0, 300.0, 600.0, 900.0, 1800.0, 3600.0,
            ]),
            call_setup_ms: seconds(&[0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0, 60.0]),
            queue_time_ms: seconds(&[1.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0]),
            rtcp_ms: vec![1.0, 5.0, 10.0, 20.0, 30.0, 50.0, 100.0, 150.0, 200.0, 300.0, 500.0, 1000.0],
            rtcp_loss_percent: vec![0.0, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0],
            rtcp_mos: vec![1.5, 2.0, 2.5, 3.0, 3.25, 3.5, 3.75, 4.0, 4.25, 4.5],
        }
    }
}

/// Bounds of the state. What is beyond them is counted and not tracked.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct StateLimits {
    /// Channels that are tracked at a time.
    pub channels: usize,
    /// A call that is open for longer is given up; agents' sessions are not. 0: none is.
    pub call_age: GoDuration,
    /// Names of queues that become attributes; the callers of further ones are counted as `other`.
    pub queues: usize,
    /// Endpoints, peers and registrations that are tracked.
    pub peers: usize,
    /// Names of each further sort that become attributes: contexts, causes, technologies, services, agents' states.
    pub names: usize,
}

impl Default for StateLimits {
    fn default() -> Self {
        Self {
            channels: 100_000,
            call_age: GoDuration::from_secs(24 * 60 * 60),
            queues: 500,
            peers: 5000,
            names: 200,
        }
    }
}

/// How agents' sessions with a dialer are recognised.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct DialerConfig {
    /// A call is an agent's session if one of these fits.
    pub agent_sessions: Vec<SessionConfig>,
}

/// What an agent's session looks like. All patterns that are given must match, each the whole of its value.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct SessionConfig {
    /// Regular expression for the context in which the call's first channel begins.
    pub context: String,
    /// Regular expression for the extension with which the call's first channel begins.
    pub extension: String,
    /// Regular expression for the conference that the call opens: whoever comes into it later is a customer, not the agent.
    pub conference: String,
}
