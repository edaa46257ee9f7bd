//! Component API, graph, service and self telemetry.
