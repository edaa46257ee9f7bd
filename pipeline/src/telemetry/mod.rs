//! The collector's own metrics and logs.

mod registry;

pub use registry::{Counter, Gauge, Telemetry};
