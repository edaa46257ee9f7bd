//! Serving the collector's own metrics (`:8888/metrics`).

use std::sync::Arc;

use futures_util::future::{BoxFuture, join_all};
use otelcol_net::config::HttpServerConfig;
use otelcol_net::{HttpRequest, HttpResponse, HttpService, Listener};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::config::{PrometheusReader, TelemetryConfig};
use crate::telemetry::exposition;
use crate::{ComponentError, Shared};

/// The endpoints for self metrics, as long as it lives.
#[derive(Default)]
pub(super) struct SelfMetrics {
    config: TelemetryConfig,
    servers: Vec<Server>,
}

struct Server {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Server {
    fn stop(self) -> JoinHandle<()> {
        self.stop.cancel();
        self.task
    }
}

impl SelfMetrics {
    /// Serves as `config` says; what runs already and did not change runs on.
    pub(super) async fn apply(
        &mut self,
        config: &TelemetryConfig,
        shared: &Shared,
    ) -> Result<(), ComponentError> {
        if self.config.metrics == config.metrics
            && self.config.resource == config.resource
            && !self.servers.is_empty()
        {
            return Ok(());
        }
        let old = std::mem::take(&mut self.config);
        let served_before = !self.servers.is_empty();
        self.stop().await;
        if let Err(error) = self.serve(config, shared) {
            self.stop().await;
            if served_before {
                // The old endpoints were free a moment ago; if they are not, the first error says more.
                let _ = self.serve(&old, shared);
            }
            return Err(error);
        }
        Ok(())
    }

    /// What is served now.
    pub(super) fn config(&self) -> &TelemetryConfig {
        &self.config
    }

    pub(super) async fn stop(&mut self) {
        // All are told before one is waited for: nobody may wait to the end.
        let tasks: Vec<_> = self.servers.drain(..).map(Server::stop).collect();
        join_all(tasks).await;
    }

    fn serve(&mut self, config: &TelemetryConfig, shared: &Shared) -> Result<(), ComponentError> {
        for (endpoint, reader) in config.metrics.endpoints() {
            let listener = Listener::bind(&endpoint).map_err(|error| {
                ComponentError::new(format!(
                    "failed to serve the collector's own metrics: {error}; see service::telemetry::metrics"
                ))
            })?;
            let page = Arc::new(Page { shared: shared.clone(), reader, config: config.clone() });
            let stop = CancellationToken::new();
            let serving = otelcol_net::serve_http(
                listener,
                &HttpServerConfig::default(),
                page,
                None,
                None,
                stop.clone(),
            )
            .map_err(ComponentError::from_display)?;
            #[expect(clippy::disallowed_methods, reason = "this server belongs to no component")]
            let task = tokio::spawn(serving);
            self.servers.push(Server { stop, task });
        }
        self.config = config.clone();
        Ok(())
    }
}

struct Page {
    shared: Shared,
    reader: PrometheusReader,
    config: TelemetryConfig,
}

impl HttpService for Page {
    fn call(&self, request: HttpRequest) -> BoxFuture<'_, HttpResponse> {
        Box::pin(async move {
            if request.path != "/metrics" {
                return HttpResponse::text(http::StatusCode::NOT_FOUND, "404 page not found\n");
            }
            let text =
                exposition::render(&self.shared, &self.config.resource, !self.reader.without_type_suffix);
            HttpResponse::new(http::StatusCode::OK, exposition::CONTENT_TYPE, text)
        })
    }
}
