//! All running instances, and the exchange of one set for another.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::mem;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::future::join_all;
use otelcol_confmap::{Node, Value};
use otelcol_pdata::Signal;
use tokio::time::Instant;

use super::instance::Instance;
use crate::config::{CollectorConfig, Sections};
use crate::handover::until_exchanged;
use crate::output::Hold;
use crate::plan::{NodeKey, Plan};
use crate::{ComponentError, ComponentId, Extension, Host, Kind, Shared};

/// How long a stop may take before what is left is given up and reported.
pub(super) const STOP_WITHIN: Duration = Duration::from_secs(20);

type Instances = BTreeMap<NodeKey, Arc<Instance>>;

/// The instances of one configuration, wired and running.
#[derive(Default)]
pub(super) struct Graph {
    plan: Plan,
    sections: Arc<Sections>,
    instances: Instances,
}

impl Graph {
    /// Brings the running instances in line with `config`.
    ///
    /// Instances whose settings are the same stay, with their sockets and state. While others are exchanged, the
    /// data of those that stay is held back, not refused. If anything can not be made or started, the old set runs on.
    /// What stops does so by `deadline`. Dropped at any await, it leaves what [`shutdown`](Self::shutdown) stops right.
    pub(super) async fn exchange(
        &mut self,
        config: &CollectorConfig,
        plan: Plan,
        deadline: Instant,
        shared: &Shared,
    ) -> Result<(), ComponentError> {
        let kept = self.kept(&plan, &config.sections);
        let fresh = make_all(plan.nodes().filter(|key| !kept.contains(*key)), &config.sections, shared)?;
        shared.shelf.expect_heirs(fresh.keys().map(ToString::to_string));
        let mut exchange = Exchange { kept, holds: Holds::new(), retired: Vec::new() };

        let result = match self.retire(&plan, &mut exchange, deadline, shared).await {
            Ok(()) => self.advance(config, plan, fresh, &mut exchange.holds, shared).await,
            Err(error) => Err(error),
        };
        let result = match result {
            Ok(()) => Ok(()),
            Err(error) => self.restore(exchange, shared).await.and(Err(error)),
        };
        shared.shelf.clear();
        result
    }

    /// Starts what is new, or leaves all as it was.
    async fn advance(
        &mut self,
        config: &CollectorConfig,
        plan: Plan,
        fresh: Instances,
        holds: &mut Holds,
        shared: &Shared,
    ) -> Result<(), ComponentError> {
        let keys: BTreeSet<NodeKey> = fresh.keys().cloned().collect();
        self.instances.extend(fresh);
        // Before anything starts: a stop that finds this half done goes by the new plan.
        let plan = mem::replace(&mut self.plan, plan);
        let sections = mem::replace(&mut self.sections, Arc::clone(&config.sections));
        let started = self.start(&keys, holds, shared).await;
        if started.is_err() {
            for instance in keys.iter().filter_map(|key| self.instances.remove(key)) {
                instance.forget(shared);
            }
            (self.plan, self.sections) = (plan, sections);
        }
        started
    }

    /// Stops everything by `deadline`, upstream first.
    pub(super) async fn shutdown(&mut self, deadline: Instant, shared: &Shared) {
        let all: Vec<NodeKey> = self.plan.nodes().cloned().collect();
        self.stop(&all, deadline).await;
        for instance in self.instances.values() {
            instance.forget(shared);
        }
        shared.shelf.clear();
        *self = Self::default();
    }

    /// The receivers that run now, for whoever stops them during an exchange.
    pub(super) fn receivers(&self) -> Vec<Weak<Instance>> {
        let all = self.instances.values();
        all.filter(|instance| instance.key.kind() == Kind::Receiver).map(Arc::downgrade).collect()
    }

    /// The instances that can stay: same settings, and no extension that they use is exchanged.
    fn kept(&self, plan: &Plan, sections: &Sections) -> BTreeSet<NodeKey> {
        let same = |key: &&NodeKey| {
            let old = self.instances.get(*key).map(|instance| &instance.settings);
            old.is_some() && old == settings_of(key, sections)
        };
        let mut kept: BTreeSet<NodeKey> = plan.nodes().filter(same).cloned().collect();
        let running = self.instances.keys().chain(plan.nodes());
        let changed: BTreeSet<String> = running
            .filter(|key| matches!(key, NodeKey::Extension(_)) && !kept.contains(*key))
            .map(|key| key.id().to_string())
            .collect();
        kept.retain(|key| {
            self.instances.get(key).is_none_or(|instance| !mentions(&instance.settings, &changed))
        });
        kept
    }

    /// Stops, upstream first, the instances that do not stay. What feeds one of them is held before it stops, and not
    /// earlier: what is further up may still have data to hand on.
    async fn retire(
        &mut self,
        plan: &Plan,
        exchange: &mut Exchange,
        deadline: Instant,
        shared: &Shared,
    ) -> Result<(), ComponentError> {
        for level in self.plan.levels.clone() {
            let leaving: Vec<NodeKey> =
                level.into_iter().filter(|key| !exchange.kept.contains(key)).collect();
            let feeds = |targets: &[NodeKey]| targets.iter().any(|target| leaving.contains(target));
            self.hold(exchange, deadline, |key, signal| feeds(self.plan.targets(key, signal))).await?;
            self.stop(&leaving, deadline).await;
            for key in leaving {
                if let Some(instance) = self.instances.remove(&key) {
                    instance.forget(shared);
                    exchange.retired.push(key);
                }
            }
        }
        self.hold(exchange, deadline, |key, signal| {
            self.plan.targets(key, signal) != plan.targets(key, signal)
        })
        .await
    }

