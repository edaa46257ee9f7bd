//! How long a connection may idle and a response may take. hyper limits the headers of HTTP/1.1 alone.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// None for no limit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// First byte to last byte of the headers; also how long a new connection may say nothing.
    pub(super) header: Option<Duration>,
    /// Between two requests.
    pub(super) idle: Option<Duration>,
    /// From the headers of a request to the end of its response.
    pub(super) response: Option<Duration>,
}

/// The state of one connection.
pub(super) struct Pace {
    limits: Limits,
    state: Mutex<State>,
    changed: Notify,
}

struct State {
    requests: usize,
    fresh: bool,
    since: Instant,
}

/// What took too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Overdue {
    /// Nothing was asked for.
    Request,
    /// A response was not finished.
    Response,
}

/// A request in progress, until its response has been handed over whole.
pub(super) struct Turn(Arc<Pace>);

impl Pace {
    pub(super) fn new(limits: Limits) -> Self {
        let state = State { requests: 0, fresh: true, since: Instant::now() };
        Pace { limits, state: Mutex::new(state), changed: Notify::new() }
    }

    pub(super) fn begin(self: &Arc<Self>) -> Turn {
        self.change(|state| {
            state.requests += 1;
            state.fresh = false;
        });
        Turn(Arc::clone(self))
    }

    fn change(&self, f: impl FnOnce(&mut State)) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        f(&mut state);
        state.since = Instant::now();
        drop(state);
        self.changed.notify_one();
    }

    fn deadline(&self) -> (Option<Instant>, Overdue) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (limit, what) = match (state.requests, state.fresh) {
            (0, true) => (self.limits.header, Overdue::Request),
            (0, false) => (self.limits.idle, Overdue::Request),
            _ => (self.limits.response, Overdue::Response),
        };
        (limit.map(|limit| state.since + limit), what)
    }

    /// Ends when a limit is passed. With HTTP/2 the time of a response starts again whenever one ends or begins:
    /// what is looked for is a connection that does not move.
    pub(super) async fn overdue(&self) -> Overdue {
        loop {
            let (deadline, what) = self.deadline();
            let Some(deadline) = deadline else {
                self.changed.notified().await;
                continue;
            };
            tokio::select! {
                () = tokio::time::sleep_until(deadline) => return what,
                () = self.changed.notified() => {}
            }
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.change(|state| state.requests -= 1);
    }
}
