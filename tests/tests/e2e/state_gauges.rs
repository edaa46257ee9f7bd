//! `asterisk.channels.count` is told by `statsd`, which adds up, and by `ami`, which asks: both into one pipeline.

use std::net::UdpSocket;

use otelcol_confmap::Node;
use otelcol_pipeline::CollectorConfig;
use otelcol_testkit::ami::{FakeAsterisk, Manners, SECRET, Transcript, USERNAME, World};
use otelcol_tests::{Running, factories, free_port, page_with};

fn config(ami: &str, statsd: u16, scrape: u16, state_gauges: &str) -> String {
    format!(
        "receivers:\n  ami: {{endpoint: '{ami}', username: {USERNAME}, password: {SECRET}, collection_interval: 50ms}}\n  \
         statsd:\n    endpoint: '127.0.0.1:{statsd}'\n    aggregation_interval: 50ms\n    \
         asterisk: {{state_gauges: {state_gauges}}}\n\
         exporters:\n  prometheus: {{endpoint: '127.0.0.1:{scrape}', without_scope_info: true}}\n\
         service:\n  pipelines: {{metrics: {{receivers: [statsd, ami], exporters: [prometheus]}}}}\n  \
         telemetry: {{metrics: {{level: none}}}}\n"
    )
}

fn warnings(state_gauges: &str) -> Vec<String> {
    let yaml = config("127.0.0.1:5038", 8125, 8889, state_gauges);
    let node = Node::from_yaml(&yaml, "config.yaml").unwrap();
    CollectorConfig::read(&node, &factories()).ok().unwrap().warnings()
}

const STATSD: &str = "asterisk_channels_count 3";
const AMI: &str = "asterisk_channels_count{job=\"asterisk\"} 2";
const OTHER: &str = "asterisk_other 1";

/// Three channels of which statsd heard, two that there are.
async fn channels(state_gauges: &str, expected: &[&str]) -> String {
    let asterisk = FakeAsterisk::start(World::new("asterisk22"), Manners::default());
    let (statsd, scrape) = (free_port(), free_port());
    let mut running =
        Running::start(&config(&asterisk.endpoint(), statsd, scrape, state_gauges)).await.unwrap();
    asterisk.wait_until("a listener", |asterisk| asterisk.listeners() == 1).await;
    let events = Transcript::load("asterisk22", "dial_answered").events();
    let up = events.iter().position(|event| event.event() == "Hangup").unwrap();
    asterisk.play(&events[..up]);
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    for _ in 0..3 {
        sender.send_to(b"asterisk.channels.count:+1|g", ("127.0.0.1", statsd)).unwrap();
    }
    sender.send_to(b"asterisk.other:1|g", ("127.0.0.1", statsd)).unwrap();
    let page = page_with(&format!("http://127.0.0.1:{scrape}/metrics"), expected).await;
    running.collector.shutdown().await;
    page.lines().filter(|line| line.starts_with("asterisk_channels_count")).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn statsd_can_leave_them_to_ami() {
    let series = channels("drop", &[OTHER, AMI]).await;
    assert_eq!(series, AMI);
    assert_eq!(warnings("drop"), Vec::<String>::new());
}

#[tokio::test]
async fn both_are_there_where_neither_leaves_them() {
    let series = channels("keep", &[OTHER, AMI, STATSD]).await;
    assert_eq!(series.lines().count(), 2, "{series}");
    assert_eq!(
        warnings("keep"),
        [
            "pipeline metrics: receivers statsd and ami both report the state of Asterisk (asterisk.channels.count, \
          asterisk.endpoints.*, asterisk.bridges.*): each value is there twice; leave it to one of them with \
          receivers::statsd::asterisk::state_gauges: drop"
        ]
    );
}
