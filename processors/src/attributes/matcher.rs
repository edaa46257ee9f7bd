//! Which spans, metrics and log records are changed (contrib's `internal/filter`).

use std::collections::HashSet;

use otelcol_pdata::Signal;
use otelcol_pdata::model::common::any_value::Value;
use otelcol_pdata::model::common::{AnyValue, InstrumentationScope, KeyValue};
use otelcol_pdata::model::{as_string, attr};
use regex::RegexSet;

use super::config::{AttributeConfig, Config, LibraryConfig, MatchConfig, SeverityConfig};

const SPAN_KINDS: [&str; 6] = [
    "SPAN_KIND_UNSPECIFIED",
    "SPAN_KIND_INTERNAL",
    "SPAN_KIND_SERVER",
    "SPAN_KIND_CLIENT",
    "SPAN_KIND_PRODUCER",
    "SPAN_KIND_CONSUMER",
];

/// What there is to match of one span, metric or log record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Record<'a> {
    pub(super) resource: &'a [KeyValue],
    pub(super) scope: Option<&'a InstrumentationScope>,
    /// Empty for metrics: their data points have attributes of their own.
    pub(super) attributes: &'a [KeyValue],
    pub(super) kind: Kind<'a>,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Kind<'a> {
    Span { name: &'a str, kind: i32 },
    Metric { name: &'a str },
    Log { body: Option<&'a AnyValue>, severity_text: &'a str, severity_number: i32 },
}

/// `include` and `exclude` for one signal.
#[derive(Debug)]
pub(super) struct Filter {
    include: Option<Matcher>,
    exclude: Option<Matcher>,
}

impl Filter {
    /// # Errors
    /// What can not be matched for this signal, in contrib's words.
    pub(super) fn new(config: &Config, signal: Signal) -> Result<Self, String> {
        let matcher = |config: &Option<MatchConfig>| {
            config.as_ref().map(|config| Matcher::new(config, signal)).transpose()
        };
        Ok(Self { include: matcher(&config.include)?, exclude: matcher(&config.exclude)? })
    }

    /// True when everything is selected.
    pub(super) fn is_empty(&self) -> bool {
        self.include.is_none() && self.exclude.is_none()
    }

    pub(super) fn selects(&self, record: &Record<'_>) -> bool {
        self.include.as_ref().is_none_or(|include| include.matches(record))
            && !self.exclude.as_ref().is_some_and(|exclude| exclude.matches(record))
    }
}

/// One section of properties; those not set match everything.
#[derive(Debug)]
struct Matcher {
    services: Option<Texts>,
    names: Option<Texts>,
    span_kinds: Option<Texts>,
    log_bodies: Option<Texts>,
    severity_texts: Option<Texts>,
    severity: Option<SeverityConfig>,
    libraries: Vec<Library>,
    attributes: Vec<Attribute>,
    resources: Vec<Attribute>,
}

impl Matcher {
    fn new(config: &MatchConfig, signal: Signal) -> Result<Self, String> {
        validate(config, signal)?;
        let texts = |list: &[String], what: &str| {
            if list.is_empty() {
                return Ok(None);
            }
            Texts::new(list, &config.match_type)
                .map(Some)
                .map_err(|why| format!("error creating {what} filters: {why}"))
        };
        let names = match signal {
            Signal::Metrics => texts(&config.metric_names, "metric name")?,
            Signal::Traces | Signal::Logs => texts(&config.span_names, "span name")?,
        };
        Ok(Self {
            services: texts(&config.services, "service name")?,
            names,
            span_kinds: texts(&config.span_kinds, "span kind")?,
            log_bodies: texts(&config.log_bodies, "log record body")?,
            severity_texts: texts(&config.log_severity_texts, "log record severity text")?,
            severity: config.log_severity_number,
            libraries: list(&config.libraries, |library| Library::new(library, &config.match_type))?,
            attributes: list(&config.attributes, |attribute| Attribute::new(attribute, &config.match_type))
                .map_err(|why| format!("error creating attribute filters: {why}"))?,
            resources: list(&config.resources, |attribute| Attribute::new(attribute, &config.match_type))
                .map_err(|why| format!("error creating resource filters: {why}"))?,
        })
    }

    fn matches(&self, record: &Record<'_>) -> bool {
        let by_kind = match record.kind {
            Kind::Span { name, kind } => {
                any(self.names.as_ref(), name)
                    && any(self.span_kinds.as_ref(), span_kind(kind))
                    && self
                        .services
                        .as_ref()
                        .is_none_or(|services| services.matches(&service_name(record.resource)))
            }
            Kind::Metric { name } => any(self.names.as_ref(), name),
            Kind::Log { body, severity_text, severity_number } => {
                any(self.severity_texts.as_ref(), severity_text)
                    && self.severity.is_none_or(|severity| is_severe(severity, severity_number))
                    && self
                        .log_bodies
                        .as_ref()
                        .is_none_or(|bodies| bodies.matches(&body.map_or_else(String::new, as_string)))
            }
        };
        by_kind
            && self.libraries.iter().all(|library| library.matches(record.scope))
            && self.resources.iter().all(|attribute| attribute.matches(record.resource))
            && self.attributes.iter().all(|attribute| attribute.matches(record.attributes))
    }
}

fn list<C, T>(configs: &[C], make: impl Fn(&C) -> Result<T, String>) -> Result<Vec<T>, String> {
    configs.iter().map(make).collect()
}

fn any(texts: Option<&Texts>, text: &str) -> bool {
    texts.is_none_or(|texts| texts.matches(text))
}

fn span_kind(kind: i32) -> &'static str {
    usize::try_from(kind).ok().and_then(|kind| SPAN_KINDS.get(kind).copied()).unwrap_or("")
}

fn service_name(resource: &[KeyValue]) -> String {
    attr(resource, "service.name").map_or_else(|| "<nil-service-name>".to_owned(), as_string)
}

fn is_severe(wanted: SeverityConfig, number: i32) -> bool {
    if number == 0 { wanted.match_undefined } else { number >= wanted.min }
}

/// Texts of which one must match.
#[derive(Debug)]
enum Texts {
    Strict(HashSet<String>),
    Regexp(RegexSet),
}

impl Texts {
    fn new(texts: &[String], match_type: &str) -> Result<Self, String> {
        match match_type {
            "strict" => Ok(Self::Strict(texts.iter().cloned().collect())),
            "regexp" => {
                RegexSet::new(texts).map(Self::Regexp).map_err(|why| format!("error parsing regexp: {why}"))
            }
            other => Err(format!("unrecognized match_type: '{other}', valid types are: [regexp strict]")),
        }
    }

    fn matches(&self, text: &str) -> bool {
        match self {
            Self::Strict(texts) => texts.contains(text),
            Self::Regexp(patterns) => patterns.is_match(text),
        }
    }
}

#[derive(Debug)]
struct Library {
    name: Texts,
    version: Option<Texts>,
}

impl Library {
    fn new(config: &LibraryConfig, match_type: &str) -> Result<Self, String> {
        let texts = |text: &String, what: &str| {
            Texts::new(std::slice::from_ref(text), match_type)
                .map_err(|why| format!("error creating library {what} filters: {why}"))
        };
        let version = config.version.as_ref().map(|version| texts(version, "version")).transpose()?;
        Ok(Self { name: texts(&config.name, "name")?, version })
    }

    fn matches(&self, scope: Option<&InstrumentationScope>) -> bool {
        let (name, version) = scope.map_or(("", ""), |scope| (&scope.name, &scope.version));
        self.name.matches(name) && any(self.version.as_ref(), version)
    }
}

#[derive(Debug)]
struct Attribute {
    key: String,
    value: Wanted,
}

#[derive(Debug)]
enum Wanted {
    Any,
    Text(Texts),
    Value(AnyValue),
}

impl Attribute {
    fn new(config: &AttributeConfig, match_type: &str) -> Result<Self, String> {
        if config.key.is_empty() {
            return Err("can't have empty key in the list of attributes".to_owned());
        }
        let value = match (&config.value, match_type) {
            (None, _) => Wanted::Any,
            (Some(value), "regexp") => match &value.0.value {
                Some(Value::StringValue(pattern)) => {
                    Wanted::Text(Texts::new(std::slice::from_ref(pattern), match_type)?)
                }
                other => {
                    return Err(format!(
                        "match_type=regexp for {:?} only supports Str, but found {}",
                        config.key,
                        type_name(other.as_ref())
                    ));
                }
            },
            (Some(value), "strict") => Wanted::Value(value.0.clone()),
            (Some(_), other) => {
                return Err(format!("unrecognized match_type: '{other}', valid types are: [regexp strict]"));
            }
        };
        Ok(Self { key: config.key.clone(), value })
    }

    fn matches(&self, attributes: &[KeyValue]) -> bool {
        let Some(found) = attributes.iter().find(|attribute| attribute.key == self.key) else { return false };
        let value = inner(&found.value);
        match &self.value {
            Wanted::Any => true,
            Wanted::Text(texts) => text(value).is_some_and(|text| texts.matches(&text)),
            Wanted::Value(wanted) => equal(wanted.value.as_ref(), value),
        }
    }
}

/// The pcommon name of a value's type.
fn type_name(value: Option<&Value>) -> &'static str {
    match value {
        None => "Empty",
        Some(Value::StringValue(_)) => "Str",
        Some(Value::BoolValue(_)) => "Bool",
        Some(Value::IntValue(_) | Value::StringValueStrindex(_)) => "Int",
        Some(Value::DoubleValue(_)) => "Double",
        Some(Value::ArrayValue(_)) => "Slice",
        Some(Value::KvlistValue(_)) => "Map",
        Some(Value::BytesValue(_)) => "Bytes",
    }
}

