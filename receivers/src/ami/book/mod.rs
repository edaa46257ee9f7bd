//! The one place that knows which channels, calls, bridges, queues, peers and conferences there are.
//!
//! Events tell what changes; lists, read after each login and now and then, tell what is. What a list says is believed
//! unless an event that came after the list was asked for says otherwise. Levels are counted from this state when they
//! are asked for, so nothing can drift.

#![allow(dead_code, unused_imports, reason = "read by the rooms behind it")]

mod arena;
mod bridges;
mod call;
mod change;
mod channel;
mod channels;
mod conferences;
mod config;
mod dials;
mod fields;
mod histogram;
mod names;
mod places;
mod recent;
mod resync;
mod sessions;
mod tally;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

pub(crate) use call::{Call, Disposition};
pub(crate) use change::{BridgeKey, CallKey, Change, ChannelKey, ConferenceKey, Place};
pub(crate) use channel::Channel;
pub(crate) use config::{BookConfig, Buckets, DialerConfig, StateLimits};
pub(crate) use histogram::Histogram;
pub(crate) use names::{Names, Symbol};
pub(crate) use tally::{Counts, Tally};

use arena::Arena;
use bridges::Bridges;
use conferences::Conferences;
use fields::Fields;
use recent::Recent;
use sessions::SessionPatterns;

use super::signal::{List, Nanos, Signal};
use super::wire::{EventKind, Frame};

/// The state of one Asterisk.
#[derive(Debug)]
pub(crate) struct Book {
    config: BookConfig,
    patterns: SessionPatterns,
    channels: Arena<Channel>,
    by_uniqueid: HashMap<Arc<str>, ChannelKey>,
    calls: Arena<Call>,
    by_linkedid: HashMap<Arc<str>, CallKey>,
    bridges: Bridges,
    conferences: Conferences,
    /// Channels and calls that ended lately: what is told of them still is no news of something new.
    recent: Recent,
    /// Channels that a list did not name, in the order of the times at which they are given up.
    missing: VecDeque<(Nanos, ChannelKey)>,
    /// How many lists of channels were asked for.
    listing: u32,
    technologies: Names,
    contexts: Names,
    causes: Names,
    queue_names: Names,
    dial_statuses: Names,
    tally: Tally,
    /// When what is applied now happened.
    now: Nanos,
    /// What became true by it.
    changes: Vec<Change>,
}

impl Book {
    /// An empty book.
    pub(crate) fn new(config: BookConfig) -> Self {
        let names = Names::new;
        Self {
            patterns: SessionPatterns::new(&config.dialer),
            technologies: names(config.limits.names),
            contexts: names(config.limits.names),
            causes: names(config.limits.names),
            queue_names: names(config.limits.queues),
            dial_statuses: names(config.limits.names),
            tally: Tally::new(&config.buckets),
            config,
            channels: Arena::default(),
            by_uniqueid: HashMap::new(),
            calls: Arena::default(),
            by_linkedid: HashMap::new(),
            bridges: Bridges::default(),
            conferences: Conferences::default(),
            recent: Recent::default(),
            missing: VecDeque::new(),
            listing: 0,
            now: 0,
            changes: Vec::new(),
        }
    }

    /// Takes a signal in; [`Book::changes`] says what became true by it. `now` is when it happened, or when it was received.
    pub(crate) fn apply(&mut self, signal: &Signal<'_, '_>, now: Nanos) {
        self.begin(now);
        match signal {
            Signal::Event(frame) => self.event(frame),
            Signal::ListBegin(list) => self.list_began(*list),
            Signal::ListRow(list, frame) => self.list_row(*list, frame),
            Signal::ListEnd { list, complete: true } => self.list_ended(*list),
            Signal::ListEnd { complete: false, .. } => {}
            Signal::Up(_) | Signal::Answer(..) | Signal::Down => {}
        }
    }

    /// Lets time pass: gives up what is missing and what is too old. For whoever has nothing to apply; it does not matter how
    /// often.
    pub(crate) fn tick(&mut self, now: Nanos) {
        self.begin(now);
        self.end_old_calls();
    }

    /// What became true by the last [`Book::apply`] or [`Book::tick`], in order.
    pub(crate) fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// All channels that Asterisk has, as far as is known.
    pub(crate) fn channels(&self) -> impl Iterator<Item = &Channel> {
        self.channels.iter().map(|(_, channel)| channel).filter(|channel| channel.present())
    }

    /// All calls with a channel that Asterisk has, agents' sessions among them.
    pub(crate) fn calls(&self) -> impl Iterator<Item = &Call> {
        self.calls.iter().map(|(_, call)| call).filter(|call| call.present())
    }

