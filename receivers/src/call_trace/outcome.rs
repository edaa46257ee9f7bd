//! What became of a call, a leg, a dial, a wait: attributes and status of the spans, the same for all who watch calls.

use otelcol_asterisk::cause;
use otelcol_asterisk::disposition::Disposition;

use super::call::{Nanos, ROOT, Trace, Value};
use super::names::{Attribute, SpanName};

/// Outcome of a wait: the caller hung up.
pub(crate) const ABANDONED: &str = "abandoned";
/// Outcome of a wait or a ring: an agent took the call.
pub(crate) const ANSWERED: &str = "answered";
/// Outcome of a wait: the queue's own time was up.
pub(crate) const TIMED_OUT: &str = "timed_out";

/// A leg ended with this cause.
pub(crate) fn leg_ended(trace: &mut Trace, span: usize, code: u8) {
    trace.set(span, Attribute::HangupCauseCode, Value::Int(code.into()));
    if cause::is_failure(code) {
        trace.fail(span, cause::text(code));
    }
}

/// How a wait in a queue went.
pub(crate) fn of_wait(trace: &mut Trace, wait: usize, outcome: &'static str) {
    trace.set(wait, Attribute::QueueOutcome, Value::Word(outcome));
    match outcome {
        ABANDONED => trace.fail(wait, "abandoned"),
        TIMED_OUT => trace.fail(wait, "timed out"),
        _ => {}
    }
}

/// Why a dial failed. One that was cancelled did not: its caller gave up, or another phone was faster.
pub(crate) fn failure_of_dial(status: &[u8]) -> Option<&'static str> {
    Some(match status {
        b"BUSY" => "busy",
        b"NOANSWER" => "no answer",
        b"CONGESTION" => "congestion",
        b"CHANUNAVAIL" => "channel unavailable",
        b"INVALIDARGS" => "invalid arguments",
        _ => return None,
    })
}

/// What a dial's end means for the agent whom a queue rang.
pub(crate) fn of_ring(status: &[u8]) -> &'static str {
    match status {
        b"ANSWER" => ANSWERED,
        b"BUSY" => "busy",
        b"NOANSWER" => "no_answer",
        b"CANCEL" => "cancelled",
        _ => "failed",
    }
}

/// The call is over: how it ended, and whether that is an error.
pub(crate) fn call_ended(trace: &mut Trace, disposition: Disposition) {
    trace.set(ROOT, Attribute::Disposition, Value::Word(disposition.as_str()));
    cause_of_call(trace);
    let cause = failure_of_call(trace);
    let failed = match disposition {
        Disposition::Busy => Some("busy"),
        Disposition::NoAnswer => cause.or(Some("no answer")),
        Disposition::Congestion => cause.or(Some("congestion")),
        Disposition::Failed => cause.or(Some("failed")),
        Disposition::Answered if was_abandoned(trace) => Some("abandoned in queue"),
        Disposition::Answered | Disposition::Cancel | Disposition::Unknown => cause,
    };
    if let Some(why) = failed {
        trace.fail(ROOT, why);
    }
}

/// Ends all that is open and says that it was not over.
pub(crate) fn mark_unfinished(trace: &mut Trace, now: Nanos) {
    for span in 0..trace.spans.len() {
        if trace.spans[span].end().is_none() {
            trace.set(span, Attribute::Unfinished, Value::Bool(true));
        }
    }
    if trace.spans[ROOT].failure().is_none() && trace.spans[ROOT].end().is_none() {
        cause_of_call(trace);
    }
    trace.close_all(now);
}

/// Copies cause and text of the end of the root channel, or of the channel that ended last, to the root span.
fn cause_of_call(trace: &mut Trace) {
    let Some(span) = last_leg(trace) else { return };
    for key in [Attribute::HangupCause, Attribute::HangupCauseCode, Attribute::TechCause] {
        if let Some(value) = trace.spans[span].attributes.get(key).cloned() {
            trace.set(ROOT, key, value);
        }
    }
}

/// Why a call went wrong, by the cause of the end of the same channel as in [`cause_of_call`].
fn failure_of_call(trace: &Trace) -> Option<&'static str> {
    trace.spans[last_leg(trace)?].failure()
}

fn last_leg(trace: &Trace) -> Option<usize> {
    let spans = || trace.legs.iter().filter_map(|leg| Some((leg, leg.span? as usize)));
    let root = spans().find(|(leg, _)| leg.uniqueid == trace.linkedid);
    let last = || spans().max_by_key(|(_, span)| trace.spans[*span].end());
    root.or_else(last).map(|(_, span)| span)
}

/// Whether the caller gave up waiting in a queue and no agent was ever reached.
fn was_abandoned(trace: &Trace) -> bool {
    let outcome = |wanted: &'static str| {
        trace.spans.iter().any(|span| {
            span.name == SpanName::QueueWait
                && span.attributes.get(Attribute::QueueOutcome) == Some(&Value::Word(wanted))
        })
    };
    outcome(ABANDONED) && !outcome(ANSWERED)
}
