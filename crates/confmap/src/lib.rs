//! Collector configuration: sources, expansion, merge, typed decoding with path and line in errors.
//!
//! The way of a configuration, in the order in which it happens:
//!
//! 1. [`Resolver`] fetches every `--config` URI from its [`Provider`] and composes the YAML into
//!    [`Node`]s, each of which remembers its file and line.
//! 2. Sources are merged, the later one wins, `--set` last.
//! 3. `${scheme:value}` references are expanded.
//! 4. Each section is decoded into a typed struct by [`Node::decode`], which reports every error of
//!    the section at once.
//!
//! Rules and error texts are those of the OpenTelemetry Collector; README.md lists the differences.

mod decode;
mod duration;
mod error;
mod expand;
mod flatten;
mod merge;
mod nearest;
mod node;
mod opaque;
mod printable;
mod provider;
mod resolver;
mod scalar;
mod write;
mod yaml;

pub use decode::present;
pub use duration::{GoDuration, ParseDurationError};
pub use error::ConfigError;
pub use nearest::nearest;
pub use node::{Location, Map, Node, Value};
pub use opaque::Opaque;
pub use printable::printable_url;
pub use provider::Provider;
pub use resolver::{Resolved, Resolver};
