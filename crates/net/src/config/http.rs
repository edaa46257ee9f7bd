//! Settings of HTTP servers and clients.

use std::time::Duration;

use otelcol_confmap::GoDuration;
use serde::Deserialize;

use crate::http_client::Proxy;

/// Writes the settings of a component that is an HTTP server, flat as otelcol has them; `config/flat.rs` says why and
/// how.
#[macro_export]
macro_rules! http_server_config {
    ($($config:tt)*) => {
        $crate::flat_config! {
            $($config)*
            shared $crate::config::HttpServerConfig {
                /// `host:port`, `:port`, or a path where `transport` is `unix`. The component sets the default.
                pub endpoint: String = String::new(),
                /// `tcp` (default), `tcp4`, `tcp6` or `unix`.
                pub transport: String = "tcp".to_owned(),
                /// TLS; plain text where absent.
                pub tls: Option<$crate::config::ServerTls> = None,
                /// Answers to browsers of other origins.
                pub cors: Option<$crate::config::CorsConfig> = None,
                /// Largest body in bytes, before and after decompression. 0 means 20 MiB.
                pub max_request_body_size: usize = 0,
                /// Who may use it; everybody where absent.
                pub auth: Option<$crate::config::HttpServerAuthConfig> = None,
                /// Let the headers of a request travel with its data.
                pub include_metadata: bool = false,
                /// Added to each response.
                pub response_headers: $crate::config::Headers = Default::default(),
                /// Encodings a body may come in, `""` for none. Empty: all this crate knows.
                pub compression_algorithms: Vec<$crate::Compression> = Vec::new(),
                /// Time for a whole request, body included. Zero: no limit but that a body must not stall for a minute.
                pub read_timeout: otelcol_confmap::GoDuration = Default::default(),
                /// Time for the headers of a request. Zero: `read_timeout`.
                pub read_header_timeout: otelcol_confmap::GoDuration = otelcol_confmap::GoDuration::from_secs(60),
                /// Time from the headers of a request to the last byte of its response. Zero: no limit.
                pub write_timeout: otelcol_confmap::GoDuration = otelcol_confmap::GoDuration::from_secs(30),
                /// otelcol's newer way to write the next two.
                pub keepalive: Option<$crate::config::HttpServerKeepalive> = None,
                /// How long a connection may wait for its next request. Zero: `read_timeout`.
                pub idle_timeout: otelcol_confmap::GoDuration = otelcol_confmap::GoDuration::from_secs(60),
                /// Whether a connection may carry more than one request.
                pub keep_alives_enabled: bool = true,
            }
        }
    };
}

http_server_config! {
    /// An HTTP server, after otelcol's `confighttp.ServerConfig`.
    pub struct HttpServerConfig {}
}

impl HttpServerConfig {
    /// Largest body in bytes.
    pub fn max_body(&self) -> usize {
        if self.max_request_body_size == 0 { 20 * 1024 * 1024 } else { self.max_request_body_size }
    }

    /// Whether connections are kept between requests.
    pub fn keeps_alive(&self) -> bool {
        self.keepalive.as_ref().and_then(|k| k.enabled).unwrap_or(self.keep_alives_enabled)
    }

    /// How long a connection may be idle; None for ever.
    pub fn idle_limit(&self) -> Option<Duration> {
        let idle = self.keepalive.as_ref().and_then(|k| k.idle_timeout).unwrap_or(self.idle_timeout);
        non_zero(idle).or_else(|| non_zero(self.read_timeout))
    }

    /// How long the headers of a request may take; None for ever.
    pub fn header_limit(&self) -> Option<Duration> {
        non_zero(self.read_header_timeout).or_else(|| non_zero(self.read_timeout))
    }
}

fn non_zero(d: GoDuration) -> Option<Duration> {
    Some(d.get()).filter(|d| !d.is_zero())
}

/// `keepalive` of an HTTP server.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct HttpServerKeepalive {
    /// Same as `keep_alives_enabled`, which it overrides.
    pub enabled: Option<bool>,
    /// Same as `idle_timeout`, which it overrides.
    pub idle_timeout: Option<GoDuration>,
}

/// `cors` of an HTTP server (the Fetch standard's cross-origin protocol).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct CorsConfig {
    /// Origins that may call; each may hold one `*`. Empty: none.
    pub allowed_origins: Vec<String>,
    /// Request headers that may be sent, `*` for all, besides Accept, Accept-Language, Content-Type, Content-Language.
    pub allowed_headers: Vec<String>,
    /// Response headers that scripts may read.
    pub exposed_headers: Vec<String>,
    /// Seconds a browser may remember the answer.
    pub max_age: u64,
}

