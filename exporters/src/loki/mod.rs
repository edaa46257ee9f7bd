//! `loki`: pushes logs to Loki (push API v1, protobuf and snappy).

mod config;
mod convert;
mod labels;
mod line;
mod logfmt;
mod push;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use otelcol_net::config::ClientAuthConfig;
use otelcol_net::{HttpClient, HttpReply, HttpUrl};
use otelcol_pdata::{Batch, Client, Signal};
use otelcol_pipeline::telemetry::Counter;
use otelcol_pipeline::{
    Clock, ComponentError, ConsumeError, ConsumerComponent, Context, ExporterFactory, Host,
};

pub use config::{Config, DefaultLabels, Labels};

use crate::helper::http_client::{authenticate, no_reply, retry_after};
use crate::helper::{Exporter, Progress, Sender, Sent};
use convert::{Converted, convert};
use push::PushRequest;

/// The exporter type `loki`.
pub fn factory() -> ExporterFactory {
    ExporterFactory::exporter("loki", &[Signal::Logs], create)
}

fn create(
    context: Context,
    config: Config,
    signal: Signal,
) -> Result<Arc<dyn ConsumerComponent>, ComponentError> {
    let without_labels = context.telemetry.counter(
        "otelcol_lokiexporter_send_failed_due_to_missing_labels",
        "Number of log records failed to send because labels were missing.",
        &[("exporter", &context.id.to_string())],
    );
    let (defaults, labels) = (config.default_labels_enabled.clone(), config.labels.clone());
    let (client, mut settings) = config.into_parts();
    let sender = Push {
        auth: client.auth.clone(),
        client: HttpClient::new(&client).map_err(ComponentError::from_display)?,
        url: client.endpoint.parse().map_err(ComponentError::from_display)?,
        defaults,
        labels,
        // That of each request, as in 0.96: what one tenant's costs is not taken from the next one's.
        timeout: std::mem::take(&mut settings.timeout),
        clock: context.clock.clone(),
        without_labels,
    };
    Ok(Exporter::new(context, signal, sender, settings))
}

struct Push {
    client: HttpClient,
    auth: Option<ClientAuthConfig>,
    url: HttpUrl,
    defaults: DefaultLabels,
    labels: Labels,
    timeout: Duration,
    clock: Clock,
    without_labels: Counter,
}

#[async_trait]
impl Sender for Push {
    async fn start(&self, host: &Host) -> Result<(), ComponentError> {
        authenticate(&self.client, self.auth.as_ref(), host)
    }

    async fn send(&self, batch: &Batch, progress: &mut Progress) -> Result<Sent, ConsumeError> {
        let mut under_way = match progress.take() {
            Some(under_way) => under_way,
            None => self.begin(batch)?,
        };
        let client = batch.client().map(Arc::as_ref);
        let mut failed: Option<ConsumeError> = None;
        for request in std::mem::take(&mut under_way.requests) {
            match self.push(client, &request).await {
                Ok(refused) => add(&mut under_way.sent, refused),
                Err(error) if error.is_permanent() && under_way.alone => return Err(error),
                // Another tenant's records are not lost with these.
                Err(error) if error.is_permanent() => {
                    add(&mut under_way.sent, Sent { rejected: request.records, message: error.to_string() });
                }
                Err(error) => {
                    under_way.requests.push(request);
                    failed = Some(match failed {
                        Some(before) => before.join(&error),
                        None => error,
                    });
                }
            }
        }
        let Some(error) = failed else { return Ok(under_way.sent) };
        let open = under_way.requests.iter().map(|request| request.records).sum();
        let sent = under_way.sent.clone();
        progress.keep(under_way, open, sent);
        Err(error)
    }
}

/// A batch on its way. Its requests stay as they are over all attempts: Loki ignores an entry that it already has, by
/// its time, which may be that of the first attempt.
struct UnderWay {
    /// Those that Loki has not answered for.
    requests: Vec<Request>,
    /// There is one tenant.
    alone: bool,
    sent: Sent,
}

/// What is pushed for one tenant.
struct Request {
    tenant: String,
    body: Bytes,
    records: usize,
}

/// Adds what one tenant's push lost to what the batch lost.
fn add(sent: &mut Sent, more: Sent) {
    sent.rejected += more.rejected;
    if sent.message.is_empty() {
        sent.message = more.message;
    }
}

impl Push {
    fn begin(&self, batch: &Batch) -> Result<UnderWay, ConsumeError> {
        let converted = convert(&batch.logs()?, &self.defaults, &self.labels, self.clock.unix_nanos());
        let Converted { requests, without_labels, bad_format, first_problem } = converted;
        self.without_labels.add(without_labels as u64);
        let sent = Sent { rejected: without_labels + bad_format, message: first_problem.unwrap_or_default() };
        let request = |(tenant, (request, records)): (String, (PushRequest, usize))| {
            let body = request.to_body().map_err(|error| ConsumeError::permanent(error.to_string()))?;
            Ok(Request { tenant, body, records })
        };
        let requests: Vec<Request> =
            requests.into_iter().map(request).collect::<Result<_, ConsumeError>>()?;
        Ok(UnderWay { alone: requests.len() == 1, requests, sent })
    }

    async fn push(&self, client: Option<&Client>, request: &Request) -> Result<Sent, ConsumeError> {
        let tenant = &request.tenant;
        let mut headers = HeaderMap::new();
        if !tenant.is_empty() {
            let value = HeaderValue::try_from(tenant).map_err(|_| {
                ConsumeError::permanent(format!(
                    "the tenant {tenant:?} can not be sent in the header X-Scope-OrgID"
                ))
            })?;
            headers.insert("x-scope-orgid", value);
        }
        let (url, kind, body) = (&self.url, "application/x-protobuf", vec![request.body.clone()]);
        let reply = self.client.post_for(client, url, headers, body, kind, self.timeout).await;
        let reply = reply.map_err(|error| no_reply(&error))?;
        if reply.status.is_success() { Ok(Sent::default()) } else { self.refused(&reply) }
    }

    /// What a refusal means: of a 400 that counts the entries it is about, the others were taken.
    fn refused(&self, reply: &HttpReply) -> Result<Sent, ConsumeError> {
        const SHOWN: usize = 1024;
        let text = String::from_utf8_lossy(&reply.body[..reply.body.len().min(SHOWN)]);
        let line = text.lines().next().unwrap_or_default();
        let status = reply.status;
        let reason = status.canonical_reason().unwrap_or_default();
        let message = format!("HTTP {} {reason:?}: {line}", status.as_u16());
        let counted = || ignored_entries(&String::from_utf8_lossy(&reply.body));
        if let Some(rejected) = (status == StatusCode::BAD_REQUEST).then(counted).flatten() {
            return Ok(Sent { rejected, message });
        }
        if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS {
            return Err(ConsumeError::permanent(message));
        }
        Err(ConsumeError::retryable(message, retry_after(reply, &self.clock)))
    }
}

/// The sum of `total ignored: N out of M` in Loki's words on entries that are too old or out of order.
fn ignored_entries(text: &str) -> Option<usize> {
    let counts: Vec<usize> = text
        .split("total ignored: ")
        .skip(1)
        .filter_map(|rest| rest.split_once(" out of ")?.0.parse().ok())
        .collect();
    (!counts.is_empty()).then(|| counts.iter().sum())
}

#[cfg(test)]
mod tests;
