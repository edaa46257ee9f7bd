//! Lines over TCP connections.

use std::net::SocketAddr;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use memchr::memrchr;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::Semaphore;

use super::Shared;
use super::listen::{Listener, ListenerKind};
use super::reason::Reason;

/// Bytes that are read at once.
const CHUNK: usize = 16 * 1024;

/// After an `accept` that failed, for want of file descriptors say: time for some to come free.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts connections until the receiver stops, then leaves the listener for the next instance.
pub(super) async fn accept(listener: Listener, shared: Arc<Shared>) {
    if let ListenerKind::Stream(socket) = &listener.kind {
        let room = Arc::new(Semaphore::new(shared.connections));
        loop {
            let accepted = tokio::select! {
                () = shared.stop.cancelled() => break,
                accepted = socket.accept() => accepted,
            };
            let (connection, source) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(receiver = %shared.context.id, %error, "accepting a statsd connection failed");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let Ok(place) = Arc::clone(&room).try_acquire_owned() else {
                shared.report.connection_refused();
                continue;
            };
            let shared = Arc::clone(&shared);
            let tasks = shared.context.tasks.clone();
            tasks.spawn("statsd connection", async move {
                read(connection, source, &shared).await;
                drop(place);
            });
        }
    }
    shared.park(listener);
}

/// Reads one connection to its end.
pub(super) async fn read(mut connection: impl AsyncRead + Unpin, source: SocketAddr, shared: &Shared) {
    let mut lines = Lines { held: Vec::with_capacity(CHUNK), skipping: false, limit: shared.line_bytes };
    let source = Some(SocketAddr::new(source.ip().to_canonical(), source.port()));
    loop {
        lines.held.reserve(CHUNK);
        let read = tokio::select! {
            () = shared.stop.cancelled() => break,
            read = connection.read_buf(&mut lines.held) => read,
        };
        match read {
            Ok(0) => {
                // The peer closed its side: what it wrote last is whole, with or without a newline.
                lines.held.push(b'\n');
                lines.gather(shared, source);
                return;
            }
            Ok(_) => lines.gather(shared, source),
            Err(error) => {
                tracing::debug!(receiver = %shared.context.id, %error, "a statsd connection broke");
                break;
            }
        }
    }
    if !lines.held.is_empty() {
        shared.report.refused(Reason::Truncated, &lines.held);
    }
}

/// The beginning of a line whose end has not come.
struct Lines {
    held: Vec<u8>,
    /// In a line that is too long, of which the beginning was dropped.
    skipping: bool,
    limit: usize,
}

impl Lines {
    /// Hands the whole lines on and keeps the rest, if that can still become a line.
    fn gather(&mut self, shared: &Shared, source: Option<SocketAddr>) {
        if let Some(last) = memrchr(b'\n', &self.held) {
            let skip = match memchr::memchr(b'\n', &self.held) {
                Some(first) if std::mem::take(&mut self.skipping) => first,
                _ => 0,
            };
            let now = shared.context.clock.unix_nanos();
            let mut aggregator = shared.aggregator.lock().unwrap_or_else(PoisonError::into_inner);
            aggregator.lines(&self.held[skip..last], source, now);
            drop(aggregator);
            self.held.drain(..=last);
        }
        if self.skipping {
            self.held.clear();
        } else if self.held.len() > self.limit {
            shared.report.refused(Reason::TooLong, &self.held);
            self.skipping = true;
            self.held.clear();
        }
    }
}
