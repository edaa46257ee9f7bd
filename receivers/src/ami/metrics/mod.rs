//! From the book to OTLP metrics.
//!
//! Levels are counted from the book's state when they are asked for. While there is no connection, nobody knows
//! them, and none is sent; counters and histograms are.

pub(crate) mod config;
mod points;
mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use otelcol_pdata::model::metrics::Metric;

use super::book::{Book, Disposition, Reach, Symbol};
use super::signal::Nanos;
use super::wire::EventKind;
use config::{CountBy, MetricSetting};
use points::Points;
use table::{DEFINITIONS, Id};

const SECOND: f64 = 1e9;

/// Which metrics are sent, and how.
#[derive(Debug)]
pub(crate) struct Metrics {
    enabled: Vec<bool>,
    count_by: CountBy,
    dialer: bool,
}

/// The names under `metrics` that are no metric's, each with the nearest one that is.
pub(crate) fn unknown_names(settings: &BTreeMap<String, MetricSetting>) -> impl Iterator<Item = &str> {
    settings.keys().map(String::as_str).filter(|name| DEFINITIONS.iter().all(|known| known.name != *name))
}

impl Metrics {
    /// What the settings say. `dialer`: agents' sessions are told apart.
    pub(crate) fn new(settings: &BTreeMap<String, MetricSetting>, count_by: CountBy, dialer: bool) -> Self {
        let enabled = |definition: &table::Definition| {
            settings.get(definition.name).and_then(|setting| setting.enabled).unwrap_or(definition.enabled)
        };
        Self { enabled: DEFINITIONS.iter().map(enabled).collect(), count_by, dialer }
    }

    /// The classes of events that the metrics are made of which are sent.
    pub(crate) fn classes(&self) -> impl Iterator<Item = &'static str> {
        let enabled = DEFINITIONS.iter().zip(&self.enabled).filter(|(_, enabled)| **enabled);
        enabled.map(|(definition, _)| definition.class)
    }

    /// All metrics as of `now`, counted from `start` on. `system` is what makes the trace ids of the calls.
    pub(crate) fn collect(&self, book: &Book, system: &str, (start, now): (Nanos, Nanos)) -> Vec<Metric> {
        let mut points = Points { enabled: &self.enabled, system, start, now, metrics: Vec::new() };
        if book.system().up {
            self.calls_now(book, &mut points);
            queues_now(book, &mut points);
            peers_now(book, &mut points);
            system_now(book, &mut points);
        }
        self.calls_counted(book, &mut points);
        queues_counted(book, &mut points);
        counted(book, &mut points);
        media(book, &mut points);
        points.metrics
    }

    fn calls_now(&self, book: &Book, points: &mut Points<'_>) {
        // A technology that has no channel now has none, and does not vanish.
        let mut by_type: BTreeMap<&str, u64> = BTreeMap::new();
        for (technology, _) in book.tally().channels.iter() {
            by_type.insert(book.technologies().text(technology), 0);
        }
        let (mut channels, mut bridged) = (0, 0);
        for channel in book.channels() {
            channels += 1;
            bridged += u64::from(channel.bridge.is_some());
            *by_type.entry(book.technologies().text(channel.technology)).or_default() += 1;
        }
        let (sessions, calls): (Vec<_>, Vec<_>) = book.calls().partition(|call| call.is_agent_session());
        let active = match self.count_by {
            CountBy::Call => calls.len() as u64,
            CountBy::Channel => channels,
        };
        points.one(Id::CallsActive, active);
        points.one(Id::ChannelsCount, channels);
        points
            .whole(Id::ChannelsByType, by_type.into_iter().map(|(technology, count)| ([technology], count)));
        points.one(Id::BridgesCount, book.bridge_count() as u64);
        points.one(Id::BridgesChannels, bridged);
        let (rooms, participants) = book.conference_counts();
        points.one(Id::ConferencesCount, rooms);
        points.one(Id::ConferencesParticipants, participants);
        if self.dialer {
            points.one(Id::AgentSessions, sessions.len() as u64);
        }
    }

    fn calls_counted(&self, book: &Book, points: &mut Points<'_>) {
        let tally = book.tally();
        let technology = |symbol| book.technologies().text(symbol);
        let cause = |symbol| book.causes().text(symbol);
        let calls = match self.count_by {
            CountBy::Call => &tally.calls,
            CountBy::Channel => &tally.channels,
        };
        points.whole(Id::CallsTotal, calls.iter().map(|(symbol, count)| ([technology(symbol)], count)));
        let known = Disposition::ALL.iter().map(|known| ([known.as_str()], tally.dispositions.get(*known)));
        let told = |(of, count): &([&str; 1], u64)| *count > 0 || *of != [Disposition::Unknown.as_str()];
        points.whole(Id::CallsByDisposition, known.filter(told));
        let contexts = tally.contexts.iter();
        points.whole(
            Id::CallsByContext,
            contexts.map(|(symbol, count)| ([book.contexts().text(symbol)], count)),
        );
        points.histograms(
            Id::CallDuration,
            tally.durations.iter().map(|(symbol, histogram)| ([cause(*symbol)], histogram)),
        );
        points.histograms(Id::CallTimeToRinging, [([""; 0], &tally.to_ringing)]);
        points.histograms(Id::CallTimeToAnswer, [([""; 0], &tally.to_answer)]);
        let dials = tally.dial_results.iter();
        points.whole(
            Id::Dials,
            dials.map(|((status, dest), count)| ([book.statuses().text(status), technology(dest)], count)),
        );
        points.whole(Id::Hangups, tally.hangups.iter().map(|(symbol, count)| ([cause(symbol)], count)));
        if self.dialer {
            points.one(Id::AgentSessionsStarted, tally.agent_sessions);
        }
    }
}

