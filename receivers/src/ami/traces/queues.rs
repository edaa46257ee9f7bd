//! Queues: a caller's wait, and each agent whom it rings.

use super::call::{Owner, ROOT, Value};
use super::fields::{number, pick};
use super::names::{Attribute, SpanName};
use super::outcome::{self, ABANDONED, ANSWERED, TIMED_OUT};
use super::{OnLeg, Tracer};
use crate::ami::signal::Nanos;
use crate::ami::wire::{EventKind, Frame};

impl Tracer {
    pub(super) fn queue_joined(&mut self, frame: &Frame<'_>, now: Nanos) {
        let [uniqueid, queue, position, count] = pick(frame, ["Uniqueid", "Queue", "Position", "Count"]);
        self.with_leg(uniqueid, now, |mut at| {
            let Some(wait) = at.open(SpanName::QueueWait, ROOT) else { return };
            at.set_text(wait, Attribute::QueueName, queue);
            at.trace.set_int(wait, Attribute::QueuePosition, position);
            at.trace.set_int(wait, Attribute::QueueCount, count);
        });
    }

    pub(super) fn queue_left(&mut self, frame: &Frame<'_>, now: Nanos) {
        let [uniqueid] = pick(frame, ["Uniqueid"]);
        self.with_leg(uniqueid, now, |mut at| {
            let Some(wait) = at.find_open(SpanName::QueueWait) else { return };
            // Whether an agent took the call is told next.
            if at.trace.spans[wait].attributes.get(Attribute::QueueOutcome).is_none() {
                at.outcome(wait, "exited");
            }
            at.trace.close(wait, at.now);
        });
    }

    /// Asterisk says so too when the queue's own time is up: only who asked to hang up has abandoned.
    pub(super) fn queue_abandoned(&mut self, frame: &Frame<'_>, now: Nanos) {
        let [uniqueid, hold_time] = pick(frame, ["Uniqueid", "HoldTime"]);
        self.with_leg(uniqueid, now, |mut at| {
            let Some(wait) = at.find(SpanName::QueueWait) else { return };
            let gave_up = at.trace.legs[at.leg as usize].hangup_requested;
            outcome::of_wait(at.trace, wait, if gave_up { ABANDONED } else { TIMED_OUT });
            at.seconds(wait, Attribute::QueueHoldTime, hold_time);
        });
    }

    pub(super) fn agent_called(&mut self, frame: &Frame<'_>, now: Nanos) {
        let [caller, agent, interface, member, old_interface, old_member, queue] = pick(
            frame,
            [
                "Uniqueid",
                "DestUniqueid",
                "Interface",
                "MemberName",
                // Until Asterisk 11.
                "AgentCalled",
                "AgentName",
                "Queue",
            ],
        );
        let Some(caller_leg) = self.leg_number(caller) else { return };
        let ring = |mut at: OnLeg<'_>| {
            let wait = at.trace.find_open(SpanName::QueueWait, Owner::Leg(caller_leg)).unwrap_or(ROOT);
            let Some(ring) = at.open(SpanName::QueueRing, wait) else { return };
            at.set_text(ring, Attribute::QueueName, queue);
            at.set_text(ring, Attribute::QueueInterface, either(interface, old_interface));
            at.set_text(ring, Attribute::QueueMember, either(member, old_member));
        };
        if self.leg_number(agent).is_some() {
            self.with_leg(agent, now, ring);
        } else {
            self.with_leg(caller, now, ring);
        }
    }

    pub(super) fn agent_no_answer(&mut self, frame: &Frame<'_>, now: Nanos) {
        let [agent, ring_time] = pick(frame, ["DestUniqueid", "RingTime"]);
        self.with_leg(agent, now, |mut at| {
            let ring = at.find(SpanName::QueueRing);
            if let Some(ring) = ring {
                at.trace.set_int(ring, Attribute::QueueRingTime, ring_time);
            }
            at.ring_ended("no_answer");
        });
    }

    pub(super) fn agent_connected(&mut self, frame: &Frame<'_>, now: Nanos) {
        let keys = ["Uniqueid", "DestUniqueid", "MemberName", "Interface", "HoldTime"];
        let [caller, agent, member, interface, hold_time] = pick(frame, keys);
        self.with_leg(agent, now, |mut at| at.ring_ended(ANSWERED));
        self.with_leg(caller, now, |mut at| {
            let Some(wait) = at.find(SpanName::QueueWait) else { return };
            at.outcome(wait, ANSWERED);
            at.set_text(wait, Attribute::QueueMember, member);
            at.set_text(wait, Attribute::QueueInterface, interface);
            at.seconds(wait, Attribute::QueueHoldTime, hold_time);
            at.trace.close(wait, at.now);
        });
    }

    /// Comes around the hangups, sometimes after them, and sometimes names only the agent's channel.
    pub(super) fn agent_completed(&mut self, frame: &Frame<'_>, now: Nanos) {
        let keys = ["Uniqueid", "DestUniqueid", "HoldTime", "TalkTime", "Reason"];
        let [caller, agent, hold_time, talk_time, reason] = pick(frame, keys);
        let completed = |mut at: OnLeg<'_>| {
            let own = at.find(SpanName::QueueWait);
            let any = || at.trace.spans.iter().rposition(|span| span.name == SpanName::QueueWait);
            let Some(wait) = own.or_else(any) else { return };
            if frame.kind() == EventKind::AgentDump {
                at.outcome(wait, "dumped");
                return;
            }
            at.seconds(wait, Attribute::QueueHoldTime, hold_time);
            at.seconds(wait, Attribute::QueueTalkTime, talk_time);
            at.set_text(wait, Attribute::QueueCompletedBy, reason);
        };
        if self.leg_number(caller).is_some() {
            self.with_leg(caller, now, completed);
        } else {
            self.with_leg(agent, now, completed);
        }
    }
}

impl OnLeg<'_> {
    /// Sets a duration that Asterisk tells in whole seconds.
    fn seconds(&mut self, span: usize, key: Attribute, seconds: &[u8]) {
        if let Some(seconds) = number::<u32>(seconds) {
            self.trace.set(span, key, Value::Int(i64::from(seconds) * 1000));
        }
    }

    pub(super) fn outcome(&mut self, span: usize, outcome: &'static str) {
        self.trace.set(span, Attribute::QueueOutcome, Value::Word(outcome));
    }

    /// The leg, which a queue rang, rings no more. What was said first stays, except that an answer is told twice.
    pub(super) fn ring_ended(&mut self, outcome: &'static str) {
        let Some(ring) = self.find(SpanName::QueueRing) else { return };
        if self.trace.spans[ring].attributes.get(Attribute::QueueOutcome).is_none() {
            self.outcome(ring, outcome);
        }
        self.trace.close(ring, self.now);
    }
}

fn either<'a>(value: &'a [u8], older: &'a [u8]) -> &'a [u8] {
    if value.is_empty() { older } else { value }
}
