//! State that outlives a component: what the old instance leaves for the new one on reload.

use std::any::Any;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::{ComponentId, Kind};

#[derive(Default)]
struct Shelf {
    values: HashMap<(Kind, ComponentId, &'static str), Box<dyn Any + Send>>,
    heirs: HashSet<(Kind, ComponentId)>,
}

/// A shelf between the instances of one component. At shutdown the old instance puts its sockets and kept state there;
/// the instance that a reload starts in its place takes them. What nobody takes is dropped when the reload is over.
#[derive(Clone, Default)]
pub struct Handover(Arc<Mutex<Shelf>>);

impl Handover {
    /// Leaves `value` for the next instance of the component.
    pub fn put<T: Any + Send>(&self, kind: Kind, id: &ComponentId, what: &'static str, value: T) {
        self.lock().values.insert((kind, id.clone(), what), Box::new(value));
    }

    /// Takes what the previous instance left, if it is of type `T`.
    pub fn take<T: Any + Send>(&self, kind: Kind, id: &ComponentId, what: &'static str) -> Option<T> {
        let value = self.lock().values.remove(&(kind, id.clone(), what))?;
        value.downcast().ok().map(|value| *value)
    }

    /// Whether another instance of the component is about to start: what would have to be ended at a shutdown can go on.
    pub fn has_heir(&self, kind: Kind, id: &ComponentId) -> bool {
        self.lock().heirs.contains(&(kind, id.clone()))
    }

    /// Says which components are about to be exchanged, for whoever does that.
    pub fn expect_heirs(&self, heirs: impl IntoIterator<Item = (Kind, ComponentId)>) {
        self.lock().heirs = heirs.into_iter().collect();
    }

    pub(crate) fn clear(&self) {
        *self.lock() = Shelf::default();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Shelf> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Handover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Handover({})", self.lock().values.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_taken_once_and_by_its_owner() {
        let shelf = Handover::default();
        let id = ComponentId::new("statsd");
        shelf.put(Kind::Receiver, &id, "gauges", vec![1_u8]);
        assert_eq!(shelf.take::<Vec<u8>>(Kind::Exporter, &id, "gauges"), None);
        assert_eq!(shelf.take::<Vec<u8>>(Kind::Receiver, &id, "gauges"), Some(vec![1]));
        assert_eq!(shelf.take::<Vec<u8>>(Kind::Receiver, &id, "gauges"), None);
    }
}
