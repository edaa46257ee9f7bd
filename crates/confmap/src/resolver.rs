use std::collections::HashMap;

use crate::expand::{Environment, Retrieved, Sources, expand, shown, split_uri};
use crate::flatten::unflatten;
use crate::merge::merge;
use crate::provider::{FileProvider, Provider, YamlProvider};
use crate::yaml::{MAX_DEPTH, Origin, compose};
use crate::{ConfigError, Map, Node, Value};

/// Makes one configuration of all sources that the command line names. It can be asked again, which
/// reads every source anew.
pub struct Resolver {
    uris: Vec<String>,
    sets: Vec<String>,
    sources: Sources,
}

/// A configuration with nothing left to expand.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// The whole of it; always a mapping.
    pub root: Node,
    /// What is worth a warning in the log, such as a variable that is not set.
    pub warnings: Vec<ConfigError>,
}

impl Resolver {
    /// A resolver for the values of `--config` (`scheme:value`, or a path) and of `--set`
    /// (`a.b=1` or `a::b=1`), in their order. The schemes `file`, `env` and `yaml` are known.
    pub fn new(uris: Vec<String>, sets: Vec<String>) -> Self {
        let environment: Environment =
            Box::new(|name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()));
        let sources = Sources { providers: HashMap::new(), environment };
        let this = Self { uris, sets, sources };
        this.provider("file", Box::new(FileProvider)).provider("yaml", Box::new(YamlProvider))
    }

    /// Adds a scheme, or replaces a known one.
    #[must_use]
    pub fn provider(mut self, scheme: &str, provider: Box<dyn Provider>) -> Self {
        self.sources.providers.insert(scheme.to_owned(), provider);
        self
    }

    /// Takes environment variables from `lookup` instead of the process.
    #[must_use]
    pub fn environment(mut self, lookup: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        self.sources.environment = Box::new(lookup);
        self
    }

    /// Reads all sources, merges them in their order and expands references. Blocks on the providers.
    ///
    /// # Errors
    /// Everything that is wrong with any source; references are looked at once all sources are read.
    pub fn resolve(&self) -> Result<Resolved, Vec<ConfigError>> {
        if self.uris.is_empty() {
            let message = "at least one config flag must be provided";
            return Err(vec![ConfigError::new("", None, message)]);
        }
        let mut root = Node::from(Value::Map(Map::new()));
        let mut errors = Vec::new();
        let configs = self.uris.iter().map(|uri| self.config(uri));
        for source in configs.chain(self.sets.iter().map(|set| set_value(set))) {
            match source {
                Ok(node) => merge(&mut root, node),
                Err(found) => errors.extend(found),
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let expansion = expand(&mut root, &self.sources);
        if !expansion.errors.is_empty() {
            return Err(expansion.errors);
        }
        Ok(Resolved { root, warnings: expansion.warnings })
    }

    fn config(&self, uri: &str) -> Result<Node, Vec<ConfigError>> {
        let fail = |message| vec![ConfigError::new("", None, message)];
        // One letter before the colon is a drive, no scheme.
        let is_path = uri.find(':').is_none_or(|colon| colon == 1);
        let full = if is_path { format!("file:{uri}") } else { uri.to_owned() };
        let (scheme, value) = split_uri(&full).map_err(fail)?;
        let retrieved = match scheme {
            "env" => self.sources.variable(value).map(Retrieved::into_bytes),
            _ => self.sources.retrieve(&full),
        };
        let bytes = retrieved.map_err(|error| fail(format!("cannot retrieve the configuration: {error}")))?;
        let name = match scheme {
            "file" => value.to_owned(),
            "yaml" => "yaml".to_owned(),
            _ => shown(&full),
        };
        section(&bytes, &name)
    }
}

/// `key.path=value` as the collector takes it: the value is YAML.
fn set_value(set: &str) -> Result<Node, Vec<ConfigError>> {
    let Some((key, value)) = set.split_once('=') else {
        let message = format!("invalid --set {set:?}: missing equal sign");
        return Err(vec![ConfigError::new("", None, message)]);
    };
    let key = key.replace('.', "::");
    section(format!("{}: {}", key.trim(), value.trim()).as_bytes(), &format!("--set {}", key.trim()))
}

/// A document that must be a mapping; nothing at all is an empty one.
fn section(bytes: &[u8], name: &str) -> Result<Node, Vec<ConfigError>> {
    let mut node = compose(bytes, &Origin::Lines(name.into()))?;
    match &node.value {
        Value::Null => node.value = Value::Map(Map::new()),
        Value::Map(_) => unflatten(&mut node, MAX_DEPTH).map_err(|error| vec![error])?,
        other => {
            let message = format!("retrieved value (type={}) cannot be used as a Conf", other.kind());
            return Err(vec![ConfigError::new("", node.location, message)]);
        }
    }
    Ok(node)
}

#[cfg(test)]
#[path = "resolver_tests.rs"]
mod tests;
