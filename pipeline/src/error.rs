//! What a component can answer when it is handed data, and why it can fail to run.

use std::fmt;
use std::time::Duration;

/// Whether, and how, the same data may be offered again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The data is wrong: offering it again gives the same answer.
    Permanent,
    /// Something else is wrong for now: the same data may be offered again.
    Retryable,
    /// Back pressure: a queue or memory limit is reached. May be offered again, and nobody is at fault.
    Refused,
}

/// The answer of a [`Consumer`](crate::Consumer) that did not take a batch.
///
/// It reaches a client of the collector as the matching gRPC or HTTP status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumeError {
    kind: ErrorKind,
    after: Option<Duration>,
    message: String,
}

impl ConsumeError {
    /// The data can never be taken.
    pub fn permanent(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Permanent, after: None, message: message.into() }
    }

    /// The data may be offered again, best after `after`.
    pub fn retryable(message: impl Into<String>, after: Option<Duration>) -> Self {
        Self { kind: ErrorKind::Retryable, after, message: message.into() }
    }

    /// There is no room now; best tried again after `after`.
    pub fn refused(message: impl Into<String>, after: Option<Duration>) -> Self {
        Self { kind: ErrorKind::Refused, after, message: message.into() }
    }

    /// Whether, and how, the data may be offered again.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// True when offering the data again is pointless.
    pub fn is_permanent(&self) -> bool {
        self.kind == ErrorKind::Permanent
    }

    /// The wait that the refusing side asked for.
    pub fn after(&self) -> Option<Duration> {
        self.after
    }

    /// Joins the answers of two consumers of the same batch. Retryable wins over permanent: a repeat
    /// costs a duplicate where the data was taken, a drop costs the data where it was not.
    #[must_use]
    pub fn join(self, other: &Self) -> Self {
        let message = format!("{}; {}", self.message, other.message);
        let kind = match (self.kind, other.kind) {
            (ErrorKind::Permanent, kind) | (kind, ErrorKind::Permanent) => kind,
            (ErrorKind::Refused, ErrorKind::Refused) => ErrorKind::Refused,
            _ => ErrorKind::Retryable,
        };
        Self { kind, after: self.after.max(other.after), message }
    }
}

impl fmt::Display for ConsumeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_permanent() {
            f.write_str("permanent error: ")?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for ConsumeError {}

impl From<otelcol_pdata::WireError> for ConsumeError {
    fn from(error: otelcol_pdata::WireError) -> Self {
        Self::permanent(error.to_string())
    }
}

/// Why a component could not be made, started or stopped. The text says what, where and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ComponentError(String);

impl ComponentError {
    /// An error with its text.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    /// Takes over another error's text.
    pub fn from_display(error: impl fmt::Display) -> Self {
        Self(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_joined_error_is_retried_when_either_side_may_be() {
        let permanent = ConsumeError::permanent("bad");
        let later = ConsumeError::refused("full", Some(Duration::from_secs(2)));
        let joined = permanent.clone().join(&later);
        assert_eq!(joined.kind(), ErrorKind::Refused);
        assert_eq!(joined.after(), Some(Duration::from_secs(2)));
        assert_eq!(joined.to_string(), "bad; full");
        assert!(permanent.clone().join(&permanent).is_permanent());
    }
}
