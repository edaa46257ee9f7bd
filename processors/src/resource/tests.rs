use std::sync::Arc;

use otelcol_pdata::model::trace::ResourceSpans;
use otelcol_pdata::model::{attr, int, string};
use otelcol_pdata::{Batch, Signal};
use otelcol_pipeline::{ConsumerComponent, Context, Kind};
use otelcol_testkit::Sink;

use super::config::host_name;
use super::{Config, create};
use crate::testing::{config, names, output, resource, spans};

/// The section of the guide's configuration.
const GUIDE: &str = r#"
attributes:
  - {key: service.name, value: asterisk, action: upsert}
  - {key: host.name, from_attribute: "", action: upsert}
  - {key: cluster.name, value: vicidial-prod, action: upsert}
  - {key: server.role, value: dialer, action: upsert}
"#;

fn processor(yaml: &str) -> (Arc<Sink>, Arc<dyn ConsumerComponent>) {
    let sink = Sink::new();
    let context = Context::detached(Kind::Processor, "resource");
    let config: Config = config(yaml).unwrap();
    (Arc::clone(&sink), create(context, config, Signal::Traces, output(&sink)).unwrap())
}

#[tokio::test]
async fn the_guides_section_does_what_it_says() {
    let (sink, processor) = processor(GUIDE);
    processor.consume(spans("x", 0..2)).await.unwrap();
    let batch = &sink.batches()[0];
    let block = batch.traces().unwrap()[0];
    assert_eq!(
        block.resource.as_ref().unwrap().attributes,
        vec![
            string("service.name", "asterisk"),
            string("host.name", host_name()),
            string("cluster.name", "vicidial-prod"),
            string("server.role", "dialer"),
        ]
    );
    assert_eq!(names(&sink), ["x-0", "x-1"]);
    assert!(!host_name().is_empty());
}

#[tokio::test]
async fn the_hosts_name_never_overwrites_one() {
    let (sink, processor) = processor(GUIDE);
    let block =
        ResourceSpans { resource: Some(resource(vec![string("host.name", "pbx7")])), ..Default::default() };
    processor.consume(Batch::from_traces(vec![block])).await.unwrap();
    let batch = &sink.batches()[0];
    let attributes = &batch.traces().unwrap()[0].resource.as_ref().unwrap().attributes;
    assert_eq!(attr(attributes, "host.name"), string("", "pbx7").value.as_ref());
}

#[tokio::test]
async fn an_unchanged_resource_stays_the_bytes_it_was() {
    let (sink, processor) = processor("attributes: [{key: service.name, value: x, action: insert}]");
    let batch = spans("x", 0..2);
    let before = batch.to_wire();
    processor.consume(batch).await.unwrap();
    let after = sink.batches()[0].to_wire();
    assert_eq!((after.as_ptr(), after.len()), (before.as_ptr(), before.len()));
}

#[tokio::test]
async fn a_missing_resource_gets_the_attributes() {
    let (sink, processor) = processor("attributes: [{key: a, value: 1, action: upsert}]");
    processor.consume(Batch::from_traces(vec![ResourceSpans::default()])).await.unwrap();
    let batch = &sink.batches()[0];
    assert_eq!(batch.traces().unwrap()[0].resource, Some(resource(vec![int("a", 1)])));
}

#[test]
fn wrong_settings_are_named() {
    let errors = |yaml| config::<Config>(yaml).map(|_| ()).unwrap_err();
    assert_eq!(errors("{}"), ["missing required field \"attributes\""]);
    assert_eq!(
        errors("attributes: [{key: host.id, from_attribute: '', action: upsert}]"),
        [
            "error with key \"host.id\" (0-th action): error creating AttrProc. Either field \"value\", \"from_attribute\", \"from_context\", or \"default_value\" must be specified"
        ]
    );
}

#[test]
fn the_warning_comes_once_for_all_pipelines() {
    let config: Config = config(GUIDE).unwrap();
    let pipelines = [config.clone(), config];
    assert_eq!(pipelines.map(|config| config.warned.first()), [true, false]);
}
