//! How the collector learns of component types: an explicit table.

use std::sync::Arc;

use otelcol_confmap::{ConfigError, Node};
use otelcol_pdata::Signal;
use serde::de::DeserializeOwned;

use crate::output::{Output, Outputs};
use crate::{Component, ComponentError, ConsumerComponent, Context, Extension};

/// A setting that is well-formed but can not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigIssue {
    /// The path below the component (`protocols::grpc::endpoint`); empty for the component as a whole.
    pub key: String,
    /// What is wrong and what is expected.
    pub message: String,
}

impl ConfigIssue {
    /// An issue with one setting; `key` may be empty.
    pub fn new(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self { key: key.into(), message: message.into() }
    }
}

/// The settings of a component. `Default` gives the values of a component without settings.
pub trait ComponentConfig: DeserializeOwned + Default + Clone + Send + Sync + 'static {
    /// All that is wrong with settings that were read.
    fn validate(&self) -> Vec<ConfigIssue> {
        Vec::new()
    }

    /// What this component reports of a whole system. Where components of two types claim the same in one pipeline, it
    /// would be told twice, and the collector warns.
    fn claims(&self) -> Vec<Claim> {
        Vec::new()
    }
}

/// Something that one component type should report alone; see [`ComponentConfig::claims`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// What it is, the same text for all that claim it.
    pub subject: &'static str,
    /// The setting that leaves it to others, if there is one.
    pub leave_with: Option<&'static str>,
}

/// No settings.
#[derive(Debug, Clone, Default, serde::Deserialize)]
pub struct NoConfig {}

impl ComponentConfig for NoConfig {}

type Prepare<M> = Box<dyn Fn(&Node, &str) -> Result<Prepared<M>, Vec<ConfigError>> + Send + Sync>;

/// Settings that were read and checked.
#[derive(Debug)]
pub struct Prepared<M> {
    /// Makes components with them.
    pub make: M,
    /// What these components report of a whole system.
    pub claims: Vec<Claim>,
}

/// A component as its factory makes it, or why it can not be made.
pub type Made<T> = Result<Arc<T>, ComponentError>;

/// Makes a receiver from settings that were already read and checked.
pub type MakeReceiver = Box<dyn Fn(Context, Outputs) -> Made<dyn Component> + Send + Sync>;
/// Makes a processor for one pipeline.
pub type MakeProcessor = Box<dyn Fn(Context, Signal, Output) -> Made<dyn ConsumerComponent> + Send + Sync>;
/// Makes an exporter for one signal.
pub type MakeExporter = Box<dyn Fn(Context, Signal) -> Made<dyn ConsumerComponent> + Send + Sync>;
/// Makes a connector from pipelines of one signal to pipelines of another.
pub type MakeConnector =
    Box<dyn Fn(Context, Signal, Signal, Output) -> Made<dyn ConsumerComponent> + Send + Sync>;
/// Makes an extension.
pub type MakeExtension = Box<dyn Fn(Context) -> Made<dyn Extension> + Send + Sync>;

/// One component type: its names and how to make it. See [`Factories`].
pub struct Factory<S: 'static, M> {
    /// The type as the configuration names it.
    pub component_type: &'static str,
    /// Other spellings of the type.
    pub aliases: &'static [&'static str],
    /// The signals (for connectors: pairs from, to) that it works for.
    pub signals: &'static [S],
    prepare: Prepare<M>,
}

impl<S: 'static, M> Factory<S, M> {
    /// Adds other spellings of the type.
    #[must_use]
    pub fn aliases(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    /// True when the configuration may call the type so.
    pub fn is_called(&self, name: &str) -> bool {
        self.component_type == name || self.aliases.contains(&name)
    }

    /// Reads and checks settings. `path` is where they stand (`receivers::statsd`).
    ///
    /// # Errors
    /// All that is wrong with them.
    pub fn prepare(&self, settings: &Node, path: &str) -> Result<Prepared<M>, Vec<ConfigError>> {
        (self.prepare)(settings, path)
    }

    fn with<C: ComponentConfig>(
        component_type: &'static str,
        signals: &'static [S],
        make: impl Fn(C) -> M + Send + Sync + 'static,
    ) -> Self {
        let prepare = move |node: &Node, path: &str| {
            let config = read_config::<C>(node, path)?;
            Ok(Prepared { claims: config.claims(), make: make(config) })
        };
        Self { component_type, aliases: &[], signals, prepare: Box::new(prepare) }
    }
}

