//! Which attributes become labels of a stream.

use std::collections::BTreeMap;

use otelcol_pdata::model::common::any_value::Value;
use otelcol_pdata::model::common::{AnyValue, KeyValue};
use otelcol_pdata::model::logs::LogRecord;
use otelcol_pdata::model::{as_string, attr};

use super::config::{DefaultLabels, Labels};

/// Hint: names of record attributes to make labels of.
pub(crate) const ATTRIBUTE_HINT: &str = "loki.attribute.labels";
/// Hint: names of resource attributes to make labels of.
pub(crate) const RESOURCE_HINT: &str = "loki.resource.labels";
/// Hint: name of the attribute that holds the tenant.
pub(crate) const TENANT_HINT: &str = "loki.tenant";
/// Hint: `json`, `logfmt` or `raw`.
pub(crate) const FORMAT_HINT: &str = "loki.format";

/// Labels of one record: names as Loki takes them, with their values; and the attributes they came from.
#[derive(Debug, Default)]
pub(crate) struct LabelSet {
    labels: BTreeMap<String, String>,
    /// Attribute name and the text that became a label.
    sources: Vec<(String, String)>,
}

impl LabelSet {
    /// Adds the value of the attribute `source` as label `name`; the last one added counts.
    fn add(&mut self, name: &str, source: &str, value: String) {
        let name = normalize(name);
        if !name.is_empty() && !value.is_empty() {
            self.labels.insert(name, value.clone());
            self.sources.push((source.to_owned(), value));
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Whether an attribute is left out of the line: a hint, or shown by a label with its very value.
    pub(crate) fn hides(&self, attribute: &KeyValue) -> bool {
        let key = attribute.key.as_str();
        if matches!(key, ATTRIBUTE_HINT | RESOURCE_HINT | TENANT_HINT | FORMAT_HINT) {
            return true;
        }
        let Some(value) = &attribute.value else { return false };
        self.sources.iter().any(|(source, text)| source == key && *text == as_string(value))
    }

    /// `{a="1", b="2"}`, by name, quoted as LogQL reads it.
    pub(crate) fn text(&self) -> String {
        let mut out = String::from("{");
        for (n, (name, value)) in self.labels.iter().enumerate() {
            if n > 0 {
                out.push_str(", ");
            }
            out.push_str(name);
            out.push('=');
            quote(value, &mut out);
        }
        out.push('}');
        out
    }
}

/// The labels of one record, after 0.96's lokiexporter: defaults, then the configured ones, then the hints.
pub(crate) fn labels_of(
    record: &LogRecord,
    resource: &[KeyValue],
    defaults: &DefaultLabels,
    configured: &Labels,
) -> LabelSet {
    let mut set = LabelSet::default();
    add_defaults(&mut set, record, resource, defaults);
    add_configured(&mut set, record, resource, configured);
    for hints in
        [attr(resource, RESOURCE_HINT), attr(&record.attributes, RESOURCE_HINT)].into_iter().flatten()
    {
        add_hinted(&mut set, resource, hints);
    }
    if let Some(hints) = attr(&record.attributes, ATTRIBUTE_HINT) {
        add_hinted(&mut set, &record.attributes, hints);
    }
    set
}

fn add_defaults(set: &mut LabelSet, record: &LogRecord, resource: &[KeyValue], defaults: &DefaultLabels) {
    if defaults.level && record.severity_number != 0 {
        let level = attr(&record.attributes, "level").map(as_string);
        set.add("level", "level", level.unwrap_or_else(|| severity_name(record.severity_number)));
    }
    if defaults.exporter {
        set.add("exporter", "", "OTLP".to_owned());
    }
    if let (true, Some(name)) = (defaults.job, attr(resource, "service.name")) {
        let name = as_string(name);
        let job = match attr(resource, "service.namespace") {
            Some(namespace) => format!("{}/{name}", as_string(namespace)),
            None => name,
        };
        set.add("job", "job", job);
    }
    if let (true, Some(instance)) = (defaults.instance, attr(resource, "service.instance.id")) {
        set.add("instance", "instance", as_string(instance));
    }
}

fn add_configured(set: &mut LabelSet, record: &LogRecord, resource: &[KeyValue], configured: &Labels) {
    for (attribute, label) in &configured.attributes {
        let value = find(resource, attribute).or_else(|| find(&record.attributes, attribute));
        add_named(set, attribute, label, value.map(as_string));
    }
    for (attribute, label) in &configured.resource {
        add_named(set, attribute, label, find(resource, attribute).map(as_string));
    }
    for (field, label) in &configured.record {
        let value = match field.as_str() {
            "traceID" => hex(&record.trace_id),
            "spanID" => hex(&record.span_id),
            "severity" => record.severity_text.clone(),
            "severityN" => severity_name(record.severity_number),
            _ => String::new(),
        };
        add_named(set, field, label, Some(value));
    }
}

fn add_named(set: &mut LabelSet, attribute: &str, label: &str, value: Option<String>) {
    if let Some(value) = value {
        set.add(if label.is_empty() { attribute } else { label }, attribute, value);
    }
}

fn add_hinted(set: &mut LabelSet, attributes: &[KeyValue], hints: &AnyValue) {
    let names: Vec<String> = match &hints.value {
        Some(Value::StringValue(text)) => text.split(',').map(str::to_owned).collect(),
        Some(Value::ArrayValue(list)) => list.values.iter().map(as_string).collect(),
        _ => vec![as_string(hints)],
    };
    for name in names.iter().map(|name| name.trim()) {
        if let Some(value) = find(attributes, name) {
            set.add(name, name, as_string(value));
        }
    }
}

/// The attribute `name`, or the place within nested maps that the dots in `name` lead to.
fn find<'a>(attributes: &'a [KeyValue], name: &str) -> Option<&'a AnyValue> {
    if let Some(value) = attr(attributes, name) {
        return Some(value);
    }
    // The longest key that is a map comes first, as there.
    name.rmatch_indices('.').find_map(|(dot, _)| {
        let Some(Value::KvlistValue(inner)) = &attr(attributes, &name[..dot])?.value else { return None };
        find(&inner.values, &name[dot + 1..])
    })
}

