//! The connection to Asterisk: made, kept, noticed when it is dead, and made again.

mod action;
mod backoff;
mod dialog;
mod failure;
mod login;
mod report;
mod session;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use otelcol_net::{ClientError, StreamClient};
use otelcol_pipeline::{Clock, Context};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::config::Config;
use super::signal::{At, List, Signal};
use super::wire::FrameReader;
use action::Actions;
use backoff::Backoff;
use dialog::{Dialog, Plan};
use failure::Failure;
pub(super) use report::Report;
use session::{Connected, lock};

/// While one event follows the other they are read together, no more often than this: Asterisk writes each by itself, and to
/// wake up for each costs many times what the event does.
const GATHER: Duration = Duration::from_millis(6);

/// What stands behind a link. Both are called on the link's task, in the order of Asterisk's stream.
pub(super) trait Hear: Send + 'static {
    /// One step of the session.
    fn hear(&mut self, signal: &Signal<'_, '_>, at: At);

    /// No further event is there yet: what must not wait can go.
    fn flush(&mut self);
}

/// One receiver's link to Asterisk.
pub(super) struct Link<H> {
    client: StreamClient,
    config: Config,
    plan: Plan,
    clock: Clock,
    report: Report,
    stop: CancellationToken,
    hear: Arc<Mutex<H>>,
}

impl<H: Hear> Link<H> {
    /// A link that asks for the events of `mask` and keeps `lists` true.
    ///
    /// # Errors
    /// The endpoint or the `tls` section can not be used.
    pub(super) fn new(
        context: &Context,
        config: &Config,
        mask: String,
        lists: Vec<List>,
        hear: Arc<Mutex<H>>,
    ) -> Result<Self, ClientError> {
        let resync = Some(config.resync_interval.get()).filter(|every| !every.is_zero());
        Ok(Self {
            client: StreamClient::new(&config.endpoint, config.tls.as_ref())?.gathering(GATHER),
            config: config.clone(),
            plan: Plan { mask, lists, timeout: config.timeouts.action.get(), resync },
            clock: context.clock.clone(),
            report: Report::new(context, &config.endpoint),
            stop: context.tasks.stop_token().clone(),
            hear,
        })
    }

    /// Connects, again and again, until the receiver stops.
    pub(super) async fn run(self) {
        let mut backoff = Backoff::new(&self.config.reconnect);
        while !self.stop.is_cancelled() {
            let (up, result) = self.connection().await;
            let Err(failure) = result else { break };
            let wait = match failure {
                Failure::Refused(_) => backoff.refused(),
                _ => backoff.lost(up),
            };
            self.report.down(&failure, wait);
            tokio::select! {
                () = self.stop.cancelled() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
        self.report.stopped();
    }

    /// One connection: how long it was logged in, and how it ended.
    async fn connection(&self) -> (Duration, Result<(), Failure>) {
        let connected = tokio::select! {
            () = self.stop.cancelled() => return (Duration::ZERO, Ok(())),
            connected = self.log_in() => connected,
        };
        let connected = match connected {
            Ok(connected) => connected,
            Err(failure) => return (Duration::ZERO, Err(failure)),
        };
        let began = Instant::now();
        let result = connected.run(&self.stop).await;
        let mut hear = lock(&self.hear);
        hear.hear(&Signal::Down, At::received(self.clock.unix_nanos()));
        hear.flush();
        drop(hear);
        (began.elapsed(), result)
    }

    async fn log_in(&self) -> Result<Connected<H>, Failure> {
        let timeouts = &self.config.timeouts;
        let connecting = timeout(timeouts.connect.get(), self.client.connect()).await;
        let mut stream = connecting
            .map_err(|_| Failure::Timeout("connecting", timeouts.connect.get()))?
            .map_err(|error| Failure::Connect(error.to_string()))?;
        let mut reader = FrameReader::new(self.config.limits.frame());
        let mut actions = Actions::default();
        let login = login::log_in(&mut stream, &mut reader, &mut actions, &self.config);
        let version = timeout(timeouts.login.get(), login)
            .await
            .map_err(|_| Failure::Timeout("the login", timeouts.login.get()))??;
        Ok(Connected {
            stream,
            reader,
            dialog: Dialog::new(self.plan.clone(), self.report.clone(), actions, version),
            hear: Arc::clone(&self.hear),
            clock: self.clock.clone(),
            report: self.report.clone(),
            keepalive: self.config.keepalive.clone(),
            write_timeout: timeouts.action.get(),
        })
    }
}
