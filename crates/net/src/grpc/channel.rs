//! The connection of a gRPC client: made when needed, kept alive, replaced when lost.

use std::io;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use h2::client::SendRequest;
use tokio::runtime::Handle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::bundled::Bundled;
use super::frame::Rope;
use crate::config::{GrpcClientConfig, GrpcClientKeepalive};
use crate::dial::{Address, dial};
use crate::io::Stream;
use crate::random;
use crate::status::{Code, Status};
use crate::tls::ClientTlsState;

/// Replies are small, but a server may send a long error.
const WINDOW: u32 = 1024 * 1024;

/// One attempt to connect, TLS and HTTP/2 included (grpc's MIN_CONNECT_TIMEOUT).
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

const FIRST_BACKOFF: Duration = Duration::from_millis(250);
const LAST_BACKOFF: Duration = Duration::from_secs(10);

/// grpc-go does not ping more often either; servers close the connection of a client that does.
const MIN_PING: Duration = Duration::from_secs(10);

pub(super) struct Channel {
    address: Address,
    tls: Option<Arc<ClientTlsState>>,
    keepalive: Option<GrpcClientKeepalive>,
    wait_for_ready: bool,
    current: Arc<Current>,
    dialing: tokio::sync::Mutex<Backoff>,
    /// No longer waits than the first one: the time is short.
    hurry: CancellationToken,
}

/// The connection that calls take.
#[derive(Default)]
struct Current(Mutex<Option<Arc<Link>>>);

/// One connection.
pub(super) struct Link {
    sender: SendRequest<Rope>,
    pulse: Arc<Pulse>,
    _driver: AbortOnDropHandle<()>,
}

/// What the keepalive goes by.
#[derive(Default)]
struct Pulse {
    calls: AtomicUsize,
    replies: AtomicU64,
}

#[derive(Default)]
struct Backoff {
    failures: u32,
    failed_at: Option<Instant>,
    delay: Duration,
    last_error: String,
}

impl Channel {
    pub(super) fn new(address: Address, tls: Option<Arc<ClientTlsState>>, config: &GrpcClientConfig) -> Self {
        Channel {
            address,
            tls,
            keepalive: config.keepalive.clone(),
            wait_for_ready: config.wait_for_ready,
            current: Arc::default(),
            dialing: tokio::sync::Mutex::default(),
            hurry: CancellationToken::new(),
        }
    }

    /// The connection; makes one where there is none. One call connects, the others wait for it.
    pub(super) async fn link(&self) -> Result<Arc<Link>, Status> {
        if let Some(link) = self.current.get() {
            return Ok(link);
        }
        let mut backoff = self.dialing.lock().await;
        loop {
            if let Some(link) = self.current.get() {
                return Ok(link);
            }
            let wait = backoff.wait(self.hurry.is_cancelled());
            if !wait.is_zero() {
                if !self.wait_for_ready {
                    return Err(Status::unavailable(backoff.last_error.clone()));
                }
                self.pause(wait).await;
                continue;
            }
            match self.connect().await {
                Ok(link) => {
                    *backoff = Backoff::default();
                    let link = Arc::new(link);
                    *self.current.lock() = Some(Arc::clone(&link));
                    return Ok(link);
                }
                Err(reason) => {
                    backoff.failed(format!("connection error: {reason}"));
                    if !self.wait_for_ready {
                        return Err(Status::unavailable(backoff.last_error.clone()));
                    }
                }
            }
        }
    }

    /// Connects again soon after each failure from now on.
    pub(super) fn hurry(&self) {
        self.hurry.cancel();
    }

    /// Waits, but for no longer than it takes until there is hurry.
    async fn pause(&self, wait: Duration) {
        let sleep = tokio::time::sleep(wait);
        if self.hurry.is_cancelled() {
            sleep.await;
        } else {
            _ = self.hurry.run_until_cancelled(sleep).await;
        }
    }

    async fn connect(&self) -> Result<Link, String> {
        let attempt = async {
            let stream = dial(&self.address, self.tls.as_ref()).await.map_err(|e| e.to_string())?;
            if self.tls.is_some() && !stream.is_h2() {
                return Err(format!(
                    "dial {}: the server does not speak HTTP/2 (ALPN h2)",
                    self.address.text()
                ));
            }
            let stream = Bundled::new(stream);
            let sending = stream.handle();
            let handshake = h2::client::Builder::new()
                .initial_window_size(WINDOW)
                .initial_connection_window_size(WINDOW)
                .enable_push(false)
                .handshake::<_, Rope>(stream)
                .await;
            let (sender, http) =
                handshake.map_err(|e| format!("dial {}: HTTP/2: {e}", self.address.text()))?;
            Ok((sender, http, sending))
        };
        let attempt = tokio::time::timeout(CONNECT_TIMEOUT, attempt).await;
        let (sender, http, sending) = attempt.unwrap_or_else(|_| {
            Err(format!("dial {}: not connected after {CONNECT_TIMEOUT:?}", self.address.text()))
        })?;
        let pulse = Arc::new(Pulse::default());
        // Runs until the connection or the client ends; what goes wrong in it reaches the calls as an error.
        let run = drive(http, sending, self.keepalive.clone(), Arc::clone(&pulse));
        let (current, own) = (Arc::clone(&self.current), Arc::clone(&pulse));
        let driver = Handle::current().spawn(async move {
            run.await;
            // What HTTP/2 holds for its streams would wait for the next call.
            current.forget(&own);
        });
        Ok(Link { sender, pulse, _driver: AbortOnDropHandle::new(driver) })
    }

