//! Extensions: what serves the collector itself, beside the pipelines.
//!
//! One folder a component, one cargo feature a component; the folder's README.md has the settings.

#[cfg(feature = "basicauth")]
pub mod basicauth;
#[cfg(feature = "bearertokenauth")]
pub mod bearertokenauth;
#[cfg(feature = "file_storage")]
pub mod file_storage;
#[cfg(feature = "headers_setter")]
pub mod headers_setter;
#[cfg(feature = "health_check")]
pub mod health_check;
#[cfg(any(feature = "basicauth", feature = "bearertokenauth", feature = "headers_setter"))]
mod secret_file;

use otelcol_pipeline::ExtensionFactory;

/// The extensions that were compiled in.
pub fn factories() -> Vec<ExtensionFactory> {
    vec![
        #[cfg(feature = "basicauth")]
        basicauth::factory(),
        #[cfg(feature = "bearertokenauth")]
        bearertokenauth::factory(),
        #[cfg(feature = "file_storage")]
        file_storage::factory(),
        #[cfg(feature = "headers_setter")]
        headers_setter::factory(),
        #[cfg(feature = "health_check")]
        health_check::factory(),
    ]
}