/// A receiver type.
pub type ReceiverFactory = Factory<Signal, MakeReceiver>;
/// A processor type.
pub type ProcessorFactory = Factory<Signal, MakeProcessor>;
/// An exporter type.
pub type ExporterFactory = Factory<Signal, MakeExporter>;
/// A connector type; its signals are pairs (from, to).
pub type ConnectorFactory = Factory<(Signal, Signal), MakeConnector>;
/// An extension type; it has no signals.
pub type ExtensionFactory = Factory<Signal, MakeExtension>;

impl ReceiverFactory {
    /// A receiver with settings `C`. One instance serves all its pipelines.
    pub fn receiver<C: ComponentConfig>(
        component_type: &'static str,
        signals: &'static [Signal],
        create: fn(Context, C, Outputs) -> Made<dyn Component>,
    ) -> Self {
        Self::with(component_type, signals, move |config: C| {
            Box::new(move |context, outputs| create(context, config.clone(), outputs))
        })
    }
}

impl ProcessorFactory {
    /// A processor with settings `C`. Each pipeline has an instance of its own.
    pub fn processor<C: ComponentConfig>(
        component_type: &'static str,
        signals: &'static [Signal],
        create: fn(Context, C, Signal, Output) -> Made<dyn ConsumerComponent>,
    ) -> Self {
        Self::with(component_type, signals, move |config: C| {
            Box::new(move |context, signal, next| create(context, config.clone(), signal, next))
        })
    }
}

impl ExporterFactory {
    /// An exporter with settings `C`. Each signal has an instance of its own.
    pub fn exporter<C: ComponentConfig>(
        component_type: &'static str,
        signals: &'static [Signal],
        create: fn(Context, C, Signal) -> Made<dyn ConsumerComponent>,
    ) -> Self {
        Self::with(component_type, signals, move |config: C| {
            Box::new(move |context, signal| create(context, config.clone(), signal))
        })
    }
}

impl ConnectorFactory {
    /// A connector with settings `C`. Each pair of signals has an instance of its own.
    pub fn connector<C: ComponentConfig>(
        component_type: &'static str,
        signals: &'static [(Signal, Signal)],
        create: fn(Context, C, Signal, Signal, Output) -> Made<dyn ConsumerComponent>,
    ) -> Self {
        Self::with(component_type, signals, move |config: C| {
            Box::new(move |context, from, to, next| create(context, config.clone(), from, to, next))
        })
    }
}

impl ExtensionFactory {
    /// An extension with settings `C`.
    pub fn extension<C: ComponentConfig>(
        component_type: &'static str,
        create: fn(Context, C) -> Made<dyn Extension>,
    ) -> Self {
        Self::with(component_type, &[], move |config: C| {
            Box::new(move |context| create(context, config.clone()))
        })
    }
}

fn read_config<C: ComponentConfig>(node: &Node, path: &str) -> Result<C, Vec<ConfigError>> {
    let (config, mut errors) = node.decode_partly::<C>(path);
    let Some(config) = config else { return Err(errors) };
    let unreadable: Vec<String> = errors.iter().map(|error| error.path.clone()).collect();
    for issue in config.validate() {
        // What could not be read has its default now, and that is no second error.
        let is_consequence = !issue.key.is_empty() && {
            let at = format!("{path}::{}", issue.key);
            unreadable.iter().any(|wrong| wrong.starts_with(&at) || (wrong != path && at.starts_with(wrong)))
        };
        if !is_consequence {
            errors.push(locate(node, path, issue));
        }
    }
    if errors.is_empty() { Ok(config) } else { Err(errors) }
}

/// Puts an issue at the line of its setting, or of the nearest section that is in the file.
fn locate(node: &Node, path: &str, issue: ConfigIssue) -> ConfigError {
    let mut place = node;
    for key in issue.key.split("::").filter(|key| !key.is_empty()) {
        let Some(child) = place.get(key) else { break };
        place = child;
    }
    let path = if issue.key.is_empty() { path.to_owned() } else { format!("{path}::{}", issue.key) };
    ConfigError::new(path, place.location.clone(), issue.message)
}

/// All component types that a collector knows.
#[derive(Default)]
pub struct Factories {
    /// Receivers.
    pub receivers: Vec<ReceiverFactory>,
    /// Processors.
    pub processors: Vec<ProcessorFactory>,
    /// Exporters.
    pub exporters: Vec<ExporterFactory>,
    /// Connectors.
    pub connectors: Vec<ConnectorFactory>,
    /// Extensions.
    pub extensions: Vec<ExtensionFactory>,
}
