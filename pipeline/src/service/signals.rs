//! What the system asks of the process.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::ComponentError;

/// A wish of the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Request {
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

    /// The next SIGINT or SIGTERM.
    pub(super) async fn stop(&mut self) -> &'static str {
        loop {
            if let Request::Stop(signal) = self.next().await {
                return signal;
            }
        }
    }

    pub(super) async fn next(&mut self) -> Request {
        tokio::select! {
            _ = self.interrupt.recv() => Request::Stop("interrupt"),
            _ = self.terminate.recv() => Request::Stop("terminated"),
            _ = self.hangup.recv() => Request::Reload,
        }
    }
}
