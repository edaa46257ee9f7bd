//! Processors: what stands between the receivers and the exporters of a pipeline.
//!
//! One folder a component, one cargo feature a component; the folder's README.md has the settings.

#[cfg(any(feature = "attributes", feature = "resource"))]
mod actions;
#[cfg(feature = "attributes")]
pub mod attributes;
#[cfg(feature = "batch")]
pub mod batch;
#[cfg(feature = "memory_limiter")]
pub mod memory_limiter;
#[cfg(feature = "resource")]
pub mod resource;
#[cfg(test)]
mod testing;

use otelcol_pipeline::ProcessorFactory;

/// The processors that were compiled in.
pub fn factories() -> Vec<ProcessorFactory> {
    vec![
        #[cfg(feature = "attributes")]
        attributes::factory(),
        #[cfg(feature = "batch")]
        batch::factory(),
        #[cfg(feature = "memory_limiter")]
        memory_limiter::factory(),
        #[cfg(feature = "resource")]
        resource::factory(),
    ]
}
