//! Dials and queues. Nothing tells of a dial as such: a channel that an application dialled has the name of that
//! application on its later events, and was dialled when it began.

use otelcol_asterisk::channel::ChannelName;
use otelcol_asterisk::disposition::Disposition;

use super::build::{Builder, extra, first_argument, text};
use super::event::Event;
use crate::call_trace::call::{Attributes, Nanos, Owner, ROOT, Value};
use crate::call_trace::names::{Attribute, EventName, SpanName};
use crate::call_trace::outcome;

/// A caller who hangs up so shortly after a dialled channel ended has ended it.
const AT_ONCE: Nanos = 500_000_000;

/// The dials of a call.
#[derive(Debug, Default)]
pub(super) struct Dials<'c> {
    /// `Dial` as it was run: by which channel, with which destinations.
    run: Vec<(&'c str, &'c str)>,
    /// Who dialled a leg, by its number: a channel, and which of `run` it was.
    callers: Vec<(u32, String, Option<usize>)>,
    /// Branches of the last dial that have no result yet.
    open: u32,
    /// The best result of the last dial, which can have several branches.
    result: Option<Disposition>,
}

impl Dials<'_> {
    /// How the last dial ended.
    pub(super) fn result(&self) -> Option<Disposition> {
        self.result
    }

    fn begins(&mut self) {
        if self.open == 0 {
            self.result = None;
        }
        self.open += 1;
    }

    fn ends(&mut self, status: &str) {
        self.open = self.open.saturating_sub(1);
        let Some(result) = Disposition::of_dial(status.as_bytes()) else { return };
        if self.result.is_none_or(|before| before.yields_to(result)) {
            self.result = Some(result);
        }
    }

    /// The newest `Dial` that has the channel among its destinations, with the destination as it was given.
    fn run_for(&self, channel: &str) -> Option<(usize, &str)> {
        let name = ChannelName::parse(channel);
        self.run.iter().enumerate().rev().find_map(|(place, (_, destinations))| {
            let mut given = destinations.split('&').filter_map(|one| one.split_once('/'));
            let (_, rest) = given.find(|(technology, rest)| {
                let others = || [rest.split('/').next(), rest.rsplit('@').next()];
                *technology == name.technology
                    && (*rest == name.peer || others().into_iter().flatten().any(|part| part == name.peer))
            })?;
            Some((place, rest))
        })
    }
}

impl<'c> Builder<'c> {
    /// A channel began: if it was dialled, that is when.
    pub(super) fn dial_began(&mut self, leg: u32, event: &'c Event) {
        let Some(application) = self.facts.get(&*event.uniqueid).and_then(|facts| facts.dialled_by) else {
            return;
        };
        let name = ChannelName::parse(&event.channel_name);
        let interface = format!("{}/{}", name.technology, name.peer);
        let Some(dial) = self.open(SpanName::Dial, leg, ROOT) else { return };
        self.dials.begins();
        if application == "AppDial2" {
            self.trace.set(dial, Attribute::Originated, Value::Bool(true));
        } else if application == "AppQueue" {
            self.set_text(dial, Attribute::DialString, &interface);
            self.ring_began(leg, &interface);
        } else if let Some((run, rest)) = self.dials.run_for(&event.channel_name) {
            let (caller, rest) = (self.dials.run[run].0.to_owned(), rest.to_owned());
            self.set_text(dial, Attribute::DialString, &rest);
            self.dials.callers.push((leg, caller, Some(run)));
        }
    }

    /// A queue rings an agent, for the caller who has waited least long if several do.
    fn ring_began(&mut self, leg: u32, interface: &str) {
        let is_wait =
            |span: &crate::call_trace::call::Span| span.name == SpanName::QueueWait && span.end().is_none();
        let Some(wait) = self.trace.spans.iter().rposition(is_wait) else { return };
        if let Owner::Leg(caller) = self.trace.spans[wait].owner {
            self.dials.callers.push((leg, self.uniqueid(caller).to_string(), None));
        }
        let queue = self.trace.spans[wait].attributes.get(Attribute::QueueName).cloned();
        let Some(ring) = self.open(SpanName::QueueRing, leg, wait) else { return };
        if let Some(queue) = queue {
            self.trace.set(ring, Attribute::QueueName, queue);
        }
        self.set_text(ring, Attribute::QueueInterface, interface);
    }

    pub(super) fn answered(&mut self, leg: u32, event: &'c Event) {
        self.tell(leg, EventName::Answer, Attributes::default());
        self.is_answered |= *event.uniqueid == *self.trace.linkedid;
        if let Some(ring) = self.find_open(SpanName::QueueRing, leg) {
            let wait = self.trace.spans[ring].parent as usize;
            if wait != ROOT && self.trace.spans[wait].end().is_none() {
                let interface = self.trace.spans[ring].attributes.get(Attribute::QueueInterface).cloned();
                if let Some(interface) = interface {
                    self.trace.set(wait, Attribute::QueueInterface, interface);
                }
                self.dial_ended(leg, "ANSWER");
                outcome::of_wait(&mut self.trace, wait, outcome::ANSWERED);
                self.trace.close(wait, self.now);
            }
        }
        self.dial_ended(leg, "ANSWER");
    }

