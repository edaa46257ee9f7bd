//! The HTTP client: whole bodies out, small replies in, connections kept for later.

mod connector;
mod proxy;
mod url;

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::uri::Scheme;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use hyper_util::client::legacy::Client as Pool;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use otelcol_pdata::Client;
use tokio::sync::Semaphore;

use crate::ClientError;
use crate::auth::{ClientAuth, Credentials};
use crate::chunks::Chunks;
use crate::compress::{Compression, compress};
use crate::config::HttpClientConfig;
use connector::Connector;
pub(crate) use proxy::Proxy;
pub use url::{HttpUrl, InvalidUrl};

/// What is kept of a reply to a POST: enough for a message.
const MAX_REPLY: usize = 64 * 1024;

const USER_AGENT: HeaderValue =
    HeaderValue::from_static(concat!("otelcol-asterisk/", env!("CARGO_PKG_VERSION")));

/// Sends requests to `http://` and `https://` URLs. Redirects are not followed, and proxies used only where `proxy_url` names one.
pub struct HttpClient {
    client: Pool<Connector, Chunks>,
    headers: HeaderMap,
    compression: Compression,
    level: i32,
    timeout: Option<Duration>,
    in_flight: Option<Arc<Semaphore>>,
    proxy: Option<Arc<Proxy>>,
    credentials: Credentials,
}

/// A whole reply, of whatever status.
#[derive(Debug, Clone)]
pub struct HttpReply {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body as sent, cut at the limit.
    pub body: Bytes,
    /// Whether it was cut.
    pub truncated: bool,
}

impl HttpReply {
    /// `Retry-After` in seconds; its other form, a date, counts as absent.
    pub fn retry_after(&self) -> Option<Duration> {
        self.headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
    }
}

