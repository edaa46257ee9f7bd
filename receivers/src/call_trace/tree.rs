//! Traces as indented trees, for golden files.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use otelcol_asterisk::ids::hex;
use otelcol_pdata::model::as_string;
use otelcol_pdata::model::common::KeyValue;
use otelcol_pdata::model::trace::Span as OtlpSpan;
use otelcol_pdata::model::trace::status::StatusCode;

/// All traces in the order of their starts. Times are seconds since the call's start; attributes are sorted.
pub(crate) fn trees(spans: &[OtlpSpan]) -> String {
    let mut traces: Vec<Vec<&OtlpSpan>> = by_trace(spans).into_values().collect();
    traces.sort_by_key(|trace| (trace[0].start_time_unix_nano, trace[0].trace_id.clone()));
    let mut out = String::new();
    for trace in traces {
        _ = writeln!(out, "trace {}", hex(&trace[0].trace_id));
        let roots = trace.iter().filter(|span| span.parent_span_id.is_empty());
        for root in roots {
            branch(&trace, root, root.start_time_unix_nano, 0, &mut out);
        }
        out.push('\n');
    }
    out
}

fn branch(trace: &[&OtlpSpan], span: &OtlpSpan, zero: u64, depth: usize, out: &mut String) {
    let pad = "  ".repeat(depth);
    let (from, to) = (seconds(span.start_time_unix_nano, zero), seconds(span.end_time_unix_nano, zero));
    let status = span.status.clone().unwrap_or_default();
    let failed = if status.code == StatusCode::Error as i32 {
        format!(" ERROR {:?}", status.message)
    } else {
        String::new()
    };
    _ = writeln!(out, "{pad}{} {from}..{to}{failed}", span.name);
    for line in attributes(&span.attributes) {
        _ = writeln!(out, "{pad}    {line}");
    }
    for link in &span.links {
        _ = writeln!(out, "{pad}    -> {} {}", hex(&link.trace_id), hex(&link.span_id));
    }
    for event in &span.events {
        let attributes = attributes(&event.attributes).join(", ");
        let line = format!("{pad}    * {} {} {attributes}", seconds(event.time_unix_nano, zero), event.name);
        _ = writeln!(out, "{}", line.trim_end());
    }
    for dropped in [span.dropped_events_count].iter().filter(|dropped| **dropped > 0) {
        _ = writeln!(out, "{pad}    * {dropped} dropped");
    }
    let children = trace.iter().filter(|child| child.parent_span_id == span.span_id);
    for child in children {
        branch(trace, child, zero, depth + 1, out);
    }
}

fn attributes(attributes: &[KeyValue]) -> Vec<String> {
    let mut lines: Vec<String> = attributes
        .iter()
        .map(|kv| {
            format!(
                "{}={}",
                kv.key.trim_start_matches("asterisk."),
                kv.value.as_ref().map(as_string).unwrap_or_default()
            )
        })
        .collect();
    lines.sort();
    lines
}

fn seconds(at: u64, zero: u64) -> String {
    let nanos = i128::from(at) - i128::from(zero);
    format!("{:.3}", nanos as f64 / 1e9)
}

/// Spans by trace.
pub(crate) fn by_trace(spans: &[OtlpSpan]) -> BTreeMap<Vec<u8>, Vec<&OtlpSpan>> {
    let mut traces: BTreeMap<Vec<u8>, Vec<&OtlpSpan>> = BTreeMap::new();
    for span in spans {
        traces.entry(span.trace_id.clone()).or_default().push(span);
    }
    traces
}
