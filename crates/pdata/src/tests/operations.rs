//! What the operations on batches promise, on small batches made by hand.

use bytes::Bytes;
use prost::Message as _;

use crate::model::trace::{ResourceSpans, ScopeSpans, Span, TracesData};
use crate::model::{self, resource::Resource};
use crate::{Batch, Signal};

fn span(n: u8) -> Span {
    Span {
        trace_id: vec![n; 16],
        span_id: vec![n; 8],
        name: format!("span {n}"),
        attributes: vec![model::string("key", "value")],
        ..Span::default()
    }
}

fn spans(resource: &str, range: std::ops::Range<u8>) -> ResourceSpans {
    ResourceSpans {
        resource: Some(Resource {
            attributes: vec![model::string("service.name", resource)],
            ..Resource::default()
        }),
        scope_spans: vec![ScopeSpans {
            spans: range.map(span).collect(),
            schema_url: "s".to_owned(),
            ..ScopeSpans::default()
        }],
        schema_url: "r".to_owned(),
    }
}

fn body(blocks: Vec<ResourceSpans>) -> Bytes {
    Bytes::from(TracesData { resource_spans: blocks }.encode_to_vec())
}

fn wire(blocks: Vec<ResourceSpans>) -> Batch {
    Batch::from_wire(Signal::Traces, body(blocks)).unwrap()
}

#[test]
fn a_body_goes_through_as_the_same_slice() {
    let body = body(vec![spans("a", 0..3), spans("b", 3..5)]);
    let batch = Batch::from_wire(Signal::Traces, body.clone()).unwrap();
    assert_eq!((batch.items(), batch.resources(), batch.wire_len()), (5, 2, body.len()));
    let chunks = batch.wire_chunks();
    assert_eq!(chunks.len(), 1);
    assert_eq!(chunks[0].as_ptr(), body.as_ptr());
    assert_eq!(batch.to_wire(), body);
}

#[test]
fn a_resource_edit_is_a_splice() {
    let batch = wire(vec![spans("a", 0..3), spans("b", 3..5)]);
    let edited = batch
        .edit_resources(&mut |resource| {
            resource.attributes.push(model::int("n", 7));
            true
        })
        .unwrap();
    let blocks = edited.traces().unwrap();
    assert_eq!(blocks.len(), 2);
    for (block, mut original) in blocks.into_iter().zip([spans("a", 0..3), spans("b", 3..5)]) {
        original.resource.as_mut().unwrap().attributes.push(model::int("n", 7));
        assert_eq!(block, &original);
    }
    assert_eq!(edited.to_wire().len(), edited.wire_len());
}

#[test]
fn a_split_keeps_order_and_repeats_what_describes_the_records() {
    let batch =
        Batch::merge(vec![wire(vec![spans("a", 0..3), spans("b", 3..5)]), wire(vec![spans("c", 5..9)])]);
    let parts = batch.split(4, 0);
    let items: Vec<_> = parts.iter().map(Batch::items).collect();
    assert_eq!(items, [4, 4, 1]);
    assert_eq!(parts[0].clone().into_traces().unwrap(), [spans("a", 0..3), spans("b", 3..4)]);
    assert_eq!(parts[1].clone().into_traces().unwrap(), [spans("b", 4..5), spans("c", 5..8)]);
    assert_eq!(parts[2].clone().into_traces().unwrap(), [spans("c", 8..9)]);
}
