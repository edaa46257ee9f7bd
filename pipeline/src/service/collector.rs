//! The collector as a whole: from configuration sources to a running graph, until a signal ends it.

use std::sync::{Arc, Weak};

use futures_util::future::join_all;
use otelcol_confmap::{ConfigError, Node, Resolver};

use tokio::sync::{Notify, SetOnce};
use tokio::time::{Instant, sleep_until};

use super::graph::{Graph, STOP_WITHIN};
use super::self_metrics::SelfMetrics;
use super::signals::Signals;
use crate::config::CollectorConfig;
use crate::factory::Factories;
use crate::plan::Plan;
use crate::telemetry::{LogControl, process};
use crate::{ComponentError, Shared, sources};

/// What a collector is made of.
#[derive(Default)]
pub struct Settings {
    /// The component types that it knows.
    pub factories: Factories,
    /// Where the configuration comes from, in order: `file:`, `env:`, `yaml:`, `http:` and `https:` URIs, or plain paths.
    pub config: Vec<String>,
    /// Settings that win over the configuration: `processors.batch.timeout=2s`.
    pub set: Vec<String>,
    /// What is common to all components: clock, memory, the program's name.
    pub shared: Shared,
    /// The log that the configuration may change; none where the embedding program logs in its own way.
    pub logs: Option<LogControl>,
}

/// Why a collector does not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The configuration is wrong; all that is wrong with it.
    #[error("{}", describe(.0))]
    Config(Vec<ConfigError>),
    /// A component could not be made or started.
    #[error(transparent)]
    Component(#[from] ComponentError),
}

/// Nobody is to come to this collector any more.
fn announce_stop(shared: &Shared) {
    shared.board.set_ready(false);
    shared.shelf.close();
}

fn describe(errors: &[ConfigError]) -> String {
    let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
    format!("invalid configuration:\n\n{}", lines.join("\n"))
}

/// A collector: [`run`](Self::run) it, or [`start`](Self::start), [`reload`](Self::reload) and
/// [`shutdown`](Self::shutdown) it step by step.
pub struct Collector {
    settings: Arc<Settings>,
    graph: Graph,
    self_metrics: SelfMetrics,
}

impl Collector {
    /// A collector that does nothing yet.
    pub fn new(settings: Settings) -> Self {
        Self { settings: Arc::new(settings), graph: Graph::default(), self_metrics: SelfMetrics::default() }
    }

    /// What is common to all components: self metrics and health among them.
    pub fn shared(&self) -> &Shared {
        &self.settings.shared
    }

