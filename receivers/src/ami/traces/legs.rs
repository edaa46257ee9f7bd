//! Legs: a span a channel, and what happens on it.

use std::sync::Arc;

use otelcol_asterisk::{cause, quality};

use super::call::{Attributes, Link, Owner, ROOT, SpanEvent, Value, clean, text_value};
use super::fields::{number, pick};
use super::leg::{Leg, Told};
use super::names::{Attribute, EventName, SpanName};
use super::{LegOf, OnLeg, Tracer, outcome};
use crate::ami::book::{Book, Call, CallKey, ChannelKey};
use crate::ami::hangup;
use crate::ami::signal::{Nanos, Signal};
use crate::ami::wire::{EventKind, Frame};

impl OnLeg<'_> {
    /// Adds an event to the leg's span.
    pub(super) fn event(&mut self, name: EventName, attributes: Attributes) {
        if let Some(span) = self.trace.legs[self.leg as usize].span {
            self.event_of(span as usize, name, attributes);
        }
    }

    /// Adds an event to a span.
    pub(super) fn event_of(&mut self, span: usize, name: EventName, attributes: Attributes) {
        self.trace.event(span, SpanEvent { name, at: self.now, attributes }, &self.config.limits);
    }

    /// Opens a span of the leg's below `parent`.
    pub(super) fn open(&mut self, name: SpanName, parent: usize) -> Option<usize> {
        let subject = Arc::clone(&self.trace.legs[self.leg as usize].uniqueid);
        self.trace.open(name, Owner::Leg(self.leg), &subject, parent, self.now, &self.config.limits)
    }

    /// The leg's own span, or the root where the limit left none.
    pub(super) fn leg_span(&self) -> usize {
        self.trace.legs[self.leg as usize].span.map_or(ROOT, |span| span as usize)
    }

    pub(super) fn find(&self, name: SpanName) -> Option<usize> {
        self.trace.find(name, Owner::Leg(self.leg))
    }

    pub(super) fn find_open(&self, name: SpanName) -> Option<usize> {
        self.trace.find_open(name, Owner::Leg(self.leg))
    }

    pub(super) fn set_text(&mut self, span: usize, key: Attribute, text: &[u8]) {
        self.trace.set_text(span, key, text, &self.config.limits);
    }
}

/// Attributes of texts, those without a value left out.
pub(super) fn texts<const N: usize>(at: &OnLeg<'_>, texts: [(Attribute, &[u8]); N]) -> Attributes {
    let mut attributes = Attributes::default();
    for (key, text) in texts {
        if let Some(value) = text_value(text, &at.config.limits) {
            attributes.set(key, value);
        }
    }
    attributes
}

impl Tracer {
    pub(super) fn leg_began(
        &mut self,
        call: CallKey,
        leg: ChannelKey,
        found: bool,
        signal: &Signal<'_, '_>,
        book: &Book,
    ) {
        let Some(channel) = book.channel(leg) else { return };
        let Some(trace) = self.open.get_mut(&call) else { return };
        let limits = &self.config.limits;
        let [caller_id, caller_name, account, context, exten] =
            described(signal, channel.uniqueid.as_bytes()).map(|text| clean(text, limits));
        let texts = [&*channel.name, &*caller_id, &*caller_name, &*account, &*context, &*exten];
        let leg = Leg::new(Arc::clone(&channel.uniqueid), texts);
        let number = trace.add_leg(leg, channel.began, &self.config.limits);
        if found && let Some(span) = trace.legs[number as usize].span {
            trace.set(span as usize, Attribute::Found, Value::Bool(true));
        }
        self.legs.insert(Arc::clone(&channel.uniqueid), LegOf { call, leg: number });
    }

    /// The leg goes on in the trace of another call; both of its spans say so.
    pub(super) fn leg_moved(&mut self, leg: ChannelKey, from: CallKey, to: CallKey, book: &Book, now: Nanos) {
        let Some(channel) = book.channel(leg) else { return };
        let uniqueid = Arc::clone(&channel.uniqueid);
        if book.call(from).is_some_and(Call::is_absorbed) {
            self.adopt(&uniqueid, from, to);
            return;
        }
        let Some(moved) = self.with_leg(uniqueid.as_bytes(), now, |at| {
            let leg = &at.trace.legs[at.leg as usize];
            let copy = leg.elsewhere();
            let link =
                leg.span.map(|span| Link { trace: at.trace.id, span: at.trace.spans[span as usize].id });
            at.trace.close_leg(at.leg, now);
            (copy, link, at.leg_span(), Arc::clone(&at.trace.linkedid))
        }) else {
            return;
        };
        let (copy, link, old_span, old_linkedid) = moved;
        self.legs.remove(&uniqueid);
        let Some(joined) = self.open.get_mut(&to) else { return };
        let number = joined.add_leg(copy, now, &self.config.limits);
        let new_linkedid = Arc::clone(&joined.linkedid);
        let mut back = None;
        if let Some(span) = joined.legs[number as usize].span {
            let span = span as usize;
            joined.set(span, Attribute::JoinedFrom, Value::Text((*old_linkedid).into()));
            if let Some(link) = link {
                joined.link(span, link);
            }
            back = Some(Link { trace: joined.id, span: joined.spans[span].id });
        }
        self.legs.insert(uniqueid, LegOf { call: to, leg: number });
        if let Some(bridge) = channel.bridge {
            self.move_in_bridge(bridge, leg, to, book, now);
        }
        if let Some(left) = self.open.get_mut(&from) {
            left.set(old_span, Attribute::JoinedInto, Value::Text((*new_linkedid).into()));
            if let Some(back) = back {
                left.link(old_span, back);
            }
        }
    }

