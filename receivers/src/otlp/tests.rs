use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use otelcol_confmap::Resolver;
use otelcol_net::config::{ClientTls, GrpcClientConfig, HttpClientConfig};
use otelcol_net::{Code, Compression, GrpcClient, HttpClient, HttpReply, LocalAddr, Status, compress};
use otelcol_pdata::{Batch, Signal, json};
use otelcol_pipeline::{
    Component, ComponentConfig, ComponentId, ConsumeError, Context, Host, Kind, Memory, Outputs, Shared,
};
use otelcol_testkit::{Answer, LogCapture, Sink, samples};
use tokio::time::Instant;

use super::config::grpc_server;
use super::{Config, Otlp};

const TRACES: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
const METRICS: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";
const LOGS: &str = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";
const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";
const TIMEOUT: Duration = Duration::from_secs(20);

fn config(yaml: &str) -> Result<Config, Vec<String>> {
    let root = Resolver::new(vec![format!("yaml:{yaml}")], Vec::new()).resolve().unwrap().root;
    let texts = |errors: Vec<otelcol_confmap::ConfigError>| {
        errors.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let config: Config = root.decode("receivers::otlp").map_err(texts)?;
    let issues: Vec<String> = config.validate().into_iter().map(|issue| issue.message).collect();
    if issues.is_empty() { Ok(config) } else { Err(issues) }
}

const BOTH: &str = "protocols: {grpc: {endpoint: '127.0.0.1:0'}, http: {endpoint: '127.0.0.1:0'}}";

struct Bench {
    sink: Arc<Sink>,
    otlp: Otlp,
    addresses: Vec<(&'static str, SocketAddr)>,
}

async fn bench(yaml: &str) -> Bench {
    let sink = Sink::new();
    let outputs = Outputs::to(&sink.consumer());
    start(yaml, sink, outputs, &Shared::default()).await
}

async fn start(yaml: &str, sink: Arc<Sink>, outputs: Outputs, shared: &Shared) -> Bench {
    let context = Context::new(shared, Kind::Receiver, ComponentId::new("otlp"), "");
    start_in(context, yaml, sink, outputs).await
}

async fn start_in(context: Context, yaml: &str, sink: Arc<Sink>, outputs: Outputs) -> Bench {
    let otlp = Otlp { context, config: config(yaml).unwrap(), outputs, sockets: Default::default() };
    otlp.start(&Host::default()).await.unwrap();
    let address = |addr: LocalAddr| match addr {
        LocalAddr::Tcp(addr) => addr,
        LocalAddr::Unix(path) => panic!("{}", path.display()),
    };
    let addresses = otlp
        .sockets
        .lock()
        .unwrap()
        .iter()
        .map(|(protocol, socket)| (*protocol, address(socket.listener.local_addr().unwrap())))
        .collect();
    Bench { sink, otlp, addresses }
}

impl Bench {
    fn addr(&self, protocol: &str) -> SocketAddr {
        self.addresses.iter().find(|(name, _)| *name == protocol).unwrap().1
    }

    fn grpc(&self, compression: Compression) -> GrpcClient {
        grpc_client(self.addr("grpc"), compression)
    }

    async fn post(&self, path: &str, content_type: &'static str, body: impl Into<Bytes>) -> HttpReply {
        self.post_with(Compression::None, path, content_type, body).await
    }

    async fn post_with(
        &self,
        compression: Compression,
        path: &str,
        content_type: &'static str,
        body: impl Into<Bytes>,
    ) -> HttpReply {
        self.post_by(&http_client(compression), path, content_type, body).await
    }

    async fn post_by(
        &self,
        client: &HttpClient,
        path: &str,
        content_type: &'static str,
        body: impl Into<Bytes>,
    ) -> HttpReply {
        let url = format!("http://{}{path}", self.addr("http"));
        client.post(&url, HeaderMap::new(), vec![body.into()], content_type, TIMEOUT).await.unwrap()
    }

    fn metric(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let mut all = vec![("receiver", "otlp")];
        all.extend_from_slice(labels);
        self.otlp.context.telemetry.value(name, &all)
    }

    fn rejected(&self, transport: &str, reason: &str) -> Option<f64> {
        self.metric("otelcol_receiver_rejected_requests", &[("transport", transport), ("reason", reason)])
    }

    async fn stop(&self) {
        self.otlp.shutdown(Instant::now() + TIMEOUT).await.unwrap();
    }
}

fn grpc_client(address: SocketAddr, compression: Compression) -> GrpcClient {
    let tls = ClientTls { insecure: true, ..ClientTls::default() };
    let config = GrpcClientConfig { endpoint: address.to_string(), compression, tls, ..Default::default() };
    GrpcClient::new(&config).unwrap()
}

fn http_client(compression: Compression) -> HttpClient {
    HttpClient::new(&HttpClientConfig { compression, ..Default::default() }).unwrap()
}

fn sample(signal: Signal) -> Batch {
    match signal {
        Signal::Traces => samples::spans(3),
        Signal::Metrics => samples::points(3),
        Signal::Logs => samples::records(3),
    }
}

fn text(reply: &HttpReply) -> (u16, String, String) {
    let content_type = reply.headers.get("content-type").map_or("", |value| value.to_str().unwrap());
    (reply.status.as_u16(), content_type.to_owned(), String::from_utf8_lossy(&reply.body).into_owned())
}

#[test]
fn the_settings_are_otelcols() {
    let both = config("protocols: {grpc: , http: }").unwrap();
    assert_eq!(grpc_server(&both.protocols.grpc.unwrap()).endpoint, "localhost:4317");
    let http = both.protocols.http.unwrap();
    assert_eq!(http.endpoint, "localhost:4318");
    assert_eq!(http.paths().map(|(path, _)| path), ["/v1/traces", "/v1/metrics", "/v1/logs"]);
    assert!(config("protocols: {grpc: }").unwrap().protocols.http.is_none());
    for nothing in ["{}", "protocols: ", "protocols: {}"] {
        assert_eq!(
            config(nothing).unwrap_err(),
            ["must specify at least one protocol when using the OTLP receiver"],
            "{nothing}"
        );
    }
    assert!(config("protocols: {http: {traces_path: /x}}").unwrap_err()[0].contains("traces_path"));
}

#[tokio::test]
async fn grpc_takes_the_three_signals() {
    let bench = bench(BOTH).await;
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd, Compression::Snappy] {
        let client = bench.grpc(compression);
        for (path, signal) in [(TRACES, Signal::Traces), (METRICS, Signal::Metrics), (LOGS, Signal::Logs)] {
            let sent = sample(signal).to_wire();
            assert_eq!(client.call(path, vec![sent.clone()], TIMEOUT).await.unwrap(), Bytes::new());
            let got = bench.sink.take();
            assert_eq!((got.len(), got[0].signal(), got[0].to_wire()), (1, signal, sent), "{compression:?}");
        }
    }
    for name in ["spans", "metric_points", "log_records"] {
        let name = format!("otelcol_receiver_accepted_{name}");
        assert_eq!(bench.metric(&name, &[("transport", "grpc")]), Some(12.0));
    }
    bench.stop().await;
}

#[tokio::test]
async fn http_takes_the_three_signals_in_both_encodings() {
    let bench = bench(BOTH).await;
    let encodings = [
        Compression::None,
        Compression::Gzip,
        Compression::Zstd,
        Compression::Snappy,
        Compression::Deflate,
        Compression::Lz4,
    ];
    for compression in encodings {
        let client = http_client(compression);
        for signal in Signal::ALL {
            let sent = sample(signal);
            let path = format!("/v1/{signal}");
            let reply = bench.post_by(&client, &path, PROTOBUF, sent.to_wire()).await;
            assert_eq!(text(&reply), (200, PROTOBUF.to_owned(), String::new()), "{compression:?}");
            let reply = bench.post_by(&client, &path, JSON, json::to_json(&sent).unwrap()).await;
            assert_eq!(text(&reply), (200, JSON.to_owned(), r#"{"partialSuccess":{}}"#.to_owned()));
            let got = bench.sink.take();
            assert_eq!(got.len(), 2);
            assert_eq!((got[0].signal(), got[0].to_wire()), (signal, sent.to_wire()));
            // JSON writes the empty status of a span, as otelcol does.
            assert_eq!(json::to_json(&got[1]).unwrap(), json::to_json(&sent).unwrap());
        }
    }
    assert_eq!(bench.metric("otelcol_receiver_accepted_spans", &[("transport", "http")]), Some(36.0));
    bench.stop().await;
}

#[tokio::test]
async fn an_empty_request_is_a_success_that_no_pipeline_sees() {
    let bench = bench(BOTH).await;
    let no_spans = samples::spans(0).to_wire();
    for body in [Bytes::new(), no_spans] {
        bench.grpc(Compression::None).call(TRACES, vec![body.clone()], TIMEOUT).await.unwrap();
        assert_eq!(bench.post("/v1/traces", PROTOBUF, body).await.status, 200);
    }
    assert_eq!(bench.post("/v1/traces", "application/json; charset=utf-8", "{}").await.status, 200);
    assert_eq!(bench.sink.attempts(), 0);
    bench.stop().await;
}

#[tokio::test]
async fn a_signal_without_a_pipeline_is_unknown() {
    let bench = start(BOTH, Sink::new(), Outputs::default(), &Shared::default()).await;
    let client = bench.grpc(Compression::None);
    let status = client.call(LOGS, vec![sample(Signal::Logs).to_wire()], TIMEOUT).await.unwrap_err();
    let message = "unknown service opentelemetry.proto.collector.logs.v1.LogsService";
    assert_eq!(status, Status::new(Code::Unimplemented, message));
    let reply = bench.post("/v1/logs", JSON, "{}").await;
    assert_eq!(
        text(&reply),
        (404, "text/plain; charset=utf-8".to_owned(), "404 page not found\n".to_owned())
    );
    assert_eq!(bench.rejected("grpc", "no_pipeline"), Some(1.0));
    assert_eq!(bench.rejected("http", "no_pipeline"), Some(1.0));
    bench.stop().await;
}

#[tokio::test]
async fn the_answers_of_the_pipeline_become_otelcols_codes() {
    let bench = bench(BOTH).await;
    let after = Some(Duration::from_millis(2_500));
    let table = [
        (ConsumeError::permanent("bad"), Code::Internal, 500, "permanent error: bad", None),
        (ConsumeError::retryable("later", None), Code::Unavailable, 503, "later", None),
        (ConsumeError::retryable("later", after), Code::Unavailable, 503, "later", after),
        (
            ConsumeError::refused("data refused due to high memory usage", after),
            Code::Unavailable,
            503,
            "data refused due to high memory usage",
            after,
        ),
    ];
    for (error, code, http, message, after) in table {
        bench.sink.answer(Answer::Fail(error));
        let sent = sample(Signal::Traces).to_wire();
        let status =
            bench.grpc(Compression::None).call(TRACES, vec![sent.clone()], TIMEOUT).await.unwrap_err();
        assert_eq!(status, Status { code, message: message.to_owned(), retry_delay: after });

        let reply = bench.post("/v1/traces", PROTOBUF, sent).await;
        assert_eq!(
            (reply.status.as_u16(), reply.retry_after()),
            (http, after.map(|_| Duration::from_secs(3)))
        );
        assert_eq!(Status::from_protobuf(&reply.body), Some(status));

        let body = json::to_json(&sample(Signal::Traces)).unwrap();
        let reply = bench.post("/v1/traces", JSON, body).await;
        let details = after.map_or(
            "",
            |_| r#""details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"2.500s"}],"#,
        );
        let expected = format!(r#"{{"code":{},{details}"message":"{message}"}}"#, code.number());
        assert_eq!(text(&reply), (http, JSON.to_owned(), expected));
    }
    assert_eq!(bench.metric("otelcol_receiver_refused_spans", &[("transport", "grpc")]), Some(12.0));
    assert_eq!(bench.metric("otelcol_receiver_refused_spans", &[("transport", "http")]), Some(24.0));
    bench.stop().await;
}

#[tokio::test]
async fn without_memory_nothing_is_read_and_the_client_is_told_when_to_come_again() {
    let sink = Sink::new();
    let mut context = Context::detached(Kind::Receiver, "otlp");
    context.memory = Memory::from_fn(|| 990_000);
    let wait = Duration::from_millis(2_500);
    let limit = context.memory.limit(1_000_000, wait);
    let bench = start_in(context, BOTH, Arc::clone(&sink), Outputs::to(&sink.consumer())).await;
    let (small, large) = (samples::spans(3).to_wire(), samples::spans(1_000).to_wire());
    assert!(small.len() < 10_000 && large.len() > 10_000);
    let message = "data refused due to high memory usage".to_owned();
    let refused = Status { code: Code::Unavailable, message, retry_delay: Some(wait) };
    let call =
        async |body: &Bytes| bench.grpc(Compression::None).call(TRACES, vec![body.clone()], TIMEOUT).await;
    let post = async |body: &Bytes| bench.post("/v1/traces", PROTOBUF, body.clone()).await;

    assert_eq!(call(&large).await.unwrap_err(), refused);
    let reply = post(&large).await;
    assert_eq!((reply.status.as_u16(), reply.retry_after()), (503, Some(Duration::from_secs(3))));
    assert_eq!(Status::from_protobuf(&reply.body), Some(refused));
    assert_eq!(bench.rejected("grpc", "not_admitted"), Some(1.0));
    assert_eq!(bench.rejected("http", "not_admitted"), Some(1.0));

    call(&small).await.unwrap();
    assert_eq!(post(&small).await.status.as_u16(), 200);
    drop(limit);
    call(&large).await.unwrap();
    assert_eq!(post(&large).await.status.as_u16(), 200);
    assert_eq!(sink.items(), 2_006);
    bench.stop().await;
}

#[tokio::test]
async fn what_is_not_otlp_is_the_clients_fault() {
    let (logs, _capturing) = LogCapture::start();
    let bench = bench(BOTH).await;
    let body = Bytes::from_static(b"\x0a\x05xxx");
    for _ in 0..2 {
        let status =
            bench.grpc(Compression::None).call(TRACES, vec![body.clone()], TIMEOUT).await.unwrap_err();
        assert_eq!(status.code, Code::InvalidArgument);
        assert!(status.message.starts_with("invalid OTLP traces request: "), "{}", status.message);
    }
    let reply = bench.post("/v1/traces", PROTOBUF, body).await;
    let status = Status::from_protobuf(&reply.body).unwrap();
    assert_eq!((reply.status.as_u16(), status.code), (400, Code::InvalidArgument));
    let reply = bench.post("/v1/traces", JSON, r#"{"resourceSpans":["#).await;
    let (status, content_type, answer) = text(&reply);
    assert_eq!((status, content_type.as_str()), (400, JSON));
    assert!(answer.starts_with(r#"{"code":3,"message":"invalid OTLP/JSON traces request"#), "{answer}");
    assert_eq!(bench.rejected("grpc", "invalid"), Some(2.0));
    assert_eq!(bench.rejected("http", "invalid"), Some(2.0));
    assert_eq!(bench.sink.attempts(), 0);
    let told = logs
        .lines("WARN")
        .iter()
        .filter(|line| line.starts_with("rejected a request that is not OTLP"))
        .count();
    assert_eq!(told, 2, "once for each protocol");
    bench.stop().await;
}

#[tokio::test]
async fn other_requests_are_refused_in_otelcols_words() {
    let yaml = "protocols: {http: {endpoint: '127.0.0.1:0', traces_url_path: asterisk/spans?x}}";
    let bench = bench(yaml).await;
    let plain = |status: u16, body: &str| (status, "text/plain".to_owned(), body.to_owned());
    let wrong_type = "415 unsupported media type, supported: [application/json, application/x-protobuf]";
    assert_eq!(text(&bench.post("/asterisk/spans", "text/plain", "x").await), plain(415, wrong_type));
    let client = http_client(Compression::None);
    let url = format!("http://{}/asterisk/spans", bench.addr("http"));
    let reply = client.get(&url, TIMEOUT, 1000).await.unwrap();
    assert_eq!(text(&reply), plain(405, "405 method not allowed, supported: [POST]"));
    assert_eq!(bench.post("/v1/traces", PROTOBUF, "").await.status, 404);
    assert_eq!(bench.post("/asterisk/spans", PROTOBUF, sample(Signal::Traces).to_wire()).await.status, 200);
    for reason in ["content_type", "method", "unknown_path"] {
        assert_eq!(bench.rejected("http", reason), Some(1.0), "{reason}");
    }
    bench.stop().await;
}

#[tokio::test]
async fn what_is_too_large_is_refused_before_and_after_decompression() {
    let yaml = "protocols: {grpc: {endpoint: '127.0.0.1:0', max_recv_msg_size_mib: 1}, http: {endpoint: '127.0.0.1:0', max_request_body_size: 1000000}}";
    let bench = bench(yaml).await;
    let zeros = Bytes::from(vec![0; 2 * 1024 * 1024]);
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        let call = bench.grpc(compression).call(TRACES, vec![zeros.clone()], TIMEOUT).await;
        assert_eq!(call.unwrap_err().code, Code::ResourceExhausted, "{compression:?}");
        let reply = bench.post_with(compression, "/v1/traces", JSON, zeros.clone()).await;
        let (status, content_type, answer) = text(&reply);
        assert_eq!((status, content_type.as_str()), (413, JSON), "{compression:?}");
        assert!(answer.starts_with("{\"code\":"), "{answer}");
    }
    assert_eq!(bench.rejected("grpc", "too_large"), Some(3.0));
    assert_eq!(bench.rejected("http", "too_large"), Some(3.0));
    bench.stop().await;
}

/// Says what it has to say, then waits for the server to hang up or for its own patience to end.
fn hostile(address: SocketAddr, says: &[u8]) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let _ = stream.write_all(says);
    let _ = stream.read_to_end(&mut Vec::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_clients_cost_a_good_one_nothing() {
    let yaml = "protocols: {grpc: {endpoint: '127.0.0.1:0'}, http: {endpoint: '127.0.0.1:0', max_request_body_size: 1000000}}";
    let bench = bench(yaml).await;
    let bomb = compress(Compression::Gzip, 9, &[Bytes::from(vec![0; 8_000_000])]).unwrap();
    let head = format!("POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: {PROTOBUF}\r\n");
    let full = |headers: &str, body: &[u8]| [head.as_bytes(), headers.as_bytes(), b"\r\n", body].concat();
    let says: Vec<(SocketAddr, Vec<u8>)> = vec![
        (bench.addr("http"), b"\0\xff\r\n\r\nGET".to_vec()),
        (bench.addr("http"), full("content-length: 99999999999\r\n", b"x")),
        (bench.addr("http"), full("content-length: 1000\r\n", b"only this")),
        (bench.addr("http"), full("transfer-encoding: chunked\r\n", b"ffffffffff\r\n")),
        (
            bench.addr("http"),
            full(&format!("content-encoding: gzip\r\ncontent-length: {}\r\n", bomb.len()), &bomb),
        ),
        (bench.addr("http"), full("content-length: 3\r\n", b"\xff\xff\xff")),
        (bench.addr("grpc"), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\x04\x00".to_vec()),
        (bench.addr("grpc"), vec![0xff; 100_000]),
    ];
    let enemies: Vec<_> = says
        .into_iter()
        .map(|(address, says)| {
            std::thread::spawn(move || {
                for _ in 0..5 {
                    hostile(address, &says);
                }
            })
        })
        .collect();
    let client = bench.grpc(Compression::None);
    let http = http_client(Compression::None);
    let mut sent = Vec::new();
    let mut rounds = 0;
    while rounds < 50 || enemies.iter().any(|enemy| !enemy.is_finished()) {
        rounds += 1;
        let body = samples::spans(rounds % 20 + 1).to_wire();
        client.call(TRACES, vec![body.clone()], TIMEOUT).await.unwrap();
        sent.push(body.clone());
        assert_eq!(bench.post_by(&http, "/v1/traces", PROTOBUF, body.clone()).await.status, 200);
        sent.push(body);
    }
    enemies.into_iter().for_each(|enemy| enemy.join().unwrap());
    let got: Vec<Bytes> = bench.sink.batches().iter().map(Batch::to_wire).collect();
    assert_eq!(got, sent);
    bench.stop().await;
}

#[tokio::test]
async fn a_request_in_progress_is_finished_at_shutdown() {
    let bench = bench(BOTH).await;
    bench.sink.answer(Answer::Block);
    let client = bench.grpc(Compression::None);
    let call = client.call(TRACES, vec![sample(Signal::Traces).to_wire()], TIMEOUT);
    let release = async {
        bench.sink.wait_for_attempts(1).await;
        let stopped = bench.stop();
        tokio::pin!(stopped);
        // The server is told to stop before the pipeline answers.
        assert!(tokio::time::timeout(Duration::from_millis(10), &mut stopped).await.is_err());
        bench.sink.answer(Answer::Accept);
        stopped.await;
    };
    let (answer, ()) = tokio::join!(call, release);
    assert_eq!(answer.unwrap(), Bytes::new());
    assert_eq!(bench.sink.items(), 3);
}

#[tokio::test]
async fn the_next_instance_takes_the_sockets_over() {
    let shared = Shared::default();
    let sink = Sink::new();
    let outputs = Outputs::to(&sink.consumer());
    let first = start(BOTH, Arc::clone(&sink), outputs.clone(), &shared).await;
    first.stop().await;
    let second = start(BOTH, sink, outputs.clone(), &shared).await;
    assert_eq!(second.addresses, first.addresses);
    second
        .grpc(Compression::None)
        .call(TRACES, vec![sample(Signal::Traces).to_wire()], TIMEOUT)
        .await
        .unwrap();
    second.stop().await;
    let other = "protocols: {grpc: {endpoint: 'localhost:0'}}";
    let third = start(other, Sink::new(), outputs, &shared).await;
    assert_ne!(third.addr("grpc"), second.addr("grpc"));
    third.stop().await;
}

#[tokio::test]
async fn an_address_in_use_is_named() {
    let bench = bench(BOTH).await;
    let taken = bench.addr("http");
    let otlp = Otlp {
        context: Context::detached(Kind::Receiver, "otlp"),
        config: config(&format!("protocols: {{grpc: {{endpoint: '{taken}'}}}}")).unwrap(),
        outputs: Outputs::default(),
        sockets: Default::default(),
    };
    let error = otlp.start(&Host::default()).await.unwrap_err();
    assert_eq!(error.to_string(), format!("listen tcp {taken}: bind: address already in use"));
    bench.stop().await;
}
