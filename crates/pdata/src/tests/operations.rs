//! What the operations on batches promise, on small batches made by hand.

use bytes::Bytes;
use prost::Message as _;

use crate::model::metrics::metric::Data;
use crate::model::metrics::{Metric, MetricsData, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum};
use crate::model::trace::{ResourceSpans, ScopeSpans, Span, TracesData};
use crate::model::{self, resource::Resource};
use crate::{Batch, Signal, wire};

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
    accept(body(blocks))
}

fn accept(body: impl Into<Bytes>) -> Batch {
    Batch::from_wire(Signal::Traces, body.into()).unwrap()
}

fn field(number: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    wire::write_header(number, payload.len(), &mut out);
    out.extend_from_slice(payload);
    out
}

fn add_n(resource: &mut Resource) -> bool {
    resource.attributes.push(model::int("n", 7));
    true
}

fn is_slice_of(slice: &Bytes, whole: &Bytes) -> bool {
    whole.as_ptr_range().contains(&slice.as_ptr())
}

#[test]
fn a_body_goes_through_as_the_same_slice() {
    let body = body(vec![spans("a", 0..3), spans("b", 3..5)]);
    let batch = accept(body.clone());
    assert_eq!((batch.items(), batch.resources(), batch.wire_len()), (5, 2, body.len()));
    assert_eq!(batch.wire_chunks().len(), 1);
    assert_eq!(batch.to_wire().as_ptr(), body.as_ptr());
    assert_eq!(batch.to_wire(), body);
}

#[test]
fn a_merge_copies_nothing() {
    let bodies = [body(vec![spans("a", 0..3)]), body(vec![spans("b", 3..5)])];
    let merged = Batch::merge(bodies.iter().map(|body| accept(body.clone())).collect());
    assert_eq!((merged.items(), merged.resources()), (5, 2));
    let pointers: Vec<_> = merged.wire_chunks().iter().map(|chunk| chunk.as_ptr()).collect();
    assert_eq!(pointers, [bodies[0].as_ptr(), bodies[1].as_ptr()]);
}

#[test]
fn a_hostile_request_costs_the_good_ones_nothing() {
    let good = [body(vec![spans("a", 0..3)]), body(vec![spans("b", 3..5)])];
    let hostile = [&good[0][..], &field(1, &field(2, &field(2, &field(5, &[0xff]))))].concat();
    assert!(TracesData::decode([&good[0], &hostile[..], &good[1]].concat().as_slice()).is_err());
    let arrived = [good[0].clone(), Bytes::from(hostile), good[1].clone()];
    let accepted: Vec<_> =
        arrived.into_iter().flat_map(|body| Batch::from_wire(Signal::Traces, body)).collect();
    assert_eq!(Batch::merge(accepted).to_wire(), good.concat());
}

#[test]
fn a_resource_edit_is_a_splice() {
    let body = body(vec![spans("a", 0..3), spans("b", 3..5)]);
    let edited = accept(body.clone()).edit_resources(&mut add_n).unwrap();
    let expected = [spans("a", 0..3), spans("b", 3..5)].map(|mut block| {
        add_n(block.resource.as_mut().unwrap());
        block
    });
    assert_eq!(edited.to_wire(), TracesData { resource_spans: expected.to_vec() }.encode_to_vec());
    let shared: usize = edited.wire_chunks().iter().filter(|c| is_slice_of(c, &body)).map(Bytes::len).sum();
    assert!(shared > body.len() * 3 / 4, "{shared} of {} bytes are still slices", body.len());
}

#[test]
fn blocks_whose_resource_did_not_change_stay_as_they_are() {
    let body = body(vec![spans("a", 0..3), spans("b", 3..5), spans("c", 5..6)]);
    let batch = accept(body.clone());
    let unchanged = batch.clone().edit_resources(&mut |_| false).unwrap();
    assert_eq!(unchanged.to_wire().as_ptr(), body.as_ptr());
    let last = batch
        .edit_resources(&mut |resource| {
            let is_last = resource.attributes == [model::string("service.name", "c")];
            is_last && add_n(resource)
        })
        .unwrap();
    let first = &last.wire_chunks()[0];
    assert_eq!(first.as_ptr(), body.as_ptr());
    assert_eq!(first.len(), wire(vec![spans("a", 0..3), spans("b", 3..5)]).wire_len());
}

#[test]
fn an_absent_resource_stays_absent_until_it_is_changed() {
    let without = ResourceSpans { resource: None, ..spans("", 0..2) };
    let batch = wire(vec![without.clone()]);
    let unchanged = batch.clone().edit_resources(&mut |_| false).unwrap();
    assert_eq!(unchanged.traces().unwrap(), [&without]);
    let changed = batch.edit_resources(&mut add_n).unwrap();
    let attributes = vec![model::int("n", 7)];
    let resource = Some(Resource { attributes, ..Resource::default() });
    assert_eq!(changed.traces().unwrap(), [&ResourceSpans { resource, ..without }]);
}

