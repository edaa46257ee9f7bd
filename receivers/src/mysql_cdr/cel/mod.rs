//! Traces from a table of channel events (CEL): a call's rows are gathered until it is over, then made into one trace.
//!
//! A trace is made of all rows of its call at once and of nothing else, so the same rows give the same bytes, in whatever
//! order they were read. Of calls that are open only their place in the table is remembered over a restart: their rows are
//! read again from there.

mod build;
mod config;
mod dials;
mod event;
mod open;
mod places;
mod writer;

#[cfg(test)]
mod tests;

pub use config::{EventColumns, TracesConfig, TracesLimits};

pub(super) use event::{Event, decode};
pub(super) use open::{Events, Held, Place, Rules, Taken};
pub(super) use writer::TraceWriter;
