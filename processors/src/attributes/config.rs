//! Settings of the attributes processor.

use otelcol_pipeline::{ComponentConfig, ConfigIssue};
use serde::Deserialize;

use crate::actions::{ActionConfig, Actions, ConfigValue};

/// Settings of the attributes processor, under contrib's names.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Only what matches is changed; everything where absent.
    pub include: Option<MatchConfig>,
    /// What matches is left as it is, even where `include` matches too.
    pub exclude: Option<MatchConfig>,
    /// What to do with the attributes, in this order.
    pub actions: Vec<ActionConfig>,
}

impl ComponentConfig for Config {
    fn validate(&self) -> Vec<ConfigIssue> {
        if self.actions.is_empty() {
            return vec![ConfigIssue::new("", "missing required field \"actions\"")];
        }
        let errors = Actions::new(&self.actions).err().unwrap_or_default();
        errors.into_iter().map(|error| ConfigIssue::new("actions", error)).collect()
    }
}

/// What a span, metric or log record must have. All that is set must match; of a list of names, one.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct MatchConfig {
    /// `strict` or `regexp`: how texts are compared. A regexp matches anywhere in a text.
    pub match_type: String,
    /// contrib's cache of regexp results; no effect here.
    pub regexp: Option<RegexpConfig>,
    /// Spans: values of the resource's `service.name`.
    pub services: Vec<String>,
    /// Spans: names.
    pub span_names: Vec<String>,
    /// Spans: kinds, such as `SPAN_KIND_CLIENT`.
    pub span_kinds: Vec<String>,
    /// Log records: bodies, as text.
    pub log_bodies: Vec<String>,
    /// Log records: severity texts.
    pub log_severity_texts: Vec<String>,
    /// Log records: the lowest severity number.
    pub log_severity_number: Option<SeverityConfig>,
    /// Metrics: names.
    pub metric_names: Vec<String>,
    /// Spans and log records: attributes, all of them.
    pub attributes: Vec<AttributeConfig>,
    /// Attributes of the resource, all of them.
    pub resources: Vec<AttributeConfig>,
    /// Spans and log records: instrumentation scopes.
    pub libraries: Vec<LibraryConfig>,
}

/// contrib's `regexp` section: accepted so that its files load. Matching here needs no cache.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct RegexpConfig {
    /// No effect here.
    pub cacheenabled: bool,
    /// No effect here.
    pub cachemaxnumentries: usize,
}

/// A range of severities.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
pub struct SeverityConfig {
    /// The lowest severity number of OTLP that matches (9 is INFO).
    pub min: i32,
    /// Whether a record without a severity matches.
    pub match_undefined: bool,
}

/// An attribute to look for.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct AttributeConfig {
    /// Its key.
    pub key: String,
    /// Its value; where absent, any.
    pub value: Option<ConfigValue>,
}

/// An instrumentation scope to look for.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct LibraryConfig {
    /// Its name.
    pub name: String,
    /// Its version; where absent, any.
    pub version: Option<String>,
}
