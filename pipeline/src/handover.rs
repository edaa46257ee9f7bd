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
    /// Only for those heirs.
    closed: bool,
}

/// A shelf between the instances of one component. At shutdown the old instance puts its sockets and kept state there;
/// the instance that a reload starts in its place takes them. What nobody takes is dropped when the reload is over.
#[derive(Clone, Default)]
pub struct Handover(Arc<Mutex<Shelf>>);

impl Handover {
    /// Leaves `value` for the next instance of the component.
    pub fn put<T: Any + Send>(&self, kind: Kind, id: &ComponentId, what: &'static str, value: T) {
        let mut shelf = self.lock();
        if !shelf.closed || shelf.heirs.contains(&(kind, id.clone())) {
            shelf.values.insert((kind, id.clone(), what), Box::new(value));
        }
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

    /// Everything stops: what is left from now on, or was, for nobody who is about to start is dropped at once. A socket
    /// that waits here would go on listening.
    pub(crate) fn close(&self) {
        let mut shelf = self.lock();
        let Shelf { values, heirs, closed } = &mut *shelf;
        *closed = true;
        values.retain(|(kind, id, _), _| heirs.contains(&(*kind, id.clone())));
    }

    /// The exchange or the stop is over.
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

    #[test]
    fn a_closed_shelf_keeps_only_what_an_heir_will_take() {
        let shelf = Handover::default();
        let (heir, childless) = (ComponentId::new("heir"), ComponentId::new("childless"));
        shelf.expect_heirs([(Kind::Receiver, heir.clone())]);
        let put = |what| {
            shelf.put(Kind::Receiver, &heir, what, 1);
            shelf.put(Kind::Receiver, &childless, what, 2);
        };
        let take = |id, what| shelf.take::<i32>(Kind::Receiver, id, what);
        put("before");
        shelf.close();
        put("after");
        assert_eq!((take(&heir, "before"), take(&heir, "after")), (Some(1), Some(1)));
        assert_eq!((take(&childless, "before"), take(&childless, "after")), (None, None));
        shelf.clear();
        put("again");
        assert_eq!((take(&heir, "again"), take(&childless, "again")), (Some(1), Some(2)));
    }
}
