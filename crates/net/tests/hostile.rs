//! What peers that mean harm can do to the servers, seen from outside: docs/security.md has the table.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderMap, StatusCode};
use otelcol_net::config::{
    ClientTls, GrpcClientConfig, GrpcServerConfig, HttpClientConfig, HttpServerConfig,
};
use otelcol_net::{
    Code, Compression, Event, GrpcClient, HttpClient, HttpRequest, HttpResponse, HttpService, Listener, Peer,
    Status, UnaryService, compress, serve_grpc, serve_http,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_util::sync::{CancellationToken, DropGuard};

const PATIENCE: Duration = Duration::from_secs(20);
const MIB: usize = 1024 * 1024;

/// Answers with the size of what it gets, and remembers what was refused.
#[derive(Default)]
struct Sizes {
    reasons: Mutex<Vec<&'static str>>,
}

impl UnaryService for Sizes {
    fn call<'a>(&'a self, _: &'a str, message: Bytes, _: &'a Peer) -> BoxFuture<'a, Result<Bytes, Status>> {
        Box::pin(async move { Ok(Bytes::from(message.len().to_string())) })
    }

    fn knows(&self, _: &str) -> bool {
        true
    }

    fn event(&self, event: &Event) {
        self.reasons.lock().unwrap().push(event.reason());
    }
}

impl HttpService for Sizes {
    fn call(&self, request: HttpRequest) -> BoxFuture<'_, HttpResponse> {
        Box::pin(async move { HttpResponse::text(StatusCode::OK, request.body.len().to_string()) })
    }

    fn event(&self, event: &Event) {
        self.reasons.lock().unwrap().push(event.reason());
    }
}

struct Server {
    address: String,
    service: Arc<Sizes>,
    _stop: DropGuard,
}

fn http(config: &HttpServerConfig) -> Server {
    let (service, stop) = (Arc::new(Sizes::default()), CancellationToken::new());
    let listener = Listener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = serve_http(listener, config, Arc::clone(&service) as _, None, None, stop.clone()).unwrap();
    tokio::runtime::Handle::current().spawn(server);
    Server { address, service, _stop: stop.drop_guard() }
}

fn grpc() -> Server {
    let (service, stop) = (Arc::new(Sizes::default()), CancellationToken::new());
    let listener = Listener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let config = GrpcServerConfig::default();
    let server = serve_grpc(listener, &config, Arc::clone(&service) as _, None, None, stop.clone()).unwrap();
    tokio::runtime::Handle::current().spawn(server);
    Server { address, service, _stop: stop.drop_guard() }
}

async fn post(server: &Server, encoding: &str, body: Bytes) -> (u16, String) {
    let client = HttpClient::new(&HttpClientConfig::default()).unwrap();
    let mut headers = HeaderMap::new();
    headers.insert("content-encoding", encoding.parse().unwrap());
    let url = format!("http://{}/", server.address);
    let reply = client.post(&url, headers, vec![body], "text/plain", PATIENCE).await.unwrap();
    (reply.status.as_u16(), String::from_utf8_lossy(&reply.body).into_owned())
}

#[tokio::test]
async fn a_bomb_in_any_encoding_is_refused_over_http_and_the_next_request_is_served() {
    let server = http(&HttpServerConfig { max_request_body_size: MIB, ..HttpServerConfig::default() });
    let zeros = vec![Bytes::from(vec![0; MIB]); 8];
    let mut refused = 0;
    for kind in Compression::ALL.into_iter().filter(|kind| *kind != Compression::None) {
        let bomb = compress(kind, 0, &zeros).unwrap();
        assert!(bomb.len() < MIB, "{kind}: {} bytes are 8 MiB", bomb.len());
        assert_eq!(post(&server, kind.name(), bomb).await.0, 413, "{kind}");
        refused += 1;
        let good = compress(kind, 0, &zeros[..1]).unwrap();
        assert_eq!(post(&server, kind.name(), good).await, (200, MIB.to_string()), "{kind}");
    }
    assert_eq!(*server.service.reasons.lock().unwrap(), vec!["too_large"; refused]);
}

