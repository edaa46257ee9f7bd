//! Sinks, fakes and clocks for tests. Everything listens on port 0 of 127.0.0.1 and stops when it is dropped.

pub mod ami;
mod clock;
mod csv;
mod ledger;
mod logs;
mod loki;
mod otlp;
mod proxy;
mod remote_write;
pub mod samples;
mod server;
mod sink;

pub use clock::ManualClock;
pub use csv::csv_fields;
pub use ledger::{Ledger, Tally};
pub use logs::LogCapture;
pub use loki::{FakeLoki, LokiEntry, LokiPush};
pub use otlp::{OtlpGrpcSink, OtlpHttpSink, grpc_path};
pub use proxy::Proxy;
pub use remote_write::RemoteWriteSink;
pub use sink::{Answer, Sink};

use std::time::Duration;

/// How long a test waits for something that comes at once when all is well.
pub const PATIENCE: Duration = Duration::from_secs(20);
