//! The server: settings, and which connection does what.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use super::call::{self, CallContext};
use super::connection;
use crate::ServeError;
use crate::accept::{self, Connections, Reporter, Stop};
use crate::admission::Admission;
use crate::auth::{ServerAuth, check_server};
use crate::config::GrpcServerConfig;
use crate::event::{Event, Seen};
use crate::io::{Peer, Stream};
use crate::listener::Listener;
use crate::status::Status;
use crate::tls::ServerTlsState;

/// What a gRPC server serves: calls with one message in and one out.
pub trait UnaryService: Send + Sync + 'static {
    /// Answers a call. `path` is `/package.Service/Method`, `message` is decompressed and within the limit.
    ///
    /// Runs on the connection's task: long computing belongs elsewhere. The future is dropped when the client
    /// goes away or its deadline passes.
    fn call<'a>(
        &'a self,
        path: &'a str,
        message: Bytes,
        peer: &'a Peer,
    ) -> BoxFuture<'a, Result<Bytes, Status>>;

    /// Whether there is such a method; others are UNIMPLEMENTED without their message being read.
    fn knows(&self, path: &str) -> bool;

    /// Told about everything the server did not let through to [`UnaryService::call`], for counters.
    fn event(&self, event: &Event) {
        let _ = event;
    }
}

/// Lifetimes of connections; None for ever.
pub(super) struct Lifetimes {
    pub(super) idle: Option<Duration>,
    pub(super) age: Option<Duration>,
    pub(super) age_grace: Option<Duration>,
    pub(super) ping_every: Duration,
    pub(super) ping_timeout: Duration,
}

pub(super) struct Server {
    pub(super) call: CallContext,
    pub(super) max_streams: u32,
    pub(super) lifetimes: Lifetimes,
}

/// Serves gRPC on `listener` until `shutdown`: then no new connection or call is taken, calls in progress get
/// [`crate::DRAIN_GRACE`], and what is still open is answered UNAVAILABLE.
///
/// The future has to be spawned or awaited; dropping it closes the connections.
///
/// # Errors
/// The TLS files can not be used, or `auth` is missing though the settings ask for an authenticator.
pub fn serve_grpc(
    listener: Listener,
    config: &GrpcServerConfig,
    service: Arc<dyn UnaryService>,
    admission: Option<Arc<dyn Admission>>,
    auth: Option<Arc<dyn ServerAuth>>,
    shutdown: CancellationToken,
) -> Result<impl Future<Output = ()> + Send + 'static + use<>, ServeError> {
    check_server(config.auth.is_some(), auth.as_ref())?;
    let tls = match &config.tls {
        Some(tls) => Some(ServerTlsState::new(tls, &[b"h2"])?),
        None => None,
    };
    let keepalive = config.keepalive.clone().unwrap_or_default();
    if keepalive.enforcement_policy.is_some() {
        tracing::warn!(
            endpoint = listener.endpoint(),
            "keepalive.enforcement_policy has no effect: clients may ping as often as they like"
        );
    }
    let parameters = keepalive.server_parameters.unwrap_or_default();
    let some = |d: otelcol_confmap::GoDuration| Some(d.get()).filter(|d| !d.is_zero());
    let counter = Arc::clone(&service);
    let server = Arc::new(Server {
        call: CallContext {
            reporter: Reporter {
                server: format!("grpc {}", listener.endpoint()),
                seen: Seen::default(),
                count: Box::new(move |event| counter.event(event)),
            },
            service,
            admission,
            auth,
            max_message: config.max_message(),
            include_metadata: config.include_metadata,
        },
        max_streams: if config.max_concurrent_streams == 0 {
            call::MAX_STREAMS
        } else {
            config.max_concurrent_streams
        },
        lifetimes: Lifetimes {
            idle: some(parameters.max_connection_idle),
            age: some(parameters.max_connection_age),
            age_grace: some(parameters.max_connection_age_grace),
            // grpc-go's defaults (keepalive.ServerParameters).
            ping_every: some(parameters.time)
                .unwrap_or(Duration::from_secs(2 * 3600))
                .max(Duration::from_secs(1)),
            ping_timeout: some(parameters.timeout).unwrap_or(Duration::from_secs(20)),
        },
    });
    Ok(accept::run(listener, tls, shutdown, server))
}

impl Connections for Server {
    async fn serve(self: Arc<Self>, stream: Stream, peer: Peer, stop: Stop) {
        connection::serve(self, stream, peer, stop).await;
    }

    fn reporter(&self) -> &Reporter {
        &self.call.reporter
    }
}
