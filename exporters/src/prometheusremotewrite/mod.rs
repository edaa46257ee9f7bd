//! `prometheusremotewrite`: pushes metrics to Prometheus, Mimir and others by remote write, 1.0 or 2.0.

mod config;
mod convert;
mod exemplars;
mod native;
mod proto;
mod request;
#[cfg(test)]
mod tests;
mod totals;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::{self, StreamExt as _};
use http::{HeaderMap, HeaderName, HeaderValue};
use otelcol_net::config::ClientAuthConfig;
use otelcol_net::{HttpClient, HttpReply};
use otelcol_pdata::{Batch, Client, Signal};
use otelcol_pipeline::status::Status;
use otelcol_pipeline::telemetry::Counter;
use otelcol_pipeline::{
    Clock, ComponentError, ConsumeError, ConsumerComponent, Context, ExporterFactory, Host,
};
use tokio::sync::Mutex;
use tokio::time::Instant;

pub use config::{Config, ProtobufMessage, RemoteWriteQueue, TargetInfo};

use crate::helper::http_client::{authenticate, no_reply, retry_after};
use crate::helper::retry::{Backoff, random};
use crate::helper::{Exporter, RetryConfig, Sender, Sent};
use convert::{Converter, Rules};
use request::{Request, Version, requests};
use totals::Totals;

/// The exporter type `prometheusremotewrite`, called `prometheus_remote_write` in the newest contrib.
pub fn factory() -> ExporterFactory {
    ExporterFactory::exporter("prometheusremotewrite", &[Signal::Metrics], create)
        .aliases(&["prometheus_remote_write"])
}

#[expect(clippy::needless_pass_by_value, reason = "the signature of a factory")]
fn create(
    context: Context,
    config: Config,
    signal: Signal,
) -> Result<Arc<dyn ConsumerComponent>, ComponentError> {
    let client = config.client();
    let sender = RemoteWrite {
        client: HttpClient::new(&client).map_err(ComponentError::from_display)?,
        auth: client.auth.clone(),
        url: client.endpoint,
        timeout: client.timeout.get(),
        headers: headers(&context, config.version()),
        metadata_keys: config.include_metadata_keys.clone(),
        rules: config.rules(),
        version: config.version(),
        max_bytes: if config.max_batch_size_bytes == 0 { 3_000_000 } else { config.max_batch_size_bytes },
        parallel: config.parallel(),
        retry: Some(config.retry_on_failure.clone()).filter(|retry| retry.enabled),
        repeats_are_ours: config.remote_write_queue.enabled,
        totals: Mutex::new(Totals::new(config.max_delta_series)),
        clock: context.clock.clone(),
        stats: Stats::new(&context),
        v2_not_confirmed: AtomicBool::new(false),
        failing: AtomicBool::new(false),
        context: context.clone(),
    };
    Ok(Exporter::new(context, signal, sender, config.settings()))
}

/// What the protocol asks for (remote write 1.0 and 2.0, "Protocol"); `compression` adds its own.
fn headers(context: &Context, version: Version) -> HeaderMap {
    let number = match version {
        Version::V1 { .. } => "0.1.0",
        Version::V2 => "2.0.0",
    };
    let mut headers = HeaderMap::new();
    headers.insert("x-prometheus-remote-write-version", HeaderValue::from_static(number));
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    let agent = format!("{}/{} ({os}/{arch})", context.build.description, context.build.version);
    if let Ok(agent) = HeaderValue::try_from(agent) {
        headers.insert(http::header::USER_AGENT, agent);
    }
    headers
}

struct RemoteWrite {
    client: HttpClient,
    auth: Option<ClientAuthConfig>,
    url: String,
    /// Of one request.
    timeout: Duration,
    headers: HeaderMap,
    metadata_keys: Vec<String>,
    rules: Rules,
    version: Version,
    max_bytes: usize,
    parallel: usize,
    retry: Option<RetryConfig>,
    /// Nobody above offers a batch again that failed here.
    repeats_are_ours: bool,
    /// Also what keeps batches one after the other.
    totals: Mutex<Totals>,
    clock: Clock,
    stats: Stats,
    v2_not_confirmed: AtomicBool,
    /// Repeats are under way, which was told.
    failing: AtomicBool,
    context: Context,
}

