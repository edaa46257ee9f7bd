//! A real Mimir, by remote write and by OTLP: what its API shows is what was sent.

use super::metrics::{View, everything, now};
use super::server::{Server, send_through};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mimir_has_what_was_pushed() {
    let dir = tempfile::tempdir().unwrap();
    let Some(mimir) = Server::start("mimir", dir.path()) else { return };
    let (push, base) = (mimir.at("PUSH"), mimir.at("QUERY"));
    let time = now();
    for (cluster, message) in [("c1", "prometheus.WriteRequest"), ("c2", "io.prometheus.write.v2.Request")] {
        let exporter = format!(
            "prometheusremotewrite: {{endpoint: '{push}', protobuf_message: {message}, send_metadata: true, \
             external_labels: {{cluster: {cluster}}}, retry_on_failure: {{max_elapsed_time: 5s, max_interval: 1s}}}}"
        );
        send_through(&exporter, &everything(time, true)).await;
        View { base, cluster, deltas: true, pushed: true, ten: "10" }.check(time).await;
    }
    let otlp = mimir.at("OTLP_HTTP");
    send_through(&format!("otlphttp: {{endpoint: '{otlp}'}}"), &everything(time, false)).await;
    View { base, cluster: "", deltas: false, pushed: true, ten: "10" }.check(time).await;
}
