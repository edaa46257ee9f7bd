//! A request on its way through the pipeline: two bytes choose signal and limits, the rest is the body. What the door
//! accepts must decode, and every operation on the bytes must mean what it means on the model.

#![no_main]

use libfuzzer_sys::fuzz_target;
use otelcol_pdata::model::logs::LogsData;
use otelcol_pdata::model::metrics::MetricsData;
use otelcol_pdata::model::trace::TracesData;
use otelcol_pdata::{Batch, Signal, json, model};
use prost::Message;

/// The request as prost understands it, written again: equal for bodies that mean the same.
fn canonical(signal: Signal, body: &[u8]) -> Vec<u8> {
    let written = match signal {
        Signal::Traces => TracesData::decode(body).map(|model| model.encode_to_vec()),
        Signal::Metrics => MetricsData::decode(body).map(|model| model.encode_to_vec()),
        Signal::Logs => LogsData::decode(body).map(|model| model.encode_to_vec()),
    };
    written.expect("what the door accepts decodes")
}

/// The batch by its own model.
fn rebuilt(batch: Batch) -> Batch {
    match batch.signal() {
        Signal::Traces => Batch::from_traces(batch.into_traces().expect("a batch of traces")),
        Signal::Metrics => Batch::from_metrics(batch.into_metrics().expect("a batch of metrics")),
        Signal::Logs => Batch::from_logs(batch.into_logs().expect("a batch of logs")),
    }
}

fuzz_target!(|input: &[u8]| {
    let [choice, limit, body @ ..] = input else { return };
    let signal = Signal::ALL[usize::from(choice % 3)];
    let Ok(batch) = Batch::from_wire(signal, body.to_vec().into()) else { return };

    let wire = batch.to_wire();
    let meaning = canonical(signal, body);
    assert_eq!(wire.len(), batch.wire_len());
    assert_eq!(canonical(signal, &wire), meaning);
    let built = rebuilt(batch.clone());
    assert_eq!(built.items(), batch.items());
    assert_eq!(canonical(signal, &built.to_wire()), meaning);

    let written = json::to_json(&batch).expect("what the door accepts has JSON");
    if let Ok(read) = json::from_json(signal, &written) {
        assert_eq!(read.items(), batch.items());
        assert_eq!(json::to_json(&read).expect("a valid batch"), written);
    }

    let mut tag = |resource: &mut model::resource::Resource| {
        resource.attributes.push(model::string("added", "value"));
        resource.attributes.len() % 2 == 0
    };
    let edited = batch.clone().edit_resources(&mut tag).expect("resources decode");
    assert_eq!(edited.items(), batch.items());
    let edited_model = built.edit_resources(&mut tag).expect("resources are decoded");
    assert_eq!(canonical(signal, &edited.to_wire()), canonical(signal, &edited_model.to_wire()));

    let merged = Batch::merge(vec![batch.clone(), edited]);
    let (items, bytes) = if choice & 0x80 == 0 { (usize::from(*limit), 0) } else { (0, 16 * usize::from(*limit)) };
    let parts = merged.clone().split(items, bytes);
    assert_eq!(parts.iter().map(Batch::items).sum::<usize>(), merged.items());
    for part in parts {
        assert!(items == 0 || part.items() <= items);
        let again = Batch::from_wire(signal, part.to_wire()).expect("a part passes the door");
        assert_eq!(again.items(), part.items());
        assert!(part.pinned_bytes() + 16 * part.resources() >= part.wire_len());
    }
});
