//! Settings of the traces.

use otelcol_confmap::GoDuration;
use serde::Deserialize;

pub use crate::call_trace::TracesLimits;

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

impl TracesConfig {
    /// Whether the settings can be used: each issue with the path of its setting below `traces`.
    #[must_use]
    pub fn issues(&self) -> Vec<(String, String)> {
        let mut issues = self.limits.issues();
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
