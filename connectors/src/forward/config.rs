//! Settings of the forward connector.

/// The forward connector has no settings.
pub type Config = otelcol_pipeline::NoConfig;
