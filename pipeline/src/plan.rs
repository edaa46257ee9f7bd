//! Which component instances a configuration asks for and how data flows between them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use otelcol_pdata::Signal;

use crate::config::{CollectorConfig, Sections};
use crate::factory::Factories;
use crate::{ComponentId, Kind, PipelineId};

/// One instance of a component.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum NodeKey {
    /// Shared by all pipelines that name it.
    Receiver(ComponentId),
    /// One for each pipeline.
    Processor(PipelineId, ComponentId),
    /// One for each signal.
    Exporter(Signal, ComponentId),
    /// One for each pair of signals (from, to).
    Connector(Signal, Signal, ComponentId),
    /// One.
    Extension(ComponentId),
}

impl NodeKey {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Receiver(_) => Kind::Receiver,
            Self::Processor(..) => Kind::Processor,
            Self::Exporter(..) => Kind::Exporter,
            Self::Connector(..) => Kind::Connector,
            Self::Extension(_) => Kind::Extension,
        }
    }

    pub(crate) fn id(&self) -> &ComponentId {
        match self {
            Self::Receiver(id)
            | Self::Processor(_, id)
            | Self::Exporter(_, id)
            | Self::Connector(_, _, id)
            | Self::Extension(id) => id,
        }
    }

    /// What tells this instance from others of the same id.
    pub(crate) fn place(&self) -> String {
        match self {
            Self::Receiver(_) | Self::Extension(_) => String::new(),
            Self::Processor(pipeline, _) => pipeline.to_string(),
            Self::Exporter(signal, _) => signal.to_string(),
            Self::Connector(from, to, _) => format!("{from} to {to}"),
        }
    }
}

impl fmt::Display for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::context::component_name(self.kind(), self.id(), &self.place()))
    }
}

/// The instances of a configuration and the edges between them.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// Instances by their distance from the data's origin: receivers first, extensions last.
    pub(crate) levels: Vec<Vec<NodeKey>>,
    /// Where each instance's data of one signal goes.
    pub(crate) edges: BTreeMap<NodeKey, BTreeMap<Signal, Vec<NodeKey>>>,
}

/// What is wrong with a plan: a path in the configuration and a text.
pub(crate) type PlanErrors = Vec<(String, String)>;

impl Plan {
    pub(crate) fn new(config: &CollectorConfig, factories: &Factories) -> Result<Self, PlanErrors> {
        let mut builder = Builder { config, factories, edges: BTreeMap::new(), errors: Vec::new() };
        builder.check_connectors();
        for id in config.pipelines.keys() {
            builder.pipeline(id);
        }
        if !builder.errors.is_empty() {
            return Err(builder.errors);
        }
        let mut levels = levels(&builder.edges).map_err(|cycle| {
            let text = cycle.iter().map(|key| format!("{key}")).collect::<Vec<_>>().join(" -> ");
            vec![("service::pipelines".to_owned(), format!("cycle detected: {text}"))]
        })?;
        // Started in the order of the file, before everything else.
        let extensions = config.extensions.iter().rev().map(|id| vec![NodeKey::Extension(id.clone())]);
        levels.extend(extensions);
        Ok(Self { levels, edges: builder.edges })
    }

    /// All instances, upstream ones first.
    pub(crate) fn nodes(&self) -> impl DoubleEndedIterator<Item = &NodeKey> {
        self.levels.iter().flatten()
    }

    /// Where the instance's data of `signal` goes.
    pub(crate) fn targets(&self, key: &NodeKey, signal: Signal) -> &[NodeKey] {
        self.edges.get(key).and_then(|outputs| outputs.get(&signal)).map_or(&[], Vec::as_slice)
    }
}

struct Builder<'a> {
    config: &'a CollectorConfig,
    factories: &'a Factories,
    edges: BTreeMap<NodeKey, BTreeMap<Signal, Vec<NodeKey>>>,
    errors: PlanErrors,
}

