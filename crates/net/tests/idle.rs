//! Ten thousand connections that say nothing. Alone in its process, so that its memory is theirs; the other ends are in
//! a process of their own, as both would not fit below a limit of 20,000 descriptors.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::StatusCode;
use otelcol_net::config::HttpServerConfig;
use otelcol_net::{Event, HttpRequest, HttpResponse, HttpService, Listener, MAX_CONNECTIONS, serve_http};
use tokio_util::sync::CancellationToken;

/// Set for the process that connects: where to.
const PEER: &str = "OTELCOL_TEST_IDLE_PEER";

#[derive(Default)]
struct Page {
    over_limit: AtomicUsize,
}

impl HttpService for Page {
    fn call(&self, _: HttpRequest) -> BoxFuture<'_, HttpResponse> {
        Box::pin(async { HttpResponse::text(StatusCode::OK, "served") })
    }

    fn event(&self, event: &Event) {
        if *event == Event::ConnectionLimit {
            self.over_limit.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// Resident memory in KiB.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// The process that connects: opens as many as it may, one of them good, and then one more.
fn peer(address: &str) {
    let mut good = TcpStream::connect(address).unwrap();
    let mut idle: Vec<TcpStream> =
        (1..MAX_CONNECTIONS).map(|_| TcpStream::connect(address).unwrap()).collect();
    let mut one_more = TcpStream::connect(address).unwrap();
    one_more.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let closed = one_more.read(&mut [0]).unwrap_or(0) == 0;
    println!("open {} closed {closed}", idle.len());
    good.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    good.read_to_string(&mut answer).unwrap();
    println!("good {}", answer.ends_with("served"));
    // What the good one left is free again; a few more go so that nobody has to be quick.
    idle.truncate(MAX_CONNECTIONS / 2);
    let again = (0..100).any(|_| {
        let mut socket = TcpStream::connect(address).unwrap();
        let mut answer = String::new();
        let asked = socket.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        asked.is_ok() && socket.read_to_string(&mut answer).is_ok() && answer.ends_with("served")
    });
    println!("again {again}");
}

#[test]
fn ten_thousand_idle_connections_cost_little_and_good_ones_are_served() {
    if let Ok(address) = std::env::var(PEER) {
        return peer(&address);
    }
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let descriptors = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let soft: usize = descriptors.split_whitespace().nth(3).unwrap().parse().unwrap_or(usize::MAX);
    if soft < MAX_CONNECTIONS + 100 {
        assert!(
            std::env::var_os("CI").is_none(),
            "ulimit -n is {soft}, needed are {}",
            MAX_CONNECTIONS + 100
        );
        println!("skipped: ulimit -n is {soft}, needed are {}", MAX_CONNECTIONS + 100);
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let _entered = runtime.enter();
    let listener = Listener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let page = Arc::new(Page::default());
    // What says nothing is not cut while a busy machine still connects.
    let config = HttpServerConfig {
        read_header_timeout: otelcol_confmap::GoDuration::from_secs(600),
        ..HttpServerConfig::default()
    };
    let (stop, service) = (CancellationToken::new(), Arc::clone(&page) as _);
    let server = serve_http(listener, &config, service, None, None, stop.clone()).unwrap();
    runtime.spawn(server);

    let before = resident();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "ten_thousand_idle_connections_cost_little_and_good_ones_are_served",
            "--nocapture",
        ])
        .env(PEER, &address)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let open = lines.find(|line| line.contains("open ")).unwrap();
    assert!(open.ends_with(&format!("open {} closed true", MAX_CONNECTIONS - 1)), "{open}");
    let grown = resident().saturating_sub(before);
    let each = grown * 1024 / MAX_CONNECTIONS;
    assert!(each < 32 * 1024, "{each} bytes of memory for each connection, expected below 32 KiB");
    assert_eq!(lines.find(|line| line.contains("good ")).as_deref(), Some("good true"));
    assert!(page.over_limit.load(Ordering::SeqCst) >= 1);
    assert_eq!(lines.find(|line| line.contains("again ")).as_deref(), Some("again true"));
    assert!(child.wait().unwrap().success());
    println!("{each} bytes of memory for each idle connection");
    stop.cancel();
}
