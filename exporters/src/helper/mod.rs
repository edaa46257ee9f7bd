//! What exporters have in common: a bounded queue, repeats with growing waits, a time limit, counters and a log
//! that says once what is wrong. An exporter of its own only has to implement [`Sender`].

mod batcher;
pub mod config;
mod exporter;
#[cfg(any(feature = "otlphttp", feature = "loki", feature = "prometheusremotewrite"))]
pub(crate) mod http_client;
mod inheritance;
mod job;
mod notices;
#[cfg(any(feature = "otlp", feature = "otlphttp"))]
pub(crate) mod otlp_response;
mod queue;
mod retry;
mod sending;
mod stats;
mod stored;

#[cfg(test)]
mod tests;

pub use config::{BatchConfig, OnStorageError, PartitionConfig, QueueConfig, RetryConfig, Sizer};
pub use exporter::{Exporter, OwnLog, Progress, Sender, Sent, Settings};
