//! The whole collector, in-process, on real sockets.

mod conference;
mod config_errors;
mod guide;
mod otlp;
mod quiet_night;
mod reload;
