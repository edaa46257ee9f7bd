//! Dials: from the moment at which a channel is called to what became of it.

use super::call::{Attributes, ROOT, Value};
use super::fields::{number, pick};
use super::names::{Attribute, EventName, SpanName};
use super::{OnLeg, Tracer, outcome};
use crate::ami::signal::Nanos;
use crate::ami::wire::{EventKind, Frame};

impl Tracer {
    /// `DialBegin`, `DialState` and `DialEnd`; until Asterisk 11 `Dial` with a `SubEvent`.
    pub(super) fn dial(&mut self, frame: &Frame<'_>, now: Nanos) {
        let keys = ["Uniqueid", "DestUniqueid", "DialString", "DialStatus", "SubEvent", "Forward"];
        let [caller, called, dial_string, status, step, forward] = pick(frame, keys);
        self.dials_end_late |= frame.kind() == EventKind::Dial;
        match (frame.kind(), step) {
            (EventKind::DialBegin, _) | (EventKind::Dial, b"Begin") => {
                self.with_leg(called, now, |mut at| at.dial_began(dial_string, caller.is_empty()));
            }
            (EventKind::DialState, _) => {
                self.with_leg(called, now, |mut at| at.dial_state(status));
            }
            // The end of a dial of Asterisk 11 names only the caller, whose dials all end with it.
            (EventKind::Dial, b"End") => {
                self.with_leg(caller, now, |at| end_all(at, status));
            }
            (EventKind::DialEnd, _) => {
                self.with_leg(called, now, |mut at| at.dial_told_to_end(status, forward));
            }
            _ => {}
        }
    }

    pub(super) fn originated(&mut self, frame: &Frame<'_>, now: Nanos) {
        let [uniqueid, response, reason] = pick(frame, ["Uniqueid", "Response", "Reason"]);
        self.with_leg(uniqueid, now, |mut at| {
            let mut attributes = super::legs::texts(&at, [(Attribute::OriginateResponse, response)]);
            if let Some(reason) = number(reason) {
                attributes.set(Attribute::OriginateReason, Value::Int(reason));
            }
            at.event(EventName::Originate, attributes);
        });
    }
}

impl OnLeg<'_> {
    fn dial_began(&mut self, dial_string: &[u8], originated: bool) {
        let Some(dial) = self.open(SpanName::Dial, ROOT) else { return };
        self.set_text(dial, Attribute::DialString, dial_string);
        if originated {
            self.trace.set(dial, Attribute::Originated, Value::Bool(true));
        }
    }

    fn dial_state(&mut self, status: &[u8]) {
        let Some(dial) = self.find_open(SpanName::Dial) else { return };
        let name = match status {
            b"RINGING" => EventName::Ringing,
            b"PROGRESS" | b"PROCEEDING" => EventName::Progress,
            _ => return,
        };
        self.event_of(dial, name, Attributes::default());
    }

    /// A dial can be told to have ended twice: `NOANSWER`, then `CANCEL` when its channel is cleared away. The first says
    /// what became of it.
    fn dial_told_to_end(&mut self, status: &[u8], forward: &[u8]) {
        // Features dial their channel without saying so.
        if self.find(SpanName::Dial).is_none()
            && let Some(dial) = self.open(SpanName::Dial, ROOT)
        {
            self.trace.spans[dial].start = self.trace.spans[self.leg_span()].start;
        }
        self.dial_ended(status, forward);
    }

    /// The dial of the leg ends, if there is one that is open.
    pub(super) fn dial_ended(&mut self, status: &[u8], forward: &[u8]) {
        let Some(dial) = self.find_open(SpanName::Dial) else { return };
        self.end(dial, status);
        self.set_text(dial, Attribute::Forward, forward);
        self.ring_ended(outcome::of_ring(status));
    }

    fn end(&mut self, dial: usize, status: &[u8]) {
        self.set_text(dial, Attribute::DialStatus, status);
        if let Some(why) = outcome::failure_of_dial(status) {
            self.trace.fail(dial, why);
        }
        self.trace.close(dial, self.now);
    }
}

fn end_all(mut at: OnLeg<'_>, status: &[u8]) {
    for span in 0..at.trace.spans.len() {
        if at.trace.spans[span].name == SpanName::Dial && at.trace.spans[span].end().is_none() {
            at.end(span, status);
        }
    }
}
