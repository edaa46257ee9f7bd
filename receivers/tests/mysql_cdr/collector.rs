//! The receiver, run on a runtime of its own that can be ended at any moment.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use otelcol_confmap::Node;
use otelcol_pdata::Signal;
use otelcol_pdata::model::metrics::metric::Data;
use otelcol_pdata::model::metrics::number_data_point::Value;
use otelcol_pdata::model::{as_string, common::KeyValue};
use otelcol_pipeline::status::Board;
use otelcol_pipeline::storage::{Storage, StorageClient, StorageError, StorageOp};
use otelcol_pipeline::telemetry::Telemetry;
use otelcol_pipeline::{Component, ComponentId, Consumer, Context, Host, Kind as ComponentKind, Outputs};
use otelcol_receivers::mysql_cdr;
use otelcol_testkit::{PATIENCE, Sink};
use tokio::runtime::{Builder, Runtime};

/// A storage that outlives what it is for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Memory(Arc<Mutex<HashMap<String, Vec<u8>>>>);

#[async_trait]
impl Storage for Memory {
    async fn open(
        &self,
        _: ComponentKind,
        _: &ComponentId,
        _: &str,
    ) -> Result<Arc<dyn StorageClient>, StorageError> {
        Ok(Arc::new(self.clone()))
    }
}

#[async_trait]
impl StorageClient for Memory {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(self.0.lock().unwrap().get(key).cloned())
    }

    async fn write(&self, ops: Vec<StorageOp>) -> Result<(), StorageError> {
        // Being ended before, in or after a write are different things.
        tokio::task::yield_now().await;
        {
            let mut values = self.0.lock().unwrap();
            for op in ops {
                match op {
                    StorageOp::Set(key, value) => _ = values.insert(key, value),
                    StorageOp::Delete(key) => _ = values.remove(&key),
                }
            }
        }
        tokio::task::yield_now().await;
        Ok(())
    }
}

/// A running receiver.
pub(crate) struct Running {
    runtime: Runtime,
    component: Arc<dyn Component>,
    board: Board,
    telemetry: Telemetry,
    pub(crate) sink: Arc<Sink>,
}

/// What is shown: `name{key=value,...}` and its value.
pub(crate) type Shown = BTreeMap<String, f64>;

impl Running {
    /// Starts the receiver with settings in YAML; `storage: memory` is `memory`.
    pub(crate) fn start(settings: &str, memory: &Memory) -> Self {
        Self::start_in(settings, memory, Outputs::to)
    }

    /// Starts it in pipelines of one signal alone.
    pub(crate) fn start_for(signal: Signal, settings: &str, memory: &Memory) -> Self {
        Self::start_in(settings, memory, |consumer| Outputs::only(signal, consumer))
    }

    fn start_in(
        settings: &str,
        memory: &Memory,
        outputs: impl FnOnce(&Arc<dyn Consumer>) -> Outputs,
    ) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let node = Node::from_yaml(settings, "test").unwrap();
        let prepared = mysql_cdr::factory().prepare(&node, "receivers::mysql_cdr").unwrap();
        let sink = Sink::new();
        let shared = otelcol_pipeline::Shared::default();
        let context = Context::new(&shared, ComponentKind::Receiver, ComponentId::new("mysql_cdr"), "");
        let outputs = outputs(&sink.consumer());
        let component = (prepared.make)(context, outputs).unwrap();
        let storages: HashMap<ComponentId, Arc<dyn Storage>> =
            HashMap::from([(ComponentId::new("memory"), Arc::new(memory.clone()) as Arc<dyn Storage>)]);
        let host = Host::new(storages, shared.board.clone());
        runtime.block_on(component.start(&host)).unwrap();
        Self { runtime, component, board: shared.board, telemetry: shared.telemetry, sink }
    }

    /// Ends it as a kill does: between two steps of its tasks, with nothing said.
    pub(crate) fn kill(self) {
        self.runtime.shutdown_timeout(PATIENCE);
    }

    /// Ends it as a signal does.
    pub(crate) fn stop(self) -> Shown {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        self.runtime.block_on(self.component.shutdown(deadline)).unwrap();
        shown(&self.sink)
    }

    /// Waits until what is shown is as wanted.
    pub(crate) fn wait_for(&self, what: &str, wanted: impl Fn(&Shown) -> bool) -> Shown {
        let deadline = Instant::now() + 3 * PATIENCE;
        loop {
            let shown = shown(&self.sink);
            if wanted(&shown) {
                return shown;
            }
            assert!(Instant::now() < deadline, "{what} did not come; {:?}: {shown:#?}", self.state());
            self.runtime.block_on(async { tokio::time::sleep(Duration::from_millis(20)).await });
        }
    }

    /// How many rows it counted as odd for this reason.
    pub(crate) fn odd_rows(&self, reason: &str) -> f64 {
        let labels = [("receiver", "mysql_cdr"), ("reason", reason)];
        self.telemetry.value("otelcol_receiver_mysql_cdr_odd_rows", &labels).unwrap()
    }

    /// How often the server no longer had the binary log where reading was.
    pub(crate) fn gaps(&self) -> f64 {
        self.telemetry
            .value("otelcol_receiver_mysql_cdr_replication_gaps", &[("receiver", "mysql_cdr")])
            .unwrap()
    }

    /// How it says it is doing.
    pub(crate) fn state(&self) -> String {
        self.board.components().iter().map(|(_, status)| status.to_string()).collect()
    }

    /// Waits until it says so.
    pub(crate) fn wait_for_state(&self, part: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let state = self.state();
            if state.contains(part) {
                return state;
            }
            assert!(Instant::now() < deadline, "expected {part:?}, found {state:?}");
            self.runtime.block_on(async { tokio::time::sleep(Duration::from_millis(20)).await });
        }
    }
}

