//! Runs the actions on the attributes of what the filter selects.

use otelcol_pdata::model::common::{InstrumentationScope, KeyValue};
use otelcol_pdata::model::logs::LogRecord;
use otelcol_pdata::model::metrics::Metric;
use otelcol_pdata::model::metrics::metric::Data;
use otelcol_pdata::model::resource::Resource;
use otelcol_pdata::model::trace::Span;
use otelcol_pdata::{Batch, Signal, WireError};

use super::matcher::{Filter, Kind, Record};
use crate::actions::Actions;

pub(super) struct Editor {
    pub(super) actions: Actions,
    pub(super) filter: Filter,
}

impl Editor {
    /// The batch after the actions. One in which nothing is selected stays the bytes that it was.
    pub(super) fn edit(&self, batch: Batch) -> Result<Batch, WireError> {
        if !self.filter.is_empty() && !self.selects_any(&batch)? {
            return Ok(batch);
        }
        match batch.signal() {
            Signal::Traces => self.edit_traces(batch),
            Signal::Metrics => self.edit_metrics(batch),
            Signal::Logs => self.edit_logs(batch),
        }
    }

    fn selects_any(&self, batch: &Batch) -> Result<bool, WireError> {
        Ok(match batch.signal() {
            Signal::Traces => batch.traces()?.iter().any(|block| {
                let resource = attributes(block.resource.as_ref());
                block.scope_spans.iter().any(|scope| {
                    scope
                        .spans
                        .iter()
                        .any(|span| self.filter.selects(&of_span(resource, scope.scope.as_ref(), span)))
                })
            }),
            Signal::Metrics => batch.metrics()?.iter().any(|block| {
                let resource = attributes(block.resource.as_ref());
                block.scope_metrics.iter().any(|scope| {
                    let metric = |metric| of_metric(resource, scope.scope.as_ref(), metric);
                    scope.metrics.iter().any(|one| self.filter.selects(&metric(one)))
                })
            }),
            Signal::Logs => batch.logs()?.iter().any(|block| {
                let resource = attributes(block.resource.as_ref());
                block.scope_logs.iter().any(|scope| {
                    let log = |record| of_log(resource, scope.scope.as_ref(), record);
                    scope.log_records.iter().any(|record| self.filter.selects(&log(record)))
                })
            }),
        })
    }

    fn edit_traces(&self, batch: Batch) -> Result<Batch, WireError> {
        let client = batch.client().cloned();
        let mut blocks = batch.into_traces()?;
        for block in &mut blocks {
            let resource = attributes(block.resource.as_ref());
            for scope in &mut block.scope_spans {
                for span in &mut scope.spans {
                    if self.filter.selects(&of_span(resource, scope.scope.as_ref(), span)) {
                        self.actions.apply(&mut span.attributes, client.as_deref());
                    }
                }
            }
        }
        Ok(Batch::from_traces(blocks).with_client(client))
    }

    fn edit_metrics(&self, batch: Batch) -> Result<Batch, WireError> {
        let client = batch.client().cloned();
        let mut blocks = batch.into_metrics()?;
        for block in &mut blocks {
            let resource = attributes(block.resource.as_ref());
            for scope in &mut block.scope_metrics {
                for metric in &mut scope.metrics {
                    if self.filter.selects(&of_metric(resource, scope.scope.as_ref(), metric)) {
                        for_each_point(metric, |attributes| {
                            self.actions.apply(attributes, client.as_deref());
                        });
                    }
                }
            }
        }
        Ok(Batch::from_metrics(blocks).with_client(client))
    }

    fn edit_logs(&self, batch: Batch) -> Result<Batch, WireError> {
        let client = batch.client().cloned();
        let mut blocks = batch.into_logs()?;
        for block in &mut blocks {
            let resource = attributes(block.resource.as_ref());
            for scope in &mut block.scope_logs {
                for record in &mut scope.log_records {
                    if self.filter.selects(&of_log(resource, scope.scope.as_ref(), record)) {
                        self.actions.apply(&mut record.attributes, client.as_deref());
                    }
                }
            }
        }
        Ok(Batch::from_logs(blocks).with_client(client))
    }
}

fn attributes(resource: Option<&Resource>) -> &[KeyValue] {
    resource.map_or(&[], |resource| &resource.attributes)
}

fn of_span<'a>(
    resource: &'a [KeyValue],
    scope: Option<&'a InstrumentationScope>,
    span: &'a Span,
) -> Record<'a> {
    let kind = Kind::Span { name: &span.name, kind: span.kind };
    Record { resource, scope, attributes: &span.attributes, kind }
}

fn of_metric<'a>(
    resource: &'a [KeyValue],
    scope: Option<&'a InstrumentationScope>,
    metric: &'a Metric,
) -> Record<'a> {
    Record { resource, scope, attributes: &[], kind: Kind::Metric { name: &metric.name } }
}

fn of_log<'a>(
    resource: &'a [KeyValue],
    scope: Option<&'a InstrumentationScope>,
    record: &'a LogRecord,
) -> Record<'a> {
    let kind = Kind::Log {
        body: record.body.as_ref(),
        severity_text: &record.severity_text,
        severity_number: record.severity_number,
    };
    Record { resource, scope, attributes: &record.attributes, kind }
}

fn for_each_point(metric: &mut Metric, mut edit: impl FnMut(&mut Vec<KeyValue>)) {
    match &mut metric.data {
        Some(Data::Gauge(gauge)) => {
            gauge.data_points.iter_mut().for_each(|point| edit(&mut point.attributes));
        }
        Some(Data::Sum(sum)) => sum.data_points.iter_mut().for_each(|point| edit(&mut point.attributes)),
        Some(Data::Histogram(histogram)) => {
            histogram.data_points.iter_mut().for_each(|point| edit(&mut point.attributes));
        }
        Some(Data::ExponentialHistogram(histogram)) => {
            histogram.data_points.iter_mut().for_each(|point| edit(&mut point.attributes));
        }
        Some(Data::Summary(summary)) => {
            summary.data_points.iter_mut().for_each(|point| edit(&mut point.attributes));
        }
        None => {}
    }
}
