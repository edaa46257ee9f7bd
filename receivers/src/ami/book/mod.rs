//! The one place that knows which channels, calls, bridges, queues, peers and conferences there are.
//!
//! Events tell what changes; lists, read after each login and now and then, tell what is. What a list says is believed
//! unless an event that came after the list was asked for says otherwise. Levels are counted from this state when they
//! are asked for, so nothing can drift.

mod agents;
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
mod peers;
mod places;
mod queues;
mod recent;
mod resync;
mod sessions;
mod system;
mod tally;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;

use hashbrown::HashMap;

pub(crate) use call::Call;
pub(crate) use change::{BridgeKey, CallKey, Change, ChannelKey, ConferenceKey, Place};
pub(crate) use channel::Channel;
pub(crate) use config::BookConfig;
pub use config::{Buckets, DialerConfig, SessionConfig, StateLimits};
pub(crate) use histogram::{Example, Histogram};
pub(crate) use names::{Names, Symbol};
pub(crate) use otelcol_asterisk::disposition::Disposition;
pub(crate) use peers::{Peers, Reach};
pub(crate) use queues::Queue;
pub(crate) use system::System;
pub(crate) use tally::{Direction, Tally};

use agents::Agents;
use arena::Arena;
use bridges::Bridges;
use conferences::Conferences;
use fields::Fields;
use peers::Technology;
use queues::Queues;
use recent::Recent;
use sessions::SessionPatterns;

use super::signal::{List, Nanos, Signal};
use super::wire::{EventKind, Frame};

