//! One connection of a gRPC server: HTTP/2, its calls, and how long it lives.
//!
//! Calls run on the connection's own task. A task for each would wake another thread for a message that takes
//! microseconds, and that thread would take the connection's lock again for the answer.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::time::{Instant, sleep_until};

use super::call::{self, Connection};
use super::server::{Lifetimes, Server};
use crate::accept::{HANDSHAKE_TIMEOUT, Stop};
use crate::event::Event;
use crate::io::{Peer, Stream};
use crate::random;

/// Bytes of one call, and of one connection, that may be under way. A 4 MiB message then takes few round trips.
const STREAM_WINDOW: u32 = 1024 * 1024;
const CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;

/// Largest frame: a usual export request in one, which then need not be copied together.
const MAX_FRAME: u32 = 256 * 1024;

/// All headers of a request together, as hyper and grpc-go's clients stay far below.
const MAX_HEADERS: u32 = 16 * 1024;

/// Requests a client may take back before they were looked at (CVE-2023-44487, rapid reset), and errors it may
/// cause, before the connection is closed.
const MAX_RESETS: usize = 64;
const MAX_ERRORS: usize = 1024;

pub(super) async fn serve(server: Arc<Server>, stream: Stream, peer: Peer, stop: Stop) {
    let reporter = &server.call.reporter;
    let handshake = h2::server::Builder::new()
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(MAX_FRAME)
        .max_header_list_size(MAX_HEADERS)
        .max_concurrent_streams(server.max_streams)
        .max_pending_accept_reset_streams(MAX_RESETS)
        .max_local_error_reset_streams(Some(MAX_ERRORS))
        .handshake(stream);
    let mut http = match tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake).await {
        Ok(Ok(http)) => http,
        Ok(Err(e)) => return report_end(&server, &e, &peer),
        Err(_) => return reporter.report(&Event::TooSlow("no HTTP/2 preface"), &peer),
    };
    let connection: Connection = Arc::new(peer);
    let mut unanswered_ping = pin!(keepalive(http.ping_pong(), &server.lifetimes));
    let mut drained = pin!(stop.drain.cancelled());
    let mut life = Life::new(&server.lifetimes);
    let mut timer = pin!(sleep_until(life.next(true)));
    let mut calls = FuturesUnordered::new();
    loop {
        tokio::select! {
            biased;
            accepted = http.accept() => match accepted {
                Some(Ok((request, respond))) => {
                    life.touch();
                    let (server, connection) = (Arc::clone(&server), Arc::clone(&connection));
                    calls.push(call::answer(server, connection, request, respond, &stop.give_up));
                }
                Some(Err(e)) => return report_end(&server, &e, &connection),
                None => return,
            },
            Some(()) = calls.next(), if !calls.is_empty() => life.touch(),
            () = &mut drained, if !life.closing => {
                life.closing = true;
                http.graceful_shutdown();
            }
            () = &mut timer => {
                match life.due(calls.is_empty()) {
                    Due::Nothing => {}
                    Due::Finish => http.graceful_shutdown(),
                    Due::Cut => return,
                }
                timer.as_mut().reset(life.next(calls.is_empty()));
            }
            () = &mut unanswered_ping => return reporter.report(&Event::TooSlow("a ping was not answered"), &connection),
        }
    }
}

/// A client that just goes away is no event.
fn report_end(server: &Server, error: &h2::Error, peer: &Peer) {
    if !error.is_io() && error.reason() != Some(h2::Reason::NO_ERROR) {
        server.call.reporter.report(&Event::ConnectionFailed(error.to_string()), peer);
    }
}

/// Ends when the client does not answer a ping.
async fn keepalive(pings: Option<h2::PingPong>, lifetimes: &Lifetimes) {
    let Some(mut pings) = pings else {
        return std::future::pending().await;
    };
    loop {
        tokio::time::sleep(lifetimes.ping_every).await;
        let answered = tokio::time::timeout(lifetimes.ping_timeout, pings.ping(h2::Ping::opaque())).await;
        if !matches!(answered, Ok(Ok(_))) {
            return;
        }
    }
}

/// `max_connection_idle`, `max_connection_age` and its grace.
struct Life<'a> {
    limits: &'a Lifetimes,
    last_call: Instant,
    end: Option<Instant>,
    cut: Option<Instant>,
    closing: bool,
}

enum Due {
    Nothing,
    Finish,
    Cut,
}

/// "Never", for a timer that needs a time.
const FAR: Duration = Duration::from_secs(365 * 24 * 3600);

impl<'a> Life<'a> {
    fn new(limits: &'a Lifetimes) -> Self {
        let now = Instant::now();
        // As in grpc: 10 % up or down, so that clients that came together do not go together.
        let end = limits.age.map(|age| now + random::around(age, 0.1));
        Life { limits, last_call: now, end, cut: None, closing: false }
    }

    fn touch(&mut self) {
        if self.limits.idle.is_some() {
            self.last_call = Instant::now();
        }
    }

    /// When to look again.
    fn next(&self, idle: bool) -> Instant {
        let now = Instant::now();
        let idle_at = self.limits.idle.map(|limit| if idle { self.last_call } else { now } + limit);
        let candidates = if self.closing { [self.cut, None] } else { [self.end, idle_at] };
        candidates.into_iter().flatten().min().unwrap_or(now + FAR)
    }

    fn due(&mut self, idle: bool) -> Due {
        let now = Instant::now();
        if self.closing {
            return if self.cut.is_some_and(|at| now >= at) { Due::Cut } else { Due::Nothing };
        }
        let too_idle = idle && self.limits.idle.is_some_and(|limit| now >= self.last_call + limit);
        let too_old = self.end.is_some_and(|at| now >= at);
        if !too_idle && !too_old {
            return Due::Nothing;
        }
        self.closing = true;
        self.cut = self.limits.age_grace.map(|grace| now + grace);
        Due::Finish
    }
}
