//! Channels begin, change and end; calls with them.

use std::sync::Arc;

use otelcol_asterisk::channel::technology;

use super::Book;
use super::call::{Call, Standing};
use super::change::{CallKey, Change, ChannelKey, Place};
use super::channel::{Channel, RING, RINGING, UP};
use super::fields::{Fields, number, text};
use super::recent::What;
use super::sessions::Origin;
use crate::ami::hangup;
use crate::ami::signal::Nanos;
use crate::ami::wire::EventKind;

/// Longer ids are none of Asterisk's (`AST_MAX_UNIQUEID` in `include/asterisk/channel.h` is 150).
const ID_BYTES: usize = 150;
/// Longer names are cut (`AST_CHANNEL_NAME` is 80).
const NAME_BYTES: usize = 256;

/// The id, if it can be one.
fn id(value: &[u8]) -> Option<&str> {
    text(value).filter(|id| id.len() <= ID_BYTES && *id != "<unknown>")
}

fn name_of(value: &[u8]) -> Box<str> {
    String::from_utf8_lossy(&value[..value.len().min(NAME_BYTES)]).into()
}

/// The second in which an id was made: `[systemname-]epoch.number`.
pub(super) fn second_of(id: &str) -> Option<Nanos> {
    let (before, _) = id.rsplit_once('.')?;
    let epoch = before.rsplit_once('-').map_or(before, |(_, epoch)| epoch);
    let seconds: u64 = epoch.parse().ok()?;
    // Ten digits: September 2001 to November 2286.
    (epoch.len() == 10).then_some(seconds * 1_000_000_000)
}

impl Book {
    /// A channel began, or was found. Known ones are only brought up to date.
    pub(super) fn channel_began(&mut self, fields: &Fields<'_>, found: bool) -> Option<ChannelKey> {
        let uniqueid = id(fields.uniqueid)?;
        if let Some(key) = self.leg(fields) {
            self.revive(key);
            return Some(key);
        }
        if self.recent.has(What::Channel, uniqueid) {
            return None;
        }
        if self.channels.len() >= self.config.limits.channels {
            self.tally.channels_over_limit += 1;
            return None;
        }
        let uniqueid: Arc<str> = Arc::from(uniqueid);
        let technology = self.technologies.intern(technology(&name_of(fields.channel)).as_bytes());
        let local = self.technologies.text(technology) == "Local";
        let state = number(fields.state).unwrap_or(0);
        let began = if found { self.began_before(&uniqueid, fields) } else { self.now };
        let call = self.call_of(&uniqueid, fields, began, found);
        let key = self.channels.insert(Channel {
            uniqueid: Arc::clone(&uniqueid),
            name: name_of(fields.channel),
            call,
            technology,
            state,
            began,
            answered: None,
            bridge: None,
            conference: None,
            queue: None,
            hangup_requested: false,
            dialled: found && !local,
            dial_ended: false,
            cause: None,
            cause_text: None,
            missing: false,
            touched: self.listing,
            bridge_touched: 0,
            conference_touched: 0,
            listed: 0,
        });
        self.by_uniqueid.insert(uniqueid, key);
        self.changes.push(Change::LegBegan { call, leg: key, found });
        if let Some(call) = self.calls.get_mut(call) {
            call.legs += 1;
            call.present += 1;
            call.began = call.began.min(began);
            // A channel that somebody calls in on is no leg that is going to be dialled.
            call.linked |= state == RING;
            if !local && call.technology.is_none() {
                call.technology = Some(technology);
            }
        }
        if !found {
            self.tally.channels.add(technology);
        }
        self.rose(key, state);
        self.settle(call, false);
        Some(key)
    }

    /// When a channel began that runs already.
    fn began_before(&self, uniqueid: &str, fields: &Fields<'_>) -> Nanos {
        let by_duration = || {
            let mut parts = text(fields.duration)?.splitn(3, ':').map(|part| part.parse::<u64>().ok());
            let (hours, minutes, seconds) = (parts.next()??, parts.next()??, parts.next()??);
            self.now.checked_sub((hours * 3600 + minutes * 60 + seconds) * 1_000_000_000)
        };
        second_of(uniqueid).filter(|second| *second <= self.now).or_else(by_duration).unwrap_or(self.now)
    }

