//! Receiver of Asterisk's manager interface (AMI): calls as metrics, traces and logs. The README beside this file tells
//! settings, metrics, and what rights the collector needs in manager.conf.
//!
//! One task reads from Asterisk (`link`) and hands each step of the session to the desk, which keeps the `book` of what
//! is true and asks traces and logs what to make of it. Whatever is made goes into an outbox; reading never waits.

mod book;
mod collector;
pub mod config;
mod desk;
mod hangup;
mod link;
mod logs;
mod mask;
mod metrics;
mod outbox;
mod replay;
mod signal;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod traces;
pub mod wire;

pub use replay::Replay;

use std::sync::{Arc, Mutex, OnceLock};

use async_trait::async_trait;
use otelcol_pdata::Signal as BatchSignal;
use otelcol_pipeline::{Component, ComponentError, Context, Host, Outputs, ReceiverFactory};
use tokio::time::Instant;

use collector::{Collector, lock, pass_time};
use config::Config;
use desk::{Desk, Outboxes};
use link::Link;
use outbox::{FinishBy, outbox};

/// The factory of `ami`.
pub fn factory() -> ReceiverFactory {
    let signals = &[BatchSignal::Metrics, BatchSignal::Traces, BatchSignal::Logs];
    ReceiverFactory::receiver::<Config>("ami", signals, |context, config, outputs| {
        Ok(Arc::new(Ami::new(context, config, &outputs)) as Arc<dyn Component>)
    })
}

/// What an instance leaves for the one that a reload puts in its place.
const DESK: &str = "desk";

/// The receiver.
#[derive(Debug)]
pub struct Ami {
    context: Context,
    config: Config,
    outputs: Outputs,
    finish_by: FinishBy,
    desk: OnceLock<Arc<Mutex<Desk>>>,
    collector: OnceLock<Collector>,
}

impl Ami {
    /// Makes a receiver that hands what it makes to `outputs`.
    #[must_use]
    pub fn new(context: Context, config: Config, outputs: &Outputs) -> Self {
        let transport = if config.tls.is_some() { "tls" } else { "tcp" };
        let outputs = outputs.counted(&context, transport);
        let (finish_by, desk, collector) = (FinishBy::default(), OnceLock::new(), OnceLock::new());
        Self { context, config, outputs, finish_by, desk, collector }
    }

    /// Where items of a signal go, if anybody wants them; the carrier runs.
    async fn outbox(&self, signal: BatchSignal) -> Option<outbox::Outbox> {
        let output = self.outputs.get(signal);
        if !output.is_connected().await {
            return None;
        }
        let limit = self.config.limits.queue_bytes;
        let (outbox, carrier) =
            outbox(&self.context, signal, output.clone(), limit, Arc::clone(&self.finish_by));
        self.context.tasks.spawn("ami output", carrier.run());
        Some(outbox)
    }
}

#[async_trait]
impl Component for Ami {
    async fn start(&self, _: &Host) -> Result<(), ComponentError> {
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let metrics = self.outputs.get(BatchSignal::Metrics).is_connected().await;
        let outboxes = Outboxes {
            metrics,
            traces: self.outbox(BatchSignal::Traces).await,
            logs: self.outbox(BatchSignal::Logs).await,
        };
        let desk = Desk::new(&self.context, &self.config, &host, outboxes);
        let mask = match self.config.events.join(",") {
            own if !own.is_empty() => own,
            _ => desk.mask(),
        };
        let lists = desk.lists();
        let desk = Arc::new(Mutex::new(desk));
        let link = Link::new(&self.context, &self.config, mask, lists, Arc::clone(&desk))
            .map_err(ComponentError::from_display)?;
        let handover = self.context.handover.clone();
        if let Some(before) = handover.take::<Arc<Mutex<Desk>>>(DESK) {
            lock(&desk).take_up(&mut lock(&before));
        }

        let tasks = &self.context.tasks;
        let stop = tasks.stop_token().clone();
        tasks.spawn("ami clock", pass_time(Arc::clone(&desk), stop.clone()));
        if metrics {
            let output = self.outputs.get(BatchSignal::Metrics).clone();
            let collector =
                Collector { receiver: self.context.id.to_string(), output, desk: Arc::clone(&desk) };
            tasks.spawn("ami metrics", collector.clone().run(self.config.collection_interval.get(), stop));
            // Only a second start could find it set.
            let _ = self.collector.set(collector);
        }
        let _ = self.desk.set(Arc::clone(&desk));
        tasks.spawn("ami link", async move {
            link.run().await;
            lock(&desk).finish(handover.has_heir());
        });
        tracing::info!(receiver = %self.context.id, endpoint = self.config.endpoint, "ami receiver started");
        Ok(())
    }

    async fn shutdown(&self, deadline: Instant) -> Result<(), ComponentError> {
        let handover = &self.context.handover;
        let deadline = handover.hand_on_by(deadline);
        // Only a second shutdown could find it set.
        let _ = self.finish_by.set(deadline);
        let stopped = self.context.tasks.stop(deadline).await
            // What is left is put aside at the deadline.
            || self.context.tasks.wait_a_moment().await;
        if let Some(desk) = self.desk.get().filter(|_| handover.has_heir()) {
            handover.put(DESK, Arc::clone(desk));
        }
        if let Some(collector) = self.collector.get() {
            collector.finish(deadline).await?;
        }
        if stopped {
            Ok(())
        } else {
            Err(ComponentError::new("tasks of the ami receiver still ran at the deadline"))
        }
    }
}
