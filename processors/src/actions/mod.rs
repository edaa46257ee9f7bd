//! Actions on attributes: insert, update, upsert, delete, hash, extract, convert (contrib's `attraction`).

mod config;
#[cfg(test)]
mod tests;
mod value;

pub use config::{ActionConfig, ConfigValue};

use otelcol_pdata::Client;
use otelcol_pdata::model::common::any_value::Value;
use otelcol_pdata::model::common::{AnyValue, KeyValue};
use regex::Regex;
use value::Target;

/// A list of actions, ready to run.
#[derive(Debug)]
pub(crate) struct Actions(Vec<Action>);

#[derive(Debug)]
enum Action {
    Write { key: String, source: Source, when: When },
    Delete(Keys),
    Hash(Keys),
    Extract { key: String, pattern: Regex, names: Vec<String> },
    Convert { key: String, target: Target },
}

/// Where a written value comes from.
#[derive(Debug)]
enum Source {
    Fixed(AnyValue),
    Attribute { key: String, default: Option<AnyValue> },
    Context { key: String, default: Option<AnyValue> },
}

/// Which resources or records a value is written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    Absent,
    Present,
    Always,
}

/// The attributes that delete and hash act upon: one by name, others by pattern, or both.
#[derive(Debug)]
struct Keys {
    key: Option<String>,
    pattern: Option<Regex>,
}

impl Keys {
    fn contains(&self, key: &str) -> bool {
        self.key.as_deref() == Some(key) || self.pattern.as_ref().is_some_and(|pattern| pattern.is_match(key))
    }
}

impl Actions {
    /// Makes actions of their settings.
    ///
    /// # Errors
    /// All that is wrong with them, in contrib's words.
    pub(crate) fn new(configs: &[ActionConfig]) -> Result<Self, Vec<String>> {
        let mut actions = Vec::with_capacity(configs.len());
        let mut errors = Vec::new();
        for (index, config) in configs.iter().enumerate() {
            match Action::new(index, config) {
                Ok(action) => actions.push(action),
                Err(error) => errors.push(error),
            }
        }
        if errors.is_empty() { Ok(Self(actions)) } else { Err(errors) }
    }

    /// Runs all actions in their order, on what `client` sent; true when something changed.
    pub(crate) fn apply(&self, attributes: &mut Vec<KeyValue>, client: Option<&Client>) -> bool {
        let mut changed = false;
        for action in &self.0 {
            changed |= action.apply(attributes, client);
        }
        changed
    }
}

impl Action {
    fn new(index: usize, config: &ActionConfig) -> Result<Self, String> {
        let name = config.action.to_lowercase();
        let by_pattern = matches!(name.as_str(), "delete" | "hash");
        if by_pattern && config.key.is_empty() && config.pattern.is_empty() {
            return Err(format!(
                "error creating AttrProc due to missing required field (at least one of \"key\" and \"pattern\" have to be used) at the {index}-th action"
            ));
        }
        if !by_pattern && config.key.is_empty() {
            return Err(format!(
                "error creating AttrProc due to missing required field \"key\" at the {index}-th action"
            ));
        }
        let made = match name.as_str() {
            "insert" => write(config, &name, When::Absent),
            "update" => write(config, &name, When::Present),
            "upsert" => write(config, &name, When::Always),
            "delete" => keys(config, &name).map(Self::Delete),
            "hash" => keys(config, &name).map(Self::Hash),
            "extract" => extract(config, &name),
            "convert" => convert(config, &name),
            _ => Err(format!("error creating AttrProc due to unsupported action {name:?}")),
        };
        made.map_err(|why| format!("error with key {:?} ({index}-th action): {why}", config.key))
    }

