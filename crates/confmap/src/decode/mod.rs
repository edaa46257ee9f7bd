//! Typed decoding of a node with every error of the section at once.
//!
//! serde stops at the first error. So a pass that fails is repeated without the value that failed,
//! until a pass succeeds or the error is at the root; then all that was found is returned.

mod access;
mod convert;
mod deserializer;
mod error;
mod node;

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};

use serde::de::{Deserialize, DeserializeOwned, Deserializer};

use self::deserializer::{Context, De, Position, Step};
use self::error::{DecodeError, Kind};
use crate::node::KEY_DELIMITER;
use crate::{ConfigError, Node};

/// More wrong and empty values than this in one section are not looked at.
const MAX_PASSES: usize = 500;

impl Node {
    /// Decodes into `T` by the collector's rules for types (crate README). `path` is where this node
    /// stands, for error texts: `receivers::statsd`.
    ///
    /// # Errors
    /// Every unknown key, wrong type and refused value below this node, in document order.
    pub fn decode<T: DeserializeOwned>(&self, path: &str) -> Result<T, Vec<ConfigError>> {
        match self.decode_partly(path) {
            (Some(value), errors) if errors.is_empty() => Ok(value),
            (_, errors) => Err(errors),
        }
    }

    /// As [`decode`](Self::decode), and beside the errors the value made of what is right, where there is one:
    /// further checks can add to the errors.
    pub fn decode_partly<T: DeserializeOwned>(&self, path: &str) -> (Option<T>, Vec<ConfigError>) {
        let mut skipped: HashMap<Vec<usize>, Skipped> = HashMap::new();
        let findings = RefCell::new(BTreeMap::new());
        for _ in 0..MAX_PASSES {
            let context = Context { skipped: &skipped, findings: &findings };
            let root = Step::root(path);
            let error = match T::deserialize(De { node: self, at: &root, context: &context }) {
                Ok(value) => return (Some(value), findings.into_inner().into_values().collect()),
                Err(error) => error.located(&root, self),
            };
            let Some((steps, skip)) = judge(error, &skipped, &findings) else { break };
            skipped.insert(steps, skip);
        }
        let mut findings = findings.into_inner();
        if findings.is_empty() {
            let message = "expected fewer empty values in one section";
            findings.insert(Vec::new(), ConfigError::new(path, self.location.clone(), message));
        }
        (None, findings.into_values().collect())
    }
}

/// A value that the following passes do not look at.
struct Skipped {
    path: String,
    /// It was wrong, not only empty.
    failed: bool,
}

/// Notes what a pass ended with; returns what the next one leaves out, or nothing at the root.
fn judge(
    error: DecodeError,
    skipped: &HashMap<Vec<usize>, Skipped>,
    findings: &RefCell<BTreeMap<Vec<usize>, ConfigError>>,
) -> Option<(Vec<usize>, Skipped)> {
    let Position { steps, path, location } = error.position?;
    // A required key is not missing if it was only left out for its wrong value.
    let is_consequence = match error.kind {
        Kind::Missing(field) => {
            let missing = join(&path, field);
            skipped.values().any(|skip| skip.failed && skip.path == missing)
        }
        Kind::Invalid | Kind::Unset => false,
    };
    if !is_consequence && !matches!(error.kind, Kind::Unset) {
        let finding = ConfigError::new(path.clone(), location, error.message);
        findings.borrow_mut().insert(steps.clone(), finding);
    }
    let failed = !matches!(error.kind, Kind::Unset);
    (!steps.is_empty()).then_some((steps, Skipped { path, failed }))
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}{KEY_DELIMITER}{key}") }
}

/// For `#[serde(default, deserialize_with = "otelcol_confmap::present")]` on an `Option<Section>`:
/// a key with nothing behind it (`grpc:`) switches the section on with its defaults, where a plain
/// `Option` leaves the field as it is.
///
/// # Errors
/// Those of `T`.
pub fn present<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests;
