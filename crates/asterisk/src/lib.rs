//! What Asterisk sends: the names of its metrics, what they mean, and which part of a name is an id.
//!
//! [`catalogue`] describes the metrics that Asterisk's modules send through StatsD and those of the guide's names
//! that other receivers serve. [`statsd`] takes the names of `res_statsd` apart. [`redaction`] is what becomes of
//! phone numbers and names on their way out.
//!
//! [`ids`] gives each call the trace id that all of its metrics, traces, logs and CDR rows carry. [`cause`] names hangup
//! causes, [`disposition`] how calls end, [`channel`] takes channel names apart, [`quality`] tells what a conversation sounded like.

pub mod catalogue;
pub mod cause;
pub mod channel;
pub mod disposition;
pub mod ids;
pub mod quality;
pub mod redaction;
pub mod statsd;

/// The prefix of the guide's names, and what `prefix = asterisk` in `statsd.conf` puts before each name.
pub const PREFIX: &str = "asterisk.";

/// The name without [`PREFIX`], if it has it: `statsd.conf` may set it or not.
#[must_use]
pub fn without_prefix(name: &str) -> &str {
    name.strip_prefix(PREFIX).unwrap_or(name)
}
