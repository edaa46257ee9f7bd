use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::channel::Channel;
use crate::config::{
    ClientTls, GrpcClientConfig, GrpcServerConfig, GrpcServerKeepalive, KeepaliveServerParameters,
};
use crate::dial::Address;
use crate::testing::{self, Budget, ECHO, Echo, PATIENCE};
use crate::{Code, Compression, Event, GrpcClient, Listener, Status};

fn plain(address: &str) -> GrpcClientConfig {
    GrpcClientConfig {
        endpoint: address.to_owned(),
        tls: ClientTls { insecure: true, ..ClientTls::default() },
        ..GrpcClientConfig::default()
    }
}

fn client(address: &str) -> GrpcClient {
    GrpcClient::new(&plain(address)).unwrap()
}

async fn echo(client: &GrpcClient, text: &'static str) -> Result<Bytes, Status> {
    client.call(ECHO, vec![Bytes::from_static(text.as_bytes())], PATIENCE).await
}

#[tokio::test]
async fn a_message_comes_back_whatever_its_size_and_pieces() {
    let service = Arc::new(Echo::default());
    let server = testing::grpc(&GrpcServerConfig::default(), &service);
    let client = client(&server.address);
    for size in [0, 1, 100, 16_383, 16_384, 300_000, 4 * 1024 * 1024] {
        let whole: Vec<u8> = (0..size).map(|i| (i % 251) as u8).collect();
        let pieces: Vec<Bytes> = whole.chunks(70_001).map(Bytes::copy_from_slice).collect();
        let reply = client.call(ECHO, pieces, PATIENCE).await.unwrap();
        assert_eq!(reply, whole, "{size} bytes");
    }
    assert_eq!(service.reasons(), [""; 0]);
    server.stop().await;
}

#[tokio::test]
async fn every_compression_of_grpc_arrives() {
    let service = Arc::new(Echo::default());
    let server = testing::grpc(&GrpcServerConfig::default(), &service);
    for compression in
        [Compression::None, Compression::Gzip, Compression::Zstd, Compression::Snappy, Compression::Deflate]
    {
        let client = GrpcClient::new(&GrpcClientConfig { compression, ..plain(&server.address) }).unwrap();
        let reply = client.call(ECHO, vec![Bytes::from(vec![b'x'; 100_000])], PATIENCE).await.unwrap();
        assert_eq!(reply, vec![b'x'; 100_000], "{compression}");
    }
    for compression in [Compression::Lz4, Compression::Zlib] {
        let refused =
            GrpcClient::new(&GrpcClientConfig { compression, ..plain(&server.address) }).err().unwrap();
        assert_eq!(refused.to_string(), format!("unsupported compression type \"{compression}\" for gRPC"));
    }
    server.stop().await;
}

#[tokio::test]
async fn a_message_above_the_limit_is_resource_exhausted_before_and_after_decompression() {
    let service = Arc::new(Echo::default());
    let config = GrpcServerConfig { max_recv_msg_size_mib: 1, ..GrpcServerConfig::default() };
    let server = testing::grpc(&config, &service);
    let large = vec![Bytes::from(vec![0; 1024 * 1024 + 1])];
    let status = client(&server.address).call(ECHO, large.clone(), PATIENCE).await.unwrap_err();
    assert_eq!(status.code, Code::ResourceExhausted);
    assert_eq!(status.message, "grpc: received message larger than max (1048577 vs. 1048576)");
    assert!(!status.is_retryable());
    for compression in [Compression::Gzip, Compression::Zstd, Compression::Snappy, Compression::Deflate] {
        let client = GrpcClient::new(&GrpcClientConfig { compression, ..plain(&server.address) }).unwrap();
        let status = client.call(ECHO, large.clone(), PATIENCE).await.unwrap_err();
        assert_eq!(status.code, Code::ResourceExhausted, "{compression}");
        assert_eq!(status.message, "grpc: message after decompression larger than max (1048576)");
    }
    assert_eq!(service.reasons(), ["too_large"; 5]);
    server.stop().await;
}

