//! A gRPC server that answers OTLP exports, and passes them on where it is told to where.
//!
//! `forward LISTEN [TARGET]`: with the load generators, shows what this crate alone costs.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use otelcol_net::config::{ClientTls, GrpcClientConfig, GrpcServerConfig};
use otelcol_net::{GrpcClient, Listener, Peer, Status, UnaryService, serve_grpc};
use tokio_util::sync::CancellationToken;

struct Forward(Option<GrpcClient>);

impl UnaryService for Forward {
    fn call<'a>(
        &'a self,
        path: &'a str,
        message: Bytes,
        _: &'a Peer,
    ) -> BoxFuture<'a, Result<Bytes, Status>> {
        Box::pin(async move {
            match &self.0 {
                Some(client) => client.call(path, vec![message], Duration::from_secs(5)).await,
                None => Ok(Bytes::new()),
            }
        })
    }

    fn knows(&self, path: &str) -> bool {
        path.starts_with("/opentelemetry.proto.collector.")
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let listener = Listener::bind(&arguments.next().ok_or("expected an address to listen on")?)?;
    let client = match arguments.next() {
        Some(endpoint) => Some(GrpcClient::new(&GrpcClientConfig {
            endpoint,
            tls: ClientTls { insecure: true, ..ClientTls::default() },
            ..GrpcClientConfig::default()
        })?),
        None => None,
    };
    let stop = CancellationToken::new();
    let server =
        serve_grpc(listener, &GrpcServerConfig::default(), Arc::new(Forward(client)), None, stop.clone())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        tokio::select! {
            () = server => {}
            _ = tokio::signal::ctrl_c() => stop.cancel(),
        }
    });
    Ok(())
}
