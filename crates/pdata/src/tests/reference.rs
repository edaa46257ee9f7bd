//! The slow way: everything through prost and the decoded model.

use prost::Message;

use crate::Signal;
use crate::model::logs::LogsData;
use crate::model::metrics::metric::Data;
use crate::model::metrics::{Metric, MetricsData};
use crate::model::resource::Resource;
use crate::model::trace::TracesData;

/// A decoded request.
#[derive(Clone)]
pub(super) enum Model {
    Traces(TracesData),
    Metrics(MetricsData),
    Logs(LogsData),
}

impl Model {
    pub(super) fn decode(signal: Signal, body: &[u8]) -> Result<Model, prost::DecodeError> {
        Ok(match signal {
            Signal::Traces => Model::Traces(TracesData::decode(body)?),
            Signal::Metrics => Model::Metrics(MetricsData::decode(body)?),
            Signal::Logs => Model::Logs(LogsData::decode(body)?),
        })
    }

    /// The bytes as prost writes them: a message's identity. Not the model, because NaN is not equal to itself.
    pub(super) fn encode(&self) -> Vec<u8> {
        match self {
            Model::Traces(model) => model.encode_to_vec(),
            Model::Metrics(model) => model.encode_to_vec(),
            Model::Logs(model) => model.encode_to_vec(),
        }
    }

    pub(super) fn resources(&mut self) -> Vec<&mut Option<Resource>> {
        match self {
            Model::Traces(model) => model.resource_spans.iter_mut().map(|b| &mut b.resource).collect(),
            Model::Metrics(model) => model.resource_metrics.iter_mut().map(|b| &mut b.resource).collect(),
            Model::Logs(model) => model.resource_logs.iter_mut().map(|b| &mut b.resource).collect(),
        }
    }

    /// The request as a list of requests with one record each, its resource, scope and metric around it. What has no
    /// record below it is listed too.
    pub(super) fn records(self) -> Vec<Record> {
        match self {
            Model::Traces(model) => traces(model),
            Model::Metrics(model) => metrics(model),
            Model::Logs(model) => logs(model),
        }
    }
}

/// A request with at most one record.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Record {
    pub(super) is_item: bool,
    pub(super) body: Vec<u8>,
}

fn record<M: Message>(is_item: bool, request: &M) -> Record {
    Record { is_item, body: request.encode_to_vec() }
}

fn traces(model: TracesData) -> Vec<Record> {
    let mut records = Vec::new();
    for mut block in model.resource_spans {
        let scopes = std::mem::take(&mut block.scope_spans);
        if scopes.is_empty() {
            records.push(record(false, &block));
        }
        for mut scope in scopes {
            let spans = std::mem::take(&mut scope.spans);
            block.scope_spans = vec![scope.clone()];
            if spans.is_empty() {
                records.push(record(false, &block));
            }
            for span in spans {
                block.scope_spans[0].spans = vec![span];
                records.push(record(true, &block));
            }
        }
    }
    records
}

fn logs(model: LogsData) -> Vec<Record> {
    let mut records = Vec::new();
    for mut block in model.resource_logs {
        let scopes = std::mem::take(&mut block.scope_logs);
        if scopes.is_empty() {
            records.push(record(false, &block));
        }
        for mut scope in scopes {
            let log_records = std::mem::take(&mut scope.log_records);
            block.scope_logs = vec![scope.clone()];
            if log_records.is_empty() {
                records.push(record(false, &block));
            }
            for log_record in log_records {
                block.scope_logs[0].log_records = vec![log_record];
                records.push(record(true, &block));
            }
        }
    }
    records
}

fn metrics(model: MetricsData) -> Vec<Record> {
    let mut records = Vec::new();
    for mut block in model.resource_metrics {
        let scopes = std::mem::take(&mut block.scope_metrics);
        if scopes.is_empty() {
            records.push(record(false, &block));
        }
        for mut scope in scopes {
            let metrics = std::mem::take(&mut scope.metrics);
            block.scope_metrics = vec![scope.clone()];
            if metrics.is_empty() {
                records.push(record(false, &block));
            }
            for metric in metrics {
                for (is_item, single) in single_points(&metric) {
                    block.scope_metrics[0].metrics = vec![single];
                    records.push(record(is_item, &block));
                }
            }
        }
    }
    records
}

/// The metric once for each of its points; as it is, if it has none.
fn single_points(metric: &Metric) -> Vec<(bool, Metric)> {
    macro_rules! each {
        ($kind:ident, $data:expr) => {{
            let singles = $data.data_points.iter().map(|point| {
                let mut single = $data.clone();
                single.data_points = vec![point.clone()];
                (true, Metric { data: Some(Data::$kind(single)), ..metric.clone() })
            });
            singles.collect::<Vec<_>>()
        }};
    }
    let singles = match &metric.data {
        None => Vec::new(),
        Some(Data::Gauge(data)) => each!(Gauge, data),
        Some(Data::Sum(data)) => each!(Sum, data),
        Some(Data::Histogram(data)) => each!(Histogram, data),
        Some(Data::ExponentialHistogram(data)) => each!(ExponentialHistogram, data),
        Some(Data::Summary(data)) => each!(Summary, data),
    };
    if singles.is_empty() { vec![(false, metric.clone())] } else { singles }
}
