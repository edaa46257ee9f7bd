//! `verbosity: detailed`: all there is of each item.

use std::fmt::{Arguments, Write as _};

use otelcol_pdata::model::common::{InstrumentationScope, KeyValue};
use otelcol_pdata::model::logs::LogRecord;
use otelcol_pdata::model::resource::Resource;
use otelcol_pdata::model::trace::Span;
use otelcol_pdata::{Batch, Signal, WireError};

use super::text::{id, time, typed};

/// The text of a batch.
pub(super) fn text(batch: &Batch) -> Result<String, WireError> {
    let mut page = Page::default();
    match batch.signal() {
        Signal::Traces => traces(&mut page, batch)?,
        Signal::Metrics => super::detailed_metrics::metrics(&mut page, batch)?,
        Signal::Logs => logs(&mut page, batch)?,
    }
    Ok(page.0)
}

/// The text under construction.
#[derive(Default)]
pub(super) struct Page(String);

impl Page {
    pub(super) fn line(&mut self, line: Arguments<'_>) {
        // Writing to a string does not fail.
        _ = self.0.write_fmt(line);
        self.0.push('\n');
    }

    /// Attributes under a heading that ends in a colon; nothing where there are none. `indent` stands before each.
    pub(super) fn attributes(&mut self, heading: &str, indent: &str, attributes: &[KeyValue]) {
        if attributes.is_empty() {
            return;
        }
        self.line(format_args!("{heading}"));
        for KeyValue { key, value, .. } in attributes {
            self.line(format_args!("{indent}     -> {key}: {}", typed(value.as_ref())));
        }
    }

    pub(super) fn resource(&mut self, title: &str, n: usize, schema: &str, resource: Option<&Resource>) {
        self.line(format_args!("{title} #{n}"));
        self.line(format_args!("Resource SchemaURL: {schema}"));
        let Some(resource) = resource else { return };
        self.attributes("Resource attributes:", "", &resource.attributes);
        self.entities(resource);
    }