    /// The call that a new channel belongs to.
    fn call_of(&mut self, uniqueid: &Arc<str>, fields: &Fields<'_>, began: Nanos, found: bool) -> CallKey {
        let told = id(fields.linkedid);
        let linkedid = told.unwrap_or(uniqueid);
        if let Some(call) = self.by_linkedid.get(linkedid) {
            return *call;
        }
        let linkedid = if linkedid == &**uniqueid { Arc::clone(uniqueid) } else { Arc::from(linkedid) };
        // Of a call whose root is gone the Linkedid still tells when it began.
        let began =
            if found { second_of(&linkedid).map_or(began, |second| second.min(began)) } else { began };
        let origin = self.patterns.origin(fields.context, fields.exten);
        // Its last channel ended, and here is another one: it was counted then.
        let standing =
            if self.recent.has(What::Call, &linkedid) { Standing::Counted } else { Standing::Open };
        let context = self.contexts.intern(fields.context);
        let call = self.calls.insert(Call {
            found,
            standing,
            told: told.is_some(),
            linked: told.is_some(),
            agent_origin: origin == Origin::Candidate,
            ..Call::new(Arc::clone(&linkedid), began, context)
        });
        self.by_linkedid.insert(linkedid, call);
        self.changes.push(Change::CallBegan { call, found });
        if origin == Origin::Session {
            self.become_session(call);
        }
        call
    }

    /// The channel that an event tells of, if it is known; with its Linkedid as the event has it.
    pub(super) fn leg(&mut self, fields: &Fields<'_>) -> Option<ChannelKey> {
        self.leg_of(fields.uniqueid, fields.linkedid)
    }

    /// As [`Book::leg`], for one of several channels in an event.
    pub(super) fn leg_of(&mut self, uniqueid: &[u8], linkedid: &[u8]) -> Option<ChannelKey> {
        let key = self.find_channel(uniqueid)?;
        let channel = self.channels.get_mut(key)?;
        channel.touched = self.listing;
        let from = channel.call;
        let call = self.calls.get(from)?;
        if !linkedid.is_empty() && call.linkedid.as_bytes() != linkedid {
            self.moved(key, from, linkedid);
        }
        Some(key)
    }

    /// The channel of an event that only a channel which is up can have; found by it if its beginning was not heard.
    pub(super) fn living_leg(&mut self, fields: &Fields<'_>) -> Option<ChannelKey> {
        match self.leg(fields) {
            Some(key) => {
                self.revive(key);
                Some(key)
            }
            None => self.channel_began(fields, true),
        }
    }

    /// A channel changed its Linkedid: calls were joined.
    pub(super) fn moved(&mut self, key: ChannelKey, from: CallKey, linkedid: &[u8]) {
        let Some(linkedid) = id(linkedid) else { return };
        let Some((channel, call)) = self.channels.get(key).zip(self.calls.get(from)) else { return };
        let (began, context, technology) = (channel.began, call.context, channel.technology);
        let to = match self.by_linkedid.get(linkedid) {
            Some(to) => *to,
            None => {
                // A call of which no channel was heard: it began when its id was made.
                let linkedid: Arc<str> = Arc::from(linkedid);
                let began = second_of(&linkedid).unwrap_or(began).min(began);
                let to = self.calls.insert(Call {
                    found: true,
                    told: true,
                    linked: true,
                    ..Call::new(Arc::clone(&linkedid), began, context)
                });
                self.by_linkedid.insert(linkedid, to);
                self.changes.push(Change::CallBegan { call: to, found: true });
                to
            }
        };
        let local = self.technologies.text(technology) == "Local";
        let Some(channel) = self.channels.get_mut(key) else { return };
        channel.call = to;
        let (present, answered) = (u32::from(channel.present()), channel.answered);
        if let Some(call) = self.calls.get_mut(to) {
            call.legs += 1;
            call.present += present;
            call.answered = call.answered.or(answered);
            if !local && call.technology.is_none() {
                call.technology = Some(technology);
            }
        }
        self.changes.push(Change::LegMoved { leg: key, from, to });
        self.settle(to, false);
        if let Some(call) = self.calls.get_mut(from) {
            call.legs -= 1;
            call.present -= present;
            if call.legs == 0 {
                if call.standing == Standing::Open && !call.linked {
                    call.standing = Standing::Absorbed;
                }
                self.call_ended(from, false, Some(to));
            }
        }
    }

