//! The series in memory: who they are, and how a line finds its own without allocating.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::observe::Observed;

/// What tells one series from another. Descriptions and units follow from the name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Identity {
    pub(super) class: Class,
    pub(super) name: String,
    /// Sorted by key, each key once.
    pub(super) attributes: Vec<(String, String)>,
    pub(super) client: Client,
    pub(super) description: &'static str,
    pub(super) unit: &'static str,
}

/// Types that are gathered alike. Those of one class and name make one metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Class {
    /// `c` and `m`
    Sum,
    /// `g`
    Gauge,
    /// `s`
    Set,
    /// `ms`
    Timing,
    /// `h` and `d`
    Values,
}

/// As much of a sender's address as is part of the identity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Client {
    pub(super) address: Option<IpAddr>,
    pub(super) port: Option<u16>,
}

/// A series and what it gathered in this interval.
#[derive(Debug)]
pub(super) struct Series {
    pub(super) identity: Arc<Identity>,
    pub(super) value: Value,
    /// Whether a line came in this interval.
    pub(super) touched: bool,
}

/// What a series gathers.
#[derive(Debug)]
pub(super) enum Value {
    /// The increments since the last flush.
    Sum(f64),
    Gauge(Gauge),
    /// Hashes of the members.
    Set(HashSet<u64>),
    Observed(Observed),
}

/// A gauge, which lives on from interval to interval.
#[derive(Clone, Debug)]
pub(super) struct Gauge {
    pub(super) value: f64,
    /// The end of the last interval with a line, by the steady clock, in nanoseconds.
    pub(super) updated: u64,
    /// What the sender wrote, from which a later instance with other settings makes the identity anew.
    pub(super) origin: Arc<Origin>,
}

/// Name and tags as they were sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Origin {
    pub(super) name: String,
    pub(super) tags: String,
}

/// Number of a series in the table. Valid until the series is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot(u32);

impl Slot {
    /// Stands for lines that are known and not wanted.
    pub(super) const IGNORED: Self = Self(u32::MAX);
}

/// All series.
#[derive(Debug)]
pub(super) struct Table {
    limit: usize,
    slots: Vec<Option<Series>>,
    free: Vec<u32>,
    identities: HashMap<Arc<Identity>, Slot>,
    /// Bytes as they are in a line, so that its tags need not be read again. Several may lead to one series.
    aliases: HashMap<Box<[u8]>, Slot>,
}

impl Table {
    /// A table of at most `limit` series.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            slots: Vec::new(),
            free: Vec::new(),
            identities: HashMap::new(),
            aliases: HashMap::new(),
        }
    }

    /// How many series there are.
    pub(super) fn len(&self) -> usize {
        self.identities.len()
    }

    /// The series that a line with these bytes belongs to, if one with the same was seen before.
    pub(super) fn by_alias(&self, alias: &[u8]) -> Option<Slot> {
        self.aliases.get(alias).copied()
    }

    /// Remembers that lines with these bytes belong to this series.
    pub(super) fn add_alias(&mut self, alias: &[u8], slot: Slot) {
        // Tags in ever new orders cost memory, not series: forget all, those in use come back.
        if self.aliases.len() >= self.limit.saturating_mul(2) {
            self.aliases.clear();
        }
        self.aliases.insert(alias.into(), slot);
    }

    /// The series with this identity.
    pub(super) fn by_identity(&self, identity: &Identity) -> Option<Slot> {
        self.identities.get(identity).copied()
    }

    /// Adds a series; `None` if the table is full.
    pub(super) fn insert(&mut self, identity: Arc<Identity>, value: Value) -> Option<Slot> {
        if self.len() >= self.limit {
            return None;
        }
        let series = Some(Series { identity: Arc::clone(&identity), value, touched: false });
        let number = match self.free.pop() {
            Some(number) => {
                *self.slots.get_mut(number as usize)? = series;
                number
            }
            None => {
                let number = u32::try_from(self.slots.len()).ok().filter(|number| *number != u32::MAX)?;
                self.slots.push(series);
                number
            }
        };
        self.identities.insert(identity, Slot(number));
        Some(Slot(number))
    }

    /// The series in a slot.
    pub(super) fn get_mut(&mut self, slot: Slot) -> Option<&mut Series> {
        self.slots.get_mut(slot.0 as usize)?.as_mut()
    }

    /// All series.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Series> {
        self.slots.iter().flatten()
    }

    /// Visits all series and removes those for which `keep` says false.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&mut Series) -> bool) {
        let before = self.len();
        for (number, entry) in (0_u32..).zip(&mut self.slots) {
            if let Some(series) = entry
                && !keep(series)
            {
                self.identities.remove(&series.identity);
                *entry = None;
                self.free.push(number);
            }
        }
        if self.len() < before {
            let slots = &self.slots;
            self.aliases.retain(|_, slot| {
                *slot == Slot::IGNORED || slots.get(slot.0 as usize).is_some_and(Option::is_some)
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(name: &str) -> Arc<Identity> {
        Arc::new(Identity {
            class: Class::Sum,
            name: name.to_owned(),
            attributes: Vec::new(),
            client: Client::default(),
            description: "",
            unit: "",
        })
    }

    #[test]
    fn a_removed_series_leaves_its_slot_and_no_alias() {
        let mut table = Table::new(2);
        let one = table.insert(identity("one"), Value::Sum(1.0)).unwrap();
        let two = table.insert(identity("two"), Value::Sum(2.0)).unwrap();
        assert_eq!(table.insert(identity("three"), Value::Sum(3.0)), None);
        table.add_alias(b"one", one);
        table.add_alias(b"two", two);
        table.add_alias(b"unwanted", Slot::IGNORED);

        table.retain(|series| series.identity.name != "one");
        assert_eq!(
            (table.len(), table.by_alias(b"one"), table.by_identity(&identity("one"))),
            (1, None, None)
        );
        assert_eq!(table.by_alias(b"two"), Some(two));
        assert_eq!(table.by_alias(b"unwanted"), Some(Slot::IGNORED));

        let three = table.insert(identity("three"), Value::Sum(3.0)).unwrap();
        assert_eq!(three, one);
        assert!(table.get_mut(three).is_some_and(|series| series.identity.name == "three"));
    }

    #[test]
    fn aliases_are_bounded() {
        let mut table = Table::new(2);
        let slot = table.insert(identity("one"), Value::Sum(1.0)).unwrap();
        for number in 0..100_u32 {
            table.add_alias(&number.to_le_bytes(), slot);
            assert!(table.aliases.len() <= 4);
            assert_eq!(table.by_alias(&number.to_le_bytes()), Some(slot));
        }
    }
}
