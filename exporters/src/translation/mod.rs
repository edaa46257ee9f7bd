//! OpenTelemetry metrics as Prometheus series: types, labels, and which resource attributes are among them. Names and
//! units are `otelcol-prometheus-text`'s.

mod labels;
mod resource;
mod selection;
mod shape;

#[cfg(feature = "prometheus")]
pub(crate) use labels::MAX_LABELS;
#[cfg(feature = "prometheusremotewrite")]
pub(crate) use labels::is_identifying;
pub(crate) use labels::{LabelError, LabelRules, LabelWriter, SharedLabels, instance, job};
pub use resource::ResourceConversion;
pub(crate) use resource::{resource_issues, selection, strategy, strategy_issue};
pub(crate) use shape::MetricShape;