#[tokio::test]
async fn a_bomb_in_any_encoding_is_refused_over_grpc_and_the_next_call_is_served() {
    let server = grpc();
    for compression in [Compression::Gzip, Compression::Zstd, Compression::Snappy, Compression::Deflate] {
        let client = GrpcClient::new(&GrpcClientConfig {
            endpoint: server.address.clone(),
            compression,
            tls: ClientTls { insecure: true, ..ClientTls::default() },
            ..GrpcClientConfig::default()
        })
        .unwrap();
        let zeros = vec![Bytes::from(vec![0; MIB]); 5];
        let bomb = client.call("/a.B/C", zeros.clone(), PATIENCE).await.unwrap_err();
        assert_eq!(bomb.code, Code::ResourceExhausted, "{compression}: {bomb}");
        let good = client.call("/a.B/C", zeros[..1].to_vec(), PATIENCE).await.unwrap();
        assert_eq!(good, MIB.to_string(), "{compression}");
    }
    assert_eq!(*server.service.reasons.lock().unwrap(), ["too_large"; 4]);
}

async fn raw(address: &str, request: &[u8]) -> String {
    let mut socket = TcpStream::connect(address).await.unwrap();
    // The server may have answered and closed before it has all of it.
    let _ = socket.write_all(request).await;
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, socket.read_to_end(&mut answer)).await.expect("an end");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn headers_beyond_the_limits_are_refused() {
    let server = http(&HttpServerConfig::default());
    let long = format!("GET / HTTP/1.1\r\nHost: x\r\nX-Long: {}\r\n\r\n", "a".repeat(70 * 1024));
    assert!(raw(&server.address, long.as_bytes()).await.starts_with("HTTP/1.1 431 "));
    let many: String = (0..101).map(|n| format!("X-{n}: a\r\n")).collect();
    let many = format!("GET / HTTP/1.1\r\nHost: x\r\n{many}\r\n");
    assert!(raw(&server.address, many.as_bytes()).await.starts_with("HTTP/1.1 431 "));
    assert_eq!(post(&server, "identity", Bytes::from_static(b"good")).await, (200, "4".to_owned()));

    let server = grpc();
    let socket = TcpStream::connect(&server.address).await.unwrap();
    let (sender, connection) = h2::client::handshake(socket).await.unwrap();
    let driver = tokio::runtime::Handle::current().spawn(connection);
    let request = http::Request::post("http://x/a.B/C").header("content-type", "application/grpc");
    let request = request.header("x-long", "a".repeat(17 * 1024)).body(()).unwrap();
    let answer = match sender.ready().await.unwrap().send_request(request, true) {
        Ok((response, _)) => response.await.map(|response| response.status().as_u16()),
        Err(error) => Err(error),
    };
    assert!(!matches!(answer, Ok(200)), "{answer:?}");
    driver.abort();
}

#[tokio::test]
async fn an_http_client_that_takes_its_requests_back_too_fast_is_cut() {
    let server = http(&HttpServerConfig::default());
    let socket = TcpStream::connect(&server.address).await.unwrap();
    let (mut sender, connection) = h2::client::handshake(socket).await.unwrap();
    let driver = tokio::runtime::Handle::current().spawn(connection);
    let mut sent = 0_usize;
    let flood = async {
        while let Ok(ready) = sender.clone().ready().await {
            sender = ready;
            let request = http::Request::post("http://x/").body(()).unwrap();
            let Ok((_, mut stream)) = sender.send_request(request, false) else { break };
            stream.send_reset(h2::Reason::CANCEL);
            sent += 1;
            if sent.is_multiple_of(100) {
                // Lets the connection write: with one thread, nothing else would.
                tokio::task::yield_now().await;
            }
        }
    };
    tokio::time::timeout(PATIENCE, flood).await.expect("the server ends the connection");
    let error = driver.await.unwrap().unwrap_err();
    assert_eq!(error.reason(), Some(h2::Reason::ENHANCE_YOUR_CALM), "after {sent}: {error}");
}

#[tokio::test]
async fn a_body_that_trickles_is_cut_at_write_timeout() {
    let config = HttpServerConfig {
        write_timeout: otelcol_confmap::GoDuration::from_millis(300),
        ..HttpServerConfig::default()
    };
    let server = http(&config);
    let mut socket = TcpStream::connect(&server.address).await.unwrap();
    socket.write_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n").await.unwrap();
    let trickle = async {
        while socket.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, trickle).await.expect("the server ends the connection");
    assert_eq!(*server.service.reasons.lock().unwrap(), ["too_slow"]);
}
