//! Receiver of StatsD lines over UDP, TCP and Unix datagrams, with what Asterisk needs: gauges that live on between
//! flushes, meters, names with colons. The README beside this file tells settings, metrics and differences from otelcol.
//!
//! A thread (or a task for each connection) reads lines and gathers them at once into series behind one lock; the
//! flush takes an interval's points out under the lock and writes them as OTLP outside of it.

mod aggregator;
pub mod config;
mod datagrams;
mod exponential;
mod flush;
mod kept;
mod line;
mod listen;
mod moment;
mod observe;
mod otlp;
mod reason;
mod report;
mod series;
mod stream;
mod transport;

#[cfg(test)]
mod captures_tests;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use async_trait::async_trait;
use otelcol_pdata::Signal;
use otelcol_pdata::model::metrics::ResourceMetrics;
use otelcol_pipeline::{
    Component, ComponentError, ComponentId, Context, Host, Kind, Output, Outputs, ReceiverFactory,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use aggregator::{Aggregator, Interval, KeptGauge};
use config::Config;
use flush::Flusher;
use listen::{Listener, ListenerKind};
use moment::Moment;
use report::Report;
use transport::Transport;

/// The factory of `statsd`.
pub fn factory() -> ReceiverFactory {
    ReceiverFactory::receiver::<Config>("statsd", &[Signal::Metrics], |context, mut config, outputs| {
        let gate = context.gates.is_enabled("receiver.statsd.monotonicCounterDefault");
        config.is_monotonic_counter.get_or_insert(gate);
        Ok(Arc::new(Statsd::new(context, config, &outputs)?) as Arc<dyn Component>)
    })
}

/// What the receiver sends for datagrams of one client that all come in one interval, for benchmarks, fuzzing and trying
/// settings out. Lines that are wrong are left out.
#[must_use]
pub fn aggregate(config: &Config, datagrams: &[&[u8]]) -> Vec<ResourceMetrics> {
    let context = Context::detached(Kind::Receiver, "statsd");
    let mut aggregator = Aggregator::new(config, Report::new(&context), context.clock.unix_nanos());
    for datagram in datagrams {
        aggregator.lines(datagram, None, context.clock.unix_nanos());
    }
    let interval = aggregator.take(Moment::now(&context.clock));
    otlp::resource_metrics(&interval, otlp::Style::new(config, &context))
}

/// What an instance leaves on the shelf for the one that a reload puts in its place.
const LISTENER: &str = "listener";
const GAUGES: &str = "gauges";
const INTERVAL: &str = "interval";

/// The receiver.
#[derive(Debug)]
pub struct Statsd {
    context: Context,
    config: Config,
    transport: Transport,
    output: Output,
    running: OnceLock<Running>,
}

#[derive(Debug)]
struct Running {
    shared: Arc<Shared>,
    flusher: Arc<Flusher>,
    address: Option<SocketAddr>,
}

/// What readers and flush share.
#[derive(Debug)]
struct Shared {
    context: Context,
    report: Report,
    aggregator: Mutex<Aggregator>,
    stop: CancellationToken,
    /// The listener, once nobody reads from it any more.
    parked: Mutex<Option<Listener>>,
    connections: usize,
    line_bytes: usize,
}

impl Shared {
    fn park(&self, listener: Listener) {
        *self.parked.lock().unwrap_or_else(PoisonError::into_inner) = Some(listener);
    }
}

impl Statsd {
    /// Makes a receiver that hands its metrics to `outputs`.
    ///
    /// # Errors
    /// The transport is none that is known.
    pub fn new(context: Context, config: Config, outputs: &Outputs) -> Result<Self, ComponentError> {
        let transport = Transport::parse(&config.transport)
            .ok_or_else(|| ComponentError::new(format!("unsupported transport {:?}", config.transport)))?;
        let output = outputs.counted(&context, transport.as_str()).get(Signal::Metrics).clone();
        Ok(Self { context, config, transport, output, running: OnceLock::new() })
    }

    /// The address listened on, once started; `None` before, and for a Unix socket.
    #[must_use]
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.running.get()?.address
    }

    fn take<T: Send + 'static>(&self, what: &'static str) -> Option<T> {
        self.context.handover.take(what)
    }

    fn put<T: Send + 'static>(&self, what: &'static str, value: T) {
        self.context.handover.put(what, value);
    }
}

