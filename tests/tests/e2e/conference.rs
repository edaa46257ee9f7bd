//! The conference of "Utilizing the StatsD Dialplan Application": the gauge is right after each step.

use std::net::UdpSocket;

use otelcol_tests::{Running, free_port, page_with};

async fn gauge_follows(steps: &[(&[&str], &str)]) {
    let (statsd, scrape) = (free_port(), free_port());
    let mut running = Running::start(&format!(
        "receivers:\n  statsd: {{endpoint: '127.0.0.1:{statsd}', aggregation_interval: 50ms}}\n\
         exporters:\n  prometheus: {{endpoint: '127.0.0.1:{scrape}', without_scope_info: true}}\n\
         service:\n  pipelines: {{metrics: {{receivers: [statsd], exporters: [prometheus]}}}}\n  \
         telemetry: {{metrics: {{level: none}}}}\n"
    ))
    .await
    .unwrap();
    let metrics = format!("http://127.0.0.1:{scrape}/metrics");
    for (packets, value) in steps {
        for packet in *packets {
            // Each sender has a port of its own, as after a restart of Asterisk.
            let asterisk = UdpSocket::bind("127.0.0.1:0").unwrap();
            asterisk.send_to(packet.as_bytes(), ("127.0.0.1", statsd)).unwrap();
        }
        page_with(&metrics, &[&format!("confBridgeUsers {value}")]).await;
    }
    running.collector.shutdown().await;
}

const JOIN: &str = "confBridgeUsers:+1|g";
const LEAVE: &str = "confBridgeUsers:-1|g";

#[tokio::test]
async fn two_callers_come_and_go() {
    gauge_follows(&[(&[JOIN], "1"), (&[JOIN], "2"), (&[LEAVE], "1"), (&[LEAVE], "0")]).await;
}

#[tokio::test]
async fn a_kicked_user_is_taken_off_twice_by_the_documents_dialplan() {
    gauge_follows(&[(&[JOIN], "1"), (&[LEAVE, LEAVE], "-1")]).await;
}
