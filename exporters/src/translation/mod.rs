//! OpenTelemetry metrics as Prometheus series: types, labels, and which resource attributes are among them. Names and
//! units are `otelcol-prometheus-text`'s.

mod labels;
mod resource;
mod selection;
mod shape;

pub(crate) use labels::{
    LabelError, LabelRules, LabelWriter, MAX_LABELS, SharedLabels, instance, is_identifying, job,
};
pub use resource::ResourceConversion;
pub(crate) use resource::{resource_issues, selection, strategy, strategy_issue};
pub(crate) use shape::MetricShape;
