//! Receivers: one folder a component, one cargo feature a component.

#[cfg(feature = "ami")]
pub mod ami;
#[cfg(any(feature = "ami", feature = "mysql_cdr"))]
mod call_trace;
#[cfg(feature = "hostmetrics")]
pub mod hostmetrics;
#[cfg(feature = "mysql_cdr")]
pub mod mysql_cdr;
#[cfg(feature = "otlp")]
pub mod otlp;
#[cfg(any(feature = "ami", feature = "mysql_cdr"))]
mod protobuf;
#[cfg(feature = "statsd")]
pub mod statsd;

use otelcol_pipeline::ReceiverFactory;

/// The receivers that were compiled in.
pub fn factories() -> Vec<ReceiverFactory> {
    vec![
        #[cfg(feature = "ami")]
        ami::factory(),
        #[cfg(feature = "hostmetrics")]
        hostmetrics::factory(),
        #[cfg(feature = "mysql_cdr")]
        mysql_cdr::factory(),
        #[cfg(feature = "otlp")]
        otlp::factory(),
        #[cfg(feature = "statsd")]
        statsd::factory(),
    ]
}