#[tokio::test]
async fn unknown_methods_are_unimplemented() {
    let service = Arc::new(Echo::default());
    let server = testing::grpc(&GrpcServerConfig::default(), &service);
    let client = client(&server.address);
    for (path, message) in [
        ("/test.Echo/Missing", "unknown method Missing for service test.Echo"),
        ("/other.Thing/Echo", "unknown method Echo for service other.Thing"),
        ("/nothing", "malformed method name: \"/nothing\""),
    ] {
        let status = client.call(path, vec![], PATIENCE).await.unwrap_err();
        assert_eq!((status.code.number(), status.message.as_str()), (12, message));
    }
    assert_eq!(service.reasons(), ["unknown_path"; 3]);
    server.stop().await;
}

#[tokio::test]
async fn a_failure_carries_code_text_and_retry_delay() {
    let server = testing::grpc(&GrpcServerConfig::default(), &Arc::new(Echo::default()));
    let status = client(&server.address).call("/test.Echo/Fail", vec![], PATIENCE).await.unwrap_err();
    assert_eq!(status, Status::resource_exhausted("später, 100 %").retry_after(Duration::from_millis(1500)));
    server.stop().await;
}

#[tokio::test]
async fn a_panic_of_the_service_is_internal_and_the_connection_goes_on() {
    let service = Arc::new(Echo::default());
    let server = testing::grpc(&GrpcServerConfig::default(), &service);
    let client = client(&server.address);
    let status = client.call("/test.Echo/Panic", vec![], PATIENCE).await.unwrap_err();
    assert_eq!(status, Status::internal("the server failed while handling the call"));
    assert_eq!(echo(&client, "on").await.unwrap(), "on");
    assert_eq!(*service.events.lock().unwrap(), [Event::Panicked("as asked".to_owned())]);
    server.stop().await;
}

#[tokio::test]
async fn the_deadline_of_a_call_holds_on_both_sides() {
    let service = Arc::new(Echo { gate: Some(Arc::new(Semaphore::new(0))), ..Echo::default() });
    let server = testing::grpc(&GrpcServerConfig::default(), &service);
    let status = client(&server.address).call(ECHO, vec![], Duration::from_millis(50)).await.unwrap_err();
    assert_eq!(status.code, Code::DeadlineExceeded);
    server.stop().await;
}

#[tokio::test]
async fn headers_and_address_of_the_caller_are_seen_when_asked_for() {
    let service = Arc::new(Echo::default());
    let config = GrpcServerConfig { include_metadata: true, ..GrpcServerConfig::default() };
    let server = testing::grpc(&config, &service);
    let headers = testing::headers("x-scope-orgid: dialer");
    let client = GrpcClient::new(&GrpcClientConfig { headers, ..plain(&server.address) }).unwrap();
    echo(&client, "x").await.unwrap();
    let peer = service.seen.lock().unwrap().pop().unwrap();
    assert_eq!(peer.address.unwrap().ip().to_string(), "127.0.0.1");
    assert_eq!(peer.client.unwrap().metadata.get("X-Scope-OrgID"), ["dialer"]);
    server.stop().await;
}

#[tokio::test]
async fn many_calls_share_one_connection() {
    let gate = Arc::new(Semaphore::new(0));
    let service = Arc::new(Echo { gate: Some(Arc::clone(&gate)), ..Echo::default() });
    let server = testing::grpc(&GrpcServerConfig::default(), &service);
    let client = client(&server.address);
    let calls = (0..200).map(|_| echo(&client, "x"));
    let all = futures_util::future::join_all(calls);
    let release = async {
        // All 200 are in progress together before the first may end.
        while service.seen.lock().unwrap().len() < 200 {
            service.entered.notified().await;
        }
        gate.add_permits(200);
    };
    let (replies, ()) = tokio::join!(all, release);
    assert!(replies.iter().all(|r| r.as_ref().is_ok_and(|r| r == "x")));
    let callers: Vec<_> = service.seen.lock().unwrap().iter().map(|peer| peer.address).collect();
    assert!(callers.iter().all(|address| *address == callers[0]), "one connection");
    server.stop().await;
}

