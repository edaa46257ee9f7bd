//! Against servers that are broken or mean harm: no panic, no memory that grows, no loop that does not wait.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::ami::config::Auth;

const BANNER: &[u8] = b"Asterisk Call Manager/11.0.0\r\n";
const ACCEPTED: &[u8] = b"Response: Success\r\nMessage: Authentication accepted\r\n\r\n";

/// Does the same to each connection.
struct Server {
    addr: SocketAddr,
    connections: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn server<F: Future<Output = ()> + Send + 'static>(
    treat: impl Fn(TcpStream) -> F + Send + 'static,
) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    #[expect(clippy::disallowed_methods, reason = "a fake is no component")]
    let task = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::Relaxed);
            treat(stream).await;
        }
    });
    Server { addr, connections, task }
}

/// The answer to the action behind a plain login, which is CoreSettings: events are heard from there on.
const KNOWN: &[u8] = b"Response: Success\r\nActionID: otelcol-asterisk-2\r\n\r\n";

/// Takes a connection up to where it is logged in.
async fn logged_in(stream: &mut TcpStream) {
    let mut buffer = [0; 1024];
    let _ = stream.write_all(BANNER).await;
    let _ = stream.read(&mut buffer).await; // the login
    let _ = stream.write_all(ACCEPTED).await;
}

fn quick(endpoint: SocketAddr) -> Config {
    let mut config = Config { auth: Auth::Plain, ..config(&endpoint.to_string()) };
    config.timeouts.login = short();
    config.keepalive.interval = short();
    config.keepalive.timeout = short();
    config
}

/// Runs a link against a server until it failed three times for the reason. On a busy machine it can fail for another one in
/// between; what counts is that it connects once a failure.
async fn fails(server: &Server, config: &Config, reason: &str) -> Running {
    let link = Running::start(config, &[List::Channels]);
    link.wait_for_failures(reason, 3).await;
    link.stop().await;
    let connections = server.connections.load(Ordering::Relaxed) as u64;
    let failures: u64 = Failure::REASONS.iter().map(|reason| link.failures(reason)).sum();
    assert!(connections <= failures + 1, "{connections} connections for {failures} failures");
    link
}

#[tokio::test]
async fn no_banner() {
    let server = server(|mut stream| async move {
        let _ = stream.read(&mut [0; 1024]).await; // until the link gives up
    })
    .await;
    fails(&server, &quick(server.addr), "timeout").await;
}

#[tokio::test]
async fn another_protocol() {
    let server = server(|mut stream| async move {
        let _ = stream.write_all(b"220 mail.example.org ESMTP\r\n").await;
    })
    .await;
    fails(&server, &quick(server.addr), "no_manager").await;
}

#[tokio::test]
async fn an_endless_banner() {
    let server =
        server(|mut stream| async move { while stream.write_all(&[b'x'; 4096]).await.is_ok() {} }).await;
    fails(&server, &quick(server.addr), "no_manager").await;
}

#[tokio::test]
async fn tls_garbage_where_plain_text_is_expected_and_the_other_way_round() {
    let server = server(|mut stream| async move {
        let _ = stream.write_all(&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3, 0xff, b'\r', b'\n']).await;
        let _ = stream.read(&mut [0; 1024]).await;
    })
    .await;
    fails(&server, &quick(server.addr), "no_manager").await;

    let plain = self::server(|mut stream| async move {
        let _ = stream.write_all(BANNER).await;
        let _ = stream.read(&mut [0; 1024]).await;
    })
    .await;
    let tls = Some(otelcol_net::config::ClientTls { insecure_skip_verify: true, ..Default::default() });
    fails(&plain, &Config { tls, ..quick(plain.addr) }, "connect").await;
}

#[tokio::test]
async fn closed_after_each_login() {
    let server = server(|mut stream| async move { logged_in(&mut stream).await }).await;
    fails(&server, &quick(server.addr), "lost").await;
}

#[tokio::test]
async fn an_endless_line() {
    let server = server(|mut stream| async move {
        logged_in(&mut stream).await;
        while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
    })
    .await;
    let mut config = quick(server.addr);
    config.limits.event_bytes = 10_000;
    let link = fails(&server, &config, "no_manager").await;
    assert!(link.value("otelcol_ami_dropped_events", &[("reason", "endless")]) >= 3);
}

