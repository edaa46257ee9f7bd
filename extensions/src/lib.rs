//! Extensions: what serves the collector itself, beside the pipelines.
//!
//! One folder a component, one cargo feature a component; the folder's README.md has the settings.

#[cfg(feature = "file_storage")]
pub mod file_storage;
#[cfg(feature = "health_check")]
pub mod health_check;

use otelcol_pipeline::ExtensionFactory;

/// The extensions that were compiled in.
pub fn factories() -> Vec<ExtensionFactory> {
    vec![
        #[cfg(feature = "file_storage")]
        file_storage::factory(),
        #[cfg(feature = "health_check")]
        health_check::factory(),
    ]
}