#[test]
fn a_resource_after_the_scopes_or_twice_is_one_resource() {
    let scopes = field(2, &field(2, &span(1).encode_to_vec()));
    let attribute = |key: &str| field(1, &field(1, &model::string(key, "v").encode_to_vec()));
    let after = [&scopes[..], &attribute("a")].concat();
    let twice = [&attribute("a")[..], &scopes, &attribute("b")].concat();
    for (block, keys) in [(after, &["a", "n"][..]), (twice, &["a", "b", "n"])] {
        let edited = accept(field(1, &block)).edit_resources(&mut add_n).unwrap();
        let again = accept(edited.to_wire());
        let blocks = again.traces().unwrap();
        let found: Vec<_> =
            blocks[0].resource.iter().flat_map(|r| &r.attributes).map(|kv| &kv.key[..]).collect();
        assert_eq!(found, keys);
        assert_eq!(blocks[0].scope_spans[0].spans, [span(1)]);
    }
}

#[test]
fn unknown_fields_survive_all_but_the_model() {
    let unknown = |name: &str| field(100, name.as_bytes());
    let record = [span(1).encode_to_vec(), unknown("in span")].concat();
    let scope = [field(2, &record), unknown("in scope"), field(2, &record)].concat();
    let resource = [field(1, &model::string("k", "v").encode_to_vec()), unknown("in resource")].concat();
    let block = [unknown("in block"), field(2, &scope), field(1, &resource)].concat();
    let request = [field(1, &block), unknown("in request")].concat();

    let edited = accept(request.clone()).edit_resources(&mut add_n).unwrap();
    let merged = Batch::merge(vec![edited, accept(request)]);
    let parts = merged.split(1, 0);
    assert_eq!(parts.iter().map(Batch::items).collect::<Vec<_>>(), [1, 1, 1, 1]);
    let count = |part: &Batch, name: &str| {
        part.to_wire().windows(name.len() + 3).filter(|window| *window == unknown(name)).count()
    };
    for part in &parts {
        for name in ["in span", "in scope", "in block", "in resource"] {
            assert_eq!(count(part, name), 1, "{name}");
        }
        assert_eq!(accept(part.to_wire()).items(), 1);
    }
    assert_eq!(parts.iter().map(|part| count(part, "in request")).sum::<usize>(), 2);
    let alone = accept(unknown("in request"));
    assert_eq!((alone.items(), alone.pinned_bytes()), (0, alone.wire_len()));
    assert_eq!(alone.to_wire(), unknown("in request"));
}

#[test]
fn a_split_keeps_order_and_repeats_what_describes_the_records() {
    let batch =
        Batch::merge(vec![wire(vec![spans("a", 0..3), spans("b", 3..5)]), wire(vec![spans("c", 5..9)])]);
    let parts = batch.split(4, 0);
    assert_eq!(parts.iter().map(Batch::items).collect::<Vec<_>>(), [4, 4, 1]);
    assert_eq!(parts[0].clone().into_traces().unwrap(), [spans("a", 0..3), spans("b", 3..4)]);
    assert_eq!(parts[1].clone().into_traces().unwrap(), [spans("b", 4..5), spans("c", 5..8)]);
    assert_eq!(parts[2].clone().into_traces().unwrap(), [spans("c", 8..9)]);
}

#[test]
fn a_split_inside_one_metric_describes_it_in_both_halves() {
    let point = |n| NumberDataPoint { time_unix_nano: n, ..NumberDataPoint::default() };
    let metric = |points: std::ops::Range<u64>| Metric {
        name: "asterisk.calls.total".to_owned(),
        description: "Calls".to_owned(),
        unit: "{call}".to_owned(),
        metadata: vec![model::string("meta", "data")],
        data: Some(Data::Sum(Sum {
            data_points: points.map(point).collect(),
            aggregation_temporality: 2,
            is_monotonic: true,
        })),
    };
    let block = |metrics| ResourceMetrics {
        scope_metrics: vec![ScopeMetrics { metrics, ..ScopeMetrics::default() }],
        ..ResourceMetrics::default()
    };
    let model = MetricsData { resource_metrics: vec![block(vec![metric(0..3), metric(3..8)])] };
    let batch = Batch::from_wire(Signal::Metrics, Bytes::from(model.encode_to_vec())).unwrap();
    let parts = batch.split(5, 0);
    assert_eq!(parts.len(), 2);
    assert_eq!(parts[0].metrics().unwrap(), [&block(vec![metric(0..3), metric(3..5)])]);
    assert_eq!(parts[1].metrics().unwrap(), [&block(vec![metric(5..8)])]);
}

#[test]
fn a_split_by_bytes_fills_each_part_and_no_part_is_larger() {
    let batch = wire(vec![spans("a", 0..100), spans("b", 100..110)]);
    let one_more = wire(vec![spans("a", 0..2)]).wire_len() - wire(vec![spans("a", 0..1)]).wire_len();
    let parts = batch.split(0, 1000);
    assert_eq!(parts.iter().map(Batch::items).sum::<usize>(), 110);
    let (last, full) = parts.split_last().unwrap();
    for part in full {
        assert!((1000 - one_more - 4..=1000).contains(&part.wire_len()), "{}", part.wire_len());
    }
    assert!(last.wire_len() <= 1000);
}

