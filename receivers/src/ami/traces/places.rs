//! Places: bridges, conferences, and agents' sessions that a customer is put into.

use std::sync::Arc;

use hashbrown::HashMap;

use otelcol_asterisk::ids::call_root_span_id;

use super::Tracer;
use super::call::{Link, Owner, ROOT, Trace, Value};
use super::fields::pick;
use super::leg::Told;
use super::legs::texts;
use super::names::{Attribute, EventName, SpanName};
use crate::ami::book::{Book, BridgeKey, CallKey, ChannelKey, Place};
use crate::ami::signal::{Nanos, Signal};
use crate::ami::wire::{EventKind, Frame};

/// Who is in which bridge.
#[derive(Debug, Default)]
pub(super) struct Bridges(HashMap<BridgeKey, Bridge>);

#[derive(Debug)]
struct Bridge {
    members: Vec<(ChannelKey, CallKey)>,
    /// People talk in it: it is neither a parking lot nor a conference, which has spans of its own.
    talk: bool,
}

/// Where a change took place, and when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Move {
    pub(super) call: CallKey,
    pub(super) leg: ChannelKey,
    pub(super) place: Place,
    pub(super) now: Nanos,
}

impl Tracer {
    pub(super) fn entered(&mut self, to: Move, found: bool, signal: &Signal<'_, '_>, book: &Book) {
        match to.place {
            Place::Bridge(bridge) => {
                let members = self
                    .bridges
                    .0
                    .entry(bridge)
                    .or_insert_with(|| Bridge { members: Vec::with_capacity(2), talk: is_for_talk(signal) });
                members.members.push((to.leg, to.call));
                self.bridge_changed(bridge, found, book, to.now);
            }
            Place::Conference(conference) => {
                let name = book.conference_name(conference).unwrap_or_default();
                self.with_channel(to.leg, book, to.now, |mut at| {
                    let Some(span) = at.open(SpanName::Conference, ROOT) else { return };
                    at.set_text(span, Attribute::Conference, name.as_bytes());
                    if found {
                        at.trace.set(span, Attribute::Found, Value::Bool(true));
                    }
                });
            }
            // Events tell more of it.
            Place::Queue(queue) if found => {
                let name = book.queue_names().text(queue);
                self.with_channel(to.leg, book, to.now, |mut at| {
                    let Some(span) = at.open(SpanName::QueueWait, ROOT) else { return };
                    at.set_text(span, Attribute::QueueName, name.as_bytes());
                    at.trace.set(span, Attribute::Found, Value::Bool(true));
                });
            }
            Place::Queue(_) => {}
        }
    }

    pub(super) fn left(&mut self, from: Move, lost: bool, book: &Book) {
        let now = self.end_of(lost, from.now);
        match from.place {
            Place::Bridge(bridge) => self.leave_bridge(bridge, from.leg, from.call, book, now),
            Place::Conference(_) => {
                self.close_place(from.leg, SpanName::Conference, lost, book, now);
                self.close_talks(from.call, now);
            }
            // Events tell more of it.
            Place::Queue(_) if lost => self.close_place(from.leg, SpanName::QueueWait, lost, book, now),
            Place::Queue(_) => {}
        }
    }

    fn close_place(&mut self, leg: ChannelKey, name: SpanName, lost: bool, book: &Book, now: Nanos) {
        self.with_channel(leg, book, now, |at| {
            let Some(span) = at.find_open(name) else { return };
            if lost {
                at.trace.set(span, Attribute::Lost, Value::Bool(true));
            }
            at.trace.close(span, now);
        });
    }

    /// Opens and closes the bridge's spans: a call has one while one of its legs is in it together with somebody.
    fn bridge_changed(&mut self, key: BridgeKey, found: bool, book: &Book, now: Nanos) {
        let Some(bridge) = self.bridges.0.get(&key).filter(|bridge| bridge.talk) else { return };
        let together = bridge.members.len() > 1;
        let owner = Owner::Bridge(key.number());
        for (position, (channel, call)) in bridge.members.iter().enumerate() {
            let Some(trace) = self.open.get_mut(call) else { continue };
            let is_first = bridge.members[..position].iter().all(|(_, before)| before != call);
            let span = match trace.find_open(SpanName::Bridge, owner) {
                Some(span) if together => span,
                Some(span) => {
                    trace.close(span, now);
                    continue;
                }
                None if together && is_first => {
                    let id = book.bridge_id(key).unwrap_or_default();
                    let limits = &self.config.limits;
                    let Some(span) = trace.open(SpanName::Bridge, owner, id, ROOT, now, limits) else {
                        continue;
                    };
                    trace.set_text(span, Attribute::BridgeId, id.as_bytes(), limits);
                    trace.set(span, Attribute::BridgeChannels, Value::Legs(Vec::new()));
                    if found {
                        trace.set(span, Attribute::Found, Value::Bool(true));
                    }
                    span
                }
                None => continue,
            };
            let uniqueid = book.channel(*channel).map(|channel| &*channel.uniqueid);
            if let Some(leg) = uniqueid.and_then(|uniqueid| self.legs.get(uniqueid)) {
                trace.spans[span].attributes.add_leg(Attribute::BridgeChannels, leg.leg);
            }
        }
    }

