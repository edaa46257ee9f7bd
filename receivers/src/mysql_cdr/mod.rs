//! Receiver of Asterisk's call detail records from a table of MariaDB or MySQL: each call counted once, across restarts;
//! and of its channel events, as traces.
//! The README beside this file tells settings, metrics and what holds.
//!
//! One task owns the connection and the state of the tables. It reads chunks of rows (`source`) as a pure state
//! machine says (`read`), lets the rows of a call meet (`calls`, or `cel` for its trace), writes all that follows as one record
//! (`record`) and only then shows it; another task sends what is shown (`metrics`).

mod book;
mod calls;
mod cel;
pub mod config;
mod connect;
mod logs;
mod look;
mod metrics;
mod read;
mod record;
mod replicate;
mod report;
mod row;
mod run;
mod schema;
mod seen;
mod server;
mod source;
mod system;
mod table;
mod time;
mod totals;

#[cfg(test)]
mod cut_tests;

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use otelcol_asterisk::redaction::Redactor;
use otelcol_pdata::{Batch, Signal};
use otelcol_pipeline::storage::StorageClient;
use otelcol_pipeline::{
    Component, ComponentError, ComponentId, Context, Host, Output, Outputs, ReceiverFactory,
};
use tokio::time::{Instant, MissedTickBehavior, interval};

use cel::TraceWriter;
use config::{Address, Config, TableSpec};
use logs::LogWriter;
use metrics::{Metrics, Server, View};
use run::{Shown, Worker};
use system::System;

/// The receiver as the table of components lists it.
#[must_use]
pub fn factory() -> ReceiverFactory {
    ReceiverFactory::receiver("mysql_cdr", &[Signal::Metrics, Signal::Traces, Signal::Logs], create)
        .aliases(&["mysql-cdr", "mysqlcdr"])
}

#[expect(clippy::needless_pass_by_value, reason = "the signature of a factory")]
fn create(context: Context, config: Config, outputs: Outputs) -> Result<Arc<dyn Component>, ComponentError> {
    let address = config.address().map_err(ComponentError::new)?;
    let outputs = outputs.counted(&context, "mysql");
    let shared = Arc::new(Shared { context, config, address, outputs, shown: Arc::default() });
    Ok(Arc::new(MysqlCdr { shared, left: Arc::default() }))
}

/// What an instance leaves on the shelf for the one that a reload puts in its place.
const RECORDS: &str = "records";

/// The records of the tables, in the order of the tables, each with its name.
type Records = Vec<(String, Option<Vec<u8>>)>;

/// The receiver.
struct MysqlCdr {
    shared: Arc<Shared>,
    /// What the work left when it ended.
    left: Arc<Mutex<Option<Records>>>,
}

impl MysqlCdr {
    /// Where logs go, if anybody wants them.
    async fn logs(&self) -> Option<(Output, LogWriter)> {
        let shared = &self.shared;
        let output = shared.outputs.get(Signal::Logs);
        let redactor = Redactor::new(&shared.config.redaction);
        let version = shared.context.build.version;
        let writer = || LogWriter::new(shared.system(), redactor, version, shared.server().resource());
        output.is_connected().await.then(|| (output.clone(), writer()))
    }

    /// Where traces go, if anybody wants them.
    async fn traces(&self) -> Option<(Output, TraceWriter)> {
        let shared = &self.shared;
        let (output, config) = (shared.outputs.get(Signal::Traces), &shared.config.traces);
        let is_connected = output.is_connected().await;
        match (is_connected, config.enabled) {
            (true, false) => tracing::warn!(
                receiver = %shared.context.id,
                "in a traces pipeline, and traces::enabled is false: no traces are made"
            ),
            (false, true) => tracing::warn!(
                receiver = %shared.context.id,
                "traces::enabled is true, and the receiver is in no traces pipeline: no traces are made"
            ),
            _ => {}
        }
        let redactor = Redactor::new(&shared.config.redaction);
        let version = shared.context.build.version;
        let resource = || shared.server().resource();
        let writer = || TraceWriter::new(shared.system(), config.clone(), redactor, version, resource());
        (is_connected && config.enabled).then(|| (output.clone(), writer()))
    }

    /// The tables that somebody wants something of.
    async fn wanted(&self, logs: bool, traces: bool) -> Vec<TableSpec> {
        let config = &self.shared.config;
        let records = logs || self.shared.outputs.get(Signal::Metrics).is_connected().await;
        let records = if records { config.tables() } else { Vec::new() };
        let events = config.events_table().filter(|_| traces);
        records.into_iter().chain(events).collect()
    }
}

struct Shared {
    context: Context,
    config: Config,
    address: Address,
    outputs: Outputs,
    shown: Arc<Mutex<Shown>>,
}

