//! Panics of components: caught, logged, counted, and seen by health checks.

use std::any::Any;

use crate::status::{Status, StatusReporter};
use crate::telemetry::Counter;

/// Where the panics of one component are reported.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    component: String,
    status: StatusReporter,
    panics: Counter,
}

impl Failure {
    pub(crate) fn new(component: String, status: StatusReporter, panics: Counter) -> Self {
        Self { component, status, panics }
    }

    /// Reports a panic of the part `place` and gives its text.
    pub(crate) fn panicked(&self, place: &str, panic: &(dyn Any + Send)) -> String {
        let text = panic_text(panic);
        self.panics.inc();
        tracing::error!(component = %self.component, place, panic = %text, "component panicked; this is a bug, restart the collector");
        let message = format!("{place} panicked: {text}");
        self.status.report(Status::Permanent(message.clone()));
        message
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    if let Some(text) = panic.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text.clone()
    } else {
        "unknown cause".to_owned()
    }
}
