//! A gRPC server that answers OTLP exports, and passes them on where it is told to where.
//!
//! `forward LISTEN [TARGET [N]]`: with load generators, shows what this crate alone costs. N requests go out as one:
//! protobuf messages of one type, one after another, are a merged message.

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use otelcol_net::config::{ClientTls, GrpcClientConfig, GrpcServerConfig};
use otelcol_net::{GrpcClient, Listener, Peer, Status, UnaryService, serve_grpc};
use tokio_util::sync::CancellationToken;

struct Forward {
    client: Option<GrpcClient>,
    pending: Mutex<Vec<Bytes>>,
    together: usize,
}

impl UnaryService for Forward {
    fn call<'a>(
        &'a self,
        path: &'a str,
        message: Bytes,
        _: &'a Peer,
    ) -> BoxFuture<'a, Result<Bytes, Status>> {
        Box::pin(async move {
            let Some(client) = &self.client else {
                return Ok(Bytes::new());
            };
            let batch = {
                let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
                pending.push(message);
                if pending.len() < self.together {
                    return Ok(Bytes::new());
                }
                std::mem::take(&mut *pending)
            };
            client.call(path, batch, Duration::from_secs(5)).await
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
    let together = arguments.next().map_or(Ok(1), |n| n.parse())?;
    let forward = Forward { client, pending: Mutex::default(), together };
    let stop = CancellationToken::new();
    let server =
        serve_grpc(listener, &GrpcServerConfig::default(), Arc::new(forward), None, None, stop.clone())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        tokio::select! {
            () = server => {}
            _ = tokio::signal::ctrl_c() => stop.cancel(),
        }
    });
    Ok(())
}
