//! OTLP in, OTLP and Loki out: what arrives is what was sent.

use std::time::Duration;

use bytes::Bytes;
use otelcol_net::config::GrpcClientConfig;
use otelcol_net::{Code, GrpcClient};
use otelcol_pdata::{Batch, Signal};
use otelcol_testkit::{FakeLoki, OtlpGrpcSink, OtlpHttpSink, samples};
use otelcol_tests::{Running, free_port};

pub(crate) fn client(port: u16) -> GrpcClient {
    let config = GrpcClientConfig {
        endpoint: format!("127.0.0.1:{port}"),
        tls: otelcol_net::config::ClientTls { insecure: true, ..Default::default() },
        ..GrpcClientConfig::default()
    };
    GrpcClient::new(&config).unwrap()
}

pub(crate) fn path(signal: Signal) -> &'static str {
    match signal {
        Signal::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        Signal::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        Signal::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    }
}

const WAIT: Duration = Duration::from_secs(10);

fn same(sent: &Batch, received: Vec<Batch>) {
    let merged = Batch::merge(received);
    match sent.signal() {
        Signal::Traces => assert_eq!(sent.traces().unwrap(), merged.traces().unwrap()),
        Signal::Metrics => assert_eq!(sent.metrics().unwrap(), merged.metrics().unwrap()),
        Signal::Logs => assert_eq!(sent.logs().unwrap(), merged.logs().unwrap()),
    }
}

#[tokio::test]
async fn three_signals_arrive_equal_over_grpc_and_http() {
    let (grpc_sink, http_sink, loki) = (OtlpGrpcSink::start(), OtlpHttpSink::start(), FakeLoki::start());
    let port = free_port();
    let all = "receivers: [otlp], exporters: [otlp, otlphttp";
    let mut running = Running::start(&format!(
        "receivers:\n  otlp: {{protocols: {{grpc: {{endpoint: '127.0.0.1:{port}'}}}}}}\n\
         exporters:\n  otlp: {{endpoint: '{grpc}', tls: {{insecure: true}}}}\n  otlphttp: {{endpoint: '{http}'}}\n  \
         loki: {{endpoint: '{loki}'}}\n\
         service:\n  pipelines:\n    traces: {{{all}]}}\n    metrics: {{{all}]}}\n    logs: {{{all}, loki]}}\n  \
         telemetry: {{metrics: {{level: none}}}}\n",
        grpc = grpc_sink.addr(),
        http = http_sink.url(),
        loki = loki.url(),
    ))
    .await
    .unwrap();
    let client = client(port);
    for batch in [samples::spans(120), samples::points(70), samples::records(30)] {
        let (before_grpc, before_http) = (grpc_sink.batches().len(), http_sink.batches().len());
        client.call(path(batch.signal()), batch.wire_chunks(), WAIT).await.unwrap();
        let total = |batches: &[Batch]| batches.iter().map(Batch::items).sum::<usize>();
        grpc_sink.wait_for_items(total(&grpc_sink.batches()[..before_grpc]) + batch.items()).await;
        http_sink.wait_for_items(total(&http_sink.batches()[..before_http]) + batch.items()).await;
        same(&batch, grpc_sink.batches().split_off(before_grpc));
        same(&batch, http_sink.batches().split_off(before_http));
    }
    loki.wait_for_entries(30).await;
    assert_eq!(loki.entries().len(), 30);
    running.collector.shutdown().await;
}

#[tokio::test]
async fn a_hostile_client_costs_a_good_one_nothing() {
    let sink = OtlpGrpcSink::start();
    let port = free_port();
    let mut running = Running::start(&format!(
        "receivers:\n  otlp: {{protocols: {{grpc: {{endpoint: '127.0.0.1:{port}'}}}}}}\n\
         processors:\n  batch: {{timeout: 100ms, send_batch_size: 100000}}\n\
         exporters:\n  otlp: {{endpoint: '{}', tls: {{insecure: true}}}}\n\
         service:\n  pipelines: {{traces: {{receivers: [otlp], processors: [batch], exporters: [otlp]}}}}\n  \
         telemetry: {{metrics: {{level: none}}}}\n",
        sink.addr()
    ))
    .await
    .unwrap();
    let (good, bad) = (client(port), client(port));
    let batch = samples::spans(50);
    let wire = batch.to_wire();
    let mut sent = 0;
    for cut in (0..wire.len()).step_by(wire.len() / 40 + 1) {
        let mut damaged = wire.to_vec();
        damaged[cut] ^= 0xff;
        damaged.truncate(wire.len() - cut % 7);
        let refused = bad.call(path(Signal::Traces), vec![Bytes::from(damaged)], WAIT).await;
        if let Err(status) = refused {
            assert_eq!(status.code, Code::InvalidArgument, "{status:?}");
        } else {
            sent += 50;
        }
        good.call(path(Signal::Traces), batch.wire_chunks(), WAIT).await.unwrap();
        sent += 50;
    }
    running.collector.shutdown().await;
    let arrived: usize = sink.batches().iter().map(Batch::items).sum();
    assert!(arrived >= sent - 50 * 2 && arrived <= sent, "{arrived} of {sent}");
    let good = batch.traces().unwrap()[0];
    let whole = sink
        .batches()
        .iter()
        .flat_map(|batch| batch.clone().into_traces().unwrap())
        .filter(|r| r == good)
        .count();
    assert!(whole >= 40, "{whole}");
}