impl Shared {
    fn server(&self) -> Server<'_> {
        let (host, port) = match &self.address {
            Address::Tcp(host, port) => (host.as_str(), Some(*port)),
            Address::Unix(path) => (path.as_str(), None),
        };
        Server { host, port, database: &self.config.database }
    }

    fn system(&self) -> System {
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        System::new(&self.config.system_name, &host)
    }

    /// A batch of what is shown.
    fn batch(&self) -> Batch {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let mut metrics = Metrics::new(self.context.clock.unix_nanos());
        let several = self.config.tables.len() > 1;
        let window = i64::try_from(self.config.ratio_window.get().as_secs()).unwrap_or(900);
        for table in &shown.tables {
            if let Some(totals) = &table.totals {
                let name = several.then_some(table.name.as_str());
                metrics.table(View { table: name, totals, rules: &table.rules, window });
            }
        }
        if self.config.server_metrics {
            metrics.server(shown.up, shown.server.as_ref());
        }
        drop(shown);
        Batch::from_metrics(vec![metrics.finish(self.context.build.version, &self.server())])
    }

    async fn send(&self, output: &Output) {
        let batch = self.batch();
        if batch.is_empty() {
            return;
        }
        if let Err(error) = output.consume(batch).await {
            // Values are cumulative: the next batch says all of it again.
            tracing::warn!(receiver = %self.context.id, %error, "CDR metrics refused; the next batch has them too");
        }
    }
}

#[async_trait]
impl Component for MysqlCdr {
    async fn start(&self, host: &Host) -> Result<(), ComponentError> {
        let shared = &self.shared;
        let (context, config) = (&shared.context, &shared.config);
        let storage = open_storage(config, host, context).await?;
        let (logs, traces) = (self.logs().await, self.traces().await);
        let tables = self.wanted(logs.is_some(), traces.is_some()).await;
        let names: Vec<String> = tables.iter().map(|table| table.name.clone()).collect();
        let handed: Option<Records> = context.handover.take(RECORDS);
        let mut records = Vec::new();
        for name in &names {
            let kept = handed.as_ref().and_then(|all| all.iter().find(|(of, _)| of == name)?.1.clone());
            records.push(match (&storage, kept) {
                (Some(storage), _) => {
                    storage.get(&record::key(name)).await.map_err(ComponentError::from_display)?
                }
                (None, kept) => kept,
            });
        }
        if storage.is_none() {
            tracing::warn!(
                receiver = %context.id, start_at = config.start_at,
                "no storage is set: after a restart counting begins anew at start_at, and calls meanwhile are lost or counted again"
            );
        }
        let shown = Arc::clone(&shared.shown);
        let mut worker = Worker::new(context, config.clone(), tables, logs, traces, storage, shown);
        worker.restore(records).map_err(ComponentError::new)?;

        let left = Arc::clone(&self.left);
        context.tasks.spawn("mysql_cdr reader", async move {
            let records = names.into_iter().zip(worker.run().await).collect();
            *left.lock().unwrap_or_else(PoisonError::into_inner) = Some(records);
        });
        let shared = Arc::clone(shared);
        self.shared.context.tasks.spawn("mysql_cdr metrics", async move {
            let output = shared.outputs.get(Signal::Metrics).clone();
            let mut ticks = interval(shared.config.collection_interval.get());
            ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
            let stop = shared.context.tasks.stop_token().clone();
            while stop.run_until_cancelled(ticks.tick()).await.is_some() {
                shared.send(&output).await;
            }
        });
        Ok(())
    }

    async fn shutdown(&self, deadline: Instant) -> Result<(), ComponentError> {
        let context = &self.shared.context;
        let stopped = context.tasks.stop(deadline).await;
        if let Some(records) = self.left.lock().unwrap_or_else(PoisonError::into_inner).take() {
            context.handover.put(RECORDS, records);
        }
        if !stopped {
            return Err(ComponentError::new("a look at the CDR tables was still under way at the deadline"));
        }
        let output = self.shared.outputs.get(Signal::Metrics).clone();
        let last = tokio::time::timeout_at(deadline, self.shared.send(&output)).await;
        last.map_err(|_| ComponentError::new("the last CDR metrics were not taken by the deadline"))
    }
}

async fn open_storage(
    config: &Config,
    host: &Host,
    context: &Context,
) -> Result<Option<Arc<dyn StorageClient>>, ComponentError> {
    let Some(id) = &config.storage else { return Ok(None) };
    let id: ComponentId = id.parse().map_err(ComponentError::from_display)?;
    host.storage(&id, context, "").await.map(Some)
}

#[cfg(test)]
mod tests {
    #[test]
    fn all_three_names_are_it() {
        for name in ["mysql_cdr", "mysql-cdr", "mysqlcdr"] {
            assert!(super::factory().is_called(name), "{name}");
        }
    }
}
