//! The label text of a series: sorted by name, escaped, each name once.

use std::borrow::Cow;
use std::ops::Range;

use otelcol_pdata::model::common::any_value::Value;
use otelcol_pdata::model::common::{AnyValue, InstrumentationScope, KeyValue};
use otelcol_pdata::model::{as_string, attr};
use otelcol_prometheus_text::{InvalidName, Strategy, label_name, push_label_name, write_label};

use super::selection::{
    SERVICE_INSTANCE_ID, SERVICE_NAME, SERVICE_NAMESPACE, Selection, is_service_attribute,
};

/// Labels that can not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LabelError {
    /// An attribute's name leaves no label name.
    Invalid,
    /// They are longer than [`MAX_LABELS`].
    TooLong,
}

/// Longest label text of a series; a longer one is a mistake or an attack.
pub(crate) const MAX_LABELS: usize = 16 * 1024;

/// How labels are named and which ones are added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LabelRules {
    pub(crate) strategy: Strategy,
    /// Name and value, names as they stand in the output.
    pub(crate) constant: Vec<(String, String)>,
    pub(crate) scope: bool,
    pub(crate) resource: Selection,
}

/// The labels that all points of one resource and scope share, sorted by name.
#[derive(Debug, Default)]
pub(crate) struct SharedLabels {
    labels: Vec<SharedLabel>,
    /// Two of them wanted the same name.
    pub(crate) conflict: bool,
}

#[derive(Debug)]
struct SharedLabel {
    name: String,
    /// The resource attribute it comes from; labels of other origin win over any attribute.
    key: Option<String>,
    value: String,
    /// `name="value"`, escaped.
    text: Vec<u8>,
}

impl SharedLabel {
    fn new(name: String, key: Option<String>, value: String) -> Self {
        let mut text = Vec::with_capacity(name.len() + value.len() + 3);
        write_label(&mut text, &name, &value);
        Self { name, key, value, text }
    }
}

/// `service.namespace/service.name`, the `job` label.
pub(crate) fn job(resource: &[KeyValue]) -> Option<String> {
    let name = text_of(attr(resource, SERVICE_NAME)?);
    let Some(namespace) = attr(resource, SERVICE_NAMESPACE) else { return Some(name.into_owned()) };
    Some(format!("{}/{name}", text_of(namespace)))
}

/// `service.instance.id`, the `instance` label.
pub(crate) fn instance(resource: &[KeyValue]) -> Option<String> {
    attr(resource, SERVICE_INSTANCE_ID).map(|value| text_of(value).into_owned())
}

#[cfg(feature = "prometheusremotewrite")]
/// Whether `job` and `instance` show this attribute.
pub(crate) fn is_identifying(key: &str) -> bool {
    is_service_attribute(key)
}

impl SharedLabels {
    /// The labels of a resource and scope.
    ///
    /// # Errors
    /// An attribute whose name leaves no label name.
    pub(crate) fn new(
        rules: &LabelRules,
        resource: &[KeyValue],
        scope: Option<&InstrumentationScope>,
        schema_url: &str,
    ) -> Result<Self, InvalidName> {
        let mut shared = Self::default();
        for (name, value) in &rules.constant {
            shared.add_fixed(name.clone(), value.clone());
        }
        if let Some(job) = job(resource) {
            shared.add_fixed("job".to_owned(), job);
        }
        if let Some(instance) = instance(resource) {
            shared.add_fixed("instance".to_owned(), instance);
        }
        if rules.scope {
            shared.add_scope(rules, scope, schema_url)?;
        }
        shared.add_attributes(rules, resource, |key| rules.resource.selects(key))?;
        Ok(shared)
    }

    /// The labels of `target_info`: all of the resource, `job` and `instance` in place of what they are made of.
    ///
    /// # Errors
    /// An attribute whose name leaves no label name.
    pub(crate) fn of_target(
        rules: &LabelRules,
        resource: &[KeyValue],
        job: &str,
        instance: &str,
    ) -> Result<Self, InvalidName> {
        let mut shared = Self::default();
        shared.add_fixed("job".to_owned(), job.to_owned());
        shared.add_fixed("instance".to_owned(), instance.to_owned());
        shared.add_attributes(rules, resource, |key| !is_service_attribute(key))?;
        Ok(shared)
    }