    fn entities(&mut self, resource: &Resource) {
        if resource.entity_refs.is_empty() {
            return;
        }
        self.line(format_args!("Resource entity refs:"));
        for (n, entity) in resource.entity_refs.iter().enumerate() {
            self.line(format_args!("     -> Entity ref #{n}:"));
            self.line(format_args!("          -> Type: {}", entity.r#type));
            if !entity.schema_url.is_empty() {
                self.line(format_args!("          -> Schema URL: {}", entity.schema_url));
            }
            for (title, keys) in
                [("ID keys", &entity.id_keys), ("Description keys", &entity.description_keys)]
            {
                if !keys.is_empty() {
                    self.line(format_args!("          -> {title}:"));
                }
                for key in keys {
                    self.line(format_args!("               -> {key}"));
                }
            }
        }
    }

    pub(super) fn scope(
        &mut self,
        title: &str,
        n: usize,
        schema: &str,
        scope: Option<&InstrumentationScope>,
    ) {
        let none = InstrumentationScope::default();
        let scope = scope.unwrap_or(&none);
        self.line(format_args!("{title} #{n}"));
        self.line(format_args!("{title} SchemaURL: {schema}"));
        self.line(format_args!("InstrumentationScope {} {}", scope.name, scope.version));
        self.attributes("InstrumentationScope attributes:", "", &scope.attributes);
    }

    fn field(&mut self, name: &str, value: &str) {
        self.line(format_args!("    {name:<15}: {value}"));
    }
}

fn traces(page: &mut Page, batch: &Batch) -> Result<(), WireError> {
    for (i, block) in batch.traces()?.into_iter().enumerate() {
        page.resource("ResourceSpans", i, &block.schema_url, block.resource.as_ref());
        for (j, scope) in block.scope_spans.iter().enumerate() {
            page.scope("ScopeSpans", j, &scope.schema_url, scope.scope.as_ref());
            for (k, span) in scope.spans.iter().enumerate() {
                page.line(format_args!("Span #{k}"));
                span_fields(page, span);
                page.attributes("Attributes:", "", &span.attributes);
                events(page, span);
                links(page, span);
            }
        }
    }
    Ok(())
}

/// A name from a list, by its number in the protocol; nothing for a number beyond.
fn name(names: &[&'static str], number: i32) -> &'static str {
    usize::try_from(number).ok().and_then(|number| names.get(number).copied()).unwrap_or_default()
}

fn span_fields(page: &mut Page, span: &Span) {
    const KINDS: [&str; 6] = ["Unspecified", "Internal", "Server", "Client", "Producer", "Consumer"];
    let (status, message) =
        span.status.as_ref().map_or((0, ""), |status| (status.code, status.message.as_str()));
    page.field("Trace ID", &id(&span.trace_id));
    page.field("Parent ID", &id(&span.parent_span_id));
    page.field("ID", &id(&span.span_id));
    page.field("Name", &span.name);
    page.field("Kind", name(&KINDS, span.kind));
    if !span.trace_state.is_empty() {
        page.field("TraceState", &span.trace_state);
    }
    page.field("Start time", &time(span.start_time_unix_nano));
    page.field("End time", &time(span.end_time_unix_nano));
    page.field("Status code", name(&["Unset", "Ok", "Error"], status));
    page.field("Status message", message);
    page.field("DroppedAttributesCount", &span.dropped_attributes_count.to_string());
    page.field("DroppedEventsCount", &span.dropped_events_count.to_string());
    page.field("DroppedLinksCount", &span.dropped_links_count.to_string());
}

/// How otelcol heads the attributes of events and links: with two colons.
const INNER_HEADING: &str = "     -> Attributes::";
pub(super) const INNER_INDENT: &str = "     ";

fn events(page: &mut Page, span: &Span) {
    if !span.events.is_empty() {
        page.line(format_args!("Events:"));
    }
    for (n, event) in span.events.iter().enumerate() {
        page.line(format_args!("SpanEvent #{n}"));
        page.line(format_args!("     -> Name: {}", event.name));
        page.line(format_args!("     -> Timestamp: {}", time(event.time_unix_nano)));
        page.line(format_args!("     -> DroppedAttributesCount: {}", event.dropped_attributes_count));
        page.attributes(INNER_HEADING, INNER_INDENT, &event.attributes);
    }
}

fn links(page: &mut Page, span: &Span) {
    if !span.links.is_empty() {
        page.line(format_args!("Links:"));
    }
    for (n, link) in span.links.iter().enumerate() {
        page.line(format_args!("SpanLink #{n}"));
        page.line(format_args!("     -> Trace ID: {}", id(&link.trace_id)));
        page.line(format_args!("     -> ID: {}", id(&link.span_id)));
        page.line(format_args!("     -> TraceState: {}", link.trace_state));
        page.line(format_args!("     -> DroppedAttributesCount: {}", link.dropped_attributes_count));
        page.attributes(INNER_HEADING, INNER_INDENT, &link.attributes);
    }
}

fn logs(page: &mut Page, batch: &Batch) -> Result<(), WireError> {
    for (i, block) in batch.logs()?.into_iter().enumerate() {
        page.resource("ResourceLog", i, &block.schema_url, block.resource.as_ref());
        for (j, scope) in block.scope_logs.iter().enumerate() {
            page.scope("ScopeLogs", j, &scope.schema_url, scope.scope.as_ref());
            for (k, record) in scope.log_records.iter().enumerate() {
                page.line(format_args!("LogRecord #{k}"));
                log_record(page, record);
            }
        }
    }
    Ok(())
}

fn log_record(page: &mut Page, record: &LogRecord) {
    const SEVERITIES: [&str; 25] = [
        "Unspecified",
        "Trace",
        "Trace2",
        "Trace3",
        "Trace4",
        "Debug",
        "Debug2",
        "Debug3",
        "Debug4",
        "Info",
        "Info2",
        "Info3",
        "Info4",
        "Warn",
        "Warn2",
        "Warn3",
        "Warn4",
        "Error",
        "Error2",
        "Error3",
        "Error4",
        "Fatal",
        "Fatal2",
        "Fatal3",
        "Fatal4",
    ];
    let number = record.severity_number;
    page.line(format_args!("ObservedTimestamp: {}", time(record.observed_time_unix_nano)));
    page.line(format_args!("Timestamp: {}", time(record.time_unix_nano)));
    page.line(format_args!("SeverityText: {}", record.severity_text));
    page.line(format_args!("SeverityNumber: {}({number})", name(&SEVERITIES, number)));
    if !record.event_name.is_empty() {
        page.line(format_args!("EventName: {}", record.event_name));
    }
    page.line(format_args!("Body: {}", typed(record.body.as_ref())));
    page.attributes("Attributes:", "", &record.attributes);
    page.line(format_args!("Trace ID: {}", id(&record.trace_id)));
    page.line(format_args!("Span ID: {}", id(&record.span_id)));
    page.line(format_args!("Flags: {}", record.flags));
}
