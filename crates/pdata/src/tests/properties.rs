//! The bytes against the model: whatever a batch does shallowly must be what the model would have done.

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::arbitrary::{request, two_requests};
use super::reference::{Model, Record};
use crate::model::resource::Resource;
use crate::wire::{self, Fields};
use crate::{Batch, Signal, json, model};

fn batch_of(signal: Signal, body: &[u8]) -> Batch {
    Batch::from_wire(signal, Bytes::copy_from_slice(body)).unwrap()
}

fn decode(signal: Signal, body: &[u8]) -> Model {
    Model::decode(signal, body).unwrap()
}

fn records(batch: &Batch) -> Vec<Record> {
    decode(batch.signal(), &batch.to_wire()).records()
}

/// The batch's own model, encoded.
fn canonical(batch: Batch) -> Vec<u8> {
    let signal = batch.signal();
    let rebuilt = match signal {
        Signal::Traces => Batch::from_traces(batch.into_traces().unwrap()),
        Signal::Metrics => Batch::from_metrics(batch.into_metrics().unwrap()),
        Signal::Logs => Batch::from_logs(batch.into_logs().unwrap()),
    };
    decode(signal, &rebuilt.to_wire()).encode()
}

fn tag(resource: &mut Resource) -> bool {
    if resource.dropped_attributes_count == 1 {
        return false;
    }
    resource.attributes.retain(|kv| kv.key.len() != 3);
    resource.attributes.push(model::string("added", "value"));
    true
}

fn tag_model(mut model: Model) -> Model {
    for resource in model.resources() {
        let mut edited = resource.clone().unwrap_or_default();
        if tag(&mut edited) {
            *resource = Some(edited);
        }
    }
    model
}