/// Under contrib's names.
struct Stats {
    series: Counter,
    failed_translations: Counter,
    requests: Counter,
    samples: Counter,
    histograms: Counter,
    exemplars: Counter,
}

impl Stats {
    fn new(context: &Context) -> Self {
        let exporter = context.id.to_string();
        let counter = |name, help| context.telemetry.counter(name, help, &[("exporter", exporter.as_str())]);
        Self {
            series: counter(
                "otelcol_exporter_prometheusremotewrite_translated_time_series",
                "Number of Prometheus time series that were translated from OTel metrics.",
            ),
            failed_translations: counter(
                "otelcol_exporter_prometheusremotewrite_failed_translations",
                "Number of points that could not be translated from OTel to Prometheus.",
            ),
            requests: counter(
                "otelcol_exporter_prometheusremotewrite_sent_batches",
                "Number of remote write requests sent, regardless of success or failure.",
            ),
            samples: counter(
                "otelcol_exporter_prometheusremotewrite_written_samples",
                "Number of samples that the endpoint says it has written (remote write 2.0 only).",
            ),
            histograms: counter(
                "otelcol_exporter_prometheusremotewrite_written_histograms",
                "Number of native histograms that the endpoint says it has written (remote write 2.0 only).",
            ),
            exemplars: counter(
                "otelcol_exporter_prometheusremotewrite_written_exemplars",
                "Number of exemplars that the endpoint says it has written (remote write 2.0 only).",
            ),
        }
    }
}

#[async_trait]
impl Sender for RemoteWrite {
    async fn start(&self, host: &Host) -> Result<(), ComponentError> {
        authenticate(&self.client, self.auth.as_ref(), host)
    }

    async fn send(&self, batch: &Batch) -> Result<Sent, ConsumeError> {
        // Held until the batch is through: samples of a series must arrive in their order.
        let mut totals = self.totals.lock().await;
        let converted =
            Converter::new(&self.rules, &mut totals, self.clock.unix_nanos()).convert(&batch.metrics()?);
        self.stats.series.add(converted.series.len() as u64);
        self.stats.failed_translations.add(converted.dropped as u64);
        let mut sent = Sent {
            rejected: converted.dropped,
            message: converted.first_problem.clone().unwrap_or_default(),
        };
        let mut headers = self.headers.clone();
        self.forward_metadata(batch.client().map(Arc::as_ref), &mut headers);
        let requests = requests(converted, self.version, self.max_bytes);
        let alone = requests.len() == 1;
        let answers = stream::iter(requests).map(|request| {
            let (client, headers) = (batch.client().map(Arc::as_ref), &headers);
            async move { (request.points, self.deliver(client, headers, &request).await) }
        });
        let answers: Vec<_> = answers.buffer_unordered(self.parallel).collect().await;
        let mut failed: Option<ConsumeError> = None;
        for (points, answer) in answers {
            match answer {
                Ok(()) => {}
                // The other requests of the batch were taken.
                Err(error) if error.is_permanent() && !alone => {
                    sent.rejected += points;
                    if sent.message.is_empty() {
                        sent.message = error.to_string();
                    }
                }
                Err(error) => {
                    failed = Some(match failed {
                        Some(before) => before.join(&error),
                        None => error,
                    });
                }
            }
        }
        let Some(error) = failed else {
            totals.commit();
            return Ok(sent);
        };
        if self.repeats_are_ours || error.is_permanent() {
            // The points are lost, but what they counted shows in the next total.
            totals.commit();
        } else {
            totals.roll_back();
        }
        Err(error)
    }
}

impl RemoteWrite {
    fn forward_metadata(&self, client: Option<&Client>, headers: &mut HeaderMap) {
        let Some(client) = client else { return };
        for key in &self.metadata_keys {
            for value in client.metadata.get(key) {
                if let (Ok(name), Ok(value)) = (HeaderName::try_from(key), HeaderValue::try_from(value)) {
                    headers.append(name, value);
                }
            }
        }
    }

