//! `memory_limiter`: refuses data while the process uses too much memory. It never drops and never aborts.

mod account;
mod config;
#[cfg(test)]
mod tests;
mod total;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use otelcol_pdata::{Batch, Signal};
use otelcol_pipeline::status::Status;
use otelcol_pipeline::telemetry::Counter;
use otelcol_pipeline::{
    Component, ComponentError, ConsumeError, Consumer, ConsumerComponent, Context, Host, MemoryLimit, Output,
    ProcessorFactory,
};
use tokio::time::{Instant, MissedTickBehavior};

pub use config::Config;

use account::Account;

const MIB: u64 = 1024 * 1024;
const REFUSED: &str = "data refused due to high memory usage";

/// The factory of `memory_limiter`.
pub fn factory() -> ProcessorFactory {
    ProcessorFactory::processor("memory_limiter", &Signal::ALL, create)
}

fn create(
    context: Context,
    config: Config,
    signal: Signal,
    next: Output,
) -> Result<Arc<dyn ConsumerComponent>, ComponentError> {
    let limits = Limits::of(&config, Path::new("/"))?;
    let counters = Counters::new(&context, signal);
    let limiter = Limiter {
        soft: limits.soft,
        interval: config.check_interval.get(),
        account: config.account,
        refused_items: AtomicU64::new(0),
        door: Mutex::default(),
        context,
    };
    Ok(Arc::new(MemoryLimiter { limiter: Arc::new(limiter), limits, counters, next }))
}

/// The limits in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Limits {
    hard: u64,
    /// Data is refused from here on.
    soft: u64,
}

impl Limits {
    fn of(config: &Config, root: &Path) -> Result<Self, ComponentError> {
        let (hard, spike) = if config.limit_mib > 0 {
            (u64::from(config.limit_mib) * MIB, u64::from(config.spike_limit_mib) * MIB)
        } else {
            let total = total::total_memory(root).map_err(ComponentError::new)?;
            let percent = |part: u32| total / 100 * u64::from(part);
            (percent(config.limit_percentage), percent(config.spike_limit_percentage))
        };
        let spike = if spike == 0 { hard / 5 } else { spike };
        Ok(Self { hard, soft: hard.saturating_sub(spike) })
    }
}

struct MemoryLimiter {
    limiter: Arc<Limiter>,
    limits: Limits,
    counters: Counters,
    next: Output,
}

#[async_trait]
impl Component for MemoryLimiter {
    async fn start(&self, _host: &Host) -> Result<(), ComponentError> {
        let context = &self.limiter.context;
        tracing::info!(
            component = %context.id,
            limit_mib = self.limits.hard / MIB,
            spike_limit_mib = (self.limits.hard - self.limits.soft) / MIB,
            check_interval = ?self.limiter.interval,
            "memory limiter configured"
        );
        let door = context.memory.limit(self.limits.soft, self.limiter.interval);
        *self.limiter.door() = Some(door);
        context.tasks.spawn("check", Arc::clone(&self.limiter).run());
        Ok(())
    }

    async fn shutdown(&self, deadline: Instant) -> Result<(), ComponentError> {
        self.limiter.door().take();
        self.limiter.context.tasks.stop(deadline).await;
        Ok(())
    }
}

#[async_trait]
impl Consumer for MemoryLimiter {
    async fn consume(&self, batch: Batch) -> Result<(), ConsumeError> {
        let items = batch.items() as u64;
        if let Err(refused) = self.limiter.admit(&batch) {
            self.counters.refused.iter().for_each(|counter| counter.add(items));
            return Err(refused);
        }
        // As in otelcol, let through counts as accepted, whatever comes of it further on.
        self.counters.accepted.iter().for_each(|counter| counter.add(items));
        self.next.consume(batch).await
    }
}

struct Limiter {
    soft: u64,
    interval: Duration,
    account: Arc<Account>,
    /// Items refused since the last check.
    refused_items: AtomicU64,
    /// Holds for what servers have not even read, while this runs.
    door: Mutex<Option<MemoryLimit>>,
    context: Context,
}

impl Limiter {
    fn door(&self) -> MutexGuard<'_, Option<MemoryLimit>> {
        self.door.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn admit(&self, batch: &Batch) -> Result<(), ConsumeError> {
        let bytes = batch.pinned_bytes() as u64;
        self.account.admit(bytes, self.soft, &self.context.memory).map_err(|_| {
            self.refused_items.fetch_add(batch.items() as u64, Ordering::Relaxed);
            ConsumeError::refused(REFUSED, Some(self.interval))
        })
    }

    async fn run(self: Arc<Self>) {
        let stop = self.context.tasks.stop_token().clone();
        let mut ticks = tokio::time::interval(self.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut limiting = false;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => limiting = self.check(limiting),
            }
        }
    }

    /// Looks at the memory in use and says when refusing begins and ends. True while data is refused.
    fn check(&self, was_limiting: bool) -> bool {
        let used = self.account.measure(&self.context.memory);
        let refused_items = self.refused_items.swap(0, Ordering::Relaxed);
        let limiting = used >= self.soft || refused_items > 0;
        let used_mib = used / MIB;
        let limit_mib = self.soft / MIB;
        if limiting && !was_limiting {
            tracing::warn!(
                component = %self.context.id, cur_mem_mib = used_mib, soft_limit_mib = limit_mib, refused_items,
                "memory usage is above soft limit, refusing data"
            );
            self.context.status.report(Status::Recoverable(REFUSED.to_owned()));
        } else if was_limiting && !limiting {
            tracing::info!(
                component = %self.context.id, cur_mem_mib = used_mib, soft_limit_mib = limit_mib,
                "memory usage back within limits, resuming normal operation"
            );
            self.context.status.report(Status::Ok);
        }
        limiting
    }
}

/// Accepted and refused items, under the newest otelcol's names and those of 0.96, which dashboards still ask for.
struct Counters {
    accepted: [Counter; 2],
    refused: [Counter; 2],
}

impl Counters {
    fn new(context: &Context, signal: Signal) -> Self {
        let (accepted, refused) = match signal {
            Signal::Traces => (
                ["otelcol_processor_memory_limiter_accepted_spans", "otelcol_processor_accepted_spans"],
                ["otelcol_processor_memory_limiter_refused_spans", "otelcol_processor_refused_spans"],
            ),
            Signal::Metrics => (
                [
                    "otelcol_processor_memory_limiter_accepted_metric_points",
                    "otelcol_processor_accepted_metric_points",
                ],
                [
                    "otelcol_processor_memory_limiter_refused_metric_points",
                    "otelcol_processor_refused_metric_points",
                ],
            ),
            Signal::Logs => (
                [
                    "otelcol_processor_memory_limiter_accepted_log_records",
                    "otelcol_processor_accepted_log_records",
                ],
                [
                    "otelcol_processor_memory_limiter_refused_log_records",
                    "otelcol_processor_refused_log_records",
                ],
            ),
        };
        let id = context.id.to_string();
        let counter = |name, help| context.telemetry.counter(name, help, &[("processor", &id)]);
        Self {
            accepted: accepted.map(|name| {
                counter(name, "Number of items successfully pushed into the next component in the pipeline.")
            }),
            refused: refused
                .map(|name| counter(name, "Number of items that were refused to hold the memory limit.")),
        }
    }
}