    /// What was taken for a call of its own is a leg of another one, and was from its beginning.
    fn adopt(&mut self, uniqueid: &Arc<str>, from: CallKey, to: CallKey) {
        let Some(leg) = self.legs.remove(uniqueid).filter(|leg| leg.call == from) else { return };
        let Some(absorbed) = self.open.get_mut(&from) else { return };
        let leg = absorbed.legs.swap_remove(leg.leg as usize);
        let mut span = leg.span.map(|span| absorbed.spans.swap_remove(span as usize));
        let began = span.as_ref().map_or(absorbed.spans[ROOT].start, |span| span.start);
        self.forget(from);
        let Some(trace) = self.open.get_mut(&to) else { return };
        let number = trace.add_leg(leg, began, &self.config.limits);
        if let (Some(span), Some(place)) = (&mut span, trace.legs[number as usize].span) {
            let place = &mut trace.spans[place as usize];
            (place.events, place.extra) = (std::mem::take(&mut span.events), span.extra.take());
        }
        self.legs.insert(Arc::clone(uniqueid), LegOf { call: to, leg: number });
    }

    pub(super) fn leg_answered(&mut self, leg: ChannelKey, signal: &Signal<'_, '_>, book: &Book, now: Nanos) {
        // A list says that it was answered and not when.
        if matches!(signal, Signal::ListRow(..)) {
            return;
        }
        let ends_dial = self.dials_end_late;
        self.with_channel(leg, book, now, |mut at| {
            at.event(EventName::Answer, Attributes::default());
            if ends_dial {
                at.dial_ended(b"ANSWER", b"");
            }
        });
    }

    pub(super) fn leg_ended(
        &mut self,
        leg: ChannelKey,
        lost: bool,
        signal: &Signal<'_, '_>,
        book: &Book,
        now: Nanos,
    ) {
        let Some(channel) = book.channel(leg) else { return };
        let ended_at = self.end_of(lost, now);
        self.with_leg(channel.uniqueid.as_bytes(), now, |mut at| {
            let span = at.leg_span();
            if let Signal::Event(frame) = signal
                && frame.kind() == EventKind::Hangup
            {
                at.hung_up(span, frame);
            }
            if lost {
                at.trace.set(span, Attribute::Lost, Value::Bool(true));
            }
            at.trace.close_leg(at.leg, ended_at);
        });
    }

    pub(super) fn caller_id(&mut self, frame: &Frame<'_>, now: Nanos) {
        let [uniqueid, number, name] = pick(frame, ["Uniqueid", "CallerIDNum", "CallerIDName"]);
        self.with_leg(uniqueid, now, |at| {
            let leg = &mut at.trace.legs[at.leg as usize];
            // Who called is who called first: transfers and bridges change it to the other side.
            for (which, text) in [(Told::CallerId, number), (Told::CallerName, name)] {
                if leg.text(which).is_empty() {
                    leg.set_text(which, &clean(text, &at.config.limits));
                }
            }
        });
    }

    pub(super) fn account(&mut self, frame: &Frame<'_>, now: Nanos) {
        let [uniqueid, account] = pick(frame, ["Uniqueid", "AccountCode"]);
        self.with_leg(uniqueid, now, |at| {
            at.trace.legs[at.leg as usize].set_text(Told::Account, &clean(account, &at.config.limits));
        });
    }

    pub(super) fn renamed(&mut self, frame: &Frame<'_>, now: Nanos) {
        let [uniqueid, old, new] = pick(frame, ["Uniqueid", "Channel", "Newname"]);
        self.with_leg(uniqueid, now, |mut at| {
            let attributes = texts(&at, [(Attribute::OldName, old), (Attribute::Channel, new)]);
            at.event(EventName::Rename, attributes);
            // A zombie's name says nothing.
            if !new.is_empty() && !new.ends_with(b">") {
                at.trace.legs[at.leg as usize].set_text(Told::Channel, &clean(new, &at.config.limits));
            }
        });
    }