/// The tenant that the hint `loki.tenant` leads to, empty where there is none: the resource's word goes first.
pub(crate) fn tenant_of(record: &[KeyValue], resource: &[KeyValue]) -> String {
    let text = |value: &AnyValue| match &value.value {
        Some(Value::StringValue(text)) => text.clone(),
        _ => String::new(),
    };
    let hint = attr(resource, TENANT_HINT).or_else(|| attr(record, TENANT_HINT)).map(text);
    let Some(hint) = hint else { return String::new() };
    attr(resource, &hint).or_else(|| attr(record, &hint)).map(text).unwrap_or_default()
}

/// A name by Prometheus' rules: letters, digits and `_`, no digit first, no single `_` first.
fn normalize(name: &str) -> String {
    let clean: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if clean.starts_with(|c: char| c.is_ascii_digit()) {
        format!("key_{clean}")
    } else if clean.starts_with('_') && !clean.starts_with("__") {
        format!("key{clean}")
    } else {
        clean
    }
}

fn quote(text: &str, out: &mut String) {
    use std::fmt::Write as _;

    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() && c.is_ascii() => _ = write!(out, "\\x{:02x}", c as u32),
            c => out.push(c),
        }
    }
    out.push('"');
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;

    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        _ = write!(out, "{byte:02x}");
        out
    })
}

/// `INFO`, `WARN2` ...: the severity numbers of the OpenTelemetry log data model; empty outside of them.
fn severity_name(number: i32) -> String {
    const NAMES: [&str; 6] = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];
    let Some(from_zero) = number.checked_sub(1).and_then(|n| usize::try_from(n).ok()) else {
        return String::new();
    };
    let Some(name) = NAMES.get(from_zero / 4) else { return String::new() };
    match from_zero % 4 {
        0 => (*name).to_owned(),
        step => format!("{name}{}", step + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_prometheus() {
        for (name, label) in [
            ("service.name", "service_name"),
            ("9to5", "key_9to5"),
            ("_x", "key_x"),
            ("__x", "__x"),
            ("größe", "gr__e"),
            ("", ""),
        ] {
            assert_eq!(normalize(name), label, "{name}");
        }
    }

    #[test]
    fn values_are_quoted() {
        let mut out = String::new();
        quote("a\"b\\c\nd\u{1}é", &mut out);
        assert_eq!(out, r#""a\"b\\c\nd\x01é""#);
    }

    #[test]
    fn severities_have_names() {
        let names: Vec<String> = [0, 1, 4, 9, 10, 17, 24, 25, -3].map(severity_name).to_vec();
        assert_eq!(names, ["", "TRACE", "TRACE4", "INFO", "INFO2", "ERROR", "FATAL4", "", ""]);
    }
}
