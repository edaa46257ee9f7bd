//! Serves metrics to Prometheus at `/metrics`: keeps the last state of each series, delta points summed up.

mod config;
mod exporter;
mod family;
mod points;
mod reason;
mod registry;
mod render;
mod server;
mod spares;
mod stats;
mod value;

pub use crate::translation::ResourceConversion;
pub use config::Config;

use otelcol_pdata::Signal;
use otelcol_pipeline::ExporterFactory;

/// The factory of the `prometheus` exporter.
pub fn factory() -> ExporterFactory {
    ExporterFactory::exporter("prometheus", &[Signal::Metrics], exporter::create)
}
