//! `${scheme:value}` in the merged configuration, by the rules of otelcol's `confmap.Resolver`.

use std::collections::HashMap;
use std::sync::Arc;

use crate::node::KEY_DELIMITER;
use crate::yaml::{MAX_DEPTH, Origin, compose};
use crate::{ConfigError, Location, Node, Provider, Value, nearest, printable_url};

const ENV_SCHEME: &str = "env";
/// How often one value is expanded anew: references that lead to each other end here.
const MAX_ROUNDS: usize = 1000;
/// The work that one configuration may cost: the text looked through, over all rounds.
const MAX_WORK: usize = 8 << 20;
/// Stands for the work of one round besides its text.
const ROUND_WORK: usize = 64;

/// Finds an environment variable.
pub(crate) type Environment = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// The sources that a reference can name.
pub(crate) struct Sources {
    pub(crate) providers: HashMap<String, Box<dyn Provider>>,
    pub(crate) environment: Environment,
}

/// What a URI gave.
pub(crate) struct Retrieved {
    text: String,
    /// The text is meant as it is (an explicit empty default), not as YAML.
    verbatim: bool,
    unset_variable: Option<String>,
}

impl Sources {
    /// Fetches `uri`, which must be of the form `scheme:value`.
    pub(crate) fn retrieve(&self, uri: &str) -> Result<Vec<u8>, String> {
        let (scheme, _) = split_uri(uri)?;
        match self.providers.get(scheme) {
            Some(provider) => provider.retrieve(uri),
            None => {
                let uri = shown(uri);
                Err(format!("scheme {scheme:?} is not supported for uri {uri:?}{}", self.hint(&uri)))
            }
        }
    }

    fn hint(&self, uri: &str) -> String {
        let Some((name, rest)) = uri.split_once(':') else { return String::new() };
        if rest.starts_with('-') {
            return format!(", did you mean \"${{env:{uri}}}\"?");
        }
        let schemes = self.providers.keys().map(String::as_str).chain([ENV_SCHEME]);
        let close = nearest(name, schemes);
        close.map(|scheme| format!(", did you mean {scheme:?}?")).unwrap_or_default()
    }

    /// `NAME` or `NAME:-default`; a variable that is set but empty does not take the default.
    pub(crate) fn variable(&self, reference: &str) -> Result<Retrieved, String> {
        let (name, default) = match reference.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (reference, None),
        };
        if !is_variable_name(name) {
            return Err(format!(
                "environment variable {name:?} has invalid name: must match regex ^[a-zA-Z_][a-zA-Z0-9_]*$"
            ));
        }
        let value = (self.environment)(name);
        let unset_variable = (value.is_none() && default.is_none()).then(|| name.to_owned());
        let verbatim = value.is_none() && default == Some("");
        let text = value.or(default.map(str::to_owned)).unwrap_or_default();
        Ok(Retrieved { text, verbatim, unset_variable })
    }
}

impl Retrieved {
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.text.into_bytes()
    }
}

fn is_variable_name(name: &str) -> bool {
    name.starts_with(|c: char| c == '_' || c.is_ascii_alphabetic())
        && name.bytes().all(|b| b == b'_' || b.is_ascii_alphanumeric())
}

/// Scheme and value. A scheme has two characters or more, so that a drive letter is none.
pub(crate) fn split_uri(uri: &str) -> Result<(&str, &str), String> {
    let split = uri.split_once(':').filter(|(scheme, _)| is_scheme(scheme));
    split.ok_or_else(|| format!("invalid uri: {:?}", shown(uri)))
}

pub(crate) fn is_scheme(text: &str) -> bool {
    text.len() >= 2
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+.-".contains(&b))
}

/// A source for messages. A path is shown as it is: `@` and `?` are letters there.
pub(crate) fn shown(uri: &str) -> String {
    if uri.starts_with("file:") { uri.to_owned() } else { printable_url(uri) }
}

/// Expands every reference below `root`; errors of all values are collected.
pub(crate) fn expand(root: &mut Node, sources: &Sources) -> Expansion {
    let mut expander =
        Expander { sources, path: Vec::new(), used_at: None, work: 0, found: Expansion::default() };
    expander.node(root);
    expander.found
}

/// What came up on the way.
#[derive(Default)]
pub(crate) struct Expansion {
    pub(crate) errors: Vec<ConfigError>,
    pub(crate) warnings: Vec<ConfigError>,
}

struct Expander<'a> {
    sources: &'a Sources,
    path: Vec<String>,
    /// How long the path to the outermost reference is, inside of what it stands for.
    used_at: Option<usize>,
    work: usize,
    found: Expansion,
}

enum Expanded {
    Text(String),
    /// The value that a whole reference stands for, and the text it was read from.
    Typed(Node, String),
}

