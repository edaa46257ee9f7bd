//! The whole receiver, from a manager to the end of its outputs.

mod cut;
mod reload;

use std::collections::BTreeMap;
use std::time::Duration;

use otelcol_asterisk::ids::call_trace_id;
use otelcol_confmap::{GoDuration, Opaque};
use otelcol_pdata::Batch;
use otelcol_pdata::model::as_string;
use otelcol_pdata::model::common::KeyValue;
use otelcol_pdata::model::metrics::metric::Data;
use otelcol_pdata::model::metrics::number_data_point::Value::{AsDouble, AsInt};
use otelcol_pdata::model::trace::Span;
use otelcol_pipeline::{Kind, Shared};
use otelcol_testkit::ami::{FakeAsterisk, Manners, SECRET, Transcript, USERNAME, World};
use otelcol_testkit::{PATIENCE, Sink};

use super::*;

/// An Asterisk, a receiver and what the receiver made.
struct Rig {
    asterisk: FakeAsterisk,
    sink: Arc<Sink>,
    shared: Shared,
    ami: Ami,
}

fn receiver(
    shared: &Shared,
    asterisk: &FakeAsterisk,
    sink: &Arc<Sink>,
    change: impl FnOnce(&mut Config),
) -> Ami {
    let mut config = Config {
        endpoint: asterisk.endpoint(),
        username: USERNAME.to_owned(),
        password: Opaque::from(SECRET),
        ..Config::default()
    };
    change(&mut config);
    let context = Context::new(shared, Kind::Receiver, "ami/test".parse().unwrap(), "");
    Ami::new(context, config, &Outputs::to(&sink.consumer()))
}

impl Rig {
    async fn start(change: impl FnOnce(&mut Config)) -> Self {
        let mut world = World::new("asterisk22");
        world.name("pbx1", "22.10.1");
        let asterisk = FakeAsterisk::start(world, Manners::default());
        let (sink, shared) = (Sink::new(), Shared::default());
        let ami = receiver(&shared, &asterisk, &sink, change);
        let rig = Self { asterisk, sink, shared, ami };
        rig.begin().await;
        rig
    }

    async fn begin(&self) {
        let before = self.asterisk.count("sipshowregistry");
        self.ami.start(&Host::default()).await.unwrap();
        self.asterisk
            .wait_until("the last list", |asterisk| asterisk.count("sipshowregistry") > before)
            .await;
    }

    async fn stop(&self) {
        self.ami.shutdown(Instant::now() + PATIENCE).await.unwrap();
    }

    fn batches(&self, signal: BatchSignal) -> Vec<Batch> {
        let mut batches = self.sink.batches();
        batches.retain(|batch| batch.signal() == signal);
        batches
    }
}

fn texts(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    attributes.iter().map(|pair| (pair.key.clone(), as_string(pair.value.as_ref().unwrap()))).collect()
}

#[tokio::test]
async fn a_call_becomes_log_records() {
    let rig = Rig::start(|config| {
        config.logs.include_events = vec!["Newchannel".to_owned(), "Hangup".to_owned()];
        config.resource_attributes.insert("deployment.environment".to_owned(), "test".to_owned());
    })
    .await;
    rig.asterisk.play(&Transcript::load("asterisk22", "dial_answered").events());
    rig.stop().await;

    let logs = rig.batches(BatchSignal::Logs);
    let resource = texts(&logs[0].logs().unwrap()[0].resource.as_ref().unwrap().attributes);
    let expected = [
        ("asterisk.systemname", "pbx1"),
        ("asterisk.version", "22.10.1"),
        ("deployment.environment", "test"),
        ("service.name", "asterisk"),
    ];
    for (key, value) in expected {
        assert_eq!(resource.get(key).map(String::as_str), Some(value), "{resource:?}");
    }
    assert_eq!(resource.len(), 5, "{resource:?}");
    let records: Vec<_> = logs
        .iter()
        .flat_map(|batch| batch.logs().unwrap())
        .flat_map(|block| &block.scope_logs)
        .flat_map(|scope| scope.log_records.clone())
        .collect();
    let events: Vec<String> =
        records.iter().map(|record| texts(&record.attributes)["asterisk.event"].clone()).collect();
    assert_eq!(events, ["Newchannel", "Newchannel", "Hangup", "Hangup"]);
    assert!(
        records.iter().all(|record| record.trace_id == records[0].trace_id && record.trace_id.len() == 16)
    );
}

#[tokio::test]
async fn a_call_becomes_a_trace() {
    let rig = Rig::start(|config| config.traces.late_event_wait = GoDuration::from_secs(0)).await;
    let events = Transcript::load("asterisk22", "dial_answered").events();
    let open = events.iter().position(|event| event.event() == "BridgeEnter").unwrap();
    rig.asterisk.play(&events);
    rig.asterisk.play(&Transcript::load("asterisk22", "queue_abandon").events()[..open]);
    rig.stop().await;

    let traces = rig.batches(BatchSignal::Traces);
    let blocks = traces.iter().flat_map(|batch| batch.traces().unwrap());
    let scopes: Vec<_> = blocks
        .inspect(|block| {
            let resource = texts(&block.resource.as_ref().unwrap().attributes);
            assert_eq!(resource["asterisk.systemname"], "pbx1");
        })
        .flat_map(|block| &block.scope_spans)
        .collect();
    let roots: Vec<_> = scopes
        .iter()
        .flat_map(|scope| &scope.spans)
        .filter(|span| span.parent_span_id.is_empty())
        .map(|span| (span.trace_id.clone(), texts(&span.attributes)))
        .collect();
    // The name of the system goes into the ids.
    assert_eq!(roots[0].0, call_trace_id("pbx1", "1795307214.8"));
    assert_eq!(roots[0].1["asterisk.disposition"], "ANSWERED");
    assert_eq!(roots[1].0, call_trace_id("pbx1", "1795307274.48"));
    assert_eq!(roots[1].1["asterisk.unfinished"], "true");
    assert_eq!(roots.len(), 2);
}