#[async_trait]
impl Component for Statsd {
    async fn start(&self, host: &Host) -> Result<(), ComponentError> {
        let storage = match &self.config.storage {
            Some(id) => {
                let id: ComponentId = id.parse().map_err(ComponentError::from_display)?;
                Some(host.storage(&id, &self.context, "").await?)
            }
            None => None,
        };
        let listener = Listener::open(&self.config, self.transport, self.take(LISTENER)).await?;
        let address = listener.local_addr();

        let report = Report::new(&self.context);
        let mut aggregator = Aggregator::new(&self.config, report.clone(), self.context.clock.unix_nanos());
        match (self.take::<Vec<KeptGauge>>(GAUGES), &storage) {
            // Newer than what is on disk.
            (Some(gauges), _) => aggregator.restore(&gauges),
            (None, Some(storage)) => aggregator.restore(&flush::load(&**storage, &self.context).await?),
            (None, None) => {}
        }
        if let Some(interval) = self.take::<Interval>(INTERVAL) {
            aggregator.merge_back(interval);
        }
        if let ListenerKind::Datagram(socket) = &listener.kind {
            report.recv_buffer(socket.recv_buffer(), self.config.recv_buffer());
        }

        let tasks = &self.context.tasks;
        let style = otlp::Style::new(&self.config, &self.context);
        let shared = Arc::new(Shared {
            context: self.context.clone(),
            report,
            aggregator: Mutex::new(aggregator),
            stop: tasks.stop_token().clone(),
            parked: Mutex::new(None),
            connections: self.config.limits.connections,
            line_bytes: self.config.limits.line_bytes,
        });
        let (output, too_late) = (self.output.clone(), CancellationToken::new());
        let flusher = Arc::new(Flusher { shared: Arc::clone(&shared), too_late, output, storage, style });
        if self.transport.is_stream() {
            tasks.spawn("statsd listener", stream::accept(listener, Arc::clone(&shared)));
        } else {
            let shared = Arc::clone(&shared);
            tasks.spawn_thread("statsd reader", move || datagrams::read(listener, &shared)).map_err(
                |error| ComponentError::new(format!("starting the statsd reader thread: {error}")),
            )?;
        }
        let interval = self.config.aggregation_interval.get();
        tasks.spawn("statsd flush", Arc::clone(&flusher).run(interval));
        tracing::info!(
            receiver = %self.context.id,
            transport = self.transport.as_str(),
            endpoint = self.config.address(self.transport),
            "statsd receiver started"
        );
        // Only a second start could find it set.
        let _ = self.running.set(Running { shared, flusher, address });
        Ok(())
    }

    async fn shutdown(&self, deadline: Instant) -> Result<(), ComponentError> {
        let Some(running) = self.running.get() else { return Ok(()) };
        let (handover, tasks) = (&self.context.handover, &self.context.tasks);
        let (has_heir, deadline) = (handover.has_heir(), handover.hand_on_by(deadline));
        let mut stopped = tasks.stop(deadline).await;
        if !stopped {
            running.flusher.too_late.cancel();
            stopped = tasks.wait_a_moment().await;
        }
        let mut flushed = running.flusher.finish(deadline).await;

        let mut aggregator = running.shared.aggregator.lock().unwrap_or_else(PoisonError::into_inner);
        self.put(GAUGES, aggregator.gauges());
        match &flushed {
            Ok(()) => {}
            Err(_) if has_heir => {
                self.put(INTERVAL, aggregator.take(Moment::now(&self.context.clock)));
                flushed = Ok(());
            }
            Err(error) => running.shared.report.lost(error.points, "shutdown"),
        }
        drop(aggregator);
        if let Some(listener) = running.shared.parked.lock().unwrap_or_else(PoisonError::into_inner).take() {
            self.put(LISTENER, listener);
        }
        if !stopped {
            return Err(ComponentError::new("statsd readers still ran at the deadline"));
        }
        flushed.map_err(ComponentError::from_display)
    }
}
