//! Feature gates: single behaviours that the command line switches, under otelcol's names where it has them.

use std::collections::BTreeMap;

use crate::ComponentError;

/// One gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gate {
    /// Its name.
    pub id: &'static str,
    /// Whether it is on unless the command line says otherwise.
    pub enabled: bool,
    /// What it does when it is on.
    pub description: &'static str,
}

/// All gates.
pub const GATES: [Gate; 1] = [Gate {
    id: "receiver.statsd.monotonicCounterDefault",
    enabled: true,
    description: "statsd counters are monotonic unless is_monotonic_counter says otherwise; off in otelcol, where \
                  the Prometheus exporter then never shows them",
}];

/// Which gates are on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeatureGates(BTreeMap<&'static str, bool>);

impl Default for FeatureGates {
    fn default() -> Self {
        Self(GATES.iter().map(|gate| (gate.id, gate.enabled)).collect())
    }
}

impl FeatureGates {
    /// Switches gates as the flag `--feature-gates` says: names separated by commas, `-` before one switches it off.
    ///
    /// # Errors
    /// A name that is no gate.
    pub fn apply(&mut self, flag: &str) -> Result<(), ComponentError> {
        for word in flag.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            let (name, on) = match word.strip_prefix('-') {
                Some(name) => (name, false),
                None => (word.strip_prefix('+').unwrap_or(word), true),
            };
            let Some(state) = self.0.get_mut(name) else {
                let known: Vec<&str> = GATES.iter().map(|gate| gate.id).collect();
                return Err(ComponentError::new(format!(
                    "no such feature gate {name:?} (valid values: {})",
                    known.join(", ")
                )));
            };
            *state = on;
        }
        Ok(())
    }

    /// Whether the gate `id` is on.
    pub fn is_enabled(&self, id: &str) -> bool {
        self.0.get(id).copied().unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_switches_a_gate() {
        let id = "receiver.statsd.monotonicCounterDefault";
        let mut gates = FeatureGates::default();
        assert!(gates.is_enabled(id));
        gates.apply(&format!("-{id}")).unwrap();
        assert!(!gates.is_enabled(id));
        gates.apply(&format!("+{id}, ")).unwrap();
        assert!(gates.is_enabled(id));
        assert_eq!(
            gates.apply("nope").unwrap_err().to_string(),
            format!("no such feature gate \"nope\" (valid values: {id})")
        );
    }
}
