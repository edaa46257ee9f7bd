//! The whole collector, in-process, on real sockets.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod auth;
mod conference;
mod config_errors;
mod faults;
mod gates;
mod guide;
mod otlp;
mod quiet_night;
mod reload;
mod state_gauges;
