//! Connectors: one folder a component, one cargo feature a component.

use otelcol_pipeline::ConnectorFactory;

/// The connectors that were compiled in.
pub fn factories() -> Vec<ConnectorFactory> {
    vec![]
}
