//! Exemplars.

use otelcol_pdata::model::as_string;
use otelcol_pdata::model::metrics::{self, exemplar};

/// All names and values of an exemplar together, in characters (OpenMetrics 1.0, "Exemplars").
const MAX_CHARS: usize = 128;

/// One measurement behind a sample.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Exemplar {
    pub(super) labels: Vec<(String, String)>,
    pub(super) value: f64,
    /// Milliseconds since 1970.
    pub(super) timestamp: i64,
}

/// Trace and span as `trace_id` and `span_id`; the attributes only if all of them fit, as in otelcol.
pub(super) fn convert(exemplar: &metrics::Exemplar) -> Exemplar {
    let ids = [("trace_id", &exemplar.trace_id), ("span_id", &exemplar.span_id)];
    let ids = ids.into_iter().filter(|(_, id)| !id.is_empty());
    let mut labels: Vec<(String, String)> = ids.map(|(name, id)| (name.to_owned(), hex(id))).collect();
    let attributes: Vec<(String, String)> = exemplar
        .filtered_attributes
        .iter()
        .map(|attribute| (attribute.key.clone(), attribute.value.as_ref().map(as_string).unwrap_or_default()))
        .collect();
    let chars = |pairs: &[(String, String)]| -> usize {
        pairs.iter().map(|(name, value)| name.chars().count() + value.chars().count()).sum()
    };
    if chars(&labels) + chars(&attributes) <= MAX_CHARS {
        labels.extend(attributes);
    }
    let value = match exemplar.value {
        Some(exemplar::Value::AsDouble(value)) => value,
        Some(exemplar::Value::AsInt(value)) => value as f64,
        None => 0.0,
    };
    let timestamp = i64::try_from(exemplar.time_unix_nano / 1_000_000).unwrap_or(i64::MAX);
    Exemplar { labels, value, timestamp }
}

fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}
