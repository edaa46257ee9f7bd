//! Settings of the traces.

use std::time::Duration;

use otelcol_confmap::GoDuration;
use serde::Deserialize;

/// `traces`: what goes into the trace of a call, and how much of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct TracesConfig {
    /// Every step of the dialplan as a span event of its leg. Needs class `dialplan`, which is more than half of all
    /// that Asterisk says.
    pub dialplan: bool,
    /// AGI commands as spans. Needs class `agi`.
    pub agi: bool,
    /// Digits dialled during the call as span events. Needs class `dtmf`.
    pub dtmf: bool,
    /// Channel variables that become attributes `asterisk.variable.<name>` of their leg. Needs class `dialplan`.
    pub variables: Vec<String>,
    /// Channel variables that hold the agent of a customer's call; without them the agent is the caller id of the agent's
    /// session. Needs class `dialplan`.
    pub agent_variables: Vec<String>,
    /// Channel variables that hold the campaign of a call; without them it is the account code. Needs class `dialplan`.
    pub campaign_variables: Vec<String>,
    /// How long a trace waits after the last hangup for events that come late.
    pub late_event_wait: GoDuration,
    /// TracesLimits.
    pub limits: TracesLimits,
}

/// `traces::limits`: beyond them something is cut, marked and counted.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct TracesLimits {
    /// Calls whose trace is open at a time, those included that wait for late events.
    pub open_calls: usize,
    /// A call that lasts longer is sent as it is, marked unfinished. Agents' sessions may last.
    pub call_age: GoDuration,
    /// Spans of one call.
    pub spans_per_call: usize,
    /// Events of one span.
    pub events_per_span: usize,
    /// Bytes of one text value, as in a variable; what is longer is cut.
    pub value_bytes: usize,
}

impl Default for TracesConfig {
    fn default() -> Self {
        Self {
            dialplan: false,
            agi: true,
            dtmf: true,
            variables: Vec::new(),
            agent_variables: Vec::new(),
            campaign_variables: Vec::new(),
            late_event_wait: GoDuration::from_secs(2),
            limits: TracesLimits::default(),
        }
    }
}

impl Default for TracesLimits {
    fn default() -> Self {
        Self {
            open_calls: 50_000,
            call_age: GoDuration::from_secs(12 * 3600),
            spans_per_call: 1_000,
            events_per_span: 128,
            value_bytes: 1_024,
        }
    }
}

impl TracesConfig {
    /// Whether the settings can be used: each issue with the path of its setting below `traces`.
    #[must_use]
    pub fn issues(&self) -> Vec<(String, String)> {
        let mut issues = Vec::new();
        let mut zero = |name: &str, value: usize| {
            if value == 0 {
                issues.push((format!("limits::{name}"), "must be greater than 0".to_owned()));
            }
        };
        zero("open_calls", self.limits.open_calls);
        zero("spans_per_call", self.limits.spans_per_call);
        zero("value_bytes", self.limits.value_bytes);
        if self.limits.call_age.get() == Duration::ZERO {
            issues.push(("limits::call_age".to_owned(), "must be greater than 0".to_owned()));
        }
        let named =
            self.variables.iter().chain(&self.agent_variables).chain(&self.campaign_variables).count();
        if named > usize::from(u8::MAX) {
            issues.push(("variables".to_owned(), format!("at most 255 variables, found {named}")));
        }
        issues
    }

    /// Whether any `VarSet` is looked at.
    pub(super) fn wants_variables(&self) -> bool {
        !(self.variables.is_empty() && self.agent_variables.is_empty() && self.campaign_variables.is_empty())
    }
}