impl Builder<'_> {
    fn sections(&self) -> &Sections {
        &self.config.sections
    }

    fn edge(&mut self, from: NodeKey, signal: Signal, to: NodeKey) {
        self.edges.entry(to.clone()).or_default();
        self.edges.entry(from).or_default().entry(signal).or_default().push(to);
    }

    fn pipeline(&mut self, id: &PipelineId) {
        let pipeline = &self.config.pipelines[id];
        self.check_signals(id);
        let signal = id.signal;
        let processors: Vec<NodeKey> = pipeline
            .processors
            .iter()
            .map(|processor| NodeKey::Processor(id.clone(), processor.clone()))
            .collect();
        let tails = self.tails(id);
        let heads = processors.first().map_or_else(|| tails.clone(), |first| vec![first.clone()]);
        for source in self.sources(id) {
            for head in &heads {
                self.edge(source.clone(), signal, head.clone());
            }
        }
        for pair in processors.windows(2) {
            self.edge(pair[0].clone(), signal, pair[1].clone());
        }
        if let Some(last) = processors.last() {
            for tail in tails {
                self.edge(last.clone(), signal, tail);
            }
        }
    }

    fn sources(&self, id: &PipelineId) -> Vec<NodeKey> {
        let mut sources = Vec::new();
        for receiver in &self.config.pipelines[id].receivers {
            if self.sections().connectors.contains_key(receiver) {
                let from = self.signals_into(receiver).into_iter();
                let supported = from.filter(|from| self.connects(receiver, *from, id.signal));
                sources.extend(supported.map(|from| NodeKey::Connector(from, id.signal, receiver.clone())));
            } else {
                sources.push(NodeKey::Receiver(receiver.clone()));
            }
        }
        sources
    }

    fn tails(&self, id: &PipelineId) -> Vec<NodeKey> {
        let mut tails = Vec::new();
        for exporter in &self.config.pipelines[id].exporters {
            if self.sections().connectors.contains_key(exporter) {
                let to = self.signals_out_of(exporter).into_iter();
                let supported = to.filter(|to| self.connects(exporter, id.signal, *to));
                tails.extend(supported.map(|to| NodeKey::Connector(id.signal, to, exporter.clone())));
            } else {
                tails.push(NodeKey::Exporter(id.signal, exporter.clone()));
            }
        }
        tails
    }

    fn signals_into(&self, connector: &ComponentId) -> BTreeSet<Signal> {
        let pipelines = self.config.pipelines.iter();
        pipelines
            .filter(|(_, pipeline)| pipeline.exporters.contains(connector))
            .map(|(id, _)| id.signal)
            .collect()
    }

    fn signals_out_of(&self, connector: &ComponentId) -> BTreeSet<Signal> {
        let pipelines = self.config.pipelines.iter();
        pipelines
            .filter(|(_, pipeline)| pipeline.receivers.contains(connector))
            .map(|(id, _)| id.signal)
            .collect()
    }

    fn connects(&self, connector: &ComponentId, from: Signal, to: Signal) -> bool {
        let factory = self.factories.connectors.iter().find(|f| f.is_called(connector.component_type()));
        factory.is_some_and(|factory| factory.signals.contains(&(from, to)))
    }

    fn check_signals(&mut self, id: &PipelineId) {
        let pipeline = &self.config.pipelines[id];
        let unsupported = |kind: Kind, ids: &[ComponentId], supports: &dyn Fn(&str) -> bool| {
            let wrong = ids.iter().filter(|id| !supports(id.component_type()));
            let text = |component: &ComponentId| {
                format!(
                    "failed to create {:?} {kind} for data type {:?}: telemetry type is not supported",
                    component.to_string(),
                    id.signal.as_str()
                )
            };
            wrong.map(text).collect::<Vec<_>>()
        };
        let signal = id.signal;
        let connector = |name: &str| self.factories.connectors.iter().any(|f| f.is_called(name));
        let mut wrong = unsupported(Kind::Receiver, &pipeline.receivers, &|name| {
            connector(name)
                || self.factories.receivers.iter().any(|f| f.is_called(name) && f.signals.contains(&signal))
        });
        wrong.extend(unsupported(Kind::Processor, &pipeline.processors, &|name| {
            self.factories.processors.iter().any(|f| f.is_called(name) && f.signals.contains(&signal))
        }));
        wrong.extend(unsupported(Kind::Exporter, &pipeline.exporters, &|name| {
            connector(name)
                || self.factories.exporters.iter().any(|f| f.is_called(name) && f.signals.contains(&signal))
        }));
        self.errors.extend(wrong.into_iter().map(|text| (format!("service::pipelines::{id}"), text)));
    }

    fn check_connectors(&mut self) {
        let mut errors = PlanErrors::new();
        for id in self.sections().connectors.keys() {
            let (into, out_of) = (self.signals_into(id), self.signals_out_of(id));
            let mut unmatched = |signal: Signal, used_as: Kind, missing: Kind| {
                let pipelines = self.names(signal, |pipeline| match used_as {
                    Kind::Exporter => pipeline.exporters.contains(id),
                    _ => pipeline.receivers.contains(id),
                });
                let text = format!(
                    "connector {:?} used as {used_as} in {pipelines} pipeline but not used in any supported {missing} pipeline",
                    id.to_string()
                );
                errors.push((format!("connectors::{id}"), text));
            };
            for from in into.iter().filter(|from| !out_of.iter().any(|to| self.connects(id, **from, *to))) {
                unmatched(*from, Kind::Exporter, Kind::Receiver);
            }
            for to in out_of.iter().filter(|to| !into.iter().any(|from| self.connects(id, *from, **to))) {
                unmatched(*to, Kind::Receiver, Kind::Exporter);
            }
        }
        self.errors.extend(errors);
    }

    fn names(&self, signal: Signal, uses: impl Fn(&crate::config::PipelineConfig) -> bool) -> String {
        let pipelines = self.config.pipelines.iter();
        let named = pipelines.filter(|(id, pipeline)| id.signal == signal && uses(pipeline));
        format!("[{}]", named.map(|(id, _)| id.to_string()).collect::<Vec<_>>().join(" "))
    }
}

