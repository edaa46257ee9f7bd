//! The running collector: instances of a plan, their start, exchange and stop.

mod collector;
mod graph;
mod instance;
mod self_metrics;
mod signals;
#[cfg(test)]
mod tests;

pub use collector::{Collector, RunError, Settings};
#[cfg(test)]
pub(crate) use tests::factories as test_factories;