    fn add_scope(
        &mut self,
        rules: &LabelRules,
        scope: Option<&InstrumentationScope>,
        schema_url: &str,
    ) -> Result<(), InvalidName> {
        let (name, version) = scope.map_or(("", ""), |scope| (&scope.name, &scope.version));
        self.add_fixed("otel_scope_name".to_owned(), name.to_owned());
        self.add_fixed("otel_scope_version".to_owned(), version.to_owned());
        self.add_fixed("otel_scope_schema_url".to_owned(), schema_url.to_owned());
        let attributes = scope.map_or(&[][..], |scope| &scope.attributes);
        for attribute in
            attributes.iter().filter(|a| !matches!(a.key.as_str(), "name" | "version" | "schema_url"))
        {
            let name = label_name(&format!("otel_scope_{}", attribute.key), rules.strategy)?;
            self.add_fixed(name, value_text(attribute).into_owned());
        }
        Ok(())
    }

    /// Adds a label that wins over those added later.
    fn add_fixed(&mut self, name: String, value: String) {
        match self.labels.binary_search_by(|label| label.name.as_str().cmp(&name)) {
            Ok(_) => self.conflict = true,
            Err(at) => self.labels.insert(at, SharedLabel::new(name, None, value)),
        }
    }

    /// Adds the chosen attributes; in the order of their keys, so that joined values do not depend on the sender's.
    fn add_attributes(
        &mut self,
        rules: &LabelRules,
        attributes: &[KeyValue],
        chosen: impl Fn(&str) -> bool,
    ) -> Result<(), InvalidName> {
        let mut chosen: Vec<&KeyValue> =
            attributes.iter().filter(|attribute| chosen(&attribute.key)).collect();
        chosen.sort_by(|a, b| a.key.cmp(&b.key));
        for attribute in chosen {
            let name = label_name(&attribute.key, rules.strategy)?;
            let value = value_text(attribute);
            match self.labels.binary_search_by(|label| label.name.as_str().cmp(&name)) {
                Err(at) => {
                    let label = SharedLabel::new(name, Some(attribute.key.clone()), value.into_owned());
                    self.labels.insert(at, label);
                }
                Ok(at) => self.join(at, attribute),
            }
        }
        Ok(())
    }

    fn join(&mut self, at: usize, attribute: &KeyValue) {
        self.conflict = true;
        let taken = &mut self.labels[at];
        if taken.key.as_ref().is_some_and(|key| *key != attribute.key) {
            let joined = format!("{};{}", taken.value, value_text(attribute));
            *taken = SharedLabel::new(std::mem::take(&mut taken.name), Some(attribute.key.clone()), joined);
        }
    }

    /// The text of these labels alone.
    pub(crate) fn text(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for label in &self.labels {
            push_text(&mut out, &label.text);
        }
        out
    }
}

/// Renders the labels of one point after the other without allocating once its buffers have grown.
#[derive(Debug, Default)]
pub(crate) struct LabelWriter {
    names: String,
    own: Vec<Own>,
    out: Vec<u8>,
}

/// A label of the point: where its name is in `names`, and which attribute it is.
#[derive(Debug)]
struct Own {
    name: Range<usize>,
    attribute: usize,
}

/// Label text and whether attributes had to share a name.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Rendered<'a> {
    pub(crate) text: &'a [u8],
    pub(crate) conflict: bool,
}

