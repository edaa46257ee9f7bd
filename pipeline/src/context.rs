//! What a component is given when it is made.

use crate::failure::Failure;
use crate::status::{Board, StatusReporter};
use crate::telemetry::Telemetry;
use crate::{Clock, ComponentId, FeatureGates, Handover, Kind, Memory, Shelf, Tasks};

/// The name and version of the program that embeds the collector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildInfo {
    /// The command: `otelcol-asterisk`.
    pub command: &'static str,
    /// One line for `--help`.
    pub description: &'static str,
    /// The version, without a leading v.
    pub version: &'static str,
}

impl Default for BuildInfo {
    fn default() -> Self {
        Self {
            command: "otelcol-asterisk",
            description: "OpenTelemetry Collector for Asterisk",
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}

/// What is common to all components of one collector.
#[derive(Debug, Clone, Default)]
pub struct Shared {
    /// Self metrics.
    pub telemetry: Telemetry,
    /// The state of all components.
    pub board: Board,
    /// The time of day.
    pub clock: Clock,
    /// Use of memory.
    pub memory: Memory,
    /// State kept over a reload.
    pub shelf: Shelf,
    /// The program.
    pub build: BuildInfo,
    /// Behaviours that the command line switched.
    pub gates: FeatureGates,
}

/// What a component is given when it is made: who it is and what it may use.
#[derive(Debug, Clone)]
pub struct Context {
    /// The kind of the component.
    pub kind: Kind,
    /// Its name in the configuration.
    pub id: ComponentId,
    /// Its background work.
    pub tasks: Tasks,
    /// Where it says how it is doing.
    pub status: StatusReporter,
    /// Self metrics.
    pub telemetry: Telemetry,
    /// The time of day.
    pub clock: Clock,
    /// Use of memory.
    pub memory: Memory,
    /// State of its own kept over a reload.
    pub handover: Handover,
    /// The program.
    pub build: BuildInfo,
    /// Behaviours that the command line switched.
    pub gates: FeatureGates,
    pub(crate) failure: Failure,
}

impl Context {
    /// A context for the component `id`; `place` tells instances of one id apart (a pipeline, a signal), may be empty.
    pub fn new(shared: &Shared, kind: Kind, id: ComponentId, place: &str) -> Self {
        let name = component_name(kind, &id, place);
        let status = shared.board.reporter(name.clone());
        let panics = shared.telemetry.counter(
            "otelcol_component_panics",
            "Panics of a component that were caught; each is a bug.",
            &[("component", &id.to_string()), ("kind", kind.as_str())],
        );
        let handover = shared.shelf.place(name.clone());
        let failure = Failure::new(name, status.clone(), panics);
        Self {
            kind,
            id,
            tasks: Tasks::new(failure.clone()),
            status,
            telemetry: shared.telemetry.clone(),
            clock: shared.clock.clone(),
            memory: shared.memory.clone(),
            handover,
            build: shared.build.clone(),
            gates: shared.gates.clone(),
            failure,
        }
    }

    /// A context outside of any collector, for tests and for hosts that run a single component.
    pub fn detached(kind: Kind, id: &str) -> Self {
        let id = id.parse().unwrap_or_else(|_| ComponentId::new(id));
        Self::new(&Shared::default(), kind, id, "")
    }
}

/// How health checks and logs name a component: `processor batch (traces)`.
pub(crate) fn component_name(kind: Kind, id: &ComponentId, place: &str) -> String {
    if place.is_empty() { format!("{kind} {id}") } else { format!("{kind} {id} ({place})") }
}