/// The number of each metric with one point and no attribute.
fn numbers(batch: &Batch) -> BTreeMap<String, f64> {
    let metrics = batch.metrics().unwrap();
    let metrics = metrics.iter().flat_map(|block| &block.scope_metrics).flat_map(|scope| &scope.metrics);
    let mut found = BTreeMap::new();
    for metric in metrics {
        let points = match metric.data.as_ref().unwrap() {
            Data::Gauge(gauge) => &gauge.data_points,
            Data::Sum(sum) => &sum.data_points,
            _ => continue,
        };
        let [point] = points.as_slice() else { continue };
        let value = match point.value.unwrap() {
            AsInt(value) => value as f64,
            AsDouble(value) => value,
        };
        found.insert(metric.name.clone(), value);
    }
    found
}

#[tokio::test]
async fn calls_become_metrics() {
    let rig = Rig::start(|config| config.logs.include_events = vec!["none".to_owned()]).await;
    let events = Transcript::load("asterisk22", "queue_connect_complete_by_caller").events();
    let middle = events.iter().rposition(|event| event.event() == "BridgeEnter").unwrap();
    rig.asterisk.play(&events[..=middle]);
    rig.stop().await;
    let batches = rig.batches(BatchSignal::Metrics);
    let last = batches.last().unwrap();
    let found = numbers(last);
    // Logged off: levels are not known any more, counters are.
    assert_eq!(found.get("asterisk.calls.total"), Some(&1.0), "{found:?}");
    assert_eq!(found.get("asterisk.calls.active"), None, "{found:?}");
    let mask = rig
        .asterisk
        .actions()
        .iter()
        .find(|action| action.get("Action") == "Events")
        .unwrap()
        .get("EventMask");
    assert!(mask.starts_with("system,") && mask.contains("call") && mask.contains("agent"), "{mask}");
    assert!(!mask.contains("dialplan"), "{mask}");
}

#[tokio::test]
async fn levels_are_sent_each_interval_while_connected() {
    let rig = Rig::start(|config| config.collection_interval = GoDuration::from_millis(20)).await;
    let events = Transcript::load("asterisk22", "queue_connect_complete_by_caller").events();
    let middle = events.iter().rposition(|event| event.event() == "BridgeEnter").unwrap();
    rig.asterisk.play(&events[..=middle]);
    let two_channels = || {
        let batches = rig.batches(BatchSignal::Metrics);
        batches.iter().map(numbers).any(|found| found.get("asterisk.channels.count") == Some(&2.0))
    };
    let reached = async {
        while !two_channels() {
            rig.sink.wait_for_attempts(rig.sink.attempts() + 1).await;
        }
    };
    tokio::time::timeout(PATIENCE, reached).await.unwrap();
    let batches = rig.batches(BatchSignal::Metrics);
    let found =
        batches.iter().map(numbers).find(|found| found.get("asterisk.channels.count") == Some(&2.0)).unwrap();
    assert_eq!(found["asterisk.calls.active"], 1.0);
    assert_eq!(found["asterisk.bridges.count"], 1.0);
    assert_eq!(found["asterisk.bridges.channels"], 2.0);

    // What the lists say after a reconnect is the same.
    rig.asterisk.cut();
    rig.asterisk.pass_unheard(&events[middle + 1..]);
    let ended = || {
        let batches = rig.batches(BatchSignal::Metrics);
        batches.last().map(numbers).is_some_and(|found| found.get("asterisk.channels.count") == Some(&0.0))
    };
    let reached = async {
        while !ended() {
            rig.sink.wait_for_attempts(rig.sink.attempts() + 1).await;
        }
    };
    tokio::time::timeout(PATIENCE, reached).await.unwrap();
    rig.stop().await;
}

#[tokio::test]
async fn a_log_record_goes_out_within_ten_milliseconds() {
    let rig = Rig::start(|config| config.collection_interval = GoDuration::from_secs(3600)).await;
    let events = Transcript::load("asterisk22", "dial_answered").events();
    let hangup = events.iter().rfind(|event| event.event() == "Hangup").unwrap();
    let mut waits = Vec::new();
    for _ in 0..20 {
        let before = rig.sink.items();
        let sent = std::time::Instant::now();
        rig.asterisk.play(std::slice::from_ref(hangup));
        rig.sink.wait_for_items(before + 1).await;
        waits.push(sent.elapsed());
    }
    // Each but the first comes just after another one was read, so it waits for as long as events are gathered. What a busy machine
    // does besides comes on top, now and then.
    let mut waits = waits.split_off(1);
    waits.sort();
    assert!(waits[0] < Duration::from_millis(10), "{waits:?}");
    assert!(waits[waits.len() / 2] < Duration::from_millis(100), "{waits:?}");
    rig.stop().await;
}

/// The root spans that were sent.
fn roots(rig: &Rig) -> Vec<Span> {
    let batches = rig.batches(BatchSignal::Traces);
    let blocks = batches.into_iter().flat_map(|batch| batch.into_traces().unwrap());
    let spans = blocks.flat_map(|block| block.scope_spans).flat_map(|scope| scope.spans);
    spans.filter(|span| span.parent_span_id.is_empty()).collect()
}
