use std::fmt;
use std::sync::{Arc, OnceLock};

use indexmap::IndexMap;

use crate::opaque::REDACTED;
use crate::{ConfigError, printable_url};

/// The separator of keys in paths, and in keys that name a nested value (`otelcol`'s
/// `confmap.KeyDelimiter`).
pub(crate) const KEY_DELIMITER: &str = "::";

/// Where a value was written: a source and a line in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Location {
    source: Arc<str>,
    line: u32,
}

impl Location {
    /// A place in `source`. Lines count from 1; 0 means that the source has no lines.
    pub fn new(source: impl Into<Arc<str>>, line: u32) -> Self {
        Self { source: source.into(), line }
    }

    /// The file or URI as the user named it.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The line, from 1; 0 where the source has no lines (`--set`).
    pub fn line(&self) -> u32 {
        self.line
    }
}

/// `examples/guide.yaml:12`.
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.source),
            line => write!(f, "{}:{line}", self.source),
        }
    }
}

/// A value of the configuration and the place where it was written.
///
/// Two nodes are equal when their values are: a file that was only reformatted equals its old self.
#[derive(Debug, Clone)]
pub struct Node {
    /// What was written.
    pub value: Value,
    /// Where, if it came from a source. An expanded value carries the place of its use.
    pub location: Option<Location>,
    /// What `${...}` gave before it was read as YAML; a string field takes this instead of `value`.
    pub(crate) text: Option<Arc<str>>,
    /// It was decoded as an [`Opaque`](crate::Opaque).
    pub(crate) secret: OnceLock<()>,
}

/// The kinds of value that YAML has in the collector's reading of it.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Value {
    /// Nothing: an empty value, `~` or `null`.
    #[default]
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number in the range of `i64`.
    Int(i64),
    /// A whole number above `i64::MAX`.
    Uint(u64),
    /// A number with a fraction or an exponent, infinity, or not-a-number.
    Float(f64),
    /// Text.
    String(String),
    /// A list.
    Seq(Vec<Node>),
    /// A mapping.
    Map(Map),
}

impl Value {
    /// The name of the kind in error texts, as Go's reflection calls it.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nil",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Uint(_) => "uint64",
            Self::Float(_) => "float64",
            Self::String(_) => "string",
            Self::Seq(_) => "slice",
            Self::Map(_) => "map",
        }
    }
}

/// A mapping that keeps the order of the source and knows where each key stands.
#[derive(Debug, Clone, Default)]
pub struct Map {
    entries: IndexMap<String, Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    key_location: Option<Location>,
    node: Node,
}

impl Map {
    /// A mapping without entries.
    pub fn new() -> Self {
        Self::default()
    }

    /// The value under `key`.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries.get(key).map(|entry| &entry.node)
    }

    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        self.entries.get_mut(key).map(|entry| &mut entry.node)
    }

    /// All entries in the order of the source.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Node)> {
        self.entries.iter().map(|(key, entry)| (key.as_str(), &entry.node))
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (&str, &mut Node)> {
        self.entries.iter_mut().map(|(key, entry)| (key.as_str(), &mut entry.node))
    }

    pub(crate) fn into_entries(self) -> impl Iterator<Item = (String, Option<Location>, Node)> {
        self.entries.into_iter().map(|(key, entry)| (key, entry.key_location, entry.node))
    }

    /// Where the key itself stands, which for a section is the line above its value.
    pub fn key_location(&self, key: &str) -> Option<&Location> {
        self.entries.get(key).and_then(|entry| entry.key_location.as_ref())
    }

    /// Sets `key` and returns the value it had. The key is located where `node` is.
    pub fn insert(&mut self, key: impl Into<String>, node: Node) -> Option<Node> {
        let key_location = node.location.clone();
        self.insert_at(key.into(), key_location, node)
    }

    pub(crate) fn insert_at(
        &mut self,
        key: String,
        key_location: Option<Location>,
        node: Node,
    ) -> Option<Node> {
        self.entries.insert(key, Entry { key_location, node }).map(|old| old.node)
    }

    /// Takes `key` out; the order of the rest stays.
    pub fn remove(&mut self, key: &str) -> Option<Node> {
        self.entries.shift_remove(key).map(|entry| entry.node)
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// Equal keys with equal values, in any order and from anywhere.
impl PartialEq for Map {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len()
            && self.iter().all(|(key, node)| other.get(key).is_some_and(|found| found == node))
    }
}

