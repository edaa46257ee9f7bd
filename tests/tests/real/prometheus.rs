//! A real Prometheus 3, by scrape, by remote write and by OTLP: what its API shows is what was sent.

use otelcol_pdata::Signal;
use otelcol_tests::{eventually, free_port};

use super::metrics::{SECOND, View, batch, everything, hangups, now};
use super::server::{Collector, Server, send_through};

async fn remote_write(message: &str) {
    let dir = tempfile::tempdir().unwrap();
    let Some(prometheus) = Server::start("prometheus", dir.path()) else { return };
    let base = prometheus.at("URL");
    let time = now();
    let exporter = format!(
        "prometheusremotewrite: {{endpoint: '{base}/api/v1/write', protobuf_message: {message}, send_metadata: true, \
         external_labels: {{cluster: c1}}, max_batch_size_bytes: 1500, retry_on_failure: {{max_elapsed_time: 5s, max_interval: 1s}}}}"
    );
    send_through(&exporter, &everything(time, true)).await;
    View { base, cluster: "c1", deltas: true, pushed: true, ten: "10" }.check(time).await;

    let exporter = format!(
        "prometheusremotewrite: {{endpoint: '{base}/api/v1/write', protobuf_message: {message}, \
         external_labels: {{cluster: c2}}, convert_explicit_histograms_to_nhcb: true, keep_classic_histograms: true}}"
    );
    send_through(&exporter, &everything(time, true)).await;
    let view = View { base, cluster: "c2", deltas: true, pushed: true, ten: "10" };
    let (buckets, [count, sum]) = view.native("asterisk_wait_seconds", time).await;
    assert_eq!(buckets, [["-Inf", "0.5", "1"], ["0.5", "10", "2"], ["10", "+Inf", "4"]]);
    assert_eq!((count.as_str(), sum.as_str()), ("7", "99.5"));
    let classic = "sum(asterisk_wait_seconds_bucket{cluster=\"c2\",le=\"10\"})";
    assert_eq!(view.query(classic, time).await.unwrap()[0]["value"][1], "3");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prometheus_has_what_was_sent_by_remote_write_1() {
    remote_write("prometheus.WriteRequest").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prometheus_has_what_was_sent_by_remote_write_2() {
    remote_write("io.prometheus.write.v2.Request").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prometheus_has_what_was_sent_by_otlp() {
    let dir = tempfile::tempdir().unwrap();
    let Some(prometheus) = Server::start("prometheus", dir.path()) else { return };
    let base = prometheus.at("URL");
    let time = now();
    send_through(&format!("otlphttp: {{endpoint: '{base}/api/v1/otlp'}}"), &everything(time, false)).await;
    View { base, cluster: "", deltas: false, pushed: true, ten: "10" }.check(time).await;
}

/// Waits until the newest sample of the counter is `value`.
async fn until(view: &View<'_>, value: &str) {
    eventually(|| async {
        let found = view.query("asterisk_hangups_total", now()).await?;
        if found[0]["value"][1] == value { Ok(()) } else { Err(found.to_string()) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prometheus_has_what_it_scraped_and_sees_a_restart() {
    let (dir, page) = (tempfile::tempdir().unwrap(), free_port());
    let scrape = format!(
        "[{{job_name: page, scrape_interval: 100ms, scrape_timeout: 100ms, honor_labels: true, static_configs: [{{targets: ['127.0.0.1:{page}']}}]}}]"
    );
    let environment = [("SCRAPE_CONFIGS", scrape.as_str())];
    let Some(prometheus) = Server::start_with("prometheus", dir.path(), &environment) else { return };
    let exporter = format!(
        "prometheus: {{endpoint: '127.0.0.1:{page}', enable_open_metrics: true, send_timestamps: true}}"
    );
    let view = View { base: prometheus.at("URL"), cluster: "", deltas: true, pushed: false, ten: "10.0" };
    let collector = Collector::start(Signal::Metrics, &exporter, "prometheus").await;
    let time = now();
    collector.send(&everything(time, true)).await;
    until(&view, "7").await;
    view.check(time).await;
    for (name, kind, otlp) in [
        ("asterisk_channels_count", "gauge", "asterisk.channels.count"),
        ("asterisk_calls", "counter", "asterisk.calls"),
        ("asterisk_wait_seconds", "histogram", "asterisk.wait"),
        ("asterisk_summary_bytes", "summary", "asterisk.summary"),
    ] {
        assert_eq!(view.metadata(name).await, [kind, &format!("About {otlp}.")], "{name}");
    }
    // Scrapes without a point in between do not change the counter; the next point is added.
    collector.send(&batch(vec![hangups(&[(3.0, time + SECOND)])])).await;
    until(&view, "10").await;
    collector.stop().await;
    let collector = Collector::start(Signal::Metrics, &exporter, "prometheus").await;
    collector.send(&batch(vec![hangups(&[(4.0, time + 2 * SECOND)])])).await;
    until(&view, "4").await;
    let values: Vec<String> =
        view.samples("asterisk_hangups_total", now()).await.into_iter().map(|(_, value)| value).collect();
    assert_eq!(values, ["7", "10", "4"]);
    let resets = view.query("resets(asterisk_hangups_total[5m])", now()).await.unwrap();
    assert_eq!(resets[0]["value"][1], "1");
    collector.stop().await;
}