    /// Makes the next call connect again, unless that has happened already.
    pub(super) fn forget(&self, link: &Arc<Link>) {
        self.current.forget(&link.pulse);
    }

    pub(super) fn failed(&self, error: &h2::Error) -> Status {
        Status::unavailable(format!("connection to {} broke: {error}", self.address.text()))
    }

    pub(super) fn deadline_exceeded(&self, timeout: Duration) -> Status {
        let state = if self.current.get().is_some() { "no reply from" } else { "not connected to" };
        let message = format!("context deadline exceeded: {state} {} after {timeout:?}", self.address.text());
        Status::new(Code::DeadlineExceeded, message)
    }
}

impl Current {
    fn get(&self) -> Option<Arc<Link>> {
        self.lock().as_ref().filter(|link| !link._driver.is_finished()).cloned()
    }

    /// Lets go of the connection with this pulse, unless another one has taken its place.
    fn forget(&self, pulse: &Arc<Pulse>) {
        let forgotten = self.lock().take_if(|link| Arc::ptr_eq(&link.pulse, pulse));
        // Outside of the lock: it takes its streams with it.
        drop(forgotten);
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Link>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Link {
    pub(super) fn sender(&self) -> SendRequest<Rope> {
        self.sender.clone()
    }

    /// Counts a call until the guard is dropped.
    pub(super) fn busy(&self) -> impl Drop {
        self.pulse.calls.fetch_add(1, Ordering::Relaxed);
        Busy(Arc::clone(&self.pulse))
    }

    pub(super) fn received(&self) {
        self.pulse.replies.fetch_add(1, Ordering::Relaxed);
    }
}

struct Busy(Arc<Pulse>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.calls.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Backoff {
    fn failed(&mut self, error: String) {
        let delay = FIRST_BACKOFF.saturating_mul(1 << self.failures.min(16)).min(LAST_BACKOFF);
        self.failures += 1;
        self.delay = random::around(delay, 0.2);
        self.failed_at = Some(Instant::now());
        self.last_error = error;
    }

    /// How long to wait before the next attempt to connect.
    fn wait(&self, hurry: bool) -> Duration {
        let Some(failed_at) = self.failed_at else { return Duration::ZERO };
        let delay = if hurry { self.delay.min(FIRST_BACKOFF) } else { self.delay };
        (failed_at + delay).saturating_duration_since(Instant::now())
    }
}

async fn drive(
    mut http: h2::client::Connection<Bundled<Stream>, Rope>,
    sending: Bundled<Stream>,
    keepalive: Option<GrpcClientKeepalive>,
    pulse: Arc<Pulse>,
) {
    let pings = http.ping_pong();
    tokio::select! {
        ended = sending.drive(async { http.await.map_err(io::Error::other) }) => {
            if let Err(e) = ended {
                tracing::debug!("grpc connection ended: {e}");
            }
        }
        () = keep_alive(pings, keepalive, &pulse) => tracing::debug!("grpc connection closed: ping was not answered"),
    }
}

/// Ends when a ping is not answered.
async fn keep_alive(pings: Option<h2::PingPong>, settings: Option<GrpcClientKeepalive>, pulse: &Pulse) {
    let (Some(mut pings), Some(settings)) = (pings, settings.filter(|s| !s.time.get().is_zero())) else {
        return std::future::pending().await;
    };
    let timeout = Some(settings.timeout.get()).filter(|t| !t.is_zero()).unwrap_or(Duration::from_secs(20));
    let mut seen = 0;
    loop {
        tokio::time::sleep(settings.time.get().max(MIN_PING)).await;
        let replies = pulse.replies.load(Ordering::Relaxed);
        let quiet = std::mem::replace(&mut seen, replies) == replies;
        let wanted = settings.permit_without_stream || pulse.calls.load(Ordering::Relaxed) > 0;
        if !quiet || !wanted {
            continue;
        }
        let answered = tokio::time::timeout(timeout, pings.ping(h2::Ping::opaque())).await;
        if !matches!(answered, Ok(Ok(_))) {
            return;
        }
    }
}