    pub(super) fn channel_state(&mut self, fields: &Fields<'_>) {
        if let Some(key) = self.living_leg(fields)
            && let Some(state) = number(fields.state)
        {
            self.rose(key, state);
        }
    }

    /// A channel's state is told.
    pub(super) fn rose(&mut self, key: ChannelKey, state: u8) {
        let Some(channel) = self.channels.get_mut(key) else { return };
        channel.state = state;
        let call_key = channel.call;
        // An end of a Local channel is up when the dialplan behind it is: nobody was reached by that. But where a call is
        // rooted in one, the dialplan is all there is.
        let Some(call) = self.calls.get_mut(call_key) else { return };
        let counts = channel.dialled || call.linkedid == channel.uniqueid || !call.linked;
        match state {
            UP if channel.answered.is_none() => {
                channel.answered = Some(self.now);
                self.changes.push(Change::LegAnswered { call: call_key, leg: key });
                if counts && call.answered.is_none() {
                    call.answered = Some(self.now);
                    let known = !call.found && call.standing != Standing::AgentSession;
                    if known {
                        self.tally.answered(self.now.saturating_sub(call.began), &call.linkedid, self.now);
                    }
                }
            }
            RINGING => self.rang(call_key),
            _ => {}
        }
    }

    /// A call rings somewhere.
    pub(super) fn rang(&mut self, call: CallKey) {
        let Some(call) = self.calls.get_mut(call).filter(|call| call.ringing.is_none()) else { return };
        call.ringing = Some(self.now);
        if !call.found && call.standing != Standing::AgentSession {
            self.tally.rang(self.now.saturating_sub(call.began), &call.linkedid, self.now);
        }
    }

    pub(super) fn hangup_requested(&mut self, fields: &Fields<'_>, kind: EventKind) {
        if let Some(key) = self.leg(fields)
            && hangup::asked_by(kind, fields.cause).is_some()
            && let Some(channel) = self.channels.get_mut(key)
        {
            channel.hangup_requested = true;
        }
    }

    /// A masquerade gave a channel another name, and with it another technology.
    pub(super) fn channel_renamed(&mut self, fields: &Fields<'_>) {
        if let Some(key) = self.leg(fields) {
            self.rename(key, fields.new_name);
        }
    }

    pub(super) fn rename(&mut self, key: ChannelKey, name: &[u8]) {
        let Some(channel) = self.channels.get_mut(key) else { return };
        if name.is_empty() || channel.name.as_bytes() == name {
            return;
        }
        channel.name = name_of(name);
        channel.technology = self.technologies.intern(technology(&channel.name).as_bytes());
    }

    pub(super) fn channel_ended(&mut self, fields: &Fields<'_>) {
        let Some(uniqueid) = id(fields.uniqueid) else { return };
        if self.recent.has(What::Channel, uniqueid) {
            return;
        }
        let text =
            self.causes.intern(if fields.cause_text.is_empty() { b"Unknown" } else { fields.cause_text });
        self.tally.hangups.add(text);
        let Some(key) = self.leg(fields).or_else(|| self.ended_at_once(fields)) else {
            self.recent.add(What::Channel, uniqueid);
            return;
        };
        if let Some(channel) = self.channels.get_mut(key) {
            channel.cause = Some(number(fields.cause).unwrap_or(0));
            channel.cause_text = Some(text);
        }
        self.end_channel(key, false);
    }

