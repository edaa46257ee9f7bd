//! The series of one metric name.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;
use otelcol_prometheus_text::Kind;

use super::reason::{Conflict, Dropped};
use super::value::{Sample, Value};

/// One line (or one set of bucket lines) of the exposition.
#[derive(Debug)]
pub(super) struct Series {
    /// Rendered labels; also its identity within the family.
    pub(super) labels: Box<[u8]>,
    pub(super) value: Value,
    /// Time of the last point, nanoseconds since 1970; 0 where points have none.
    pub(super) time: u64,
    /// When the last point arrived, milliseconds since 1970.
    pub(super) updated: u64,
    /// Who wrote it: a hash over resource, scope and metric name.
    source: u64,
    pub(super) exemplars: Option<Box<[StoredExemplar]>>,
}

/// An exemplar with its labels rendered.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct StoredExemplar {
    pub(super) labels: Box<[u8]>,
    pub(super) value: f64,
    /// Nanoseconds since 1970, 0 if not known.
    pub(super) time: u64,
}

/// A point on its way into a series.
#[derive(Debug)]
pub(super) struct Point<'a> {
    pub(super) sample: Sample<'a>,
    /// To be added to what is there, instead of replacing it.
    pub(super) delta: bool,
    pub(super) time: u64,
    pub(super) arrived: u64,
    pub(super) source: u64,
    pub(super) exemplars: Option<Box<[StoredExemplar]>>,
}

/// All series of one name.
#[derive(Debug)]
pub(super) struct Family {
    pub(super) name: Box<str>,
    pub(super) help: Box<str>,
    pub(super) unit: Box<str>,
    pub(super) kind: Kind,
    series: Vec<Series>,
    /// Places in `series`, found by the hash of the labels.
    places: HashTable<u32>,
    /// Places in `series` by label text if `in_order`; of another length than `series` after a removal.
    order: Vec<u32>,
    in_order: bool,
    hasher: RandomState,
}

/// What storing a point did.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stored {
    New,
    Updated(Option<Conflict>),
}

impl Family {
    pub(super) fn new(name: &str, help: &str, unit: &str, kind: Kind, hasher: RandomState) -> Self {
        Self {
            name: name.into(),
            help: help.into(),
            unit: unit.into(),
            kind,
            series: Vec::new(),
            places: HashTable::new(),
            order: Vec::new(),
            in_order: true,
            hasher,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.series.len()
    }

    pub(super) fn has(&self, labels: &[u8]) -> bool {
        self.place(labels).is_some()
    }

    fn place(&self, labels: &[u8]) -> Option<usize> {
        let hash = self.hasher.hash_one(labels);
        self.places
            .find(hash, |place| *self.series[*place as usize].labels == *labels)
            .map(|place| *place as usize)
    }

    /// Stores a point. A new series is made only if `may_grow`.
    pub(super) fn store(
        &mut self,
        labels: &[u8],
        point: Point<'_>,
        may_grow: bool,
    ) -> Result<Stored, Dropped> {
        if let Some(place) = self.place(labels) {
            return self.series[place].update(point).map(Stored::Updated);
        }
        if !may_grow {
            return Err(Dropped::SeriesLimit);
        }
        let place = u32::try_from(self.series.len()).map_err(|_| Dropped::SeriesLimit)?;
        self.series.push(Series {
            labels: labels.into(),
            value: point.sample.to_value(),
            time: point.time,
            updated: point.arrived,
            source: point.source,
            exemplars: point.exemplars,
        });
        let (series, hasher) = (&self.series, &self.hasher);
        self.places.insert_unique(hasher.hash_one(labels), place, |place| {
            hasher.hash_one(&*series[*place as usize].labels)
        });
        self.order.push(place);
        self.in_order = false;
        Ok(Stored::New)
    }

    /// Takes a series out. True if it was there.
    pub(super) fn remove(&mut self, labels: &[u8]) -> bool {
        let hash = self.hasher.hash_one(labels);
        let series = &self.series;
        let Ok(entry) = self.places.find_entry(hash, |place| *series[*place as usize].labels == *labels)
        else {
            return false;
        };
        let (place, _) = entry.remove();
        self.series.swap_remove(place as usize);
        let moved_from = self.series.len() as u32;
        if let Some(moved) = self.series.get(place as usize) {
            let hash = self.hasher.hash_one(&*moved.labels);
            if let Some(entry) = self.places.find_mut(hash, |at| *at == moved_from) {
                *entry = place;
            }
        }
        self.order.clear();
        true
    }

    /// Keeps the series that `keep` chooses.
    pub(super) fn retain(&mut self, keep: impl FnMut(&Series) -> bool) {
        let before = self.series.len();
        self.series.retain(keep);
        if self.series.len() == before {
            return;
        }
        self.series.shrink_to(self.series.len() * 2);
        let hasher = &self.hasher;
        let series = &self.series;
        let hash = |place: &u32| hasher.hash_one(&*series[*place as usize].labels);
        self.order = Vec::new();
        self.places.clear();
        self.places.shrink_to(series.len(), hash);
        for place in 0..series.len() as u32 {
            self.places.insert_unique(hash(&place), place, hash);
        }
    }

    /// Puts the series in order, for [`in_order_after`](Self::in_order_after).
    pub(super) fn sort(&mut self) {
        let series = &self.series;
        if self.order.len() != series.len() {
            self.order = (0..series.len() as u32).collect();
            self.in_order = false;
        }
        if !self.in_order {
            self.order.sort_by(|a, b| series[*a as usize].labels.cmp(&series[*b as usize].labels));
            self.in_order = true;
        }
    }

    /// The series whose labels come after `after`, by their text.
    pub(super) fn in_order_after(&self, after: Option<&[u8]>) -> impl Iterator<Item = &Series> {
        let series = &self.series;
        let start = after
            .map_or(0, |after| self.order.partition_point(|place| *series[*place as usize].labels <= *after));
        self.order[start..].iter().map(|place| &series[*place as usize])
    }
}

impl Series {
    fn update(&mut self, point: Point<'_>) -> Result<Option<Conflict>, Dropped> {
        let other_source = self.source != point.source;
        // A delta of the same time from the same source was sent twice. Two sources may share a time: deltas add up.
        let stale =
            if point.delta { point.time <= self.time && !other_source } else { point.time < self.time };
        if stale {
            return Err(Dropped::OutOfOrder);
        }
        let bounds_changed = if point.delta {
            self.value.add(point.sample)
        } else {
            self.value.replace(point.sample);
            None
        };
        self.time = self.time.max(point.time);
        self.updated = point.arrived;
        self.source = point.source;
        self.exemplars = point.exemplars;
        Ok(bounds_changed.or(other_source.then_some(Conflict::DuplicateSeries)))
    }
}
