//! The sections `service::pipelines` and `service::extensions`.

use std::collections::BTreeMap;

use otelcol_confmap::{ConfigError, Node};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::sections::{entries, refuse_unknown_keys};
use crate::{ComponentId, PipelineId};

/// What a pipeline is made of, in the order of the file.
#[derive(Debug, Clone, Default)]
pub(crate) struct PipelineConfig {
    pub(crate) receivers: Vec<ComponentId>,
    pub(crate) processors: Vec<ComponentId>,
    pub(crate) exporters: Vec<ComponentId>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PipelineKeys {
    receivers: IgnoredAny,
    processors: IgnoredAny,
    exporters: IgnoredAny,
}

pub(crate) fn read_pipelines(
    node: Option<&Node>,
    errors: &mut Vec<ConfigError>,
) -> BTreeMap<PipelineId, PipelineConfig> {
    let mut pipelines = BTreeMap::new();
    let Some(node) = node else { return pipelines };
    for (key, node) in entries(node, "service::pipelines", errors) {
        let path = format!("service::pipelines::{key}");
        let id: PipelineId = match key.parse() {
            Ok(id) => id,
            Err(error) => {
                errors.push(ConfigError::new("service::pipelines", node.location.clone(), error.to_string()));
                continue;
            }
        };
        refuse_unknown_keys::<PipelineKeys>(node, &path, errors);
        let mut list = |key: &str| read_references(node.get(key), &format!("{path}::{key}"), errors);
        let pipeline = PipelineConfig {
            receivers: list("receivers"),
            processors: list("processors"),
            exporters: list("exporters"),
        };
        pipelines.insert(id, pipeline);
    }
    pipelines
}

/// A list of component names.
pub(crate) fn read_references(
    node: Option<&Node>,
    path: &str,
    errors: &mut Vec<ConfigError>,
) -> Vec<ComponentId> {
    let Some(node) = node else { return Vec::new() };
    let names: Vec<String> = match node.decode::<Option<Vec<String>>>(path) {
        Ok(names) => names.unwrap_or_default(),
        Err(found) => {
            errors.extend(found);
            return Vec::new();
        }
    };
    let mut ids = Vec::with_capacity(names.len());
    for name in names {
        match name.parse::<ComponentId>() {
            Ok(id) => ids.push(id),
            Err(error) => errors.push(ConfigError::new(path, node.location.clone(), error.to_string())),
        }
    }
    ids
}