    /// Reads and checks the configuration without running anything.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub async fn validate(&self) -> Result<(), RunError> {
        self.read().await.map(|_| ())
    }

    /// The configuration as it is read, as YAML: all sources merged, references expanded. What a component takes for a secret
    /// is `[REDACTED]`, unless it is asked for.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub async fn print_config(&self, with_secrets: bool) -> Result<String, RunError> {
        let root = self.resolve().await?;
        // Which values are secrets is known when they were read.
        self.interpret(&root)?;
        Ok(if with_secrets { root.to_yaml() } else { root.redacted().to_yaml() })
    }

    /// Runs until SIGINT or SIGTERM, of which a second one ends it at once; SIGHUP reads the configuration again.
    ///
    /// # Errors
    /// The configuration is wrong or the collector can not be started. A bad configuration on SIGHUP is logged only.
    pub async fn run(mut self) -> Result<(), RunError> {
        let mut signals = Signals::new()?;
        let (reload, stop) = (Notify::new(), SetOnce::new());
        let running = async {
            self.start().await?;
            self.serve(&reload, &stop).await;
            Ok(())
        };
        tokio::select! {
            ended = running => ended,
            signal = signals.pass_on(&reload, &stop) => {
                tracing::warn!(signal, "Received a second signal from OS: what was not handed on yet is lost");
                Ok(())
            }
        }
    }

    /// Reloads when it is asked to, until `stop` says by when all must be stopped, and stops.
    pub(super) async fn serve(&mut self, reload: &Notify, stop: &SetOnce<Instant>) {
        loop {
            tokio::select! {
                biased;
                deadline = stop.wait() => return self.shutdown_by(*deadline).await,
                () = reload.notified() => {}
            }
            tracing::info!("Config updated, restart service");
            if let Err(error) = self.reload_until(stop).await {
                tracing::error!(%error, "the new configuration was not taken, the old one runs on");
            }
        }
    }

    /// Starts all that the configuration asks for.
    ///
    /// # Errors
    /// The configuration is wrong, or something can not be made or started; then nothing runs.
    pub async fn start(&mut self) -> Result<(), RunError> {
        let (config, plan) = self.read().await?;
        self.apply_logs(&config);
        let shared = &self.settings.shared;
        let build = &shared.build;
        process::register(shared);
        tracing::info!(Version = build.version, "Starting {}...", build.command);
        self.self_metrics.apply(&config.telemetry, shared).await?;
        if let Err(error) = self.graph.exchange(&config, plan, Instant::now() + STOP_WITHIN, shared).await {
            self.self_metrics.stop().await;
            return Err(ComponentError::new(format!("cannot start pipelines: {error}")).into());
        }
        shared.board.set_ready(true);
        tracing::info!("Everything is ready. Begin running and processing data.");
        Ok(())
    }

    /// Reads the configuration again and exchanges what changed.
    ///
    /// # Errors
    /// The new configuration is wrong or can not be started; then the old one runs on.
    pub async fn reload(&mut self) -> Result<(), RunError> {
        self.reload_until(&SetOnce::new()).await
    }

    /// Reloads. A stop meanwhile ends the reading at once. An exchange goes on to its end, so that the new instances take
    /// what was held for them; the receivers take nothing more in, and it is given up at the stop's deadline.
    async fn reload_until(&mut self, stop: &SetOnce<Instant>) -> Result<(), RunError> {
        let (config, plan) = tokio::select! {
            read = self.read() => read?,
            _ = stop.wait() => return Ok(()),
        };
        let (shared, receivers) = (self.settings.shared.clone(), self.graph.receivers());
        let stopping = async {
            let deadline = *stop.wait().await;
            announce_stop(&shared);
            let receivers: Vec<_> = receivers.iter().filter_map(Weak::upgrade).collect();
            join_all(receivers.iter().map(|receiver| receiver.shutdown(deadline))).await;
            sleep_until(deadline).await;
        };
        tokio::select! {
            adopted = self.adopt(&config, plan) => adopted,
            () = stopping => {
                tracing::warn!("the new configuration was not in use by the deadline of the stop");
                Ok(())
            }
        }
    }

    async fn adopt(&mut self, config: &CollectorConfig, plan: Plan) -> Result<(), RunError> {
        let deadline = Instant::now() + STOP_WITHIN;
        let shared = &self.settings.shared;
        let before = self.self_metrics.config().clone();
        self.self_metrics.apply(&config.telemetry, shared).await?;
        if let Err(error) = self.graph.exchange(config, plan, deadline, shared).await {
            self.self_metrics.apply(&before, shared).await?;
            return Err(error.into());
        }
        self.apply_logs(config);
        tracing::info!("the new configuration is in use");
        Ok(())
    }

    /// Stops everything: receivers first, then what is in flight is handed on, then exporters and extensions.
    pub async fn shutdown(&mut self) {
        self.shutdown_by(Instant::now() + STOP_WITHIN).await;
    }

    async fn shutdown_by(&mut self, deadline: Instant) {
        tracing::info!("Starting shutdown...");
        // Those of a reload that was given up never come.
        self.settings.shared.shelf.expect_heirs([]);
        announce_stop(&self.settings.shared);
        self.graph.shutdown(deadline, &self.settings.shared).await;
        self.self_metrics.stop().await;
        tracing::info!("Shutdown complete.");
    }

    fn apply_logs(&self, config: &CollectorConfig) {
        let Some(logs) = &self.settings.logs else { return };
        if let Err(error) = logs.apply(&config.telemetry.logs) {
            tracing::error!(%error, "service::telemetry::logs can not be applied");
        }
    }

    async fn read(&self) -> Result<(CollectorConfig, Plan), RunError> {
        let root = self.resolve().await?;
        self.interpret(&root)
    }

    fn interpret(&self, root: &Node) -> Result<(CollectorConfig, Plan), RunError> {
        let factories = &self.settings.factories;
        let config = CollectorConfig::read(root, factories).map_err(RunError::Config)?;
        let plan = Plan::new(&config, factories).map_err(|errors| {
            let error = |(path, message): (String, String)| ConfigError::new(path, None, message);
            RunError::Config(errors.into_iter().map(error).collect())
        })?;
        for warning in config.warnings() {
            tracing::warn!("{warning}");
        }
        Ok((config, plan))
    }

    async fn resolve(&self) -> Result<Node, RunError> {
        let settings = Arc::clone(&self.settings);
        // Sources are files and, by http, other machines: blocking work.
        let resolving = tokio::task::spawn_blocking(move || {
            let mut resolver = Resolver::new(settings.config.clone(), settings.set.clone());
            for scheme in ["http", "https"] {
                resolver = resolver.provider(scheme, Box::new(sources::Http::new()));
            }
            resolver.resolve()
        });
        let resolved = resolving
            .await
            .map_err(|error| ComponentError::new(format!("reading the configuration failed: {error}")))?;
        let resolved = resolved.map_err(RunError::Config)?;
        for warning in &resolved.warnings {
            tracing::warn!("{warning}");
        }
        Ok(resolved.root)
    }
}