/// The last values that came.
pub(crate) fn shown(sink: &Sink) -> Shown {
    let mut shown = Shown::new();
    let mut batches = sink.batches().into_iter().rev();
    let Some(last) = batches.find(|batch| batch.signal() == Signal::Metrics) else { return shown };
    for metric in
        last.metrics().unwrap().iter().flat_map(|block| &block.scope_metrics).flat_map(|scope| &scope.metrics)
    {
        let mut put = |name: String, attributes: &[KeyValue], value: f64| {
            let labels: Vec<String> = attributes
                .iter()
                .map(|kv| format!("{}={}", kv.key, as_string(kv.value.as_ref().unwrap())))
                .collect();
            shown.insert(
                if labels.is_empty() { name } else { format!("{name}{{{}}}", labels.join(",")) },
                value,
            );
        };
        let number = |value: &Option<Value>| match value {
            Some(Value::AsInt(value)) => *value as f64,
            Some(Value::AsDouble(value)) => *value,
            None => f64::NAN,
        };
        match metric.data.as_ref().unwrap() {
            Data::Sum(sum) => {
                sum.data_points
                    .iter()
                    .for_each(|p| put(metric.name.clone(), &p.attributes, number(&p.value)));
            }
            Data::Gauge(gauge) => {
                gauge
                    .data_points
                    .iter()
                    .for_each(|p| put(metric.name.clone(), &p.attributes, number(&p.value)));
            }
            Data::Histogram(histogram) => {
                for point in &histogram.data_points {
                    put(format!("{}_count", metric.name), &point.attributes, point.count as f64);
                    put(format!("{}_sum", metric.name), &point.attributes, point.sum.unwrap());
                    let mut below = 0;
                    for (n, count) in point.bucket_counts.iter().enumerate() {
                        below += count;
                        put(format!("{}_bucket_{n}", metric.name), &point.attributes, below as f64);
                    }
                }
            }
            _ => {}
        }
    }
    shown
}

/// Name, labels and value of a series.
type Labelled = (String, Vec<(String, String)>, f64);

/// What is wrong with the calls of `table` (empty: the only one), compared with a count of its own by `expected.py`.
pub(crate) fn difference(shown: &Shown, table: &str, capture: &str) -> Vec<String> {
    let expected: serde_json::Value =
        serde_json::from_str(&crate::database::testdata("expected.json")).unwrap();
    let expected = &expected[capture];
    let label = if table.is_empty() { String::new() } else { format!("table={table}") };
    let with = |name: &str, more: &str| match (label.is_empty(), more.is_empty()) {
        (true, true) => name.to_owned(),
        (true, false) => format!("{name}{{{more}}}"),
        (false, true) => format!("{name}{{{label}}}"),
        (false, false) => format!("{name}{{{label},{more}}}"),
    };
    let mut wanted: Shown = Shown::new();
    for (ending, count) in expected["dispositions"].as_object().unwrap() {
        wanted.insert(with("asterisk.cdr.calls", &format!("disposition={ending}")), count.as_f64().unwrap());
    }
    for (name, key) in [
        ("asterisk.cdr.rows", "rows"),
        ("asterisk.cdr.duration_count", "calls"),
        ("asterisk.cdr.duration_sum", "duration_sum"),
        ("asterisk.cdr.billable", "billsec_sum"),
        ("asterisk.cdr.answer_time_sum", "answer_time_sum"),
        ("asterisk.cdr.short_calls", "short_calls"),
    ] {
        wanted.insert(with(name, ""), expected[key].as_f64().unwrap());
    }
    for histogram in ["duration", "answer_time"] {
        for (n, count) in expected[&format!("{histogram}_buckets")].as_array().unwrap().iter().enumerate() {
            wanted.insert(with(&format!("asterisk.cdr.{histogram}_bucket_{n}"), ""), count.as_f64().unwrap());
        }
    }
    let by: Vec<Labelled> = serde_json::from_value(expected["by"].clone()).unwrap();
    for (name, labels, count) in by {
        let labels: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        wanted.insert(with(&format!("asterisk.cdr.{name}"), &labels.join(",")), count);
    }
    wanted
        .into_iter()
        .filter(|(name, value)| shown.get(name) != Some(value))
        .map(|(name, value)| format!("{name}: expected {value}, found {:?}", shown.get(&name)))
        .collect()
}
