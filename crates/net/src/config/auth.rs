//! `auth` sections, after otelcol's `configauth`.

use serde::Deserialize;

/// `auth` of a client.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct ClientAuthConfig {
    /// The extension that puts credentials into requests, listed under `service::extensions`.
    pub authenticator: String,
}

/// `auth` of a gRPC server.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct GrpcServerAuthConfig {
    /// The extension that decides who may send, listed under `service::extensions`.
    pub authenticator: String,
}

/// `auth` of an HTTP server.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct HttpServerAuthConfig {
    /// The extension that decides who may send, listed under `service::extensions`.
    pub authenticator: String,
    /// Parameters of the query that the extension sees as if they were headers.
    pub request_params: Vec<String>,
}