fn queues_now(book: &Book, points: &mut Points<'_>) {
    let name = |symbol| book.queue_names().text(symbol);
    let mut callers: BTreeMap<Symbol, u64> = BTreeMap::new();
    let mut longest: BTreeMap<Symbol, f64> = BTreeMap::new();
    let mut members: BTreeMap<(Symbol, &str), u64> = BTreeMap::new();
    let mut paused: BTreeMap<Symbol, u64> = BTreeMap::new();
    let mut levels: Vec<([&str; 1], f64)> = Vec::new();
    for (symbol, queue) in book.queues().filter(|(_, queue)| queue.present) {
        callers.insert(symbol, 0);
        longest.insert(symbol, 0.0);
        paused.insert(symbol, 0);
        levels.extend(queue.service_level.map(|level| ([name(symbol)], level)));
        for state in queue.states_seen() {
            members.insert((symbol, state), 0);
        }
        for member in queue.members.values() {
            *members.entry((symbol, member.state_name())).or_default() += 1;
            *paused.entry(symbol).or_default() += u64::from(member.paused);
        }
    }
    for caller in book.queue_callers() {
        *callers.entry(caller.queue).or_default() += 1;
        let longest = longest.entry(caller.queue).or_default();
        *longest = longest.max(points.now.saturating_sub(caller.since) as f64 / SECOND);
    }
    points.whole(Id::QueueCallers, callers.into_iter().map(|(queue, count)| ([name(queue)], count)));
    points.measured(Id::QueueLongestWait, longest.into_iter().map(|(queue, wait)| ([name(queue)], wait)));
    points.measured(Id::QueueServiceLevel, levels);
    let members = members.into_iter();
    points.whole(Id::QueueMembers, members.map(|((queue, state), count)| ([name(queue), state], count)));
    points.whole(Id::QueueMembersPaused, paused.into_iter().map(|(queue, count)| ([name(queue)], count)));
    let agents = book.agent_states();
    points.whole(
        Id::AgentsCount,
        agents.into_iter().map(|(state, count)| ([book.statuses().text(state)], count)),
    );
}

fn queues_counted(book: &Book, points: &mut Points<'_>) {
    let queues: Vec<_> =
        book.queues().map(|(symbol, queue)| (book.queue_names().text(symbol), queue)).collect();
    let mut count = |id, of: fn(&super::book::Queue) -> u64| {
        points.whole(id, queues.iter().map(|(name, queue)| ([*name], of(queue))));
    };
    count(Id::QueueJoined, |queue| queue.joined);
    count(Id::QueueAnswered, |queue| queue.answered);
    count(Id::QueueAbandoned, |queue| queue.abandoned);
    count(Id::QueueTimedOut, |queue| queue.timed_out);
    count(Id::QueueRingNoAnswer, |queue| queue.ring_no_answer);
    let completed = queues
        .iter()
        .flat_map(|(name, queue)| queue.completed.iter().map(|(reason, count)| ([*name, *reason], *count)));
    points.whole(Id::QueueCompleted, completed);
    points.histograms(Id::QueueHoldTime, queues.iter().map(|(name, queue)| ([*name], &queue.hold_time)));
    points.histograms(Id::QueueTalkTime, queues.iter().map(|(name, queue)| ([*name], &queue.talk_time)));
}

