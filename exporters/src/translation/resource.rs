//! Settings that exporters to Prometheus have in common.

use otelcol_pipeline::ConfigIssue;
use otelcol_prometheus_text::Strategy;
use serde::Deserialize;

use super::selection::Selection;

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

/// The choice that the older and the newer section make.
pub(crate) fn selection(older: &ResourceConversion, newer: &ResourceConversion) -> Selection {
    if newer.is_empty() { older.selection() } else { newer.selection() }
}

/// What is wrong with `resource_to_telemetry_conversion` and `resource_constant_labels`.
pub(crate) fn resource_issues(older: &ResourceConversion, newer: &ResourceConversion) -> Vec<ConfigIssue> {
    let mut issues = Vec::new();
    let mut issue = |key: &str, message: &str| issues.push(ConfigIssue::new(key, message));
    if newer.has_flags() {
        issue(
            "resource_constant_labels",
            "enabled and exclude_service_attributes are not supported under resource_constant_labels; use included and excluded instead",
        );
    }
    if !older.is_empty() && !newer.is_empty() {
        issue(
            "resource_to_telemetry_conversion",
            "cannot configure both resource_to_telemetry_conversion and resource_constant_labels; resource_to_telemetry_conversion is deprecated",
        );
    }
    if older.has_flags() && older.has_patterns() {
        issue(
            "resource_to_telemetry_conversion",
            "cannot configure both legacy enabled/exclude_service_attributes and included/excluded patterns; enabled and exclude_service_attributes are deprecated",
        );
    }
    issues
}

/// What `translation_strategy` says, or else `add_metric_suffixes`.
pub(crate) fn strategy(name: &str, add_metric_suffixes: bool) -> Strategy {
    Strategy::parse(name).unwrap_or(if add_metric_suffixes {
        Strategy::UnderscoreEscapingWithSuffixes
    } else {
        Strategy::UnderscoreEscapingWithoutSuffixes
    })
}

/// What is wrong with `translation_strategy`; empty is not set.
pub(crate) fn strategy_issue(name: &str) -> Option<ConfigIssue> {
    if name.is_empty() || Strategy::parse(name).is_some() {
        return None;
    }
    let message = format!(
        "invalid translation_strategy: {name}, expected UnderscoreEscapingWithSuffixes, UnderscoreEscapingWithoutSuffixes, NoUTF8EscapingWithSuffixes or NoTranslation"
    );
    Some(ConfigIssue::new("translation_strategy", message))
}