    fn apply(&self, attributes: &mut Vec<KeyValue>, client: Option<&Client>) -> bool {
        match self {
            Self::Write { key, source, when } => {
                let found = find(attributes, key);
                if matches!((found, when), (Some(_), When::Absent) | (None, When::Present)) {
                    return false;
                }
                let Some(value) = source.value(attributes, client) else { return false };
                put(attributes, found, key, value)
            }
            Self::Delete(keys) => {
                let before = attributes.len();
                attributes.retain(|attribute| !keys.contains(&attribute.key));
                attributes.len() != before
            }
            Self::Hash(keys) => {
                let mut changed = false;
                for attribute in attributes.iter_mut().filter(|attribute| keys.contains(&attribute.key)) {
                    let hashed = value::hash(attribute.value.as_ref().unwrap_or(&EMPTY));
                    changed |= set(attribute, AnyValue { value: Some(hashed) });
                }
                changed
            }
            Self::Extract { key, pattern, names } => extract_groups(attributes, key, pattern, names),
            Self::Convert { key, target } => {
                let Some(at) = find(attributes, key) else { return false };
                let Some(value) = value::convert(attributes[at].value.as_ref().unwrap_or(&EMPTY), *target)
                else {
                    return false;
                };
                set(&mut attributes[at], AnyValue { value: Some(value) })
            }
        }
    }
}

const EMPTY: AnyValue = AnyValue { value: None };

impl Source {
    fn value(&self, attributes: &[KeyValue], client: Option<&Client>) -> Option<AnyValue> {
        match self {
            Self::Fixed(value) => Some(value.clone()),
            Self::Attribute { key, default } => match find(attributes, key) {
                Some(at) => Some(attributes[at].value.clone().unwrap_or(EMPTY)),
                None => default.clone(),
            },
            Self::Context { key, default } => {
                let text = client.and_then(|client| of_client(client, key));
                text.map(|text| AnyValue { value: Some(Value::StringValue(text)) })
                    .or_else(|| default.clone())
            }
        }
    }
}

/// What a client is known by, under contrib's names; several values of a header are joined.
fn of_client(client: &Client, key: &str) -> Option<String> {
    if key == "client.address" {
        return client.address.map(|address| address.ip().to_string());
    }
    if let Some(name) = key.strip_prefix("auth.") {
        return client.auth.get(name).cloned();
    }
    let values = client.metadata.get(key.strip_prefix("metadata.").unwrap_or(key));
    (!values.is_empty()).then(|| values.join(";"))
}

fn find(attributes: &[KeyValue], key: &str) -> Option<usize> {
    attributes.iter().position(|attribute| attribute.key == key)
}

fn set(attribute: &mut KeyValue, value: AnyValue) -> bool {
    let changed = attribute.value.as_ref() != Some(&value);
    attribute.value = Some(value);
    changed
}

/// Writes over the attribute at `found`, or adds one.
fn put(attributes: &mut Vec<KeyValue>, found: Option<usize>, key: &str, value: AnyValue) -> bool {
    if let Some(at) = found {
        return set(&mut attributes[at], value);
    }
    attributes.push(KeyValue { key: key.to_owned(), value: Some(value), ..KeyValue::default() });
    true
}

fn extract_groups(attributes: &mut Vec<KeyValue>, key: &str, pattern: &Regex, names: &[String]) -> bool {
    let Some(at) = find(attributes, key) else { return false };
    let Some(AnyValue { value: Some(Value::StringValue(text)) }) = &attributes[at].value else {
        return false;
    };
    let Some(groups) = pattern.captures(text) else { return false };
    let found: Vec<AnyValue> = (1..=names.len())
        .map(|group| groups.get(group).map_or("", |group| group.as_str()).to_owned())
        .map(|text| AnyValue { value: Some(Value::StringValue(text)) })
        .collect();
    let mut changed = false;
    for (name, value) in names.iter().zip(found) {
        let found = find(attributes, name);
        changed |= put(attributes, found, name, value);
    }
    changed
}

