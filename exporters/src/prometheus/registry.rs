//! All series of the exporter: what batches put in and scrapes read.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::ops::{Bound, ControlFlow};

use hashbrown::HashTable;
use otelcol_pdata::model::as_string;
use otelcol_pdata::model::common::{InstrumentationScope, KeyValue};
use otelcol_pdata::model::metrics::{Metric, ResourceMetrics};
use otelcol_prometheus_text::{Kind, MetricNamer};

use super::family::{Family, Point, Stored};
use super::points::{PointIn, for_each_point};
use super::reason::{Conflict, Dropped, Tally};
use super::value::Sample;
use crate::translation::{LabelRules, LabelWriter, MAX_LABELS, MetricShape, SharedLabels, instance, job};

const NANOS_IN_MILLI: u64 = 1_000_000;

/// The family that shows the attributes of each resource.
const TARGET_INFO: &str = "target_info";

/// How names, labels and series are treated.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) namer: MetricNamer,
    pub(super) labels: LabelRules,
    /// How long a series is served after its last point, in milliseconds; 0 for ever.
    pub(super) expiration_ms: u64,
    pub(super) max_series: usize,
    /// Whether exemplars can be shown.
    pub(super) exemplars: bool,
}

/// The series of one exporter.
#[derive(Debug)]
pub(super) struct Registry {
    rules: Rules,
    families: Vec<Family>,
    /// Places in `families`, in the order in which they are served.
    by_name: BTreeMap<Box<str>, u32>,
    /// Which family an OTLP metric belongs to, so that its name is built once.
    known: HashTable<KnownMetric>,
    /// The labels under which each `job` and `instance` is in `target_info`.
    targets: HashMap<(String, String), Vec<u8>>,
    target_info: String,
    series: usize,
    writer: LabelWriter,
    hasher: RandomState,
}

#[derive(Debug)]
struct KnownMetric {
    name: Box<str>,
    unit: Box<str>,
    shape: MetricShape,
    family: u32,
}

/// What the points of one scope have in common.
struct Block {
    labels: SharedLabels,
    source: u64,
    /// Nanoseconds since 1970.
    arrived: u64,
}

/// What the points of one metric have in common.
struct MetricIn<'a> {
    name: &'a str,
    shape: MetricShape,
    family: usize,
    source: u64,
}

impl Registry {
    pub(super) fn new(rules: Rules) -> Self {
        let namespace = rules.namer.namespace();
        let separator = if namespace.is_empty() { "" } else { "_" };
        Self {
            target_info: format!("{namespace}{separator}{TARGET_INFO}"),
            rules,
            families: Vec::new(),
            by_name: BTreeMap::new(),
            known: HashTable::new(),
            targets: HashMap::new(),
            series: 0,
            writer: LabelWriter::default(),
            hasher: RandomState::new(),
        }
    }

    /// Takes the series of a previous registry over, if they are named and labelled by the same rules.
    pub(super) fn adopt(&mut self, previous: Registry) {
        let (new, old) = (&self.rules, &previous.rules);
        if new.namer == old.namer && new.labels == old.labels {
            let rules = new.clone();
            *self = Self { rules, ..previous };
        }
    }

    /// How many series there are.
    pub(super) fn series(&self) -> usize {
        self.series
    }

    /// Takes the points of a batch in. `now` is in nanoseconds since 1970.
    pub(super) fn ingest(&mut self, batch: &[&ResourceMetrics], now: u64, tally: &mut Tally) {
        for resource_metrics in batch {
            let resource =
                resource_metrics.resource.as_ref().map_or(&[][..], |resource| &resource.attributes);
            for scope_metrics in &resource_metrics.scope_metrics {
                let scope = scope_metrics.scope.as_ref();
                let labels =
                    SharedLabels::new(&self.rules.labels, resource, scope, &scope_metrics.schema_url);
                let Ok(labels) = labels else {
                    for metric in &scope_metrics.metrics {
                        tally.drop_points(Dropped::InvalidLabel, MetricShape::points(metric), &metric.name);
                    }
                    continue;
                };
                let block = Block { labels, source: self.source(resource, scope), arrived: now };
                for metric in &scope_metrics.metrics {
                    self.ingest_metric(&block, metric, tally);
                }
            }
            self.touch_target(resource, now, tally);
        }
    }

    fn ingest_metric(&mut self, block: &Block, metric: &Metric, tally: &mut Tally) {
        let points = MetricShape::points(metric);
        if points == 0 {
            return;
        }
        let Some(shape) = MetricShape::of(metric) else {
            return tally.drop_points(Dropped::UnspecifiedTemporality, points, &metric.name);
        };
        let family = match self.family(metric, shape, tally) {
            Ok(family) => family,
            Err(reason) => return tally.drop_points(reason, points, &metric.name),
        };
        let source = block.source ^ hash_metric(&self.hasher, &metric.name, &metric.unit, shape);
        let metric_in = MetricIn { name: &metric.name, shape, family, source };
        for_each_point(metric, self.rules.exemplars, |point| {
            if let Err(reason) = self.store(block, &metric_in, point, tally) {
                tally.drop_points(reason, 1, &metric.name);
            }
        });
    }