    /// Holds the outputs of instances that stay and for which `wanted` is true.
    async fn hold(
        &self,
        exchange: &mut Exchange,
        deadline: Instant,
        wanted: impl Fn(&NodeKey, Signal) -> bool,
    ) -> Result<(), ComponentError> {
        let patience = until_exchanged(deadline);
        for key in self.plan.nodes().filter(|key| exchange.kept.contains(*key)) {
            let Some(instance) = self.instances.get(key) else { continue };
            for (signal, output) in &instance.outputs {
                let place = (key.clone(), *signal);
                if exchange.holds.contains_key(&place) || !wanted(key, *signal) {
                    continue;
                }
                let hold = output.hold(patience, deadline).await.ok_or_else(|| {
                    ComponentError::new(format!(
                        "{key} is busy: its {signal} did not come to rest within {STOP_WITHIN:?}"
                    ))
                })?;
                exchange.holds.insert(place, hold);
            }
        }
        Ok(())
    }

    async fn stop(&self, keys: &[NodeKey], deadline: Instant) {
        let keys: BTreeSet<&NodeKey> = keys.iter().collect();
        for level in &self.plan.levels {
            let stopping =
                level.iter().filter(|key| keys.contains(key)).filter_map(|key| self.instances.get(key));
            join_all(stopping.map(|instance| instance.shutdown(deadline))).await;
        }
    }

    /// Wires all outputs as the plan says and starts the instances `fresh`, downstream first.
    async fn start(
        &self,
        fresh: &BTreeSet<NodeKey>,
        holds: &mut Holds,
        shared: &Shared,
    ) -> Result<(), ComponentError> {
        self.wire(fresh, holds).await;
        let host = Host::with_extensions(self.extensions(), shared.board.clone());
        let mut started = Vec::new();
        for key in self.plan.nodes().rev().filter(|key| fresh.contains(*key)) {
            let Some(instance) = self.instances.get(key) else { continue };
            // One that failed may hold half of what it opened: it is stopped like the others.
            started.push(instance);
            if let Err(error) = instance.start(&host).await {
                for instance in started.iter().rev() {
                    instance.shutdown(Instant::now() + STOP_WITHIN).await;
                }
                return Err(error);
            }
        }
        join_all(self.extensions().values().map(|extension| extension.ready())).await;
        Ok(())
    }

    async fn wire(&self, fresh: &BTreeSet<NodeKey>, holds: &mut Holds) {
        for (key, instance) in &self.instances {
            for (signal, output) in &instance.outputs {
                let targets = self.plan.targets(key, *signal).iter();
                let doors =
                    || targets.clone().filter_map(|target| self.instances.get(target)?.door()).collect();
                if let Some(hold) = holds.get_mut(&(key.clone(), *signal)) {
                    hold.set(doors());
                } else if fresh.contains(key) {
                    output.connect(doors()).await;
                }
            }
        }
    }

    /// Makes and starts again what was stopped for an exchange that failed.
    async fn restore(&mut self, mut exchange: Exchange, shared: &Shared) -> Result<(), ComponentError> {
        let again = make_all(exchange.retired.iter(), &self.sections, shared)?;
        let keys: BTreeSet<NodeKey> = again.keys().cloned().collect();
        self.instances.extend(again);
        let result = self.start(&keys, &mut exchange.holds, shared).await;
        result.map_err(|error| {
            ComponentError::new(format!("the old configuration can not be resumed: {error}"))
        })
    }

    fn extensions(&self) -> HashMap<ComponentId, Arc<dyn Extension>> {
        let extensions = self.instances.values();
        extensions.filter_map(|instance| Some((instance.key.id().clone(), instance.extension()?))).collect()
    }
}

/// An exchange under way.
struct Exchange {
    /// What stays.
    kept: BTreeSet<NodeKey>,
    /// The outputs of what stays that wait for new targets.
    holds: Holds,
    /// What was stopped, in this order.
    retired: Vec<NodeKey>,
}

type Holds = BTreeMap<(NodeKey, Signal), Hold>;

fn make_all<'a>(
    keys: impl Iterator<Item = &'a NodeKey>,
    sections: &Sections,
    shared: &Shared,
) -> Result<Instances, ComponentError> {
    keys.map(|key| Ok((key.clone(), Arc::new(Instance::make(key, sections, shared)?)))).collect()
}

fn settings_of<'a>(key: &NodeKey, sections: &'a Sections) -> Option<&'a Node> {
    let id = key.id();
    match key {
        NodeKey::Receiver(_) => sections.receivers.get(id).map(|section| &section.settings),
        NodeKey::Processor(..) => sections.processors.get(id).map(|section| &section.settings),
        NodeKey::Exporter(..) => sections.exporters.get(id).map(|section| &section.settings),
        NodeKey::Connector(..) => sections.connectors.get(id).map(|section| &section.settings),
        NodeKey::Extension(_) => sections.extensions.get(id).map(|section| &section.settings),
    }
}

/// True when any setting is one of `words`: how a component names the storage or authenticator that it uses.
fn mentions(settings: &Node, words: &BTreeSet<String>) -> bool {
    match &settings.value {
        Value::String(text) => words.contains(text),
        Value::Seq(items) => items.iter().any(|item| mentions(item, words)),
        Value::Map(map) => map.iter().any(|(_, value)| mentions(value, words)),
        _ => false,
    }
}
