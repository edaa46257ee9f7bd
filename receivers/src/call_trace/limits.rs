//! How much goes into the traces of calls.

use std::time::Duration;

use otelcol_confmap::GoDuration;
use serde::Deserialize;

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

impl TracesLimits {
    /// Whether they can be used: each issue with the path of its setting below `traces`.
    pub(crate) fn issues(&self) -> Vec<(String, String)> {
        let mut issues = Vec::new();
        let mut zero = |name: &str, value: usize| {
            if value == 0 {
                issues.push((format!("limits::{name}"), "must be greater than 0".to_owned()));
            }
        };
        zero("open_calls", self.open_calls);
        zero("spans_per_call", self.spans_per_call);
        zero("value_bytes", self.value_bytes);
        if self.call_age.get() == Duration::ZERO {
            issues.push(("limits::call_age".to_owned(), "must be greater than 0".to_owned()));
        }
        issues
    }
}