/// Groups the nodes by their longest distance from a node without an incoming edge, or gives a cycle.
fn levels(
    edges: &BTreeMap<NodeKey, BTreeMap<Signal, Vec<NodeKey>>>,
) -> Result<Vec<Vec<NodeKey>>, Vec<NodeKey>> {
    let mut incoming: BTreeMap<&NodeKey, usize> = edges.keys().map(|key| (key, 0)).collect();
    for target in edges.values().flat_map(BTreeMap::values).flatten() {
        *incoming.entry(target).or_default() += 1;
    }
    let mut levels = Vec::new();
    let mut ready: Vec<&NodeKey> =
        incoming.iter().filter(|(_, count)| **count == 0).map(|(key, _)| *key).collect();
    let mut left = incoming.len();
    while !ready.is_empty() {
        left -= ready.len();
        let mut next = Vec::new();
        for key in &ready {
            for target in edges[*key].values().flatten() {
                if let Some(count) = incoming.get_mut(target) {
                    *count -= 1;
                    if *count == 0 {
                        next.push(target);
                    }
                }
            }
        }
        levels.push(ready.into_iter().cloned().collect());
        ready = next;
    }
    if left == 0 { Ok(levels) } else { Err(cycle(edges, &incoming)) }
}

/// A closed way through the nodes that still have an incoming edge.
fn cycle(
    edges: &BTreeMap<NodeKey, BTreeMap<Signal, Vec<NodeKey>>>,
    incoming: &BTreeMap<&NodeKey, usize>,
) -> Vec<NodeKey> {
    let stuck = |key: &&NodeKey| incoming.get(*key).is_some_and(|count| *count > 0);
    // Backwards: each stuck node has a stuck predecessor, so that the walk meets itself.
    let mut way: Vec<&NodeKey> = incoming.keys().copied().find(|key| stuck(key)).into_iter().collect();
    while let Some(last) = way.last().copied() {
        let before = edges
            .iter()
            .find(|(key, outputs)| stuck(key) && outputs.values().flatten().any(|target| target == last));
        let Some((before, _)) = before else { break };
        if let Some(start) = way.iter().position(|key| *key == before) {
            let mut closed: Vec<NodeKey> = way[start..].iter().rev().map(|key| (*key).clone()).collect();
            closed.extend(closed.first().cloned());
            return closed;
        }
        way.push(before);
    }
    way.into_iter().cloned().collect()
}