    fn leave_bridge(&mut self, key: BridgeKey, leg: ChannelKey, call: CallKey, book: &Book, now: Nanos) {
        let Some(bridge) = self.bridges.0.get_mut(&key) else { return };
        bridge.members.retain(|(member, _)| *member != leg);
        let is_empty = bridge.members.is_empty();
        if !bridge.members.iter().any(|(_, other)| *other == call)
            && let Some(trace) = self.open.get_mut(&call)
            && let Some(span) = trace.find_open(SpanName::Bridge, Owner::Bridge(key.number()))
        {
            trace.close(span, now);
        }
        self.bridge_changed(key, false, book, now);
        if is_empty {
            self.bridges.0.remove(&key);
        }
    }

    /// The leg goes on in another call: so do its places in bridges.
    pub(super) fn move_in_bridge(
        &mut self,
        bridge: BridgeKey,
        leg: ChannelKey,
        to: CallKey,
        book: &Book,
        now: Nanos,
    ) {
        let Some(members) = self.bridges.0.get_mut(&bridge) else { return };
        let mut from = None;
        for (member, call) in &mut members.members {
            if *member == leg {
                from = Some(std::mem::replace(call, to));
            }
        }
        if let Some(from) = from
            && !members.members.iter().any(|(_, call)| *call == from)
            && let Some(trace) = self.open.get_mut(&from)
            && let Some(span) = trace.find_open(SpanName::Bridge, Owner::Bridge(bridge.number()))
        {
            trace.close(span, now);
        }
        self.bridge_changed(bridge, false, book, now);
    }

    /// A customer came into the conference of an agent's session: the talk, with a link to the session.
    pub(super) fn joined_session(&mut self, call: CallKey, session: CallKey, now: Nanos) {
        let Some((link, agent)) = self.open.get(&session).map(|session| {
            let link = Link { trace: session.id, span: call_root_span_id(&session.id) };
            (link, session.spans[ROOT].attributes.get(Attribute::Agent).cloned())
        }) else {
            return;
        };
        let limits = &self.config.limits;
        let Some(trace) = self.open.get_mut(&call) else { return };
        let conference =
            trace.spans.iter().rposition(|span| span.name == SpanName::Conference && span.end().is_none());
        let leg = conference.and_then(|span| match trace.spans[span].owner {
            Owner::Leg(leg) => Some(leg),
            _ => None,
        });
        let leg = leg.unwrap_or(0);
        let owner = Owner::Session(leg, session.number());
        if trace.find_open(SpanName::Talk, owner).is_some() {
            return;
        }
        let subject = trace.legs.get(leg as usize).map(|leg| Arc::clone(&leg.uniqueid)).unwrap_or_default();
        let parent = conference.unwrap_or(ROOT);
        let Some(talk) = trace.open(SpanName::Talk, owner, &subject, parent, now, limits) else { return };
        trace.link(talk, link);
        let account =
            trace.legs.iter().map(|leg| leg.text(Told::Account)).find(|account| !account.is_empty());
        let campaign = match trace.spans[ROOT].attributes.get(Attribute::Campaign) {
            Some(campaign) => Some(campaign.clone()),
            None => account.map(|account| Value::Text(account.into())),
        };
        for (key, value) in [(Attribute::Agent, agent), (Attribute::Campaign, campaign)] {
            if let Some(value) = value {
                trace.set(talk, key, value.clone());
                trace.set(ROOT, key, value);
            }
        }
    }

    /// An agent's session is over, or out of its conference: so are the talks that it had.
    pub(super) fn close_talks(&mut self, session: CallKey, now: Nanos) {
        if self.open.get(&session).is_none_or(|trace| trace.spans[ROOT].name != SpanName::AgentSession) {
            return;
        }
        for trace in self.open.values_mut() {
            for span in 1..trace.spans.len() {
                let found = &trace.spans[span];
                if found.end().is_none()
                    && matches!(found.owner, Owner::Session(_, other) if other == session.number())
                {
                    trace.close(span, now);
                }
            }
        }
    }

    pub(super) fn muted(&mut self, frame: &Frame<'_>, now: Nanos) {
        let [uniqueid, conference] = pick(frame, ["Uniqueid", "Conference"]);
        let name =
            if frame.kind() == EventKind::ConfbridgeMute { EventName::Mute } else { EventName::Unmute };
        self.with_leg(uniqueid, now, |mut at| {
            let attributes = texts(&at, [(Attribute::Conference, conference)]);
            match at.find_open(SpanName::Conference) {
                Some(span) => at.event_of(span, name, attributes),
                None => at.event(name, attributes),
            }
        });
    }
}

/// The call is an agent's session: the agent is its caller, unless a variable says otherwise.
pub(super) fn become_session(session: &mut Trace) {
    session.spans[ROOT].name = SpanName::AgentSession;
    let caller = session.legs.first().map(|leg| leg.text(Told::CallerId)).filter(|caller| !caller.is_empty());
    let caller: Option<Box<str>> = caller.map(Into::into);
    if let Some(caller) = caller
        && session.spans[ROOT].attributes.get(Attribute::Agent).is_none()
    {
        session.set(ROOT, Attribute::Agent, Value::Text(caller));
    }
}

/// Whether those who are in a bridge together talk to each other there.
fn is_for_talk(signal: &Signal<'_, '_>) -> bool {
    let (Signal::Event(frame) | Signal::ListRow(_, frame)) = signal else { return true };
    let [kind, technology, creator, application] =
        pick(frame, ["BridgeType", "BridgeTechnology", "BridgeCreator", "Application"]);
    kind != b"parking"
        && technology != b"holding_bridge"
        && creator != b"ConfBridge"
        && application != b"ConfBridge"
        && application != b"Park"
}
