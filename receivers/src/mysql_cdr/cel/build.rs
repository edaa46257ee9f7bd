//! The trace of a call, from its events: what `ami` tells of the same call, as far as they tell it.

use std::collections::HashMap;
use std::sync::Arc;

use otelcol_asterisk::cause;
use otelcol_asterisk::disposition::Disposition;
use otelcol_asterisk::ids::span_id;
use serde_json::Value as Json;

use super::config::TracesConfig;
use super::dials::Dials;
use super::event::{Event, Kind};
use super::open::OpenCall;
use super::places::Bridge;
use crate::call_trace::call::{
    Attributes, Link, Nanos, Owner, ROOT, SpanEvent, Trace, Value, clean, text_value,
};
use crate::call_trace::leg::{Leg, Told};
use crate::call_trace::names::{Attribute, EventName, SpanName};
use crate::call_trace::outcome;
use crate::mysql_cdr::system::System;

/// What is known of a channel from all of its events, before the first of them is told.
#[derive(Debug, Default)]
pub(super) struct Facts<'c> {
    /// The application that dialled it, if one did.
    pub(super) dialled_by: Option<&'c str>,
    /// Its hangup.
    pub(super) hangup: Option<Hangup>,
}

/// How a channel ended.
#[derive(Debug)]
pub(super) struct Hangup {
    pub(super) at: Nanos,
    pub(super) code: Option<u8>,
    /// It ended itself: its far end hung up.
    pub(super) by_far_end: bool,
    /// `DIALSTATUS`, of the last one that it dialled.
    pub(super) dial_status: String,
}

impl Hangup {
    fn new(event: &Event) -> Self {
        let extra = extra(event);
        Self {
            at: event.at,
            code: extra.get("hangupcause").and_then(Json::as_u64).and_then(|code| code.try_into().ok()),
            by_far_end: !event.channel_name.is_empty()
                && text(&extra, "hangupsource") == &*event.channel_name,
            dial_status: text(&extra, "dialstatus").to_owned(),
        }
    }
}

/// What an event has besides; nothing where it is no JSON, as before Asterisk 12.
pub(super) fn extra(event: &Event) -> Json {
    serde_json::from_str(&event.extra).unwrap_or_default()
}

/// A text of it.
pub(super) fn text<'j>(extra: &'j Json, key: &str) -> &'j str {
    extra.get(key).and_then(Json::as_str).unwrap_or_default()
}

/// The first of an application's arguments.
pub(super) fn first_argument(event: &Event) -> &str {
    event.application_data.split(',').next().unwrap_or_default()
}

/// A trace that grows.
pub(super) struct Builder<'c> {
    pub(super) trace: Trace,
    pub(super) config: &'c TracesConfig,
    pub(super) facts: HashMap<&'c str, Facts<'c>>,
    /// The legs by Uniqueid.
    legs: HashMap<&'c str, u32>,
    pub(super) dials: Dials<'c>,
    pub(super) bridges: Vec<Bridge<'c>>,
    /// The root channel, or one that was dialled, was answered.
    pub(super) is_answered: bool,
    pub(super) now: Nanos,
}

