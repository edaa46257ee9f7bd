//! Receivers: one folder a component, one cargo feature a component.

use otelcol_pipeline::ReceiverFactory;

/// The receivers that were compiled in.
pub fn factories() -> Vec<ReceiverFactory> {
    vec![]
}
