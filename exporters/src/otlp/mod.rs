//! `otlp`: sends batches over OTLP/gRPC, as the bytes they came in.

mod config;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use otelcol_net::config::ClientAuthConfig;
use otelcol_net::{Code, GrpcClient, Status};
use otelcol_pdata::{Batch, Signal};
use otelcol_pipeline::{
    BuildInfo, ComponentError, ConsumeError, ConsumerComponent, Context, ExporterFactory, Host,
};

pub use config::Config;

use crate::helper::otlp_response::read_response;
use crate::helper::{Exporter, Progress, Sender, Sent};

/// The exporter type `otlp`, called `otlp_grpc` in the newest otelcol.
pub fn factory() -> ExporterFactory {
    ExporterFactory::exporter("otlp", &Signal::ALL, create).aliases(&["otlp_grpc"])
}

fn create(
    context: Context,
    config: Config,
    signal: Signal,
) -> Result<Arc<dyn ConsumerComponent>, ComponentError> {
    let (mut client, settings) = config.into_parts();
    if client.user_agent.is_empty() {
        client.user_agent = user_agent(&context.build);
    }
    let auth = client.auth.clone();
    let client = GrpcClient::new(&client).map_err(ComponentError::from_display)?;
    let sender = Grpc { client, auth, path: path(signal), timeout: settings.timeout };
    Ok(Exporter::new(context, signal, sender, settings))
}

/// As otelcol writes it: description, version and platform.
fn user_agent(build: &BuildInfo) -> String {
    format!("{}/{} ({}/{})", build.description, build.version, std::env::consts::OS, std::env::consts::ARCH)
}

/// The method of the OTLP service for a signal (opentelemetry-proto, `collector/*/v1`).
fn path(signal: Signal) -> &'static str {
    match signal {
        Signal::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        Signal::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        Signal::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    }
}

struct Grpc {
    client: GrpcClient,
    auth: Option<ClientAuthConfig>,
    path: &'static str,
    timeout: Duration,
}

#[async_trait]
impl Sender for Grpc {
    async fn start(&self, host: &Host) -> Result<(), ComponentError> {
        let Some(auth) = &self.auth else { return Ok(()) };
        let auth = host.client_auth(&auth.authenticator)?;
        self.client.set_auth(auth).map_err(ComponentError::from_display)
    }

    async fn send(&self, batch: &Batch, _: &mut Progress) -> Result<Sent, ConsumeError> {
        let client = batch.client().map(Arc::as_ref);
        let reply = self.client.call_for(client, self.path, batch.wire_chunks(), self.timeout).await;
        let reply = reply.map_err(|status| to_error(&status))?;
        // The server has taken the batch: an answer that can not be read is no reason to send it again.
        Ok(read_response(&reply).unwrap_or_default())
    }

    fn hurry(&self) {
        self.client.hurry();
    }
}

/// Which failures may pass (OTLP specification, "OTLP/gRPC failures"): out of resources only when the server says when.
fn to_error(status: &Status) -> ConsumeError {
    let message = format!("rpc error: code = {} desc = {}", status.code.name(), status.message);
    match status.code {
        Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unavailable
        | Code::DataLoss => ConsumeError::retryable(message, status.retry_delay),
        Code::ResourceExhausted if status.retry_delay.is_some() => {
            ConsumeError::retryable(message, status.retry_delay)
        }
        _ => ConsumeError::permanent(message),
    }
}

#[cfg(test)]
mod tests;
