//! Settings and answers that exporters over HTTP have in common.

use std::time::Duration;

use http::header::RETRY_AFTER;
use otelcol_net::{ClientError, HttpReply};
use otelcol_pipeline::{Clock, ConsumeError};

/// Declares the settings of an exporter over HTTP: those of the HTTP client and of the queue and the repeats beside
/// the exporter's own, flat as otelcol has them. A flattened struct would hide its keys from the check for unknown keys.
macro_rules! http_exporter_config {
    (
        $(#[$meta:meta])*
        pub struct $name:ident {
            $( $(#[$own_meta:meta])* pub $own:ident: $own_type:ty = $own_default:expr, )*
        }
        timeout: $timeout:expr,
        compression: $compression:expr,
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, serde::Deserialize)]
        #[serde(default)]
        pub struct $name {
            $( $(#[$own_meta])* pub $own: $own_type, )*
            /// URL to send to.
            pub endpoint: String,
            /// TLS of `https://` endpoints.
            pub tls: otelcol_net::config::ClientTls,
            /// Compression of request bodies.
            pub compression: otelcol_net::Compression,
            /// Level of the compression.
            pub compression_params: otelcol_net::config::CompressionParams,
            /// Sent with each request.
            pub headers: otelcol_net::config::Headers,
            /// Time for one attempt. Zero: no limit.
            pub timeout: otelcol_confmap::GoDuration,
            /// No effect here: sizes a buffer of the Go implementation.
            pub read_buffer_size: usize,
            /// No effect here: sizes a buffer of the Go implementation.
            pub write_buffer_size: usize,
            /// otelcol's newer way to write the next four.
            pub keepalive: Option<otelcol_net::config::HttpClientKeepalive>,
            /// Connections kept for later.
            pub max_idle_conns: usize,
            /// Connections kept for later per host.
            pub max_idle_conns_per_host: usize,
            /// How long a connection is kept for later.
            pub idle_conn_timeout: otelcol_confmap::GoDuration,
            /// A new connection for each request.
            pub disable_keep_alives: bool,
            /// Requests in flight at one time; 0 means no limit.
            pub max_conns_per_host: usize,
            /// Ping an HTTP/2 connection on which nothing was received for this long. Zero: never.
            pub http2_read_idle_timeout: otelcol_confmap::GoDuration,
            /// Close it when the ping is not answered for this long.
            pub http2_ping_timeout: otelcol_confmap::GoDuration,
            /// Offer HTTP/2 when connecting with TLS.
            pub force_attempt_http2: bool,
            /// What waits between the pipeline and the backend.
            pub sending_queue: $crate::helper::QueueConfig,
            /// Repeats after an error that may pass.
            pub retry_on_failure: $crate::helper::RetryConfig,
        }

        impl Default for $name {
            fn default() -> Self {
                let client = otelcol_net::config::HttpClientConfig::default();
                Self {
                    $( $own: $own_default, )*
                    endpoint: client.endpoint,
                    tls: client.tls,
                    compression: $compression,
                    compression_params: client.compression_params,
                    headers: client.headers,
                    timeout: $timeout,
                    read_buffer_size: client.read_buffer_size,
                    write_buffer_size: client.write_buffer_size,
                    keepalive: client.keepalive,
                    max_idle_conns: client.max_idle_conns,
                    max_idle_conns_per_host: client.max_idle_conns_per_host,
                    idle_conn_timeout: client.idle_conn_timeout,
                    disable_keep_alives: client.disable_keep_alives,
                    max_conns_per_host: client.max_conns_per_host,
                    http2_read_idle_timeout: client.http2_read_idle_timeout,
                    http2_ping_timeout: client.http2_ping_timeout,
                    force_attempt_http2: client.force_attempt_http2,
                    sending_queue: Default::default(),
                    retry_on_failure: Default::default(),
                }
            }
        }

        impl $name {
            /// The settings of the HTTP client, and what stands between the pipeline and the sender.
            pub fn into_parts(self) -> (otelcol_net::config::HttpClientConfig, $crate::helper::Settings) {
                let settings = $crate::helper::Settings {
                    timeout: self.timeout.get(),
                    queue: Some(self.sending_queue),
                    retry: Some(self.retry_on_failure),
                };
                let client = otelcol_net::config::HttpClientConfig {
                    endpoint: self.endpoint,
                    tls: self.tls,
                    compression: self.compression,
                    compression_params: self.compression_params,
                    headers: self.headers,
                    timeout: self.timeout,
                    read_buffer_size: self.read_buffer_size,
                    write_buffer_size: self.write_buffer_size,
                    keepalive: self.keepalive,
                    max_idle_conns: self.max_idle_conns,
                    max_idle_conns_per_host: self.max_idle_conns_per_host,
                    idle_conn_timeout: self.idle_conn_timeout,
                    disable_keep_alives: self.disable_keep_alives,
                    max_conns_per_host: self.max_conns_per_host,
                    http2_read_idle_timeout: self.http2_read_idle_timeout,
                    http2_ping_timeout: self.http2_ping_timeout,
                    force_attempt_http2: self.force_attempt_http2,
                };
                (client, settings)
            }
        }
    };
}
pub(crate) use http_exporter_config;

/// A request that got no answer may be repeated.
pub(crate) fn no_reply(error: &ClientError) -> ConsumeError {
    ConsumeError::retryable(format!("failed to make an HTTP request: {error}"), None)
}

/// What the backend asks for in `Retry-After`: seconds or a date (RFC 9110, 10.2.3).
pub(crate) fn retry_after(reply: &HttpReply, clock: &Clock) -> Option<Duration> {
    let text = reply.headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(clock.now()).unwrap_or_default())
}

/// Whether `text` is a URL that can be sent to.
pub(crate) fn is_http_url(text: &str) -> bool {
    text.parse::<http::Uri>().is_ok_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty())
    })
}
