use std::fmt;

use crate::Location;

/// One finding about a configuration: where it is and what is wrong with it.
///
/// Messages use the words of the OpenTelemetry Collector. They never hold the value of an
/// [`Opaque`](crate::Opaque) field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// Where in the configuration, with `::` between the keys (`receivers::statsd::endpoint`);
    /// empty for the document as a whole.
    pub path: String,
    /// Source and line, where the finding comes from a file.
    pub location: Option<Location>,
    /// What was expected and what was found, without path and line.
    pub message: String,
}

impl ConfigError {
    /// A finding at `path`, which may be empty.
    pub fn new(path: impl Into<String>, location: Option<Location>, message: impl Into<String>) -> Self {
        Self { path: path.into(), location, message: message.into() }
    }
}

/// `receivers::statsd: has invalid keys: foo (collector.yaml:7)`.
impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        match &self.location {
            Some(location) => write!(f, " ({location})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ConfigError {}
