//! Unary gRPC over HTTP/2 (PROTOCOL-HTTP2.md of gRPC), with messages as bytes.

mod bundled;
mod call;
mod channel;
mod client;
mod connection;
mod frame;
mod server;

pub use client::GrpcClient;
pub use server::{UnaryService, serve_grpc};

#[cfg(test)]
mod tests;