/// The trace of a call that is over; `None` if nothing is known of any of its channels.
pub(super) fn trace_of(call: &OpenCall, system: &System, config: &TracesConfig) -> Option<Trace> {
    let mut events: Vec<&Event> = call.events.iter().map(|event| &**event).collect();
    events.sort_by(|a, b| a.order().cmp(&b.order()));
    let first = events.iter().find(|event| event.kind != Kind::LinkedidEnd)?;
    let id = system.trace_id(Some(&call.system), &call.linkedid);
    let mut trace = Trace::new(id, Arc::from(&*call.linkedid), first.at);
    if !matches!(first.kind, Kind::ChanStart | Kind::JoinedFrom) {
        trace.set(ROOT, Attribute::Found, Value::Bool(true));
    }
    let mut facts: HashMap<&str, Facts<'_>> = HashMap::new();
    for event in &events {
        let facts = facts.entry(&*event.uniqueid).or_default();
        if matches!(&*event.application, "AppDial" | "AppDial2" | "AppQueue") {
            facts.dialled_by.get_or_insert(&event.application);
        }
        if event.kind == Kind::Hangup {
            facts.hangup.get_or_insert_with(|| Hangup::new(event));
        }
    }
    let mut builder = Builder {
        trace,
        config,
        facts,
        legs: HashMap::new(),
        dials: Dials::default(),
        bridges: Vec::new(),
        is_answered: false,
        now: first.at,
    };
    for event in events {
        // Told when all are gone; it is nothing that a channel does.
        if event.kind != Kind::LinkedidEnd {
            builder.now = event.at;
            builder.event(event, system, &call.system);
        }
    }
    let Builder { mut trace, now, facts, is_answered, dials, .. } = builder;
    trace.dropped_spans = trace.dropped_spans.saturating_add(call.dropped);
    if call.is_cut {
        trace.set(ROOT, Attribute::Cut, Value::Word("age"));
        outcome::mark_unfinished(&mut trace, now);
        return Some(trace);
    }
    let cause = || {
        let of_root = facts.get(&*call.linkedid).and_then(|facts| facts.hangup.as_ref());
        let last = || facts.values().filter_map(|facts| facts.hangup.as_ref()).max_by_key(|hangup| hangup.at);
        of_root.or_else(last)?.code.map(Disposition::of_cause)
    };
    let disposition = if is_answered {
        Disposition::Answered
    } else {
        dials.result().or_else(cause).unwrap_or(Disposition::Unknown)
    };
    trace.close_all(now);
    outcome::call_ended(&mut trace, disposition);
    if trace.dropped_spans > 0 {
        trace.set(ROOT, Attribute::Cut, Value::Word("spans"));
    }
    Some(trace)
}

impl<'c> Builder<'c> {
    fn event(&mut self, event: &'c Event, system: &System, system_name: &str) {
        let leg = match self.legs.get(&*event.uniqueid) {
            Some(leg) if event.kind != Kind::JoinedFrom => *leg,
            _ => self.leg_began(event),
        };
        self.describe(leg, event);
        match event.kind {
            Kind::JoinedFrom => self.linked(leg, Attribute::JoinedFrom, event, system, system_name),
            Kind::MovedInto => {
                self.linked(leg, Attribute::JoinedInto, event, system, system_name);
                self.leg_ended(leg);
            }
            Kind::Answer => self.answered(leg, event),
            Kind::AppStart => self.application_began(leg, event),
            Kind::AppEnd => self.application_ended(leg, event),
            Kind::Forward => self.forwarded(event),
            Kind::BridgeEnter => self.entered(leg, event),
            Kind::BridgeExit => self.left(leg, event),
            Kind::ParkStart => self.parked(leg, event),
            Kind::ParkEnd => self.unparked(leg, event),
            Kind::BlindTransfer => self.transferred(leg, event, "blind"),
            Kind::AttendedTransfer => self.transferred(leg, event, "attended"),
            Kind::Pickup => self.picked_up(leg, event),
            Kind::Dtmf if self.config.dtmf => self.dtmf(leg, event),
            Kind::User => self.user_event(leg, event),
            Kind::Hangup => self.hung_up(leg, event),
            Kind::ChanEnd => self.leg_ended(leg),
            Kind::ChanStart | Kind::Dtmf | Kind::LinkedidEnd | Kind::Other => {}
        }
    }

    fn leg_began(&mut self, event: &'c Event) -> u32 {
        let [channel, context, exten] = [&event.channel_name, &event.context, &event.exten]
            .map(|text| clean(text.as_bytes(), &self.config.limits));
        let leg = Leg::new(Arc::from(&*event.uniqueid), [&channel, "", "", "", &context, &exten]);
        let number = self.trace.add_leg(leg, event.at, &self.config.limits);
        self.legs.insert(&event.uniqueid, number);
        match event.kind {
            Kind::ChanStart => self.dial_began(number, event),
            Kind::JoinedFrom => {}
            _ => self.set(number, Attribute::Found, Value::Bool(true)),
        }
        number
    }

    /// Who called is who called first: transfers and bridges change it to the other side.
    fn describe(&mut self, leg: u32, event: &Event) {
        let limits = &self.config.limits;
        let leg = &mut self.trace.legs[leg as usize];
        for (which, text) in [(Told::CallerId, &event.caller_number), (Told::CallerName, &event.caller_name)]
        {
            if leg.text(which).is_empty() {
                leg.set_text(which, &clean(text.as_bytes(), limits));
            }
        }
        if !event.account.is_empty() {
            leg.set_text(Told::Account, &clean(event.account.as_bytes(), limits));
        }
    }

