//! The guide's configuration does what the guide says.

use std::fs;
use std::net::UdpSocket;

use otelcol_pipeline::{Memory, Shared};
use otelcol_tests::{Running, free_port, page_with, root};

#[tokio::test]
async fn the_guides_metrics_are_there() {
    let [statsd, grpc, http, scrape, own] = std::array::from_fn(|_| free_port());
    let yaml = fs::read_to_string(root().join("examples/guide.yaml")).unwrap();
    // Only ports and waits differ from the file as it is printed.
    let set = [
        format!("receivers.statsd.endpoint=127.0.0.1:{statsd}"),
        "receivers.statsd.aggregation_interval=200ms".to_owned(),
        "receivers.hostmetrics.collection_interval=200ms".to_owned(),
        "receivers.hostmetrics.initial_delay=0s".to_owned(),
        format!("receivers.otlp.protocols.grpc.endpoint=127.0.0.1:{grpc}"),
        format!("receivers.otlp.protocols.http.endpoint=127.0.0.1:{http}"),
        "processors.batch.timeout=100ms".to_owned(),
        format!("exporters.prometheus.endpoint=127.0.0.1:{scrape}"),
        format!("service.telemetry.metrics.address=127.0.0.1:{own}"),
        "exporters.otlp/jaeger.endpoint=127.0.0.1:1".to_owned(),
        "exporters.loki.endpoint=http://127.0.0.1:1/loki/api/v1/push".to_owned(),
    ];
    // The limiter would otherwise look at the resident set, which is that of all tests of this process together.
    let shared = Shared { memory: Memory::from_fn(|| 20 << 20), ..Shared::default() };
    let mut running = Running::start_with(&yaml, &set, shared).await.unwrap();

    let asterisk = UdpSocket::bind("127.0.0.1:0").unwrap();
    let send = |line: &str| asterisk.send_to(line.as_bytes(), ("127.0.0.1", statsd)).unwrap();
    send("asterisk.channels.count:47|g");
    send("asterisk.channels.calltime:300|ms");
    send("asterisk.calls:3|c");
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let host = host.trim();
    let labels = format!("cluster_name=\"vicidial-prod\",host_name=\"{host}\"");
    let role = "server_role=\"dialer\",service_name=\"asterisk\"";
    let metrics = format!("http://127.0.0.1:{scrape}/metrics");

    let has = |page: &str, name: &str, extra: &str, value: &str| {
        let found = page.lines().any(|line| {
            line.starts_with(&format!("{name}{{"))
                && line.contains(&labels)
                && line.contains(role)
                && line.contains(extra)
                && line.ends_with(&format!(" {value}"))
        });
        assert!(found, "{name} {extra} {value} not in\n{page}");
    };
    page_with(
        &metrics,
        &[
            "# HELP asterisk_channels_count Current active channel count",
            "# TYPE asterisk_channels_count gauge",
            "# TYPE asterisk_calls_total counter",
            "# TYPE asterisk_system_memory_utilization_ratio gauge",
        ],
    )
    .await;
    let page = page_with(&metrics, &["# TYPE asterisk_system_cpu_utilization_ratio gauge"]).await;
    has(&page, "asterisk_channels_count", "", "47");
    has(&page, "asterisk_calls_total", "", "3");
    let timer = page.lines().find(|line| line.starts_with("# TYPE asterisk_channels_calltime")).unwrap();
    let timer = timer.strip_prefix("# TYPE ").unwrap().strip_suffix(" histogram").unwrap();
    let buckets = [
        ("10", 0),
        ("25", 0),
        ("50", 0),
        ("100", 0),
        ("250", 0),
        ("500", 1),
        ("1000", 1),
        ("5000", 1),
        ("10000", 1),
    ];
    for (bound, count) in buckets {
        has(&page, &format!("{timer}_bucket"), &format!("le=\"{bound}\""), &count.to_string());
    }
    has(&page, &format!("{timer}_bucket"), "le=\"+Inf\"", "1");
    has(&page, &format!("{timer}_sum"), "", "300");
    for name in
        ["cpu_time_seconds_total", "memory_usage_bytes", "network_io_bytes_total", "cpu_load_average_5m"]
    {
        assert!(page.contains(&format!("\nasterisk_system_{name}{{")), "{name} not in\n{page}");
    }

    let own =
        page_with(&format!("http://127.0.0.1:{own}/metrics"), &["# TYPE otelcol_process_uptime counter"])
            .await;
    assert!(
        own.contains("otelcol_receiver_accepted_metric_points{receiver=\"statsd\",transport=\"udp\"}"),
        "{own}"
    );
    running.collector.shutdown().await;
}