    /// Sends one request until it is taken, can never be, or `max_elapsed_time` is over.
    async fn deliver(
        &self,
        client: Option<&Client>,
        headers: &HeaderMap,
        request: &Request,
    ) -> Result<(), ConsumeError> {
        let started = Instant::now();
        let mut backoff = self.retry.as_ref().map(Backoff::new);
        loop {
            let error = match self.attempt(client, headers, request).await {
                Ok(()) => {
                    self.tell_works();
                    return Ok(());
                }
                Err(error) if error.is_permanent() => return Err(error),
                Err(error) => error,
            };
            let (Some(retry), Some(backoff)) = (&self.retry, &mut backoff) else { return Err(error) };
            let wait = backoff.next(random()).max(error.after().unwrap_or_default());
            let longest = retry.max_elapsed_time.get();
            if !longest.is_zero() && started.elapsed() + wait > longest {
                return Err(ConsumeError::retryable(format!("no more retries left: {error}"), error.after()));
            }
            self.tell_failing(&error);
            tokio::time::sleep(wait).await;
        }
    }

    /// A backend that goes down is told once.
    fn tell_failing(&self, error: &ConsumeError) {
        if !self.failing.swap(true, Ordering::Relaxed) {
            tracing::warn!(component = %self.context.id, %error, "Exporting failed. Will retry the requests that failed.");
            self.context.status.report(Status::Recoverable(error.to_string()));
        }
    }

    fn tell_works(&self) {
        if self.failing.swap(false, Ordering::Relaxed) {
            tracing::info!(component = %self.context.id, "the endpoint takes requests again");
            self.context.status.report(Status::Ok);
        }
    }

    async fn attempt(
        &self,
        client: Option<&Client>,
        headers: &HeaderMap,
        request: &Request,
    ) -> Result<(), ConsumeError> {
        let kind = match self.version {
            Version::V1 { .. } => "application/x-protobuf",
            Version::V2 => "application/x-protobuf;proto=io.prometheus.write.v2.Request",
        };
        self.stats.requests.inc();
        let body = vec![request.body.clone()];
        let reply = self.client.post_for(client, &self.url, headers.clone(), body, kind, self.timeout).await;
        let reply = reply.map_err(|error| no_reply(&error))?;
        if self.version == Version::V2 {
            self.count_written(&reply);
        }
        if reply.status.is_success() { Ok(()) } else { Err(self.refused(&reply)) }
    }

    /// Remote write 2.0, "Required Written Response Headers".
    fn count_written(&self, reply: &HttpReply) {
        let written = |name: &str| reply.headers.get(name)?.to_str().ok()?.parse::<u64>().ok();
        let samples = written("x-prometheus-remote-write-samples-written");
        self.stats.samples.add(samples.unwrap_or_default());
        let histograms = written("x-prometheus-remote-write-histograms-written");
        self.stats.histograms.add(histograms.unwrap_or_default());
        let exemplars = written("x-prometheus-remote-write-exemplars-written");
        self.stats.exemplars.add(exemplars.unwrap_or_default());
        if reply.status.is_success()
            && samples.is_none()
            && !self.v2_not_confirmed.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(
                url = self.url,
                "the endpoint does not say how many samples it has written: it may not know remote write 2.0"
            );
        }
    }

    /// Which failures may pass (remote write 1.0 and 2.0, "Retries & Backoff").
    fn refused(&self, reply: &HttpReply) -> ConsumeError {
        const SHOWN: usize = 1024;
        let text = String::from_utf8_lossy(&reply.body[..reply.body.len().min(SHOWN)]);
        let line = text.lines().next().unwrap_or_default();
        let message =
            format!("remote write to {} was answered with HTTP {}: {line}", self.url, reply.status.as_u16());
        if reply.status.is_server_error() || reply.status == http::StatusCode::TOO_MANY_REQUESTS {
            return ConsumeError::retryable(message, retry_after(reply, &self.clock));
        }
        ConsumeError::permanent(message)
    }
}