/// Moves, tears apart and repeats the `resource` fields of all blocks without changing what the message means.
fn shuffle(body: &[u8], places: &[(Index, Index)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (block, (place, tear)) in Fields::of(body).zip(places.iter().cycle()) {
        let block = block.unwrap();
        let fields: Vec<_> = Fields::of(block.payload).map(Result::unwrap).collect();
        let (resources, mut others): (Vec<_>, Vec<_>) = fields.into_iter().partition(|f| f.number == 1);
        let mut moved = Vec::new();
        if let [resource] = resources.as_slice() {
            let parts: Vec<_> = Fields::of(resource.payload).map(|f| f.unwrap().raw).collect();
            let (first, second) = parts.split_at(tear.index(parts.len() + 1));
            for half in [first.concat(), second.concat()] {
                let mut field = Vec::new();
                wire::write_header(1, half.len(), &mut field);
                field.extend(half);
                moved.push(field);
            }
        }
        let at = place.index(others.len() + 1);
        let after = others.split_off(at);
        let mut payload = others.iter().flat_map(|f| f.raw).copied().collect::<Vec<u8>>();
        payload.extend(moved.first().into_iter().flatten());
        payload.extend(after.iter().flat_map(|f| f.raw));
        payload.extend(moved.get(1).into_iter().flatten());
        wire::write_header(1, payload.len(), &mut out);
        out.extend(payload);
    }
    out
}

/// Everything that can be done to a batch gives what the model gives.
fn check_operations(batch: &Batch, max_items: usize, max_bytes: usize) {
    let body = batch.to_wire();
    let model = decode(batch.signal(), &body);
    let all = model.clone().records();
    assert_eq!(body.len(), batch.wire_len());
    assert_eq!(body, batch.wire_chunks().concat());
    assert_eq!(batch.items(), all.iter().filter(|record| record.is_item).count());
    assert_eq!(canonical(batch.clone()), model.encode());
    assert!(batch.pinned_bytes() >= batch.wire_len() || batch.resources() == 0);

    let edited = batch.clone().edit_resources(&mut tag).unwrap();
    assert_eq!(edited.wire_len(), edited.to_wire().len());
    assert_eq!(decode(batch.signal(), &edited.to_wire()).encode(), tag_model(model.clone()).encode());
    assert_eq!(canonical(edited), tag_model(model).encode());

    let parts = batch.clone().split(max_items, max_bytes);
    for part in &parts {
        assert!(max_items == 0 || part.items() <= max_items, "{} items", part.items());
        assert_eq!(part.wire_len(), part.to_wire().len());
        assert!(
            max_bytes == 0 || part.wire_len() <= max_bytes || records(part).len() == 1,
            "{} bytes",
            part.wire_len()
        );
        assert_eq!(part.items(), batch_of(part.signal(), &part.to_wire()).items());
    }
    if max_items > 0 && max_bytes == 0 {
        let full = parts.split_last().map_or(&[][..], |(_, full)| full);
        assert!(full.iter().all(|part| part.items() == max_items));
    }
    assert_eq!(parts.iter().flat_map(records).collect::<Vec<_>>(), all);
}

/// Few cases, so that the suite is quick; `PROPTEST_CASES` asks for more.
fn config() -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig { cases: asked.unwrap_or(48), failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_goes_in_comes_out((signal, body) in request()) {
        let batch = batch_of(signal, &body);
        prop_assert_eq!(batch.to_wire(), &body);
        prop_assert_eq!(canonical(batch), decode(signal, &body).encode());
    }

    #[test]
    fn the_shallow_way_is_the_full_way(
        (signal, body) in request(),
        max_items in 0..8usize,
        max_bytes in prop_oneof![Just(0), 0..2000usize],
    ) {
        check_operations(&batch_of(signal, &body), max_items, max_bytes);
    }

    #[test]
    fn a_resource_may_stand_anywhere_and_in_pieces(
        (signal, body) in request(),
        places in vec(any::<(Index, Index)>(), 1..4),
        max_items in 1..8usize,
    ) {
        let shuffled = shuffle(&body, &places);
        prop_assert_eq!(decode(signal, &shuffled).encode(), decode(signal, &body).encode());
        check_operations(&batch_of(signal, &shuffled), max_items, 0);
    }

    #[test]
    fn models_and_bytes_are_the_same_batch((signal, body) in request(), max_items in 0..8usize) {
        let built = match decode(signal, &body) {
            Model::Traces(model) => Batch::from_traces(model.resource_spans),
            Model::Metrics(model) => Batch::from_metrics(model.resource_metrics),
            Model::Logs(model) => Batch::from_logs(model.resource_logs),
        };
        let edited = built.clone().edit_resources(&mut tag).unwrap();
        prop_assert_eq!(edited.to_wire(), tag_model(decode(signal, &body)).encode());
        prop_assert_eq!(built.wire_len(), body.len());
        check_operations(&built, max_items, 0);
    }

    #[test]
    fn a_merge_is_a_concatenation((signal, a, b) in two_requests(), max_items in 1..8usize) {
        let merged = Batch::merge(vec![batch_of(signal, &a), batch_of(signal, &b)]);
        prop_assert_eq!(merged.to_wire(), [a, b].concat());
        check_operations(&merged, max_items, 0);
    }

    #[test]
    fn corrupt_bytes_do_no_harm(
        (signal, body) in request(),
        damage in vec((any::<Index>(), 0..5u8, any::<u8>()), 1..4),
        max_items in 0..8usize,
        max_bytes in prop_oneof![Just(0), 0..2000usize],
    ) {
        let mut bytes = body;
        for (at, how, byte) in damage {
            let at = at.index(bytes.len() + 1);
            match how {
                0 => bytes.truncate(at),
                1 => bytes.insert(at, byte),
                2 if at < bytes.len() => _ = bytes.remove(at),
                3 if at < bytes.len() => bytes[at] = byte,
                _ if at < bytes.len() => bytes[at] ^= 1 << (byte % 8),
                _ => {}
            }
        }
        if let Ok(accepted) = Batch::from_wire(signal, Bytes::from(bytes.clone())) {
            let model = Model::decode(signal, &bytes);
            prop_assert!(model.is_ok(), "accepted at the door, refused by the decoder");
            check_operations(&accepted, max_items, max_bytes);
            json::to_json(&accepted).unwrap();
        }
    }

    #[test]
    fn json_there_and_back_is_the_same((signal, body) in request()) {
        let text = json::to_json(&batch_of(signal, &body)).unwrap();
        let back = json::from_json(signal, &text).unwrap();
        prop_assert_eq!(back.items(), batch_of(signal, &body).items());
        prop_assert_eq!(
            String::from_utf8(json::to_json(&back).unwrap()).unwrap(),
            String::from_utf8(text).unwrap()
        );
    }
}
