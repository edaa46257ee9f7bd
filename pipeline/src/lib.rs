//! The engine of the collector: what a component is, how components are joined into pipelines, and how the
//! whole is started, reloaded and stopped.

mod clock;
mod component;
mod config;
mod context;
mod error;
mod factory;
mod failure;
mod gates;
mod handover;
mod host;
mod id;
mod memory;
mod output;
mod plan;
mod service;
mod sources;
pub mod status;
pub mod storage;
mod tasks;
pub mod telemetry;

pub use clock::Clock;
pub use component::{Component, Consumer, ConsumerComponent, Extension};
pub use config::{CollectorConfig, Encoding, Level, LogSampling, LogsConfig};
pub use context::{BuildInfo, Context, Shared};
pub use error::{ComponentError, ConsumeError, ErrorKind};
pub use factory::{
    Claim, ComponentConfig, ConfigIssue, ConnectorFactory, ExporterFactory, ExtensionFactory, Factories,
    Factory, Made, MakeConnector, MakeExporter, MakeExtension, MakeProcessor, MakeReceiver, NoConfig,
    Prepared, ProcessorFactory, ReceiverFactory,
};
pub use gates::{FeatureGates, GATES, Gate};
pub use handover::{Handover, Shelf};
pub use host::Host;
pub use id::{ComponentId, IdError, Kind, PipelineId};
pub use memory::{Admitted, Memory, MemoryLimit};
pub use output::{Output, Outputs};
pub use service::{Collector, RunError, Settings};
pub use tasks::Tasks;
