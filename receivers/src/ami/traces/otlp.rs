//! A finished trace as OTLP spans. Here, and only here, redaction is applied.

use otelcol_asterisk::channel;
use otelcol_asterisk::ids::call_root_span_id;
use otelcol_asterisk::redaction::Redactor;
use otelcol_pdata::model::common::any_value::Value as AnyValueKind;
use otelcol_pdata::model::common::{AnyValue, ArrayValue, InstrumentationScope, KeyValue};
use otelcol_pdata::model::resource::Resource;
use otelcol_pdata::model::trace::span::{Event, Link as OtlpLink, SpanKind};
use otelcol_pdata::model::trace::status::StatusCode;
use otelcol_pdata::model::trace::{ResourceSpans, ScopeSpans, Span as OtlpSpan, Status as OtlpStatus};
use otelcol_pdata::model::{bool, double, int, key_value, string};

use super::call::{Attributes, Owner, Span, Status, Trace, Value};
use super::config::TracesConfig;
use super::names::{Attribute, SpanName};

/// The scope's name.
const SCOPE: &str = "github.com/otelcol-asterisk/otelcol-asterisk/receiver/ami";

/// W3C trace flags: sampled, and an id whose low 56 bits are random; OTLP's bit that says that the parent is known not to
/// be remote.
const FLAGS: u32 = 0x03 | 0x100;

/// Spans of one Asterisk, ready to be sent.
pub(super) fn resource_spans(resource: Resource, spans: Vec<OtlpSpan>, version: &str) -> ResourceSpans {
    ResourceSpans {
        resource: Some(resource),
        scope_spans: vec![ScopeSpans {
            scope: Some(InstrumentationScope {
                name: SCOPE.to_owned(),
                version: version.to_owned(),
                ..InstrumentationScope::default()
            }),
            spans,
            schema_url: String::new(),
        }],
        schema_url: String::new(),
    }
}

/// Turns traces into spans.
#[derive(Debug)]
pub(super) struct Writer<'a> {
    pub(super) config: &'a TracesConfig,
    pub(super) redactor: &'a Redactor,
}