#[tokio::test]
async fn a_stopping_server_finishes_the_call_in_progress_and_takes_no_other() {
    let gate = Arc::new(Semaphore::new(0));
    let service = Arc::new(Echo { gate: Some(Arc::clone(&gate)), ..Echo::default() });
    let server = testing::grpc(&GrpcServerConfig::default(), &service);
    let client = client(&server.address);
    let address = server.address.clone();
    let stopping = async {
        service.entered.notified().await;
        server.stop.cancel();
        // The listener is closed once a connection is refused.
        while TcpStream::connect(&address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        gate.add_permits(1);
        server.task.await.unwrap();
    };
    let (reply, ()) = tokio::join!(echo(&client, "in flight"), stopping);
    assert_eq!(reply.unwrap(), "in flight");
    let status = echo(&client, "late").await.unwrap_err();
    assert_eq!(status.code, Code::Unavailable);
    assert_eq!(status.message, format!("connection error: dial tcp {address}: connect: connection refused"));
}

#[tokio::test(start_paused = true)]
async fn calls_that_a_stop_does_not_wait_for_are_told_to_come_again() {
    let service = Arc::new(Echo { gate: Some(Arc::new(Semaphore::new(0))), ..Echo::default() });
    let server = testing::grpc(&GrpcServerConfig::default(), &service);
    let client = client(&server.address);
    let stopping = async {
        while service.seen.lock().unwrap().len() < 2 {
            tokio::task::yield_now().await;
        }
        let begin = tokio::time::Instant::now();
        server.stop.cancel();
        server.task.await.unwrap();
        begin.elapsed().as_secs()
    };
    let (one, two, took) = tokio::join!(echo(&client, "one"), echo(&client, "two"), stopping);
    let told = Status::unavailable("the server is stopping").retry_after(Duration::from_secs(1));
    assert_eq!((one.unwrap_err(), two.unwrap_err()), (told.clone(), told));
    assert_eq!(took, crate::DRAIN_GRACE.as_secs());
    assert_eq!(*service.events.lock().unwrap(), [Event::Stopping, Event::Stopping]);
}

#[tokio::test]
async fn a_client_comes_back_when_its_server_does() {
    let service = Arc::new(Echo::default());
    let listener = Listener::bind("127.0.0.1:0").unwrap();
    let kept = listener.try_clone().unwrap();
    let first = testing::grpc_on(listener, &GrpcServerConfig::default(), &service, None);
    let client =
        GrpcClient::new(&GrpcClientConfig { wait_for_ready: true, ..plain(&first.address) }).unwrap();
    assert_eq!(echo(&client, "one").await.unwrap(), "one");
    first.stop().await;
    let second = testing::grpc_on(kept, &GrpcServerConfig::default(), &service, None);
    assert_eq!(echo(&client, "two").await.unwrap(), "two");
    second.stop().await;
}

#[tokio::test]
async fn a_connection_that_is_gone_holds_no_memory() {
    let server = testing::grpc(&GrpcServerConfig::default(), &Arc::new(Echo::default()));
    let channel = Channel::new(Address::of_grpc(&server.address).unwrap(), None, &plain(&server.address));
    let link = Arc::downgrade(&channel.link().await.unwrap());
    assert_eq!(link.strong_count(), 1);
    server.stop().await;
    while link.strong_count() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_client_that_waits_for_a_server_gets_through_when_it_starts() {
    let address = Listener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let client = GrpcClient::new(&GrpcClientConfig { wait_for_ready: true, ..plain(&address) }).unwrap();
    let failing = GrpcClient::new(&plain(&address)).unwrap();
    let service = Arc::new(Echo::default());
    let starting = async {
        assert_eq!(echo(&failing, "x").await.unwrap_err().code, Code::Unavailable);
        testing::grpc_on(Listener::bind(&address).unwrap(), &GrpcServerConfig::default(), &service, None)
    };
    let (reply, server) = tokio::join!(echo(&client, "patient"), starting);
    assert_eq!(reply.unwrap(), "patient");
    server.stop().await;
}

/// A client of a server that is away, after so many attempts that it waits long before the next one.
async fn tired_client(config: GrpcClientConfig) -> GrpcClient {
    let client = GrpcClient::new(&config).unwrap();
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(60) {
        assert_eq!(echo(&client, "x").await.unwrap_err().code, Code::Unavailable);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    client
}

#[tokio::test(start_paused = true)]
async fn a_client_in_a_hurry_does_not_wait_long_before_it_connects_again() {
    let free = || Listener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let address = free();
    let client = tired_client(plain(&address)).await;
    tokio::time::resume();
    let server = testing::grpc_on(
        Listener::bind(&address).unwrap(),
        &GrpcServerConfig::default(),
        &Arc::new(Echo::default()),
        None,
    );
    assert_eq!(echo(&client, "x").await.unwrap_err().code, Code::Unavailable, "its time has not come");
    client.hurry();
    tokio::time::sleep(Duration::from_millis(250)).await;
    assert_eq!(echo(&client, "x").await.unwrap(), "x");
    server.stop().await;
}

#[tokio::test]
async fn memory_is_admitted_before_a_message_is_read_and_given_back_after() {
    let budget = Arc::new(Budget::new(1000));
    let service = Arc::new(Echo::default());
    let listener = Listener::bind("127.0.0.1:0").unwrap();
    let server =
        testing::grpc_on(listener, &GrpcServerConfig::default(), &service, Some(Arc::clone(&budget) as _));
    let client = client(&server.address);
    let call = |n: usize| client.call(ECHO, vec![Bytes::from(vec![0; n])], PATIENCE);
    assert_eq!(call(1000).await.unwrap().len(), 1000);
    let status = call(1001).await.unwrap_err();
    assert_eq!(status, Status::unavailable("no memory for 1001 bytes").retry_after(Duration::from_secs(1)));
    assert_eq!(call(1000).await.unwrap().len(), 1000);
    assert_eq!((budget.asked.load(Ordering::SeqCst), budget.used.load(Ordering::SeqCst)), (3001, 0));
    assert_eq!(service.reasons(), ["not_admitted"]);
    server.stop().await;
}

#[tokio::test]
async fn decompression_is_admitted_before_it_begins() {
    // The compressed message is held already. A small one is admitted at what is usual, a bomb at the cap.
    for (budget, message, refused) in [
        (64 * 1024, vec![b'x'; 10], Some(64 * 1024)),
        (2 * 1024 * 1024, vec![0; 1024 * 1024], Some(4 * 1024 * 1024)),
        (5 * 1024 * 1024, vec![0; 1024 * 1024], None),
    ] {
        let budget = Arc::new(Budget::new(budget));
        let service = Arc::new(Echo::default());
        let listener = Listener::bind("127.0.0.1:0").unwrap();
        let config = GrpcServerConfig::default();
        let server = testing::grpc_on(listener, &config, &service, Some(Arc::clone(&budget) as _));
        let packing = GrpcClientConfig { compression: Compression::Gzip, ..plain(&server.address) };
        let client = GrpcClient::new(&packing).unwrap();
        let answer = client.call(ECHO, vec![Bytes::from(message.clone())], PATIENCE).await;
        let want = refused.map_or(Ok(Bytes::from(message)), |n| Err(format!("no memory for {n} bytes")));
        assert_eq!(answer.map_err(|status| status.message), want);
        assert_eq!(budget.used.load(Ordering::SeqCst), 0);
        server.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_says_nothing_is_cut() {
    let service = Arc::new(Echo::default());
    let server = testing::grpc(&GrpcServerConfig::default(), &service);
    let mut socket = TcpStream::connect(&server.address).await.unwrap();
    socket.write_all(b"PRI * HTTP/2.0\r\n").await.unwrap();
    let mut sink = Vec::new();
    let _ = socket.read_to_end(&mut sink).await;
    assert_eq!(*service.events.lock().unwrap(), [Event::TooSlow("no HTTP/2 preface")]);
    server.stop().await;
}

#[tokio::test]
async fn what_is_no_http2_is_reported_and_the_server_goes_on() {
    let service = Arc::new(Echo::default());
    let server = testing::grpc(&GrpcServerConfig::default(), &service);
    let mut socket = TcpStream::connect(&server.address).await.unwrap();
    socket.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let _ = socket.read_to_end(&mut Vec::new()).await;
    assert_eq!(service.reasons(), ["connection_failed"]);
    assert_eq!(echo(&client(&server.address), "on").await.unwrap(), "on");
    server.stop().await;
}

/// What an h2 client without gRPC's manners sends, and the answer's status and grpc-status.
async fn raw(address: &str, request: http::Request<()>, body: &'static [u8]) -> (u16, Option<String>) {
    let socket = TcpStream::connect(address).await.unwrap();
    let (sender, connection) = h2::client::handshake(socket).await.unwrap();
    let driver = tokio::runtime::Handle::current().spawn(connection);
    let (response, mut stream) = sender.ready().await.unwrap().send_request(request, false).unwrap();
    stream.send_data(Bytes::from_static(body), true).unwrap();
    let response = response.await.unwrap();
    driver.abort();
    let grpc = response.headers().get("grpc-status").map(|v| v.to_str().unwrap().to_owned());
    (response.status().as_u16(), grpc)
}

fn request(method: &str, content_type: &str) -> http::request::Builder {
    http::Request::builder()
        .method(method)
        .uri(format!("http://x{ECHO}"))
        .header("content-type", content_type)
}

#[tokio::test]
async fn calls_that_break_the_protocol_are_answered_as_it_says() {
    let service = Arc::new(Echo::default());
    let server = testing::grpc(&GrpcServerConfig::default(), &service);
    let address = &server.address;
    let grpc = |n: u8| (200, Some(n.to_string()));
    let post = || request("POST", "application/grpc");
    let ok: &[u8] = b"\0\0\0\0\x01x";
    assert_eq!(raw(address, request("GET", "application/grpc").body(()).unwrap(), ok).await, (405, None));
    assert_eq!(raw(address, request("POST", "text/plain").body(()).unwrap(), ok).await, (415, None));
    assert_eq!(raw(address, request("POST", "application/grpcx").body(()).unwrap(), ok).await, (415, None));
    assert_eq!(raw(address, post().body(()).unwrap(), b"").await, grpc(13), "no message");
    assert_eq!(raw(address, post().body(()).unwrap(), b"\0\0\0\0\x05abc").await, grpc(13), "cut short");
    assert_eq!(raw(address, post().body(()).unwrap(), b"\0\0\0\0\x01xy").await, grpc(13), "more than one");
    assert_eq!(
        raw(address, post().body(()).unwrap(), b"\x01\0\0\0\x01x").await,
        grpc(13),
        "flag without encoding"
    );
    let unknown = post().header("grpc-encoding", "br").body(()).unwrap();
    assert_eq!(raw(address, unknown, ok).await, grpc(12));
    let corrupt = post().header("grpc-encoding", "gzip").body(()).unwrap();
    assert_eq!(raw(address, corrupt, b"\x01\0\0\0\x03abc").await, grpc(13));
    let reasons = ["malformed"; 6].into_iter().chain(["malformed", "unknown_encoding", "corrupt"]);
    assert_eq!(service.reasons(), reasons.collect::<Vec<_>>());
    server.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_that_stalls_is_given_up_with_its_memory() {
    let budget = Arc::new(Budget::new(1_000_000));
    let service = Arc::new(Echo::default());
    let listener = Listener::bind("127.0.0.1:0").unwrap();
    let server =
        testing::grpc_on(listener, &GrpcServerConfig::default(), &service, Some(Arc::clone(&budget) as _));
    let socket = TcpStream::connect(&server.address).await.unwrap();
    let (sender, connection) = h2::client::handshake(socket).await.unwrap();
    let _driver = tokio::runtime::Handle::current().spawn(connection);
    let request = request("POST", "application/grpc").body(()).unwrap();
    let (response, mut stream) = sender.ready().await.unwrap().send_request(request, false).unwrap();
    stream.send_data(Bytes::from_static(b"\0\0\x0f\0\0half"), false).unwrap();
    let response = response.await.unwrap();
    assert_eq!(response.headers()["grpc-status"], "4");
    assert_eq!(*service.events.lock().unwrap(), [Event::TooSlow("a message stalled")]);
    assert_eq!((budget.asked.load(Ordering::SeqCst), budget.used.load(Ordering::SeqCst)), (983_040, 0));
}

#[tokio::test(start_paused = true)]
async fn idle_and_old_connections_are_closed_and_clients_do_not_notice() {
    for parameters in [
        KeepaliveServerParameters {
            max_connection_idle: otelcol_confmap::GoDuration::from_secs(10),
            ..KeepaliveServerParameters::default()
        },
        KeepaliveServerParameters {
            max_connection_age: otelcol_confmap::GoDuration::from_secs(10),
            ..KeepaliveServerParameters::default()
        },
    ] {
        let service = Arc::new(Echo::default());
        let keepalive = GrpcServerKeepalive { server_parameters: Some(parameters), enforcement_policy: None };
        let config = GrpcServerConfig { keepalive: Some(keepalive), ..GrpcServerConfig::default() };
        let server = testing::grpc(&config, &service);
        let client = client(&server.address);
        assert_eq!(echo(&client, "one").await.unwrap(), "one");
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert_eq!(echo(&client, "two").await.unwrap(), "two");
        let seen = service.seen.lock().unwrap();
        assert_ne!(seen[0].address, seen[1].address, "a new connection");
        assert_eq!(service.reasons(), [""; 0]);
    }
}

#[tokio::test]
async fn a_unix_socket_serves_too() {
    let dir = tempfile::tempdir().unwrap();
    let endpoint = format!("unix://{}", dir.path().join("grpc.sock").display());
    let service = Arc::new(Echo::default());
    let server =
        testing::grpc_on(Listener::bind(&endpoint).unwrap(), &GrpcServerConfig::default(), &service, None);
    assert_eq!(echo(&client(&endpoint), "local").await.unwrap(), "local");
    assert_eq!(service.seen.lock().unwrap()[0].address, None);
    server.stop().await;
}

#[tokio::test]
async fn settings_that_can_not_work_are_refused_at_once() {
    let refused = |config: GrpcClientConfig| GrpcClient::new(&config).err().unwrap().to_string();
    assert_eq!(
        refused(GrpcClientConfig { balancer_name: "weighted".to_owned(), ..plain("a:1") }),
        "invalid balancer_name: weighted, expected round_robin or pick_first"
    );
}

#[tokio::test]
async fn a_client_that_takes_its_calls_back_too_fast_is_cut() {
    let service = Arc::new(Echo { gate: Some(Arc::new(Semaphore::new(0))), ..Echo::default() });
    let server = testing::grpc(&GrpcServerConfig::default(), &service);
    let socket = TcpStream::connect(&server.address).await.unwrap();
    let (mut sender, connection) = h2::client::handshake(socket).await.unwrap();
    let driver = tokio::runtime::Handle::current().spawn(connection);
    let sent = AtomicUsize::new(0);
    let flood = async {
        loop {
            let Ok(ready) = sender.clone().ready().await else { break };
            sender = ready;
            let request = request("POST", "application/grpc").body(()).unwrap();
            let Ok((response, mut stream)) = sender.send_request(request, false) else { break };
            stream.send_reset(h2::Reason::CANCEL);
            drop(response);
            sent.fetch_add(1, Ordering::Relaxed);
            if sent.load(Ordering::Relaxed).is_multiple_of(100) {
                // Lets the connection write: with one thread, nothing else would.
                tokio::task::yield_now().await;
            }
        }
    };
    tokio::time::timeout(PATIENCE, flood).await.expect("the server ends the connection");
    let error = driver.await.unwrap().unwrap_err();
    assert_eq!(error.reason(), Some(h2::Reason::ENHANCE_YOUR_CALM), "after {sent:?}: {error}");
    server.stop().await;
}
