//! A remote write 1.0 endpoint that keeps the samples it takes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::{HeaderMap, StatusCode};
use otelcol_net::{HttpRequest, HttpResponse, HttpService};
use prost::Message;

use crate::server::Running;

/// An HTTP server with the write API of Prometheus. Refuses with 503 while it is told to.
#[derive(Debug)]
pub struct RemoteWriteSink {
    running: Running,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    samples: Mutex<Vec<f64>>,
    refuses: AtomicBool,
}

impl RemoteWriteSink {
    /// Starts a server that accepts.
    ///
    /// # Panics
    /// No port is free.
    pub fn start() -> Self {
        let shared = Arc::<Shared>::default();
        let service = Arc::new(Write(Arc::clone(&shared)));
        let running = Running::http(service);
        Self { running, shared }
    }

    /// The URL to write to.
    pub fn url(&self) -> String {
        format!("http://{}/api/v1/write", self.running.addr())
    }

    /// Whether requests are refused from now on.
    pub fn refuse(&self, refuses: bool) {
        self.shared.refuses.store(refuses, Ordering::Relaxed);
    }

    /// The values of all samples so far, as they came.
    pub fn samples(&self) -> Vec<f64> {
        self.shared.samples.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

struct Write(Arc<Shared>);

impl HttpService for Write {
    fn call(&self, request: HttpRequest) -> BoxFuture<'_, HttpResponse> {
        let answer = if self.0.refuses.load(Ordering::Relaxed) {
            HttpResponse::text(StatusCode::SERVICE_UNAVAILABLE, "away")
        } else {
            match WriteRequest::decode(request.body) {
                Ok(message) => {
                    let samples = message.timeseries.iter().flat_map(|series| &series.samples);
                    let mut all = self.0.samples.lock().unwrap_or_else(PoisonError::into_inner);
                    all.extend(samples.map(|sample| sample.value));
                    HttpResponse {
                        status: StatusCode::NO_CONTENT,
                        headers: HeaderMap::new(),
                        body: Vec::new(),
                    }
                }
                Err(why) => HttpResponse::text(StatusCode::BAD_REQUEST, why.to_string()),
            }
        };
        std::future::ready(answer).boxed()
    }
}

#[derive(Clone, PartialEq, Message)]
struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    timeseries: Vec<TimeSeries>,
}

#[derive(Clone, PartialEq, Message)]
struct TimeSeries {
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Sample {
    #[prost(double, tag = "1")]
    value: f64,
}
