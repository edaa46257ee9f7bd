use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use crate::config::{HttpClientConfig, HttpServerConfig};
use crate::testing::{self, Budget, Echo, PATIENCE, section};
use crate::{Compression, Event, HttpClient, HttpReply, compress};

const OCTETS: &str = "application/octet-stream";

fn client() -> HttpClient {
    HttpClient::new(&HttpClientConfig::default()).unwrap()
}

async fn post(url: &str, encoding: Option<&str>, body: impl Into<Bytes>) -> HttpReply {
    let mut headers = HeaderMap::new();
    if let Some(encoding) = encoding {
        headers.insert("content-encoding", HeaderValue::from_str(encoding).unwrap());
    }
    client().post(url, headers, vec![body.into()], OCTETS, PATIENCE).await.unwrap()
}

/// What the server writes to a client that sends this and then waits.
async fn raw(address: &str, request: &str) -> String {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn a_body_comes_back_whatever_its_size_and_pieces() {
    let service = Arc::new(Echo::default());
    let server = testing::http(&HttpServerConfig::default(), &service);
    let client = client();
    for size in [0, 1, 16_384, 65_536] {
        let whole: Vec<u8> = (0..size).map(|i| (i % 251) as u8).collect();
        let pieces: Vec<Bytes> = whole.chunks(7_001).map(Bytes::copy_from_slice).collect();
        let reply = client.post(&server.url("/x"), HeaderMap::new(), pieces, OCTETS, PATIENCE).await.unwrap();
        assert_eq!((reply.status, reply.truncated), (StatusCode::OK, false));
        assert_eq!(reply.body, whole, "{size} bytes");
    }
    assert_eq!(service.reasons(), [""; 0]);
    server.stop().await;
}

#[tokio::test]
async fn method_path_and_query_arrive_as_sent() {
    let server = testing::http(&HttpServerConfig::default(), &Arc::new(Echo::default()));
    let reply = client().get(&server.url("/head?a=%20b"), PATIENCE, 1000).await.unwrap();
    assert_eq!(reply.body, "GET /head Some(\"a=%20b\")");
    server.stop().await;
}

#[tokio::test]
async fn every_compression_arrives() {
    let service = Arc::new(Echo::default());
    let server = testing::http(&HttpServerConfig::default(), &service);
    for compression in Compression::ALL {
        let client =
            HttpClient::new(&HttpClientConfig { compression, ..HttpClientConfig::default() }).unwrap();
        let body = vec![Bytes::from(vec![b'x'; 30_000]), Bytes::from(vec![b'y'; 30_000])];
        let reply =
            client.post(&server.url("/x"), HeaderMap::new(), body.clone(), OCTETS, PATIENCE).await.unwrap();
        assert_eq!(reply.body, body.concat(), "{compression}");
    }
    server.stop().await;
}

#[tokio::test]
async fn bodies_that_can_not_be_taken_get_the_code_that_says_why() {
    let service = Arc::new(Echo::default());
    let config = HttpServerConfig { max_request_body_size: 1000, ..HttpServerConfig::default() };
    let server = testing::http(&config, &service);
    let url = server.url("/x");
    let too_large = "request body is larger than the limit of 1000 bytes";
    let of = |reply: HttpReply| (reply.status.as_u16(), String::from_utf8(reply.body.to_vec()).unwrap());
    assert_eq!(of(post(&url, None, vec![0; 1001]).await), (413, too_large.to_owned()));
    for compression in Compression::ALL.into_iter().skip(1) {
        let bomb = compress(compression, 0, &[Bytes::from(vec![0; 1001])]).unwrap();
        assert!(bomb.len() < 1000, "what is sent is within the limit");
        assert_eq!(
            of(post(&url, Some(compression.name()), bomb).await),
            (413, too_large.to_owned()),
            "{compression}"
        );
    }
    let unknown = "unsupported Content-Encoding: br".to_owned();
    assert_eq!(of(post(&url, Some("br"), "x").await), (415, unknown));
    let (status, text) = of(post(&url, Some("gzip"), "no gzip").await);
    assert_eq!((status, text.starts_with("invalid gzip data: ")), (400, true), "{text}");
    let mut expected = vec!["too_large"; 8];
    expected.extend(["unknown_encoding", "corrupt"]);
    assert_eq!(service.reasons(), expected);
    server.stop().await;
}

#[tokio::test]
async fn a_chunked_body_is_cut_at_the_limit_too() {
    let service = Arc::new(Echo::default());
    let config = HttpServerConfig { max_request_body_size: 10, ..HttpServerConfig::default() };
    let server = testing::http(&config, &service);
    let chunked = "POST /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
    let answer = raw(&server.address, &format!("{chunked}6\r\nabcdef\r\n6\r\nghijkl\r\n0\r\n\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    let answer = raw(&server.address, &format!("{chunked}6\r\nabcdef\r\n4\r\nghij\r\n0\r\n\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("abcdefghij"), "{answer}");
    server.stop().await;
}

#[tokio::test]
async fn only_the_listed_encodings_are_taken() {
    let config = section::<HttpServerConfig>("compression_algorithms: [zstd]").unwrap();
    let server = testing::http(&config, &Arc::new(Echo::default()));
    let packed = |kind| compress(kind, 0, &[Bytes::from_static(b"x")]).unwrap();
    assert_eq!(post(&server.url("/x"), Some("gzip"), packed(Compression::Gzip)).await.status, 415);
    assert_eq!(post(&server.url("/x"), Some("zstd"), packed(Compression::Zstd)).await.body, "x");
    server.stop().await;
}

#[tokio::test]
async fn memory_is_admitted_before_a_body_is_read_and_the_refusal_says_when_to_come_back() {
    let budget = Arc::new(Budget::new(1000));
    let service = Arc::new(Echo::default());
    let server =
        testing::http_admitted(&HttpServerConfig::default(), &service, Some(Arc::clone(&budget) as _));
    let reply = post(&server.url("/x"), None, vec![0; 1001]).await;
    assert_eq!((reply.status.as_u16(), reply.retry_after()), (503, Some(Duration::from_secs(1))));
    assert_eq!(reply.body, "no memory for 1001 bytes");
    assert_eq!(post(&server.url("/x"), None, vec![0; 1000]).await.status, 200);
    assert_eq!((budget.asked.load(Ordering::SeqCst), budget.used.load(Ordering::SeqCst)), (2001, 0));
    assert_eq!(service.reasons(), ["not_admitted"]);
    server.stop().await;
}

#[tokio::test]
async fn http2_without_tls_is_spoken_on_the_same_port() {
    let service = Arc::new(Echo::default());
    let server = testing::http(&HttpServerConfig::default(), &service);
    let socket = TcpStream::connect(&server.address).await.unwrap();
    let (sender, connection) = h2::client::handshake(socket).await.unwrap();
    let _driver = tokio::runtime::Handle::current().spawn(connection);
    let request = http::Request::post("http://x/y").body(()).unwrap();
    let (response, mut stream) = sender.ready().await.unwrap().send_request(request, false).unwrap();
    stream.send_data(Bytes::from_static(b"two"), true).unwrap();
    let mut response = response.await.unwrap();
    assert_eq!(response.body_mut().data().await.unwrap().unwrap(), "two");
}

#[tokio::test]
async fn a_panic_of_the_service_is_an_internal_error() {
    let service = Arc::new(Echo::default());
    let server = testing::http(&HttpServerConfig::default(), &service);
    assert_eq!(post(&server.url("/panic"), None, "x").await.status, 500);
    assert_eq!(service.reasons(), ["panicked"]);
    assert_eq!(post(&server.url("/x"), None, "on").await.body, "on");
    server.stop().await;
}

#[tokio::test(start_paused = true)]
async fn slow_headers_and_idle_connections_are_cut() {
    let service = Arc::new(Echo::default());
    let config = section("read_header_timeout: 5s\nidle_timeout: 7s").unwrap();
    let server = testing::http(&config, &service);
    let begin = tokio::time::Instant::now();
    assert_eq!(raw(&server.address, "POST /x HTTP/1.1\r\nHost: ").await, "");
    assert_eq!(begin.elapsed().as_secs(), 5, "headers that do not end");
    let begin = tokio::time::Instant::now();
    assert_eq!(raw(&server.address, "").await, "");
    assert_eq!(begin.elapsed().as_secs(), 5, "no first byte");
}

#[tokio::test(start_paused = true)]
async fn a_connection_waits_for_its_next_request_as_long_as_idle_timeout_says() {
    let config = section("read_header_timeout: 50s\nkeepalive: {idle_timeout: 7s}").unwrap();
    let server = testing::http(&config, &Arc::new(Echo::default()));
    let begin = tokio::time::Instant::now();
    let answer = raw(&server.address, "GET /head HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(answer.ends_with("GET /head None"), "{answer}");
    assert_eq!(begin.elapsed().as_secs(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stalls_is_given_up_with_its_memory() {
    let budget = Arc::new(Budget::new(1_000_000));
    let service = Arc::new(Echo::default());
    let server = testing::http_admitted(
        &section("write_timeout: 0s").unwrap(),
        &service,
        Some(Arc::clone(&budget) as _),
    );
    let answer =
        raw(&server.address, "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf").await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert_eq!(*service.events.lock().unwrap(), [Event::TooSlow("a body stalled")]);
    assert_eq!((budget.asked.load(Ordering::SeqCst), budget.used.load(Ordering::SeqCst)), (1000, 0));
}

#[tokio::test(start_paused = true)]
async fn a_response_that_takes_longer_than_write_timeout_is_cut() {
    let service = Arc::new(Echo { gate: Some(Arc::new(Semaphore::new(0))), ..Echo::default() });
    let server = testing::http(&section("write_timeout: 3s").unwrap(), &service);
    let begin = tokio::time::Instant::now();
    assert_eq!(raw(&server.address, "GET /head HTTP/1.1\r\nHost: x\r\n\r\n").await, "");
    assert_eq!(begin.elapsed().as_secs(), 3);
    assert_eq!(*service.events.lock().unwrap(), [Event::TooSlow("response took longer than write_timeout")]);
}

#[tokio::test]
async fn a_stopping_server_finishes_the_request_in_progress() {
    let gate = Arc::new(Semaphore::new(0));
    let service = Arc::new(Echo { gate: Some(Arc::clone(&gate)), ..Echo::default() });
    let server = testing::http(&HttpServerConfig::default(), &service);
    let url = server.url("/x");
    let stopping = async {
        service.entered.notified().await;
        server.stop.cancel();
        while TcpStream::connect(&server.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        gate.add_permits(1);
        server.task.await.unwrap();
    };
    let (reply, ()) = tokio::join!(post(&url, None, "in flight"), stopping);
    assert_eq!(reply.body, "in flight");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_a_stop_does_not_wait_for_is_told_to_come_again() {
    let heads = [
        "GET /x HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf",
    ];
    for head in heads {
        let service = Arc::new(Echo { gate: Some(Arc::new(Semaphore::new(0))), ..Echo::default() });
        let server = testing::http(&HttpServerConfig::default(), &service);
        let mut socket = TcpStream::connect(&server.address).await.unwrap();
        socket.write_all(head.as_bytes()).await.unwrap();
        if head.starts_with("GET") {
            service.entered.notified().await;
        } else {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let begin = tokio::time::Instant::now();
        server.stop.cancel();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        assert_eq!(begin.elapsed().as_secs(), crate::DRAIN_GRACE.as_secs());
        assert!(answer.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{answer}");
        assert!(
            answer.contains("retry-after: 1\r\n") && answer.contains("connection: close\r\n"),
            "{answer}"
        );
        assert!(answer.ends_with("\r\n\r\nthe server is stopping"), "{answer}");
        server.task.await.unwrap();
        assert_eq!(*service.events.lock().unwrap(), [Event::Stopping]);
    }
}

#[tokio::test]
async fn keep_alive_can_be_switched_off_and_headers_added() {
    let config = section("keepalive: {enabled: false}\nresponse_headers: {x-server: ours}").unwrap();
    let server = testing::http(&config, &Arc::new(Echo::default()));
    let answer = raw(&server.address, "GET /head HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(
        answer.contains("\r\nx-server: ours\r\n") && answer.contains("\r\nconnection: close\r\n"),
        "{answer}"
    );
    server.stop().await;
}

#[tokio::test]
async fn browsers_of_allowed_origins_may_call() {
    let config = section(
        "cors: {allowed_origins: ['https://*.example.org'], allowed_headers: [x-token], max_age: 60}",
    );
    let server = testing::http(&config.unwrap(), &Arc::new(Echo::default()));
    let ask = |origin: &str, headers: &str| {
        format!(
            "OPTIONS /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\nOrigin: {origin}\r\n\
             Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: {headers}\r\n\r\n"
        )
    };
    let yes = raw(&server.address, &ask("https://a.example.org", "content-type, X-Token")).await;
    assert!(yes.starts_with("HTTP/1.1 204 "), "{yes}");
    for line in [
        "access-control-allow-origin: https://a.example.org",
        "access-control-allow-methods: POST",
        "access-control-allow-headers: content-type, X-Token",
        "access-control-max-age: 60",
    ] {
        assert!(yes.contains(&format!("\r\n{line}\r\n")), "{line} in {yes}");
    }
    for (origin, headers) in [("https://example.com", "content-type"), ("https://a.example.org", "x-other")] {
        let no = raw(&server.address, &ask(origin, headers)).await;
        assert!(no.starts_with("HTTP/1.1 204 ") && !no.contains("allow-origin"), "{no}");
    }
    let real = "GET /head HTTP/1.1\r\nHost: x\r\nConnection: close\r\nOrigin: https://a.example.org\r\n\r\n";
    let real = raw(&server.address, real).await;
    assert!(real.contains("\r\naccess-control-allow-origin: https://a.example.org\r\n"), "{real}");
    server.stop().await;
}
