//! `health_check`: answers over HTTP whether the collector works.

mod answer;
mod config;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use http::StatusCode;
use otelcol_net::config::HttpServerConfig;
use otelcol_net::{HttpRequest, HttpResponse, HttpService, Listener, serve_http};
use otelcol_pipeline::status::Board;
use otelcol_pipeline::{Clock, Component, ComponentError, Context, Extension, ExtensionFactory, Host};
use tokio::time::Instant;

pub use config::{CheckCollectorPipeline, Config, ResponseBody};

use answer::Health;

/// The factory of `health_check`.
pub fn factory() -> ExtensionFactory {
    ExtensionFactory::extension("health_check", create)
}

fn create(context: Context, config: Config) -> Result<Arc<dyn Extension>, ComponentError> {
    Ok(Arc::new(HealthCheck { context, config, socket: Mutex::default() }))
}

struct HealthCheck {
    context: Context,
    config: Config,
    /// What the next instance takes over, so that a reload is not taken for an outage.
    socket: Mutex<Option<Socket>>,
}

/// A listening socket and how it was asked for.
struct Socket {
    transport: String,
    listener: Listener,
}

const SOCKET: &str = "socket";

#[async_trait]
impl Component for HealthCheck {
    async fn start(&self, host: &Host) -> Result<(), ComponentError> {
        if self.config.check_collector_pipeline.enabled {
            tracing::warn!(
                component = %self.context.id,
                "check_collector_pipeline has no effect: components report their state by themselves"
            );
        }
        let auth = self.config.auth.as_ref();
        let auth = auth.map(|auth| host.server_auth(&auth.authenticator)).transpose()?;
        let listener = self.listen().await?;
        tracing::info!(component = %self.context.id, endpoint = listener.endpoint(), "starting health check server");
        let clock = self.context.clock.clone();
        let checker = Checker {
            config: self.config.clone(),
            board: host.board().clone(),
            up_since: clock.now(),
            clock,
        };
        let stop = self.context.tasks.stop_token().clone();
        let server =
            serve_http(listener, &HttpServerConfig::from(&self.config), Arc::new(checker), None, auth, stop)
                .map_err(ComponentError::from_display)?;
        self.context.tasks.spawn("http", server);
        Ok(())
    }

    async fn shutdown(&self, deadline: Instant) -> Result<(), ComponentError> {
        if let Some(socket) = self.socket.lock().unwrap_or_else(PoisonError::into_inner).take() {
            self.context.handover.put(SOCKET, socket);
        }
        self.context.tasks.stop(deadline).await;
        Ok(())
    }
}

impl Extension for HealthCheck {}

impl HealthCheck {
    /// The socket that the previous instance left, where it is the one that is wanted; otherwise a new one.
    async fn listen(&self) -> Result<Listener, ComponentError> {
        let Config { transport, endpoint, .. } = &self.config;
        let left: Option<Socket> = self.context.handover.take(SOCKET);
        let left =
            left.filter(|socket| socket.transport == *transport && socket.listener.endpoint() == endpoint);
        let listener = match left {
            Some(socket) => socket.listener,
            None => bind(transport.clone(), endpoint.clone()).await?,
        };
        let kept =
            listener.try_clone().map_err(|why| ComponentError::new(format!("listen {endpoint}: {why}")))?;
        let socket = Socket { transport: transport.clone(), listener: kept };
        *self.socket.lock().unwrap_or_else(PoisonError::into_inner) = Some(socket);
        Ok(listener)
    }
}

/// Looking a host name up blocks.
async fn bind(transport: String, endpoint: String) -> Result<Listener, ComponentError> {
    let text = endpoint.clone();
    let bound = tokio::task::spawn_blocking(move || Listener::bind_transport(&transport, &endpoint)).await;
    bound
        .map_err(ComponentError::from_display)?
        .map_err(|why| ComponentError::new(format!("failed to bind to address {text}: {why}")))
}

struct Checker {
    config: Config,
    board: Board,
    up_since: SystemTime,
    clock: Clock,
}

impl HttpService for Checker {
    fn call(&self, request: HttpRequest) -> BoxFuture<'_, HttpResponse> {
        Box::pin(std::future::ready(self.answer(&request)))
    }
}

impl Checker {
    fn answer(&self, request: &HttpRequest) -> HttpResponse {
        if !is_at(&self.config.path, &request.path) {
            return HttpResponse::text(StatusCode::NOT_FOUND, "404 page not found\n");
        }
        let health = Health::of(&self.board);
        let verbose = is_verbose(request.query.as_deref());
        match &self.config.response_body {
            Some(body) if !verbose => health.text(body),
            _ => {
                let uptime = self.clock.now().duration_since(self.up_since).unwrap_or_default();
                health.json(self.up_since, uptime, verbose)
            }
        }
    }
}

/// Go's rule for patterns: one with a slash at its end stands for all below it too.
fn is_at(pattern: &str, path: &str) -> bool {
    if pattern.ends_with('/') { path.starts_with(pattern) } else { path == pattern }
}

fn is_verbose(query: Option<&str>) -> bool {
    query.is_some_and(|query| query.split('&').any(|part| part.split('=').next() == Some("verbose")))
}
