//! The collector's own metrics and logs.

pub(crate) mod exposition;
mod logs;
pub(crate) mod process;
mod registry;

pub use logs::LogControl;
pub use registry::{Counter, Gauge, Histogram, Telemetry};
