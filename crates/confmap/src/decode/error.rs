use std::fmt;

use serde::de::{self, Expected, Unexpected};

use super::deserializer::{Position, Step};
use crate::{Node, nearest};

/// An error of one pass. It never holds the value of a secret: conversions name types only.
#[derive(Debug)]
pub(super) struct DecodeError {
    pub(super) message: String,
    pub(super) kind: Kind,
    pub(super) position: Option<Position>,
}

#[derive(Debug)]
pub(super) enum Kind {
    Invalid,
    /// Nothing was written; the field keeps its default.
    Unset,
    Missing(&'static str),
}

impl DecodeError {
    pub(super) fn invalid(message: String) -> Self {
        Self { message, kind: Kind::Invalid, position: None }
    }

    pub(super) fn unset() -> Self {
        Self { message: "expected a value, got nothing".into(), kind: Kind::Unset, position: None }
    }

    /// The innermost place wins, so an error that has one keeps it.
    pub(super) fn located(mut self, step: &Step<'_>, node: &Node) -> Self {
        self.position.get_or_insert_with(|| step.position(node));
        self
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for DecodeError {}

impl de::Error for DecodeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::invalid(message.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid(format!("expected {expected}, got {}", type_of(&found)))
    }

    fn missing_field(field: &'static str) -> Self {
        let message = format!("missing required key {field:?}");
        Self { message, kind: Kind::Missing(field), position: None }
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let quoted: Vec<String> = expected.iter().map(|known| format!("{known:?}")).collect();
        let hint = nearest(variant, expected.iter().copied());
        let hint = hint.map(|known| format!(", did you mean {known:?}?")).unwrap_or_default();
        Self::invalid(format!("expected one of {}, got {variant:?}{hint}", quoted.join(", ")))
    }
}

fn type_of(found: &Unexpected<'_>) -> &'static str {
    match found {
        Unexpected::Bool(_) => "bool",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) => "int",
        Unexpected::Float(_) => "float64",
        Unexpected::Char(_) | Unexpected::Str(_) | Unexpected::Bytes(_) => "string",
        Unexpected::Unit | Unexpected::Option => "nothing",
        Unexpected::Seq => "slice",
        Unexpected::Map => "map",
        _ => "another type",
    }
}