/// How often calls that are too old are looked for: all channels are looked at.
const SWEEP: Nanos = 60_000_000_000;

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
    /// When calls that are too old are looked for again.
    next_sweep: Nanos,
    /// How many lists of channels were asked for.
    listing: u32,
    technologies: Names,
    contexts: Names,
    causes: Names,
    queue_names: Names,
    peer_names: Names,
    /// Statuses, states and services.
    statuses: Names,
    queues: Queues,
    peers: Peers,
    agents: Agents,
    system: System,
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
        let limit = config.limits.channels;
        Self {
            patterns: SessionPatterns::new(&config.dialer),
            technologies: names(config.limits.names),
            contexts: names(config.limits.names),
            causes: names(config.limits.names),
            queue_names: names(config.limits.queues),
            peer_names: names(config.limits.peers),
            statuses: names(config.limits.names),
            queues: Queues::default(),
            peers: Peers::default(),
            agents: Agents::default(),
            system: System::default(),
            tally: Tally::new(&config.buckets),
            config,
            channels: Arena::default(),
            by_uniqueid: HashMap::new(),
            calls: Arena::default(),
            by_linkedid: HashMap::new(),
            bridges: Bridges::new(limit),
            conferences: Conferences::new(limit),
            recent: Recent::default(),
            missing: VecDeque::new(),
            next_sweep: 0,
            listing: 0,
            now: 0,
            changes: Vec::new(),
        }
    }

    /// The settings that it keeps to.
    pub(crate) fn config(&self) -> &BookConfig {
        &self.config
    }

    /// Takes a signal in; [`Book::changes`] says what became true by it. `now` is when it happened, or when it was received.
    pub(crate) fn apply(&mut self, signal: &Signal<'_, '_>, now: Nanos) {
        self.begin(now);
        match signal {
            Signal::Event(frame) => self.event(frame),
            Signal::ListBegin(list) => self.list_began(*list),
            Signal::ListRow(list, frame) => self.list_row(*list, frame),
            Signal::ListEnd { list, complete } => {
                if *complete {
                    self.list_ended(*list);
                }
                match list {
                    List::Queues => self.queues.list_over(),
                    List::Conferences => self.conferences.list_over(),
                    _ => {}
                }
            }
            Signal::Up(session) => self.logged_in(session),
            Signal::Answer(query, frame) => self.answered(*query, frame),
            Signal::Down => self.system.up = false,
            Signal::Tick => {}
        }
    }

    /// Lets time pass: gives up what is missing and what is too old. For whoever has nothing to apply; it does not matter how
    /// often.
    pub(crate) fn tick(&mut self, now: Nanos) {
        self.begin(now);
        if self.next_sweep <= now {
            self.next_sweep = now.saturating_add(SWEEP);
            self.end_old_calls();
        }
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

    /// What was not tracked, or was put under `other`, because of the limits.
    pub(crate) fn untracked(&self) -> impl Iterator<Item = (&'static str, u64)> {
        [
            ("channels", self.tally.channels_over_limit),
            ("channels_too_old", self.tally.channels_over_age),
            ("peers", self.tally.peers_over_limit + self.peer_names.overflowed()),
            ("queues", self.queue_names.overflowed()),
            ("contexts", self.contexts.overflowed()),
            ("causes", self.causes.overflowed()),
            ("technologies", self.technologies.overflowed()),
            ("states", self.statuses.overflowed()),
        ]
        .into_iter()
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

    /// Names of peers and registrations.
    pub(crate) fn peer_names(&self) -> &Names {
        &self.peer_names
    }

    /// Names of statuses, states and services.
    pub(crate) fn statuses(&self) -> &Names {
        &self.statuses
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
            HangupRequest | SoftHangupRequest => self.hangup_requested(&fields(), frame.kind()),
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
            QueueCallerJoin | Join => self.queue_joined(&fields()),
            QueueCallerLeave | Leave => self.queue_left(&fields()),
            QueueCallerAbandon => self.queue_abandoned(&fields()),
            QueueMemberAdded | QueueMemberStatus | QueueMemberPause | QueueMemberPaused
            | QueueMemberPenalty | QueueMemberRinginuse => self.member_told(&fields()),
            QueueMemberRemoved => self.member_removed(&fields()),
            AgentConnect => self.agent_connected(&fields()),
            AgentComplete => self.agent_completed(&fields()),
            AgentRingNoAnswer => self.agent_rang_no_answer(&fields()),
            AgentLogin | Agentlogin => self.agent_logged(&fields(), b"idle"),
            AgentLogoff | Agentlogoff => self.agent_logged(&fields(), b"loggedoff"),
            PeerStatus => self.peer_status(&fields()),
            ContactStatus => self.contact_status(&fields()),
            Registry => self.registry_status(&fields()),
            RTCPSent => self.media_reported(&fields(), Direction::Sent),
            RTCPReceived => self.media_reported(&fields(), Direction::Received),
            FullyBooted => self.booted(&fields()),
            Reload => self.reloaded(&fields()),
            kind if kind.is_refusal() => self.authentication_failed(&fields(), kind),
            _ => {}
        }
    }

    fn list_began(&mut self, list: List) {
        match list {
            List::Channels => self.listing += 1,
            List::Bridges => self.bridges.list_began(),
            List::Conferences => self.conferences.list_began(),
            List::Queues => self.queues.list_began(),
            List::Agents => self.agents.list_began(),
            List::Endpoints => self.peers.endpoints_list_began(Technology::Pjsip),
            List::SipPeers => self.peers.endpoints_list_began(Technology::Sip),
            List::Contacts => self.peers.contacts_list_began(),
            List::RegistrationsOutbound => self.peers.trunks_list_began(Technology::Pjsip),
            List::SipRegistry => self.peers.trunks_list_began(Technology::Sip),
            List::Parked => {}
        }
    }

    fn list_row(&mut self, list: List, frame: &Frame<'_>) {
        let fields = Fields::read(frame);
        match list {
            List::Channels => self.channel_listed(&fields),
            List::Bridges => self.bridge_listed(&fields),
            List::Conferences => self.conference_listed(&fields),
            List::Queues => self.queue_listed(frame.event().unwrap_or_default(), &fields),
            List::Agents => self.agent_listed(&fields),
            List::Endpoints => self.endpoint_listed(Technology::Pjsip, &fields),
            List::SipPeers => self.endpoint_listed(Technology::Sip, &fields),
            List::Contacts => self.contact_listed(&fields),
            List::RegistrationsOutbound => self.trunk_listed(Technology::Pjsip, &fields),
            List::SipRegistry => self.trunk_listed(Technology::Sip, &fields),
            List::Parked => {}
        }
    }

    fn list_ended(&mut self, list: List) {
        match list {
            List::Channels => self.channels_listed(),
            List::Bridges => self.bridges_listed(),
            List::Conferences => self.conferences_listed(),
            List::Queues => self.queues_listed(),
            List::Agents => self.agents_listed(),
            List::Endpoints => self.endpoints_listed(Technology::Pjsip),
            List::SipPeers => self.endpoints_listed(Technology::Sip),
            List::Contacts => self.contacts_listed(),
            List::RegistrationsOutbound => self.trunks_listed(Technology::Pjsip),
            List::SipRegistry => self.trunks_listed(Technology::Sip),
            List::Parked => {}
        }
    }
}