    /// How many bridges there are.
    pub(crate) fn bridge_count(&self) -> usize {
        self.bridges.len()
    }

    /// How many conferences have participants, and how many these are.
    pub(crate) fn conference_counts(&self) -> (u64, u64) {
        self.conferences.counts()
    }

    /// Counters and histograms.
    pub(crate) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// A channel.
    pub(crate) fn channel(&self, key: ChannelKey) -> Option<&Channel> {
        self.channels.get(key)
    }

    /// A call.
    pub(crate) fn call(&self, key: CallKey) -> Option<&Call> {
        self.calls.get(key)
    }

    /// The channel of a Uniqueid, while it is up.
    pub(crate) fn find_channel(&self, uniqueid: &[u8]) -> Option<ChannelKey> {
        self.by_uniqueid.get(str::from_utf8(uniqueid).ok()?).copied()
    }

    /// The call of a Linkedid, while one of its channels is up.
    pub(crate) fn find_call(&self, linkedid: &[u8]) -> Option<CallKey> {
        self.by_linkedid.get(str::from_utf8(linkedid).ok()?).copied()
    }

    /// Names of technologies.
    pub(crate) fn technologies(&self) -> &Names {
        &self.technologies
    }

    /// Names of contexts.
    pub(crate) fn contexts(&self) -> &Names {
        &self.contexts
    }

    /// Texts of hangup causes.
    pub(crate) fn causes(&self) -> &Names {
        &self.causes
    }

    /// Names of queues.
    pub(crate) fn queue_names(&self) -> &Names {
        &self.queue_names
    }

    /// Name of a conference.
    pub(crate) fn conference_name(&self, key: ConferenceKey) -> Option<&str> {
        self.conferences.name(key)
    }

    /// Asterisk's id of a bridge.
    pub(crate) fn bridge_id(&self, key: BridgeKey) -> Option<&str> {
        self.bridges.get(key).map(|bridge| &*bridge.uniqueid)
    }

    fn begin(&mut self, now: Nanos) {
        self.now = now;
        self.changes.clear();
        self.channels.bury();
        self.calls.bury();
        self.bridges.bury();
        self.conferences.bury();
        self.give_up_missing();
    }

    fn event(&mut self, frame: &Frame<'_>) {
        use EventKind::*;
        let fields = || Fields::read(frame);
        self.tally.event(frame.kind());
        match frame.kind() {
            Newchannel => {
                self.channel_began(&fields(), false);
            }
            Newstate => self.channel_state(&fields()),
            Hangup => self.channel_ended(&fields()),
            HangupRequest | SoftHangupRequest => self.hangup_requested(&fields()),
            Rename => self.channel_renamed(&fields()),
            NewCallerid | NewConnectedLine | Newexten => {
                self.leg(&fields());
            }
            DialBegin => self.dial_began(&fields()),
            DialState => self.dial_state(&fields()),
            DialEnd => self.dial_ended(&fields()),
            Dial => self.dial_of_11(&fields()),
            BridgeCreate => self.bridge_created(&fields()),
            BridgeDestroy => self.bridge_destroyed(&fields()),
            BridgeEnter => self.bridge_entered(&fields()),
            BridgeLeave => self.bridge_left(&fields()),
            Bridge | Link | Unlink => self.bridge_of_11(&fields(), frame.kind()),
            ConfbridgeStart => self.conference_began(&fields()),
            ConfbridgeJoin | MeetmeJoin => self.conference_joined(&fields()),
            ConfbridgeLeave | MeetmeLeave => self.conference_left(&fields()),
            ConfbridgeEnd | MeetmeEnd => self.conference_ended(&fields()),
            _ => {}
        }
    }

    fn list_began(&mut self, list: List) {
        match list {
            List::Channels => self.listing += 1,
            List::Bridges => self.bridges.list_began(),
            List::Conferences => self.conferences.list_began(),
            _ => {}
        }
    }

    fn list_row(&mut self, list: List, frame: &Frame<'_>) {
        let fields = Fields::read(frame);
        match list {
            List::Channels => self.channel_listed(&fields),
            List::Bridges => self.bridge_listed(&fields),
            List::Conferences => self.conference_listed(&fields),
            _ => {}
        }
    }

    fn list_ended(&mut self, list: List) {
        match list {
            List::Channels => self.channels_listed(),
            List::Bridges => self.bridges_listed(),
            List::Conferences => self.conferences_listed(),
            _ => {}
        }
    }
}
