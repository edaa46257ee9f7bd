//! The link's self metrics and log lines.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use otelcol_pipeline::Context;
use otelcol_pipeline::status::Status;
use otelcol_pipeline::telemetry::{Counter, Gauge};

use super::failure::Failure;
use crate::ami::signal::Session;
use crate::ami::wire::Excess;

/// Self metrics of one receiver's connection; clones share them.
#[derive(Clone, Debug)]
pub(in crate::ami) struct Report(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    context: Context,
    receiver: String,
    endpoint: String,
    up: Gauge,
    connections: Counter,
    failures: Vec<Counter>,
    bytes: Counter,
    dropped: [(Counter, AtomicBool); Excess::ALL.len()],
    malformed: (Counter, AtomicBool),
    actions_failed: Counter,
    actions_said: Mutex<HashSet<&'static str>>,
    last_failure: Mutex<String>,
}

impl Report {
    /// Registers the metrics, so that they stand at 0 from the start.
    pub(in crate::ami) fn new(context: &Context, endpoint: &str) -> Self {
        let receiver = context.id.to_string();
        let counter = |name, help| context.telemetry.counter(name, help, &[("receiver", receiver.as_str())]);
        let with_reason = |name, help, reason: &str| {
            context.telemetry.counter(name, help, &[("receiver", receiver.as_str()), ("reason", reason)])
        };
        let dropped = |reason| {
            with_reason(
                "otelcol_ami_dropped_events",
                "Messages of Asterisk that were not read, by reason.",
                reason,
            )
        };
        let failure = |reason: &&str| {
            with_reason(
                "otelcol_ami_connection_failures",
                "Connections to Asterisk that failed or were lost, by reason.",
                reason,
            )
        };
        Self(Arc::new(Inner {
            up: context.telemetry.gauge(
                "otelcol_ami_up",
                "1 while logged in to Asterisk.",
                &[("receiver", receiver.as_str())],
            ),
            connections: counter("otelcol_ami_logins", "Logins that Asterisk accepted."),
            failures: Failure::REASONS.iter().map(failure).collect(),
            bytes: counter("otelcol_ami_received_bytes", "Bytes that Asterisk sent."),
            dropped: Excess::ALL.map(|excess| (dropped(excess.as_str()), AtomicBool::new(false))),
            malformed: (dropped("malformed_line"), AtomicBool::new(false)),
            actions_failed: counter(
                "otelcol_ami_failed_actions",
                "Actions that Asterisk refused or did not answer; what they list is not known from them.",
            ),
            actions_said: Mutex::default(),
            last_failure: Mutex::default(),
            endpoint: endpoint.to_owned(),
            context: context.clone(),
            receiver,
        }))
    }

    /// Logged in.
    pub(super) fn up(&self, session: &Session) {
        let inner = &self.0;
        inner.up.set(1.0);
        inner.connections.inc();
        inner.context.status.report(Status::Ok);
        inner.last_failure.lock().unwrap_or_else(PoisonError::into_inner).clear();
        tracing::info!(
            receiver = %inner.receiver,
            endpoint = inner.endpoint,
            asterisk = %session.asterisk_version,
            ami = %session.ami_version,
            "logged in to asterisk"
        );
    }

    /// No connection any more, and none for a while. The same failure again is not logged again, a refused login is.
    pub(super) fn down(&self, failure: &Failure, wait: Duration) {
        let inner = &self.0;
        inner.up.set(0.0);
        if let Some(at) = Failure::REASONS.iter().position(|reason| *reason == failure.reason()) {
            inner.failures[at].inc();
        }
        let text = failure.to_string();
        inner.context.status.report(Status::Recoverable(format!("asterisk at {}: {text}", inner.endpoint)));
        let mut last = inner.last_failure.lock().unwrap_or_else(PoisonError::into_inner);
        let (receiver, endpoint) = (&inner.receiver, &inner.endpoint);
        if matches!(failure, Failure::Refused(_)) {
            tracing::error!(%receiver, %endpoint, error = text, next_attempt_in = ?wait, "login to asterisk refused");
        } else if *last == text {
            tracing::debug!(%receiver, %endpoint, error = text, next_attempt_in = ?wait, "no connection to asterisk");
        } else {
            tracing::warn!(%receiver, %endpoint, error = text, next_attempt_in = ?wait, "no connection to asterisk");
        }
        *last = text;
    }

    /// The receiver stops.
    pub(super) fn stopped(&self) {
        self.0.up.set(0.0);
    }

    /// Counts what was read.
    pub(super) fn bytes(&self, bytes: usize) {
        self.0.bytes.add(bytes as u64);
    }

    /// Counts a message that was passed over; the first of each reason is logged.
    pub(super) fn dropped(&self, excess: Excess) {
        let (counter, said) = &self.0.dropped[excess as usize];
        counter.inc();
        if first(said) {
            tracing::warn!(
                receiver = %self.0.receiver,
                reason = excess.as_str(),
                "a message of asterisk was dropped: {}; more are counted in otelcol_ami_dropped_events",
                excess.hint()
            );
        }
    }

    /// Counts lines without a colon.
    pub(super) fn malformed(&self, lines: u64) {
        if lines == 0 {
            return;
        }
        let (counter, said) = &self.0.malformed;
        counter.add(lines);
        if first(said) {
            tracing::warn!(
                receiver = %self.0.receiver,
                lines,
                "lines of asterisk without a colon were left out of their messages; more are counted in otelcol_ami_dropped_events"
            );
        }
    }

    /// Counts an action that brought nothing; the first failure of each action is logged.
    pub(super) fn action_failed(&self, action: &'static str, why: &str) {
        self.0.actions_failed.inc();
        let mut said = self.0.actions_said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.insert(action) {
            tracing::info!(
                receiver = %self.0.receiver,
                action,
                asterisk = ?why.trim(),
                "asterisk does not answer an action; what it lists is known from events only: a module is not loaded, or the write line \
                 in manager.conf lacks a class (see the README)"
            );
        }
    }
}

fn first(said: &AtomicBool) -> bool {
    !said.swap(true, Ordering::Relaxed)
}
