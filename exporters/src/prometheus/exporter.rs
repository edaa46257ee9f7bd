//! The component: takes batches, serves scrapes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use otelcol_net::{Listener, serve_http};
use otelcol_pdata::{Batch, Signal};
use otelcol_pipeline::{Component, ComponentError, ConsumeError, Consumer, ConsumerComponent, Context, Host};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::config::Config;
use super::reason::Tally;
use super::registry::Registry;
use super::server::{MetricsService, Offer};
use super::stats::Stats;

/// What an instance leaves for the one that a reload puts in its place.
const SERIES: &str = "series";
const SOCKET: &str = "socket";

/// Series are forgotten at least this often once they are expired, so that their memory is free again.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

struct Exporter {
    context: Context,
    config: Config,
    registry: Arc<Mutex<Registry>>,
    stats: Arc<Stats>,
    socket: Mutex<Option<Listener>>,
}

/// The factory's function.
#[expect(clippy::unnecessary_wraps, reason = "the signature of factories")]
pub(super) fn create(
    context: Context,
    config: Config,
    _: Signal,
) -> Result<Arc<dyn ConsumerComponent>, ComponentError> {
    Ok(make(context, config))
}

fn make(context: Context, config: Config) -> Arc<Exporter> {
    Arc::new(Exporter {
        registry: Arc::new(Mutex::new(Registry::new(config.rules()))),
        stats: Arc::new(Stats::new(&context)),
        socket: Mutex::default(),
        context,
        config,
    })
}

impl Exporter {
    /// The socket of the previous instance where the endpoint is the same, else a new one.
    fn listen(&self) -> Result<Listener, ComponentError> {
        let (transport, endpoint) = (&self.config.transport, self.config.endpoint.trim());
        let old: Option<(String, Listener)> = self.context.handover.take(SOCKET);
        match old {
            Some((old_transport, listener))
                if old_transport == *transport && listener.endpoint() == endpoint =>
            {
                Ok(listener)
            }
            _ => Listener::bind_transport(transport, endpoint).map_err(ComponentError::from_display),
        }
    }

    fn sweep(registry: &Mutex<Registry>, stats: &Stats, now: u64) {
        let mut registry = lock(registry);
        registry.expire(now);
        stats.set_series(registry.series());
    }
}

fn lock(registry: &Mutex<Registry>) -> MutexGuard<'_, Registry> {
    registry.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl Component for Exporter {
    async fn start(&self, host: &Host) -> Result<(), ComponentError> {
        if self.config.sending_queue.is_some() {
            self.stats.log_idle_queue();
        }
        let auth = self.config.auth.as_ref();
        let auth = auth.map(|auth| host.server_auth(&auth.authenticator)).transpose()?;
        let listener = self.listen()?;
        let kept = listener.try_clone().map_err(ComponentError::from_display)?;
        let offer = Offer {
            open_metrics: self.config.enable_open_metrics,
            timestamps: self.config.send_timestamps,
            utf8_names: self.config.has_utf8_names(),
        };
        let registry = Arc::clone(&self.registry);
        let service =
            MetricsService::new(registry, Arc::clone(&self.stats), self.context.clock.clone(), offer);
        let spares = service.spares();
        let stop = self.context.tasks.stop_token().clone();
        let server = serve_http(listener, &self.config.http(), Arc::new(service), None, auth, stop.clone())
            .map_err(ComponentError::from_display)?;

        // From here on nothing fails: what the previous instance left is taken last, or a bad reload would lose it.
        let series: Option<Registry> = self.context.handover.take(SERIES);
        if let Some(series) = series {
            lock(&self.registry).adopt(series);
        }
        *self.socket.lock().unwrap_or_else(PoisonError::into_inner) = Some(kept);
        self.context.tasks.spawn("http server", server);
        let (registry, stats) = (Arc::clone(&self.registry), Arc::clone(&self.stats));
        let clock = self.context.clock.clone();
        self.context.tasks.spawn(
            "sweep",
            sweep_regularly(stop, move || {
                Exporter::sweep(&registry, &stats, clock.steady_nanos());
                spares.free();
            }),
        );
        Ok(())
    }

    async fn shutdown(&self, deadline: Instant) -> Result<(), ComponentError> {
        let ended = self.context.tasks.stop(deadline).await;
        let socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner).take();
        // Without a socket it never started, and has nothing to leave.
        if let Some(socket) = socket {
            let handover = &self.context.handover;
            let series = std::mem::replace(&mut *lock(&self.registry), Registry::new(self.config.rules()));
            handover.put(SERIES, series);
            handover.put(SOCKET, (self.config.transport.clone(), socket));
        }
        if ended { Ok(()) } else { Err(ComponentError::new("a scrape was still being sent at the deadline")) }
    }
}

async fn sweep_regularly(stop: CancellationToken, sweep: impl Fn()) {
    let mut ticks = interval(SWEEP_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        sweep();
    }
}

#[async_trait]
impl Consumer for Exporter {
    async fn consume(&self, batch: Batch) -> Result<(), ConsumeError> {
        let metrics = batch.metrics().inspect_err(|_| self.stats.count_refused_batch(batch.items()))?;
        let now = self.context.clock.steady_nanos();
        let mut tally = Tally::default();
        let series = {
            let mut registry = lock(&self.registry);
            registry.ingest(&metrics, now, &mut tally);
            registry.series()
        };
        self.stats.set_series(series);
        self.stats.count_batch(batch.items(), &tally);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
