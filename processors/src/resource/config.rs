//! Settings of the resource processor.

use otelcol_pipeline::{ComponentConfig, ConfigIssue};
use serde::Deserialize;

use crate::actions::{ActionConfig, Actions, ConfigValue};

/// Settings of the resource processor, under contrib's names.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Config {
    /// What to do with the attributes of each resource, in this order.
    pub attributes: Vec<ActionConfig>,
    #[serde(skip)]
    pub(super) warned: super::Once,
}

impl Config {
    /// The actions, and whether one of them fills in the host's name.
    pub(super) fn actions(&self) -> Result<(Actions, bool), Vec<String>> {
        let mut fills_in = false;
        let actions: Vec<ActionConfig> = self
            .attributes
            .iter()
            .map(|action| {
                if !wants_host_name(action) {
                    return action.clone();
                }
                fills_in = true;
                ActionConfig {
                    key: action.key.clone(),
                    value: Some(ConfigValue::text(host_name())),
                    action: "insert".to_owned(),
                    ..ActionConfig::default()
                }
            })
            .collect();
        Ok((Actions::new(&actions)?, fills_in))
    }
}

impl ComponentConfig for Config {
    fn validate(&self) -> Vec<ConfigIssue> {
        if self.attributes.is_empty() {
            return vec![ConfigIssue::new("", "missing required field \"attributes\"")];
        }
        let errors = self.actions().err().unwrap_or_default();
        errors.into_iter().map(|error| ConfigIssue::new("attributes", error)).collect()
    }
}

/// The guide writes `key: host.name, from_attribute: "", action: upsert`, which otelcol refuses. It can only mean the
/// name of this host.
fn wants_host_name(action: &ActionConfig) -> bool {
    action.key == "host.name"
        && action.from_attribute.as_deref() == Some("")
        && action.value.is_none()
        && action.default_value.is_none()
        && ["insert", "update", "upsert"].contains(&action.action.to_lowercase().as_str())
}

/// The name of this host as uname(2) has it.
pub(super) fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
