//! Composes the events of the YAML parser into nodes: lines, scalar rules, aliases, merge keys and
//! limits are ours, the grammar is the parser's (docs/adr/0001-yaml.md).

use std::collections::HashMap;
use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput, Tag};

use crate::node::KEY_DELIMITER;
use crate::scalar::{resolve_plain, resolve_tagged};
use crate::{ConfigError, Location, Map, Node, Value};

/// The largest document that is read, in bytes.
pub(crate) const MAX_DOCUMENT_BYTES: usize = 16 << 20;
/// How deep lists and mappings nest.
pub(crate) const MAX_DEPTH: usize = 100;
/// What a document may grow to by its aliases: the sum over all nodes of [`NODE_WEIGHT`] and text.
const MAX_WEIGHT: usize = 64 << 20;
/// Stands for the memory of a node besides its text.
const NODE_WEIGHT: usize = 64;
/// Duplicate keys and the like are reported together, but not without end.
const MAX_ERRORS: usize = 100;

const CORE_TAGS: &str = "tag:yaml.org,2002:";
const MERGE_KEY: &str = "<<";

/// Where the text of a document comes from, for the locations of its nodes.
pub(crate) enum Origin {
    /// A source with lines.
    Lines(Arc<str>),
    /// A value that was put in somewhere: everything in it is located there.
    Place(Option<Location>),
}

/// Reads the first document of `bytes`; an empty one is null.
///
/// # Errors
/// See [`Node::from_yaml`].
pub(crate) fn compose(bytes: &[u8], origin: &Origin) -> Result<Node, Vec<ConfigError>> {
    let whole = |message: String| vec![ConfigError::new("", origin.location(1), message)];
    if bytes.len() > MAX_DOCUMENT_BYTES {
        return Err(whole(format!(
            "yaml: expected at most {MAX_DOCUMENT_BYTES} bytes, got a larger document"
        )));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        whole(format!("yaml: expected UTF-8, got another byte at {}", error.valid_up_to()))
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut composer = Composer {
        parser: Parser::new_from_str(text),
        origin,
        anchors: HashMap::new(),
        weight: 0,
        path: Vec::new(),
        errors: Vec::new(),
    };
    match composer.document() {
        Ok(node) if composer.errors.is_empty() => Ok(node),
        Ok(_) => Err(composer.errors),
        Err(fatal) => {
            composer.errors.push(fatal);
            Err(composer.errors)
        }
    }
}

impl Origin {
    fn location(&self, line: usize) -> Option<Location> {
        match self {
            Self::Lines(source) => {
                Some(Location::new(Arc::clone(source), line.try_into().unwrap_or(u32::MAX)))
            }
            Self::Place(place) => place.clone(),
        }
    }
}

struct Composer<'a> {
    parser: Parser<'a, StrInput<'a>>,
    origin: &'a Origin,
    anchors: HashMap<usize, Anchored>,
    weight: usize,
    path: Vec<String>,
    /// Findings after which composing goes on.
    errors: Vec<ConfigError>,
}

struct Anchored {
    node: Node,
    weight: usize,
}

impl<'a> Composer<'a> {
    fn document(&mut self) -> Result<Node, ConfigError> {
        loop {
            let (event, span) = self.next_event()?;
            match event {
                Event::Nothing | Event::StreamStart | Event::DocumentStart(_) => {}
                Event::StreamEnd | Event::DocumentEnd => {
                    return Ok(Node::new(Value::Null, self.origin.location(1)));
                }
                event => {
                    let node = self.node(event, span, 0)?;
                    return self.document_end(node);
                }
            }
        }
    }

    /// Text after the value is an error, which the parser finds only when it is asked for the next
    /// document: `[::]:4317` is no list. Further documents are not looked at.
    fn document_end(&mut self, node: Node) -> Result<Node, ConfigError> {
        self.next_event()?;
        self.next_event()?;
        Ok(node)
    }

    fn next_event(&mut self) -> Result<(Event<'a>, Span), ConfigError> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(self.error(error.marker().line(), format!("yaml: {}", error.info()))),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn error(&self, line: usize, message: String) -> ConfigError {
        ConfigError::new(self.path.join(KEY_DELIMITER), self.origin.location(line), message)
    }

    /// Keeps a finding that does not stop the composing, up to a limit.
    fn report(&mut self, line: usize, message: String) -> Result<(), ConfigError> {
        let error = self.error(line, message);
        if self.errors.len() >= MAX_ERRORS {
            return Err(error);
        }
        self.errors.push(error);
        Ok(())
    }