impl Expander<'_> {
    fn node(&mut self, node: &mut Node) {
        match &mut node.value {
            Value::Seq(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    self.child(index.to_string(), item);
                }
            }
            Value::Map(map) => {
                for (key, child) in map.iter_mut() {
                    self.child(key.to_owned(), child);
                }
            }
            Value::String(text) if text.contains('$') => {
                let text = std::mem::take(text);
                match self.text(text, node.location.as_ref()) {
                    Ok(expanded) => self.put(node, expanded),
                    Err(message) => self.error(node.location.as_ref(), message),
                }
            }
            _ => {}
        }
    }

    fn child(&mut self, key: String, child: &mut Node) {
        self.path.push(key);
        if self.path.len() > MAX_DEPTH {
            // A reference that contains itself is at fault, not one of its many contents.
            let inside = self.path.split_off(self.used_at.unwrap_or(self.path.len()));
            self.error(child.location.as_ref(), "too many recursive expansions".into());
            self.path.extend(inside);
        } else {
            self.node(child);
        }
        self.path.pop();
    }

    fn put(&mut self, node: &mut Node, expanded: Expanded) {
        match expanded {
            Expanded::Text(text) => node.value = Value::String(unescape(&text)),
            Expanded::Typed(value, original) => {
                node.value = value.value;
                let outer = self.used_at;
                self.used_at = outer.or(Some(self.path.len()));
                self.node(node);
                self.used_at = outer;
                node.text = self.original(original, node.location.as_ref()).map(Arc::from);
            }
        }
    }

    /// The text behind a typed value, for a string field. It can hold references that make sense in
    /// the value only (a whole list, say): then there is no text, which is not an error.
    fn original(&mut self, text: String, location: Option<&Location>) -> Option<String> {
        let warnings = self.found.warnings.len();
        let expanded = self.text(text, location);
        self.found.warnings.truncate(warnings);
        match expanded {
            Ok(Expanded::Text(text)) => Some(unescape(&text)),
            _ => None,
        }
    }

    fn error(&mut self, location: Option<&Location>, message: String) {
        // Once the work is used up, everything else fails for that reason alone.
        if self.work <= MAX_WORK || self.found.errors.is_empty() {
            let path = self.path.join(KEY_DELIMITER);
            let error = ConfigError::new(path, location.cloned(), message);
            // A reference that contains itself twice fails many times in the same way.
            if self.found.errors.last() != Some(&error) {
                self.found.errors.push(error);
            }
        }
    }

    fn text(&mut self, mut text: String, location: Option<&Location>) -> Result<Expanded, String> {
        for _ in 0..MAX_ROUNDS {
            self.work += text.len() + ROUND_WORK;
            if self.work > MAX_WORK {
                break;
            }
            let Some((start, end)) = find_reference(&text) else { return Ok(Expanded::Text(text)) };
            let retrieved = self.reference(&text[start + 2..end - 1], location)?;
            if (start, end) != (0, text.len()) {
                text.replace_range(start..end, &retrieved.text);
                continue;
            }
            let read = compose(retrieved.text.as_bytes(), &Origin::Place(location.cloned()));
            match read {
                Ok(node) if !retrieved.verbatim && !matches!(node.value, Value::String(_)) => {
                    return Ok(Expanded::Typed(node, retrieved.text));
                }
                // What is no YAML is text, and text is taken with its quotes and comments.
                _ => text = retrieved.text,
            }
        }
        Err("too many recursive expansions".into())
    }

    /// Fetches what stands between `${` and `}`.
    fn reference(&mut self, reference: &str, location: Option<&Location>) -> Result<Retrieved, String> {
        let (scheme, value) =
            if reference.contains(':') { split_uri(reference)? } else { (ENV_SCHEME, reference) };
        let uri = format!("{scheme}:{value}");
        if value.contains('$') {
            return Err(format!("the uri {:?} contains unsupported characters ('$')", shown(&uri)));
        }
        let retrieved = if scheme == ENV_SCHEME {
            self.sources.variable(value)?
        } else {
            let text = String::from_utf8(self.sources.retrieve(&uri)?)
                .map_err(|_| format!("expected UTF-8 from {:?}, got other bytes", shown(&uri)))?;
            Retrieved { text, verbatim: false, unset_variable: None }
        };
        self.work += retrieved.text.len();
        if let Some(name) = &retrieved.unset_variable {
            let message = format!("configuration references unset environment variable {name:?}");
            let warning = ConfigError::new(self.path.join(KEY_DELIMITER), location.cloned(), message);
            self.found.warnings.push(warning);
        }
        Ok(retrieved)
    }
}

/// The first reference that is to be expanded: of nested ones the innermost, and none whose `$` is
/// escaped by another one before it.
fn find_reference(text: &str) -> Option<(usize, usize)> {
    let mut from = 0;
    while let Some(length) = text[from..].find('}') {
        let end = from + length + 1;
        if let Some(start) = text[from..end].rfind("${").map(|start| from + start) {
            let escapes = text[from..start].bytes().rev().take_while(|b| *b == b'$').count();
            if escapes % 2 == 0 {
                return Some((start, end));
            }
        }
        from = end;
    }
    None
}

fn unescape(text: &str) -> String {
    text.replace("$$", "$")
}

#[cfg(test)]
#[path = "expand_tests.rs"]
mod tests;
