//! The sections `receivers:` to `extensions:`: ids, types and settings.

use std::collections::{BTreeMap, BTreeSet};

use otelcol_confmap::{ConfigError, Node, nearest};
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::factory::{
    Claim, Factories, Factory, MakeConnector, MakeExporter, MakeExtension, MakeProcessor, MakeReceiver,
};
use crate::{ComponentId, Kind};

/// One configured component.
pub(crate) struct Section<M> {
    /// Its settings as they stand in the file; a reload compares them.
    pub(crate) settings: Node,
    /// Makes an instance. `None` where the settings are wrong.
    pub(crate) make: Option<M>,
    /// What it reports of a whole system.
    pub(crate) claims: Vec<Claim>,
}

/// All configured components. Those with a wrong id or type are absent; their errors were reported.
#[derive(Default)]
pub(crate) struct Sections {
    pub(crate) receivers: BTreeMap<ComponentId, Section<MakeReceiver>>,
    pub(crate) processors: BTreeMap<ComponentId, Section<MakeProcessor>>,
    pub(crate) exporters: BTreeMap<ComponentId, Section<MakeExporter>>,
    pub(crate) connectors: BTreeMap<ComponentId, Section<MakeConnector>>,
    pub(crate) extensions: BTreeMap<ComponentId, Section<MakeExtension>>,
    /// What the file names but could not be read, so that references to it are no second error.
    pub(crate) broken: BTreeSet<(Kind, ComponentId)>,
}

impl Sections {
    pub(crate) fn read(root: &Node, factories: &Factories, errors: &mut Vec<ConfigError>) -> Self {
        let mut broken = BTreeSet::new();
        Self {
            receivers: read_section(root, Kind::Receiver, &factories.receivers, &mut broken, errors),
            processors: read_section(root, Kind::Processor, &factories.processors, &mut broken, errors),
            exporters: read_section(root, Kind::Exporter, &factories.exporters, &mut broken, errors),
            connectors: read_section(root, Kind::Connector, &factories.connectors, &mut broken, errors),
            extensions: read_section(root, Kind::Extension, &factories.extensions, &mut broken, errors),
            broken,
        }
    }

    pub(crate) fn is_broken(&self, kind: Kind, id: &ComponentId) -> bool {
        self.broken.contains(&(kind, id.clone()))
    }
}

fn read_section<S: 'static, M>(
    root: &Node,
    kind: Kind,
    factories: &[Factory<S, M>],
    broken: &mut BTreeSet<(Kind, ComponentId)>,
    errors: &mut Vec<ConfigError>,
) -> BTreeMap<ComponentId, Section<M>> {
    let mut sections = BTreeMap::new();
    let Some(node) = root.get(kind.section()) else { return sections };
    for (key, settings) in entries(node, kind.section(), errors) {
        let fail = |message| ConfigError::new(kind.section(), settings.location.clone(), message);
        let id: ComponentId = match key.parse() {
            Ok(id) => id,
            Err(error) => {
                errors.push(fail(error.to_string()));
                continue;
            }
        };
        let Some(factory) = factories.iter().find(|factory| factory.is_called(id.component_type())) else {
            errors.push(fail(unknown_type(&id, factories)));
            broken.insert((kind, id));
            continue;
        };
        if sections.contains_key(&id) {
            errors.push(fail(format!("duplicate name {id}", id = quoted(&id))));
            continue;
        }
        let (make, claims) = match factory.prepare(settings, &format!("{}::{id}", kind.section())) {
            Ok(prepared) => (Some(prepared.make), prepared.claims),
            Err(found) => {
                errors.extend(found);
                (None, Vec::new())
            }
        };
        sections.insert(id, Section { settings: settings.clone(), make, claims });
    }
    sections
}

fn unknown_type<S: 'static, M>(id: &ComponentId, factories: &[Factory<S, M>]) -> String {
    let known: Vec<&str> = factories.iter().map(|factory| factory.component_type).collect();
    let spellings = factories.iter().flat_map(|factory| factory.aliases.iter().copied());
    let hint = nearest(id.component_type(), known.iter().copied().chain(spellings))
        .map_or_else(String::new, |near| format!("; did you mean {near:?}?"));
    format!(
        "unknown type: {:?} for id: {id} (valid values: [{}]){hint}",
        id.component_type(),
        known.join(" "),
        id = quoted(id)
    )
}

/// The entries of a node that should be a map; nothing written there is an empty map.
pub(crate) fn entries<'a>(
    node: &'a Node,
    path: &str,
    errors: &mut Vec<ConfigError>,
) -> Vec<(&'a str, &'a Node)> {
    if let Some(map) = node.as_map() {
        return map.iter().collect();
    }
    if !node.is_null() {
        let found = node.decode::<BTreeMap<String, IgnoredAny>>(path).err().unwrap_or_default();
        errors.extend(found);
    }
    Vec::new()
}

/// Reports the keys of a map that are no fields of `Keys`, and a node that is no map.
pub(crate) fn refuse_unknown_keys<Keys: DeserializeOwned>(
    node: &Node,
    path: &str,
    errors: &mut Vec<ConfigError>,
) {
    if !node.is_null()
        && let Err(found) = node.decode::<Keys>(path)
    {
        errors.extend(found);
    }
}

pub(crate) fn quoted(id: &impl ToString) -> String {
    format!("{:?}", id.to_string())
}
