//! Names of components and pipelines: `type[/name]`.

use std::fmt;
use std::str::FromStr;

use otelcol_pdata::Signal;

/// The five kinds of component of a collector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Takes data in.
    Receiver,
    /// Changes or groups data between a receiver and an exporter.
    Processor,
    /// Sends data out.
    Exporter,
    /// Ends one pipeline and begins another.
    Connector,
    /// Serves the collector itself: health, storage.
    Extension,
}

impl Kind {
    /// The word in singular, as self metrics label it: `receiver`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Receiver => "receiver",
            Self::Processor => "processor",
            Self::Exporter => "exporter",
            Self::Connector => "connector",
            Self::Extension => "extension",
        }
    }

    /// The section of the configuration file: `receivers`.
    pub fn section(self) -> &'static str {
        match self {
            Self::Receiver => "receivers",
            Self::Processor => "processors",
            Self::Exporter => "exporters",
            Self::Connector => "connectors",
            Self::Extension => "extensions",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A component's name in the configuration: a type and, after a slash, an optional name (`otlp/jaeger`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ComponentId {
    component_type: String,
    name: String,
}

/// Why a text is not a component or pipeline name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct IdError(String);

impl ComponentId {
    /// An id without a name.
    pub fn new(component_type: impl Into<String>) -> Self {
        Self { component_type: component_type.into(), name: String::new() }
    }

    /// An id with a name.
    pub fn with_name(component_type: impl Into<String>, name: impl Into<String>) -> Self {
        Self { component_type: component_type.into(), name: name.into() }
    }

    /// The part before the slash.
    pub fn component_type(&self) -> &str {
        &self.component_type
    }

    /// The part after the slash; empty where there is none.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for ComponentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.component_type)?;
        if self.name.is_empty() { Ok(()) } else { write!(f, "/{}", self.name) }
    }
}

const MAX_TYPE: usize = 63;
const MAX_NAME: usize = 1024;

fn split_id(text: &str) -> Result<(&str, &str), IdError> {
    let (component_type, name) = match text.split_once('/') {
        Some((_, name)) if name.trim().is_empty() => {
            return Err(IdError(format!("in {text:?} id: the part after / should not be empty")));
        }
        Some((component_type, name)) => (component_type.trim(), name.trim()),
        None => (text.trim(), ""),
    };
    if component_type.is_empty() {
        let what = if text.contains('/') {
            format!("in {text:?} id: the part before / should not be empty")
        } else {
            "id must not be empty".to_owned()
        };
        return Err(IdError(what));
    }
    Ok((component_type, name))
}

impl FromStr for ComponentId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let (component_type, name) = split_id(text)?;
        let mut letters = component_type.chars();
        let starts_well = letters.next().is_some_and(|c| c.is_ascii_alphabetic());
        // A hyphen is not in otelcol's rule; `mysql-cdr` is a spelling that users write.
        if !starts_well
            || component_type.len() > MAX_TYPE
            || !letters.all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
        {
            return Err(IdError(format!(
                "in {text:?} id: invalid character(s) in type {component_type:?}: a letter, then letters, digits and _, {MAX_TYPE} at most"
            )));
        }
        if name.chars().count() > MAX_NAME || name.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(IdError(format!(
                "in {text:?} id: invalid character(s) in name {name:?}: no spaces or control characters, {MAX_NAME} at most"
            )));
        }
        Ok(Self::with_name(component_type, name))
    }
}

/// A pipeline's name: a signal and an optional name (`metrics/hosts`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PipelineId {
    /// What flows in the pipeline.
    pub signal: Signal,
    name: String,
}

impl PipelineId {
    /// The pipeline of a signal, without a name.
    pub fn new(signal: Signal) -> Self {
        Self { signal, name: String::new() }
    }
}

impl fmt::Display for PipelineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.signal.as_str())?;
        if self.name.is_empty() { Ok(()) } else { write!(f, "/{}", self.name) }
    }
}

impl FromStr for PipelineId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let (signal, name) = split_id(text)?;
        let signal = match signal {
            "traces" => Signal::Traces,
            "metrics" => Signal::Metrics,
            "logs" => Signal::Logs,
            other => {
                return Err(IdError(format!(
                    "unknown signal {other:?} for pipeline {text:?}: expected traces, metrics or logs"
                )));
            }
        };
        Ok(Self { signal, name: name.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_print_as_they_are_written() {
        for text in ["otlp", "otlp/jaeger", "mysql-cdr/a b".trim_end_matches(" b"), "ami/dialer02"] {
            assert_eq!(text.parse::<ComponentId>().unwrap().to_string(), text);
        }
        assert_eq!("metrics/hosts".parse::<PipelineId>().unwrap().to_string(), "metrics/hosts");
    }

    #[test]
    fn wrong_ids_say_what_is_wrong() {
        let error = |text: &str| text.parse::<ComponentId>().unwrap_err().to_string();
        assert_eq!(error("otlp/"), "in \"otlp/\" id: the part after / should not be empty");
        assert_eq!(error("/x"), "in \"/x\" id: the part before / should not be empty");
        assert!(error("9p").contains("invalid character(s) in type \"9p\""));
        assert_eq!(
            "profiles".parse::<PipelineId>().unwrap_err().to_string(),
            "unknown signal \"profiles\" for pipeline \"profiles\": expected traces, metrics or logs"
        );
    }
}
