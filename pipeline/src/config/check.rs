//! Whether the parts of a configuration fit each other.

use std::collections::BTreeSet;

use otelcol_confmap::{ConfigError, Location, Node, nearest};

use super::sections::{Sections, quoted};
use super::{CollectorConfig, PipelineConfig};
use crate::factory::Factories;
use crate::plan::Plan;
use crate::{ComponentId, Kind, PipelineId};

/// Adds what is wrong with references, names and pipelines to `errors`.
pub(crate) fn check(
    config: &CollectorConfig,
    root: &Node,
    factories: &Factories,
    errors: &mut Vec<ConfigError>,
) {
    let mut checker = Checker { root, sections: &config.sections, errors };
    checker.sections_present();
    checker.ambiguous_connectors();
    checker.extensions(&config.extensions);
    if config.pipelines.is_empty()
        && root.get("service").and_then(|s| s.get("pipelines")).is_none_or(Node::is_null)
    {
        checker.fail("service::pipelines", "service must have at least one pipeline");
    }
    for (id, pipeline) in &config.pipelines {
        checker.pipeline(id, pipeline);
    }
    if checker.errors.is_empty()
        && let Err(found) = Plan::new(config, factories)
    {
        for (path, message) in found {
            checker.fail(&path, message);
        }
    }
}

struct Checker<'a> {
    root: &'a Node,
    sections: &'a Sections,
    errors: &'a mut Vec<ConfigError>,
}

impl Checker<'_> {
    fn fail(&mut self, path: &str, message: impl Into<String>) {
        let location = place(self.root, path);
        self.errors.push(ConfigError::new(path, location, message));
    }

    fn sections_present(&mut self) {
        for (key, message) in [
            ("receivers", "no receiver configuration specified in config"),
            ("exporters", "no exporter configuration specified in config"),
        ] {
            let section = self.root.get(key);
            if section.is_none_or(|node| {
                node.is_null() || node.as_map().is_some_and(otelcol_confmap::Map::is_empty)
            }) {
                self.fail("", message);
            }
        }
    }

    fn ambiguous_connectors(&mut self) {
        let sections = self.sections;
        for id in sections.connectors.keys() {
            for (kind, found) in [
                (Kind::Exporter, sections.exporters.contains_key(id)),
                (Kind::Receiver, sections.receivers.contains_key(id)),
            ] {
                if found {
                    let name = quoted(id);
                    let message = format!(
                        "ambiguous ID: Found both {name} {kind} and {name} connector. Change one of the components' IDs \
                         to eliminate ambiguity (e.g. rename {name} connector to {:?})",
                        format!("{id}/connector")
                    );
                    self.fail(&format!("connectors::{id}"), message);
                }
            }
        }
    }

    fn extensions(&mut self, extensions: &[ComponentId]) {
        let mut seen = BTreeSet::new();
        for id in extensions {
            if !self.sections.extensions.contains_key(id) && !self.sections.is_broken(Kind::Extension, id) {
                let known: Vec<String> = self.sections.extensions.keys().map(ToString::to_string).collect();
                self.not_configured("service::extensions", "extension", id, &known);
            } else if !seen.insert(id) {
                self.fail(
                    "service::extensions",
                    format!("references extension {} multiple times", quoted(id)),
                );
            }
        }
    }

    fn pipeline(&mut self, id: &PipelineId, pipeline: &PipelineConfig) {
        let path = format!("service::pipelines::{id}");
        if pipeline.receivers.is_empty() && !self.has_errors_below(&format!("{path}::receivers")) {
            self.fail(&path, "must have at least one receiver");
        }
        if pipeline.exporters.is_empty() && !self.has_errors_below(&format!("{path}::exporters")) {
            self.fail(&path, "must have at least one exporter");
        }
        let sections = self.sections;
        self.references(&path, Kind::Receiver, &pipeline.receivers, |id| {
            sections.receivers.contains_key(id) || sections.connectors.contains_key(id)
        });
        self.references(&path, Kind::Processor, &pipeline.processors, |id| {
            sections.processors.contains_key(id)
        });
        self.references(&path, Kind::Exporter, &pipeline.exporters, |id| {
            sections.exporters.contains_key(id) || sections.connectors.contains_key(id)
        });
    }

    fn references(
        &mut self,
        pipeline: &str,
        kind: Kind,
        ids: &[ComponentId],
        is_configured: impl Fn(&ComponentId) -> bool,
    ) {
        let mut seen = BTreeSet::new();
        for id in ids {
            let broken = self.sections.is_broken(kind, id) || self.sections.is_broken(Kind::Connector, id);
            if !is_configured(id) && !broken {
                let known = self.known(kind);
                self.not_configured(pipeline, kind.as_str(), id, &known);
            } else if !seen.insert(id) {
                self.fail(pipeline, format!("references {kind} {} multiple times", quoted(id)));
            }
        }
    }

    fn not_configured(&mut self, path: &str, what: &str, id: &ComponentId, known: &[String]) {
        let hint = nearest(&id.to_string(), known.iter().map(String::as_str))
            .map_or_else(String::new, |near| format!("; did you mean {near:?}?"));
        self.fail(path, format!("references {what} {} which is not configured{hint}", quoted(id)));
    }

    fn known(&self, kind: Kind) -> Vec<String> {
        let sections = self.sections;
        let names = |ids: Vec<&ComponentId>| ids.into_iter().map(ToString::to_string).collect();
        match kind {
            Kind::Receiver => names(sections.receivers.keys().chain(sections.connectors.keys()).collect()),
            Kind::Exporter => names(sections.exporters.keys().chain(sections.connectors.keys()).collect()),
            Kind::Processor => names(sections.processors.keys().collect()),
            Kind::Connector => names(sections.connectors.keys().collect()),
            Kind::Extension => names(sections.extensions.keys().collect()),
        }
    }

    fn has_errors_below(&self, path: &str) -> bool {
        self.errors.iter().any(|error| error.path.starts_with(path))
    }
}

/// The line of a path, or of the nearest section above it that is in the file.
fn place(root: &Node, path: &str) -> Option<Location> {
    let mut node = root;
    let mut location = root.location.clone();
    for key in path.split("::").filter(|key| !key.is_empty()) {
        let Some(map) = node.as_map() else { break };
        let Some(child) = map.get(key) else { break };
        location = map.key_location(key).cloned().or_else(|| child.location.clone());
        node = child;
    }
    location
}