    fn spend(&mut self, weight: usize, line: usize) -> Result<(), ConfigError> {
        self.weight += weight;
        if self.weight > MAX_WEIGHT {
            return Err(
                self.error(line, "yaml: document contains too many values or excessive aliasing".into())
            );
        }
        Ok(())
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, ConfigError> {
        let line = span.start.line();
        if depth > MAX_DEPTH {
            return Err(self.error(line, format!("yaml: expected at most {MAX_DEPTH} levels, got more")));
        }
        let before = self.weight;
        self.spend(NODE_WEIGHT, line)?;
        let (value, anchor) = match event {
            Event::Alias(anchor) => return self.alias(anchor, line),
            Event::Scalar(text, style, anchor, tag) => {
                self.spend(text.len(), line)?;
                (self.scalar(&text, style, tag.as_deref(), line)?, anchor)
            }
            Event::SequenceStart(anchor, _) => (self.sequence(depth)?, anchor),
            Event::MappingStart(anchor, _) => (self.mapping(depth)?, anchor),
            _ => return Err(self.error(line, "yaml: expected a value".into())),
        };
        let node = Node::new(value, self.origin.location(line));
        if anchor > 0 {
            let weight = self.weight - before;
            self.spend(weight, line)?;
            self.anchors.insert(anchor, Anchored { node: node.clone(), weight });
        }
        Ok(node)
    }

    fn alias(&mut self, anchor: usize, line: usize) -> Result<Node, ConfigError> {
        let Some(weight) = self.anchors.get(&anchor).map(|anchored| anchored.weight) else {
            return Err(self.error(line, "yaml: anchor value contains itself".into()));
        };
        self.spend(weight, line)?;
        Ok(self.anchors.get(&anchor).map(|anchored| anchored.node.clone()).unwrap_or_default())
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        tag: Option<&Tag>,
        line: usize,
    ) -> Result<Value, ConfigError> {
        // A lone `!` says nothing.
        let name = tag.map(|tag| format!("{}{}", tag.handle, tag.suffix)).filter(|name| name != "!");
        let Some(name) = name else {
            return Ok(match style {
                ScalarStyle::Plain => resolve_plain(text),
                _ => Value::String(text.to_owned()),
            });
        };
        match resolve_tagged(name.strip_prefix(CORE_TAGS).unwrap_or("str"), text) {
            Ok(value) => Ok(value),
            Err(message) => {
                self.report(line, message)?;
                Ok(Value::Null)
            }
        }
    }

    fn sequence(&mut self, depth: usize) -> Result<Value, ConfigError> {
        let mut items = Vec::new();
        loop {
            match self.next_event()? {
                (Event::SequenceEnd, _) => return Ok(Value::Seq(items)),
                (event, span) => {
                    self.path.push(items.len().to_string());
                    items.push(self.node(event, span, depth + 1)?);
                    self.path.pop();
                }
            }
        }
    }

    fn mapping(&mut self, depth: usize) -> Result<Value, ConfigError> {
        let mut map = Map::new();
        let mut merged = Vec::new();
        loop {
            let (event, span) = self.next_event()?;
            let line = span.start.line();
            let (key, is_merge) = match event {
                Event::MappingEnd => break,
                event => self.key(event, line)?,
            };
            self.path.push(key.clone());
            let (event, span) = self.next_event()?;
            let mut node = self.node(event, span, depth + 1)?;
            // The parser places a value that is not there at the next token.
            if node.is_null() {
                node.location = self.origin.location(line);
            }
            if is_merge {
                merged.push((line, node));
            } else if map.get(&key).is_some() {
                let first = map.key_location(&key).map_or(0, Location::line);
                self.report(line, format!("mapping key {key:?} already defined at line {first}"))?;
            } else {
                map.insert_at(key, self.origin.location(line), node);
            }
            self.path.pop();
        }
        for (line, node) in merged {
            self.merge_key(&mut map, node, line)?;
        }
        Ok(Value::Map(map))
    }

    /// The text of a key, and whether it is the merge key. Keys are text whatever their type.
    fn key(&mut self, event: Event<'a>, line: usize) -> Result<(String, bool), ConfigError> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.spend(text.len(), line)?;
                if anchor > 0 {
                    let node = Node::new(Value::String(text.to_string()), self.origin.location(line));
                    self.anchors.insert(anchor, Anchored { node, weight: NODE_WEIGHT + text.len() });
                }
                let is_merge = text == MERGE_KEY && style == ScalarStyle::Plain && tag.is_none();
                Ok((text.into_owned(), is_merge))
            }
            Event::Alias(anchor) => match self.alias(anchor, line)?.value {
                Value::String(text) => Ok((text, false)),
                _ => Err(self.error(line, "yaml: invalid map key: expected text".into())),
            },
            _ => Err(self.error(line, "yaml: invalid map key: expected text".into())),
        }
    }

    /// `<<: *a` and `<<: [*a, *b]`: what is written beats what is merged, the first beats the next.
    fn merge_key(&mut self, map: &mut Map, node: Node, line: usize) -> Result<(), ConfigError> {
        let sources = match node.value {
            Value::Seq(items) => items,
            _ => vec![node],
        };
        for source in sources {
            let Value::Map(source) = source.value else {
                return self.report(line, "map merge requires map or sequence of maps as the value".into());
            };
            for (key, key_location, node) in source.into_entries() {
                if map.get(&key).is_none() {
                    map.insert_at(key, key_location, node);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "yaml_tests.rs"]
mod tests;