    /// A channel of which nothing was heard but its end, because it began while nobody listened: it is of a call all the
    /// same. Not where it can be a leg that was left out by a limit, or the last one of a call that was held to be over.
    fn ended_at_once(&mut self, fields: &Fields<'_>) -> Option<ChannelKey> {
        let linkedid = id(fields.linkedid)?;
        let is_room = self.channels.len() < self.config.limits.channels;
        let is_news = is_room && !self.recent.has(What::Call, linkedid);
        if is_news { self.channel_began(fields, true) } else { None }
    }

    /// Takes a channel out of the book.
    pub(super) fn end_channel(&mut self, key: ChannelKey, lost: bool) {
        self.leave_all(key);
        let Some(channel) = self.channels.get(key) else { return };
        let (uniqueid, call_key, present) = (Arc::clone(&channel.uniqueid), channel.call, channel.present());
        let cause = channel.cause.zip(channel.cause_text);
        if !self.channels.retire(key) {
            return;
        }
        self.by_uniqueid.remove(&uniqueid);
        if !lost {
            self.recent.add(What::Channel, &uniqueid);
        }
        self.changes.push(Change::LegEnded { call: call_key, leg: key, lost });
        let Some(call) = self.calls.get_mut(call_key) else { return };
        call.legs -= 1;
        call.present -= u32::from(present);
        if !call.root_ended {
            call.cause = cause.or(call.cause);
            call.root_ended = call.linkedid == uniqueid;
        }
        if call.legs == 0 {
            self.call_ended(call_key, lost, None);
        }
    }

    /// Takes a channel out of every place that it is in; unheard.
    pub(super) fn leave_all(&mut self, key: ChannelKey) {
        let Some(channel) = self.channels.get(key) else { return };
        let places = [
            channel.bridge.map(Place::Bridge),
            channel.conference.map(Place::Conference),
            channel.queue.map(Place::Queue),
        ];
        for place in places.into_iter().flatten() {
            self.leave(key, place, true);
        }
    }

    /// The last channel of a call is gone.
    fn call_ended(&mut self, key: CallKey, lost: bool, joined: Option<CallKey>) {
        self.settle(key, true);
        let Some(call) = self.calls.get(key) else { return };
        let disposition = call.disposition(lost);
        let linkedid = Arc::clone(&call.linkedid);
        if call.standing == Standing::Counted && !self.recent.has(What::Call, &linkedid) {
            let duration = self.now.saturating_sub(call.began);
            let cause = call.cause.map(|(_, text)| text).filter(|_| !lost);
            self.tally.call_ended(disposition, cause.map(|cause| (cause, duration)), &linkedid, self.now);
        }
        if !self.calls.retire(key) {
            return;
        }
        self.by_linkedid.remove(&linkedid);
        self.recent.add(What::Call, &linkedid);
        self.changes.push(Change::CallEnded { call: key, disposition, lost, joined });
    }

    /// Counts a call once it is known what it is; at its end at the latest.
    pub(super) fn settle(&mut self, key: CallKey, last: bool) {
        let Some(call) = self.calls.get_mut(key).filter(|call| call.standing == Standing::Open) else {
            return;
        };
        let sure = call.linked || call.answered.is_some();
        if last || (sure && call.technology.is_some() && !call.agent_origin) {
            call.standing = Standing::Counted;
            let local = self.technologies.intern(b"Local");
            self.tally.call(call.technology.unwrap_or(local), call.context);
        }
    }

    /// Ends calls that are open for longer than any call is.
    pub(super) fn end_old_calls(&mut self) {
        let age = u64::try_from(self.config.limits.call_age.get().as_nanos()).unwrap_or(u64::MAX);
        if age == 0 {
            return;
        }
        let too_old = |call: &Call| !call.is_agent_session() && self.now.saturating_sub(call.began) > age;
        let old: Vec<ChannelKey> = self
            .channels
            .iter()
            .filter(|(_, channel)| self.calls.get(channel.call).is_some_and(too_old))
            .map(|(key, _)| key)
            .collect();
        for key in old {
            if let Some(channel) = self.channels.get(key) {
                // It may well be up, and is not to be found again.
                self.recent.add(What::Channel, &channel.uniqueid);
            }
            self.end_channel(key, true);
            self.tally.channels_over_age += 1;
        }
    }
}
