//! A configuration file, read and checked: components with their settings, pipelines, the collector's own telemetry.

mod check;
mod overlap;
mod pipelines;
mod sections;
mod telemetry;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use otelcol_confmap::{ConfigError, Node};
use serde::Deserialize;
use serde::de::IgnoredAny;

pub(crate) use check::check;
pub(crate) use pipelines::PipelineConfig;
pub(crate) use sections::Sections;
pub use telemetry::{Encoding, Level, LogSampling, LogsConfig};
pub(crate) use telemetry::{PrometheusReader, TelemetryConfig};

use crate::factory::Factories;
use crate::{ComponentId, PipelineId};

/// A checked configuration: what it names exists, and each component's settings are right.
pub struct CollectorConfig {
    pub(crate) sections: Arc<Sections>,
    pub(crate) pipelines: BTreeMap<PipelineId, PipelineConfig>,
    pub(crate) extensions: Vec<ComponentId>,
    pub(crate) telemetry: TelemetryConfig,
}

/// The sections of a file; each is read by a reader of its own.
#[derive(Default, Deserialize)]
#[serde(default)]
struct TopLevel {
    receivers: IgnoredAny,
    processors: IgnoredAny,
    exporters: IgnoredAny,
    connectors: IgnoredAny,
    extensions: IgnoredAny,
    service: IgnoredAny,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ServiceKeys {
    extensions: IgnoredAny,
    pipelines: IgnoredAny,
    telemetry: IgnoredAny,
}

impl CollectorConfig {
    /// Reads and checks a configuration against the component types of `factories`.
    ///
    /// # Errors
    /// All that is wrong with the file, in otelcol's words, each with its path and line.
    pub fn read(root: &Node, factories: &Factories) -> Result<Self, Vec<ConfigError>> {
        let mut errors = Vec::new();
        if root.as_map().is_none_or(otelcol_confmap::Map::is_empty) {
            return Err(vec![ConfigError::new("", root.location.clone(), "empty configuration file")]);
        }
        sections::refuse_unknown_keys::<TopLevel>(root, "", &mut errors);
        let sections = Sections::read(root, factories, &mut errors);
        let service = root.get("service").cloned().unwrap_or_else(Node::null);
        sections::refuse_unknown_keys::<ServiceKeys>(&service, "service", &mut errors);
        let extensions =
            pipelines::read_references(service.get("extensions"), "service::extensions", &mut errors);
        let pipelines = pipelines::read_pipelines(service.get("pipelines"), &mut errors);
        let telemetry = telemetry::read(service.get("telemetry"), &mut errors);
        let config = Self { sections: Arc::new(sections), pipelines, extensions, telemetry };
        check(&config, root, factories, &mut errors);
        if errors.is_empty() { Ok(config) } else { Err(errors) }
    }

    /// What is allowed, but hardly meant so.
    pub fn warnings(&self) -> Vec<String> {
        overlap::find(&self.pipelines, &self.sections.receivers)
    }
}
