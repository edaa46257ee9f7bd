//! `otlphttp`: sends batches over OTLP/HTTP, protobuf as the bytes they came in, or JSON.

mod config;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue};
use otelcol_net::config::ClientAuthConfig;
use otelcol_net::{HttpClient, HttpReply, HttpUrl, Status};
use otelcol_pdata::{Batch, Signal, json};
use otelcol_pipeline::{
    BuildInfo, Clock, ComponentError, ConsumeError, ConsumerComponent, Context, ExporterFactory, Host,
};

pub use config::{Config, Encoding};

use crate::helper::http_client::{authenticate, no_reply, retry_after};
use crate::helper::otlp_response::{read_json_response, read_response};
use crate::helper::{Exporter, Progress, Sender, Sent};

const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";

/// The exporter type `otlphttp`, called `otlp_http` in the newest otelcol.
pub fn factory() -> ExporterFactory {
    ExporterFactory::exporter("otlphttp", &Signal::ALL, create).aliases(&["otlp_http"])
}

fn create(
    context: Context,
    config: Config,
    signal: Signal,
) -> Result<Arc<dyn ConsumerComponent>, ComponentError> {
    let url = config.url(signal).ok_or_else(|| {
        ComponentError::new(format!("either endpoint or {signal}_endpoint must be specified"))
    })?;
    let encoding = config.encoding;
    let (client, settings) = config.into_parts();
    let sender = Http {
        auth: client.auth.clone(),
        client: HttpClient::new(&client).map_err(ComponentError::from_display)?,
        url: url.parse().map_err(ComponentError::from_display)?,
        headers: own_headers(&context.build),
        encoding,
        timeout: settings.timeout,
        clock: context.clock.clone(),
    };
    Ok(Exporter::new(context, signal, sender, settings))
}

/// The user agent as otelcol writes it: description, version and platform.
fn own_headers(build: &BuildInfo) -> HeaderMap {
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    let agent = format!("{}/{} ({os}/{arch})", build.description, build.version);
    let mut headers = HeaderMap::new();
    if let Ok(agent) = HeaderValue::try_from(agent) {
        headers.insert(USER_AGENT, agent);
    }
    headers
}

struct Http {
    client: HttpClient,
    auth: Option<ClientAuthConfig>,
    url: HttpUrl,
    headers: HeaderMap,
    encoding: Encoding,
    timeout: Duration,
    clock: Clock,
}

#[async_trait]
impl Sender for Http {
    async fn start(&self, host: &Host) -> Result<(), ComponentError> {
        authenticate(&self.client, self.auth.as_ref(), host)
    }

    async fn send(&self, batch: &Batch, _: &mut Progress) -> Result<Sent, ConsumeError> {
        let (body, content_type) = match self.encoding {
            Encoding::Proto => (batch.wire_chunks(), PROTOBUF),
            Encoding::Json => (vec![Bytes::from(json::to_json(batch)?)], JSON),
        };
        let (client, headers) = (batch.client().map(Arc::as_ref), self.headers.clone());
        let reply = self.client.post_for(client, &self.url, headers, body, content_type, self.timeout).await;
        let reply = reply.map_err(|error| no_reply(&error))?;
        if reply.status.is_success() { Ok(accepted(&reply)) } else { Err(self.refused(&reply)) }
    }
}

/// The server has taken the batch: an answer that can not be read is no reason to send it again.
fn accepted(reply: &HttpReply) -> Sent {
    let content_type =
        reply.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    let sent = match media_type {
        PROTOBUF => read_response(&reply.body),
        JSON => read_json_response(&reply.body),
        _ => None,
    };
    sent.unwrap_or_default()
}

impl Http {
    /// Which failures may pass (OTLP specification, "OTLP/HTTP failures").
    fn refused(&self, reply: &HttpReply) -> ConsumeError {
        let status = reply.status.as_u16();
        let mut message = format!(
            "error exporting items, request to {} responded with HTTP Status Code {status}",
            self.url
        );
        if let Some(said) = Status::from_protobuf(&reply.body).filter(|said| !said.message.is_empty()) {
            message.push_str(", Message=");
            message.push_str(&said.message);
        }
        match status {
            429 | 503 => ConsumeError::retryable(message, retry_after(reply, &self.clock)),
            502 | 504 => ConsumeError::retryable(message, None),
            _ => ConsumeError::permanent(message),
        }
    }
}

#[cfg(test)]
mod tests;