fn peers_now(book: &Book, points: &mut Points<'_>) {
    let peers = book.peers();
    let configured = || peers.peers.iter().filter(|(_, peer)| peer.configured);
    let online = configured().filter(|(_, peer)| peer.online).count() as u64;
    let all = configured().count() as u64;
    points.one(Id::EndpointsCount, all);
    points.one(Id::EndpointsOnline, online);
    points.one(Id::EndpointsOffline, all - online);
    points.whole(Id::EndpointOnline, configured().map(|(name, peer)| ([name], u64::from(peer.online))));
    let mut states: BTreeMap<Reach, u64> = Reach::ALL.iter().map(|reach| (*reach, 0)).collect();
    let mut round_trips: BTreeMap<&str, f64> = BTreeMap::new();
    for contact in peers.contacts.values() {
        *states.entry(contact.reach).or_default() += 1;
        if let Some(round_trip) = contact.round_trip_ms {
            // Of several contacts of an endpoint the slowest.
            let slowest = round_trips.entry(&contact.peer).or_default();
            *slowest = slowest.max(round_trip);
        }
    }
    round_trips.extend(peers.peers.iter().filter_map(|(name, peer)| Some((&**name, peer.round_trip_ms?))));
    points.whole(Id::ContactsCount, states.into_iter().map(|(reach, count)| ([reach.as_str()], count)));
    points.measured(Id::ContactRtt, round_trips.into_iter().map(|(peer, round_trip)| ([peer], round_trip)));
    let registrations = peers.registrations().into_iter();
    points.whole(Id::SipRegistrations, registrations.map(|(peer, count)| ([peer], count)));
    let trunks = peers.trunks.iter();
    points.whole(Id::OutboundRegistration, trunks.map(|(name, trunk)| ([name], u64::from(trunk.registered))));
}

fn system_now(book: &Book, points: &mut Points<'_>) {
    let system = book.system();
    let since = |then: Nanos| points.now.saturating_sub(then) / 1_000_000_000;
    let (uptime, reload) = (system.started.map(since), system.reloaded.map(since));
    if let Some(uptime) = uptime {
        points.one(Id::Uptime, uptime);
    }
    if let Some(reload) = reload {
        points.one(Id::SinceReload, reload);
    }
    if !system.version.is_empty() {
        points.whole(Id::Info, [([system.version.as_str()], 1)]);
    }
}

fn counted(book: &Book, points: &mut Points<'_>) {
    let tally = book.tally();
    let peer = |symbol| book.peer_names().text(symbol);
    let status = |symbol| book.statuses().text(symbol);
    let registrations = tally.registrations.iter();
    points.whole(
        Id::SipRegistrationEvents,
        registrations.map(|((of, told), count)| ([peer(of), status(told)], count)),
    );
    let trunks = tally.trunk_registrations.iter();
    points.whole(
        Id::OutboundRegistrationEvents,
        trunks.map(|((of, told), count)| ([peer(of), status(told)], count)),
    );
    let failures = tally.auth_failures.iter();
    points.whole(
        Id::AuthFailures,
        failures.map(|((service, kind), count)| ([status(service), kind.name()], count)),
    );
    points.one(Id::AmiUp, u64::from(book.system().up));
    points.one(Id::AmiReconnects, book.system().logins.saturating_sub(1));
    let events = EventKind::ALL.iter().map(|kind| ([kind.name()], tally.events[*kind as usize]));
    points.whole(Id::AmiEvents, events.filter(|(_, count)| *count > 0));
    points.whole(Id::Untracked, book.untracked().map(|(what, count)| ([what], count)));
}

fn media(book: &Book, points: &mut Points<'_>) {
    let media = &book.tally().media;
    for (id, histograms) in [
        (Id::RtcpJitter, &media.jitter),
        (Id::RtcpLoss, &media.loss),
        (Id::RtcpRoundTrip, &media.round_trip),
        (Id::RtcpMos, &media.mos),
    ] {
        points.histograms(
            id,
            histograms.iter().map(|(direction, histogram)| ([direction.as_str()], histogram)),
        );
    }
}
