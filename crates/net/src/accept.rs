//! Accepting connections, within limits, until told to stop.

use std::fmt::Display;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use otelcol_pdata::Client;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::event::{Event, Seen};
use crate::io::{Peer, Plain, Stream};
use crate::listener::{Listener, Socket, SocketFile, describe};
use crate::status::Status;
use crate::tls::ServerTlsState;

/// Connections one server keeps open; one more is closed at once. Each costs a file descriptor and some 30 KiB,
/// so that ten thousand stay below what a small machine has, and a busy site needs a tenth.
pub const MAX_CONNECTIONS: usize = 10_000;

/// How long requests in progress may take to finish once a server is told to stop.
pub const DRAIN_GRACE: Duration = Duration::from_secs(5);

/// How long after that the answers to requests that were given up may take to be read.
const FAREWELL: Duration = Duration::from_secs(1);

/// When a client may come again, to another server or the next start of this one.
const COME_AGAIN: Duration = Duration::from_secs(1);

/// Time for a TLS handshake and, with gRPC, for HTTP/2's preface.
pub(crate) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Pause after the system refused to accept: the reason (no file descriptors) does not go away by asking again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Counts through the service, logs the first of a kind.
pub(crate) struct Reporter {
    pub(crate) server: String,
    pub(crate) seen: Seen,
    pub(crate) count: Box<dyn Fn(&Event) + Send + Sync>,
}

impl Reporter {
    pub(crate) fn report(&self, event: &Event, peer: &dyn Display) {
        (self.count)(event);
        self.seen.log_first(&self.server, event, peer);
    }
}

/// How a connection is told to end.
pub(crate) struct Stop {
    /// No new request is taken, what has begun is finished.
    pub(crate) drain: CancellationToken,
    /// That took too long: what is still under way is answered with [`stopping`]. Each connection has its own, for which
    /// its requests can wait without meeting those of others.
    pub(crate) give_up: CancellationToken,
}

/// The answer to a request that is not finished when the server ends.
pub(crate) fn stopping() -> Status {
    Status::unavailable("the server is stopping").retry_after(COME_AGAIN)
}

/// What is done with an accepted connection.
pub(crate) trait Connections: Send + Sync + 'static {
    fn serve(self: Arc<Self>, stream: Stream, peer: Peer, stop: Stop) -> impl Future<Output = ()> + Send;

    fn reporter(&self) -> &Reporter;
}

/// Accepts until `shutdown`, then waits for the connections, at most [`DRAIN_GRACE`]; what is under way then is told to
/// come again, and what is still open a moment later is dropped.
/// Dropping the future drops the connections too.
pub(crate) async fn run<C: Connections>(
    listener: Listener,
    tls: Option<ServerTlsState>,
    shutdown: CancellationToken,
    connections: Arc<C>,
) {
    let socket = match AsyncSocket::new(listener) {
        Ok(socket) => socket,
        Err(e) => return connections.reporter().report(&Event::AcceptFailed(describe(&e)), &"listener"),
    };
    let tls = tls.map(Arc::new);
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let tracker = TaskTracker::new();
    let (give_up, cut) = (CancellationToken::new(), CancellationToken::new());
    let _cut_when_dropped = cut.clone().drop_guard();
    loop {
        let accepted = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            accepted = socket.accept() => accepted,
        };
        let (plain, mut peer) = match accepted {
            Ok(accepted) => accepted,
            Err(e) => {
                connections.reporter().report(&Event::AcceptFailed(describe(&e)), &"listener");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else {
            connections.reporter().report(&Event::ConnectionLimit, &peer);
            continue;
        };
        let (tls, connections) = (tls.clone(), Arc::clone(&connections));
        let stop = Stop { drain: shutdown.clone(), give_up: give_up.child_token() };
        let cut = cut.clone();
        tracker.spawn(async move {
            let _slot = slot;
            let work = async {
                let Some(stream) = secure(plain, tls.as_deref(), &mut peer, connections.reporter()).await
                else {
                    return;
                };
                connections.serve(stream, peer, stop).await;
            };
            tokio::select! {
                () = work => {}
                () = cut.cancelled() => {}
            }
        });
    }
    drop(socket);
    tracker.close();
    for (time, over) in [(DRAIN_GRACE, give_up), (FAREWELL, cut)] {
        if tokio::time::timeout(time, tracker.wait()).await.is_ok() {
            return;
        }
        over.cancel();
    }
    tracker.wait().await;
}

async fn secure(
    plain: Plain,
    tls: Option<&ServerTlsState>,
    peer: &mut Peer,
    reporter: &Reporter,
) -> Option<Stream> {
    let Some(tls) = tls else {
        return Some(Stream::Plain(plain));
    };
    let handshake = TlsAcceptor::from(tls.config()).accept(plain);
    let failed = match tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake).await {
        Ok(Ok(stream)) => {
            peer.tls = true;
            return Some(Stream::Tls(Box::new(stream.into())));
        }
        Ok(Err(e)) => describe(&e),
        Err(_) => format!("handshake took more than {HANDSHAKE_TIMEOUT:?}"),
    };
    reporter.report(&Event::TlsFailed(failed), peer);
    None
}

enum AsyncSocket {
    Tcp(TcpListener),
    Unix(UnixListener, #[expect(dead_code, reason = "held: its drop removes the file")] Arc<SocketFile>),
}

impl AsyncSocket {
    fn new(listener: Listener) -> io::Result<Self> {
        match listener.into_socket() {
            Socket::Tcp(socket) => TcpListener::from_std(socket).map(AsyncSocket::Tcp),
            Socket::Unix(socket, file) => UnixListener::from_std(socket).map(|s| AsyncSocket::Unix(s, file)),
        }
    }

    async fn accept(&self) -> io::Result<(Plain, Peer)> {
        match self {
            AsyncSocket::Tcp(socket) => {
                let (stream, address) = socket.accept().await?;
                stream.set_nodelay(true)?;
                let client = Client { address: Some(address), ..Client::default() };
                let peer = Peer { address: Some(address), tls: false, client: Some(Arc::new(client)) };
                Ok((Plain::Tcp(stream), peer))
            }
            AsyncSocket::Unix(socket, _) => {
                let (stream, _) = socket.accept().await?;
                Ok((Plain::Unix(stream), Peer::default()))
            }
        }
    }
}