#[tokio::test]
async fn lines_without_a_carriage_return() {
    let server = server(|mut stream| async move {
        logged_in(&mut stream).await;
        while stream.write_all(b"Event: Hangup\nUniqueid: 1.0\n\n").await.is_ok() {}
    })
    .await;
    let mut config = quick(server.addr);
    config.limits.event_bytes = 10_000;
    let link = fails(&server, &config, "no_manager").await;
    assert!(!link.lines().iter().any(|line| line.starts_with("event")), "{:?}", link.lines());
}

#[tokio::test]
async fn a_hundred_thousand_headers() {
    let server = server(|mut stream| async move {
        logged_in(&mut stream).await;
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.write_all(KNOWN).await;
        let mut event = b"Event: VarSet\r\n".to_vec();
        event.extend(b"Variable: x\r\n".repeat(100_000));
        event.extend(b"\r\nEvent: Hangup\r\n\r\n");
        let _ = stream.write_all(&event).await;
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.read(&mut [0; 4096]).await;
    })
    .await;
    let config = Config { auth: Auth::Plain, ..config(&server.addr.to_string()) };
    let link = Running::start(&config, &[]);
    link.wait_for("event Hangup").await;
    link.stop().await;
    assert_eq!(link.value("otelcol_ami_dropped_events", &[("reason", "too_many_headers")]), 1);
    assert_eq!(link.lines().iter().filter(|line| line.starts_with("event")).count(), 1);
}

#[tokio::test]
async fn half_an_event_then_silence() {
    let server = server(|mut stream| async move {
        logged_in(&mut stream).await;
        let _ = stream.write_all(b"Event: Newchannel\r\nUniqueid: 1.").await;
        while stream.read(&mut [0; 4096]).await.is_ok_and(|bytes| bytes > 0) {}
    })
    .await;
    fails(&server, &quick(server.addr), "silent").await;
}

#[tokio::test]
async fn a_slow_trickle_is_no_sign_of_life() {
    let server = server(|mut stream| async move {
        logged_in(&mut stream).await;
        let mut tick = tokio::time::interval(Duration::from_millis(1));
        while stream.write_all(b"x").await.is_ok() {
            tick.tick().await;
        }
    })
    .await;
    fails(&server, &quick(server.addr), "silent").await;
}

#[tokio::test]
async fn a_reset_in_the_middle() {
    let server = server(|mut stream| async move {
        logged_in(&mut stream).await;
        let _ = stream.write_all(b"Event: Newchannel\r\nUniqueid: 1.").await;
        let _ = socket_linger(&stream);
    })
    .await;
    fails(&server, &quick(server.addr), "lost").await;
}

#[tokio::test]
async fn what_was_said_before_a_reset_is_heard() {
    const EVENTS: usize = 1500;
    let server = server(|mut stream| async move {
        logged_in(&mut stream).await;
        // The rest of the action is not read, which makes the close a reset. More comes before it than is read at once, so the link's
        // next action finds the connection broken before all is read.
        let _ = stream.read(&mut [0; 1]).await;
        let mut told = KNOWN.to_vec();
        told.extend(b"Event: Hangup\r\nUniqueid: 1.0\r\n\r\n".repeat(EVENTS));
        let _ = stream.write_all(&told).await;
    })
    .await;
    let link = fails(&server, &Config { auth: Auth::Plain, ..quick(server.addr) }, "lost").await;
    let lines = link.lines();
    let down = lines.iter().position(|line| line == "down").unwrap();
    assert_eq!(lines[..down].iter().filter(|line| *line == "event Hangup").count(), EVENTS);
}

/// Makes the close a reset.
fn socket_linger(stream: &TcpStream) -> std::io::Result<()> {
    stream.set_zero_linger()
}

#[tokio::test]
async fn a_server_that_does_not_read() {
    // It answers the login before it is sent, and never reads: the link's few actions fit into the socket's buffers.
    let server = server(|mut stream| async move {
        let _ = stream.write_all(BANNER).await;
        let _ = stream.write_all(ACCEPTED).await;
        std::future::pending::<()>().await;
    })
    .await;
    let link = Running::start(&quick(server.addr), &[]);
    link.wait_for_failures("silent", 1).await;
    link.stop().await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever is sent behind the login, the link stays up or fails, and stops when asked to.
    #[test]
    fn any_bytes_behind_the_login(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let server = server(move |mut stream| {
                let bytes = bytes.clone();
                async move {
                    logged_in(&mut stream).await;
                    let _ = stream.write_all(&bytes).await;
                }
            })
            .await;
            let link = Running::start(&quick(server.addr), &[List::Channels]);
            link.wait_for_failures("lost", 1).await;
            link.stop().await;
        });
    }
}
