//! Finished traces as OTLP, written straight to the wire. Here, and only here, redaction is applied.
//!
//! Field numbers: `opentelemetry/proto/trace/v1/trace.proto`, version 1.9.

use otelcol_asterisk::channel;
use otelcol_asterisk::ids::call_root_span_id;
use otelcol_asterisk::redaction::Redactor;
use otelcol_pdata::model::resource::Resource;
use otelcol_pdata::model::trace::span::SpanKind;
use otelcol_pdata::model::trace::status::StatusCode;
use otelcol_pdata::{Batch, Signal, WireError};

use super::call::{Attributes, Link, Owner, Span, SpanEvent, Trace, Value};
use super::leg::Told;
use super::names::{Attribute, SpanName};
use crate::protobuf::{Protobuf, batch};

/// W3C trace flags: sampled, and an id whose low 56 bits are random; OTLP's bit that says that the parent is known not to
/// be remote.
const FLAGS: u32 = 0x03 | 0x100;

/// Attributes of a span, and of an event.
const OF_SPAN: u8 = 9;
const OF_EVENT: u8 = 3;

/// Writes traces, and keeps them until somebody takes them.
#[derive(Debug)]
pub(crate) struct Writer {
    redactor: Redactor,
    /// Names of the variables that become attributes.
    variables: Vec<String>,
    scope: Vec<u8>,
    /// Spans that wait, as `spans` of a scope.
    spans: Vec<u8>,
    waiting: usize,
    span: Vec<u8>,
    part: Vec<u8>,
}

impl Writer {
    /// `name` is the scope's, `version` the program's.
    pub(crate) fn new(redactor: Redactor, variables: Vec<String>, name: &str, version: &str) -> Self {
        let mut scope = Vec::new();
        for (field, text) in [(1, name), (2, version)] {
            Protobuf(&mut scope).bytes(field, text.as_bytes());
        }
        Self { redactor, variables, scope, spans: Vec::new(), waiting: 0, span: Vec::new(), part: Vec::new() }
    }

    /// How many spans wait.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Takes the spans that wait, as spans of `resource`. `None` if there are none.
    ///
    /// # Errors
    /// The spans are no valid OTLP, which is a bug here.
    pub(crate) fn take(&mut self, resource: &Resource) -> Result<Option<Batch>, WireError> {
        if self.waiting == 0 {
            return Ok(None);
        }
        self.waiting = 0;
        batch(Signal::Traces, resource, &self.scope, &mut self.spans).map(Some)
    }

    /// Writes all spans of a trace whose spans have all ended, parents first.
    pub(crate) fn write(&mut self, trace: &Trace) {
        let (mut span, mut part) = (std::mem::take(&mut self.span), std::mem::take(&mut self.part));
        for one in &trace.spans {
            span.clear();
            self.span(trace, one, &mut span, &mut part);
            Protobuf(&mut self.spans).bytes(2, &span);
        }
        self.waiting += trace.spans.len();
        (self.span, self.part) = (span, part);
    }

    fn span(&self, trace: &Trace, span: &Span, out: &mut Vec<u8>, part: &mut Vec<u8>) {
        let end = span.end().unwrap_or(span.start);
        let is_root = span.owner == Owner::Call;
        let mut out = Protobuf(out);
        out.bytes(1, &trace.id);
        out.bytes(2, &span.id);
        if !is_root {
            out.bytes(4, &trace.spans[span.parent as usize].id);
        }
        out.bytes(5, span.name.name().as_bytes());
        // Kinds are small and positive.
        out.varint(6, kind(span.name) as u64);
        out.fixed64(7, span.start);
        out.fixed64(8, end);
        self.attributes(&mut out, OF_SPAN, &span.attributes, trace);
        self.describe(&mut out, trace, span);
        if is_root || span.name == SpanName::Leg {
            #[expect(clippy::cast_precision_loss, reason = "a duration, in milliseconds")]
            out.double(OF_SPAN, Attribute::DurationMs.name(), (end - span.start) as f64 / 1e6);
        }
        for event in &span.events {
            part.clear();
            self.event(&mut Protobuf(part), event, trace);
            out.bytes(11, part);
        }
        if let Some(extra) = &span.extra {
            if extra.dropped_events > 0 {
                out.varint(12, extra.dropped_events.into());
            }
            for link in &extra.links {
                part.clear();
                write_link(&mut Protobuf(part), link);
                out.bytes(13, part);
            }
        }
        if let Some(why) = span.failure() {
            part.clear();
            let mut status = Protobuf(part);
            status.bytes(2, why.as_bytes());
            status.varint(3, StatusCode::Error as u64);
            out.bytes(15, part);
        }
        out.fixed32(16, FLAGS);
    }

