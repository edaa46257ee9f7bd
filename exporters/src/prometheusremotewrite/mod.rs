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
mod wal;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::{self, StreamExt as _};
use http::{HeaderMap, HeaderName, HeaderValue};
use otelcol_net::config::ClientAuthConfig;
use otelcol_net::{HttpClient, HttpReply, HttpUrl};
use otelcol_pdata::{Batch, Client, Signal};
use otelcol_pipeline::telemetry::Counter;
use otelcol_pipeline::{
    Clock, ComponentError, ConsumeError, ConsumerComponent, Context, ExporterFactory, Host,
};
use tokio::sync::{Mutex, OwnedMutexGuard};

pub use config::{Config, ProtobufMessage, RemoteWriteQueue, TargetInfo};
pub use wal::WalConfig;

use crate::helper::http_client::{authenticate, no_reply, retry_after};
use crate::helper::{Exporter, Progress, Sender, Sent};
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
    let settings = config.settings(&context);
    let sender = RemoteWrite {
        client: HttpClient::new(&client).map_err(ComponentError::from_display)?,
        auth: client.auth.clone(),
        url: client.endpoint.parse().map_err(ComponentError::from_display)?,
        timeout: client.timeout.get(),
        headers: headers(&context, config.version()),
        metadata_keys: config.include_metadata_keys.clone(),
        rules: config.rules(),
        version: config.version(),
        max_bytes: if config.max_batch_size_bytes == 0 { 3_000_000 } else { config.max_batch_size_bytes },
        parallel: config.parallel(),
        repeats_are_ours: settings.queue.as_ref().is_some_and(|queue| queue.enabled),
        totals: Arc::new(Mutex::new(Totals::new(config.max_delta_series))),
        clock: context.clock.clone(),
        stats: Stats::new(&context),
        v2_not_confirmed: AtomicBool::new(false),
    };
    Ok(Exporter::new(context, signal, sender, settings))
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
    url: HttpUrl,
    /// Of one request.
    timeout: Duration,
    headers: HeaderMap,
    metadata_keys: Vec<String>,
    rules: Rules,
    version: Version,
    max_bytes: usize,
    parallel: usize,
    /// Nobody above offers a batch again that failed here.
    repeats_are_ours: bool,
    /// Also what keeps batches one after the other.
    totals: Arc<Mutex<Totals>>,
    clock: Clock,
    stats: Stats,
    v2_not_confirmed: AtomicBool,
}

/// A batch on its way: what is still to be sent of it.
struct UnderWay {
    /// Held until the batch is through: samples of a series must arrive in their order.
    totals: OwnedMutexGuard<Totals>,
    /// Whether its deltas are in the next totals, too, when it ends here.
    counts: bool,
    requests: Vec<Request>,
    /// It is one request, which no part of it outlives.
    alone: bool,
    sent: Sent,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if self.counts {
            self.totals.commit();
        } else {
            self.totals.roll_back();
        }
    }
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

    async fn send(&self, batch: &Batch, progress: &mut Progress) -> Result<Sent, ConsumeError> {
        let mut under_way = match progress.take() {
            Some(under_way) => under_way,
            None => self.begin(batch).await?,
        };
        let client = batch.client().map(Arc::as_ref);
        let headers = &self.headers_for(client);
        let requests = std::mem::take(&mut under_way.requests).into_iter();
        let answers = requests.map(|request| async move {
            let answer = self.push(client, headers, &request).await;
            (request, answer)
        });
        let answers: Vec<_> = stream::iter(answers).buffered(self.parallel).collect().await;
        let mut failed: Option<ConsumeError> = None;
        for (request, answer) in answers {
            match answer {
                Ok(()) => {}
                Err(error) if error.is_permanent() && under_way.alone => {
                    // The points are lost, but what they counted shows in the next total.
                    under_way.counts = true;
                    return Err(error);
                }
                // The other requests of the batch were taken.
                Err(error) if error.is_permanent() => {
                    let sent = &mut under_way.sent;
                    sent.rejected += request.points;
                    if sent.message.is_empty() {
                        sent.message = error.to_string();
                    }
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
        let Some(error) = failed else {
            under_way.counts = true;
            return Ok(std::mem::take(&mut under_way.sent));
        };
        let open = under_way.requests.iter().map(|request| request.points).sum();
        let sent = under_way.sent.clone();
        progress.keep(under_way, open, sent);
        Err(error)
    }
}

impl RemoteWrite {
    async fn begin(&self, batch: &Batch) -> Result<UnderWay, ConsumeError> {
        let mut totals = Arc::clone(&self.totals).lock_owned().await;
        let converter = Converter::new(&self.rules, &mut totals, self.clock.unix_nanos());
        let mut converted = converter.convert(&batch.metrics()?);
        self.stats.series.add(converted.series.len() as u64);
        self.stats.failed_translations.add(converted.dropped as u64);
        let message = converted.first_problem.take().unwrap_or_default();
        let sent = Sent { rejected: converted.dropped, message };
        let requests = requests(converted, self.version, self.max_bytes);
        let alone = requests.len() == 1;
        Ok(UnderWay { totals, counts: self.repeats_are_ours, requests, alone, sent })
    }

    /// The protocol's own headers, and those of the batch's sender that are sent on.
    fn headers_for(&self, client: Option<&Client>) -> HeaderMap {
        let mut headers = self.headers.clone();
        let Some(client) = client else { return headers };
        for key in &self.metadata_keys {
            for value in client.metadata.get(key) {
                if let (Ok(name), Ok(value)) = (HeaderName::try_from(key), HeaderValue::try_from(value)) {
                    headers.append(name, value);
                }
            }
        }
        headers
    }

    async fn push(
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
                url = %self.url,
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