    /// The leg comes from or goes on in the trace of another call; both of its spans say so.
    fn linked(&mut self, leg: u32, key: Attribute, event: &Event, system: &System, system_name: &str) {
        self.set(leg, key, Value::Text(event.extra.clone()));
        let trace = system.trace_id(Some(system_name), &event.extra);
        let span = span_id(&trace, SpanName::Leg.name(), &event.uniqueid);
        if let Some(own) = self.trace.legs[leg as usize].span {
            self.trace.link(own as usize, Link { trace, span });
        }
    }

    fn hung_up(&mut self, leg: u32, event: &'c Event) {
        self.wait_ended(leg, event);
        self.dial_unanswered(leg, event);
        let hangup = self.facts.get(&*event.uniqueid).and_then(|facts| facts.hangup.as_ref());
        let Some((code, by_far_end)) = hangup.map(|hangup| (hangup.code, hangup.by_far_end)) else { return };
        let mut attributes = Attributes::default();
        attributes.set(Attribute::HangupBy, Value::Word("far_end"));
        if let Some(code) = code {
            let cause = Value::Word(cause::text(code));
            self.set(leg, Attribute::HangupCause, cause.clone());
            if let Some(span) = self.trace.legs[leg as usize].span {
                outcome::leg_ended(&mut self.trace, span as usize, code);
            }
            attributes.set(Attribute::HangupCauseCode, Value::Int(code.into()));
            attributes.set(Attribute::HangupCause, cause);
        }
        if by_far_end {
            self.tell(leg, EventName::HangupRequest, attributes);
        }
        self.leg_ended(leg);
    }

    fn leg_ended(&mut self, leg: u32) {
        for bridge in 0..self.bridges.len() {
            self.leave(bridge, leg);
        }
        self.trace.close_leg(leg, self.now);
    }

    fn dtmf(&mut self, leg: u32, event: &Event) {
        let extra = extra(event);
        let mut attributes =
            self.texts([(Attribute::Digit, text(&extra, "digit")), (Attribute::Direction, &event.user_type)]);
        if let Some(duration) = extra.get("duration_ms").and_then(Json::as_i64) {
            attributes.set(Attribute::DigitDuration, Value::Int(duration));
        }
        self.tell(leg, EventName::Dtmf, attributes);
    }

    fn user_event(&mut self, leg: u32, event: &Event) {
        let extra = extra(event);
        let attributes = self.texts([
            (Attribute::UserEventType, &event.user_type),
            (Attribute::UserEventData, text(&extra, "extra")),
        ]);
        self.tell(leg, EventName::User, attributes);
    }

    /// The leg of a Uniqueid.
    pub(super) fn leg_of(&self, uniqueid: &str) -> Option<u32> {
        self.legs.get(uniqueid).copied()
    }

    pub(super) fn uniqueid(&self, leg: u32) -> Arc<str> {
        Arc::clone(&self.trace.legs[leg as usize].uniqueid)
    }

    /// Sets an attribute of a leg's span.
    pub(super) fn set(&mut self, leg: u32, key: Attribute, value: Value) {
        if let Some(span) = self.trace.legs[leg as usize].span {
            self.trace.set(span as usize, key, value);
        }
    }

    pub(super) fn set_text(&mut self, span: usize, key: Attribute, text: &str) {
        self.trace.set_text(span, key, text.as_bytes(), &self.config.limits);
    }

    /// Attributes of texts, those without a value left out.
    pub(super) fn texts<const N: usize>(&self, texts: [(Attribute, &str); N]) -> Attributes {
        let mut attributes = Attributes::default();
        for (key, text) in texts {
            if let Some(value) = text_value(text.as_bytes(), &self.config.limits) {
                attributes.set(key, value);
            }
        }
        attributes
    }

    /// Adds an event to a leg's span.
    pub(super) fn tell(&mut self, leg: u32, name: EventName, attributes: Attributes) {
        if let Some(span) = self.trace.legs[leg as usize].span {
            let event = SpanEvent { name, at: self.now, attributes };
            self.trace.event(span as usize, event, &self.config.limits);
        }
    }

    /// Opens a span of the leg's below `parent`.
    pub(super) fn open(&mut self, name: SpanName, leg: u32, parent: usize) -> Option<usize> {
        let subject = self.uniqueid(leg);
        self.trace.open(name, Owner::Leg(leg), &subject, parent, self.now, &self.config.limits)
    }

    pub(super) fn find_open(&self, name: SpanName, leg: u32) -> Option<usize> {
        self.trace.find_open(name, Owner::Leg(leg))
    }
}