/// Writes the settings of a component that is an HTTP client, flat as otelcol has them; `config/flat.rs` says why and
/// how.
#[macro_export]
macro_rules! http_client_config {
    ($($config:tt)*) => {
        $crate::flat_config! {
            $($config)*
            shared $crate::config::HttpClientConfig {
                /// `http://` or `https://` URL the component sends to.
                pub endpoint: String = String::new(),
                /// `http://` URL of a proxy, with `user:password@` where it asks for it. Proxies of the environment are not used.
                pub proxy_url: otelcol_confmap::Opaque = Default::default(),
                /// TLS of `https://` endpoints.
                pub tls: $crate::config::ClientTls = Default::default(),
                /// Compression of request bodies.
                pub compression: $crate::Compression = $crate::Compression::None,
                /// Level of the compression.
                pub compression_params: $crate::config::CompressionParams = Default::default(),
                /// Sent with each request; they win over the component's own.
                pub headers: $crate::config::Headers = Default::default(),
                /// Credentials for each request.
                pub auth: Option<$crate::config::ClientAuthConfig> = None,
                /// Time for one request, connection and reply included. Zero: the caller's, if any.
                pub timeout: otelcol_confmap::GoDuration = Default::default(),
                /// No effect here: sizes a buffer of the Go implementation.
                pub read_buffer_size: usize = 0,
                /// No effect here: sizes a buffer of the Go implementation.
                pub write_buffer_size: usize = 0,
                /// otelcol's newer way to write the next four.
                pub keepalive: Option<$crate::config::HttpClientKeepalive> = None,
                /// Connections kept for later; 0 means no limit.
                pub max_idle_conns: usize = 100,
                /// Connections kept for later per host; 0 means `max_idle_conns` (Go: 2).
                pub max_idle_conns_per_host: usize = 0,
                /// How long a connection is kept for later; 0 means for ever.
                pub idle_conn_timeout: otelcol_confmap::GoDuration = otelcol_confmap::GoDuration::from_secs(90),
                /// A new connection for each request.
                pub disable_keep_alives: bool = false,
                /// Requests in flight at one time, which with HTTP/1.1 is connections in use; 0 means no limit.
                pub max_conns_per_host: usize = 0,
                /// Ping an HTTP/2 connection on which nothing was received for this long. Zero: never.
                pub http2_read_idle_timeout: otelcol_confmap::GoDuration = Default::default(),
                /// Close it when the ping is not answered for this long. Zero: 15 s.
                pub http2_ping_timeout: otelcol_confmap::GoDuration = Default::default(),
                /// Offer HTTP/2 when connecting with TLS.
                pub force_attempt_http2: bool = true,
            }
        }
    };
}

http_client_config! {
    /// An HTTP client, after otelcol's `confighttp.ClientConfig`.
    pub struct HttpClientConfig {}
}

impl HttpClientConfig {
    /// What is wrong with the settings besides the endpoint, whatever files and servers say: keys and reasons.
    pub fn issues(&self) -> Vec<(&'static str, String)> {
        let level = self.compression.check_level(self.compression_params.level);
        let proxy = Proxy::new(&self.proxy_url).map_err(|error| error.to_string());
        let found = [("compression_params::level", level.err()), ("proxy_url", proxy.err())];
        found.into_iter().filter_map(|(key, issue)| Some((key, issue?))).collect()
    }

    /// Connections kept for later, per host; zero for none.
    pub fn idle_connections(&self) -> usize {
        let keepalive = self.keepalive.as_ref();
        let disabled = keepalive.and_then(|k| k.enabled).map_or(self.disable_keep_alives, |on| !on);
        if disabled {
            return 0;
        }
        let total = keepalive.and_then(|k| k.max_idle_conns).unwrap_or(self.max_idle_conns);
        let per_host =
            keepalive.and_then(|k| k.max_idle_conns_per_host).unwrap_or(self.max_idle_conns_per_host);
        [total, per_host].into_iter().filter(|n| *n > 0).min().unwrap_or(usize::MAX)
    }

    /// How long a connection is kept for later; None for ever.
    pub fn idle_limit(&self) -> Option<Duration> {
        non_zero(self.keepalive.as_ref().and_then(|k| k.idle_conn_timeout).unwrap_or(self.idle_conn_timeout))
    }
}

/// `keepalive` of an HTTP client. Each key overrides the flat one it replaces.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct HttpClientKeepalive {
    /// The opposite of `disable_keep_alives`.
    pub enabled: Option<bool>,
    /// Same as the flat key.
    pub idle_conn_timeout: Option<GoDuration>,
    /// Same as the flat key.
    pub max_idle_conns: Option<usize>,
    /// Same as the flat key.
    pub max_idle_conns_per_host: Option<usize>,
}

/// `compression_params`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct CompressionParams {
    /// gzip, zlib, deflate: -2 (Huffman only) to 9, where -1 and 0 are the default as in otelcol; zstd: 1 to 22.
    pub level: i32,
}
