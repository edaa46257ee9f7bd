//! `/metrics`.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use otelcol_net::{Event, HttpRequest, HttpResponse, HttpService};
use otelcol_pipeline::Clock;
use otelcol_prometheus_text::negotiate;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::registry::Registry;
use super::render::{Scrape, Style};
use super::spares::Spares;
use super::stats::Stats;

/// Bytes rendered under one lock: long enough to be cheap, short enough not to hold batches up.
const PIECE: usize = 64 * 1024;

/// Room for a piece and the series that takes it past its end.
const BUFFER: usize = PIECE + PIECE / 8;

/// Scrapes that are rendered or sent at one time; further ones wait. Each holds its whole response.
const MAX_SCRAPES: usize = 8;

/// How the service answers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Offer {
    pub(super) open_metrics: bool,
    pub(super) timestamps: bool,
    /// Names may hold any character, so that the scraper's escaping has to be heeded.
    pub(super) utf8_names: bool,
}

/// Serves a registry.
pub(super) struct MetricsService {
    registry: Arc<Mutex<Registry>>,
    stats: Arc<Stats>,
    clock: Clock,
    offer: Offer,
    scrapes: Arc<Semaphore>,
    spares: Arc<Spares>,
}

impl MetricsService {
    pub(super) fn new(registry: Arc<Mutex<Registry>>, stats: Arc<Stats>, clock: Clock, offer: Offer) -> Self {
        let scrapes = Arc::new(Semaphore::new(MAX_SCRAPES));
        Self { registry, stats, clock, offer, scrapes, spares: Arc::default() }
    }

    /// The buffers of sent responses, to be freed now and then.
    pub(super) fn spares(&self) -> Arc<Spares> {
        Arc::clone(&self.spares)
    }

    async fn answer(&self, request: HttpRequest) -> HttpResponse {
        if request.path != "/metrics" {
            return HttpResponse::text(StatusCode::NOT_FOUND, "404 page not found\n");
        }
        if request.method != Method::GET && request.method != Method::HEAD {
            let mut refused =
                HttpResponse::text(StatusCode::METHOD_NOT_ALLOWED, "method not allowed, expected GET\n");
            refused.headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return refused;
        }
        let Ok(permit) = Arc::clone(&self.scrapes).acquire_owned().await else {
            return HttpResponse::text(StatusCode::SERVICE_UNAVAILABLE, "shutting down\n");
        };
        let accept = text_of(&request.headers, &header::ACCEPT);
        let (format, escaping) = negotiate(&accept, self.offer.open_metrics);
        let as_stored = escaping.keeps_classic_names() && !self.offer.utf8_names;
        let style =
            Style { format, escaping: (!as_stored).then_some(escaping), timestamps: self.offer.timestamps };
        let gzip = accepts_gzip(&text_of(&request.headers, &header::ACCEPT_ENCODING));
        let mut pieces = self.render(style, gzip).await;
        hold_until_sent(&mut pieces, permit);
        HttpResponse {
            status: StatusCode::OK,
            headers: headers(&format.content_type(escaping), gzip),
            body: pieces,
        }
    }

    /// Renders piece by piece; other tasks and batches get their turn in between.
    async fn render(&self, style: Style, gzip: bool) -> Vec<Bytes> {
        let now = self.clock.steady_nanos();
        let mut body = Body::new(gzip, Arc::clone(&self.spares));
        let mut scrape = Scrape::new(style, self.spares.take(BUFFER));
        loop {
            let more = {
                let mut registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
                scrape.fill(&mut registry, now, PIECE)
            };
            if more.is_continue() {
                break;
            }
            body.push(&mut scrape);
            tokio::task::yield_now().await;
        }
        body.finish(scrape.finish())
    }
}

impl HttpService for MetricsService {
    fn call(&self, request: HttpRequest) -> BoxFuture<'_, HttpResponse> {
        Box::pin(self.answer(request))
    }

    fn event(&self, _: &Event) {
        self.stats.count_rejected_request();
    }
}

/// The response so far, compressed or not.
struct Body {
    pieces: Vec<Bytes>,
    gzip: Option<GzEncoder<Vec<u8>>>,
    spares: Arc<Spares>,
}

impl Body {
    fn new(gzip: bool, spares: Arc<Spares>) -> Self {
        let gzip = gzip.then(|| GzEncoder::new(Vec::new(), Compression::fast()));
        Self { pieces: Vec::new(), gzip, spares }
    }

    /// Takes what is written so far; compressed, the scrape's buffer is used again.
    fn push(&mut self, scrape: &mut Scrape) {
        let Some(encoder) = &mut self.gzip else {
            let full = scrape.exchange(self.spares.take(BUFFER));
            self.pieces.push(self.spares.lend(full));
            return;
        };
        // Writing into memory does not fail.
        _ = encoder.write_all(scrape.as_bytes());
        scrape.clear();
        if encoder.get_ref().len() >= PIECE {
            self.pieces.push(std::mem::take(encoder.get_mut()).into());
        }
    }

    fn finish(mut self, end: Vec<u8>) -> Vec<Bytes> {
        // The buffer comes back in either case.
        let end = self.spares.lend(end);
        match self.gzip {
            None => self.pieces.push(end),
            Some(mut encoder) => {
                let compressed = encoder.write_all(&end).and_then(|()| encoder.finish());
                self.pieces.extend(compressed.map(Bytes::from));
            }
        }
        self.pieces
    }
}

/// Ties the permit to the last piece: a scraper that reads slowly counts until it is done or cut.
fn hold_until_sent(pieces: &mut Vec<Bytes>, permit: OwnedSemaphorePermit) {
    struct Held(Bytes, #[expect(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);
    impl AsRef<[u8]> for Held {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }
    // An empty one is not sent, and would take the permit with it at once.
    pieces.retain(|piece| !piece.is_empty());
    if let Some(last) = pieces.last_mut() {
        *last = Bytes::from_owner(Held(std::mem::take(last), permit));
    }
}

fn headers(content_type: &str, gzip: bool) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Ok(content_type) = HeaderValue::from_str(content_type) {
        headers.insert(header::CONTENT_TYPE, content_type);
    }
    headers.insert(header::VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
    if gzip {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    headers
}

fn text_of(headers: &HeaderMap, name: &header::HeaderName) -> String {
    let values: Vec<&str> = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
    values.join(",")
}

/// Whether an Accept-Encoding header takes gzip (RFC 9110, section 12.5.3).
fn accepts_gzip(accept_encoding: &str) -> bool {
    let weight = |wanted: &str| {
        accept_encoding.split(',').find_map(|coding| {
            let (name, parameters) = coding.split_once(';').unwrap_or((coding, ""));
            let weight =
                parameters.trim().strip_prefix("q=").map_or(1.0, |q| q.trim().parse().unwrap_or(0.0));
            name.trim().eq_ignore_ascii_case(wanted).then_some(weight)
        })
    };
    weight("gzip").or_else(|| weight("*")).is_some_and(|weight: f64| weight > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_used_where_it_is_accepted() {
        for (accept, want) in [
            ("", false),
            ("gzip", true),
            ("deflate, GZIP;q=0.5", true),
            ("gzip;q=0", false),
            ("*", true),
            ("*;q=0", false),
            ("gzip;q=0, *", false),
            ("identity", false),
            ("gzip;q=nonsense", false),
        ] {
            assert_eq!(accepts_gzip(accept), want, "{accept}");
        }
    }
}
