//! Settings of the headers setter.

use otelcol_confmap::Opaque;
use otelcol_pipeline::{ComponentConfig, ConfigIssue};
use serde::Deserialize;

/// Settings of the headers setter, under contrib's names.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Config {
    /// What is done to a request's headers, in this order.
    pub headers: Vec<HeaderConfig>,
    /// Another authenticator of clients, which is asked first.
    pub additional_auth: String,
}

/// One step.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct HeaderConfig {
    /// What to do.
    pub action: Action,
    /// The header's name.
    pub key: String,
    /// Its value.
    pub value: Option<Opaque>,
    /// A file that holds its value.
    pub value_file: Option<String>,
    /// The header of the sender's request that holds its value.
    pub from_context: Option<String>,
    /// What the receiver's authenticator found out that is its value.
    pub from_attribute: Option<String>,
    /// The value where the last two give none.
    pub default_value: Option<Opaque>,
}

/// What to do with a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Add it where it is not.
    Insert,
    /// Change it where it is.
    Update,
    /// Both.
    #[default]
    #[serde(alias = "")]
    Upsert,
    /// Take it away.
    Delete,
}

impl HeaderConfig {
    fn problem(&self) -> Option<&'static str> {
        if self.key.is_empty() {
            return Some("missing header name");
        }
        if http::HeaderName::try_from(&self.key).is_err() {
            return Some("invalid header name");
        }
        let sources = usize::from(self.value.is_some())
            + usize::from(self.value_file.is_some())
            + usize::from(self.from_context.is_some())
            + usize::from(self.from_attribute.is_some());
        match (self.action, sources) {
            (Action::Delete, _) | (_, 1) => None,
            (_, 0) => Some(
                "missing header source, must be 'from_context', 'from_attribute', 'value' or 'value_file'",
            ),
            _ => Some(
                "invalid header source, must be one of 'from_context', 'from_attribute', 'value' and 'value_file'",
            ),
        }
    }
}

impl ComponentConfig for Config {
    fn validate(&self) -> Vec<ConfigIssue> {
        if self.headers.is_empty() {
            return vec![ConfigIssue::new("", "missing headers configuration")];
        }
        let problems = self.headers.iter().filter_map(HeaderConfig::problem);
        problems.map(|problem| ConfigIssue::new("headers", problem)).collect()
    }
}
