//! What the system asks of the process.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Notify, SetOnce};
use tokio::time::Instant;

use super::graph::STOP_WITHIN;
use crate::ComponentError;

/// A wish of the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Request {
    /// SIGINT or SIGTERM; the name is for the log.
    Stop(&'static str),
    /// SIGHUP.
    Reload,
}

/// The signals that the collector answers to.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    pub(super) fn new() -> Result<Self, ComponentError> {
        let on = |kind| {
            signal(kind).map_err(|error| ComponentError::new(format!("can not handle signals: {error}")))
        };
        Ok(Self {
            interrupt: on(SignalKind::interrupt())?,
            terminate: on(SignalKind::terminate())?,
            hangup: on(SignalKind::hangup())?,
        })
    }

    /// Passes on what is asked for, with the time by which all must be stopped, until a stop is asked for again. Gives
    /// that signal's name.
    pub(super) async fn pass_on(&mut self, reload: &Notify, stop: &SetOnce<Instant>) -> &'static str {
        loop {
            match self.next().await {
                Request::Reload => reload.notify_one(),
                Request::Stop(signal) if stop.initialized() => return signal,
                Request::Stop(signal) => {
                    tracing::info!(signal, "Received signal from OS");
                    // Nobody else sets it.
                    let _ = stop.set(Instant::now() + STOP_WITHIN);
                }
            }
        }
    }

    async fn next(&mut self) -> Request {
        tokio::select! {
            _ = self.interrupt.recv() => Request::Stop("interrupt"),
            _ = self.terminate.recv() => Request::Stop("terminated"),
            _ = self.hangup.recv() => Request::Reload,
        }
    }
}
