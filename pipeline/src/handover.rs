//! State that outlives a component: what the old instance leaves for the new one on reload.

use std::any::Any;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How long what is under way at the beginning of an exchange is waited for: it may wait for a backend that is away, which
/// the exchange is to put right.
const UNTIL_EXCHANGED: Duration = Duration::from_secs(5);

/// By when something that an exchange waits for has to be over that has until `deadline` elsewhere.
pub(crate) fn until_exchanged(deadline: Instant) -> Instant {
    deadline.min(Instant::now() + UNTIL_EXCHANGED)
}

#[derive(Default)]
struct State {
    values: HashMap<(String, &'static str), Box<dyn Any + Send>>,
    heirs: HashSet<String>,
    /// Only for those heirs.
    closed: bool,
}

/// What instances of all components leave for those that a reload starts in their place. What nobody takes is dropped when
/// the reload is over.
#[derive(Clone, Default)]
pub struct Shelf(Arc<Mutex<State>>);

impl Shelf {
    /// The place of an instance by its name in health checks and logs: `exporter otlp (traces)`.
    pub(crate) fn place(&self, instance: String) -> Handover {
        Handover { shelf: self.clone(), instance }
    }

    /// Says which instances are about to be exchanged, for whoever does that.
    pub fn expect_heirs(&self, heirs: impl IntoIterator<Item = String>) {
        self.lock().heirs = heirs.into_iter().collect();
    }

    /// Everything stops: what is left from now on, or was, for nobody who is about to start is dropped at once. A socket
    /// that waits here would go on listening.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let (kept, dropped) = mem::take(&mut state.values)
            .into_iter()
            .partition::<HashMap<_, _>, _>(|((instance, _), _)| state.heirs.contains(instance));
        state.values = kept;
        drop(state);
        // Outside of the lock: it may have something to say about its end.
        drop(dropped);
    }

    /// The exchange or the stop is over.
    pub(crate) fn clear(&self) {
        let state = mem::take(&mut *self.lock());
        drop(state);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shelf({})", self.lock().values.len())
    }
}

/// The place on the shelf that belongs to an instance and its successor. At shutdown the old instance puts its sockets and
/// kept state there; the one that a reload starts in its place takes them.
#[derive(Debug, Clone)]
pub struct Handover {
    shelf: Shelf,
    instance: String,
}

impl Handover {
    /// Leaves `value` for the next instance.
    pub fn put<T: Any + Send>(&self, what: &'static str, value: T) {
        let mut state = self.shelf.lock();
        if !state.closed || state.heirs.contains(&self.instance) {
            state.values.insert((self.instance.clone(), what), Box::new(value));
        }
    }

    /// Takes what the previous instance left, if it is of type `T`.
    pub fn take<T: Any + Send>(&self, what: &'static str) -> Option<T> {
        let value = self.shelf.lock().values.remove(&(self.instance.clone(), what))?;
        value.downcast().ok().map(|value| *value)
    }

    /// Whether another instance is about to start: what would have to be ended at a shutdown can go on.
    pub fn has_heir(&self) -> bool {
        self.shelf.lock().heirs.contains(&self.instance)
    }

    /// By when an instance that stops has handed on what it has: a part of the time until `deadline` where an heir goes on
    /// with the rest.
    pub fn hand_on_by(&self, deadline: Instant) -> Instant {
        if self.has_heir() { until_exchanged(deadline) } else { deadline }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_taken_once_and_by_its_owner() {
        let shelf = Shelf::default();
        let [traces, metrics] = ["traces", "metrics"].map(|name| shelf.place(name.to_owned()));
        traces.put("queue", vec![1_u8]);
        assert_eq!(metrics.take::<Vec<u8>>("queue"), None);
        assert_eq!(traces.take::<Vec<u8>>("socket"), None);
        assert_eq!(traces.clone().take::<Vec<u8>>("queue"), Some(vec![1]));
        assert_eq!(traces.take::<Vec<u8>>("queue"), None);
    }

    #[test]
    fn a_closed_shelf_keeps_only_what_an_heir_will_take() {
        let shelf = Shelf::default();
        let [heir, childless] = ["heir", "childless"].map(|name| shelf.place(name.to_owned()));
        shelf.expect_heirs(["heir".to_owned()]);
        assert_eq!((heir.has_heir(), childless.has_heir()), (true, false));
        let (soon, late) = (Instant::now() + UNTIL_EXCHANGED / 2, Instant::now() + UNTIL_EXCHANGED * 2);
        assert_eq!((childless.hand_on_by(late), heir.hand_on_by(soon)), (late, soon));
        assert!(heir.hand_on_by(late) < late);
        let put = |what| {
            heir.put(what, 1);
            childless.put(what, 2);
        };
        let take = |place: &Handover, what| place.take::<i32>(what);
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