impl Writer<'_> {
    /// All spans of a trace whose spans have all ended, parents first.
    pub(super) fn spans(&self, trace: &Trace) -> Vec<OtlpSpan> {
        trace.spans.iter().map(|span| self.span(trace, span)).collect()
    }

    fn span(&self, trace: &Trace, span: &Span) -> OtlpSpan {
        let end = span.end.unwrap_or(span.start);
        let is_root = span.owner == Owner::Call;
        let mut out = OtlpSpan {
            trace_id: trace.id.to_vec(),
            span_id: span.id.to_vec(),
            parent_span_id: if is_root { Vec::new() } else { trace.spans[span.parent as usize].id.to_vec() },
            flags: FLAGS,
            name: span.name.name().to_owned(),
            kind: kind(span.name) as i32,
            start_time_unix_nano: span.start,
            end_time_unix_nano: end,
            attributes: self.attributes(&span.attributes, trace),
            status: Some(status(span.status)),
            ..OtlpSpan::default()
        };
        self.describe(trace, span, &mut out.attributes);
        if is_root || span.name == SpanName::Leg {
            #[expect(clippy::cast_precision_loss, reason = "a duration, in milliseconds")]
            out.attributes.push(double(Attribute::DurationMs.name(), (end - span.start) as f64 / 1e6));
        }
        if let Some(extra) = &span.extra {
            out.events.extend(extra.events.iter().map(|event| Event {
                time_unix_nano: event.at,
                name: event.name.name().to_owned(),
                attributes: self.attributes(&event.attributes, trace),
                dropped_attributes_count: 0,
            }));
            out.dropped_events_count = extra.dropped_events;
            out.links.extend(extra.links.iter().map(|link| OtlpLink {
                trace_id: link.trace.to_vec(),
                span_id: link.span.to_vec(),
                flags: FLAGS,
                ..OtlpLink::default()
            }));
        }
        out
    }

    /// What follows from whose span it is.
    fn describe(&self, trace: &Trace, span: &Span, out: &mut Vec<KeyValue>) {
        let leg = match span.owner {
            Owner::Call => trace.legs.first(),
            Owner::Leg(leg) | Owner::Session(leg, _) => trace.legs.get(leg as usize),
            Owner::Bridge(_) => None,
        };
        if span.owner == Owner::Call {
            out.push(string(Attribute::Linkedid.name(), &*trace.linkedid));
            out.push(string(Attribute::ChannelType.name(), channel_type(trace)));
            let worst =
                trace.legs.iter().filter_map(|leg| leg.quality.mos()).min_by(|a, b| a.0.total_cmp(&b.0));
            push_quality(worst, out);
        }
        let Some(leg) = leg else { return };
        let name = if span.name == SpanName::Dial { Attribute::Destination } else { Attribute::Channel };
        self.push(name, &leg.channel, out);
        self.push(Attribute::Uniqueid, &leg.uniqueid, out);
        if span.owner == Owner::Call || span.name == SpanName::Leg {
            self.push(Attribute::CallerId, &leg.caller_id, out);
            self.push(Attribute::CallerName, &leg.caller_name, out);
            self.push(Attribute::AccountCode, &leg.account, out);
            self.push(Attribute::Context, &leg.context, out);
            self.push(Attribute::Exten, &leg.exten, out);
        }
        if span.name == SpanName::Leg {
            out.push(string(Attribute::ChannelType.name(), channel::technology(&leg.channel)));
            push_quality(leg.quality.mos(), out);
        }
    }

    fn attributes(&self, attributes: &Attributes, trace: &Trace) -> Vec<KeyValue> {
        let mut out = Vec::new();
        for (key, value) in attributes.iter() {
            match value {
                Value::Text(text) => self.push(*key, text, &mut out),
                Value::Word(word) => out.push(string(key.name(), *word)),
                Value::Int(number) => out.push(int(key.name(), *number)),
                Value::Bool(flag) => out.push(bool(key.name(), *flag)),
                Value::Legs(legs) => out.push(key_value(key.name(), self.channels(legs, trace))),
            }
        }
        out
    }

    fn push(&self, key: Attribute, text: &str, out: &mut Vec<KeyValue>) {
        if text.is_empty() {
            return;
        }
        let Some(text) = self.redactor.value(key.kind(), text) else { return };
        match key {
            Attribute::Variable(number) => {
                let Some(variable) = self.config.variables.get(usize::from(number)) else { return };
                out.push(string([key.name(), variable].concat(), text));
            }
            _ => out.push(string(key.name(), text)),
        }
    }

    fn channels(&self, legs: &[u32], trace: &Trace) -> AnyValueKind {
        let names = legs.iter().filter_map(|leg| trace.legs.get(*leg as usize)).map(|leg| AnyValue {
            value: Some(AnyValueKind::StringValue(self.redactor.channel(&leg.channel).into_owned())),
        });
        AnyValueKind::ArrayValue(ArrayValue { values: names.collect() })
    }
}

fn push_quality(mos: Option<(f64, f64)>, out: &mut Vec<KeyValue>) {
    if let Some((mean, lowest)) = mos {
        out.push(double(Attribute::Mos.name(), mean));
        out.push(double(Attribute::MosMin.name(), lowest));
    }
}

/// The technology of the first leg that is not Local, as `asterisk.calls.total` has it.
fn channel_type(trace: &Trace) -> &str {
    let first = trace.legs.iter().find(|leg| !leg.channel.starts_with("Local/")).or(trace.legs.first());
    first.map_or("", |leg| channel::technology(&leg.channel))
}

fn kind(name: SpanName) -> SpanKind {
    match name {
        SpanName::Call => SpanKind::Server,
        SpanName::Dial | SpanName::Agi => SpanKind::Client,
        _ => SpanKind::Internal,
    }
}

fn status(status: Status) -> OtlpStatus {
    match status {
        Status::Unset => OtlpStatus::default(),
        Status::Error(why) => OtlpStatus { message: why.to_owned(), code: StatusCode::Error as i32 },
    }
}

/// The link to the root of a call.
pub(super) fn link_to(trace: [u8; 16]) -> super::call::Link {
    super::call::Link { trace, span: call_root_span_id(&trace) }
}