    fn event(&self, out: &mut Protobuf<'_>, event: &SpanEvent, trace: &Trace) {
        out.fixed64(1, event.at);
        out.bytes(2, event.name.name().as_bytes());
        self.attributes(out, OF_EVENT, &event.attributes, trace);
    }

    /// What follows from whose span it is.
    fn describe(&self, out: &mut Protobuf<'_>, trace: &Trace, span: &Span) {
        let leg = match span.owner {
            Owner::Call => trace.legs.first(),
            Owner::Leg(leg) | Owner::Session(leg, _) => trace.legs.get(leg as usize),
            Owner::Bridge(_) => None,
        };
        if span.owner == Owner::Call {
            out.string(OF_SPAN, Attribute::Linkedid.name(), &trace.linkedid);
            out.string(OF_SPAN, Attribute::ChannelType.name(), channel_type(trace));
            let worst =
                trace.legs.iter().filter_map(|leg| leg.quality.mos()).min_by(|a, b| a.0.total_cmp(&b.0));
            quality(out, worst);
        }
        let Some(leg) = leg else { return };
        let name = if span.name == SpanName::Dial { Attribute::Destination } else { Attribute::Channel };
        self.text(out, OF_SPAN, name, leg.text(Told::Channel));
        self.text(out, OF_SPAN, Attribute::Uniqueid, &leg.uniqueid);
        if span.owner == Owner::Call || span.name == SpanName::Leg {
            self.text(out, OF_SPAN, Attribute::CallerId, leg.text(Told::CallerId));
            self.text(out, OF_SPAN, Attribute::CallerName, leg.text(Told::CallerName));
            self.text(out, OF_SPAN, Attribute::AccountCode, leg.text(Told::Account));
            self.text(out, OF_SPAN, Attribute::Context, leg.text(Told::Context));
            self.text(out, OF_SPAN, Attribute::Exten, leg.text(Told::Exten));
        }
        if span.name == SpanName::Leg {
            out.string(OF_SPAN, Attribute::ChannelType.name(), channel::technology(leg.text(Told::Channel)));
            quality(out, leg.quality.mos());
        }
    }

    fn attributes(&self, out: &mut Protobuf<'_>, field: u8, attributes: &Attributes, trace: &Trace) {
        for (key, value) in attributes.iter() {
            match value {
                Value::Text(text) => self.text(out, field, *key, text),
                Value::Word(word) => out.string(field, key.name(), word),
                Value::Int(number) => out.int(field, key.name(), *number),
                Value::Bool(flag) => out.bool(field, key.name(), *flag),
                Value::Legs(legs) => {
                    let legs = legs.iter().filter_map(|leg| trace.legs.get(*leg as usize));
                    let names: Vec<_> =
                        legs.map(|leg| self.redactor.channel(leg.text(Told::Channel))).collect();
                    out.strings(field, key.name(), &names);
                }
            }
        }
    }

    fn text(&self, out: &mut Protobuf<'_>, field: u8, key: Attribute, text: &str) {
        if text.is_empty() {
            return;
        }
        let Some(text) = self.redactor.value(key.kind(), text) else { return };
        match key {
            Attribute::Variable(number) => {
                let Some(variable) = self.variables.get(usize::from(number)) else { return };
                out.string(field, &[key.name(), variable].concat(), &text);
            }
            _ => out.string(field, key.name(), &text),
        }
    }
}

fn quality(out: &mut Protobuf<'_>, mos: Option<(f64, f64)>) {
    if let Some((mean, lowest)) = mos {
        out.double(OF_SPAN, Attribute::Mos.name(), mean);
        out.double(OF_SPAN, Attribute::MosMin.name(), lowest);
    }
}

fn write_link(out: &mut Protobuf<'_>, link: &Link) {
    out.bytes(1, &link.trace);
    out.bytes(2, &link.span);
    out.fixed32(6, FLAGS);
}

/// The technology of the first leg that is not Local, as `asterisk.calls.total` has it.
fn channel_type(trace: &Trace) -> &str {
    let first =
        trace.legs.iter().find(|leg| !leg.text(Told::Channel).starts_with("Local/")).or(trace.legs.first());
    first.map_or("", |leg| channel::technology(leg.text(Told::Channel)))
}

fn kind(name: SpanName) -> SpanKind {
    match name {
        SpanName::Call => SpanKind::Server,
        SpanName::Dial | SpanName::Agi => SpanKind::Client,
        _ => SpanKind::Internal,
    }
}

/// The link to the root of a call.
pub(crate) fn link_to(trace: [u8; 16]) -> Link {
    Link { trace, span: call_root_span_id(&trace) }
}