    /// The dial of the leg ends, if there is one that is open.
    fn dial_ended(&mut self, leg: u32, status: &'static str) {
        let Some(dial) = self.find_open(SpanName::Dial, leg) else { return };
        self.is_answered |= status == "ANSWER";
        self.dials.ends(status);
        self.trace.set(dial, Attribute::DialStatus, Value::Word(status));
        if let Some(why) = outcome::failure_of_dial(status.as_bytes()) {
            self.trace.fail(dial, why);
        }
        self.trace.close(dial, self.now);
        if let Some(ring) = self.find_open(SpanName::QueueRing, leg) {
            let outcome = outcome::of_ring(status.as_bytes());
            self.trace.set(ring, Attribute::QueueOutcome, Value::Word(outcome));
            self.trace.close(ring, self.now);
        }
    }

    /// A channel hung up: if it was dialled and not answered, that is how its dial ended.
    pub(super) fn dial_unanswered(&mut self, leg: u32, event: &'c Event) {
        if self.find_open(SpanName::Dial, leg).is_some() {
            let status = self.unanswered_status(leg, event);
            self.dial_ended(leg, status);
        }
    }

    /// What became of a dialled channel that was not answered: its own cause where that says it, else what its caller's
    /// `DIALSTATUS` says of the last dial, else who hung up.
    fn unanswered_status(&self, leg: u32, event: &'c Event) -> &'static str {
        let code = self.facts.get(&*event.uniqueid).and_then(|facts| facts.hangup.as_ref()?.code);
        let of_cause = match code.map_or(Disposition::NoAnswer, Disposition::of_cause) {
            Disposition::Busy => return "BUSY",
            Disposition::Congestion => return "CONGESTION",
            // Answered elsewhere.
            Disposition::Cancel if code == Some(26) => return "CANCEL",
            Disposition::Cancel => "CANCEL",
            Disposition::Failed => "CHANUNAVAIL",
            _ => "NOANSWER",
        };
        let Some((_, caller, run)) = self.dials.callers.iter().rev().find(|(of, ..)| *of == leg) else {
            return of_cause;
        };
        let Some(ended) = self.facts.get(&**caller).and_then(|facts| facts.hangup.as_ref()) else {
            return of_cause;
        };
        let is_last = run.is_some_and(|run| self.dials.run[run + 1..].iter().all(|(by, _)| by != caller));
        match &*ended.dial_status {
            "CANCEL" if is_last => "CANCEL",
            // Another branch of the fork was faster.
            "ANSWER" if is_last => "CANCEL",
            "NOANSWER" if is_last => "NOANSWER",
            "CHANUNAVAIL" if is_last => "CHANUNAVAIL",
            "CONGESTION" if is_last => "CONGESTION",
            _ if ended.by_far_end && ended.at.abs_diff(event.at) < AT_ONCE => "CANCEL",
            _ => of_cause,
        }
    }

    pub(super) fn application_began(&mut self, leg: u32, event: &'c Event) {
        match &*event.application {
            "Dial" => self.dials.run.push((&event.uniqueid, first_argument(event))),
            "Queue" => {
                if let Some(wait) = self.open(SpanName::QueueWait, leg, ROOT) {
                    self.set_text(wait, Attribute::QueueName, first_argument(event));
                }
            }
            // ConfBridge tells of its bridge, which a caller enters when the prompts are over.
            "MeetMe" => self.conference_began(leg, first_argument(event)),
            _ => {}
        }
    }

    pub(super) fn application_ended(&mut self, leg: u32, event: &'c Event) {
        match &*event.application {
            "Queue" => self.wait_ended(leg, event),
            "MeetMe" => self.conference_ended(leg),
            _ => {}
        }
    }

    /// A caller left the queue and no agent had taken the call: hung up, was there for as long as the queue was told to
    /// keep him, or went elsewhere.
    pub(super) fn wait_ended(&mut self, leg: u32, event: &'c Event) {
        let Some(wait) = self.find_open(SpanName::QueueWait, leg) else { return };
        let waited = event.at.saturating_sub(self.trace.spans[wait].start);
        let limit = event.application_data.split(',').nth(4).and_then(|limit| limit.trim().parse().ok());
        let hangup = self.facts.get(&*event.uniqueid).and_then(|facts| facts.hangup.as_ref());
        let gave_up =
            hangup.is_some_and(|hangup| hangup.by_far_end && hangup.at.abs_diff(event.at) < AT_ONCE);
        let outcome = match limit {
            _ if gave_up => outcome::ABANDONED,
            Some(limit) if waited >= Nanos::saturating_mul(limit, 1_000_000_000) => outcome::TIMED_OUT,
            _ => "exited",
        };
        outcome::of_wait(&mut self.trace, wait, outcome);
        self.trace.close(wait, self.now);
    }

    pub(super) fn forwarded(&mut self, event: &'c Event) {
        let is_dial =
            |span: &crate::call_trace::call::Span| span.name == SpanName::Dial && span.end().is_none();
        if let Some(dial) = self.trace.spans.iter().rposition(is_dial) {
            self.set_text(dial, Attribute::Forward, text(&extra(event), "forward"));
        }
    }
}