/// A scalar as the text a regexp sees; a number never has an exponent.
fn text(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::StringValue(text) => Some(text.clone()),
        Value::BoolValue(flag) => Some(flag.to_string()),
        Value::IntValue(number) => Some(number.to_string()),
        Value::DoubleValue(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Equality of type and value; the order of a map's keys does not count.
fn equal(a: Option<&Value>, b: Option<&Value>) -> bool {
    match (a, b) {
        (Some(Value::ArrayValue(a)), Some(Value::ArrayValue(b))) => {
            a.values.len() == b.values.len()
                && a.values.iter().zip(&b.values).all(|(a, b)| equal(a.value.as_ref(), b.value.as_ref()))
        }
        (Some(Value::KvlistValue(a)), Some(Value::KvlistValue(b))) => {
            a.values.len() == b.values.len()
                && a.values.iter().all(|wanted| {
                    b.values
                        .iter()
                        .find(|found| found.key == wanted.key)
                        .is_some_and(|found| equal(inner(&wanted.value), inner(&found.value)))
                })
        }
        (a, b) => a == b,
    }
}

fn inner(value: &Option<AnyValue>) -> Option<&Value> {
    value.as_ref().and_then(|value| value.value.as_ref())
}

fn validate(config: &MatchConfig, signal: Signal) -> Result<(), String> {
    match signal {
        Signal::Traces => validate_for_spans(config),
        Signal::Metrics => validate_for_metrics(config),
        Signal::Logs => validate_for_logs(config),
    }
}

fn validate_for_spans(config: &MatchConfig) -> Result<(), String> {
    let wrong = [
        ("log_bodies", !config.log_bodies.is_empty()),
        ("log_severity_texts", !config.log_severity_texts.is_empty()),
        ("log_severity_number", config.log_severity_number.is_some()),
        ("metric_names", !config.metric_names.is_empty()),
    ];
    if let Some((name, _)) = wrong.iter().find(|(_, is_set)| *is_set) {
        return Err(format!("{name} should not be specified for trace spans"));
    }
    if config.services.is_empty()
        && config.span_names.is_empty()
        && config.attributes.is_empty()
        && config.libraries.is_empty()
        && config.resources.is_empty()
        && config.span_kinds.is_empty()
    {
        return Err(r#"at least one of "attributes", "libraries",  or "resources" field must be specified"#
            .to_owned());
    }
    let known = |kind: &String| SPAN_KINDS[1..].contains(&kind.as_str());
    if config.match_type == "strict" && !config.span_kinds.iter().all(known) {
        return Err(format!(
            "span_kinds string must match one of the standard span kinds when match_type=strict: [{}]",
            SPAN_KINDS[1..].join(" ")
        ));
    }
    Ok(())
}

fn validate_for_logs(config: &MatchConfig) -> Result<(), String> {
    let foreign = [&config.span_names, &config.services, &config.span_kinds, &config.metric_names];
    if foreign.iter().any(|list| !list.is_empty()) {
        return Err(
            "services, span_names, span_kinds and metric_names are not valid for log records".to_owned()
        );
    }
    if config.attributes.is_empty()
        && config.libraries.is_empty()
        && config.resources.is_empty()
        && config.log_bodies.is_empty()
        && config.log_severity_texts.is_empty()
        && config.log_severity_number.is_none()
    {
        return Err(r#"at least one of "attributes", "libraries", "span_kinds", "resources", "log_bodies", "log_severity_texts" or "log_severity_number" field must be specified"#.to_owned());
    }
    Ok(())
}

fn validate_for_metrics(config: &MatchConfig) -> Result<(), String> {
    let foreign = [
        &config.log_bodies,
        &config.log_severity_texts,
        &config.span_names,
        &config.services,
        &config.span_kinds,
    ];
    if foreign.iter().any(|list| !list.is_empty())
        || !config.attributes.is_empty()
        || !config.libraries.is_empty()
        || config.log_severity_number.is_some()
    {
        return Err(r#""span_names", "span_kinds", "log_bodies", "log_severity_texts", "log_severity_number", "services", "attributes" and "libraries" are not valid for metrics"#.to_owned());
    }
    if config.metric_names.is_empty() && config.resources.is_empty() {
        return Err(r#"at least one of "metric_names" or "resources" field must be specified"#.to_owned());
    }
    Ok(())
}
