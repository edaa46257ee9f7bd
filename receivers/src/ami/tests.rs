//! The whole receiver, from a manager to the end of its outputs.

use std::collections::BTreeMap;

use otelcol_confmap::Opaque;
use otelcol_pdata::Batch;
use otelcol_pdata::model::as_string;
use otelcol_pdata::model::common::KeyValue;
use otelcol_pipeline::Kind;
use otelcol_testkit::ami::{FakeAsterisk, Manners, SECRET, Transcript, USERNAME, World};
use otelcol_testkit::{PATIENCE, Sink};

use super::*;

/// An Asterisk, a receiver and what the receiver made.
struct Rig {
    asterisk: FakeAsterisk,
    sink: Arc<Sink>,
    ami: Ami,
}

impl Rig {
    async fn start(change: impl FnOnce(&mut Config)) -> Self {
        let mut world = World::new("asterisk22");
        world.name("pbx1", "22.10.1");
        let asterisk = FakeAsterisk::start(world, Manners::default());
        let mut config = Config {
            endpoint: asterisk.endpoint(),
            username: USERNAME.to_owned(),
            password: Opaque::from(SECRET),
            ..Config::default()
        };
        change(&mut config);
        let sink = Sink::new();
        let context = Context::detached(Kind::Receiver, "ami/test");
        let ami = Ami::new(context, config, &Outputs::to(&sink.consumer()));
        ami.start(&Host::default()).await.unwrap();
        let rig = Self { asterisk, sink, ami };
        rig.asterisk.wait_until("the last list", |asterisk| asterisk.count("sipshowregistry") == 1).await;
        rig
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
