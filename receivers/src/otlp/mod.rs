//! `otlp`: takes traces, metrics and logs over gRPC and HTTP. Requests are validated and passed on as bytes.

mod config;
mod door;
mod grpc;
mod http;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use otelcol_net::config::HttpServerConfig;
use otelcol_net::{Admission, Listener, serve_grpc, serve_http};
use otelcol_pdata::Signal;
use otelcol_pipeline::{Component, ComponentError, Context, Host, Outputs, ReceiverFactory};
use tokio::time::Instant;

pub use config::{Config, HttpConfig, Protocols};

use door::Door;
use grpc::GrpcService;
use http::HttpReceiver;

/// The factory of `otlp`.
pub fn factory() -> ReceiverFactory {
    ReceiverFactory::receiver("otlp", &Signal::ALL, create)
}

fn create(context: Context, config: Config, outputs: Outputs) -> Result<Arc<dyn Component>, ComponentError> {
    Ok(Arc::new(Otlp { context, config, outputs, sockets: Mutex::default() }))
}

struct Otlp {
    context: Context,
    config: Config,
    outputs: Outputs,
    /// What the next instance takes over, so that a reload refuses no connection.
    sockets: Mutex<Vec<(&'static str, Socket)>>,
}

/// A listening socket and how it was asked for.
struct Socket {
    transport: String,
    listener: Listener,
}

#[async_trait]
impl Component for Otlp {
    async fn start(&self, host: &Host) -> Result<(), ComponentError> {
        let stop = self.context.tasks.stop_token();
        let admission: Arc<dyn Admission> = Arc::new(self.context.memory.clone());
        let grpc = self.config.protocols.grpc.as_ref().map(config::grpc_server);
        let grpc = match &grpc {
            Some(config) => Some((config, self.listen("grpc", &config.transport, &config.endpoint).await?)),
            None => None,
        };
        let http = match &self.config.protocols.http {
            Some(config) => Some((config, self.listen("http", &config.transport, &config.endpoint).await?)),
            None => None,
        };
        if let Some((config, listener)) = grpc {
            let auth = config.auth.as_ref().map(|auth| host.server_auth(&auth.authenticator)).transpose()?;
            let service = Arc::new(GrpcService(Door::new(&self.context, &self.outputs, "grpc")));
            let address = address(&listener);
            let server =
                serve_grpc(listener, config, service, Some(Arc::clone(&admission)), auth, stop.clone());
            self.serve("grpc", &address, server.map_err(ComponentError::from_display)?);
        }
        if let Some((config, listener)) = http {
            let auth = config.auth.as_ref().map(|auth| host.server_auth(&auth.authenticator)).transpose()?;
            let door = Door::new(&self.context, &self.outputs, "http");
            let service = Arc::new(HttpReceiver { door, paths: config.paths() });
            let address = address(&listener);
            let config = HttpServerConfig::from(config);
            let server = serve_http(listener, &config, service, Some(admission), auth, stop.clone());
            self.serve("http", &address, server.map_err(ComponentError::from_display)?);
        }
        Ok(())
    }

    async fn shutdown(&self, deadline: Instant) -> Result<(), ComponentError> {
        let sockets = std::mem::take(&mut *self.sockets.lock().unwrap_or_else(PoisonError::into_inner));
        for (protocol, socket) in sockets {
            self.context.handover.put(protocol, socket);
        }
        if self.context.tasks.stop(deadline).await {
            return Ok(());
        }
        Err(ComponentError::new("requests were still in progress at the deadline"))
    }
}

impl Otlp {
    /// The socket that the previous instance left, where it is the one that is wanted; otherwise a new one.
    async fn listen(
        &self,
        protocol: &'static str,
        transport: &str,
        endpoint: &str,
    ) -> Result<Listener, ComponentError> {
        let left: Option<Socket> = self.context.handover.take(protocol);
        let left =
            left.filter(|socket| socket.transport == transport && socket.listener.endpoint() == endpoint);
        let listener = match left {
            Some(socket) => socket.listener,
            None => bind(transport.to_owned(), endpoint.to_owned()).await?,
        };
        let kept =
            listener.try_clone().map_err(|why| ComponentError::new(format!("listen {endpoint}: {why}")))?;
        let socket = Socket { transport: transport.to_owned(), listener: kept };
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner).push((protocol, socket));
        Ok(listener)
    }

    fn serve(
        &self,
        protocol: &'static str,
        address: &str,
        server: impl Future<Output = ()> + Send + 'static,
    ) {
        tracing::info!(component = %self.context.id, endpoint = address, "starting {protocol} server");
        self.context.tasks.spawn(protocol, server);
    }
}

/// Looking a host name up blocks.
async fn bind(transport: String, endpoint: String) -> Result<Listener, ComponentError> {
    let bound = tokio::task::spawn_blocking(move || Listener::bind_transport(&transport, &endpoint)).await;
    bound.map_err(ComponentError::from_display)?.map_err(ComponentError::from_display)
}

fn address(listener: &Listener) -> String {
    listener.local_addr().map_or_else(|_| listener.endpoint().to_owned(), |address| address.to_string())
}
