//! OTLP/gRPC.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use otelcol_net::{Code, Event, Peer, Status, UnaryService};
use otelcol_pdata::{Batch, Signal};

use super::door::Door;

/// The three Export services.
pub(super) struct GrpcService(pub(super) Door);

fn signal_of(path: &str) -> Option<Signal> {
    match path {
        "/opentelemetry.proto.collector.trace.v1.TraceService/Export" => Some(Signal::Traces),
        "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export" => Some(Signal::Metrics),
        "/opentelemetry.proto.collector.logs.v1.LogsService/Export" => Some(Signal::Logs),
        _ => None,
    }
}

impl UnaryService for GrpcService {
    fn call<'a>(
        &'a self,
        path: &'a str,
        message: Bytes,
        peer: &'a Peer,
    ) -> BoxFuture<'a, Result<Bytes, Status>> {
        Box::pin(async move {
            let Some(signal) = signal_of(path) else { return Err(unknown(path)) };
            if !self.0.is_open(signal).await {
                self.0.reject("no_pipeline", path, peer);
                return Err(unknown(path));
            }
            self.0.enter(signal, Batch::from_wire(signal, message), peer).await?;
            // An Export*ServiceResponse without partial success.
            Ok(Bytes::new())
        })
    }

    fn knows(&self, path: &str) -> bool {
        signal_of(path).is_some()
    }

    fn event(&self, event: &Event) {
        self.0.event(event);
    }
}

/// grpc-go's answer where a signal has no pipeline: its service is not registered.
fn unknown(path: &str) -> Status {
    let service = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    Status::new(Code::Unimplemented, format!("unknown service {service}"))
}
