//! OTLP metrics from values.

use otelcol_asterisk::{catalogue, ids};
use otelcol_pdata::model::common::KeyValue;
use otelcol_pdata::model::metrics::exemplar::Value as ExemplarValue;
use otelcol_pdata::model::metrics::metric::Data;
use otelcol_pdata::model::metrics::number_data_point::Value;
use otelcol_pdata::model::metrics::{
    AggregationTemporality, Exemplar, Gauge, Histogram as OtlpHistogram, HistogramDataPoint, Metric,
    NumberDataPoint, Sum,
};
use otelcol_pdata::model::string;

use super::table::{DEFINITIONS, Id, Kind};
use crate::ami::book::Histogram;
use crate::ami::signal::Nanos;

const CUMULATIVE: i32 = AggregationTemporality::Cumulative as i32;

/// Metrics of one collection.
#[derive(Debug)]
pub(super) struct Points<'a> {
    pub(super) enabled: &'a [bool],
    /// What makes trace ids of this Asterisk's calls.
    pub(super) system: &'a str,
    pub(super) start: Nanos,
    pub(super) now: Nanos,
    pub(super) metrics: Vec<Metric>,
}

impl Points<'_> {
    fn is_enabled(&self, id: Id) -> bool {
        self.enabled.get(id as usize).copied().unwrap_or(false)
    }

    /// A metric without attributes.
    pub(super) fn one(&mut self, id: Id, value: u64) {
        self.whole(id, [([""; 0], value)]);
    }

    /// Points of whole numbers with the values of their attributes.
    pub(super) fn whole<const N: usize, S: AsRef<str>>(
        &mut self,
        id: Id,
        values: impl IntoIterator<Item = ([S; N], u64)>,
    ) {
        let values = values.into_iter();
        self.numbers(
            id,
            values.map(|(of, value)| (of, Value::AsInt(i64::try_from(value).unwrap_or(i64::MAX)))),
        );
    }

    /// Points of measured values with the values of their attributes.
    pub(super) fn measured<const N: usize, S: AsRef<str>>(
        &mut self,
        id: Id,
        values: impl IntoIterator<Item = ([S; N], f64)>,
    ) {
        self.numbers(id, values.into_iter().map(|(of, value)| (of, Value::AsDouble(value))));
    }

    fn numbers<const N: usize, S: AsRef<str>>(
        &mut self,
        id: Id,
        values: impl Iterator<Item = ([S; N], Value)>,
    ) {
        if !self.is_enabled(id) {
            return;
        }
        let kind = DEFINITIONS[id as usize].kind;
        let start_time_unix_nano = if kind == Kind::Gauge { 0 } else { self.start };
        let mut data_points: Vec<NumberDataPoint> = values
            .map(|(of, value)| NumberDataPoint {
                attributes: attributes(id, &of),
                start_time_unix_nano,
                time_unix_nano: self.now,
                value: Some(value),
                ..NumberDataPoint::default()
            })
            .collect();
        data_points.sort_by(|one, other| order(&one.attributes, &other.attributes));
        let sum = |is_monotonic, data_points| {
            Data::Sum(Sum { data_points, aggregation_temporality: CUMULATIVE, is_monotonic })
        };
        if !data_points.is_empty() {
            let data = match kind {
                Kind::Counter => sum(true, data_points),
                Kind::Level => sum(false, data_points),
                Kind::Gauge | Kind::Histogram => Data::Gauge(Gauge { data_points }),
            };
            self.push(id, data);
        }
    }

    /// Histograms with the values of their attributes.
    pub(super) fn histograms<'h, const N: usize, S: AsRef<str>>(
        &mut self,
        id: Id,
        values: impl IntoIterator<Item = ([S; N], &'h Histogram)>,
    ) {
        if !self.is_enabled(id) {
            return;
        }
        let mut data_points: Vec<HistogramDataPoint> = values
            .into_iter()
            .map(|(of, histogram)| HistogramDataPoint {
                attributes: attributes(id, &of),
                start_time_unix_nano: self.start,
                time_unix_nano: self.now,
                count: histogram.count(),
                sum: Some(histogram.sum),
                bucket_counts: histogram.counts.clone(),
                explicit_bounds: histogram.bounds.to_vec(),
                exemplars: self.exemplars(histogram),
                ..HistogramDataPoint::default()
            })
            .collect();
        data_points.sort_by(|one, other| order(&one.attributes, &other.attributes));
        if !data_points.is_empty() {
            let histogram = OtlpHistogram { data_points, aggregation_temporality: CUMULATIVE };
            self.push(id, Data::Histogram(histogram));
        }
    }

    /// An example's trace is that of its call.
    fn exemplars(&self, histogram: &Histogram) -> Vec<Exemplar> {
        let exemplar = |example: &crate::ami::book::Example| {
            let trace = ids::call_trace_id(self.system, &example.linkedid);
            Exemplar {
                time_unix_nano: example.at,
                value: Some(ExemplarValue::AsDouble(example.value)),
                span_id: ids::call_root_span_id(&trace).to_vec(),
                trace_id: trace.to_vec(),
                ..Exemplar::default()
            }
        };
        histogram.examples.iter().flatten().map(exemplar).collect()
    }

    fn push(&mut self, id: Id, data: Data) {
        let name = DEFINITIONS[id as usize].name;
        let entry = catalogue::find(name);
        self.metrics.push(Metric {
            name: name.to_owned(),
            description: entry.map(|entry| entry.description).unwrap_or_default().to_owned(),
            unit: entry.map(|entry| entry.unit).unwrap_or_default().to_owned(),
            data: Some(data),
            ..Metric::default()
        });
    }
}

fn attributes<S: AsRef<str>>(id: Id, values: &[S]) -> Vec<KeyValue> {
    let keys = DEFINITIONS[id as usize].attributes;
    keys.iter().zip(values).map(|(key, value)| string(*key, value.as_ref())).collect()
}

/// Points in the order of their attributes, so that equal states are equal bytes.
fn order(one: &[KeyValue], other: &[KeyValue]) -> std::cmp::Ordering {
    let text = |attribute: &KeyValue| {
        attribute.value.as_ref().and_then(|value| match &value.value {
            Some(otelcol_pdata::model::common::any_value::Value::StringValue(text)) => Some(text.clone()),
            _ => None,
        })
    };
    one.iter().map(text).cmp(other.iter().map(text))
}
