//! Connectors: the end of some pipelines and the beginning of others.
//!
//! One folder a component, one cargo feature a component; the folder's README.md has the settings.

#[cfg(feature = "forward")]
pub mod forward;

use otelcol_pipeline::ConnectorFactory;

/// The connectors that were compiled in.
pub fn factories() -> Vec<ConnectorFactory> {
    vec![
        #[cfg(feature = "forward")]
        forward::factory(),
    ]
}
