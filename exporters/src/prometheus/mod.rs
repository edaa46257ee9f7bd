//! Serves metrics to Prometheus.

mod family;
mod labels;
mod points;
mod reason;
mod registry;
mod render;
mod selection;
mod value;