    pub(super) fn hangup_requested(&mut self, frame: &Frame<'_>, now: Nanos) {
        let [uniqueid, cause, tech] = pick(frame, ["Uniqueid", "Cause", "TechCause"]);
        let Some(by) = hangup::asked_by(frame.kind(), cause) else { return };
        let cause = number::<u8>(cause).filter(|_| frame.kind() == EventKind::HangupRequest);
        self.with_leg(uniqueid, now, |mut at| {
            let leg = &mut at.trace.legs[at.leg as usize];
            // Asterisk's own requests follow the one from outside.
            if std::mem::replace(&mut leg.hangup_requested, true) {
                return;
            }
            let mut attributes = texts(&at, [(Attribute::TechCause, tech)]);
            attributes.set(Attribute::HangupBy, Value::Word(by));
            if let Some(number) = cause {
                attributes.set(Attribute::HangupCauseCode, Value::Int(number.into()));
                attributes.set(Attribute::HangupCause, Value::Word(cause::text(number)));
            }
            at.event(EventName::HangupRequest, attributes);
        });
    }

    pub(super) fn rtcp(&mut self, frame: &Frame<'_>, now: Nanos) {
        let keys = ["Uniqueid", "MES", "RTT", "Report0FractionLost", "Report0IAJitter"];
        let [uniqueid, mes, rtt, lost, jitter] = pick(frame, keys);
        self.with_leg(uniqueid, now, |at| {
            let sent = number(mes).and_then(quality::mos_of_mes);
            let computed = || Some(quality::mos_of_rtcp(number(lost)?, number(jitter)?, number(rtt)));
            if let Some(mos) = sent.or_else(computed) {
                at.trace.legs[at.leg as usize].quality.add(mos);
            }
        });
    }

    pub(super) fn dtmf(&mut self, frame: &Frame<'_>, now: Nanos) {
        let keys = ["Uniqueid", "Digit", "Direction", "DurationMs", "End"];
        let [uniqueid, digit, direction, duration, end] = pick(frame, keys);
        if frame.kind() == EventKind::DTMF && end != b"Yes" {
            return;
        }
        self.with_leg(uniqueid, now, |mut at| {
            let mut attributes = texts(&at, [(Attribute::Digit, digit), (Attribute::Direction, direction)]);
            if let Some(duration) = number(duration) {
                attributes.set(Attribute::DigitDuration, Value::Int(duration));
            }
            at.event(EventName::Dtmf, attributes);
        });
    }

    pub(super) fn dialplan_step(&mut self, frame: &Frame<'_>, now: Nanos) {
        let keys = ["Uniqueid", "Context", "Extension", "Priority", "Application", "AppData"];
        let [uniqueid, context, exten, priority, application, data] = pick(frame, keys);
        self.with_leg(uniqueid, now, |mut at| {
            let mut attributes = texts(
                &at,
                [
                    (Attribute::Context, context),
                    (Attribute::Exten, exten),
                    (Attribute::Application, application),
                    (Attribute::ApplicationData, data),
                ],
            );
            if let Some(priority) = number(priority) {
                attributes.set(Attribute::Priority, Value::Int(priority));
            }
            at.event(EventName::Dialplan, attributes);
        });
    }

    pub(super) fn variable(&mut self, frame: &Frame<'_>, now: Nanos) {
        let [uniqueid, variable, value] = pick(frame, ["Uniqueid", "Variable", "Value"]);
        let Ok(variable) = str::from_utf8(variable) else { return };
        let config = &self.config;
        let is_in = |list: &[String]| list.iter().any(|name| name == variable);
        let number = config.variables.iter().position(|name| name == variable);
        let (agent, campaign) = (is_in(&config.agent_variables), is_in(&config.campaign_variables));
        if number.is_none() && !agent && !campaign {
            return;
        }
        self.with_leg(uniqueid, now, |mut at| {
            if let Some(number) = number.and_then(|number| u8::try_from(number).ok()) {
                at.set_text(at.leg_span(), Attribute::Variable(number), value);
            }
            if agent {
                at.set_text(ROOT, Attribute::Agent, value);
            }
            if campaign {
                at.set_text(ROOT, Attribute::Campaign, value);
            }
        });
    }
}

impl OnLeg<'_> {
    fn hung_up(&mut self, span: usize, frame: &Frame<'_>) {
        let [code, text, tech] = pick(frame, ["Cause", "Cause-txt", "TechCause"]);
        self.set_text(span, Attribute::HangupCause, text);
        self.set_text(span, Attribute::TechCause, tech);
        if let Some(code) = number::<u8>(code) {
            outcome::leg_ended(self.trace, span, code);
        }
    }
}

/// Caller's number and name, account code, context and extension of the channel `uniqueid`, from the event that told of
/// it: there it stands by itself, or as the one that is dialled.
fn described<'a>(signal: &Signal<'_, 'a>, uniqueid: &[u8]) -> [&'a [u8]; 5] {
    let (Signal::Event(frame) | Signal::ListRow(_, frame)) = signal else { return [&[]; 5] };
    let own = ["Uniqueid", "CallerIDNum", "CallerIDName", "AccountCode", "Context", "Exten"];
    let dialled = [
        "DestUniqueid",
        "DestCallerIDNum",
        "DestCallerIDName",
        "DestAccountCode",
        "DestContext",
        "DestExten",
    ];
    for keys in [own, dialled] {
        let [found, rest @ ..] = pick(frame, keys);
        if found == uniqueid {
            return rest;
        }
    }
    [&[]; 5]
}
