//! The Go collector 0.161: each compression that it speaks, both ways, over gRPC and HTTP.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use otelcol_net::config::{ClientTls, CompressionParams, GrpcClientConfig, HttpClientConfig};
use otelcol_net::{Compression, GrpcClient, HttpClient};
use otelcol_testkit::{OtlpGrpcSink, OtlpHttpSink, samples};
use otelcol_tests::{eventually, free_port};

const WAIT: Duration = Duration::from_secs(20);

/// The process, which ends with this.
struct Go(Child);

impl Drop for Go {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const HTTP: [(&str, i32); 10] = [
    ("gzip", 0),
    ("gzip", 9),
    ("zstd", 0),
    ("zstd", 11),
    ("snappy", 0),
    ("x-snappy-framed", 0),
    ("deflate", 1),
    ("zlib", -1),
    ("lz4", 0),
    ("none", 0),
];
const GRPC: [&str; 4] = ["gzip", "zstd", "snappy", "none"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_go_collector_and_we_read_each_others_compression() {
    if !super::set_up("../../benches/peers/build.sh", &["collector"]) {
        return;
    }
    let cache = std::env::var_os("XDG_CACHE_HOME").map_or_else(
        || std::path::PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache"),
        Into::into,
    );
    let program =
        std::env::var_os("PEERS_HOME").map_or_else(|| cache.join("otelcol-asterisk-peers"), Into::into);
    let program = program.join("bin/otelcol161");
    let (http_sinks, grpc_sinks) = (HTTP.map(|_| OtlpHttpSink::start()), GRPC.map(|_| OtlpGrpcSink::start()));
    let (http, grpc) = (free_port(), free_port());
    let mut exporters = String::new();
    let mut names = Vec::new();
    for ((compression, level), sink) in HTTP.iter().zip(&http_sinks) {
        let name = format!("otlphttp/{compression}{}", level.unsigned_abs());
        let params =
            if *level == 0 { String::new() } else { format!(", compression_params: {{level: {level}}}") };
        exporters +=
            &format!("  {name}: {{endpoint: '{}', compression: {compression}{params}}}\n", sink.url());
        names.push(name);
    }
    for (compression, sink) in GRPC.iter().zip(&grpc_sinks) {
        let name = format!("otlp/{compression}");
        exporters += &format!(
            "  {name}: {{endpoint: '{}', compression: {compression}, tls: {{insecure: true}}}}\n",
            sink.addr()
        );
        names.push(name);
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.yaml");
    let yaml = format!(
        "receivers: {{otlp: {{protocols: {{grpc: {{endpoint: '127.0.0.1:{grpc}'}}, http: {{endpoint: '127.0.0.1:{http}'}}}}}}}}\n\
         exporters:\n{exporters}\
         service:\n  telemetry: {{metrics: {{level: none}}}}\n  pipelines: {{traces: {{receivers: [otlp], exporters: [{}]}}}}\n",
        names.join(", ")
    );
    std::fs::write(&file, yaml).unwrap();
    let log = std::fs::File::create(dir.path().join("log")).unwrap();
    let mut command = Command::new(program);
    command.arg("--config").arg(&file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    let _go = Go(command.spawn().unwrap());
    eventually(|| async {
        let open = tokio::net::TcpStream::connect(("127.0.0.1", http)).await.is_ok()
            && tokio::net::TcpStream::connect(("127.0.0.1", grpc)).await.is_ok();
        let log = || std::fs::read_to_string(dir.path().join("log")).unwrap_or_default();
        if open { Ok(()) } else { Err(log()) }
    })
    .await;

    let spans = samples::spans(300);
    for (compression, level) in HTTP {
        let client = HttpClient::new(&HttpClientConfig {
            compression: Compression::from_name(compression).unwrap(),
            compression_params: CompressionParams { level },
            ..HttpClientConfig::default()
        })
        .unwrap();
        let url = format!("http://127.0.0.1:{http}/v1/traces");
        let (headers, body) = (Default::default(), spans.wire_chunks());
        let reply = client.post(&url, headers, body, "application/x-protobuf", WAIT).await.unwrap();
        assert_eq!(reply.status, 200, "{compression}: {:?}", reply.body);
    }
    for compression in GRPC {
        let client = GrpcClient::new(&GrpcClientConfig {
            endpoint: format!("127.0.0.1:{grpc}"),
            compression: Compression::from_name(compression).unwrap(),
            tls: ClientTls { insecure: true, ..ClientTls::default() },
            ..GrpcClientConfig::default()
        })
        .unwrap();
        let path = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
        client.call(path, spans.wire_chunks(), WAIT).await.unwrap_or_else(|e| panic!("{compression}: {e}"));
    }
    let items = spans.items() * (HTTP.len() + GRPC.len());
    for sink in &http_sinks {
        sink.wait_for_items(items).await;
        for batch in sink.batches() {
            assert_eq!(batch.traces().unwrap(), spans.traces().unwrap());
        }
    }
    for sink in &grpc_sinks {
        sink.wait_for_items(items).await;
        for batch in sink.batches() {
            assert_eq!(batch.traces().unwrap(), spans.traces().unwrap());
        }
    }
}
