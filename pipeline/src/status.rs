//! How each component is doing, for health checks.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

/// The state of one component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// Not yet able to work.
    Starting,
    /// Works.
    Ok,
    /// Does not work now and keeps trying; the text says what is wrong.
    Recoverable(String),
    /// Will not work again by itself; the text says what is wrong.
    Permanent(String),
    /// Asked to stop.
    Stopping,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Starting => f.write_str("starting"),
            Self::Ok => f.write_str("ok"),
            Self::Recoverable(why) => write!(f, "recoverable error: {why}"),
            Self::Permanent(why) => write!(f, "permanent error: {why}"),
            Self::Stopping => f.write_str("stopping"),
        }
    }
}

/// The state of all components of a collector.
#[derive(Debug, Clone, Default)]
pub struct Board(Arc<RwLock<Entries>>);

#[derive(Debug, Default)]
struct Entries {
    components: BTreeMap<String, Status>,
    ready: bool,
}

impl Board {
    /// True when the collector has started and no component has failed for good.
    pub fn healthy(&self) -> bool {
        let entries = self.0.read().unwrap_or_else(PoisonError::into_inner);
        entries.ready && !entries.components.values().any(|status| matches!(status, Status::Permanent(_)))
    }

    /// Each component (`exporter otlp/jaeger`) with its state, by name.
    pub fn components(&self) -> Vec<(String, Status)> {
        let entries = self.0.read().unwrap_or_else(PoisonError::into_inner);
        entries.components.iter().map(|(name, status)| (name.clone(), status.clone())).collect()
    }

    pub(crate) fn set_ready(&self, ready: bool) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).ready = ready;
    }

    pub(crate) fn remove(&self, component: &str) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).components.remove(component);
    }

    pub(crate) fn reporter(&self, component: String) -> StatusReporter {
        StatusReporter { board: self.clone(), component: component.into() }
    }
}

/// Where one component says how it is doing.
#[derive(Debug, Clone)]
pub struct StatusReporter {
    board: Board,
    component: Arc<str>,
}

impl StatusReporter {
    /// The component has started: it works, unless it has said otherwise on the way.
    pub(crate) fn started(&self) {
        let mut entries = self.board.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(status) = entries.components.get_mut(&*self.component)
            && *status == Status::Starting
        {
            *status = Status::Ok;
        }
    }

    /// Sets the component's state. A permanent error stays until the component is replaced.
    pub fn report(&self, status: Status) {
        let mut entries = self.board.0.write().unwrap_or_else(PoisonError::into_inner);
        match entries.components.get_mut(&*self.component) {
            Some(Status::Permanent(_)) => {}
            Some(old) => *old = status,
            None => {
                entries.components.insert(self.component.to_string(), status);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_needs_a_started_collector_without_permanent_errors() {
        let board = Board::default();
        let exporter = board.reporter("exporter otlp".to_owned());
        assert!(!board.healthy());
        exporter.report(Status::Ok);
        board.set_ready(true);
        assert!(board.healthy());
        exporter.report(Status::Recoverable("no route".to_owned()));
        assert!(board.healthy());
        exporter.report(Status::Permanent("panicked".to_owned()));
        exporter.report(Status::Ok);
        assert!(!board.healthy());
        assert_eq!(
            board.components(),
            [("exporter otlp".to_owned(), Status::Permanent("panicked".to_owned()))]
        );
        board.remove("exporter otlp");
        assert!(board.healthy());
    }

    #[test]
    fn what_a_component_says_while_it_starts_stays() {
        let board = Board::default();
        let missing = || Status::Recoverable("the file is not there".to_owned());
        for (said, then) in [(None, Status::Ok), (Some(missing()), missing())] {
            let extension = board.reporter("extension auth".to_owned());
            extension.report(Status::Starting);
            said.into_iter().for_each(|said| extension.report(said));
            extension.started();
            assert_eq!(board.components(), [("extension auth".to_owned(), then)]);
        }
    }
}