impl LabelWriter {
    /// The labels of a point: `shared` and its attributes. `reserved` (`le`, `quantile`) is renamed.
    pub(crate) fn render(
        &mut self,
        strategy: Strategy,
        shared: &SharedLabels,
        attributes: &[KeyValue],
        reserved: &str,
    ) -> Result<Rendered<'_>, LabelError> {
        self.name_all(strategy, attributes, reserved)?;
        self.out.clear();
        let conflict = self.merge(shared, attributes);
        if self.out.len() > MAX_LABELS {
            return Err(LabelError::TooLong);
        }
        Ok(Rendered { text: &self.out, conflict: conflict || shared.conflict })
    }

    fn name_all(
        &mut self,
        strategy: Strategy,
        attributes: &[KeyValue],
        reserved: &str,
    ) -> Result<(), LabelError> {
        self.names.clear();
        self.own.clear();
        for (attribute, KeyValue { key, .. }) in attributes.iter().enumerate() {
            let start = self.names.len();
            push_label_name(&mut self.names, key, strategy).map_err(|_| LabelError::Invalid)?;
            let name = &self.names[start..];
            if name.starts_with("__") {
                return Err(LabelError::Invalid);
            }
            if !reserved.is_empty() && name == reserved {
                self.names.insert_str(start, "exported_");
            }
            self.own.push(Own { name: start..self.names.len(), attribute });
        }
        let names = &self.names;
        let key = |own: &Own| (&names[own.name.clone()], attributes[own.attribute].key.as_str());
        if !self.own.is_sorted_by(|a, b| key(a) <= key(b)) {
            self.own.sort_by(|a, b| key(a).cmp(&key(b)));
        }
        Ok(())
    }

    /// Writes both sorted lists as one. True if a name was wanted twice.
    fn merge(&mut self, shared: &SharedLabels, attributes: &[KeyValue]) -> bool {
        let mut conflict = false;
        let mut rest = &shared.labels[..];
        let mut own = &self.own[..];
        while let Some(first) = own.first() {
            let name = &self.names[first.name.clone()];
            let before = rest.partition_point(|label| label.name.as_str() < name);
            for label in &rest[..before] {
                push_text(&mut self.out, &label.text);
            }
            rest = &rest[before..];
            let same = own.iter().take_while(|other| self.names[other.name.clone()] == *name).count();
            let taken = rest.first().filter(|label| label.name == name);
            match (taken, same) {
                (None, 1) => write_label(&mut self.out, name, &value_text(&attributes[first.attribute])),
                (taken, _) => {
                    let group = own[..same].iter().map(|own| &attributes[own.attribute]);
                    conflict |= write_joined(&mut self.out, name, taken, group);
                }
            }
            rest = &rest[usize::from(taken.is_some())..];
            own = &own[same..];
        }
        for label in rest {
            push_text(&mut self.out, &label.text);
        }
        conflict
    }
}

/// Writes one label for attributes that want the same name. A resource attribute of the same key replaces the
/// point's (as otelcol does); other keys are joined with `;` in the order of their keys (OpenTelemetry's rule).
fn write_joined<'a>(
    out: &mut Vec<u8>,
    name: &str,
    taken: Option<&'a SharedLabel>,
    group: impl Iterator<Item = &'a KeyValue>,
) -> bool {
    let mut parts: Vec<(&str, Cow<'_, str>)> = Vec::new();
    if let Some(label) = taken {
        let Some(key) = &label.key else {
            push_text(out, &label.text);
            return true;
        };
        parts.push((key, Cow::Borrowed(&label.value)));
    }
    for attribute in group {
        if !parts.iter().any(|(key, _)| *key == attribute.key) {
            parts.push((&attribute.key, value_text(attribute)));
        }
    }
    parts.sort_by_key(|(key, _)| *key);
    let joined: Vec<&str> = parts.iter().map(|(_, value)| value.as_ref()).collect();
    write_label(out, name, &joined.join(";"));
    parts.len() > 1
}

fn push_text(out: &mut Vec<u8>, text: &[u8]) {
    if !out.is_empty() {
        out.push(b',');
    }
    out.extend_from_slice(text);
}

fn value_text(attribute: &KeyValue) -> Cow<'_, str> {
    attribute.value.as_ref().map_or(Cow::Borrowed(""), text_of)
}

/// The value as text; a string, which nearly all are, is not copied.
fn text_of(value: &AnyValue) -> Cow<'_, str> {
    match &value.value {
        Some(Value::StringValue(text)) => Cow::Borrowed(text),
        Some(Value::BoolValue(flag)) => Cow::Borrowed(if *flag { "true" } else { "false" }),
        _ => Cow::Owned(as_string(value)),
    }
}

#[cfg(test)]
mod tests;