    /// The family of a metric, made at its first point.
    fn family(&mut self, metric: &Metric, shape: MetricShape, tally: &mut Tally) -> Result<usize, Dropped> {
        let hash = hash_metric(&self.hasher, &metric.name, &metric.unit, shape);
        let known = self.known.find(hash, |known| {
            *known.name == *metric.name && *known.unit == *metric.unit && known.shape == shape
        });
        let place = match known {
            Some(known) => known.family as usize,
            None => self.family_by_name(metric, shape, hash)?,
        };
        let family = &self.families[place];
        if *family.help != *metric.description {
            tally.conflict(Conflict::Help, &metric.name);
        }
        if *family.unit != *metric.unit {
            tally.conflict(Conflict::Unit, &metric.name);
        }
        Ok(place)
    }

    fn family_by_name(&mut self, metric: &Metric, shape: MetricShape, hash: u64) -> Result<usize, Dropped> {
        let built = self.rules.namer.build(&metric.name, &metric.unit, shape.name_kind);
        let name = built.map_err(|_| Dropped::InvalidName)?;
        let place = self.family_called(&name, &metric.description, &metric.unit, shape.kind)?;
        let known = KnownMetric {
            name: metric.name.as_str().into(),
            unit: metric.unit.as_str().into(),
            shape,
            family: place,
        };
        // A sender can spell one name in many ways: the cache must not outgrow what it is for.
        if self.known.len() > 2 * self.families.len() + 1024 {
            self.known.clear();
        }
        let hasher = &self.hasher;
        self.known
            .insert_unique(hash, known, |known| hash_metric(hasher, &known.name, &known.unit, known.shape));
        Ok(place as usize)
    }

    fn family_called(&mut self, name: &str, help: &str, unit: &str, kind: Kind) -> Result<u32, Dropped> {
        if let Some(place) = self.by_name.get(name) {
            let same = self.families[*place as usize].kind == kind;
            return if same { Ok(*place) } else { Err(Dropped::TypeConflict) };
        }
        if self.collides(name, kind) {
            return Err(Dropped::NameConflict);
        }
        // A family without series counts as well, until it is swept.
        if self.series.max(self.families.len()) >= self.rules.max_series {
            return Err(Dropped::SeriesLimit);
        }
        let place = u32::try_from(self.families.len()).map_err(|_| Dropped::SeriesLimit)?;
        self.families.push(Family::new(name, help, unit, kind, self.hasher.clone()));
        self.by_name.insert(name.into(), place);
        Ok(place)
    }

    /// Whether a family of this name would write lines that belong to another one: `x_count` and a histogram `x`.
    fn collides(&self, name: &str, kind: Kind) -> bool {
        let kind_of = |name: &str| self.by_name.get(name).map(|place| self.families[*place as usize].kind);
        let own_part = parts(kind).iter().any(|suffix| kind_of(&format!("{name}{suffix}")).is_some());
        own_part
            || parts(Kind::Histogram).iter().any(|suffix| {
                let whole = name.strip_suffix(suffix).and_then(kind_of);
                whole.is_some_and(|whole| parts(whole).contains(suffix))
            })
    }

    fn store(
        &mut self,
        block: &Block,
        metric: &MetricIn<'_>,
        point: PointIn<'_>,
        tally: &mut Tally,
    ) -> Result<(), Dropped> {
        let shape = metric.shape;
        let strategy = self.rules.labels.strategy;
        let rendered =
            self.writer.render(strategy, &block.labels, point.attributes, shape.reserved_label())?;
        if rendered.conflict {
            tally.conflict(Conflict::Label, metric.name);
        }
        let family = &mut self.families[metric.family];
        let Some(sample) = point.sample else {
            self.series -= usize::from(family.remove(rendered.text));
            return Ok(());
        };
        sample.check(shape.delta && shape.kind == Kind::Counter)?;
        let point = Point {
            sample,
            delta: shape.delta,
            time: if point.time == 0 { block.arrived } else { point.time },
            arrived: block.arrived / NANOS_IN_MILLI,
            source: metric.source,
            exemplars: point.exemplars,
        };
        match family.store(rendered.text, point, self.series < self.rules.max_series)? {
            Stored::New => self.series += 1,
            Stored::Updated(Some(conflict)) => tally.conflict(conflict, metric.name),
            Stored::Updated(None) => {}
        }
        Ok(())
    }

