//! Extensions: one folder a component, one cargo feature a component.

use otelcol_pipeline::ExtensionFactory;

/// The extensions that were compiled in.
pub fn factories() -> Vec<ExtensionFactory> {
    vec![]
}
