//! Settings of servers and clients, under the key names and defaults of otelcol's `configtls`, `configgrpc`,
//! `confighttp` and `configcompression`.
//!
//! A key of otelcol that this crate can not honour is absent, so that the configuration loader refuses it by
//! name. Keys that only size Go's own buffers are accepted and marked "no effect here".

mod auth;
mod flat;
mod grpc;
mod headers;
mod http;
mod tls;

pub use auth::{ClientAuthConfig, GrpcServerAuthConfig, HttpServerAuthConfig};
pub use grpc::{
    GrpcClientConfig, GrpcClientKeepalive, GrpcServerConfig, GrpcServerKeepalive, KeepaliveEnforcement,
    KeepaliveServerParameters,
};
pub use headers::Headers;
pub use http::{
    CompressionParams, CorsConfig, HttpClientConfig, HttpClientKeepalive, HttpServerConfig,
    HttpServerKeepalive,
};
pub use tls::{ClientTls, ServerTls};

#[cfg(test)]
mod tests;