    /// Keeps the resource's line in `target_info`. One line for each `job` and `instance`, or joins would be ambiguous:
    /// the last resource seen is shown.
    fn touch_target(&mut self, resource: &[KeyValue], now: u64, tally: &mut Tally) {
        let (Some(job), Some(instance)) = (job(resource), instance(resource)) else { return };
        if job.is_empty() || instance.is_empty() {
            return;
        }
        let Ok(labels) = SharedLabels::of_target(&self.rules.labels, resource, &job, &instance) else {
            return;
        };
        let labels = labels.text();
        if labels.len() > MAX_LABELS {
            return tally.drop_points(Dropped::LabelsTooLong, 1, TARGET_INFO);
        }
        let place = match self.family_called(&self.target_info.clone(), "Target metadata", "", Kind::Gauge) {
            Ok(place) => place as usize,
            Err(reason) => return tally.drop_points(reason, 1, TARGET_INFO),
        };
        let family = &mut self.families[place];
        let target = (job, instance);
        let shown = self.targets.get(&target);
        let is_shown = shown.is_some_and(|shown| *shown == labels);
        if let Some(old) = shown.filter(|_| !is_shown) {
            self.series -= usize::from(family.remove(old));
        }
        let point = Point {
            sample: Sample::Number(1.0),
            delta: false,
            time: 0,
            arrived: now / NANOS_IN_MILLI,
            source: 0,
            exemplars: None,
        };
        match family.store(&labels, point, self.series < self.rules.max_series) {
            Ok(Stored::New) => self.series += 1,
            Ok(Stored::Updated(_)) => {}
            Err(reason) => {
                self.targets.remove(&target);
                return tally.drop_points(reason, 1, TARGET_INFO);
            }
        }
        if !is_shown {
            self.targets.insert(target, labels);
        }
    }

    /// Forgets series that had no point for longer than `metric_expiration`. `now` is in nanoseconds since 1970.
    pub(super) fn expire(&mut self, now: u64) {
        let oldest = self.oldest(now);
        for family in &mut self.families {
            let before = family.len();
            family.retain(|series| series.updated >= oldest);
            self.series -= before - family.len();
        }
        self.forget_empty_families();
    }

    fn forget_empty_families(&mut self) {
        if self.families.iter().all(|family| family.len() > 0) {
            return;
        }
        let old: Vec<Family> = std::mem::take(&mut self.families);
        let mut new_places: Vec<Option<u32>> = Vec::with_capacity(old.len());
        for family in old {
            let keep = family.len() > 0;
            new_places.push(keep.then_some(self.families.len() as u32));
            if keep {
                self.families.push(family);
            }
        }
        let new_place = |place: u32| new_places[place as usize];
        self.by_name = self
            .by_name
            .iter()
            .filter_map(|(name, place)| new_place(*place).map(|place| (name.clone(), place)))
            .collect();
        self.known.retain(|known| {
            let place = new_place(known.family);
            known.family = place.unwrap_or_default();
            place.is_some()
        });
        let info = self.by_name.get(self.target_info.as_str()).map(|place| &self.families[*place as usize]);
        self.targets.retain(|_, labels| info.is_some_and(|info| info.has(labels)));
    }

    /// Series updated before this time, in milliseconds since 1970, are expired.
    pub(super) fn oldest(&self, now: u64) -> u64 {
        let now = now / NANOS_IN_MILLI;
        if self.rules.expiration_ms == 0 { 0 } else { now.saturating_sub(self.rules.expiration_ms) }
    }

    /// Shows the families after the one called `after`, in the order of their names, until `visit` breaks.
    pub(super) fn visit_after(
        &mut self,
        after: Option<&str>,
        mut visit: impl FnMut(&mut Family) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let families = &mut self.families;
        let mut places =
            self.by_name.range::<str, _>((from, Bound::Unbounded)).map(|(_, place)| *place as usize);
        places.try_for_each(|place| visit(&mut families[place]))
    }

    /// The family called `name`.
    pub(super) fn family_named(&mut self, name: &str) -> Option<&mut Family> {
        self.families.get_mut(*self.by_name.get(name)? as usize)
    }

    fn source(&self, resource: &[KeyValue], scope: Option<&InstrumentationScope>) -> u64 {
        let attributes = resource.iter().map(|attribute| {
            let value = attribute.value.as_ref().map(as_string);
            self.hasher.hash_one((&attribute.key, value))
        });
        let scope = scope.map(|scope| (scope.name.as_str(), scope.version.as_str()));
        attributes.fold(self.hasher.hash_one(scope), u64::wrapping_add)
    }
}

fn hash_metric(hasher: &RandomState, name: &str, unit: &str, shape: MetricShape) -> u64 {
    hasher.hash_one((name, unit, shape))
}

/// The parts of a name that samples of a kind add.
fn parts(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Histogram => &["_bucket", "_count", "_sum"],
        Kind::Summary => &["_count", "_sum"],
        Kind::Counter | Kind::Gauge | Kind::Untyped => &[],
    }
}

#[cfg(test)]
mod tests;