fn write(config: &ActionConfig, name: &str, when: When) -> Result<Action, String> {
    let from = config.from_attribute.as_deref().filter(|from| !from.is_empty());
    let context = config.from_context.as_deref().filter(|from| !from.is_empty());
    let default = config.default_value.clone().map(|ConfigValue(value)| value);
    let sources = [config.value.is_some(), from.is_some(), context.is_some()];
    if sources.iter().filter(|set| **set).count() > 1 {
        return Err("error creating AttrProc due to multiple value sources being set".to_owned());
    }
    let source = match (config.value.clone(), from, context, default) {
        (Some(ConfigValue(value)), ..) => Source::Fixed(value),
        (None, Some(from), _, default) => Source::Attribute { key: from.to_owned(), default },
        (None, None, Some(context), default) => Source::Context { key: context.to_owned(), default },
        (None, None, None, Some(default)) => Source::Fixed(default),
        (None, None, None, None) => {
            return Err("error creating AttrProc. Either field \"value\", \"from_attribute\", \"from_context\", or \"default_value\" must be specified".to_owned());
        }
    };
    if !config.pattern.is_empty() {
        return Err(not_used(name, "the \"pattern\" field. This"));
    }
    no_converted_type(config, name)?;
    Ok(Action::Write { key: config.key.clone(), source, when })
}

fn keys(config: &ActionConfig, name: &str) -> Result<Keys, String> {
    if has_source(config) {
        return Err(not_used(name, "\"value\" or \"from_attribute\" field. These"));
    }
    let pattern = if config.pattern.is_empty() { None } else { Some(compile(&config.pattern)?) };
    no_converted_type(config, name)?;
    Ok(Keys { key: Some(config.key.clone()).filter(|key| !key.is_empty()), pattern })
}

fn extract(config: &ActionConfig, name: &str) -> Result<Action, String> {
    if has_source(config) {
        return Err(not_used(name, "a value source field. These"));
    }
    if config.pattern.is_empty() {
        return Err(format!(
            "error creating AttrProc due to missing required field \"pattern\" for action \"{name}\""
        ));
    }
    no_converted_type(config, name)?;
    let pattern = compile(&config.pattern)?;
    if pattern.captures_len() <= 1 {
        return Err("error creating AttrProc. Field \"pattern\" contains no named matcher groups".to_owned());
    }
    let names: Option<Vec<String>> =
        pattern.capture_names().skip(1).map(|name| name.map(str::to_owned)).collect();
    let names = names.ok_or_else(|| {
        "error creating AttrProc. Field \"pattern\" contains at least one unnamed matcher group".to_owned()
    })?;
    Ok(Action::Extract { key: config.key.clone(), pattern, names })
}

fn convert(config: &ActionConfig, name: &str) -> Result<Action, String> {
    if has_source(config) || !config.pattern.is_empty() {
        return Err(not_used(name, "value sources or \"pattern\" field. These"));
    }
    if config.converted_type.is_empty() {
        return Err(format!(
            "error creating AttrProc due to missing required field \"converted_type\" for action \"{name}\""
        ));
    }
    let target = Target::parse(&config.converted_type).ok_or_else(|| {
        format!(
            "error creating AttrProc due to invalid value \"{}\" in field \"converted_type\" for action \"{name}\"",
            config.converted_type
        )
    })?;
    Ok(Action::Convert { key: config.key.clone(), target })
}

fn has_source(config: &ActionConfig) -> bool {
    let set = |from: &Option<String>| from.as_deref().is_some_and(|from| !from.is_empty());
    config.value.is_some() || set(&config.from_attribute) || set(&config.from_context)
}

fn no_converted_type(config: &ActionConfig, name: &str) -> Result<(), String> {
    if config.converted_type.is_empty() {
        return Ok(());
    }
    Err(not_used(name, "the \"converted_type\" field. This"))
}

fn not_used(name: &str, what: &str) -> String {
    format!("error creating AttrProc. Action \"{name}\" does not use {what} must not be specified")
}

fn compile(pattern: &str) -> Result<Regex, String> {
    Regex::new(pattern)
        .map_err(|_| format!("error creating AttrProc. Field \"pattern\" has invalid pattern: \"{pattern}\""))
}
