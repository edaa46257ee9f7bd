//! Exporters: one folder a component, one cargo feature a component.

use otelcol_pipeline::ExporterFactory;

#[cfg(feature = "debug")]
pub mod debug;
#[cfg(feature = "file")]
pub mod file;
pub mod helper;
#[cfg(feature = "loki")]
pub mod loki;
#[cfg(feature = "nop")]
pub mod nop;
#[cfg(feature = "otlp")]
pub mod otlp;
#[cfg(feature = "otlphttp")]
pub mod otlphttp;
#[cfg(feature = "prometheus")]
pub mod prometheus;
#[cfg(feature = "prometheusremotewrite")]
pub mod prometheusremotewrite;
#[cfg(any(feature = "prometheus", feature = "prometheusremotewrite"))]
mod translation;

/// The exporters that were compiled in.
pub fn factories() -> Vec<ExporterFactory> {
    vec![
        #[cfg(feature = "debug")]
        debug::factory(),
        #[cfg(feature = "file")]
        file::factory(),
        #[cfg(feature = "loki")]
        loki::factory(),
        #[cfg(feature = "nop")]
        nop::factory(),
        #[cfg(feature = "otlp")]
        otlp::factory(),
        #[cfg(feature = "otlphttp")]
        otlphttp::factory(),
        #[cfg(feature = "prometheus")]
        prometheus::factory(),
        #[cfg(feature = "prometheusremotewrite")]
        prometheusremotewrite::factory(),
    ]
}
