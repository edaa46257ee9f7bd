//! The text of a log line: `json` (default), `logfmt` or `raw`, as 0.96's lokiexporter writes them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use otelcol_pdata::model::as_string;
use otelcol_pdata::model::common::any_value::Value;
use otelcol_pdata::model::common::{AnyValue, InstrumentationScope, KeyValue};
use otelcol_pdata::model::logs::LogRecord;

use super::labels::{FORMAT_HINT, LabelSet, hex};
use super::logfmt;

/// How a line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    Logfmt,
    Raw,
}

impl Format {
    /// The format that the hint `loki.format` names; the resource's word goes first.
    ///
    /// # Errors
    /// Another word than the three.
    pub(crate) fn of(record: &[KeyValue], resource: &[KeyValue]) -> Result<Self, String> {
        use otelcol_pdata::model::attr;

        let Some(hint) = attr(resource, FORMAT_HINT).or_else(|| attr(record, FORMAT_HINT)) else {
            return Ok(Self::Json);
        };
        match as_string(hint).as_str() {
            "json" => Ok(Self::Json),
            "logfmt" => Ok(Self::Logfmt),
            "raw" => Ok(Self::Raw),
            other => Err(format!("invalid format {other}. Expected one of: json, logfmt, raw")),
        }
    }
}

/// One record with what stands around it.
pub(crate) struct Source<'a> {
    pub(crate) record: &'a LogRecord,
    pub(crate) resource: &'a [KeyValue],
    pub(crate) scope: Option<&'a InstrumentationScope>,
    pub(crate) labels: &'a LabelSet,
}

impl Source<'_> {
    /// The line in the given format, without the attributes that are labels.
    pub(crate) fn line(&self, format: Format) -> String {
        match format {
            Format::Json => self.json(),
            Format::Logfmt => self.logfmt(),
            Format::Raw => self.record.body.as_ref().map(as_string).unwrap_or_default(),
        }
    }

    fn shown<'b>(&'b self, attributes: &'b [KeyValue]) -> impl Iterator<Item = &'b KeyValue> {
        attributes.iter().filter(|attribute| !self.labels.hides(attribute))
    }

    fn named_scope(&self) -> Option<&InstrumentationScope> {
        self.scope.filter(|scope| !scope.name.is_empty())
    }

    fn json(&self) -> String {
        let record = self.record;
        let mut object = Object::new();
        if let Some(body) = record.body.as_ref().filter(|body| body.value.is_some()) {
            object.add("body", &json_value(body));
        }
        object.add_text("traceid", &id_text(&record.trace_id));
        object.add_text("spanid", &id_text(&record.span_id));
        object.add_text("severity", &record.severity_text);
        if record.flags != 0 {
            object.add("flags", &record.flags.to_string());
        }
        object.add_map("attributes", self.shown(&record.attributes));
        object.add_map("resources", self.shown(self.resource));
        if let Some(scope) = self.named_scope() {
            let mut inner = Object::new();
            inner.add_text("name", &scope.name);
            inner.add_text("version", &scope.version);
            inner.add_map("attributes", scope.attributes.iter());
            object.add("instrumentation_scope", &inner.close());
        }
        escape_for_html(object.close())
    }

    fn logfmt(&self) -> String {
        let record = self.record;
        let mut line = logfmt::Line::default();
        if let Some(body) = &record.body {
            line.body(body);
        }
        line.replace("traceID", &id_text(&record.trace_id));
        line.replace("spanID", &id_text(&record.span_id));
        line.replace("severity", &record.severity_text);
        if record.flags != 0 {
            line.replace("flags", &record.flags.to_string());
        }
        for KeyValue { key, value, .. } in self.shown(&record.attributes) {
            line.value(&format!("attribute_{key}"), value.as_ref());
        }
        for KeyValue { key, value, .. } in self.shown(self.resource) {
            line.value(&format!("resource_{key}"), value.as_ref());
        }
        if let Some(scope) = self.named_scope() {
            line.text("instrumentation_scope_name", &scope.name);
            if !scope.version.is_empty() {
                line.text("instrumentation_scope_version", &scope.version);
            }
            for KeyValue { key, value, .. } in &scope.attributes {
                line.value(&format!("instrumentation_scope_attribute_{key}"), value.as_ref());
            }
        }
        line.finish()
    }
}

/// An id in hexadecimal, nothing for one of zeros.
fn id_text(id: &[u8]) -> String {
    if id.iter().all(|byte| *byte == 0) { String::new() } else { hex(id) }
}

/// A JSON object under construction.
struct Object(String);

impl Object {
    fn new() -> Self {
        Self("{".to_owned())
    }

    fn add(&mut self, key: &str, json: &str) {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        _ = write!(self.0, "{}:{json}", json_text(key));
    }

    fn add_text(&mut self, key: &str, text: &str) {
        if !text.is_empty() {
            self.add(key, &json_text(text));
        }
    }

    /// Attributes by name; of equal names the last counts.
    fn add_map<'a>(&mut self, key: &str, attributes: impl Iterator<Item = &'a KeyValue>) {
        let sorted: BTreeMap<&str, String> = attributes
            .map(|attribute| {
                (attribute.key.as_str(), attribute.value.as_ref().map_or("null".to_owned(), json_value))
            })
            .collect();
        if sorted.is_empty() {
            return;
        }
        let mut map = Self::new();
        for (name, json) in sorted {
            map.add(name, &json);
        }
        self.add(key, &map.close());
    }

    fn close(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

fn json_value(value: &AnyValue) -> String {
    match &value.value {
        None => "null".to_owned(),
        Some(Value::StringValue(text)) => json_text(text),
        Some(Value::BytesValue(_)) => json_text(&as_string(value)),
        Some(Value::DoubleValue(number)) if !number.is_finite() => json_text(&as_string(value)),
        Some(_) => as_string(value),
    }
}

fn json_text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Go's encoder writes these as escapes wherever they stand, which is within strings only.
fn escape_for_html(json: String) -> String {
    if !json.contains(['<', '>', '&', '\u{2028}', '\u{2029}']) {
        return json;
    }
    let escaped = json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026");
    escaped.replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
}