impl FromIterator<(String, Node)> for Map {
    fn from_iter<I: IntoIterator<Item = (String, Node)>>(entries: I) -> Self {
        let mut map = Self::new();
        for (key, node) in entries {
            map.insert(key, node);
        }
        map
    }
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value && self.text == other.text
    }
}

impl Default for Node {
    fn default() -> Self {
        Self::null()
    }
}

impl From<Value> for Node {
    fn from(value: Value) -> Self {
        Self::new(value, None)
    }
}

impl Node {
    /// The value of an empty document or of a key with nothing behind it.
    pub fn null() -> Self {
        Value::Null.into()
    }

    /// A value with the place it was written at.
    pub fn new(value: Value, location: Option<Location>) -> Self {
        Self { value, location, text: None, secret: OnceLock::new() }
    }

    /// Composes one YAML document; `source` names it in locations. `${...}` stays as it is.
    ///
    /// # Errors
    /// Everything wrong with the document: its syntax (the first error only), duplicate keys, and a
    /// document above the limits (16 MiB, 100 levels).
    pub fn from_yaml(text: &str, source: &str) -> Result<Self, Vec<ConfigError>> {
        crate::yaml::compose(text.as_bytes(), &crate::yaml::Origin::Lines(source.into()))
    }

    /// The mapping, if it is one.
    pub fn as_map(&self) -> Option<&Map> {
        match &self.value {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The elements, if it is a list.
    pub fn as_seq(&self) -> Option<&[Node]> {
        match &self.value {
            Value::Seq(items) => Some(items),
            _ => None,
        }
    }

    /// The text, if it is a string, or the text that a `${...}` stood for.
    pub fn as_str(&self) -> Option<&str> {
        match (&self.text, &self.value) {
            (Some(text), _) => Some(text),
            (None, Value::String(text)) => Some(text),
            _ => None,
        }
    }

    /// Notes that this is a secret.
    pub(crate) fn mark_secret(&self) {
        self.secret.get_or_init(|| ());
    }

    /// Notes that these were read in place of this value, which is a secret if one of them is.
    pub(crate) fn mark_secret_like(&self, items: &[Node]) {
        if items.iter().any(|item| item.secret.get().is_some()) {
            self.mark_secret();
        }
    }

    /// The same without what was decoded as a secret so far, and without user and password in URLs.
    #[must_use]
    pub fn redacted(&self) -> Node {
        let value = match &self.value {
            _ if self.secret.get().is_some() => Value::String(REDACTED.to_owned()),
            Value::Map(map) => {
                Value::Map(map.iter().map(|(key, node)| (key.to_owned(), node.redacted())).collect())
            }
            Value::Seq(items) => Value::Seq(items.iter().map(Node::redacted).collect()),
            Value::String(url) if url.contains("://") && url.contains('@') => {
                Value::String(printable_url(url))
            }
            other => other.clone(),
        };
        Node::new(value, self.location.clone())
    }

    /// Whether there is nothing.
    pub fn is_null(&self) -> bool {
        self.value == Value::Null
    }

    /// The value under `key`, if this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.as_map()?.get(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equality_ignores_order_and_place() {
        let one = Node::from_yaml("a: 1\nb: [x]\n", "one").unwrap();
        let two = Node::from_yaml("\n\nb:\n  - x\na: 1\n", "two").unwrap();
        assert_eq!(one, two);
        assert_ne!(one, Node::from_yaml("a: 1\nb: [y]\n", "one").unwrap());
        assert_ne!(one, Node::from_yaml("a: 1\n", "one").unwrap());
    }

    #[test]
    fn map_keeps_order_and_key_lines() {
        let node = Node::from_yaml("z: 1\na:\n  k: 2\n", "f").unwrap();
        let map = node.as_map().unwrap();
        assert_eq!(map.iter().map(|(key, _)| key).collect::<Vec<_>>(), ["z", "a"]);
        assert_eq!(map.key_location("a").unwrap().to_string(), "f:2");
        assert_eq!(map.get("a").unwrap().location.as_ref().unwrap().line(), 3);
        let mut map = map.clone();
        assert_eq!(map.remove("z").unwrap().value, Value::Int(1));
        assert_eq!(map.len(), 1);
        assert_eq!(map.key_location("z"), None);
    }
}
