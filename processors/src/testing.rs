//! What the tests of several processors need: settings as a file has them, batches with numbered items.

use std::sync::Arc;

use otelcol_confmap::Resolver;
use otelcol_pdata::model::resource::Resource;
use otelcol_pdata::model::trace::{ResourceSpans, ScopeSpans, Span};
use otelcol_pdata::model::{self, common::KeyValue};
use otelcol_pdata::{Batch, Signal};
use otelcol_pipeline::{ComponentConfig, Output};
use otelcol_testkit::Sink;

/// Settings as they would be read from a file.
pub(crate) fn config<C: ComponentConfig>(yaml: &str) -> Result<C, Vec<String>> {
    let root = Resolver::new(vec![format!("yaml:{yaml}")], Vec::new()).resolve().unwrap().root;
    let config: C =
        root.decode("x").map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    let issues = config.validate();
    if issues.is_empty() { Ok(config) } else { Err(issues.into_iter().map(|issue| issue.message).collect()) }
}

/// Spans named `<source>-<n>` of the resource `source`, as they come from the wire.
pub(crate) fn spans(source: &str, numbers: std::ops::Range<usize>) -> Batch {
    let spans = numbers.map(|n| Span { name: format!("{source}-{n}"), ..Span::default() }).collect();
    let block = ResourceSpans {
        resource: Some(resource(vec![model::string("service.name", source)])),
        scope_spans: vec![ScopeSpans { spans, ..ScopeSpans::default() }],
        ..ResourceSpans::default()
    };
    Batch::from_wire(Signal::Traces, Batch::from_traces(vec![block]).to_wire()).unwrap()
}

pub(crate) fn resource(attributes: Vec<KeyValue>) -> Resource {
    Resource { attributes, ..Resource::default() }
}

/// A way out to the sink.
pub(crate) fn output(sink: &Arc<Sink>) -> Output {
    Output::to(sink.consumer())
}

/// The names of all spans that the sink has, in order.
pub(crate) fn names(sink: &Sink) -> Vec<String> {
    let mut names = Vec::new();
    for batch in sink.batches() {
        for block in batch.traces().unwrap() {
            names.extend(
                block.scope_spans.iter().flat_map(|scope| &scope.spans).map(|span| span.name.clone()),
            );
        }
    }
    names
}
