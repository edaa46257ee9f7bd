//! What a span costs on its way: `cargo bench -p otelcol-pdata`. Prints nanoseconds per span, the best of several runs.

#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a benchmark prints, and stops at what can not be"
)]

use std::hint::black_box;
use std::time::Instant;

use bytes::Bytes;
use otelcol_pdata::model::resource::Resource;
use otelcol_pdata::model::trace::{ResourceSpans, ScopeSpans, Span, TracesData};
use otelcol_pdata::{Batch, Signal, json, model};
use prost::Message as _;

const SPANS: usize = 512;
const ATTRIBUTES: usize = 8;
const RUNS: usize = 200;

fn request() -> TracesData {
    let span = |n: usize| Span {
        trace_id: (n as u128).to_be_bytes().to_vec(),
        span_id: (n as u64).to_be_bytes().to_vec(),
        name: format!("GET /resource/{n}"),
        kind: 2,
        start_time_unix_nano: 1_700_000_000_000_000_000 + n as u64,
        end_time_unix_nano: 1_700_000_000_500_000_000 + n as u64,
        attributes: (0..ATTRIBUTES)
            .map(|a| match a % 4 {
                3 => model::int(format!("key.{a}"), 200 + n as i64),
                _ => model::string(format!("key.{a}"), format!("value-{a}-{n}")),
            })
            .collect(),
        ..Span::default()
    };
    let resource = Resource {
        attributes: vec![
            model::string("service.name", "asterisk"),
            model::string("host.name", "pbx-1.example.net"),
            model::int("process.pid", 4711),
        ],
        ..Resource::default()
    };
    let scope_spans = vec![ScopeSpans { spans: (0..SPANS).map(span).collect(), ..ScopeSpans::default() }];
    TracesData {
        resource_spans: vec![ResourceSpans {
            resource: Some(resource),
            scope_spans,
            ..ResourceSpans::default()
        }],
    }
}

/// Runs `work` on fresh input and prints its best time per span.
fn measure<I, O>(name: &str, spans: usize, mut input: impl FnMut() -> I, mut work: impl FnMut(I) -> O) {
    let best = (0..RUNS)
        .map(|_| {
            let given = input();
            let start = Instant::now();
            let out = black_box(work(given));
            let took = start.elapsed();
            drop(out);
            took
        })
        .min()
        .unwrap_or_default();
    println!("{name:<32} {:>9.2} ns/span", best.as_nanos() as f64 / spans as f64);
}

fn main() {
    let body = Bytes::from(request().encode_to_vec());
    println!(
        "{SPANS} spans with {ATTRIBUTES} attributes, every fourth a number: {} bytes a span",
        body.len() / SPANS
    );
    let batch = || Batch::from_wire(Signal::Traces, body.clone()).expect("a valid request");
    let text = json::to_json(&batch()).expect("a valid batch");

    measure(
        "from_wire (validate, count)",
        SPANS,
        || body.clone(),
        |body| Batch::from_wire(Signal::Traces, body),
    );
    measure("prost decode", SPANS, || body.clone(), TracesData::decode);
    measure(
        "prost decode and encode",
        SPANS,
        || body.clone(),
        |body| TracesData::decode(body).map(|m| m.encode_to_vec()),
    );
    measure("merge 16", 16 * SPANS, || (0..16).map(|_| batch()).collect::<Vec<_>>(), Batch::merge);
    let rename = |resource: &mut Resource| {
        resource.attributes.push(model::string("deployment.environment", "production"));
        true
    };
    measure("edit_resources", SPANS, batch, |batch| batch.edit_resources(&mut rename.clone()));
    measure("split in 8 by items", SPANS, batch, |batch| batch.split(SPANS / 8, 0));
    measure("split in 8 by bytes", SPANS, batch, |batch| batch.split(0, body.len() / 8 + 200));
    measure("wire_chunks", SPANS, batch, |batch| batch.wire_chunks());
    measure("to_json", SPANS, batch, |batch| json::to_json(&batch));
    measure("from_json", SPANS, || text.clone(), |text| json::from_json(Signal::Traces, &text));
}
