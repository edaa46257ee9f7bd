//! Feature gates bring otelcol's behaviour back.

use std::net::UdpSocket;

use otelcol_pipeline::{FeatureGates, Shared};
use otelcol_tests::{Running, free_port, page_with};

/// Whether a counter of one appears in Prometheus with these gates.
async fn page_with_gates(flag: &str) -> String {
    let (statsd, scrape) = (free_port(), free_port());
    let mut gates = FeatureGates::default();
    gates.apply(flag).unwrap();
    let yaml = format!(
        "receivers:\n  statsd: {{endpoint: '127.0.0.1:{statsd}', aggregation_interval: 50ms}}\n\
         exporters:\n  prometheus: {{endpoint: '127.0.0.1:{scrape}', without_scope_info: true}}\n\
         service:\n  pipelines: {{metrics: {{receivers: [statsd], exporters: [prometheus]}}}}\n  \
         telemetry: {{metrics: {{level: none}}}}\n"
    );
    let shared = Shared { gates, ..Shared::default() };
    let mut running = Running::start_with(&yaml, &[], shared).await.unwrap();
    let asterisk = UdpSocket::bind("127.0.0.1:0").unwrap();
    for line in ["calls:1|c", "present:1|g"] {
        asterisk.send_to(line.as_bytes(), ("127.0.0.1", statsd)).unwrap();
    }
    let page = page_with(&format!("http://127.0.0.1:{scrape}/metrics"), &["present 1"]).await;
    running.collector.shutdown().await;
    page
}

#[tokio::test]
async fn statsd_counters_are_monotonic_unless_the_gate_is_off() {
    assert!(page_with_gates("").await.contains("# TYPE calls_total counter\n"));
    let page = page_with_gates("-receiver.statsd.monotonicCounterDefault").await;
    assert!(!page.contains("calls_total"), "{page}");
}
