//! What an exporter says of a backend that does not work: once when it goes down, once when it is back, and a
//! summary of what was lost. A backend that is away for a night must not fill the log.

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use otelcol_confmap::GoDuration;
use otelcol_pdata::Signal;
use otelcol_pipeline::status::{Status, StatusReporter};
use otelcol_pipeline::{ComponentId, ConsumeError, Context};
use tokio::time::Instant;

/// Between two lines of one kind at least this long.
const QUIET: Duration = Duration::from_secs(600);

/// Speaks for one exporter and signal.
#[derive(Debug)]
pub(crate) struct Notices {
    id: ComponentId,
    signal: Signal,
    status: StatusReporter,
    /// There is something in `State::backend`, or in `State::queue`.
    down: AtomicBool,
    stuck: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Why the backend does not take data, and why the queue does not.
    backend: Option<String>,
    queue: Option<String>,
    since: Option<Instant>,
    attempts: u64,
    announced: bool,
    last_announced: Option<Instant>,
    lost: HashMap<&'static str, Lost>,
}

/// Items lost for one reason.
#[derive(Debug)]
struct Lost {
    said: Instant,
    unsaid: u64,
}

impl Notices {
    pub(crate) fn new(context: &Context, signal: Signal) -> Self {
        Self {
            id: context.id.clone(),
            signal,
            status: context.status.clone(),
            down: AtomicBool::new(false),
            stuck: AtomicBool::new(false),
            state: Mutex::default(),
        }
    }

    /// An attempt failed and another follows after `wait`.
    pub(crate) fn failing(&self, error: &ConsumeError, wait: Duration) {
        // Always the newest reason: what keeps a backend away changes.
        let Some(mut state) = self.note(&self.down, Some(error), |state| &mut state.backend) else { return };
        state.attempts += 1;
        let now = Instant::now();
        if state.since.is_some() {
            tracing::debug!(component = %self.id, "otelcol.signal" = %self.signal, error = %error, "still failing");
            return;
        }
        state.since = Some(now);
        // A backend that comes and goes is announced only now and then.
        state.announced = state.last_announced.is_none_or(|last| now.duration_since(last) >= QUIET);
        if state.announced {
            state.last_announced = Some(now);
            tracing::error!(
                component = %self.id, "otelcol.component.kind" = "exporter", "otelcol.signal" = %self.signal,
                error = %error, interval = %GoDuration::from(wait),
                "Exporting failed. Will retry the request after interval. Further failures are not logged until it works again."
            );
        }
    }

    /// The backend has answered, and taken the data or `refused` them for good.
    pub(crate) fn answers(&self, refused: Option<&ConsumeError>) {
        let refused = refused.map(|error| error as &dyn Display);
        let Some(mut state) = self.note(&self.down, refused, |state| &mut state.backend) else { return };
        let Some(since) = state.since.take() else { return };
        let failed_attempts = std::mem::take(&mut state.attempts);
        let lost: u64 = state.lost.drain().map(|(_, lost)| lost.unsaid).sum();
        if state.announced || lost > 0 {
            tracing::info!(
                component = %self.id, "otelcol.component.kind" = "exporter", "otelcol.signal" = %self.signal,
                failed_attempts, dropped_items_not_logged = lost, after = %GoDuration::from(since.elapsed()),
                "Exporting works again."
            );
        }
    }

    /// The queue has taken data, or why it did not, or not to where it should keep them.
    pub(crate) fn takes(&self, trouble: Option<&dyn Display>) {
        self.note(&self.stuck, trouble, |state| &mut state.queue);
    }

    /// Notes and reports a trouble, or that there is none any more. None where all was well and is.
    fn note(
        &self,
        there: &AtomicBool,
        trouble: Option<&dyn Display>,
        place: fn(&mut State) -> &mut Option<String>,
    ) -> Option<MutexGuard<'_, State>> {
        if trouble.is_none() && !there.load(Ordering::Acquire) {
            return None;
        }
        let mut state = self.state();
        there.store(trouble.is_some(), Ordering::Release);
        *place(&mut state) = trouble.map(ToString::to_string);
        let troubles: Vec<&str> =
            [&state.backend, &state.queue].into_iter().flatten().map(String::as_str).collect();
        self.status.report(match troubles[..] {
            [] => Status::Ok,
            _ => Status::Recoverable(troubles.join("; ")),
        });
        Some(state)
    }

    /// Items are lost: the first of a reason is logged at once, later ones as sums. `what` is the sentence.
    pub(crate) fn lost(&self, reason: &'static str, items: usize, error: &dyn Display, what: &'static str) {
        let items = items as u64;
        let now = Instant::now();
        let mut state = self.state();
        let dropped_items = match state.lost.get_mut(reason) {
            Some(lost) if now.duration_since(lost.said) < QUIET => {
                lost.unsaid += items;
                return;
            }
            Some(lost) => std::mem::take(&mut lost.unsaid) + items,
            None => items,
        };
        state.lost.insert(reason, Lost { said: now, unsaid: 0 });
        drop(state);
        tracing::error!(
            component = %self.id, "otelcol.component.kind" = "exporter", "otelcol.signal" = %self.signal,
            error = %error, reason, dropped_items, "{what}"
        );
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