impl HttpClient {
    /// A client for these settings. Does not connect; `endpoint` is the caller's to use, and only says here whether
    /// the `tls` section is looked at now (https, or empty) or at the first https URL.
    ///
    /// # Errors
    /// A header, level, proxy or `tls` section that can not be used.
    pub fn new(config: &HttpClientConfig) -> Result<Self, ClientError> {
        let level = config.compression_params.level;
        if let Some((_, message)) = config.issues().into_iter().next() {
            return Err(ClientError::Invalid(message));
        }
        let protocols: &'static [&'static [u8]] =
            if config.force_attempt_http2 { &[b"h2", b"http/1.1"] } else { &[b"http/1.1"] };
        let proxy = Proxy::new(&config.proxy_url)?.map(Arc::new);
        let connector = Connector::new(&config.tls, protocols, proxy.clone());
        if !config.endpoint.starts_with("http://") {
            connector.tls()?;
        }
        let positive = |d: Duration| Some(d).filter(|d| !d.is_zero());
        let client = Pool::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(config.idle_limit())
            .pool_max_idle_per_host(config.idle_connections())
            .http2_keep_alive_interval(positive(config.http2_read_idle_timeout.get()))
            .http2_keep_alive_timeout(
                positive(config.http2_ping_timeout.get()).unwrap_or(Duration::from_secs(15)),
            )
            .http2_keep_alive_while_idle(true)
            .build(connector);
        let connections = config.max_conns_per_host;
        Ok(HttpClient {
            client,
            headers: crate::headers::parse(&config.headers)?,
            compression: config.compression,
            level,
            timeout: positive(config.timeout.get()),
            in_flight: (connections > 0)
                .then(|| Arc::new(Semaphore::new(connections.min(Semaphore::MAX_PERMITS)))),
            proxy,
            credentials: Credentials::new(config.auth.as_ref()),
        })
    }

    /// Gives the authenticator that the settings ask for. Until then requests fail.
    pub fn set_auth(&self, auth: Arc<dyn ClientAuth>) {
        self.credentials.set(auth);
    }

    /// Posts `body`, compressed as configured unless `headers` already has a Content-Encoding.
    /// The configured headers win over `headers`. `timeout` zero is the configured one.
    ///
    /// # Errors
    /// The URL, or no reply: credentials, connection, time, protocol. A reply of any status is no error.
    pub async fn post(
        &self,
        url: &str,
        headers: HeaderMap,
        body: Vec<Bytes>,
        content_type: &'static str,
        timeout: Duration,
    ) -> Result<HttpReply, ClientError> {
        self.post_for(None, &url.parse()?, headers, body, content_type, timeout).await
    }

    /// The same with data that `client` sent, by which an authenticator may choose the credentials.
    ///
    /// # Errors
    /// As [`HttpClient::post`].
    pub async fn post_for(
        &self,
        client: Option<&Client>,
        url: &HttpUrl,
        headers: HeaderMap,
        body: Vec<Bytes>,
        content_type: &'static str,
        timeout: Duration,
    ) -> Result<HttpReply, ClientError> {
        let mut headers = headers;
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        let packs = self.compression != Compression::None && !headers.contains_key(header::CONTENT_ENCODING);
        let body = if packs {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(self.compression.name()));
            let packed = compress(self.compression, self.level, &body);
            vec![packed.map_err(|e| ClientError::Broken(format!("failed to compress the request: {e}")))?]
        } else {
            body
        };
        let request = self.request(Method::POST, url, headers, body, client)?;
        self.exchange(url, request, timeout, MAX_REPLY).await
    }

    /// Gets `url`, keeping at most `max_body` bytes of what it says. `timeout` zero is the configured one.
    ///
    /// # Errors
    /// As [`HttpClient::post`].
    pub async fn get(&self, url: &str, timeout: Duration, max_body: usize) -> Result<HttpReply, ClientError> {
        let url = &url.parse()?;
        let request = self.request(Method::GET, url, HeaderMap::new(), Vec::new(), None)?;
        self.exchange(url, request, timeout, max_body).await
    }

    async fn exchange(
        &self,
        url: &HttpUrl,
        request: Request<Chunks>,
        timeout: Duration,
        max_body: usize,
    ) -> Result<HttpReply, ClientError> {
        let (method, url) = (request.method().clone(), url.to_string());
        let work = async {
            let _slot = match &self.in_flight {
                Some(slots) => slots.acquire().await.ok(),
                None => None,
            };
            let failed = |e: &hyper_util::client::legacy::Error| explain(&method, &url, e);
            let (head, body) = self.client.request(request).await.map_err(|e| failed(&e))?.into_parts();
            let (body, truncated) = collect(body, max_body).await.map_err(|e| {
                ClientError::Broken(format!("{method} {url:?}: failed to read the reply: {e}"))
            })?;
            Ok(HttpReply { status: head.status, headers: head.headers, body, truncated })
        };
        match Some(timeout).filter(|t| !t.is_zero()).or(self.timeout) {
            None => work.await,
            Some(timeout) => tokio::time::timeout(timeout, work)
                .await
                .unwrap_or_else(|_| Err(ClientError::Timeout { method, url: url.clone(), timeout })),
        }
    }

    fn request(
        &self,
        method: Method,
        url: &HttpUrl,
        headers: HeaderMap,
        body: Vec<Bytes>,
        client: Option<&Client>,
    ) -> Result<Request<Chunks>, ClientError> {
        let mut request = Request::new(Chunks::new(body, ()));
        *request.method_mut() = method;
        *request.uri_mut() = url.uri.clone();
        *request.headers_mut() = headers;
        request.headers_mut().entry(header::USER_AGENT).or_insert(USER_AGENT);
        if let Some(value) = &url.authorization {
            // As Go's net/http does: only where the request has none, and before what is configured, which wins.
            request.headers_mut().entry(header::AUTHORIZATION).or_insert_with(|| value.clone());
        }
        for (name, value) in &self.headers {
            request.headers_mut().insert(name, value.clone());
        }
        if request.uri().scheme() == Some(&Scheme::HTTP)
            && let Some(value) = self.proxy.as_ref().and_then(|proxy| proxy.authorization())
        {
            request.headers_mut().insert(header::PROXY_AUTHORIZATION, value.clone());
        }
        // Last, as in otelcol: it sees what all others have set.
        self.credentials.apply(request.headers_mut(), client)?;
        Ok(request)
    }
}

fn explain(method: &Method, url: &str, error: &hyper_util::client::legacy::Error) -> ClientError {
    // The innermost error is the one that says why.
    let mut reason: &dyn std::error::Error = error;
    while let Some(source) = reason.source() {
        reason = source;
    }
    let text = format!("{method} {url:?}: {reason}");
    if error.is_connect() { ClientError::Connect(text) } else { ClientError::Broken(text) }
}

async fn collect(mut body: hyper::body::Incoming, max: usize) -> Result<(Bytes, bool), hyper::Error> {
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else {
            continue;
        };
        let room = max - whole.len();
        whole.extend_from_slice(&data[..data.len().min(room)]);
        if data.len() > room {
            return Ok((whole.freeze(), true));
        }
    }
    Ok((whole.freeze(), false))
}

#[cfg(test)]
mod tests;
