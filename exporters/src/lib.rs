//! Exporters: one folder a component, one cargo feature a component.

use otelcol_pipeline::ExporterFactory;

#[cfg(feature = "prometheus")]
pub mod prometheus;

/// The exporters that were compiled in.
pub fn factories() -> Vec<ExporterFactory> {
    vec![
        #[cfg(feature = "prometheus")]
        prometheus::factory(),
    ]
}
