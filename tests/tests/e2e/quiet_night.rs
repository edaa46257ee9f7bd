//! A gauge that nothing changes for a night is still there in the morning.

use std::net::UdpSocket;
use std::time::Duration;

use otelcol_pipeline::Shared;
use otelcol_testkit::ManualClock;
use otelcol_tests::{Running, eventually, free_port, get, page_with};

#[tokio::test]
async fn a_kept_gauge_outlives_metric_expiration() {
    let (statsd, scrape) = (free_port(), free_port());
    let clock = ManualClock::at(1_795_300_000);
    let shared = Shared { clock: clock.clock(), ..Shared::default() };
    let yaml = format!(
        "receivers:\n  statsd: {{endpoint: '127.0.0.1:{statsd}', aggregation_interval: 50ms}}\n\
         exporters:\n  prometheus: {{endpoint: '127.0.0.1:{scrape}', metric_expiration: 5m, send_timestamps: true, without_scope_info: true}}\n\
         service:\n  pipelines: {{metrics: {{receivers: [statsd], exporters: [prometheus]}}}}\n  \
         telemetry: {{metrics: {{level: none}}}}\n"
    );
    let mut running = Running::start_with(&yaml, &[], shared).await.unwrap();
    let asterisk = UdpSocket::bind("127.0.0.1:0").unwrap();
    for line in ["asterisk.channels.count:+1|g", "asterisk.channels.count:+1|g", "asterisk.once:1|c"] {
        asterisk.send_to(line.as_bytes(), ("127.0.0.1", statsd)).unwrap();
    }
    let metrics = format!("http://127.0.0.1:{scrape}/metrics");
    page_with(&metrics, &["asterisk_channels_count 2 1795300000000", "asterisk_once_total 1 1795300000000"])
        .await;
    clock.advance(Duration::from_secs(8 * 3600));
    page_with(&metrics, &["asterisk_channels_count 2 1795328800000"]).await;
    eventually(|| async {
        let page = get(&metrics).await?;
        if page.contains("asterisk_once_total") { Err(page) } else { Ok(()) }
    })
    .await;
    running.collector.shutdown().await;
}