#[test]
fn a_record_larger_than_the_limit_makes_a_part_of_its_own() {
    let mut block = spans("a", 0..5);
    block.scope_spans[0].spans[2].name = "x".repeat(2000);
    let parts = wire(vec![block]).split(0, 1000);
    assert_eq!(parts.iter().map(Batch::items).collect::<Vec<_>>(), [2, 1, 2]);
    let large: Vec<_> = parts.iter().map(|part| part.wire_len() > 1000).collect();
    assert_eq!(large, [false, true, false]);
}

#[test]
fn a_small_slice_pins_its_parent_until_it_is_cut_out() {
    let mut large = spans("a", 0..2);
    large.scope_spans[0].spans[0].name = "x".repeat(100_000);
    let body = body(vec![large, spans("b", 2..5)]);
    let batch = accept(body.clone());
    assert_eq!(batch.pinned_bytes(), body.len());
    let twice = Batch::merge(vec![batch.clone(), accept(body.clone()), wire(vec![spans("c", 5..6)])]);
    assert_eq!(twice.pinned_bytes(), body.len() + wire(vec![spans("c", 5..6)]).wire_len());

    let mut parts = batch.split(2, 0);
    let (whole_block, cut) = (parts.remove(0), parts.remove(0));
    assert_eq!(whole_block.pinned_bytes(), body.len());
    assert!(cut.pinned_bytes() < cut.wire_len() && cut.wire_len() < 300, "{cut:?}");
}

#[test]
fn a_decoded_model_is_pinned_beside_its_bytes() {
    let body = body(vec![spans("a", 0..3)]);
    let batch = accept(body.clone());
    batch.traces().unwrap();
    assert_eq!(batch.pinned_bytes(), 2 * body.len());
    let built = Batch::from_traces(vec![spans("a", 0..3)]);
    assert_eq!(built.pinned_bytes(), body.len());
    let edited = accept(body.clone()).edit_resources(&mut add_n).unwrap();
    let resource = edited.traces().unwrap()[0].resource.as_ref().unwrap().encoded_len();
    let model = edited.wire_len();
    assert_eq!(edited.pinned_bytes(), body.len() + resource + model);
}

#[test]
fn without_models_only_the_bytes_are_pinned_whoever_decodes() {
    let body = body(vec![spans("a", 0..3), spans("b", 3..5)]);
    let batch = accept(body.clone());
    batch.traces().unwrap();
    let bare = batch.clone().without_models();
    assert_eq!((bare.pinned_bytes(), bare.items(), bare.wire_chunks()), (body.len(), 5, vec![body.clone()]));
    assert_eq!((batch.pinned_bytes(), bare.traces().unwrap()), (2 * body.len(), batch.traces().unwrap()));

    let built = Batch::from_traces(vec![spans("a", 0..3)]);
    let bare = built.clone().without_models();
    // The header of a block is made when it is sent.
    assert_eq!((bare.pinned_bytes(), bare.wire_len()), (built.wire_len() - 3, built.wire_len()));
    assert_eq!(bare.traces().unwrap(), built.traces().unwrap());
}

#[test]
fn clones_share_one_decoding() {
    let batch = wire(vec![spans("a", 0..3)]);
    let clone = batch.clone();
    let decoded: *const ResourceSpans = batch.traces().unwrap()[0];
    assert!(std::ptr::eq(decoded, clone.traces().unwrap()[0]));
}

#[test]
fn only_what_is_shared_is_copied_to_be_edited() {
    let batch = Batch::from_traces(vec![spans("a", 0..3)]);
    let name = batch.traces().unwrap()[0].scope_spans[0].spans[0].name.as_ptr();
    let clone = batch.clone();
    let copied = clone.into_traces().unwrap();
    assert_ne!(copied[0].scope_spans[0].spans[0].name.as_ptr(), name);
    let moved = batch.into_traces().unwrap();
    assert_eq!(moved[0].scope_spans[0].spans[0].name.as_ptr(), name);
}

#[test]
fn a_model_is_encoded_once() {
    let batch = Batch::from_traces(vec![spans("a", 0..3)]);
    assert_eq!(batch.to_wire(), body(vec![spans("a", 0..3)]));
    let pointers = |batch: &Batch| batch.wire_chunks()[1..].iter().map(|c| c.as_ptr()).collect::<Vec<_>>();
    assert_eq!(pointers(&batch), pointers(&batch.clone()));
}

#[test]
fn an_edit_of_a_shared_model_leaves_the_other_clone_alone() {
    let batch = Batch::from_traces(vec![spans("a", 0..3)]);
    let edited = batch.clone().edit_resources(&mut add_n).unwrap();
    assert_eq!(batch.traces().unwrap(), [&spans("a", 0..3)]);
    assert_eq!(edited.traces().unwrap()[0].resource.as_ref().unwrap().attributes.len(), 2);
}
