//! A network that breaks: a TCP proxy whose connections can be reset.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Passes connections on to a server, until told otherwise.
#[derive(Debug)]
pub struct Proxy {
    addr: SocketAddr,
    cuts: Arc<watch::Sender<u64>>,
    open: Arc<watch::Sender<bool>>,
    _stop: DropGuard,
}

impl Proxy {
    /// Listens on a free port and passes on to `target`.
    ///
    /// # Panics
    /// No port is free.
    #[expect(clippy::expect_used, reason = "a test that can not listen has failed")]
    pub async fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let addr = listener.local_addr().expect("an address");
        let (cuts, open) = (Arc::new(watch::Sender::new(0)), Arc::new(watch::Sender::new(true)));
        let stop = CancellationToken::new();
        let run = accept(listener, target, Arc::clone(&cuts), Arc::clone(&open));
        let until = stop.clone();
        #[expect(clippy::disallowed_methods, reason = "a fake is no component")]
        tokio::spawn(async move {
            _ = until.run_until_cancelled(run).await;
        });
        Self { addr, cuts, open, _stop: stop.drop_guard() }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Resets all connections, with whatever is under way in them.
    pub fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Resets new connections at once, or passes them on again.
    pub fn open(&self, open: bool) {
        self.open.send_replace(open);
    }
}

async fn accept(
    listener: TcpListener,
    target: SocketAddr,
    cuts: Arc<watch::Sender<u64>>,
    open: Arc<watch::Sender<bool>>,
) {
    loop {
        let Ok((client, _)) = listener.accept().await else { continue };
        if !*open.borrow() {
            reset(&client);
            continue;
        }
        let mut cut = cuts.subscribe();
        #[expect(clippy::disallowed_methods, reason = "a fake is no component")]
        tokio::spawn(async move {
            let Ok(server) = TcpStream::connect(target).await else { return reset(&client) };
            let (mut client, mut server) = (client, server);
            tokio::select! {
                _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
                _ = cut.changed() => {
                    reset(&client);
                    reset(&server);
                }
            }
        });
    }
}

/// What is dropped next is not closed in an orderly way.
fn reset(stream: &TcpStream) {
    // A connection that has ended by itself needs no reset.
    _ = stream.set_zero_linger();
}
